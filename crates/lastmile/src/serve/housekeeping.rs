//! Removes what nobody needs any more.

use std::time::Duration;

use storage::clock::Clock;
use storage::store::Store;
use tracing::{debug, warn};

const EVERY: Duration = Duration::from_secs(3_600);

/// A node that was away for longer loads everything anew.
const CHANGE_RETENTION_SECONDS: i64 = 24 * 3_600;

/// Older than any spool that may still be drained.
const MARK_RETENTION_SECONDS: i64 = 400 * 24 * 3_600;

/// Cleans up now and every hour.
pub(super) async fn run(store: Store, clock: Clock) {
    let mut interval = tokio::time::interval(EVERY);
    loop {
        interval.tick().await;
        let before = clock().plus_seconds(-CHANGE_RETENTION_SECONDS);
        match store.change_prune(before).await {
            Ok(count) => debug!(count, "Pruned the change feed"),
            Err(problem) => warn!(
                error = &problem as &dyn std::error::Error,
                "The change feed could not be pruned"
            ),
        }
        let before = clock().plus_seconds(-MARK_RETENTION_SECONDS);
        match store.accounting_mark_prune(before).await {
            Ok(count) => debug!(count, "Pruned the marks of accounting"),
            Err(problem) => warn!(
                error = &problem as &dyn std::error::Error,
                "The marks of accounting could not be pruned"
            ),
        }
    }
}
