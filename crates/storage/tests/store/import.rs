//! Imports: everything or nothing, and fast.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use domain::change::Change;
use domain::id::PlanId;
use storage::error::StoreError;
use storage::subscriber::NewSubscriber;
use storage::subscriber_import::ImportError;
use testkit::database::{Database, TestClock};

use crate::fixture::{TENANT, any_plan, new_subscriber};

testkit::test_on_both_databases!(
    thousands_are_imported_quickly_with_their_changes,
    names_that_exist_are_listed_and_nothing_is_written,
    names_that_come_twice_are_listed_and_nothing_is_written,
    a_row_that_is_refused_late_undoes_the_whole_import,
);

fn rows(plan: PlanId, numbers: std::ops::Range<u32>) -> Vec<NewSubscriber> {
    numbers
        .map(|number| new_subscriber(&format!("user-{number:06}"), plan))
        .collect()
}

async fn thousands_are_imported_quickly_with_their_changes(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let mut feed = store.change_feed().await.unwrap();
    let progress = Mutex::new(Vec::new());
    let begun = Instant::now();
    let report = store
        .subscriber_import(TENANT, rows(plan, 0..20_000), |done| {
            progress.lock().unwrap().push(done);
        })
        .await
        .unwrap();
    let taken = begun.elapsed();
    assert!(taken < Duration::from_secs(20), "{taken:?}");
    assert_eq!(report.inserted, 20_000);
    let progress = progress.into_inner().unwrap();
    assert!(progress.is_sorted() && progress.last() == Some(&20_000));
    assert_eq!(store.subscriber_count(TENANT).await.unwrap(), 20_000);

    let mut changed = 0;
    while changed < 20_000 {
        let batch = feed.next().await.unwrap();
        assert!(batch.len() <= 1_024);
        assert!(batch.iter().all(|one| matches!(one, Change::Subscriber(_))));
        changed += batch.len();
    }
    let mut last = None;
    let mut loaded = 0;
    loop {
        let page = store.directory_subscriber_page(last, 8_000).await.unwrap();
        let Some(end) = page.last() else { break };
        last = Some(end.id);
        loaded += page.len();
    }
    assert_eq!(loaded, 20_000);
}

async fn names_that_exist_are_listed_and_nothing_is_written(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    store
        .subscriber_import(TENANT, rows(plan, 100..1_400), |_| {})
        .await
        .unwrap();
    let error = store
        .subscriber_import(TENANT, rows(plan, 0..3_000), |_| {})
        .await
        .unwrap_err();
    let ImportError::Duplicate { usernames, count } = &error else {
        panic!("expected duplicates, got {error:?}");
    };
    assert_eq!((usernames.len(), *count), (1_000, 1_300));
    assert_eq!(usernames[0].as_str(), "user-000100");
    assert_eq!(
        error.to_string(),
        "1300 subscribers exist already, 'user-000100' first: nothing was imported"
    );
    assert_eq!(store.subscriber_count(TENANT).await.unwrap(), 1_300);
}

async fn names_that_come_twice_are_listed_and_nothing_is_written(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let mut twice = rows(plan, 0..10);
    twice.extend(rows(plan, 3..5));
    let error = store
        .subscriber_import(TENANT, twice, |_| {})
        .await
        .unwrap_err();
    let is_expected = matches!(
        &error,
        ImportError::Repeated { usernames, count: 2 } if usernames[0].as_str() == "user-000003"
    );
    assert!(is_expected, "{error:?}");
    assert_eq!(store.subscriber_count(TENANT).await.unwrap(), 0);
}

async fn a_row_that_is_refused_late_undoes_the_whole_import(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let mut bad = rows(plan, 0..5_000);
    bad[4_998].plan = PlanId::new(TestClock::START, [9; 10]);
    let result = store.subscriber_import(TENANT, bad, |_| {}).await;
    assert!(matches!(result, Err(ImportError::Store(_))));
    let mut same = rows(plan, 0..5_000);
    for row in &mut same[4_998..] {
        row.addresses.ipv4 = Some([100, 64, 0, 9].into());
    }
    let result = store.subscriber_import(TENANT, same, |_| {}).await;
    assert!(matches!(
        result,
        Err(ImportError::Store(StoreError::Conflict { .. }))
    ));
    assert_eq!(store.subscriber_count(TENANT).await.unwrap(), 0);
}
