//! A MariaDB for one test: an ordinary child with a data directory of its own, killed when dropped.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tempfile::TempDir;

use crate::database::scratch;
use crate::port::quiet_port;
use crate::process;

const SERVER: &str = "/usr/sbin/mariadbd";
const INSTALLER: &str = "/usr/bin/mariadb-install-db";
const START_TIME: Duration = Duration::from_secs(60);
const START_ATTEMPTS: u32 = 5;
/// Between two attempts to connect.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Who may read the database, and nothing else.
pub const READER: (&str, &str) = ("reader", "planted-mariadb-pass");
/// The name of the database.
pub const NAME: &str = "radius";

/// A running server with one empty database.
#[derive(Debug)]
pub struct MariaDb {
    port: u16,
    child: Child,
    _directory: TempDir,
}

impl MariaDb {
    /// Starts a server.
    pub async fn start() -> Self {
        assert!(
            Path::new(SERVER).exists(),
            "{SERVER} is missing: run `apt-get install mariadb-server` (`make test` does)"
        );
        for _ in 0..START_ATTEMPTS {
            let mut server = Self::spawn();
            if server.is_ready().await {
                let (user, password) = READER;
                server
                    .execute(&format!(
                        "CREATE DATABASE {NAME}; \
                         CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'; \
                         GRANT SELECT ON {NAME}.* TO '{user}'@'%'"
                    ))
                    .await;
                return server;
            }
            // Somebody may have taken the port before the server had it.
        }
        panic!("MariaDB does not start");
    }

    fn spawn() -> Self {
        let directory = scratch();
        let data = directory.path().join("data");
        let user = format!("--user={}", user());
        let installed = Command::new(INSTALLER)
            .args(["--no-defaults", "--skip-test-db", "--skip-name-resolve"])
            .arg("--auth-root-authentication-method=normal")
            .arg(&user)
            .arg(format!("--datadir={}", data.display()))
            .stdin(Stdio::null())
            .output()
            .expect("the installer is there");
        assert!(installed.status.success(), "{installed:?}");
        let port = quiet_port();
        let log = fs::File::create(directory.path().join("log")).expect("a file is made");
        let path = |name: &str| directory.path().join(name).display().to_string();
        let child = Command::new(SERVER)
            .args([
                "--no-defaults",
                "--bind-address=127.0.0.1",
                "--skip-log-bin",
            ])
            // What only matters when the machine loses power is off.
            .args([
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-doublewrite=0",
            ])
            .arg(user)
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--port={port}"))
            .arg(format!("--socket={}", path("socket")))
            .arg(format!("--pid-file={}", path("pid")))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the server is there");
        Self {
            port,
            child,
            _directory: directory,
        }
    }

    /// Where it listens on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The database as its reader names it, with the password.
    pub fn url(&self) -> String {
        let (user, password) = READER;
        format!("mysql://{user}:{password}@127.0.0.1:{}/{NAME}", self.port)
    }

    /// Runs SQL as the owner.
    pub async fn execute(&self, sql: &str) {
        let mut connection = self.connect().await.expect("the server answers");
        // The database is there after the first statement of the start.
        let chosen = sqlx::raw_sql(AssertSqlSafe(format!("USE {NAME}")))
            .execute(&mut connection)
            .await;
        drop(chosen);
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut connection)
            .await
            .expect("the SQL of a test runs");
        connection.close().await.expect("the connection closes");
    }

    async fn connect(&self) -> Result<MySqlConnection, sqlx::Error> {
        MySqlConnectOptions::new()
            .host(&Ipv4Addr::LOCALHOST.to_string())
            .port(self.port)
            .username("root")
            .disable_statement_logging()
            .connect()
            .await
    }

    async fn is_ready(&mut self) -> bool {
        let deadline = Instant::now() + START_TIME;
        while Instant::now() < deadline {
            if self.connect().await.is_ok() {
                return true;
            }
            if !matches!(self.child.try_wait(), Ok(None)) {
                return false;
            }
            thread::sleep(LOOK_INTERVAL);
        }
        false
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        process::end(&mut self.child);
    }
}

/// The server wants to be told that it really is to run as root.
fn user() -> String {
    let uid = fs::metadata("/proc/self").map_or(0, |metadata| metadata.uid());
    let named = Command::new("id").args(["-un", &uid.to_string()]).output();
    let named = named.expect("every system has `id`");
    String::from_utf8_lossy(&named.stdout).trim().to_owned()
}
