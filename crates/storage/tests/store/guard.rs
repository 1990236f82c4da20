//! Who is kept from guessing, as nodes show it and operators let go.

use domain::guard::{GuardKey, GuardLock, GuardSubject};
use domain::time::Timestamp;
use storage::guard::GuardFilter;
use testkit::database::{Database, TestClock};

testkit::test_on_both_databases!(
    locks_are_shown_and_end,
    who_is_let_go_is_told_to_the_node_once,
    filters_choose,
);

const START: Timestamp = TestClock::START;

fn key(subject: GuardSubject, name: &str) -> GuardKey {
    GuardKey {
        subject,
        name: name.to_owned(),
    }
}

fn lock(key: &GuardKey, seconds: i64) -> GuardLock {
    GuardLock {
        key: key.clone(),
        since: START,
        until: START.plus_seconds(seconds),
        strikes: 2,
    }
}

async fn locks_are_shown_and_end(database: Database) {
    let (here, there) = (database.store().await, database.store().await);
    let ana = key(GuardSubject::User, "ana");
    let device = key(GuardSubject::Station, "020000000001");
    let shown = [lock(&ana, 60), lock(&device, 30)];
    assert_eq!(here.guard_exchange(&[], &shown).await.unwrap(), []);
    assert_eq!(
        there.guard_exchange(&[], &[lock(&ana, 90)]).await.unwrap(),
        []
    );
    let all = GuardFilter::default();
    let list = async || {
        let rows = here.guard_list(&all).await.unwrap();
        let row =
            |row: &storage::guard::GuardRow| (row.name.clone(), row.until.seconds_since(START));
        rows.iter().map(row).collect::<Vec<_>>()
    };
    let both = [("ana".to_owned(), 90), ("020000000001".to_owned(), 30)];
    assert_eq!(list().await, both);
    database.clock().advance_seconds(31);
    assert_eq!(list().await, both[..1]);
    assert_eq!(here.guard_prune(START.plus_seconds(31)).await.unwrap(), 1);
    // A node that shows nothing any more leaves those of others.
    here.guard_exchange(&[ana], &[]).await.unwrap();
    assert_eq!(list().await, both[..1]);
}

async fn who_is_let_go_is_told_to_the_node_once(database: Database) {
    let store = database.store().await;
    let (ana, bea) = (
        key(GuardSubject::User, "ana"),
        key(GuardSubject::User, "bea"),
    );
    let locks = [lock(&ana, 60), lock(&bea, 60)];
    store.guard_exchange(&[], &locks).await.unwrap();
    let filter = GuardFilter {
        subject: Some(GuardSubject::User),
        name: Some("ana".to_owned()),
        ..GuardFilter::default()
    };
    assert_eq!(store.rehearsal().guard_clear(&filter).await.unwrap(), 1);
    assert_eq!(store.guard_clear(&filter).await.unwrap(), 1);
    let shown = [ana.clone(), bea.clone()];
    assert_eq!(store.guard_exchange(&shown, &locks).await.unwrap(), [ana]);
    let rows = store.guard_list(&GuardFilter::default()).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(store.guard_exchange(&[bea], &locks[1..]).await.unwrap(), []);
}

async fn filters_choose(database: Database) {
    let store = database.store().await;
    let keys = [
        key(GuardSubject::User, "ana"),
        key(GuardSubject::Nas, "ana"),
        key(GuardSubject::Station, "x"),
    ];
    let locks = keys.each_ref().map(|key| lock(key, 60));
    store.guard_exchange(&[], &locks).await.unwrap();
    let count = async |subject, name: Option<&str>| {
        let name = name.map(ToOwned::to_owned);
        let filter = GuardFilter {
            subject,
            name,
            ..GuardFilter::default()
        };
        store.guard_list(&filter).await.unwrap().len()
    };
    assert_eq!(count(None, None).await, 3);
    assert_eq!(count(None, Some("ana")).await, 2);
    assert_eq!(count(Some(GuardSubject::Nas), Some("ana")).await, 1);
    assert_eq!(count(Some(GuardSubject::Nas), Some("x")).await, 0);
}
