//! Customers: made, changed, given subscribers and removed, with a line in the log for each.

use domain::customer::CustomerState;
use domain::customer::contact::{Coordinates, PostalAddress};
use domain::customer::field::{CustomFields, FieldValue};
use domain::id::{CustomerId, TenantId};
use domain::time::Timestamp;
use storage::act::Act;
use storage::customer::{CustomerPatch, NewCustomer};
use storage::error::{Resource, StoreError, UniqueField};
use storage::page::Page;
use storage::subscriber::SubscriberPatch;
use testkit::database::{Database, TestClock};

use crate::fixture::{TENANT, any_plan, new_subscriber, username};

testkit::test_on_both_databases!(
    customer_is_found_as_it_was_stored,
    customer_patch_changes_what_it_names_and_nothing_else,
    customer_numbers_are_unique_and_given_in_order,
    customer_with_subscribers_is_not_deleted,
    customers_of_other_tenants_are_nobody,
    notes_are_kept_with_who_wrote_them,
    what_is_done_to_customers_and_subscribers_is_in_the_log,
);

pub(crate) fn new_customer(name: &str) -> NewCustomer {
    NewCustomer {
        tenant: TENANT,
        number: None,
        name: name.parse().unwrap(),
        company: None,
        state: CustomerState::Active,
        emails: Vec::new(),
        phones: Vec::new(),
        addresses: Vec::new(),
        fields: CustomFields::default(),
        tags: Vec::new(),
    }
}

async fn customer_is_found_as_it_was_stored(database: Database) {
    let store = database.store().await;
    let fields = [
        ("meter", FieldValue::Text("7 é".into())),
        ("rent", FieldValue::Number(12.5)),
        ("is_paper", FieldValue::Bool(true)),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    let new = NewCustomer {
        number: "C-7".parse().ok(),
        company: "Paz Ltd".parse().ok(),
        state: CustomerState::Lead,
        emails: vec!["ana@example.net".parse().unwrap()],
        phones: vec!["+254 712 345 678".parse().unwrap()],
        addresses: vec![PostalAddress {
            city: Some("Nairobi".into()),
            coordinates: Coordinates::from_degrees(-1.29, 36.82).ok(),
            ..PostalAddress::default()
        }],
        fields: CustomFields::new(fields.into()).unwrap(),
        tags: vec!["vip".parse().unwrap(), "VIP".parse().unwrap()],
        ..new_customer("Ana Paz")
    };
    let made = store.customer_insert(new.clone()).await.unwrap();
    assert_eq!(made.created_at, TestClock::START);
    assert_eq!(made.tags.len(), 1);
    let found = store
        .customer_find(TENANT, &"c-7".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(found.as_ref(), Some(&made));
    assert_eq!(made.emails, new.emails);
    assert_eq!(made.phones, new.phones);
    assert_eq!(made.addresses, new.addresses);
    assert_eq!(made.fields, new.fields);
    assert_eq!(made.company, new.company);
}

async fn customer_patch_changes_what_it_names_and_nothing_else(database: Database) {
    let store = database.store().await;
    let mut new = new_customer("Ana Paz");
    new.company = "Paz Ltd".parse().ok();
    new.tags = vec!["vip".parse().unwrap()];
    let made = store.customer_insert(new).await.unwrap();
    database.clock().advance_seconds(60);
    let patch = CustomerPatch {
        name: "Ana Luz".parse().ok(),
        company: Some(None),
        number: "X-1".parse().ok(),
        ..CustomerPatch::default()
    };
    let changed = store
        .customer_update(TENANT, &made.number, patch)
        .await
        .unwrap();
    assert_eq!(changed.name.as_str(), "Ana Luz");
    assert_eq!(changed.company, None);
    assert_eq!(changed.tags, made.tags);
    assert_eq!(changed.created_at, made.created_at);
    assert_eq!(changed.updated_at, TestClock::START.plus_seconds(60));
    assert_eq!(
        store.customer_find(TENANT, &made.number).await.unwrap(),
        None
    );
    let found = store.customer_find(TENANT, &changed.number).await.unwrap();
    assert_eq!(found, Some(changed.clone()));
    let stale = store.acting(Act {
        revision: Some(Timestamp::from_seconds(1)),
        ..Act::of(domain::actor::Actor::command_line("ana"))
    });
    let patch = CustomerPatch::default();
    let result = stale.customer_update(TENANT, &changed.number, patch).await;
    assert!(
        matches!(result, Err(StoreError::Stale { .. })),
        "{result:?}"
    );
}

async fn customer_numbers_are_unique_and_given_in_order(database: Database) {
    let store = database.store().await;
    let mut by_hand = new_customer("Ben");
    by_hand.number = "1002".parse().ok();
    store.customer_insert(by_hand.clone()).await.unwrap();
    let result = store.customer_insert(by_hand).await;
    let is_expected = matches!(
        &result,
        Err(StoreError::Conflict {
            what: Resource::Customer,
            field: UniqueField::Number,
            ..
        })
    );
    assert!(is_expected, "{result:?}");
    let mut numbers = Vec::new();
    for name in ["Ana", "Cay"] {
        let made = store.customer_insert(new_customer(name)).await.unwrap();
        numbers.push(made.number.to_string());
    }
    assert_eq!(numbers, ["1001", "1003"]);
}

async fn customer_with_subscribers_is_not_deleted(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let customer = store.customer_insert(new_customer("Ana")).await.unwrap();
    let mut new = new_subscriber("ana", plan);
    new.customer = Some(customer.id);
    let made = store.subscriber_insert(new).await.unwrap();
    assert_eq!(made.customer.as_deref(), Some("1001"));
    assert_eq!(made.customer_id, Some(customer.id));
    let result = store.customer_delete(TENANT, &customer.number).await;
    assert!(
        matches!(result, Err(StoreError::InUse { users: 1, .. })),
        "{result:?}"
    );
    let patch = SubscriberPatch {
        customer: Some(None),
        ..SubscriberPatch::default()
    };
    let ana = username("ana");
    let freed = store.subscriber_update(TENANT, &ana, patch).await.unwrap();
    assert_eq!(freed.customer, None);
    store
        .customer_delete(TENANT, &customer.number)
        .await
        .unwrap();
    let gone = store.customer_find(TENANT, &customer.number).await.unwrap();
    assert_eq!(gone, None);
}

async fn customers_of_other_tenants_are_nobody(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let kind = match database.kind() {
        testkit::database::DatabaseKind::Sqlite => "X'00000000000000000000000000000063'",
        testkit::database::DatabaseKind::Postgres => "'00000000-0000-0000-0000-000000000063'",
    };
    let sql =
        format!("INSERT INTO tenant (id, name, name_key, created_at) VALUES ({kind}, 'x', 'x', 0)");
    database.execute(&sql).await;
    let other = TenantId::from_uuid(uuid::Uuid::from_u128(0x63));
    let theirs = NewCustomer {
        tenant: other,
        ..new_customer("Ana")
    };
    let theirs = store.customer_insert(theirs).await.unwrap();
    let mut new = new_subscriber("ana", plan);
    new.customer = Some(theirs.id);
    let result = store.subscriber_insert(new.clone()).await;
    assert_absent(&result.map(drop), theirs.id);
    let result = store.subscriber_import(TENANT, vec![new], |_| ()).await;
    assert!(result.is_err_and(|error| error.to_string().contains("there is no customer")));
    store
        .subscriber_insert(new_subscriber("ana", plan))
        .await
        .unwrap();
    let patch = SubscriberPatch {
        customer: Some(Some(theirs.id)),
        ..SubscriberPatch::default()
    };
    let result = store
        .subscriber_update(TENANT, &username("ana"), patch)
        .await;
    assert_absent(&result.map(drop), theirs.id);
    let found = store.customer_find(TENANT, &theirs.number).await.unwrap();
    assert_eq!(found, None);
}

#[track_caller]
fn assert_absent(result: &Result<(), StoreError>, customer: CustomerId) {
    let is_expected = matches!(
        result,
        Err(StoreError::NotFound { what: Resource::Customer, name }) if *name == customer.to_string()
    );
    assert!(is_expected, "{result:?}");
}

async fn notes_are_kept_with_who_wrote_them(database: Database) {
    let store = database.store().await;
    let number = store
        .customer_insert(new_customer("Ana"))
        .await
        .unwrap()
        .number;
    let mut ids = Vec::new();
    for text in ["called", "no answer", "paid"] {
        let text = text.parse().unwrap();
        let note = store.customer_note_insert(TENANT, &number, &text, "operator eva");
        ids.push(note.await.unwrap().id);
    }
    let page = store
        .customer_note_list(TENANT, &number, &Page::first(2))
        .await
        .unwrap();
    let texts: Vec<&str> = page.iter().map(|note| note.text.as_str()).collect();
    assert_eq!(texts, ["paid", "no answer"]);
    assert!(page.iter().all(|note| note.author == "operator eva"));
    let rest = Page::after(page[1].id, 2);
    let rest = store
        .customer_note_list(TENANT, &number, &rest)
        .await
        .unwrap();
    assert_eq!(rest.len(), 1);
    store
        .customer_note_delete(TENANT, &number, ids[1])
        .await
        .unwrap();
    let again = store.customer_note_delete(TENANT, &number, ids[1]).await;
    assert!(
        matches!(again, Err(StoreError::NotFound { .. })),
        "{again:?}"
    );
    let left = store
        .customer_note_list(TENANT, &number, &Page::first(9))
        .await
        .unwrap();
    assert_eq!(left.len(), 2);
    store.customer_delete(TENANT, &number).await.unwrap();
    assert_eq!(
        database.number("SELECT COUNT(*) FROM customer_note").await,
        0
    );
}

async fn what_is_done_to_customers_and_subscribers_is_in_the_log(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let customer = store.customer_insert(new_customer("Ana")).await.unwrap();
    store
        .subscriber_insert(new_subscriber("ana", plan))
        .await
        .unwrap();
    let ana = username("ana");
    let patch = SubscriberPatch {
        customer: Some(Some(customer.id)),
        credential: Some(domain::credential::Credential::Cleartext(
            domain::secret::Secret::from("kookaburra"),
        )),
        ..SubscriberPatch::default()
    };
    store.subscriber_update(TENANT, &ana, patch).await.unwrap();
    store.subscriber_delete(TENANT, &ana).await.unwrap();
    store
        .customer_delete(TENANT, &customer.number)
        .await
        .unwrap();
    let rows = vec![new_subscriber("ben", plan), new_subscriber("cay", plan)];
    store.subscriber_import(TENANT, rows, |_| ()).await.unwrap();
    for (resource, action, count) in [
        ("customer", "created", 1),
        ("customer", "removed", 1),
        ("subscriber", "created", 1),
        ("subscriber", "changed", 1),
        ("subscriber", "removed", 1),
        ("subscriber", "imported", 1),
    ] {
        let sql = format!(
            "SELECT COUNT(*) FROM audit WHERE resource = '{resource}' AND action = '{action}'"
        );
        assert_eq!(database.number(&sql).await, count, "{resource} {action}");
    }
    let sql = "SELECT COUNT(*) FROM audit WHERE after LIKE '%credential_set_at%' \
        AND after LIKE '%\"customer\":\"1001\"%' AND before LIKE '%\"customer\":null%'";
    assert_eq!(database.number(sql).await, 1);
    let dump = String::from_utf8_lossy(&database.dump()).into_owned();
    assert!(!dump.contains("kookaburra"));
}
