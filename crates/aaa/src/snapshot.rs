//! Keeps a copy of the directory and of the open sessions on local disk, beside the packet path.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::time::Timestamp;
use tracing::{error, info};

use crate::directory::Directory;
use crate::metrics::{Count, Metrics};
use crate::port::{Clock, PortError, RowsAdded, SnapshotDraft, SnapshotStore};
use crate::session_table::SessionTable;

/// A change of the directory is in the copy after so long at the latest.
const DIRECTORY_EVERY: Duration = Duration::from_secs(60);

/// Sessions change all the time, and a copy that is a little old serves nearly as well.
const SESSIONS_EVERY: Duration = Duration::from_secs(600);

/// An old copy says that it is old, so one of a directory that never changes is written anew.
const ANYWAY_EVERY: Duration = Duration::from_secs(24 * 3_600);

/// As many letters of a name are told; it may be of any length.
const NAME_TOLD_MAX: usize = 64;

/// What is copied, and where to.
pub struct SnapshotKeeper<S> {
    pub store: Arc<S>,
    pub directory: Arc<Directory>,
    pub sessions: Arc<SessionTable>,
    pub metrics: Arc<Metrics>,
    pub clock: Arc<dyn Clock>,
    /// Of when the directory is while it has not been loaded from the database.
    pub loaded_as_of: Timestamp,
    /// Held while a copy is written, so that there is one at a time.
    pub progress: Mutex<Progress>,
}

/// How far the last copy goes.
#[derive(Debug, Default)]
pub struct Progress {
    copied: Version,
    copied_at: Option<Instant>,
    is_failing: bool,
    left_out: LeftOut,
}

/// Names whose rows are not in a copy, because they are too long.
#[derive(Debug, Default)]
struct LeftOut {
    count: u64,
    first: Option<String>,
}

/// Counts what happened to the directory and to the sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Version {
    directory: u64,
    sessions: u64,
}

/// Why a copy may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occasion {
    /// Time has passed.
    Regular,
    /// There is no later one.
    Last,
}

impl<S: SnapshotStore> SnapshotKeeper<S> {
    /// Writes a copy now, and again when something has changed. Never ends.
    pub async fn run(self: Arc<Self>) {
        let mut interval = tokio::time::interval(DIRECTORY_EVERY);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            self.write_beside(Occasion::Regular).await;
        }
    }

    /// Writes the last copy, unless nothing has changed since the one before it.
    pub async fn finish(self: Arc<Self>) {
        self.write_beside(Occasion::Last).await;
    }

    async fn write_beside(self: &Arc<Self>, occasion: Occasion) {
        let keeper = Arc::clone(self);
        let written = tokio::task::spawn_blocking(move || keeper.write_if_due(occasion)).await;
        if let Err(panic) = written {
            self.metrics.count(Count::SnapshotFailure);
            error!(%panic, "The directory snapshot could not be written because of a panic");
        }
    }

    /// Blocks the thread.
    fn write_if_due(&self, occasion: Occasion) {
        let mut progress = self.progress();
        // Read before the copy: what changes while it is written is due again.
        let version = self.version();
        let now = self.clock.instant();
        if !progress.is_due(version, now, occasion) {
            return;
        }
        match self.write() {
            Ok(left_out) => {
                self.metrics.count(Count::SnapshotWritten);
                self.metrics.add(Count::SnapshotRowsLeftOut, left_out.count);
                left_out.tell(&progress.left_out);
                if progress.is_failing {
                    info!("The directory snapshot is written again");
                }
                *progress = Progress {
                    copied: version,
                    copied_at: Some(now),
                    is_failing: false,
                    left_out,
                };
            }
            Err(problem) => {
                self.metrics.count(Count::SnapshotFailure);
                if !progress.is_failing {
                    error!(
                        error = &problem as &dyn std::error::Error,
                        "The directory snapshot cannot be written; the one before it stays, and a start without the database goes by that"
                    );
                }
                progress.is_failing = true;
            }
        }
    }

    fn write(&self) -> Result<LeftOut, PortError> {
        let as_of = if self.metrics.value(Count::DirectoryReload) == 0 {
            self.loaded_as_of
        } else {
            self.clock.timestamp()
        };
        let mut draft = self.store.begin(as_of)?;
        for entry in self.directory.nas_table().iter() {
            draft.add_nas(&entry.nas)?;
        }
        for plan in self.directory.plan_list() {
            draft.add_plan(&plan)?;
        }
        for policy in self.directory.policies().iter() {
            draft.add_policy(policy)?;
        }
        self.directory
            .try_for_each_subscriber(|subscriber| draft.add_subscriber(subscriber))?;
        let rows = self.directory.rows();
        let mut left_out = LeftOut::default();
        rows.try_for_each_group(|group| {
            let name = group.name.clone();
            left_out.note(draft.add_row_group(group)?, name);
            Ok::<_, PortError>(())
        })?;
        rows.try_for_each_user(|user| {
            let name = user.name.clone();
            left_out.note(draft.add_row_user(user)?, name);
            Ok::<_, PortError>(())
        })?;
        self.sessions
            .try_for_each(|subscriber, session| draft.add_session(subscriber, session))?;
        draft.finish()?;
        Ok(left_out)
    }

    fn version(&self) -> Version {
        let sum = |counts: &[Count]| counts.iter().map(|count| self.metrics.value(*count)).sum();
        Version {
            directory: sum(&[Count::DirectoryReload, Count::ChangeApplied]),
            sessions: sum(&[
                Count::SessionOpened,
                Count::SessionClosed,
                Count::SpoolAdded,
            ]),
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        // A panic leaves it as it was after the copy before.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LeftOut {
    fn note(&mut self, added: RowsAdded, name: String) {
        match added {
            RowsAdded::Whole => {}
            RowsAdded::TooLong => {
                self.count += 1;
                self.first.get_or_insert(name);
            }
        }
    }

    /// Says it once, until there are more or fewer.
    fn tell(&self, before: &Self) {
        let count = self.count;
        if let Some(first) = &self.first
            && count != before.count
        {
            let first: String = first.chars().take(NAME_TOLD_MAX).collect();
            error!(
                count,
                "The rows of {count} users and groups, {first} for one, are too long for the directory snapshot; a start without the database refuses them"
            );
        }
    }
}

impl Progress {
    fn is_due(&self, version: Version, now: Instant, occasion: Occasion) -> bool {
        let age = self.copied_at.map(|at| now.saturating_duration_since(at));
        if version == self.copied {
            return age.is_some_and(|age| ANYWAY_EVERY <= age);
        }
        let is_directory_changed = version.directory != self.copied.directory;
        let is_old = age.is_none_or(|age| SESSIONS_EVERY <= age);
        is_directory_changed || is_old || occasion == Occasion::Last
    }
}

impl<S> std::fmt::Debug for SnapshotKeeper<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SnapshotKeeper")
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn version(directory: u64, sessions: u64) -> Version {
        Version {
            directory,
            sessions,
        }
    }

    #[track_caller]
    fn check(version: Version, after: Duration, occasion: Occasion, expected: bool) {
        let begin = Instant::now();
        let progress = Progress {
            copied: self::version(5, 7),
            copied_at: Some(begin),
            ..Progress::default()
        };
        let is_due = progress.is_due(version, begin + after, occasion);
        assert_eq!(
            is_due, expected,
            "{version:?} after {after:?}, {occasion:?}"
        );
    }

    #[test]
    fn a_changed_directory_is_copied_at_the_next_look() {
        check(version(6, 7), DIRECTORY_EVERY, Occasion::Regular, true);
    }

    #[test]
    fn changed_sessions_are_copied_now_and_then_and_at_the_end() {
        check(version(5, 8), DIRECTORY_EVERY, Occasion::Regular, false);
        check(version(5, 8), SESSIONS_EVERY, Occasion::Regular, true);
        check(version(5, 8), DIRECTORY_EVERY, Occasion::Last, true);
    }

    #[test]
    fn what_has_not_changed_is_copied_once_a_day() {
        check(version(5, 7), 2 * SESSIONS_EVERY, Occasion::Regular, false);
        check(version(5, 7), ANYWAY_EVERY, Occasion::Regular, true);
        check(version(5, 7), 2 * SESSIONS_EVERY, Occasion::Last, false);
    }
}
