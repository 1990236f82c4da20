//! Several methods in one transaction, each of which can fail by itself.

use storage::act::Act;
use storage::audit::AuditFilter;
use storage::error::StoreError;
use storage::page::Page;
use testkit::database::Database;

use crate::fixture::{TENANT, any_plan, name, new_plan, new_subscriber, username};

testkit::test_on_both_databases!(
    a_part_that_fails_leaves_the_others,
    a_unit_that_is_dropped_leaves_nothing,
    a_rehearsed_unit_leaves_nothing,
    deeds_of_all_parts_are_written_at_the_end,
    a_unit_that_has_ended_takes_nothing_more,
);

async fn names(store: &storage::store::Store) -> Vec<String> {
    let page = Page::first(100);
    let rows = store.subscriber_page(TENANT, &page).await.unwrap();
    rows.iter().map(|row| row.username.to_string()).collect()
}

async fn a_part_that_fails_leaves_the_others(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let unit = store.unit().await.unwrap();
    for (user, is_good) in [("ana", true), ("ana", false), ("ben", true)] {
        let outcome = unit
            .store()
            .subscriber_insert(new_subscriber(user, plan))
            .await;
        assert_eq!(outcome.is_ok(), is_good, "{user}: {outcome:?}");
    }
    let gone = unit
        .store()
        .subscriber_delete(TENANT, &username("zoe"))
        .await;
    assert!(matches!(gone, Err(StoreError::NotFound { .. })), "{gone:?}");
    assert!(
        names(&store).await.is_empty(),
        "nothing is there before the end"
    );
    unit.commit().await.unwrap();
    assert_eq!(names(&store).await, ["ana", "ben"]);
}

async fn a_unit_that_is_dropped_leaves_nothing(database: Database) {
    let store = database.store().await;
    let unit = store.unit().await.unwrap();
    unit.store().plan_insert(new_plan("Home")).await.unwrap();
    drop(unit);
    assert_eq!(store.plan_find(TENANT, &name("Home")).await.unwrap(), None);
    // Whoever writes next is not held up.
    store.plan_insert(new_plan("Home")).await.unwrap();
}

async fn a_rehearsed_unit_leaves_nothing(database: Database) {
    let store = database.store().await;
    let unit = store.rehearsal().unit().await.unwrap();
    let made = unit.store().plan_insert(new_plan("Home")).await;
    assert!(made.is_ok(), "{made:?}");
    let again = unit.store().plan_insert(new_plan("Home")).await;
    assert!(
        matches!(again, Err(StoreError::Conflict { .. })),
        "{again:?}"
    );
    unit.commit().await.unwrap();
    assert_eq!(store.plan_find(TENANT, &name("Home")).await.unwrap(), None);
}

async fn deeds_of_all_parts_are_written_at_the_end(database: Database) {
    let store = database.store().await;
    let actor = domain::actor::Actor::command_line("1000");
    let acting = store.acting(Act::of(actor.clone()));
    let unit = acting.unit().await.unwrap();
    for plan in ["Home", "Home", "Work"] {
        drop(unit.store().plan_insert(new_plan(plan)).await);
    }
    unit.commit().await.unwrap();
    let page = Page::first(10);
    let lines = store
        .audit_list(TENANT, &AuditFilter::default(), &page)
        .await
        .unwrap();
    let told: Vec<&str> = lines
        .iter()
        .map(|line| line.resource_name.as_str())
        .collect();
    assert_eq!(told, ["Work", "Home"]);
    assert!(lines.iter().all(|line| line.actor == actor));
    let verified = store.audit_verify(TENANT).await.unwrap();
    assert_eq!((verified.lines, verified.broken_at), (2, None));
    assert_eq!(store.audit_tenants().await.unwrap(), [TENANT]);
}

async fn a_unit_that_has_ended_takes_nothing_more(database: Database) {
    let store = database.store().await;
    let unit = store.unit().await.unwrap();
    let within = unit.store().clone();
    unit.commit().await.unwrap();
    let late = within.plan_insert(new_plan("Home")).await;
    assert!(late.is_err(), "{late:?}");
    assert_eq!(store.plan_find(TENANT, &name("Home")).await.unwrap(), None);
}
