//! A provider in a temporary directory: its database, its configuration, its first customers.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use domain::secret::Secret;
use lab::credentials::Credentials;
use lab::load::options::LoadOptions;
use serde_json::Value;
use tempfile::TempDir;
use testkit::cluster::Cluster;
use testkit::database::{Database, DatabaseKind, scratch};
use testkit::server::{Program, Server};
use testkit::small_disk::SmallDisk;

/// The secret of the NAS that the tests pretend to be.
pub(crate) const SECRET: &str = "e2e-shared-secret-0001";
/// The subscribers of a furnished site, with a password each; `fay` is disabled.
pub(crate) const ANA: (&str, &str) = ("ana", "ana-pass-word-1");
pub(crate) const FAY: (&str, &str) = ("fay", "fay-pass-word-2");
/// Has a static address.
pub(crate) const SAM: (&str, &str) = ("sam", "sam-pass-word-3");
pub(crate) const SAM_ADDRESS: &str = "100.64.0.7";

/// When an entry of the log is given up.
const LOG_PATIENCE: Duration = Duration::from_secs(15);

/// Everything a test needs; it disappears with the value.
pub(crate) struct Site {
    pub(crate) program: Program,
    pub(crate) database: Database,
    files: TempDir,
}

impl Site {
    /// An empty site. Rejects are not held back, so that tests do not wait for them.
    pub(crate) fn empty(kind: DatabaseKind) -> Self {
        let database = block_on(Database::empty(kind));
        let data_dir = database.data_dir().to_owned();
        Self::new(database, &data_dir)
    }

    /// A furnished site on a PostgreSQL of its own.
    pub(crate) fn on_cluster(cluster: &Cluster) -> Self {
        let database = block_on(Database::empty_on(cluster));
        let data_dir = database.data_dir().to_owned();
        let site = Self::new(database, &data_dir);
        site.furnish("127.0.0.1");
        site
    }

    /// A furnished site on SQLite with its data directory on a small disk.
    pub(crate) fn on_small_disk(disk: &SmallDisk) -> Self {
        Self::with_small_disk(block_on(Database::empty(DatabaseKind::Sqlite)), disk)
    }

    /// A furnished site on a PostgreSQL of its own, with its data directory on a small disk.
    pub(crate) fn on_cluster_and_small_disk(cluster: &Cluster, disk: &SmallDisk) -> Self {
        Self::with_small_disk(block_on(Database::empty_on(cluster)), disk)
    }

    fn with_small_disk(database: Database, disk: &SmallDisk) -> Self {
        let mut site = Self::new(database, &disk.path().join("data"));
        site.program = site.program.inside(disk.inside());
        site.furnish("127.0.0.1");
        site
    }

    fn new(database: Database, data_dir: &Path) -> Self {
        let binary = env!("CARGO_BIN_EXE_lastmile");
        let program = Program::new(binary, data_dir)
            .with("LASTMILE_DATABASE__URL", database.url())
            .with("LASTMILE_RADIUS__REJECT_DELAY_MS", "0");
        Self {
            program,
            database,
            files: scratch(),
        }
    }

    /// Keeps the RADIUS ports from one start of the server to the next.
    pub(crate) fn keep_ports(&mut self) {
        self.program = self.program.clone().on_quiet_ports();
    }

    /// A site with a NAS at 127.0.0.1, a plan and three subscribers.
    pub(crate) fn furnished(kind: DatabaseKind) -> Self {
        let site = Self::empty(kind);
        site.furnish("127.0.0.1");
        site
    }

    /// Adds what a furnished site has, with the NAS at `address`.
    pub(crate) fn furnish(&self, address: &str) {
        self.command(&format!(
            "nas add pop --address {address} --secret {SECRET}"
        ));
        self.command("plan add home --rate 25M/50M");
        let mut sheet = "username,password,plan,static_ipv4,status\n".to_owned();
        let rows = [
            (ANA, "", "active"),
            (FAY, "", "disabled"),
            (SAM, SAM_ADDRESS, "active"),
        ];
        for ((user, password), ipv4, status) in rows {
            writeln!(sheet, "{user},{password},home,{ipv4},{status}").expect("it is a String");
        }
        let path = self.write("furniture.csv", &sheet);
        let path = path.display();
        self.command(&format!("subscriber import {path}"));
    }

    /// Changes the environment of what is started from now on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.program = self.program.clone().with(name, value);
    }

    /// Runs a command, written as one line without quotes, that must succeed.
    #[track_caller]
    pub(crate) fn command(&self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        self.program.done(&words)
    }

    /// Writes a file beside the data directory.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.files.path().join(name);
        fs::write(&path, text).expect("the temporary directory is writable");
        path
    }

    /// Waits until the log of authentications says something; it is written a moment later.
    #[track_caller]
    pub(crate) fn until_logged(&self, text: &str) {
        let begun = Instant::now();
        loop {
            let log = self.command("log auth --output json");
            if log.contains(text) {
                return;
            }
            assert!(begun.elapsed() < LOG_PATIENCE, "no '{text}' in {log}");
        }
    }

    /// How the account of a subscriber stands.
    #[track_caller]
    pub(crate) fn state(&self, username: &str) -> String {
        let shown = self.command(&format!("subscriber show {username} --output json"));
        let shown: Value = serde_json::from_str(&shown).expect("it is JSON");
        shown["status"].as_str().unwrap_or_default().to_owned()
    }

    /// Every session, newest first.
    #[track_caller]
    pub(crate) fn sessions(&self) -> Vec<Value> {
        self.sessions_in("all")
    }

    /// The sessions in a state, newest first.
    #[track_caller]
    pub(crate) fn sessions_in(&self, state: &str) -> Vec<Value> {
        let list = self.program.json(&["session", "list", "--state", state]);
        list.as_array().expect("a list is an array").clone()
    }
}

/// A load of accounting that keeps a ledger, from one port for each worker's sake.
pub(crate) fn accounting_load(server: &Server) -> LoadOptions {
    accounting_options(server.auth, server.acct)
}

/// The same for a server that is known by its ports.
pub(crate) fn accounting_options(auth: SocketAddr, acct: SocketAddr) -> LoadOptions {
    let user = Credentials::new(ANA.0, ANA.1).expect("a valid login");
    let secret = Secret::from(SECRET);
    let mut options = LoadOptions::new(auth, acct, secret, vec![user]);
    options.mix = "accounting".parse().expect("a valid mix");
    options.ledger = true;
    options
}

/// Runs what the database of a test needs.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime starts").block_on(work)
}

/// Makes a test of each function on each database: a test is an item, which no function can make.
macro_rules! on_both_databases {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $name() { super::$name(testkit::database::DatabaseKind::Sqlite); })+
        }

        mod postgres {
            $(#[test] fn $name() { super::$name(testkit::database::DatabaseKind::Postgres); })+
        }
    };
}
pub(crate) use on_both_databases;
