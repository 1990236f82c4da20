//! A store that was refused a transaction, and goes on.

use storage::error::StoreError;
use storage::plan::PlanPatch;
use storage::store::Store;
use testkit::database::{Database, DatabaseKind};
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
            "CREATE TRIGGER full BEFORE INSERT ON nas \
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
