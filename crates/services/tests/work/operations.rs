//! Operations through crashes, beside other workers, and called off.

use domain::operation::{OperationKind, OperationState, RowOutcome};
use services::operation::{self, worker};
use services::subscriber_row::Column;
use storage::operation::NewOperation;
use storage::page::Page;
use testkit::database::Database;
use tokio::task::JoinSet;

use crate::site::{TENANT, create, furnished, numbered, operation, over, subscribers, told, until};
use services::bulk::SubscriberAction;

testkit::test_on_both_databases!(
    a_worker_that_dies_leaves_off_between_two_parts,
    two_workers_do_everything_once,
    what_is_called_off_in_the_middle_stays_as_far_as_it_is,
    a_rehearsal_changes_nothing_and_says_what_would_be,
    rows_that_hold_together_are_all_undone,
    wrong_rows_do_not_hold_up_the_others,
);

const BULK: NewOperation = operation(OperationKind::SubscriberBulk);

fn many(prefix: &str, count: u32) -> Vec<services::bulk::Change> {
    numbered((0..count).map(|number| create(&format!("{prefix}{number}"))))
}

async fn a_worker_that_dies_leaves_off_between_two_parts(database: Database) {
    let store = furnished(&database).await;
    let queued = operation::queue(&store, BULK, many("u", 3_000))
        .await
        .unwrap();
    assert_eq!(queued.total, 3_000);
    let mut tasks = JoinSet::new();
    let first = tasks.spawn(worker::run(database.store().await));
    until("some of it is done", async || {
        let found = store.operation_find(TENANT, queued.id).await.unwrap();
        found.filter(|operation| 200 <= operation.done)
    })
    .await;
    first.abort();
    tasks.join_next().await.unwrap().unwrap_err();
    let left = store.operation_find(TENANT, queued.id).await.unwrap();
    let left = left.unwrap();
    assert_eq!(left.state, OperationState::Running);
    assert!(left.done < 3_000, "it was killed in the middle");
    // What is done and what is said to be done are the same.
    let stored = u64::try_from(subscribers(&database).await).unwrap();
    assert_eq!(stored, left.done);
    tasks.spawn(worker::run(database.store().await));
    database.clock().advance_seconds(61);
    let done = over(&store, &queued).await;
    assert_eq!(done.state, OperationState::Succeeded);
    assert_eq!((done.done, done.failed), (3_000, 0));
    assert_eq!(subscribers(&database).await, 3_000);
}

async fn two_workers_do_everything_once(database: Database) {
    let store = furnished(&database).await;
    let mut tasks = JoinSet::new();
    for _ in 0..2 {
        tasks.spawn(worker::run(database.store().await));
    }
    let mut queued = Vec::new();
    for prefix in ["a", "b", "c"] {
        let changes = many(prefix, 450);
        queued.push(operation::queue(&store, BULK, changes).await.unwrap());
    }
    for one in &queued {
        let done = over(&store, one).await;
        assert_eq!(done.state, OperationState::Succeeded);
        assert_eq!((done.done, done.failed), (450, 0));
    }
    assert_eq!(subscribers(&database).await, 1_350);
    let verified = store.audit_verify(TENANT).await.unwrap();
    assert_eq!(verified.broken_at, None);
}

async fn what_is_called_off_in_the_middle_stays_as_far_as_it_is(database: Database) {
    let store = furnished(&database).await;
    let mut tasks = JoinSet::new();
    tasks.spawn(worker::run(database.store().await));
    let queued = operation::queue(&store, BULK, many("u", 5_000))
        .await
        .unwrap();
    until("some of it is done", async || {
        let found = store.operation_find(TENANT, queued.id).await.unwrap();
        found.filter(|operation| 0 < operation.done)
    })
    .await;
    let cancelled = store.operation_cancel(TENANT, queued.id).await.unwrap();
    assert_eq!(cancelled.state, OperationState::Cancelled);
    // The worker does what comes next, so it has let go of this one.
    let next = operation::queue(&store, BULK, many("n", 101))
        .await
        .unwrap();
    over(&store, &next).await;
    let after = store.operation_find(TENANT, queued.id).await.unwrap();
    assert_eq!(after, Some(cancelled.clone()));
    let stored = u64::try_from(subscribers(&database).await).unwrap();
    assert_eq!(stored, cancelled.done + 101);
    assert!(cancelled.done < 5_000);
}

async fn a_rehearsal_changes_nothing_and_says_what_would_be(database: Database) {
    let store = furnished(&database).await;
    let mut tasks = JoinSet::new();
    tasks.spawn(worker::run(database.store().await));
    let mut changes = many("u", 249);
    changes.extend(
        numbered([create("u0")])
            .into_iter()
            .map(|change| services::bulk::Change { row: 250, ..change }),
    );
    let rehearsal = NewOperation {
        is_dry_run: true,
        ..BULK
    };
    let queued = operation::queue(&store, rehearsal, changes).await.unwrap();
    let done = over(&store, &queued).await;
    assert_eq!(done.state, OperationState::Succeeded);
    assert_eq!((done.total, done.done), (250, 250));
    assert_eq!(subscribers(&database).await, 0);
    let page = Page::first(1_000);
    let results = store
        .operation_results(TENANT, queued.id, (&page, None))
        .await
        .unwrap();
    assert_eq!(results.len(), 250);
    assert_eq!(results[0].outcome, RowOutcome::Created);
}

async fn rows_that_hold_together_are_all_undone(database: Database) {
    let store = furnished(&database).await;
    let mut tasks = JoinSet::new();
    tasks.spawn(worker::run(database.store().await));
    let mut changes = many("u", 300);
    changes[299] = services::bulk::Change {
        row: 300,
        what: create("not a name"),
    };
    let together = NewOperation {
        is_atomic: true,
        ..BULK
    };
    let queued = operation::queue(&store, together, changes).await.unwrap();
    let done = over(&store, &queued).await;
    assert_eq!(done.state, OperationState::Failed);
    assert_eq!(done.failed, 1);
    assert_eq!(subscribers(&database).await, 0);
    let page = Page::after(298, 10);
    let results = store
        .operation_results(TENANT, queued.id, (&page, None))
        .await
        .unwrap();
    assert_eq!(
        told(&results),
        [
            ("u298", RowOutcome::Undone, None),
            ("not a name", RowOutcome::Failed, Some("invalid")),
        ]
    );
}

async fn wrong_rows_do_not_hold_up_the_others(database: Database) {
    let store = furnished(&database).await;
    let mut tasks = JoinSet::new();
    tasks.spawn(worker::run(database.store().await));
    let mut changes = many("u", 300);
    changes[50].what = create("u49");
    changes[150].what = crate::site::row(
        SubscriberAction::Create,
        &[(Column::Username, "gold"), (Column::Plan, "gold")],
    );
    let queued = operation::queue(&store, BULK, changes).await.unwrap();
    let done = over(&store, &queued).await;
    assert_eq!(done.state, OperationState::Succeeded);
    assert_eq!((done.done, done.failed), (300, 2));
    assert_eq!(subscribers(&database).await, 298);
    let page = Page::first(10);
    let failed = store
        .operation_results(TENANT, queued.id, (&page, Some(true)))
        .await
        .unwrap();
    assert_eq!(
        told(&failed),
        [
            ("u49", RowOutcome::Failed, Some("taken")),
            ("gold", RowOutcome::Failed, Some("not_found")),
        ]
    );
    assert_eq!((failed[0].row, failed[1].row), (51, 151));
}
