//! The spool: accounting on local disk while the database cannot store it.
//!
//! It is a SQLite file of its own in the data directory, also when the database is PostgreSQL.
//! One row is a parcel, the records of one append; parcels leave in the order in which they came.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::accounting::{AccountingRecord, Origin, SourceId};
use domain::time::Timestamp;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbErr, QueryResult, SqlxSqliteConnector, TransactionTrait,
};
use tracing::error;
use uuid::Uuid;

use crate::column::{loaded_count, stored_count};
use crate::connection::{connect_sqlite_writer, create_sqlite_file};
use crate::dialect::Dialect;
use crate::error::{DatabaseError, OpenError};

mod payload;

const FILE: &str = "spool.db";

/// The version of the tables, as `PRAGMA user_version`.
const VERSION: i64 = 2;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS parcel (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    source BLOB NOT NULL,
    first INTEGER NOT NULL,
    records INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    payload BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS set_aside (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source BLOB NOT NULL,
    first INTEGER NOT NULL,
    payload BLOB NOT NULL
) STRICT;
PRAGMA user_version = 2;
";

/// Parcels that one look takes at most.
const PARCELS_MAX: i64 = 4_096;

/// A spool that held more gives its room on the disk back when it is empty.
const SHRINK_BYTES: u64 = 16 << 20;

/// How much a spool holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolLimits {
    pub records: u64,
    pub bytes: u64,
}

impl SpoolLimits {
    /// 10 million records or 2 GiB, whatever comes first.
    pub const DEFAULT: Self = Self {
        records: 10_000_000,
        bytes: 2 << 30,
    };
}

/// The records of one append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Its place in the order of the spool.
    pub position: u64,
    pub origin: Origin,
    pub records: Vec<AccountingRecord>,
}

/// Why the spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("the accounting spool is full: it holds {records} records in {bytes} bytes")]
    Full { records: u64, bytes: u64 },
    #[error(
        "{} is of version {found} and this program knows {VERSION}: run the newer lastmile that made it",
        path.display()
    )]
    Newer { path: PathBuf, found: i64 },
    #[error(transparent)]
    ReadOnly(#[from] OpenError),
    #[error("the damaged accounting spool {} cannot be moved away", path.display())]
    Move {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the disk of the accounting spool {} is full: free some space on it", path.display())]
    DiskFull {
        path: PathBuf,
        #[source]
        source: DatabaseError,
    },
    #[error("the accounting spool {} cannot be used", path.display())]
    Failed {
        path: PathBuf,
        #[source]
        source: DatabaseError,
    },
}

/// An open spool.
pub struct Spool {
    path: PathBuf,
    limits: SpoolLimits,
    connection: DatabaseConnection,
    totals: Mutex<Totals>,
}

/// What is in the parcels.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    records: u64,
    bytes: u64,
    /// The most since the file was last made small.
    bytes_most: u64,
}

impl fmt::Debug for Spool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Spool")
            .field("path", &self.path)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Spool {
    /// Opens the spool in the data directory, or makes it. A damaged one is moved away under a
    /// name that ends with `now`, which is logged, and a new one is made.
    pub async fn open(
        data_dir: &Path,
        limits: SpoolLimits,
        now: Timestamp,
    ) -> Result<Self, SpoolError> {
        let path = data_dir.join(FILE);
        match open_file(&path, limits).await {
            Err(SpoolError::Failed { source, .. }) if source.is_file_damaged() => {
                let kept = move_away(&path, now)?;
                error!(
                    error = &source as &dyn std::error::Error,
                    spool.kept = %kept.display(),
                    "The accounting spool is damaged and was moved to {}; records in it were acknowledged and may not be in the database",
                    kept.display()
                );
                open_file(&path, limits).await
            }
            result => result,
        }
    }

    /// Appends a parcel; when this returns, it is on the disk.
    pub async fn append(
        &self,
        origin: Origin,
        records: &[AccountingRecord],
    ) -> Result<(), SpoolError> {
        let payload = payload::encode(records);
        let (count, bytes) = (records.len() as u64, payload.len() as u64);
        let Totals {
            records: held,
            bytes: used,
            ..
        } = *self.totals();
        if self.limits.records < held + count || self.limits.bytes < used + bytes {
            return Err(SpoolError::Full {
                records: held,
                bytes: used,
            });
        }
        let sql = "INSERT INTO parcel (source, first, records, bytes, payload) \
                   VALUES (?, ?, ?, ?, ?)";
        let values = [
            source_uuid(origin).into(),
            stored_count(origin.first).into(),
            stored_count(count).into(),
            stored_count(bytes).into(),
            payload.into(),
        ];
        let insert = Dialect::Sqlite.statement(sql, values);
        let done = self.connection.execute_raw(insert).await;
        done.map_err(|source| self.failed(source))?;
        let mut totals = self.totals();
        totals.records += count;
        totals.bytes += bytes;
        totals.bytes_most = totals.bytes_most.max(totals.bytes);
        Ok(())
    }

    /// The oldest parcels in their order, with `records_max` records altogether or a little more;
    /// nothing only when the spool is empty. What cannot be read is set aside and logged.
    pub async fn peek(&self, records_max: usize) -> Result<Vec<Parcel>, SpoolError> {
        loop {
            let rows = self.rows(records_max).await;
            let rows = rows.map_err(|source| self.failed(source))?;
            let is_empty = rows.is_empty();
            let mut parcels = Vec::with_capacity(rows.len());
            for row in rows {
                match payload::decode(&row.payload) {
                    Ok(records) => parcels.push(Parcel {
                        position: row.position,
                        origin: row.origin,
                        records,
                    }),
                    Err(problem) => {
                        error!(
                            error = &problem as &dyn std::error::Error,
                            spool.position = row.position,
                            "A parcel of the accounting spool is damaged and was set aside"
                        );
                        let moved = self.set_row_aside(row.position).await;
                        moved.map_err(|source| self.failed(source))?;
                    }
                }
            }
            if is_empty || !parcels.is_empty() {
                return Ok(parcels);
            }
        }
    }

    /// Removes the parcels up to a position.
    pub async fn remove(&self, through: u64) -> Result<(), SpoolError> {
        let result = self.remove_rows("position <= ?", through).await;
        result.map_err(|source| self.failed(source))
    }

    /// Keeps a record that the database refuses, so that it can be looked at.
    pub async fn set_aside(
        &self,
        origin: Origin,
        record: &AccountingRecord,
    ) -> Result<(), SpoolError> {
        let sql = "INSERT INTO set_aside (source, first, payload) VALUES (?, ?, ?)";
        let values = [
            source_uuid(origin).into(),
            stored_count(origin.first).into(),
            payload::encode(std::slice::from_ref(record)).into(),
        ];
        let insert = Dialect::Sqlite.statement(sql, values);
        let done = self.connection.execute_raw(insert).await;
        done.map(drop).map_err(|source| self.failed(source))
    }

    /// Records that wait for the database.
    pub fn depth(&self) -> u64 {
        self.totals().records
    }

    /// Records and damaged parcels that were set aside.
    pub async fn set_aside_count(&self) -> Result<u64, SpoolError> {
        let select = Dialect::Sqlite.statement("SELECT COUNT(*) FROM set_aside", []);
        let row = self.connection.query_one_raw(select).await;
        let count = row.and_then(|row| row.map_or(Ok(0), |row| row.try_get_by_index(0)));
        count
            .map(loaded_count)
            .map_err(|source| self.failed(source))
    }

    /// Closes the file; methods fail afterwards.
    pub async fn close(&self) {
        // What cannot be closed is gone already.
        let _ = self.connection.clone().close().await;
    }

    async fn rows(&self, records_max: usize) -> Result<Vec<ParcelRow>, DbErr> {
        let sql = "SELECT position, records FROM parcel ORDER BY position LIMIT ?";
        let select = Dialect::Sqlite.statement(sql, [PARCELS_MAX.into()]);
        let mut through = 0;
        let mut records = 0;
        for row in self.connection.query_all_raw(select).await? {
            through = row.try_get_by_index::<i64>(0)?;
            records += loaded_count(row.try_get_by_index(1)?);
            if records_max as u64 <= records {
                break;
            }
        }
        let sql = "SELECT position, source, first, payload FROM parcel \
                   WHERE position <= ? ORDER BY position";
        let select = Dialect::Sqlite.statement(sql, [through.into()]);
        let rows = self.connection.query_all_raw(select).await?;
        rows.iter().map(ParcelRow::read).collect()
    }

    async fn set_row_aside(&self, position: u64) -> Result<(), DbErr> {
        let sql = "INSERT INTO set_aside (source, first, payload) \
                   SELECT source, first, payload FROM parcel WHERE position = ?";
        let copy = Dialect::Sqlite.statement(sql, [stored_count(position).into()]);
        self.connection.execute_raw(copy).await?;
        self.remove_rows("position = ?", position).await
    }

    async fn remove_rows(&self, condition: &str, position: u64) -> Result<(), DbErr> {
        let position = stored_count(position);
        let transaction = self.connection.begin().await?;
        let sql = format!(
            "SELECT COALESCE(SUM(records), 0), COALESCE(SUM(bytes), 0) FROM parcel WHERE {condition}"
        );
        let select = Dialect::Sqlite.statement(sql, [position.into()]);
        let sums = read_sums(transaction.query_one_raw(select).await?)?;
        let sql = format!("DELETE FROM parcel WHERE {condition}");
        let delete = Dialect::Sqlite.statement(sql, [position.into()]);
        transaction.execute_raw(delete).await?;
        transaction.commit().await?;
        let is_to_shrink = {
            let mut totals = self.totals();
            totals.records = totals.records.saturating_sub(sums.records);
            totals.bytes = totals.bytes.saturating_sub(sums.bytes);
            totals.records == 0 && SHRINK_BYTES < totals.bytes_most
        };
        if is_to_shrink {
            self.connection.execute_unprepared("VACUUM").await?;
            self.totals().bytes_most = 0;
        }
        Ok(())
    }

    fn totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, source: DbErr) -> SpoolError {
        failed(&self.path, source)
    }
}

/// A row as it is read.
struct ParcelRow {
    position: u64,
    origin: Origin,
    payload: Vec<u8>,
}

impl ParcelRow {
    fn read(row: &QueryResult) -> Result<Self, DbErr> {
        let source: Uuid = row.try_get_by_index(1)?;
        Ok(Self {
            position: loaded_count(row.try_get_by_index(0)?),
            origin: Origin {
                source: SourceId(source.into_bytes()),
                first: loaded_count(row.try_get_by_index(2)?),
            },
            payload: row.try_get_by_index(3)?,
        })
    }
}

async fn open_file(path: &Path, limits: SpoolLimits) -> Result<Spool, SpoolError> {
    create_sqlite_file(path)?;
    let pool = connect_sqlite_writer(path)
        .await
        .map_err(|source| failed(path, source))?;
    let connection = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool);
    match prepare(&connection).await {
        Ok((found, _)) if VERSION < found => Err(SpoolError::Newer {
            path: path.into(),
            found,
        }),
        Ok((_, totals)) => Ok(Spool {
            path: path.into(),
            limits,
            connection,
            totals: Mutex::new(totals),
        }),
        Err(source) => {
            // The file is about to be moved.
            let _ = connection.close().await;
            Err(failed(path, source))
        }
    }
}

/// The version that was found, and what is in the parcels.
async fn prepare(connection: &DatabaseConnection) -> Result<(i64, Totals), DbErr> {
    let version = Dialect::Sqlite.statement("PRAGMA user_version", []);
    let row = connection.query_one_raw(version).await?;
    let found = row.map_or(Ok(0), |row| row.try_get_by_index(0))?;
    if VERSION < found {
        return Ok((found, Totals::default()));
    }
    // A disk that is full has no room even for what changes nothing.
    if found < VERSION {
        connection.execute_unprepared(TABLES).await?;
    }
    let sums = "SELECT COALESCE(SUM(records), 0), COALESCE(SUM(bytes), 0) FROM parcel";
    let sums = Dialect::Sqlite.statement(sums, []);
    Ok((found, read_sums(connection.query_one_raw(sums).await?)?))
}

fn read_sums(row: Option<QueryResult>) -> Result<Totals, DbErr> {
    let Some(row) = row else {
        return Ok(Totals::default());
    };
    let bytes = loaded_count(row.try_get_by_index(1)?);
    Ok(Totals {
        records: loaded_count(row.try_get_by_index(0)?),
        bytes,
        bytes_most: bytes,
    })
}

fn source_uuid(origin: Origin) -> Uuid {
    Uuid::from_bytes(origin.source.0)
}

fn move_away(path: &Path, now: Timestamp) -> Result<PathBuf, SpoolError> {
    let suffixed = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let kept = suffixed(&format!(".damaged-{}", now.as_micros()));
    for suffix in ["", "-wal", "-shm"] {
        let mut to = kept.as_os_str().to_owned();
        to.push(suffix);
        match std::fs::rename(suffixed(suffix), &to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(SpoolError::Move {
                    path: path.into(),
                    source: error,
                });
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(kept)
}

fn failed(path: &Path, source: impl Into<DatabaseError>) -> SpoolError {
    let (path, source) = (path.into(), source.into());
    if source.is_disk_full() {
        SpoolError::DiskFull { path, source }
    } else {
        SpoolError::Failed { path, source }
    }
}
