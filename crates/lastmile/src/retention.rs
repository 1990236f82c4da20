//! Removes history that is older than the configuration keeps it.

use std::time::Instant;

use domain::time::Timestamp;
use storage::error::StoreError;
use storage::retention::{History, Pruned};
use storage::store::Store;

use crate::config::RetentionConfig;

const SECONDS_PER_DAY: i64 = 86_400;

/// After each piece, this many times as long as it took is left to others: a database with one
/// writer has it for accounting most of the time.
const REST: u32 = 3;

/// What one go over a history removed.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// All rows, those of the partitions too.
    pub(crate) rows: u64,
    pub(crate) partitions: Vec<String>,
    /// Partitions that were in use.
    pub(crate) postponed: Vec<String>,
    /// Whether nothing is left but what was in use.
    pub(crate) is_done: bool,
}

impl RetentionConfig {
    /// How many days a history is kept; `None` is for ever.
    pub(crate) const fn days(&self, history: History) -> Option<u32> {
        match history {
            History::Sessions => self.sessions_days,
            History::AuthLog => self.auth_log_days,
            History::UsageHourly => self.usage_hourly_days,
            History::Events => self.events_days,
        }
    }

    /// From before which instant a history is removed; never when it is kept for ever.
    pub(crate) fn before(&self, history: History, now: Timestamp) -> Option<Timestamp> {
        let days = i64::from(self.days(history)?);
        Some(now.plus_seconds(-days * SECONDS_PER_DAY))
    }
}

impl Sweep {
    /// Removes what is older than an instant, at most that many pieces. What it removed before an
    /// error is in it all the same.
    pub(crate) async fn run(
        &mut self,
        store: &Store,
        history: History,
        before: Timestamp,
        pieces_max: u64,
    ) -> Result<(), StoreError> {
        let mut prune = store.history_prune(history, before);
        for _ in 0..pieces_max {
            let start = Instant::now();
            match prune.next().await? {
                Some(Pruned::Rows(rows)) => self.rows += rows,
                Some(Pruned::Partition { name, rows }) => {
                    self.rows += rows;
                    self.partitions.push(name);
                }
                Some(Pruned::Postponed { name }) => self.postponed.push(name),
                None => {
                    self.is_done = true;
                    break;
                }
            }
            tokio::time::sleep(start.elapsed() * REST).await;
        }
        Ok(())
    }
}
