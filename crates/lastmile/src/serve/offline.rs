//! A start while the database is away: from the directory snapshot, until the database is back.

use std::time::Duration;

use storage::snapshot::{SnapshotError, SnapshotFile, SnapshotSummary};
use tracing::{error, info, warn};

use crate::app::{App, SNAPSHOT_STALE_SECONDS};
use crate::exit::ErrorChain;
use crate::late_store::LateStore;

/// Wait before the database is tried again; doubled each time up to the most.
const RETRY: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// A snapshot that was read to its end and can be loaded.
pub(super) struct Snapshot {
    pub(super) file: SnapshotFile,
    pub(super) summary: SnapshotSummary,
}

/// Finds a snapshot that can be used instead of the database. One that is there and cannot be used
/// is told.
pub(super) async fn find_snapshot(app: &App) -> Option<Snapshot> {
    // Without its key ring the program does not start, and the error of the start says so.
    let file = app.snapshot_file().ok()?;
    let examined = file.clone();
    let summary = tokio::task::spawn_blocking(move || examined.examine()).await;
    match summary {
        Ok(Ok(summary)) => Some(Snapshot { file, summary }),
        Ok(Err(SnapshotError::Missing { .. })) => None,
        Ok(Err(problem)) => {
            warn!(
                error = &problem as &dyn std::error::Error,
                "The database is away and the directory snapshot cannot be used"
            );
            None
        }
        Err(panic) => {
            warn!(%panic, "The directory snapshot could not be read because of a panic");
            None
        }
    }
}

/// Says that the server answers from a snapshot, of when it is, and why.
pub(super) fn tell(app: &App, snapshot: &Snapshot, problem: &(dyn std::error::Error + 'static)) {
    let SnapshotSummary {
        about,
        nas,
        plans: _,
        subscribers,
        row_groups: _,
        row_users,
        sessions,
    } = snapshot.summary;
    let age = app.now().seconds_since(about.as_of);
    let as_of = about.as_of;
    error!(
        error = problem,
        snapshot.as_of = %as_of,
        snapshot.age_seconds = age,
        nas,
        subscribers,
        row_users,
        sessions,
        "The database is away: {subscribers} subscribers behind {nas} NAS are answered from the directory snapshot of {as_of}, and accounting is spooled"
    );
    if SNAPSHOT_STALE_SECONDS < age {
        let days = age / (24 * 3_600);
        error!(
            snapshot.age_seconds = age,
            "The directory snapshot is {days} days old: what was changed since is not in force"
        );
    }
}

/// Tries the database until it can be used. What keeps it from being used is told when it changes.
pub(super) async fn open_late(app: App, store: LateStore) {
    let mut wait = RETRY;
    while store.find().is_none() {
        tokio::time::sleep(wait).await;
        wait = RETRY_MAX.min(2 * wait);
        match app.store_reopen().await {
            Ok(opened) => {
                info!(
                    database = opened.place(),
                    "The database is back; the directory is loaded from it"
                );
                store.fill(opened);
            }
            Err(problem) => {
                let trouble = ErrorChain(&problem).to_string();
                if trouble != store.trouble() {
                    error!(
                        "The database cannot be used yet, and the directory snapshot is served further: {trouble}"
                    );
                }
                store.set_trouble(trouble);
            }
        }
    }
}
