//! Databases for tests: an empty or migrated one of either kind, and everything to open it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::time::Timestamp;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions};
use storage::clock::Clock;
use storage::key_ring::KeyRing;
use storage::migration;
use storage::store::{OpenOptions, Store, StoreOptions};
use tempfile::TempDir;

use crate::cluster::Cluster;
use crate::postgres::PostgresDatabase;

/// The databases that every storage test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseKind {
    Sqlite,
    Postgres,
}

/// A database with its data directory, key ring and clock; removed when dropped.
#[derive(Debug)]
pub struct Database {
    kind: DatabaseKind,
    directory: TempDir,
    postgres: Option<PostgresDatabase>,
    clock: TestClock,
}

/// A clock that stands still until it is moved. It begins at 2027-01-15T08:00:00Z.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<AtomicI64>);

/// A directory that is removed when dropped.
pub fn scratch() -> TempDir {
    tempfile::tempdir().expect("a directory is made")
}

impl TestClock {
    /// When every test begins.
    pub const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

    /// The time it shows.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }

    /// Moves it on.
    pub fn advance_seconds(&self, seconds: i64) {
        let now = self.now().plus_seconds(seconds);
        self.0.store(now.as_micros(), Ordering::SeqCst);
    }

    /// The clock as a store takes it.
    pub fn lend(&self) -> Clock {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(Self::START.as_micros())))
    }
}

impl Database {
    /// A database without tables; the SQLite file does not exist yet.
    pub async fn empty(kind: DatabaseKind) -> Self {
        let postgres = match kind {
            DatabaseKind::Sqlite => None,
            DatabaseKind::Postgres => Some(PostgresDatabase::empty().await),
        };
        Self::new(kind, postgres)
    }

    /// A database with the current schema.
    pub async fn migrated(kind: DatabaseKind) -> Self {
        match kind {
            DatabaseKind::Sqlite => {
                let database = Self::new(kind, None);
                migration::migrate(&database.open_options())
                    .await
                    .expect("an empty database is migrated");
                database
            }
            DatabaseKind::Postgres => Self::new(kind, Some(PostgresDatabase::migrated().await)),
        }
    }

    /// A database without tables on a server of the test's own.
    pub async fn empty_on(cluster: &Cluster) -> Self {
        Self::new(DatabaseKind::Postgres, Some(cluster.database().await))
    }

    fn new(kind: DatabaseKind, postgres: Option<PostgresDatabase>) -> Self {
        Self {
            kind,
            directory: scratch(),
            postgres,
            clock: TestClock::default(),
        }
    }

    /// A store on this database; each call connects anew, as another node would.
    pub async fn store(&self) -> Store {
        Store::open(self.store_options())
            .await
            .expect("a migrated database opens")
    }

    /// Runs SQL of a test's own, beside every store.
    pub async fn execute(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        if let Some(postgres) = &self.postgres {
            let mut connection = postgres.connect().await;
            let result = sqlx::raw_sql(sql).execute(&mut connection).await;
            result.expect("the SQL of a test runs");
            return;
        }
        let options = SqliteConnectOptions::new()
            .filename(self.sqlite_path())
            .busy_timeout(Duration::from_secs(10));
        let mut connection = options.connect().await.expect("the file opens");
        let result = sqlx::raw_sql(sql).execute(&mut connection).await;
        result.expect("the SQL of a test runs");
    }

    /// The number that a query of a test's own gives.
    pub async fn number(&self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        if let Some(postgres) = &self.postgres {
            let mut connection = postgres.connect().await;
            let number = sqlx::query_scalar(sql).fetch_one(&mut connection).await;
            return number.expect("the SQL of a test gives a number");
        }
        let options = SqliteConnectOptions::new()
            .filename(self.sqlite_path())
            .busy_timeout(Duration::from_secs(10));
        let mut connection = options.connect().await.expect("the file opens");
        let number = sqlx::query_scalar(sql).fetch_one(&mut connection).await;
        number.expect("the SQL of a test gives a number")
    }

    /// Everything that is stored: the octets of the files, or every row of every table.
    pub fn dump(&self) -> Vec<u8> {
        if let Some(postgres) = &self.postgres {
            return postgres.dump();
        }
        let entries = fs::read_dir(self.data_dir()).expect("the directory is there");
        entries
            .flatten()
            .filter(|entry| {
                entry
                    .file_name()
                    .to_string_lossy()
                    .starts_with("lastmile.db")
            })
            .flat_map(|entry| fs::read(entry.path()).expect("a file is read"))
            .collect()
    }

    /// The PostgreSQL database, when it is one.
    pub fn postgres(&self) -> Option<&PostgresDatabase> {
        self.postgres.as_ref()
    }

    pub(crate) fn sqlite_path(&self) -> PathBuf {
        self.data_dir().join("lastmile.db")
    }

    /// Which database it is.
    pub fn kind(&self) -> DatabaseKind {
        self.kind
    }

    /// What `database.url` would be.
    pub fn url(&self) -> &str {
        self.postgres
            .as_ref()
            .map_or("sqlite:", PostgresDatabase::url)
    }

    /// The data directory; on SQLite the database is `lastmile.db` in it.
    pub fn data_dir(&self) -> &Path {
        self.directory.path()
    }

    /// Everything that is stored, a text for each table but those in `except`, so that two moments can
    /// be compared.
    pub async fn content(&self, except: &[&str]) -> BTreeMap<String, String> {
        let mut content = BTreeMap::new();
        for table in self.texts(&self.tables_query()).await {
            if except.contains(&table.as_str()) {
                continue;
            }
            let rows = match self.kind {
                DatabaseKind::Postgres => format!("SELECT t::TEXT FROM \"{table}\" t ORDER BY 1"),
                DatabaseKind::Sqlite => {
                    let columns = format!(
                        "SELECT 'quote(\"' || name || '\")' FROM pragma_table_info('{table}')"
                    );
                    let columns = self.texts(&columns).await.join(" || ',' || ");
                    format!("SELECT {columns} FROM \"{table}\" ORDER BY 1")
                }
            };
            content.insert(table, self.texts(&rows).await.join("\n"));
        }
        content
    }

    fn tables_query(&self) -> String {
        match self.kind {
            DatabaseKind::Postgres => {
                "SELECT tablename::TEXT FROM pg_tables WHERE schemaname = current_schema()".into()
            }
            DatabaseKind::Sqlite => {
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
                    .into()
            }
        }
    }

    /// The texts that a query of a test's own gives.
    async fn texts(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        if let Some(postgres) = &self.postgres {
            let mut connection = postgres.connect().await;
            let texts = sqlx::query_scalar(sql).fetch_all(&mut connection).await;
            return texts.expect("the SQL of a test gives texts");
        }
        let options = SqliteConnectOptions::new()
            .filename(self.sqlite_path())
            .busy_timeout(Duration::from_secs(10));
        let mut connection = options.connect().await.expect("the file opens");
        let texts = sqlx::query_scalar(sql).fetch_all(&mut connection).await;
        texts.expect("the SQL of a test gives texts")
    }

    /// The clock of every store on this database.
    pub fn clock(&self) -> &TestClock {
        &self.clock
    }

    /// What opening and migrating need.
    pub fn open_options(&self) -> OpenOptions {
        self.store_options().database()
    }

    /// What a store needs; the key ring is made by the first call.
    pub fn store_options(&self) -> StoreOptions {
        let path = self.data_dir().join("keyring");
        StoreOptions {
            url: self.url().to_owned(),
            data_dir: self.data_dir().to_owned(),
            clock: self.clock.lend(),
            keys: KeyRing::load_or_create(&path, TestClock::START).expect("a key ring is made"),
        }
    }
}

/// Makes of each `async fn name(database: Database)` two tests, `sqlite::name` and
/// `postgres::name`, each with a migrated database of its own.
// A function cannot name tests; without this, every test would need two wrappers by hand.
#[macro_export]
macro_rules! test_on_both_databases {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let kind = $crate::database::DatabaseKind::Sqlite;
                    super::$name($crate::database::Database::migrated(kind).await).await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let kind = $crate::database::DatabaseKind::Postgres;
                    super::$name($crate::database::Database::migrated(kind).await).await;
                }
            )+
        }
    };
}
