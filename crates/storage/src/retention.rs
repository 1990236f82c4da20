//! Retention: history that is older than it has to be kept is removed in small pieces.
//!
//! On PostgreSQL whole months are dropped where a table is cut into months. Everything else is
//! deleted row by row, few at a time, because accounting waits while SQLite's only writer is busy.

use std::collections::VecDeque;

use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::column::loaded_count;
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::partition::{Partition, Partitioned, SESSION_CLOSED, USAGE_HOURLY};
use crate::store::Store;

mod days;
mod extent;
pub(crate) mod rows;

use days::roll_up;
pub use extent::{HistoryExtent, Overdue};
use rows::UserPosition;

/// Rows that one transaction removes. On SQLite the journal waits for it: 500 rows of closed
/// sessions touch up to 3,000 pages.
const ROWS_SQLITE: u32 = 500;
const ROWS_POSTGRES: u32 = 5_000;

/// What is kept for a limited time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum History {
    /// Sessions that ended, by their end.
    Sessions,
    /// The authentication log, by the time of the decision.
    AuthLog,
    /// Usage by the hour, by the beginning of the hour.
    UsageHourly,
    /// What happened, as readers of events are told.
    Events,
}

/// One piece of what was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pruned {
    /// That many rows.
    Rows(u64),
    /// A partition with its rows.
    Partition { name: String, rows: u64 },
    /// A partition that could not be dropped now: another node changes partitions, or somebody
    /// reads the table for long.
    Postponed { name: String },
}

/// Removes what is older than an instant, piece by piece. Dropped, it leaves the rest for another
/// time.
#[derive(Debug)]
pub struct HistoryPrune {
    store: Store,
    history: History,
    before: Timestamp,
    /// Partitions that are still to be dropped, once they have been looked up.
    partitions: Option<VecDeque<Partition>>,
    /// Where the last piece ended.
    position: Position,
    is_done: bool,
}

/// How far rows have been looked at; what stays is not looked at again.
#[derive(Debug, Default)]
struct Position {
    session: Option<Uuid>,
    user: Option<UserPosition>,
}

impl History {
    /// Each of them.
    pub const ALL: [Self; 4] = [
        Self::Sessions,
        Self::AuthLog,
        Self::UsageHourly,
        Self::Events,
    ];

    /// The table that it is in.
    pub const fn table(self) -> &'static str {
        match self {
            Self::Sessions => SESSION_CLOSED.table,
            Self::AuthLog => "auth_log",
            Self::UsageHourly => USAGE_HOURLY.table,
            Self::Events => "event",
        }
    }

    /// How PostgreSQL cuts it into months, if it does.
    const fn find_partitioned(self, dialect: Dialect) -> Option<Partitioned> {
        match (self, dialect) {
            (Self::Sessions, Dialect::Postgres) => Some(SESSION_CLOSED),
            (Self::UsageHourly, Dialect::Postgres) => Some(USAGE_HOURLY),
            (Self::AuthLog | Self::Events, _) | (_, Dialect::Sqlite) => None,
        }
    }
}

impl Store {
    /// Removes history from before an instant; call [`HistoryPrune::next`] until nothing is left.
    pub fn history_prune(&self, history: History, before: Timestamp) -> HistoryPrune {
        HistoryPrune {
            store: self.clone(),
            history,
            before,
            partitions: None,
            position: Position::default(),
            is_done: false,
        }
    }
}

impl HistoryPrune {
    /// Removes the next piece in a transaction of its own; nothing when all is removed. A piece may
    /// be empty, when all that it looked at stays. After an error it may be called again.
    pub async fn next(&mut self) -> Result<Option<Pruned>, StoreError> {
        if let Some(table) = self.history.find_partitioned(self.store.dialect())
            && let Some(pruned) = self.next_partition(table).await?
        {
            return Ok(Some(pruned));
        }
        if self.is_done {
            return Ok(None);
        }
        Ok(Some(Pruned::Rows(self.next_rows().await?)))
    }

    async fn next_partition(&mut self, table: Partitioned) -> Result<Option<Pruned>, StoreError> {
        if self.partitions.is_none() {
            let mut partitions = self.store.partition_list(table).await?;
            partitions.retain(|partition| partition.month.end() <= self.before);
            self.partitions = Some(partitions.into());
        }
        let Some(partition) = self.partitions.as_mut().and_then(VecDeque::pop_front) else {
            return Ok(None);
        };
        // Counted before: the drop holds up everyone else.
        let rows = self.store.count(&partition.name).await?;
        let roll_up = table.is_rolled_up().then(|| roll_up(&partition.name));
        let is_dropped = self
            .store
            .partition_drop(&partition, roll_up.as_deref())
            .await?;
        let name = partition.name;
        Ok(Some(match is_dropped {
            true => Pruned::Partition { name, rows },
            false => Pruned::Postponed { name },
        }))
    }

    async fn next_rows(&mut self) -> Result<u64, StoreError> {
        match (self.history, self.store.dialect()) {
            (History::AuthLog, dialect) => {
                let limit = rows_max(dialect);
                let rows = self.store.auth_log_prune(self.before, limit).await?;
                self.is_done = rows < u64::from(limit);
                Ok(rows)
            }
            (History::Events, dialect) => {
                let limit = rows_max(dialect);
                let rows = self.store.event_prune(self.before, limit).await?;
                self.is_done = rows < u64::from(limit);
                Ok(rows)
            }
            (History::Sessions, Dialect::Sqlite) => self.next_sessions().await,
            (History::UsageHourly, Dialect::Sqlite) => self.next_usage().await,
            (History::Sessions, Dialect::Postgres) => self.next_strays(SESSION_CLOSED).await,
            (History::UsageHourly, Dialect::Postgres) => self.next_strays(USAGE_HOURLY).await,
        }
    }

    /// Rows of the default partition, which is never dropped.
    async fn next_strays(&mut self, table: Partitioned) -> Result<u64, StoreError> {
        let (fallback, moment) = (table.fallback(), table.moment);
        let kept = match table.is_rolled_up() {
            true => format!(", kept AS ({})", roll_up("gone")),
            false => String::new(),
        };
        let delete = format!(
            "WITH gone AS (DELETE FROM {fallback} WHERE ctid = ANY (ARRAY(\
             SELECT ctid FROM {fallback} WHERE {moment} < $1 LIMIT {ROWS_POSTGRES})) \
             RETURNING *){kept} SELECT COUNT(*) FROM gone"
        );
        let write = self.store.write().await?;
        let values: [Value; 1] = [self.before.as_micros().into()];
        let statement = write.dialect().statement(delete, values);
        let rows: i64 = match write.connection().query_one_raw(statement).await? {
            Some(row) => row.try_get_by_index(0)?,
            None => 0,
        };
        write.commit().await?;
        let rows = loaded_count(rows);
        self.is_done = rows < u64::from(ROWS_POSTGRES);
        Ok(rows)
    }
}

const fn rows_max(dialect: Dialect) -> u32 {
    match dialect {
        Dialect::Sqlite => ROWS_SQLITE,
        Dialect::Postgres => ROWS_POSTGRES,
    }
}
