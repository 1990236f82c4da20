//! Removes what nobody needs any more, and makes room for what comes: the schedules of the program.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use domain::schedule::MissedPolicy;
use domain::time::Timestamp;
use services::schedule::{Outcome, Task};
use storage::clock::Clock;
use storage::error::StoreError;
use storage::retention::History;
use storage::schedule::NewSchedule;
use storage::store::Store;
use tracing::info;

use crate::app::App;
use crate::config::RetentionConfig;
use crate::exit::ErrorChain;
use crate::late_store::LateStore;
use crate::retention::Sweep;
use crate::supervisor::Supervisor;

const HOUR: u32 = 3_600;
const DAY: u32 = 24 * HOUR;

/// A node that was away for longer loads everything anew.
const CHANGE_RETENTION_SECONDS: i64 = 24 * 3_600;

/// Older than any spool that may still be drained.
const MARK_RETENTION_SECONDS: i64 = 400 * 24 * 3_600;

/// How long the last decisions about users are kept that the log has forgotten.
const LAST_RETENTION_SECONDS: i64 = 3 * 365 * 24 * 3_600;
/// For how long it is shown what was sent to the endpoints of webhooks.
const DELIVERY_RETENTION_SECONDS: i64 = 30 * 24 * 3_600;

/// For how long it is shown what was asked of routers, and what became of it.
const COMMAND_RETENTION_SECONDS: i64 = 90 * 24 * 3_600;

/// For how long an operation whose rows stopped coming is waited for.
const INTAKE_PATIENCE_SECONDS: i64 = 3_600;

/// For how long operations are shown that are over.
const OPERATION_RETENTION_SECONDS: i64 = 30 * 24 * 3_600;

/// For how long is shown what a node said that is gone.
const RECONCILER_RETENTION_SECONDS: i64 = 24 * 3_600;

/// Sessions of operators, and attempts to sign in, that are forgotten in one turn.
const SIGN_INS_MAX: u32 = 10_000;

/// Answers that one transaction forgets.
const ANSWERS_FORGOTTEN_MAX: u32 = 1_000;

/// A clock that was moved further would make history old that is not.
const CLOCK_DRIFT_SECONDS_MAX: u64 = 24 * 3_600;

/// Pieces of one history that are removed in one turn; on SQLite that is a million rows.
const PIECES_MAX: u64 = 2_000;

/// What housekeeping works on.
#[derive(Clone)]
struct House {
    store: Store,
    clock: Clock,
    retention: RetentionConfig,
    removed: Arc<Removed>,
    /// When this program began, by the two clocks that it has.
    began: (Instant, Timestamp),
}

/// What retention removed since the start.
#[derive(Debug, Default)]
pub(super) struct Removed {
    rows: [AtomicU64; History::ALL.len()],
    failures: AtomicU64,
}

/// Starts what is done again and again, and long work, as soon as there is a store; gives what
/// housekeeping counts.
pub(super) fn start(app: &App, store: &LateStore, supervisor: &mut Supervisor) -> Arc<Removed> {
    let removed = Arc::new(Removed::default());
    let (late, clock) = (store.clone(), Arc::clone(&app.clock));
    let (retention, counts) = (app.config.retention, Arc::clone(&removed));
    let began = (Instant::now(), (app.clock)());
    supervisor.start_restarting("schedules", move || {
        let (store, clock) = (late.clone(), Arc::clone(&clock));
        let removed = Arc::clone(&counts);
        async move {
            let house = House {
                store: store.wait().await.clone(),
                clock,
                retention,
                removed,
                began,
            };
            let tasks = tasks(&house);
            services::schedule::run(house.store, tasks).await;
        }
    });
    let late = store.clone();
    supervisor.start_restarting("operations", move || {
        let store = late.clone();
        async move { services::operation::worker::run(store.wait().await.clone()).await }
    });
    removed
}

/// All that is done again and again.
fn tasks(house: &House) -> Vec<Task> {
    let mut tasks = house.forgetting();
    tasks.extend(house.forgetting_what_is_over());
    tasks.push(house.task(
        (
            "partitions",
            "Make room for the history of the next months",
            HOUR,
        ),
        |house| async move { house.prepare_partitions().await },
    ));
    tasks.push(house.task(
        (
            "audit_check",
            "Check that no line of the audit log was altered",
            DAY,
        ),
        |house| async move { house.check_audit().await },
    ));
    for history in History::ALL {
        let (name, purpose) = match history {
            History::Sessions => ("retention_sessions", "Remove old sessions"),
            History::AuthLog => ("retention_auth_log", "Remove old decisions"),
            History::UsageHourly => ("retention_usage", "Remove old usage by the hour"),
            History::Events => ("retention_events", "Remove old events"),
        };
        tasks.push(house.task((name, purpose, HOUR), move |house| async move {
            house.sweep(history).await
        }));
    }
    tasks
}

/// Whether the wall clock went on about as long as time did.
fn is_plausible(started_at: Timestamp, elapsed: Duration, now: Timestamp) -> bool {
    let expected = started_at.plus_seconds(elapsed.as_secs().cast_signed());
    now.seconds_since(expected).unsigned_abs() <= CLOCK_DRIFT_SECONDS_MAX
}

/// What a run came to that forgot rows.
fn forgot(outcome: Result<u64, StoreError>) -> Outcome {
    match outcome {
        Ok(count) => Ok(format!("forgot {count}")),
        Err(problem) => Err(told(&problem)),
    }
}

fn told(problem: &(dyn Error + 'static)) -> String {
    ErrorChain(problem).to_string()
}

impl House {
    /// Something that is done again and again; what was missed is made up for at once.
    fn task<W, T>(
        &self,
        (name, purpose, every_seconds): (&'static str, &'static str, u32),
        work: W,
    ) -> Task
    where
        W: Fn(Self) -> T + Send + Sync + 'static,
        T: Future<Output = Outcome> + Send + 'static,
    {
        let house = self.clone();
        let schedule = NewSchedule {
            name,
            purpose,
            every_seconds,
            missed: MissedPolicy::RunOnce,
        };
        Task::new(schedule, move || work(house.clone()))
    }

    /// What only forgets rows that nobody looks at any more.
    fn forgetting(&self) -> Vec<Task> {
        vec![
            self.task(
                (
                    "change_feed",
                    "Forget changes that every node has seen",
                    HOUR,
                ),
                |house| async move {
                    let before = house.now().plus_seconds(-CHANGE_RETENTION_SECONDS);
                    forgot(house.store.change_prune(before).await)
                },
            ),
            self.task(
                (
                    "accounting_marks",
                    "Forget how far old accounting was stored",
                    HOUR,
                ),
                |house| async move {
                    let before = house.now().plus_seconds(-MARK_RETENTION_SECONDS);
                    forgot(house.store.accounting_mark_prune(before).await)
                },
            ),
            self.task(
                ("guard_locks", "Forget locks that have ended", HOUR),
                |house| async move { forgot(house.store.guard_prune(house.now()).await) },
            ),
            self.task(
                (
                    "session_endings",
                    "Forget which ended sessions had to end",
                    HOUR,
                ),
                |house| async move { forgot(house.store.session_ending_prune().await) },
            ),
        ]
    }

    /// The same of what is shown for a while after it is over.
    fn forgetting_what_is_over(&self) -> Vec<Task> {
        vec![
            self.task(
                (
                    "session_commands",
                    "Forget what was asked of routers long ago",
                    HOUR,
                ),
                |house| async move {
                    house.check_clock()?;
                    let before = house.now().plus_seconds(-COMMAND_RETENTION_SECONDS);
                    forgot(house.store.session_command_prune(before).await)
                },
            ),
            self.task(
                (
                    "webhook_deliveries",
                    "Forget what was sent to webhooks long ago",
                    HOUR,
                ),
                |house| async move {
                    house.check_clock()?;
                    let before = house.now().plus_seconds(-DELIVERY_RETENTION_SECONDS);
                    forgot(house.store.webhook_delivery_prune(before).await)
                },
            ),
            self.task(
                (
                    "last_decisions",
                    "Forget the last decisions about users long gone",
                    HOUR,
                ),
                |house| async move {
                    house.check_clock()?;
                    let before = house.now().plus_seconds(-LAST_RETENTION_SECONDS);
                    forgot(house.store.auth_last_prune(before).await)
                },
            ),
            self.task(
                (
                    "idempotency",
                    "Forget answers that are not given again",
                    HOUR,
                ),
                |house| async move { forgot(house.forget_answers().await) },
            ),
            self.task(
                (
                    "sign_ins",
                    "Forget sessions of operators that are over, and attempts to sign in",
                    HOUR,
                ),
                |house| async move { forgot(house.forget_sign_ins().await) },
            ),
            self.task(
                (
                    "operations",
                    "Forget operations that were over long ago",
                    HOUR,
                ),
                |house| async move {
                    house.check_clock()?;
                    forgot(house.forget_operations().await)
                },
            ),
        ]
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Refuses to remove old history by a clock that nobody can believe.
    fn check_clock(&self) -> Result<(), String> {
        let (start, started_at) = self.began;
        match is_plausible(started_at, start.elapsed(), self.now()) {
            true => Ok(()),
            false => Err(
                "the clock of the system was moved by more than a day, so no old history \
                is removed: set it right and restart the program"
                    .to_owned(),
            ),
        }
    }

    async fn forget_answers(&self) -> Result<u64, StoreError> {
        let mut total = 0;
        loop {
            let count = self.store.idempotency_forget(ANSWERS_FORGOTTEN_MAX).await?;
            total += count;
            if count < u64::from(ANSWERS_FORGOTTEN_MAX) {
                return Ok(total);
            }
        }
    }

    async fn forget_sign_ins(&self) -> Result<u64, StoreError> {
        let sessions = self.store.operator_session_forget(SIGN_INS_MAX).await?;
        Ok(sessions + self.store.operator_attempt_forget(SIGN_INS_MAX).await?)
    }

    async fn forget_operations(&self) -> Result<u64, StoreError> {
        let ago = |seconds: i64| self.now().plus_seconds(-seconds);
        let given_up = self
            .store
            .operation_give_up(ago(INTAKE_PATIENCE_SECONDS))
            .await?;
        let forgotten = self
            .store
            .operation_prune(ago(OPERATION_RETENTION_SECONDS))
            .await?;
        let silent = self
            .store
            .reconciler_prune(ago(RECONCILER_RETENTION_SECONDS))
            .await?;
        Ok(given_up + forgotten + silent)
    }

    async fn check_audit(&self) -> Outcome {
        let mut lines = 0;
        let tenants = self.store.audit_tenants().await;
        for tenant in tenants.map_err(|problem| told(&problem))? {
            let verified = self.store.audit_verify(tenant).await;
            let verified = verified.map_err(|problem| told(&problem))?;
            if let Some(line) = verified.broken_at {
                return Err(format!(
                    "the audit log of tenant {tenant} is not as it was written from line {line} on: \
                     somebody altered or removed it"
                ));
            }
            lines += verified.lines;
        }
        Ok(format!("checked {lines} lines"))
    }

    async fn prepare_partitions(&self) -> Outcome {
        match self.store.partition_prepare().await {
            Ok(report) if report.made.is_empty() => Ok("made none".to_owned()),
            Ok(report) => {
                info!(
                    partitions = report.made.join(","),
                    partitions.left = report.left.join(","),
                    rows.moved = report.moved,
                    "Made {} partitions and moved {} rows there",
                    report.made.len(),
                    report.moved
                );
                Ok(format!(
                    "made {} and moved {} rows there",
                    report.made.len(),
                    report.moved
                ))
            }
            Err(problem) => {
                self.removed.failures.fetch_add(1, Relaxed);
                Err(told(&problem))
            }
        }
    }

    /// Removes what is older than it is kept, as far as one turn goes.
    async fn sweep(&self, history: History) -> Outcome {
        self.check_clock()?;
        let Some(before) = self.retention.before(history, self.now()) else {
            return Ok("kept for ever".to_owned());
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
        match outcome {
            Ok(()) => Ok(format!("removed {} rows from before {before}", sweep.rows)),
            Err(problem) => {
                self.removed.failures.fetch_add(1, Relaxed);
                Err(told(&problem))
            }
        }
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
