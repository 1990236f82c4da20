//! A PostgreSQL server for the tests: started by the first that needs it, shared by the run, and
//! stopped when nobody has used it for a while.
//!
//! Each test process holds a shared lock on a file while it lives. A watchdog takes that lock when
//! no test holds it, stops the server and removes its files, so that killed tests leave nothing.

use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::UNIX_EPOCH;

use domain::time::Timestamp;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use storage::migration;
use storage::store::OpenOptions;

const INSTALL: &str = "tests need PostgreSQL 15 or newer: `apt-get install postgresql` (or `make test`, which installs it)";
/// Ports are chosen by the system and may be taken before the server has them.
const START_ATTEMPTS: u32 = 5;
const IDLE_SECONDS: u32 = 20;

/// A database of its own for one test; removed when dropped.
#[derive(Debug)]
pub struct PostgresDatabase {
    name: String,
    url: String,
    port: u16,
}

/// The server of this run, and the lock that keeps it alive.
struct Server {
    port: u16,
    _users: File,
}

impl PostgresDatabase {
    /// A database with the current schema.
    pub async fn migrated() -> Self {
        let port = server_port();
        let template = template(port).await;
        Self::create(port, &format!("TEMPLATE {template}")).await
    }

    /// A database without tables.
    pub async fn empty() -> Self {
        Self::create_in(server_port(), None).await
    }

    /// A database without tables on any server of the tests, in a tablespace of it.
    pub(crate) async fn create_in(port: u16, tablespace: Option<&str>) -> Self {
        let place = tablespace.map(|name| format!(" TABLESPACE {name}"));
        let options = format!("TEMPLATE template0{}", place.unwrap_or_default());
        Self::create(port, &options).await
    }

    /// `postgres://…`, with a password that the server does not check.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name on the server.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where the server listens on loopback.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A connection for SQL of the test's own.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url)
            .await
            .expect("the server answers")
    }

    /// Every row of every table as text; octets are in hexadecimal digits and again as they are.
    pub fn dump(&self) -> Vec<u8> {
        let output = Command::new(binary("pg_dump"))
            .args(["--data-only", "--inserts", "--dbname", &self.url])
            .output()
            .expect("pg_dump runs");
        assert!(output.status.success(), "pg_dump failed");
        let decoded: Vec<u8> = output
            .stdout
            .split(|octet| !octet.is_ascii_hexdigit())
            .filter(|digits| 8 <= digits.len())
            .flat_map(|digits| digits.chunks_exact(2))
            .filter_map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        [output.stdout, decoded].concat()
    }

    async fn create(port: u16, options: &str) -> Self {
        let name = format!("test_{:032x}", rand::random::<u128>());
        let sql = format!("CREATE DATABASE {name} {options}");
        execute(port, &sql).await.expect("a database is created");
        Self {
            url: url(port, &name),
            name,
            port,
        }
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let _ = quiet(&mut Command::new(binary("dropdb")))
            .args(["--force", "--host=127.0.0.1", "--username=postgres"])
            .arg(format!("--port={}", self.port))
            .arg(&self.name)
            .status();
    }
}

pub(crate) fn url(port: u16, name: &str) -> String {
    format!("postgres://postgres:unchecked@127.0.0.1:{port}/{name}")
}

async fn execute(port: u16, sql: &str) -> Result<(), sqlx::Error> {
    let mut connection = connect(port).await?;
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut connection)
        .await?;
    connection.close().await
}

async fn connect(port: u16) -> Result<PgConnection, sqlx::Error> {
    let options: PgConnectOptions = url(port, "postgres").parse()?;
    options.disable_statement_logging().connect().await
}

/// A database with the current schema to copy from; one for each test program, because a program
/// that was built anew may have other migrations.
async fn template(port: u16) -> String {
    static TEMPLATE: OnceLock<String> = OnceLock::new();
    if let Some(template) = TEMPLATE.get() {
        return template.clone();
    }
    let name = format!("template_{:016x}", program_fingerprint());
    let mut connection = connect(port).await.expect("the server answers");
    // Held until the connection closes; other test processes wait for the template.
    sqlx::query("SELECT pg_advisory_lock(1)")
        .execute(&mut connection)
        .await
        .expect("the server locks");
    let found = sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate")
        .bind(&name)
        .fetch_optional(&mut connection)
        .await
        .expect("the server lists databases");
    if found.is_none() {
        make_template(port, &name).await;
    }
    connection.close().await.expect("the connection closes");
    TEMPLATE.get_or_init(|| name).clone()
}

async fn make_template(port: u16, name: &str) {
    let steps = [
        format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        format!("CREATE DATABASE {name} TEMPLATE template0"),
    ];
    for sql in steps {
        execute(port, &sql).await.expect("a template is created");
    }
    let options = OpenOptions {
        url: url(port, name),
        data_dir: PathBuf::from("."),
        clock: Arc::new(Timestamp::default),
    };
    migration::migrate(&options)
        .await
        .expect("the template is migrated");
    let sql = format!("ALTER DATABASE {name} IS_TEMPLATE true");
    execute(port, &sql).await.expect("the template is marked");
}

fn program_fingerprint() -> u64 {
    let mut hasher = DefaultHasher::new();
    let program = std::env::current_exe().expect("a test has a program");
    let metadata = fs::metadata(&program).expect("the program is a file");
    program.hash(&mut hasher);
    metadata.len().hash(&mut hasher);
    let modified = metadata.modified().expect("files have times");
    modified
        .duration_since(UNIX_EPOCH)
        .expect("programs are newer than 1970")
        .hash(&mut hasher);
    hasher.finish()
}

fn server_port() -> u16 {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER
        .get_or_init(|| Server::obtain().unwrap_or_else(|error| panic!("{INSTALL}: {error}")))
        .port
}

impl Server {
    fn obtain() -> io::Result<Self> {
        let base = base_directory()?;
        let start = lock_file(&base.join("start.lock"))?;
        start.lock()?;
        let users = lock_file(&base.join("users.lock"))?;
        // Waits for a watchdog that is stopping the server.
        users.lock_shared()?;
        let cluster = base.join("cluster");
        let port = match running_port(&cluster) {
            Some(port) => port,
            None => start_server(&base, &cluster)?,
        };
        Ok(Self {
            port,
            _users: users,
        })
    }
}

/// A directory of this user, where the server's user may look too.
fn base_directory() -> io::Result<PathBuf> {
    let user = fs::metadata("/proc/self")?.uid();
    let base = std::env::temp_dir().join(format!("lastmile-testkit-{user}"));
    fs::create_dir_all(&base)?;
    let metadata = fs::symlink_metadata(&base)?;
    if !metadata.is_dir() || metadata.uid() != user {
        let message = format!("{} belongs to somebody else", base.display());
        return Err(io::Error::other(message));
    }
    fs::set_permissions(&base, fs::Permissions::from_mode(0o755))?;
    Ok(base)
}

fn lock_file(path: &Path) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .append(true)
        .create(true)
        .open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o644))?;
    Ok(file)
}

/// The port of a server that runs and answers.
fn running_port(cluster: &Path) -> Option<u16> {
    let file = fs::read_to_string(cluster.join("data/postmaster.pid")).ok()?;
    let mut lines = file.lines();
    let process = lines.next()?.trim();
    let port = lines.nth(2)?.trim().parse().ok()?;
    let is_alive = Path::new("/proc").join(process).exists()
        && TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
    is_alive.then_some(port)
}

fn start_server(base: &Path, cluster: &Path) -> io::Result<u16> {
    if cluster.exists() {
        fs::remove_dir_all(cluster)?;
    }
    fs::create_dir(cluster)?;
    give_to_server(cluster)?;
    make_cluster(&cluster.join("data"))?;
    let mut attempt = 1;
    let port = loop {
        let port = free_port()?;
        match run(&mut start_command(cluster, port)) {
            Ok(()) => break port,
            Err(_) if attempt < START_ATTEMPTS => attempt += 1,
            Err(error) => return Err(error),
        }
    };
    start_watchdog(base, cluster)?;
    Ok(port)
}

/// Gives a directory to the user that the server runs as, and to nobody else.
pub(crate) fn give_to_server(directory: &Path) -> io::Result<()> {
    if let Some(user) = server_user() {
        let metadata = Command::new("id").args(["-u", user]).output()?;
        let uid = String::from_utf8_lossy(&metadata.stdout)
            .trim()
            .parse()
            .ok();
        chown(directory, uid, None)?;
    }
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
}

pub(crate) fn make_cluster(data: &Path) -> io::Result<()> {
    // Names sort by language here, as they do on most servers in the field.
    run(as_server_user(&binary("initdb"))
        .args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
        .args([
            "--locale=C.UTF-8",
            "--locale-provider=icu",
            "--icu-locale=en",
        ])
        .args(["--no-sync", "--pgdata"])
        .arg(data))
}

/// Options of the server. What only matters when the machine loses power is off.
pub(crate) fn settings(port: u16) -> Vec<String> {
    [
        &format!("port={port}"),
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=off",
        "full_page_writes=off",
        "max_connections=300",
        "max_wal_size=4GB",
        "autovacuum_naptime=5min",
    ]
    .map(|setting| format!("--{setting}"))
    .to_vec()
}

fn start_command(cluster: &Path, port: u16) -> Command {
    let options = settings(port).join(" ");
    let mut command = as_server_user(&binary("pg_ctl"));
    command
        .args(["start", "--wait", "--timeout=60", "--options"])
        .arg(options)
        .arg("--pgdata")
        .arg(cluster.join("data"))
        .arg("--log")
        .arg(cluster.join("log"));
    command
}

/// Stops the server when no test process has held the lock for a while.
fn start_watchdog(base: &Path, cluster: &Path) -> io::Result<()> {
    const SCRIPT: &str = r#"
        idle=0
        while [ "$idle" -lt "$4" ]; do
            sleep 1
            [ -e "$2/data/postmaster.pid" ] || exit 0
            if flock --nonblock --exclusive "$1" true; then idle=$((idle + 1)); else idle=0; fi
        done
        exec 9<"$1"
        flock --exclusive 9
        "$3" stop --mode=immediate --pgdata "$2/data"
        rm -rf "$2/data" "$2/log"
    "#;
    // The shell in between returns at once, and the watchdog outlives the process group.
    run(as_server_user(Path::new("sh"))
        .args([
            "-c",
            r#"setsid sh -c "$@" </dev/null >/dev/null 2>&1 &"#,
            "sh",
        ])
        .args([SCRIPT, "lastmile-testkit-watchdog"])
        .arg(base.join("users.lock"))
        .arg(cluster)
        .arg(binary("pg_ctl"))
        .arg(IDLE_SECONDS.to_string()))
}

fn free_port() -> io::Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()
        .map(|address| address.port())
}

/// The program of the newest installed version.
pub(crate) fn binary(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let newest = versions
        .flatten()
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let path = entry.path().join("bin").join(name);
            path.exists().then_some((version, path))
        })
        .max();
    newest.map_or_else(|| PathBuf::from(name), |(_, path)| path)
}

/// PostgreSQL refuses to run as root; then it runs as this user.
fn server_user() -> Option<&'static str> {
    let is_root = fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0);
    let has_postgres = fs::read_to_string("/etc/passwd")
        .is_ok_and(|users| users.lines().any(|line| line.starts_with("postgres:")));
    match (is_root, has_postgres) {
        (false, _) => None,
        (true, true) => Some("postgres"),
        (true, false) => Some("nobody"),
    }
}

fn as_server_user(program: &Path) -> Command {
    if server_user().is_none() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(server_user_options()).arg("--").arg(program);
    command
}

/// What makes `setpriv` run a program as the server's user.
pub(crate) fn server_user_options() -> Vec<OsString> {
    let Some(user) = server_user() else {
        return Vec::new();
    };
    vec![format!("--reuid={user}").into(), "--clear-groups".into()]
}

fn quiet(command: &mut Command) -> &mut Command {
    command
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
}

/// Runs a command to its end, with what it wrote in the error.
fn run(command: &mut Command) -> io::Result<()> {
    let log = tempfile::tempfile()?;
    let status = quiet(command)
        .stdout(log.try_clone()?)
        .stderr(log.try_clone()?)
        .status()?;
    if status.success() {
        return Ok(());
    }
    let mut written = String::new();
    io::Seek::rewind(&mut &log)?;
    io::Read::read_to_string(&mut &log, &mut written)?;
    let program = command.get_program().to_string_lossy().into_owned();
    Err(io::Error::other(format!("{program} failed: {written}")))
}
