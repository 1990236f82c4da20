//! A PostgreSQL server of one test, to be stopped, killed and held in the middle of its work.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::database::scratch;
use crate::port::quiet_port;
use crate::postgres::{self, PostgresDatabase};
use crate::process;
use crate::small_disk::SmallDisk;

/// How long a start, with its recovery, or a stop may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a server that starts or stops.
const LOOK: Duration = Duration::from_millis(20);
/// Where the tables are when they are not with the rest.
const TABLESPACE: &str = "small";

/// A server with a port of its own. It ends with the value, and with the thread that started it.
#[derive(Debug)]
pub struct Cluster {
    home: TempDir,
    port: u16,
    /// What comes before the command that starts it.
    inside: Vec<OsString>,
    has_small_disk: bool,
    postmaster: Mutex<Option<Child>>,
}

/// How a server is made to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Sessions are ended and everything is written.
    Fast,
    /// Everybody leaves at once; the next start recovers.
    Immediate,
    /// The postmaster is killed, and the others notice.
    Killed,
}

impl Cluster {
    /// Makes and starts one.
    pub fn start() -> Self {
        Self::make(Vec::new(), None)
    }

    /// The same, with the tables on a small disk; its journal is on the machine's own, because a
    /// PostgreSQL that cannot write its journal does not refuse statements but goes down.
    pub fn start_on(disk: &SmallDisk) -> Self {
        Self::make(disk.inside(), Some(disk))
    }

    fn make(inside: Vec<OsString>, disk: Option<&SmallDisk>) -> Self {
        let home = scratch();
        postgres::give_to_server(home.path()).expect("the directory is ours to give");
        postgres::make_cluster(&home.path().join("data")).expect("initdb runs");
        let cluster = Self {
            home,
            port: quiet_port(),
            inside,
            has_small_disk: disk.is_some(),
            postmaster: Mutex::new(None),
        };
        cluster.start_again();
        if let Some(disk) = disk {
            let outside = disk.seen_from_outside().join(TABLESPACE);
            fs::create_dir(&outside).expect("the disk has room");
            let uid = fs::metadata(cluster.home.path()).map(|metadata| metadata.uid());
            chown(&outside, uid.ok(), None).expect("the directory is ours to give");
            let place = disk.path().join(TABLESPACE);
            let sql = format!(
                "CREATE TABLESPACE {TABLESPACE} LOCATION '{}'",
                place.display()
            );
            cluster.administer(&sql);
        }
        cluster
    }

    /// Starts it after a stop, and waits until it answers.
    #[track_caller]
    pub fn start_again(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut postmaster = self.postmaster();
        assert!(postmaster.is_none(), "it runs already");
        loop {
            let child = postmaster.insert(self.spawn());
            if self.wait_until_it_answers(child, deadline) {
                return;
            }
            // Those whom a killed postmaster left behind may still hold its memory.
            drop(postmaster.take());
            assert!(
                Instant::now() < deadline,
                "it does not start: {}",
                self.log()
            );
            thread::sleep(LOOK);
        }
    }

    /// Stops it, and waits until it has stopped.
    #[track_caller]
    pub fn stop(&self, how: Stop) {
        let mut child = self.postmaster().take().expect("it runs");
        let signal = match how {
            Stop::Fast => Signal::SIGINT,
            Stop::Immediate => Signal::SIGQUIT,
            Stop::Killed => Signal::SIGKILL,
        };
        signal::kill(pid(&child), signal).expect("it is our child");
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().expect("it is our child").is_none() {
            assert!(
                Instant::now() < deadline,
                "it does not stop: {}",
                self.log()
            );
            thread::sleep(LOOK);
        }
    }

    /// Holds all of its processes: connections stay, and nothing answers.
    #[track_caller]
    pub fn hold(&self) {
        self.signal_all(Signal::SIGSTOP);
    }

    /// Lets it go on after [`Self::hold`].
    #[track_caller]
    pub fn release(&self) {
        self.signal_all(Signal::SIGCONT);
    }

    /// An empty database, on the small disk when there is one.
    pub(crate) async fn database(&self) -> PostgresDatabase {
        let place = self.has_small_disk.then_some(TABLESPACE);
        PostgresDatabase::create_in(self.port, place).await
    }

    fn administer(&self, sql: &str) {
        let url = postgres::url(self.port, "postgres");
        let mut command = Command::new("psql");
        command.arg(url).args(["-v", "ON_ERROR_STOP=1", "-c", sql]);
        let outcome = process::run(&mut command, b"", PATIENCE);
        assert!(outcome.is_success(), "{outcome:?}");
    }

    /// In the foreground, so that it is our child and goes when the test goes.
    fn spawn(&self) -> Child {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .expect("the directory is there");
        let mut words = self.inside.clone();
        words.extend(["setpriv", "--pdeathsig=KILL"].map(OsString::from));
        words.extend(postgres::server_user_options());
        words.push("--".into());
        words.push(postgres::binary("postgres").into_os_string());
        let (program, before) = words.split_first().expect("there is at least setpriv");
        let mut command = Command::new(program);
        command
            .args(before)
            .arg("-D")
            .arg(self.home.path().join("data"))
            .args(postgres::settings(self.port))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        command.spawn().expect("setpriv runs")
    }

    /// `false` when it ended instead.
    fn wait_until_it_answers(&self, child: &mut Child, deadline: Instant) -> bool {
        let mut command = Command::new(postgres::binary("pg_isready"));
        command
            .args(["--quiet", "--host=127.0.0.1"])
            .arg(format!("--port={}", self.port));
        while child.try_wait().expect("it is our child").is_none() {
            if process::run(&mut command, b"", PATIENCE).is_success() {
                return true;
            }
            assert!(
                Instant::now() < deadline,
                "it does not answer: {}",
                self.log()
            );
            thread::sleep(LOOK);
        }
        false
    }

    /// The postmaster first, so that it starts nobody meanwhile.
    fn signal_all(&self, signal: Signal) {
        let postmaster = self.postmaster();
        let parent = pid(postmaster.as_ref().expect("it runs"));
        signal::kill(parent, signal).expect("it is our child");
        let children = children(parent);
        assert!(
            !children.is_empty(),
            "a PostgreSQL is more than one process"
        );
        for child in children {
            // One that has just ended needs no signal.
            let _ = signal::kill(child, signal);
        }
    }

    fn postmaster(&self) -> MutexGuard<'_, Option<Child>> {
        self.postmaster.lock().expect("no holder panics")
    }

    fn log_path(&self) -> PathBuf {
        self.home.path().join("log")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let Ok(mut postmaster) = self.postmaster.lock() else {
            return;
        };
        let Some(child) = postmaster.as_mut() else {
            return;
        };
        // Those who are held could not leave.
        for one in children(pid(child)) {
            let _ = signal::kill(one, Signal::SIGKILL);
        }
        process::end(child);
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a process id is an i32"))
}

/// The processes whose parent this is (`proc(5)`, `task/TID/children`).
fn children(parent: Pid) -> Vec<Pid> {
    let path = Path::new("/proc")
        .join(parent.to_string())
        .join("task")
        .join(parent.to_string())
        .join("children");
    let list = fs::read_to_string(path).unwrap_or_default();
    list.split_whitespace()
        .filter_map(|word| word.parse().ok().map(Pid::from_raw))
        .collect()
}
