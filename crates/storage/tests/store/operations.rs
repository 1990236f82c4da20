//! Operations in the database: parts, leases, results, and jobs as people see them.

use domain::id::{JobId, OperationId, TenantId};
use domain::operation::{OperationKind, OperationState, RowOutcome, RowProblem, RowResult};
use storage::error::StoreError;
use storage::job::{JobFilter, JobState};
use storage::operation::{Advance, NewOperation, OperationFilter, Progress};
use storage::page::Page;
use storage::store::Store;
use testkit::database::Database;

use crate::fixture::{TENANT, name, new_plan};

testkit::test_on_both_databases!(
    a_part_is_done_once_whoever_does_it,
    another_tenant_sees_nothing,
    what_is_called_off_takes_no_more_parts,
    operations_run_one_after_the_other,
    an_operation_whose_rows_stop_coming_is_given_up,
    one_that_fails_again_and_again_is_given_up,
    jobs_are_retried_and_discarded,
    rows_are_sealed,
);

const NEW: NewOperation = NewOperation {
    tenant: TENANT,
    kind: OperationKind::SubscriberBulk,
    is_dry_run: false,
    is_atomic: false,
};

/// An operation with so many parts of two rows each.
async fn queued(store: &Store, parts: i64) -> OperationId {
    let operation = store.operation_insert(NEW).await.unwrap();
    for number in 0..parts {
        store
            .operation_part_add(operation.id, number, (b"kookaburra", 2))
            .await
            .unwrap();
    }
    store.operation_queue(operation.id).await.unwrap().id
}

fn results(first: u64) -> [RowResult; 2] {
    let result = |row, outcome| RowResult {
        row,
        name: format!("user-{row}"),
        outcome,
        problem: None,
    };
    [
        result(first, RowOutcome::Created),
        RowResult {
            problem: Some(RowProblem {
                code: "invalid".to_owned(),
                field: Some("plan".to_owned()),
                detail: "é".repeat(600),
            }),
            ..result(first + 1, RowOutcome::Failed)
        },
    ]
}

async fn advance(store: &Store, id: OperationId, part: i64) -> Advance {
    let results = results(u64::try_from(part).unwrap() * 2 + 1);
    let progress = Progress {
        part,
        done: 2,
        results: &results,
    };
    store.operation_advance(id, &progress).await.unwrap()
}

async fn a_part_is_done_once_whoever_does_it(database: Database) {
    let (store, other) = (database.store().await, database.store().await);
    let id = queued(&store, 2).await;
    let taken = store.operation_take().await.unwrap().unwrap();
    assert_eq!((taken.id, taken.state), (id, OperationState::Running));
    assert!(other.operation_take().await.unwrap().is_none());
    let part = store.operation_part(id).await.unwrap().unwrap();
    assert_eq!((part.number, part.rows.expose()), (0, &b"kookaburra"[..]));
    // Who has not taken it does nothing.
    assert_eq!(advance(&other, id, 0).await, Advance::Stop);
    assert_eq!(advance(&store, id, 0).await, Advance::On);
    assert_eq!(advance(&store, id, 0).await, Advance::Stop);
    // The first worker is gone, and the second one goes on where it stopped.
    database.clock().advance_seconds(61);
    assert!(other.operation_take().await.unwrap().is_some());
    assert_eq!(other.operation_part(id).await.unwrap().unwrap().number, 1);
    let unit = store.unit().await.unwrap();
    unit.store().plan_insert(new_plan("Late")).await.unwrap();
    assert_eq!(advance(unit.store(), id, 1).await, Advance::Stop);
    drop(unit);
    let unit = other.unit().await.unwrap();
    unit.store().plan_insert(new_plan("Home")).await.unwrap();
    assert_eq!(advance(unit.store(), id, 1).await, Advance::On);
    unit.commit().await.unwrap();
    assert!(other.operation_part(id).await.unwrap().is_none());
    other.operation_finish(id, None).await.unwrap();
    let done = store.operation_find(TENANT, id).await.unwrap().unwrap();
    assert_eq!(done.state, OperationState::Succeeded);
    assert_eq!((done.total, done.done, done.failed), (4, 4, 2));
    assert!(
        store
            .plan_find(TENANT, &name("Home"))
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(store.plan_find(TENANT, &name("Late")).await.unwrap(), None);
    check_results(&store, id).await;
    let kinds = events(&store).await;
    for kind in [
        "operation.created",
        "operation.started",
        "operation.progressed",
    ] {
        assert!(kinds.iter().any(|found| found == kind), "{kind}: {kinds:?}");
    }
    assert_eq!(kinds.last().map(String::as_str), Some("operation.finished"));
}

async fn check_results(store: &Store, id: OperationId) {
    let page = Page::first(3);
    let found = store
        .operation_results(TENANT, id, (&page, None))
        .await
        .unwrap();
    assert_eq!(
        found.iter().map(|one| one.row).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    let failed = store
        .operation_results(TENANT, id, (&Page::after(2, 10), Some(true)))
        .await
        .unwrap();
    assert_eq!(failed.len(), 1);
    let problem = failed[0].problem.as_ref().unwrap();
    assert_eq!(problem.field.as_deref(), Some("plan"));
    assert_eq!(problem.detail, "é".repeat(250));
}

async fn events(store: &Store) -> Vec<String> {
    let page = Page::first(1_000);
    let events = store.event_list(TENANT, &page).await.unwrap();
    events.into_iter().map(|event| event.kind).collect()
}

async fn another_tenant_sees_nothing(database: Database) {
    let store = database.store().await;
    let id = queued(&store, 1).await;
    let stranger = TenantId::from_bytes([9; 16]);
    assert_eq!(store.operation_find(stranger, id).await.unwrap(), None);
    let filter = OperationFilter::default();
    let page = Page::first(10);
    let listed = store.operation_list(stranger, &filter, &page).await;
    assert!(listed.unwrap().is_empty());
    let refused = store.operation_cancel(stranger, id).await;
    assert!(matches!(refused, Err(StoreError::NotFound { .. })));
    let job = JobId::from_uuid(id.as_uuid());
    let refused = store.job_discard(stranger, job).await;
    assert!(matches!(refused, Err(StoreError::NotFound { .. })));
}

async fn what_is_called_off_takes_no_more_parts(database: Database) {
    let store = database.store().await;
    let id = queued(&store, 3).await;
    store.operation_take().await.unwrap().unwrap();
    assert_eq!(advance(&store, id, 0).await, Advance::On);
    let rehearsed = store.rehearsal().operation_cancel(TENANT, id).await;
    assert_eq!(rehearsed.unwrap().state, OperationState::Cancelled);
    assert_eq!(advance(&store, id, 1).await, Advance::On);
    let cancelled = store.operation_cancel(TENANT, id).await.unwrap();
    assert_eq!(cancelled.state, OperationState::Cancelled);
    assert_eq!((cancelled.done, cancelled.total), (4, 6));
    assert_eq!(advance(&store, id, 2).await, Advance::Stop);
    store.operation_finish(id, None).await.unwrap();
    let after = store.operation_find(TENANT, id).await.unwrap().unwrap();
    assert_eq!(after, cancelled);
    let again = store.operation_cancel(TENANT, id).await;
    assert!(
        matches!(again, Err(StoreError::WrongState { .. })),
        "{again:?}"
    );
    let left = database.number("SELECT COUNT(*) FROM operation_part").await;
    assert_eq!(left, 0);
    let left = database.number("SELECT COUNT(*) FROM job").await;
    assert_eq!(left, 0);
    database.clock().advance_seconds(10);
    let now = database.clock().now();
    assert_eq!(store.operation_prune(now).await.unwrap(), 1);
    let left = database
        .number("SELECT COUNT(*) FROM operation_result")
        .await;
    assert_eq!(left, 0);
}

async fn operations_run_one_after_the_other(database: Database) {
    let store = database.store().await;
    let (first, second) = (queued(&store, 1).await, queued(&store, 1).await);
    assert_eq!(store.operation_take().await.unwrap().unwrap().id, first);
    assert!(store.operation_take().await.unwrap().is_none());
    assert_eq!(advance(&store, first, 0).await, Advance::On);
    store.operation_finish(first, None).await.unwrap();
    assert_eq!(store.operation_take().await.unwrap().unwrap().id, second);
    let running = OperationFilter {
        state: Some(OperationState::Running),
        ..OperationFilter::default()
    };
    let page = Page::first(10);
    let listed = store.operation_list(TENANT, &running, &page).await.unwrap();
    assert_eq!(
        listed.iter().map(|one| one.id).collect::<Vec<_>>(),
        [second]
    );
}

async fn an_operation_whose_rows_stop_coming_is_given_up(database: Database) {
    let store = database.store().await;
    let id = store.operation_insert(NEW).await.unwrap().id;
    assert!(store.operation_take().await.unwrap().is_none());
    database.clock().advance_seconds(60);
    let now = database.clock().now();
    assert_eq!(store.operation_give_up(now).await.unwrap(), 1);
    let failed = store.operation_find(TENANT, id).await.unwrap().unwrap();
    assert_eq!(failed.state, OperationState::Failed);
    let late = store.operation_part_add(id, 0, (b"[]", 0)).await;
    assert!(
        matches!(late, Err(StoreError::WrongState { .. })),
        "{late:?}"
    );
    let late = store.operation_queue(id).await;
    assert!(
        matches!(late, Err(StoreError::WrongState { .. })),
        "{late:?}"
    );
}

async fn one_that_fails_again_and_again_is_given_up(database: Database) {
    let store = database.store().await;
    let id = queued(&store, 1).await;
    for _ in 0..5 {
        assert!(store.operation_take().await.unwrap().is_some());
        database.clock().advance_seconds(61);
    }
    assert!(store.operation_take().await.unwrap().is_none());
    let failed = store.operation_find(TENANT, id).await.unwrap().unwrap();
    assert_eq!(failed.state, OperationState::Failed);
}

async fn jobs_are_retried_and_discarded(database: Database) {
    let store = database.store().await;
    let id = queued(&store, 1).await;
    let job = JobId::from_uuid(id.as_uuid());
    store.operation_take().await.unwrap().unwrap();
    let busy = store.job_discard(TENANT, job).await;
    assert!(
        matches!(busy, Err(StoreError::WrongState { .. })),
        "{busy:?}"
    );
    database.clock().advance_seconds(61);
    let retried = store.job_retry(TENANT, job).await.unwrap();
    assert_eq!((retried.state, retried.attempts), (JobState::Ready, 0));
    let filter = JobFilter {
        state: Some(JobState::Ready),
        ..JobFilter::default()
    };
    let page = Page::first(10);
    let listed = store.job_list(TENANT, &filter, &page).await.unwrap();
    assert_eq!(listed, [retried]);
    store.job_discard(TENANT, job).await.unwrap();
    assert_eq!(store.job_find(TENANT, job).await.unwrap(), None);
    let ended = store.operation_find(TENANT, id).await.unwrap().unwrap();
    assert_eq!(ended.state, OperationState::Cancelled);
}

async fn rows_are_sealed(database: Database) {
    let store = database.store().await;
    queued(&store, 1).await;
    let sql = match database.kind() {
        testkit::database::DatabaseKind::Sqlite => {
            "SELECT COUNT(*) FROM operation_part WHERE instr(sealed, CAST('kookaburra' AS BLOB)) > 0"
        }
        testkit::database::DatabaseKind::Postgres => {
            "SELECT COUNT(*) FROM operation_part WHERE position('kookaburra'::bytea IN sealed) > 0"
        }
    };
    assert_eq!(database.number(sql).await, 0);
}
