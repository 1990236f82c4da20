//! What converges, looked at by itself and on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use services::reconcile::{self, Occasion, Reconciler};
use testkit::database::Database;
use tokio::task::JoinSet;

use crate::site::{TENANT, until};

testkit::test_on_both_databases!(a_look_is_told_and_can_be_asked_for);

async fn a_look_is_told_and_can_be_asked_for(database: Database) {
    let store = database.store().await;
    let asked = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&asked);
    let good = Reconciler::new("good", move |occasion| {
        let counted = Arc::clone(&counted);
        async move {
            Ok(match occasion {
                Occasion::Time => 7,
                Occasion::Asked => counted.fetch_add(1, SeqCst),
            })
        }
    });
    let bad = Reconciler::new("bad", |_| async { Err("away".to_owned()) });
    let mut tasks = JoinSet::new();
    tasks.spawn(reconcile::run(database.store().await, vec![good, bad]));
    let since = database.clock().now();
    let told = until("both are told", async || {
        let told = store.reconciler_list(since).await.unwrap();
        (told.len() == 2).then_some(told)
    })
    .await;
    assert_eq!(told[0].error.as_deref(), Some("away"));
    assert_eq!((told[1].drift, told[1].failed_at), (7, None));
    store.reconciler_ask((TENANT, since), "good").await.unwrap();
    until("it was looked at", async || {
        let told = store.reconciler_list(since).await.unwrap();
        (told[1].drift == 0 && told[1].asked_at.is_none()).then_some(())
    })
    .await;
    assert_eq!(asked.load(SeqCst), 1);
}
