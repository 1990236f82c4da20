//! The change feed of a SQLite file, which other processes may write too.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::change::Change;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use tokio::sync::Notify;

use super::{ENTRIES_MAX, read_change};
use crate::connection::sqlite_reader;
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::store::Store;

/// How often other processes are looked at: one `PRAGMA` that reads no page of the file.
pub(crate) const POLL: Duration = Duration::from_millis(20);

pub(super) struct SqliteFeed {
    /// `data_version` is told to each connection by itself, so this one is never exchanged.
    connection: DatabaseConnection,
    wake: Arc<Notify>,
    data_version: Option<i64>,
    seq: i64,
}

impl SqliteFeed {
    pub(super) async fn open(store: &Store, path: &Path) -> Result<Self, StoreError> {
        let connection = sqlite_reader(path, 1);
        let end = "SELECT MAX(COALESCE((SELECT MAX(seq) FROM change), 0), position) \
                   FROM change_floor WHERE id = 1";
        let seq = find_number(&connection, end).await?.unwrap_or(0);
        Ok(Self {
            connection,
            wake: store.wake(),
            data_version: None,
            seq,
        })
    }

    /// Entries since the last call; waits until there is one.
    pub(super) async fn next(&mut self) -> Result<Vec<Change>, StoreError> {
        loop {
            let wake = Arc::clone(&self.wake);
            let woken = wake.notified();
            tokio::pin!(woken);
            // Enabled before the look, so that no commit falls between.
            woken.as_mut().enable();
            // Whoever gives up or fails below leaves no version, and the table is read next time.
            let known = self.data_version.take();
            let version = data_version(&self.connection).await?;
            let entries = if known.is_none() || known != version {
                self.read().await?
            } else {
                Vec::new()
            };
            self.data_version = version;
            if !entries.is_empty() {
                return Ok(entries);
            }
            // Either way the next turn looks again.
            let _ = tokio::time::timeout(POLL, woken).await;
        }
    }

    async fn read(&mut self) -> Result<Vec<Change>, DbErr> {
        // One statement sees one state of the file: the floor belongs to the entries.
        let sql = format!(
            "SELECT f.position AS floor, c.seq AS seq, c.kind AS kind, c.key AS key, \
             c.name AS name, (SELECT MAX(seq) FROM change) AS newest \
             FROM change_floor f LEFT JOIN \
             (SELECT seq, kind, key, name FROM change WHERE seq > $1 ORDER BY seq LIMIT {}) c \
             ON TRUE WHERE f.id = 1 ORDER BY c.seq",
            ENTRIES_MAX + 1
        );
        let statement = Dialect::Sqlite.statement(sql, [self.seq.into()]);
        let rows = self.connection.query_all_raw(statement).await?;
        let mut entries = Vec::with_capacity(rows.len());
        let mut seq = self.seq;
        for row in &rows {
            let floor: i64 = row.try_get("", "floor")?;
            if self.seq < floor {
                entries.push(Change::Everything);
                seq = seq.max(floor);
            }
            entries.extend(read_change(row)?);
            seq = seq.max(row.try_get::<Option<i64>>("", "seq")?.unwrap_or(0));
        }
        if ENTRIES_MAX < entries.len()
            && let Some(row) = rows.first()
        {
            // They stand for everything, so those behind them are told too.
            let newest: Option<i64> = row.try_get("", "newest")?;
            seq = seq.max(newest.unwrap_or(0));
        }
        self.seq = seq;
        Ok(entries)
    }
}

/// Another one whenever another connection has changed the file.
pub(crate) async fn data_version(connection: &DatabaseConnection) -> Result<Option<i64>, DbErr> {
    find_number(connection, "PRAGMA data_version").await
}

async fn find_number(connection: &DatabaseConnection, sql: &str) -> Result<Option<i64>, DbErr> {
    let statement = Dialect::Sqlite.statement(sql, []);
    match connection.query_one_raw(statement).await? {
        Some(row) => row.try_get_by_index(0),
        None => Ok(None),
    }
}
