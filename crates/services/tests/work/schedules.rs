//! Schedules that run by themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use domain::schedule::{MissedPolicy, RunState, Trigger};
use services::schedule::{self, Task};
use storage::page::Page;
use storage::schedule::{NewSchedule, ScheduleRun};
use storage::store::Store;
use testkit::database::Database;
use tokio::task::JoinSet;

use crate::site::{TENANT, until};

testkit::test_on_both_databases!(
    what_is_due_is_run_on_one_node_and_told,
    failures_and_panics_are_told,
    what_was_missed_while_the_program_was_off_is_made_up_for_once,
);

fn schedule(name: &'static str) -> NewSchedule {
    NewSchedule {
        name,
        purpose: "Test",
        every_seconds: 3_600,
        missed: MissedPolicy::RunOnce,
    }
}

fn counting(name: &'static str, count: &Arc<AtomicU32>) -> Task {
    let count = Arc::clone(count);
    Task::new(schedule(name), move || {
        let count = Arc::clone(&count);
        async move { Ok(format!("run {}", count.fetch_add(1, SeqCst) + 1)) }
    })
}

/// The runs of a schedule, once there are so many that are over.
async fn ended(store: &Store, name: &str, count: usize) -> Vec<ScheduleRun> {
    until("runs are over", async || {
        let page = Page::first(10);
        let runs = store.schedule_runs(name, &page).await.unwrap();
        let is_over = runs.iter().all(|run| run.ended_at.is_some());
        (is_over && count <= runs.len()).then_some(runs)
    })
    .await
}

async fn what_is_due_is_run_on_one_node_and_told(database: Database) {
    let store = database.store().await;
    let count = Arc::new(AtomicU32::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..2 {
        let work = vec![counting("sweep", &count)];
        tasks.spawn(schedule::run(database.store().await, work));
    }
    let runs = ended(&store, "sweep", 1).await;
    assert_eq!(runs[0].report.as_deref(), Some("run 1"));
    store.schedule_ask(TENANT, "sweep").await.unwrap();
    let runs = ended(&store, "sweep", 2).await;
    assert_eq!(runs[0].trigger, Trigger::Asked);
    database.clock().advance_seconds(3_600);
    let runs = ended(&store, "sweep", 3).await;
    assert_eq!(runs[0].trigger, Trigger::Timer);
    assert_eq!((runs.len(), count.load(SeqCst)), (3, 3));
}

async fn failures_and_panics_are_told(database: Database) {
    let store = database.store().await;
    let fails = Task::new(schedule("fails"), || async { Err("no broom".to_owned()) });
    let panics = Task::new(schedule("panics"), || async {
        let none: Option<u8> = std::env::args().next().map(|_| 0).filter(|_| false);
        Ok(none.unwrap().to_string())
    });
    let mut tasks = JoinSet::new();
    tasks.spawn(schedule::run(store.clone(), vec![fails, panics]));
    for (name, error) in [
        ("fails", "no broom"),
        ("panics", "it panicked: see the program's log"),
    ] {
        let runs = ended(&store, name, 1).await;
        assert_eq!(runs[0].state, RunState::Failed);
        assert_eq!(runs[0].error.as_deref(), Some(error));
    }
}

async fn what_was_missed_while_the_program_was_off_is_made_up_for_once(database: Database) {
    let store = database.store().await;
    let count = Arc::new(AtomicU32::new(0));
    let mut tasks = JoinSet::new();
    tasks.spawn(schedule::run(
        store.clone(),
        vec![counting("sweep", &count)],
    ));
    ended(&store, "sweep", 1).await;
    tasks.shutdown().await;
    database.clock().advance_seconds(10 * 3_600);
    tasks.spawn(schedule::run(
        store.clone(),
        vec![counting("sweep", &count)],
    ));
    let runs = ended(&store, "sweep", 2).await;
    assert_eq!(runs[0].trigger, Trigger::Missed);
    let shown = store.schedule_find("sweep").await.unwrap().unwrap();
    assert_eq!(shown.next_at, database.clock().now().plus_seconds(3_600));
    assert_eq!(count.load(SeqCst), 2);
}
