//! The real program as a child process: its commands, and its server with what it logs and serves.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use serde_json::Value;

use crate::port::quiet_port;
use crate::process::{self, Outcome};
use crate::small_disk::SmallDisk;

/// How long a command may take on a loaded machine.
const COMMAND_TIME: Duration = Duration::from_secs(120);
/// How long a server may take to be ready, or to stop.
const SERVER_TIME: Duration = Duration::from_secs(60);
/// How long an HTTP request may take.
const HTTP_TIME: Duration = Duration::from_secs(10);
/// Lines of log that are kept; a server that logs more is broken.
const LOG_LINES_MAX: usize = 100_000;

/// The program with a data directory and an environment of its own.
#[derive(Clone, Debug)]
pub struct Program {
    binary: PathBuf,
    data_dir: PathBuf,
    environment: BTreeMap<String, String>,
    /// What comes before every command.
    inside: Vec<OsString>,
}

/// A running server. It is killed when it is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it answers Access-Requests.
    pub auth: SocketAddr,
    /// Where it answers Accounting-Requests.
    pub acct: SocketAddr,
    /// Where it hears local tools; `None` when it does not.
    pub relay: Option<SocketAddr>,
    /// Where it serves HTTP; `None` when it could not be had.
    pub http: Option<SocketAddr>,
    /// How long it took from the start to being ready.
    pub ready_after: Duration,
    child: Child,
    log: Log,
    closed: Receiver<Line>,
}

/// What a server answered over HTTP.
#[derive(Clone, Debug)]
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

/// How a server ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Everything it wrote to standard output and standard error.
    pub log: Vec<String>,
}

type Log = Arc<Mutex<Vec<String>>>;

/// News from the threads that read a server's output.
#[derive(Debug)]
enum Line {
    Written(String),
    Closed,
}

impl Program {
    /// The program `binary` on `data_dir`, listening on loopback ports that the system chooses.
    pub fn new(binary: impl Into<PathBuf>, data_dir: impl Into<PathBuf>) -> Self {
        let environment = [
            ("PATH", "/usr/bin:/bin"),
            ("LASTMILE_RADIUS__AUTH", "127.0.0.1:0"),
            ("LASTMILE_RADIUS__ACCT", "127.0.0.1:0"),
            ("LASTMILE_RADIUS__RELAY", "127.0.0.1:0"),
            ("LASTMILE_HTTP__LISTEN", "127.0.0.1:0"),
        ];
        Self {
            binary: binary.into(),
            data_dir: data_dir.into(),
            environment: environment
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            inside: Vec::new(),
        }
    }

    /// Runs it where a small disk is mounted.
    #[must_use]
    pub fn inside(mut self, disk: &SmallDisk) -> Self {
        self.inside = disk.inside();
        self
    }

    /// Keeps the RADIUS ports when the server is started again.
    #[must_use]
    pub fn on_quiet_ports(self) -> Self {
        let address = || format!("127.0.0.1:{}", quiet_port());
        self.with("LASTMILE_RADIUS__AUTH", &address())
            .with("LASTMILE_RADIUS__ACCT", &address())
    }

    /// Adds or replaces an environment variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Runs a command of the program.
    pub fn cli(&self, arguments: &[&str]) -> Outcome {
        let mut command = self.command();
        command
            .arg("--data-dir")
            .arg(&self.data_dir)
            .args(arguments);
        process::run(&mut command, b"", COMMAND_TIME)
    }

    /// Runs a command that must succeed; gives what it wrote to standard output.
    #[track_caller]
    pub fn done(&self, arguments: &[&str]) -> String {
        let outcome = self.cli(arguments);
        assert!(
            outcome.is_success(),
            "`lastmile {}`: {outcome:?}",
            arguments.join(" ")
        );
        outcome.stdout
    }

    /// Runs a command that must succeed, and reads its JSON.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--output", "json"]].concat();
        let stdout = self.done(&arguments);
        serde_json::from_str(&stdout)
            .unwrap_or_else(|error| panic!("`lastmile {}`: {error}: {stdout}", arguments.join(" ")))
    }

    /// Runs a server that is expected to end by itself.
    pub fn serve_to_end(&self) -> Outcome {
        process::run(&mut self.serve_command(), b"", SERVER_TIME)
    }

    /// Starts a server and waits until it is ready.
    #[track_caller]
    pub fn serve(&self) -> Server {
        let begun = Instant::now();
        let mut command = self.serve_command();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .expect("the program was built for this test");
        let log = Log::default();
        let (news, closed) = mpsc::channel();
        let stdout = child.stdout.take().expect("it is piped");
        read_lines(stdout, Arc::clone(&log), None);
        let stderr = child.stderr.take().expect("it is piped");
        read_lines(stderr, Arc::clone(&log), Some(news));
        let Some(ready) = wait_until_ready(&closed, begun) else {
            process::end(&mut child);
            panic!("the server is not ready: {:#?}", lines_of(&log));
        };
        Server {
            auth: ready
                .find("radius.auth")
                .expect("the ready line names the port"),
            acct: ready
                .find("radius.acct")
                .expect("the ready line names the port"),
            relay: ready.find("radius.relay"),
            http: ready.find("http.listen"),
            ready_after: begun.elapsed(),
            child,
            log,
            closed,
        }
    }

    fn serve_command(&self) -> Command {
        let mut command = self.command();
        command
            .arg("serve")
            .arg("--data-dir")
            .arg(&self.data_dir)
            .args(["--log", "json"]);
        command
    }

    fn command(&self) -> Command {
        let mut words = self.inside.clone();
        words.push(self.binary.clone().into_os_string());
        let (program, before) = words.split_first().expect("there is at least the program");
        let mut command = Command::new(program);
        command.args(before).env_clear().envs(&self.environment);
        // A configuration file of whoever runs the tests must not be found.
        if let Some(parent) = self.data_dir.parent().filter(|parent| parent.is_dir()) {
            command.current_dir(parent);
        }
        command
    }
}

impl Server {
    /// What it has written so far, to standard output and standard error.
    pub fn log(&self) -> Vec<String> {
        lines_of(&self.log)
    }

    /// Asks it over HTTP.
    #[track_caller]
    pub fn http(&self, path: &str) -> HttpAnswer {
        http_get(self.http.expect("it serves HTTP"), path)
    }

    /// Its metrics: `name{labels}` and value.
    #[track_caller]
    pub fn metrics(&self) -> BTreeMap<String, u64> {
        let answer = self.http("/metrics");
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body.lines().filter_map(parse_metric).collect()
    }

    /// One metric, 0 when it was never counted.
    #[track_caller]
    pub fn metric(&self, name: &str) -> u64 {
        self.metrics().get(name).copied().unwrap_or(0)
    }

    /// Ends it as a crash would: with SIGKILL.
    pub fn kill(mut self) -> Ending {
        drop(self.child.kill());
        self.end()
    }

    /// Asks it to stop with SIGTERM, and waits until it has.
    #[track_caller]
    pub fn terminate(self) -> Ending {
        let id = i32::try_from(self.child.id()).expect("a process id is an i32");
        signal::kill(Pid::from_raw(id), Signal::SIGTERM).expect("it is our child");
        self.end()
    }

    #[track_caller]
    fn end(mut self) -> Ending {
        let deadline = Instant::now() + SERVER_TIME;
        loop {
            match self
                .closed
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(Line::Written(_)) => {}
                Ok(Line::Closed) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("the server does not stop: {:#?}", self.log())
                }
            }
        }
        let status = self.child.wait().expect("it is our child");
        Ending {
            code: status.code(),
            log: self.log(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        process::end(&mut self.child);
    }
}

/// The fields of the line that says that the server is ready.
struct Ready(Value);

impl Ready {
    fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let is_ready = value.get("message")?.as_str()?.starts_with("Ready");
        is_ready.then_some(Self(value))
    }

    /// The first address under a key.
    fn find(&self, key: &str) -> Option<SocketAddr> {
        let text = self.0.get(key)?.as_str()?;
        let first = text.split(',').next().filter(|first| !first.is_empty())?;
        Some(
            first
                .parse()
                .unwrap_or_else(|error| panic!("{key} {first}: {error}")),
        )
    }
}

fn wait_until_ready(news: &Receiver<Line>, begun: Instant) -> Option<Ready> {
    loop {
        match news.recv_timeout(SERVER_TIME.saturating_sub(begun.elapsed())) {
            Ok(Line::Written(line)) => {
                if let Some(ready) = Ready::parse(&line) {
                    return Some(ready);
                }
            }
            Ok(Line::Closed) | Err(_) => return None,
        }
    }
}

fn read_lines(pipe: impl Read + Send + 'static, log: Log, news: Option<Sender<Line>>) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            let mut lines = log.lock().expect("no holder panics");
            if lines.len() < LOG_LINES_MAX {
                lines.push(line.clone());
            }
            drop(lines);
            if let Some(news) = &news {
                drop(news.send(Line::Written(line)));
            }
        }
        if let Some(news) = &news {
            drop(news.send(Line::Closed));
        }
    });
}

fn lines_of(log: &Log) -> Vec<String> {
    log.lock().expect("no holder panics").clone()
}

fn http_get(server: SocketAddr, path: &str) -> HttpAnswer {
    let mut stream = TcpStream::connect_timeout(&server, HTTP_TIME)
        .unwrap_or_else(|error| panic!("no HTTP at {server}: {error}"));
    stream
        .set_read_timeout(Some(HTTP_TIME))
        .expect("a time above zero");
    let mut request = String::new();
    write!(
        request,
        "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n"
    )
    .expect("a String takes everything");
    stream
        .write_all(request.as_bytes())
        .expect("the connection is open");
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .unwrap_or_else(|error| panic!("{path}: {error}"));
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    HttpAnswer {
        status: status.unwrap_or_else(|| panic!("no status in {head}")),
        body: body.to_owned(),
    }
}

fn parse_metric(line: &str) -> Option<(String, u64)> {
    if line.starts_with('#') {
        return None;
    }
    let (name, value) = line.rsplit_once(' ')?;
    Some((name.to_owned(), value.parse().ok()?))
}
