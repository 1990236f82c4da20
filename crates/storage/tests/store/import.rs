//! Imports: everything or nothing, and fast.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use domain::change::Change;
use domain::id::PlanId;
use storage::error::{StoreError, UniqueField};
use storage::subscriber::NewSubscriber;
use storage::subscriber_import::ImportError;
use testkit::database::{Database, TestClock};

use crate::fixture::{TENANT, any_plan, new_subscriber};

testkit::test_on_both_databases!(
    thousands_are_imported_quickly_with_their_changes,
    names_that_exist_are_listed_and_nothing_is_written,
    addresses_that_exist_are_listed_and_nothing_is_written,
    values_that_come_twice_are_listed_and_nothing_is_written,
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
    let ImportError::Taken { field, rows } = &error else {
        panic!("expected taken names, got {error:?}");
    };
    assert_eq!(*field, UniqueField::Username);
    assert_eq!((rows.indexes.len(), rows.count), (1_000, 1_300));
    assert_eq!((rows.indexes[0], rows.indexes[999]), (100, 1_099));
    assert_eq!(
        error.to_string(),
        "username of 1300 rows, row 101 first: others exist with the same; nothing was imported"
    );
    assert_eq!(store.subscriber_count(TENANT).await.unwrap(), 1_300);
}

async fn addresses_that_exist_are_listed_and_nothing_is_written(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let mut ana = new_subscriber("ana", plan);
    ana.addresses.ipv4 = Some([100, 64, 0, 9].into());
    ana.addresses.ipv6_delegated = Some("2001:db8:8000::/56".parse().unwrap());
    let addresses = ana.addresses;
    store.subscriber_insert(ana).await.unwrap();
    let mut first = rows(plan, 0..3_000);
    first[2_500].addresses.ipv4 = addresses.ipv4;
    let mut second = rows(plan, 0..3_000);
    second[7].addresses.ipv6_delegated = addresses.ipv6_delegated;
    for (rows, expected) in [
        (first, (UniqueField::Ipv4, 2_500)),
        (second, (UniqueField::Ipv6Delegated, 7)),
    ] {
        let error = store.subscriber_import(TENANT, rows, |_| {}).await;
        let Err(ImportError::Taken { field, rows }) = error else {
            panic!("expected a taken address, got {error:?}");
        };
        assert_eq!(
            (field, rows.indexes[0], rows.count),
            (expected.0, expected.1, 1)
        );
    }
    assert_eq!(store.subscriber_count(TENANT).await.unwrap(), 1);
}

async fn values_that_come_twice_are_listed_and_nothing_is_written(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let mut names = rows(plan, 0..10);
    names.extend(rows(plan, 3..5));
    let mut addresses = rows(plan, 0..5_000);
    for row in &mut addresses[4_998..] {
        row.addresses.ipv4 = Some([100, 64, 0, 9].into());
    }
    for (rows, expected) in [
        (names, (UniqueField::Username, vec![10, 11])),
        (addresses, (UniqueField::Ipv4, vec![4_999])),
    ] {
        let error = store.subscriber_import(TENANT, rows, |_| {}).await;
        let Err(ImportError::Repeated { field, rows }) = error else {
            panic!("expected a repeated value, got {error:?}");
        };
        assert_eq!((field, rows.indexes), expected);
    }
    assert_eq!(store.subscriber_count(TENANT).await.unwrap(), 0);
}

async fn a_row_that_is_refused_late_undoes_the_whole_import(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let mut bad = rows(plan, 0..5_000);
    bad[4_998].plan = PlanId::new(TestClock::START, [9; 10]);
    let result = store.subscriber_import(TENANT, bad, |_| {}).await;
    assert!(matches!(
        result,
        Err(ImportError::Store(StoreError::Refused(_)))
    ));
    assert_eq!(store.subscriber_count(TENANT).await.unwrap(), 0);
}
