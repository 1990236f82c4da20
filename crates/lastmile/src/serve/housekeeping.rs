//! Removes what nobody needs any more, and makes room for what comes.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use domain::time::Timestamp;
use storage::clock::Clock;
use storage::error::StoreError;
use storage::retention::History;
use storage::store::Store;
use tracing::{debug, info, warn};

use crate::config::RetentionConfig;
use crate::retention::Sweep;

const EVERY: Duration = Duration::from_secs(3_600);

/// A node that was away for longer loads everything anew.
const CHANGE_RETENTION_SECONDS: i64 = 24 * 3_600;

/// Older than any spool that may still be drained.
const MARK_RETENTION_SECONDS: i64 = 400 * 24 * 3_600;

/// How long the last decisions about users are kept that the log has forgotten.
const LAST_RETENTION_SECONDS: i64 = 3 * 365 * 24 * 3_600;
/// For how long it is shown what was asked of routers, and what became of it.
const COMMAND_RETENTION_SECONDS: i64 = 90 * 24 * 3_600;

/// For how long it is shown what was sent to the endpoints of webhooks.
const DELIVERY_RETENTION_SECONDS: i64 = 30 * 24 * 3_600;

/// A clock that was moved further would make history old that is not.
const CLOCK_DRIFT_SECONDS_MAX: u64 = 24 * 3_600;

/// Pieces of one history that are removed in one turn; on SQLite that is a million rows.
const PIECES_MAX: u64 = 2_000;

/// What housekeeping works on.
#[derive(Clone)]
pub(super) struct House {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) retention: RetentionConfig,
    pub(super) removed: Arc<Removed>,
}

/// What retention removed since the start.
#[derive(Debug, Default)]
pub(super) struct Removed {
    rows: [AtomicU64; History::ALL.len()],
    failures: AtomicU64,
}

/// Cleans up now and every hour.
pub(super) async fn run(house: House) {
    let (start, started_at) = (Instant::now(), (house.clock)());
    let mut interval = tokio::time::interval(EVERY);
    loop {
        interval.tick().await;
        house.forget_changes().await;
        house.prepare_partitions().await;
        if !is_plausible(started_at, start.elapsed(), (house.clock)()) {
            warn!(
                "The clock of the system was moved by more than a day, so no old history is removed: set it right and restart the program"
            );
            continue;
        }
        house.forget_commands().await;
        for history in History::ALL {
            house.sweep(history).await;
        }
        house.forget_last().await;
        house.forget_deliveries().await;
    }
}

/// Whether the wall clock went on about as long as time did.
fn is_plausible(started_at: Timestamp, elapsed: Duration, now: Timestamp) -> bool {
    let expected = started_at.plus_seconds(elapsed.as_secs().cast_signed());
    now.seconds_since(expected).unsigned_abs() <= CLOCK_DRIFT_SECONDS_MAX
}

impl House {
    async fn forget_changes(&self) {
        let before = (self.clock)().plus_seconds(-CHANGE_RETENTION_SECONDS);
        match self.store.change_prune(before).await {
            Ok(count) => debug!(count, "Pruned the change feed"),
            Err(problem) => warn!(
                error = &problem as &dyn Error,
                "The change feed could not be pruned"
            ),
        }
        let before = (self.clock)().plus_seconds(-MARK_RETENTION_SECONDS);
        match self.store.accounting_mark_prune(before).await {
            Ok(count) => debug!(count, "Pruned the marks of accounting"),
            Err(problem) => warn!(
                error = &problem as &dyn Error,
                "The marks of accounting could not be pruned"
            ),
        }
        match self.store.guard_prune((self.clock)()).await {
            Ok(count) => debug!(count, "Pruned locks that have ended"),
            Err(problem) => warn!(
                error = &problem as &dyn Error,
                "Locks that have ended could not be pruned"
            ),
        }
        match self.store.session_ending_prune().await {
            Ok(count) => debug!(count, "Pruned the list of sessions that have to end"),
            Err(problem) => warn!(
                error = &problem as &dyn Error,
                "The list of sessions that have to end could not be pruned"
            ),
        }
    }

    async fn forget_last(&self) {
        let before = (self.clock)().plus_seconds(-LAST_RETENTION_SECONDS);
        match self.store.auth_last_prune(before).await {
            Ok(count) => debug!(count, "Pruned the last decisions of users"),
            Err(problem) => warn!(
                error = &problem as &dyn Error,
                "The last decisions of users could not be pruned"
            ),
        }
    }

    async fn forget_deliveries(&self) {
        let before = (self.clock)().plus_seconds(-DELIVERY_RETENTION_SECONDS);
        match self.store.webhook_delivery_prune(before).await {
            Ok(count) => debug!(count, "Pruned the deliveries of webhooks"),
            Err(problem) => warn!(
                error = &problem as &dyn Error,
                "The deliveries of webhooks could not be pruned"
            ),
        }
    }

    async fn forget_commands(&self) {
        let before = (self.clock)().plus_seconds(-COMMAND_RETENTION_SECONDS);
        match self.store.session_command_prune(before).await {
            Ok(count) => debug!(count, "Pruned what was asked of routers"),
            Err(problem) => warn!(
                error = &problem as &dyn Error,
                "What was asked of routers long ago could not be pruned"
            ),
        }
    }

    async fn prepare_partitions(&self) {
        match self.store.partition_prepare().await {
            Ok(report) if report.made.is_empty() => {
                debug!(
                    report.is_postponed,
                    partitions.left = report.left.join(","),
                    "Made no partitions"
                );
            }
            Ok(report) => info!(
                partitions = report.made.join(","),
                partitions.left = report.left.join(","),
                rows.moved = report.moved,
                "Made {} partitions and moved {} rows there",
                report.made.len(),
                report.moved
            ),
            Err(problem) => {
                self.removed.failures.fetch_add(1, Relaxed);
                warn!(
                    error = &problem as &dyn Error,
                    "Partitions could not be made; tried again in an hour"
                );
            }
        }
    }

    /// Removes what is older than it is kept, as far as one turn goes.
    async fn sweep(&self, history: History) {
        let Some(before) = self.retention.before(history, (self.clock)()) else {
            return;
        };
        let table = history.table();
        let mut sweep = Sweep::default();
        let outcome = sweep.run(&self.store, history, before, PIECES_MAX).await;
        self.removed.add(history, sweep.rows);
        if sweep.rows != 0 || !sweep.partitions.is_empty() {
            info!(
                table,
                rows = sweep.rows,
                partitions = sweep.partitions.join(","),
                %before,
                is_done = sweep.is_done,
                "Removed {} rows of {table} from before {before}",
                sweep.rows
            );
        }
        for name in &sweep.postponed {
            info!("The partition {name} is in use; it is dropped later");
        }
        if let Err(problem) = outcome {
            self.fail(table, &problem);
        }
    }

    fn fail(&self, table: &'static str, problem: &StoreError) {
        self.removed.failures.fetch_add(1, Relaxed);
        warn!(
            table,
            error = problem as &dyn Error,
            "Old rows of {table} could not be removed; tried again in an hour"
        );
    }
}

impl Removed {
    /// Rows of one history.
    pub(super) fn rows(&self, history: History) -> u64 {
        self.rows[history as usize].load(Relaxed)
    }

    /// Turns that failed.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    fn add(&self, history: History, rows: u64) {
        self.rows[history as usize].fetch_add(rows, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumped_is_not_believed() {
        let start = Timestamp::from_seconds(1_800_000_000);
        let elapsed = Duration::from_secs(10 * 86_400);
        for (days, expected) in [(8, false), (9, true), (10, true), (11, true), (12, false)] {
            let now = start.plus_seconds(days * 86_400);
            assert_eq!(is_plausible(start, elapsed, now), expected, "{days}");
        }
    }
}
