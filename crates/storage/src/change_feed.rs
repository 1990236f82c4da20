//! The change feed: every committed change of the registry, once or more, and none skipped.
//!
//! The table is the truth. On PostgreSQL a reader remembers the snapshot of its last query: what is
//! delivered next is exactly what was committed since, however long its transaction ran. On SQLite
//! there is one writer at a time, so the sequence number says it all.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use domain::change::Change;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use uuid::Uuid;

use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::location::Location;
use crate::store::Store;

mod postgres;
pub(crate) mod sqlite;

use postgres::PostgresFeed;
use sqlite::SqliteFeed;

/// Changes that one call returns.
const BATCH_MAX: usize = 1_024;
/// Entries that are told apart; beyond it, loading everything is cheaper.
pub(crate) const ENTRIES_MAX: usize = 1 << 17;
/// Tells one run of one PostgreSQL server from every other, in microseconds.
pub(crate) const SERVER: &str =
    "(EXTRACT(EPOCH FROM pg_postmaster_start_time()) * 1000000)::BIGINT";
/// How long a change of another process may go unnoticed when nothing wakes the reader.
const FALLBACK_POLL: Duration = Duration::from_secs(1);

/// A reader of the change feed. It starts at the end: what was committed before it was opened is
/// not delivered.
pub struct ChangeFeed {
    source: Source,
    pending: VecDeque<Change>,
}

enum Source {
    Postgres(PostgresFeed),
    Sqlite(SqliteFeed),
}

impl Store {
    /// Opens a reader at the current end of the feed. Open it before loading what the changes are
    /// about; then nothing falls between.
    pub async fn change_feed(&self) -> Result<ChangeFeed, StoreError> {
        let source = match self.location() {
            Location::Postgres(_) => Source::Postgres(PostgresFeed::open(self).await?),
            Location::Sqlite(path) => Source::Sqlite(SqliteFeed::open(self, path).await?),
        };
        Ok(ChangeFeed {
            source,
            pending: VecDeque::new(),
        })
    }

    /// Removes entries from before an instant and says how many. Readers that had not come so far
    /// are told that everything may have changed.
    pub async fn change_prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        let write = self.write().await?;
        let (floor, newest) = match write.dialect() {
            Dialect::Postgres => (postgres::FLOOR, postgres::NEWEST),
            Dialect::Sqlite => ("position", "MAX(seq)"),
        };
        let greatest = write.dialect().greatest();
        let values = [before.as_micros().into()];
        let raise = format!(
            "UPDATE change_floor SET position = {greatest}({floor}, COALESCE(\
             (SELECT {newest} FROM change WHERE at < $1), 0)) WHERE id = 1"
        );
        let statement = write.dialect().statement(raise, values.clone());
        write.connection().execute_raw(statement).await?;
        let delete = "DELETE FROM change WHERE at < $1";
        let statement = write.dialect().statement(delete, values);
        let result = write.connection().execute_raw(statement).await?;
        write.commit().await?;
        Ok(result.rows_affected())
    }
}

impl ChangeFeed {
    /// Waits for changes and returns at most 1,024 of them, each once. It may be dropped while it
    /// waits without losing any. After an error it may be called again and goes on where it was.
    pub async fn next(&mut self) -> Result<Vec<Change>, StoreError> {
        while self.pending.is_empty() {
            let entries = match &mut self.source {
                Source::Postgres(feed) => feed.next().await?,
                Source::Sqlite(feed) => feed.next().await?,
            };
            self.pending = distinct(entries);
        }
        let len = self.pending.len().min(BATCH_MAX);
        Ok(self.pending.drain(..len).collect())
    }
}

impl std::fmt::Debug for ChangeFeed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ChangeFeed")
            .field("pending", &self.pending.len())
            .finish_non_exhaustive()
    }
}

/// Each change once. Too many of them, or one that stands for all, is one `Everything`.
fn distinct(entries: Vec<Change>) -> VecDeque<Change> {
    if ENTRIES_MAX < entries.len() || entries.contains(&Change::Everything) {
        return VecDeque::from([Change::Everything]);
    }
    let mut seen = HashSet::with_capacity(entries.len());
    entries
        .into_iter()
        .filter(|change| seen.insert(change.clone()))
        .collect()
}

/// A change from the columns `kind`, `key` and `name`. A name that is no text was written by
/// somebody else and names nothing that can be looked for.
fn read_change(row: &QueryResult) -> Result<Option<Change>, DbErr> {
    let kind: Option<String> = row.try_get("", "kind")?;
    let key: Option<Uuid> = row.try_get("", "key")?;
    let name: Option<String> = row.try_get("", "name").unwrap_or_default();
    Ok(kind
        .zip(key)
        .map(|(kind, key)| Change::from_parts(&kind, key, name.as_deref())))
}
