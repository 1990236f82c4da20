//! A store that was refused a transaction, and goes on.

use std::time::{Duration, Instant};

use domain::accounting::{AccountingRecord, SessionEvent, SessionKey, SessionPlace, SessionRecord};
use domain::id::NasId;
use domain::usage::UsageAmount;
use sqlx::PgConnection;
use storage::error::StoreError;
use storage::plan::PlanPatch;
use storage::store::Store;
use testkit::database::{Database, DatabaseKind, TestClock};
use tokio::task::JoinSet;

use crate::fixture::{TENANT, new_nas, new_plan};

/// Reads a row and writes it, many times.
async fn change_often(store: Store) {
    let plan = new_plan("Home 50").name;
    for _ in 0..50 {
        let patch = PlanPatch {
            rate: Some(None),
            ..PlanPatch::default()
        };
        store.plan_update(TENANT, &plan, patch).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_waits_its_turn_again_after_a_full_disk() {
    let database = Database::migrated(DatabaseKind::Sqlite).await;
    let store = database.store().await;
    store.plan_insert(new_plan("Home 50")).await.unwrap();
    // What SQLite does when a page cannot be written: the whole transaction is undone at once.
    database
        .execute(
            "CREATE TRIGGER full BEFORE INSERT ON router \
             BEGIN SELECT RAISE(ROLLBACK, 'database or disk is full'); END",
        )
        .await;
    for _ in 0..3 {
        let refused = store.nas_insert(new_nas("pop-1", "10.0.0.1")).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))));
    }
    database.execute("DROP TRIGGER full").await;
    // A transaction that began as a savepoint could not write what it has read.
    let mut writers = JoinSet::new();
    writers.spawn(change_often(store.clone()));
    writers.spawn(change_often(database.store().await));
    writers.join_all().await;
    store
        .nas_insert(new_nas("pop-1", "10.0.0.1"))
        .await
        .unwrap();
}

fn start() -> AccountingRecord {
    AccountingRecord::Session(SessionRecord {
        event: SessionEvent::Start,
        tenant: TENANT,
        nas: NasId::new(TestClock::START, [1; 10]),
        key: SessionKey([1; 16]),
        auth: None,
        terms: None,
        subscriber: None,
        username: "ana".into(),
        at: TestClock::START,
        total: UsageAmount::default(),
        terminate_cause: None,
        place: SessionPlace::default(),
    })
}

const PATIENCE: Duration = Duration::from_secs(20);

/// Asks until the answer is `expected`.
async fn wait_for(connection: &mut PgConnection, sql: &'static str, expected: i64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found: i64 = sqlx::query_scalar(sql)
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        if found == expected {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{found} instead of {expected}: {sql}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The locks of the journal, held or waited for, in this database.
const LOCKS_WAITED_FOR: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' \
    AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
const LOCKS: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' \
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_given_up_while_it_begins_leaves_no_lock_behind() {
    let database = Database::migrated(DatabaseKind::Postgres).await;
    let postgres = database.postgres().unwrap();
    let mut other = postgres.connect().await;
    // Both lanes of the router are taken, so that a commit waits within its BEGIN.
    let take = "SELECT pg_advisory_lock(x'61636374'::INT, stripe) FROM generate_series(0, 255) \
        AS stripe";
    sqlx::query(take).execute(&mut other).await.unwrap();
    let store = database.store().await;
    let mut committing = JoinSet::new();
    committing.spawn({
        let store = store.clone();
        async move { store.accounting_commit(&[start()]).await.map(drop) }
    });
    let mut observer = postgres.connect().await;
    wait_for(&mut observer, LOCKS_WAITED_FOR, 1).await;
    committing.shutdown().await;
    sqlx::query("SELECT pg_advisory_unlock_all()")
        .execute(&mut other)
        .await
        .unwrap();
    wait_for(&mut observer, LOCKS, 0).await;
    store.accounting_commit(&[start()]).await.unwrap();
}
