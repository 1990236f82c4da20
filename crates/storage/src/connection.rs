//! Connections: how each database is opened and tuned.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbErr, SqlxPostgresConnector, SqlxSqliteConnector,
};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection};

use crate::accounting::postgres::{CONNECTIONS, PostgresJournal};
use crate::dialect::Dialect;
use crate::error::{DatabaseError, OpenError};
use crate::location::Location;
use crate::sqlite_writer::SqliteWriter;

const SQLITE_READERS: u32 = 4;
pub(crate) const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const SQLITE_RETRY: Duration = Duration::from_millis(20);
const SQLITE_ATTEMPTS: u32 = 500;
/// At most 32 MiB, as a negative number of KiB: the pages of the indexes that grow everywhere.
pub(crate) const SQLITE_WRITER_CACHE: &str = "-32768";
/// 16 MiB of journal before it is folded in: a page that many commits touch is written once.
pub(crate) const SQLITE_CHECKPOINT_PAGES: &str = "4096";
/// Rows that a reading connection may be ahead of who takes them; fewer would wake both for a few.
const SQLITE_ROWS_AHEAD: usize = 2_048;
const POSTGRES_CONNECTIONS: u32 = 12;
/// For statements whose arrays are as long as a batch and whose rows are found by their keys,
/// however empty the tables were when the plan was made.
const POSTGRES_JOURNAL_OPTIONS: [(&str, &str); 5] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// SQLite waits for this long for a connection of ours; a long import holds the only writer.
pub(crate) const WRITER_TIMEOUT: Duration = Duration::from_secs(60);
/// PostgreSQL may not notice for hours that a client is gone, and its transaction would keep locks
/// that the next one waits for.
const IDLE_TIMEOUT_MS: &str = "60000";
const STATEMENTS_CACHED: usize = 128;
const POSTGRES_VERSION_MIN: u32 = 15;

/// The connections of one store. On PostgreSQL both are the same pool; on SQLite there is one
/// connection that writes. The journal has its own beside them.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    pub(crate) writer: DatabaseConnection,
    pub(crate) reader: DatabaseConnection,
    pub(crate) journal: JournalConnection,
}

/// What accounting is committed through, and on SQLite the authentication log. It is opened when it
/// is first used.
#[derive(Clone, Debug)]
pub(crate) enum JournalConnection {
    Sqlite(SqliteWriter),
    Postgres(PostgresJournal),
}

impl JournalConnection {
    async fn close(&self) {
        match self {
            Self::Sqlite(writer) => writer.close(),
            Self::Postgres(journal) => journal.close().await,
        }
    }
}

impl Connections {
    pub(crate) async fn open(location: &Location) -> Result<Self, OpenError> {
        match location {
            Location::Sqlite(path) => open_sqlite(path).await,
            Location::Postgres(options) => open_postgres(location, options).await,
        }
    }

    /// Closes every connection and waits until the server has let go of them. SQLite's journal is
    /// folded into the file first: which connection goes last, and folds it, is not ours to say.
    pub(crate) async fn close(self) {
        let dialect = self.dialect();
        // What cannot be closed is gone already.
        let _ = self.reader.close().await;
        self.journal.close().await;
        if dialect == Dialect::Sqlite {
            let fold = "PRAGMA wal_checkpoint(TRUNCATE)";
            // A reader of another process may be in the way; the journal stays valid.
            let _ = self.writer.execute_unprepared(fold).await;
        }
        let _ = self.writer.close().await;
    }

    pub(crate) fn dialect(&self) -> Dialect {
        Dialect::of(&self.writer)
    }
}

/// Makes an empty database file, and its directory, that only its owner can read; SQLite gives
/// its journal the same mode.
pub(crate) fn create_sqlite_file(path: &Path) -> Result<(), OpenError> {
    let create = || {
        if let Some(directory) = path.parent() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)?;
        }
        fs::OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map(drop)
    };
    create().map_err(|source| read_only(path, source))
}

fn read_only(path: &Path, source: io::Error) -> OpenError {
    OpenError::ReadOnly {
        path: path.into(),
        source,
    }
}

/// Options for one more connection to the same file.
pub(crate) fn sqlite_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(SQLITE_BUSY_TIMEOUT)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .statement_cache_capacity(STATEMENTS_CACHED)
        .disable_statement_logging()
}

/// A connection that reads and nothing else.
pub(crate) fn sqlite_reader(path: &Path, connections: u32) -> DatabaseConnection {
    let pool = SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(
            sqlite_options(path)
                .row_buffer_size(SQLITE_ROWS_AHEAD)
                .pragma("query_only", "ON"),
        );
    SqlxSqliteConnector::from_sqlx_sqlite_pool(pool)
}

async fn open_sqlite(path: &Path) -> Result<Connections, OpenError> {
    // The check is before SQLite's own, whose message does not say what is wrong.
    fs::OpenOptions::new()
        .read(true)
        .append(true)
        .open(path)
        .map_err(|source| read_only(path, source))?;
    let writer = connect_sqlite_writer(path)
        .await
        .map_err(|source| unreadable(path, source.into()))?;
    Ok(Connections {
        writer: SqlxSqliteConnector::from_sqlx_sqlite_pool(writer),
        reader: sqlite_reader(path, SQLITE_READERS),
        journal: JournalConnection::Sqlite(SqliteWriter::new(path)),
    })
}

/// A disk without room for the journal's index is no reason to look for a backup.
fn unreadable(path: &Path, source: DatabaseError) -> OpenError {
    let place = path.display().to_string();
    if source.is_disk_full() {
        OpenError::DiskFull { place, source }
    } else {
        OpenError::Unreadable { place, source }
    }
}

/// The first connections to a new file turn its journal into a WAL one after the other, and SQLite
/// does not wait for that by itself.
pub(crate) async fn connect_sqlite_writer(path: &Path) -> Result<SqlitePool, sqlx::Error> {
    let mut attempt = 1;
    loop {
        let result = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(WRITER_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .after_release(|connection, _| Box::pin(has_no_transaction(connection)))
            .connect_with(
                sqlite_options(path)
                    .pragma("cache_size", SQLITE_WRITER_CACHE)
                    .pragma("wal_autocheckpoint", SQLITE_CHECKPOINT_PAGES),
            )
            .await;
        match result {
            Err(error) if attempt < SQLITE_ATTEMPTS && is_sqlite_busy(&error) => {
                attempt += 1;
                tokio::time::sleep(SQLITE_RETRY).await;
            }
            result => return result,
        }
    }
}

/// Whether a connection may be used again. SQLite undoes a transaction by itself when the disk is
/// full or fails; sqlx goes on counting it, and what it begins next is a savepoint, not
/// `BEGIN IMMEDIATE`.
async fn has_no_transaction(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // The rollback of a dropped transaction is in the queue before this.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// SQLITE_BUSY, 5, in the low octet of the code.
fn is_sqlite_busy(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(|error| error.code()?.parse::<u32>().ok())
        .is_some_and(|code| code & 0xff == 5)
}

async fn open_postgres(
    location: &Location,
    options: &PgConnectOptions,
) -> Result<Connections, OpenError> {
    let mut options = options
        .clone()
        .statement_cache_capacity(STATEMENTS_CACHED)
        .options([("idle_in_transaction_session_timeout", IDLE_TIMEOUT_MS)])
        .disable_statement_logging();
    if options.get_application_name().is_none() {
        options = options.application_name("lastmile");
    }
    let unreachable = |source: sqlx::Error| OpenError::Unreachable {
        place: location.place(),
        source: source.into(),
    };
    // A pool tries again until its time is up and then tells only that; one connection says why.
    let probe = tokio::time::timeout(ACQUIRE_TIMEOUT, PgConnection::connect_with(&options))
        .await
        .unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut))
        .map_err(unreachable)?;
    // The server notices by itself when the farewell is lost.
    let _ = probe.close().await;
    let journal = PgPoolOptions::new()
        .max_connections(CONNECTIONS as u32)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .connect_lazy_with(options.clone().options(POSTGRES_JOURNAL_OPTIONS));
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options)
        .await
        .map_err(unreachable)?;
    let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
    let found = postgres_version(&connection)
        .await
        .map_err(|source| OpenError::Failed {
            place: location.place(),
            source: DatabaseError::from(source),
        })?;
    if found < POSTGRES_VERSION_MIN {
        return Err(OpenError::ServerTooOld {
            place: location.place(),
            found,
        });
    }
    Ok(Connections {
        writer: connection.clone(),
        reader: connection,
        journal: JournalConnection::Postgres(PostgresJournal::new(journal)),
    })
}

async fn postgres_version(connection: &DatabaseConnection) -> Result<u32, DbErr> {
    const SQL: &str = "SELECT current_setting('server_version_num')::BIGINT";
    let row = connection
        .query_one_raw(Dialect::Postgres.statement(SQL, []))
        .await?;
    let number: i64 = match row {
        Some(row) => row.try_get_by_index(0)?,
        None => 0,
    };
    Ok(u32::try_from(number / 10_000).unwrap_or(0))
}
