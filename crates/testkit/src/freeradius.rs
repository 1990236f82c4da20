//! FreeRADIUS as Debian ships it, over the rows of a test's database: what it answers is right by definition.

mod configuration;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::database::{Database, scratch};
use crate::port::quiet_port;
use crate::process;

pub use configuration::{Limits, SqlPlace};

/// The secret that it shares with 127.0.0.1.
pub const SECRET: &str = "freeradius-secret-0001";

const BINARY: &str = "/usr/sbin/freeradius";
const START_TIME: Duration = Duration::from_secs(60);
const START_ATTEMPTS: u32 = 5;
/// Between two looks into the log.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Lines of log that a failure shows.
const SHOWN_LINES: usize = 40;

/// A running server. It is killed when it is dropped.
#[derive(Debug)]
pub struct FreeRadius {
    auth: SocketAddr,
    child: Child,
    directory: TempDir,
}

impl FreeRadius {
    /// Serves the rows of `database`, which it reads for every request.
    #[track_caller]
    pub fn over(database: &Database, limits: Limits) -> Self {
        Self::over_place(&SqlPlace::of(database), limits)
    }

    /// Serves the rows of any database.
    #[track_caller]
    pub fn over_place(database: &SqlPlace, limits: Limits) -> Self {
        assert!(
            Path::new(BINARY).exists(),
            "{BINARY} is missing: run `apt-get install freeradius freeradius-postgresql` (`make test` does)"
        );
        let mut said = String::new();
        for _ in 0..START_ATTEMPTS {
            let mut server = Self::start(database, limits);
            if server.is_ready() {
                return server;
            }
            // Somebody may have taken the port before the server had it.
            said = server.log_tail();
        }
        panic!("FreeRADIUS does not start: {said}");
    }

    fn start(database: &SqlPlace, limits: Limits) -> Self {
        let directory = scratch();
        let port = quiet_port();
        let text = configuration::text(database, directory.path(), port, SECRET, limits);
        for (name, text) in [
            ("reference.conf", text.as_str()),
            ("dictionary", configuration::DICTIONARY),
            ("access_reject", configuration::ACCESS_REJECT),
        ] {
            fs::write(directory.path().join(name), text).expect("a file is written");
        }
        let child = Command::new(BINARY)
            .args(["-f", "-n", "reference", "-d"])
            .arg(directory.path())
            // Its periods begin by the clock of the machine, and ours by that of the tenant.
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("FreeRADIUS is there");
        Self {
            auth: (Ipv4Addr::LOCALHOST, port).into(),
            child,
            directory,
        }
    }

    /// Where it answers Access-Requests.
    pub fn auth(&self) -> SocketAddr {
        self.auth
    }

    /// Whether it still runs; rows can crash it.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        let log = fs::read(self.log_path()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }

    fn is_ready(&mut self) -> bool {
        let deadline = Instant::now() + START_TIME;
        while Instant::now() < deadline {
            let log = fs::read(self.log_path()).unwrap_or_default();
            if String::from_utf8_lossy(&log).contains("Ready to process requests") {
                return true;
            }
            if !self.is_running() {
                return false;
            }
            thread::sleep(LOOK_INTERVAL);
        }
        false
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("radius.log")
    }
}

impl Drop for FreeRadius {
    fn drop(&mut self) {
        process::end(&mut self.child);
    }
}
