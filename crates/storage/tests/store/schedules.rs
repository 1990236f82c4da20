//! What is due, who runs it, and what is kept of it.

use domain::schedule::{MissedPolicy, RunState, Trigger};
use storage::error::StoreError;
use storage::page::Page;
use storage::schedule::{LEASE_SECONDS, NewSchedule, ScheduleRun};
use storage::store::Store;
use testkit::database::Database;

use crate::fixture::TENANT;

testkit::test_on_both_databases!(
    one_node_runs_what_is_due,
    runs_that_were_missed_are_made_up_for_or_skipped,
    a_run_whose_node_is_gone_is_lost_and_begun_anew,
    a_paused_schedule_rests_until_it_is_asked_for,
    old_runs_are_forgotten,
    what_converges_is_told_by_each_node,
);

const HOURLY: NewSchedule = NewSchedule {
    name: "sweep",
    purpose: "Sweep the floor",
    every_seconds: 3_600,
    missed: MissedPolicy::RunOnce,
};

const SKIPPED: NewSchedule = NewSchedule {
    name: "report",
    purpose: "Tell how it was",
    every_seconds: 3_600,
    missed: MissedPolicy::Skip,
};

async fn run_now(store: &Store, name: &str) -> ScheduleRun {
    let run = store.schedule_begin(name).await.unwrap().unwrap();
    store.schedule_end(&run, Ok("done")).await.unwrap();
    run
}

async fn states(store: &Store, name: &str) -> Vec<(Trigger, RunState)> {
    let runs = store.schedule_runs(name, &Page::first(10)).await.unwrap();
    runs.iter().map(|run| (run.trigger, run.state)).collect()
}

async fn one_node_runs_what_is_due(database: Database) {
    let (store, other) = (database.store().await, database.store().await);
    store.schedule_declare(&[HOURLY]).await.unwrap();
    assert_eq!(other.schedule_due().await.unwrap(), ["sweep"]);
    let run = store.schedule_begin("sweep").await.unwrap().unwrap();
    assert!(other.schedule_due().await.unwrap().is_empty());
    assert_eq!(other.schedule_begin("sweep").await.unwrap(), None);
    store.schedule_end(&run, Err("no broom")).await.unwrap();
    assert_eq!(other.schedule_begin("sweep").await.unwrap(), None);
    let shown = store.schedule_find("sweep").await.unwrap().unwrap();
    let last = shown.last.unwrap();
    assert_eq!(last.state, RunState::Failed);
    assert_eq!(last.error.as_deref(), Some("no broom"));
    assert_eq!(shown.next_at, database.clock().now().plus_seconds(3_600));
    database.clock().advance_seconds(3_600);
    let run = other.schedule_begin("sweep").await.unwrap().unwrap();
    other.schedule_end(&run, Ok("swept")).await.unwrap();
    let first = [
        (Trigger::Timer, RunState::Succeeded),
        (Trigger::Timer, RunState::Failed),
    ];
    assert_eq!(states(&store, "sweep").await, first);
}

async fn runs_that_were_missed_are_made_up_for_or_skipped(database: Database) {
    let store = database.store().await;
    store.schedule_declare(&[HOURLY, SKIPPED]).await.unwrap();
    for name in ["sweep", "report"] {
        run_now(&store, name).await;
    }
    // The program is off for half a day.
    database.clock().advance_seconds(12 * 3_600 + 60);
    store.schedule_declare(&[HOURLY, SKIPPED]).await.unwrap();
    assert_eq!(run_now(&store, "sweep").await.trigger, Trigger::Missed);
    assert_eq!(store.schedule_begin("report").await.unwrap(), None);
    let told = states(&store, "report").await;
    assert_eq!(told[0], (Trigger::Missed, RunState::Skipped));
    // Both go on in step with their first run.
    let next = database.clock().now().plus_seconds(3_600 - 60);
    for schedule in store.schedule_list().await.unwrap() {
        assert_eq!(schedule.next_at, next, "{}", schedule.name);
    }
    assert!(store.schedule_due().await.unwrap().is_empty());
}

async fn a_run_whose_node_is_gone_is_lost_and_begun_anew(database: Database) {
    let (store, other) = (database.store().await, database.store().await);
    let daily = NewSchedule {
        every_seconds: 10,
        ..HOURLY
    };
    store.schedule_declare(&[daily]).await.unwrap();
    store.schedule_begin("sweep").await.unwrap().unwrap();
    database.clock().advance_seconds(LEASE_SECONDS - 1);
    assert_eq!(store.schedule_extend().await.unwrap(), 1);
    database.clock().advance_seconds(LEASE_SECONDS - 1);
    assert_eq!(other.schedule_begin("sweep").await.unwrap(), None);
    database.clock().advance_seconds(1);
    let run = other.schedule_begin("sweep").await.unwrap().unwrap();
    assert_eq!(run.trigger, Trigger::Missed);
    let told = [
        (Trigger::Missed, RunState::Running),
        (Trigger::Timer, RunState::Lost),
    ];
    assert_eq!(states(&store, "sweep").await, told);
    // At an orderly stop nobody has to wait.
    other.schedule_release().await.unwrap();
    database.clock().advance_seconds(10);
    assert!(store.schedule_begin("sweep").await.unwrap().is_some());
}

async fn a_paused_schedule_rests_until_it_is_asked_for(database: Database) {
    let store = database.store().await;
    store.schedule_declare(&[HOURLY]).await.unwrap();
    run_now(&store, "sweep").await;
    let paused = store.schedule_pause(TENANT, "sweep").await.unwrap();
    assert!(paused.is_paused);
    database.clock().advance_seconds(5 * 3_600);
    assert_eq!(store.schedule_begin("sweep").await.unwrap(), None);
    store
        .rehearsal()
        .schedule_ask(TENANT, "sweep")
        .await
        .unwrap();
    assert_eq!(store.schedule_begin("sweep").await.unwrap(), None);
    store.schedule_ask(TENANT, "sweep").await.unwrap();
    assert_eq!(run_now(&store, "sweep").await.trigger, Trigger::Asked);
    assert_eq!(store.schedule_begin("sweep").await.unwrap(), None);
    let resumed = store.schedule_resume(TENANT, "sweep").await.unwrap();
    assert!(!resumed.is_paused);
    // What it missed on purpose is not made up for.
    assert!(database.clock().now() <= resumed.next_at);
    let absent = store.schedule_pause(TENANT, "dust").await;
    assert!(matches!(absent, Err(StoreError::NotFound { .. })));
}

async fn old_runs_are_forgotten(database: Database) {
    let store = database.store().await;
    store.schedule_declare(&[HOURLY]).await.unwrap();
    for _ in 0..105 {
        run_now(&store, "sweep").await;
        database.clock().advance_seconds(3_600);
    }
    let page = Page::first(1_000);
    let runs = store.schedule_runs("sweep", &page).await.unwrap();
    assert_eq!(runs.len(), 100);
    let page = Page::after(runs[9].id, 5);
    let next = store.schedule_runs("sweep", &page).await.unwrap();
    assert_eq!(next, runs[10..15]);
}

async fn what_converges_is_told_by_each_node(database: Database) {
    use storage::reconciler::Observation;
    let (store, other) = (database.store().await, database.store().await);
    let note = |drift| {
        [Observation {
            name: "directory",
            drift,
        }]
    };
    store.reconciler_note(&note(Ok(3))).await.unwrap();
    other.reconciler_note(&note(Err("away"))).await.unwrap();
    let since = database.clock().now();
    let told = store.reconciler_list(since).await.unwrap();
    assert_eq!(told.len(), 2);
    let failed = told.iter().find(|one| one.error.is_some()).unwrap();
    assert_eq!(failed.error.as_deref(), Some("away"));
    assert_eq!(failed.succeeded_at, None);
    store
        .reconciler_ask((TENANT, since), "directory")
        .await
        .unwrap();
    assert_eq!(other.reconciler_asked().await.unwrap(), ["directory"]);
    other.reconciler_note(&note(Ok(0))).await.unwrap();
    assert!(other.reconciler_asked().await.unwrap().is_empty());
    assert_eq!(store.reconciler_asked().await.unwrap(), ["directory"]);
    let absent = store.reconciler_ask((TENANT, since), "moon").await;
    assert!(matches!(absent, Err(StoreError::NotFound { .. })));
    database.clock().advance_seconds(100);
    store.reconciler_note(&note(Ok(0))).await.unwrap();
    let now = database.clock().now();
    assert_eq!(store.reconciler_list(now).await.unwrap().len(), 1);
    assert_eq!(store.reconciler_prune(now).await.unwrap(), 1);
}
