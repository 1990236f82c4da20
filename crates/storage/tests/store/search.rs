//! Search: by any part of a word, any form of a telephone number, addresses and devices.

use std::net::Ipv4Addr;

use domain::accounting::SessionEvent;
use domain::id::{SubscriberId, TenantId};
use domain::mac::Mac;
use storage::customer::{CustomerPatch, NewCustomer};
use storage::listing::{ListFailure, ListQuery};
use storage::search::hit::{Hit, HitKind};
use storage::store::Store;
use testkit::database::Database;

use crate::customers::new_customer;
use crate::fixture::{TENANT, any_plan, new_nas, new_subscriber, username};
use crate::sessions::record;

testkit::test_on_both_databases!(
    everything_is_found_by_what_people_remember,
    what_is_changed_and_removed_is_found_as_it_is,
    devices_and_addresses_are_found_where_they_are,
    nobody_finds_what_others_have,
    the_best_comes_first,
);

const KINDS: [HitKind; 4] = [
    HitKind::Customer,
    HitKind::Subscriber,
    HitKind::Nas,
    HitKind::Session,
];

async fn find(store: &Store, raw: &str) -> Vec<Hit> {
    store.search(TENANT, raw, &KINDS, 50).await.unwrap()
}

async fn check(store: &Store, raw: &str, expected: &[(HitKind, &str, &str)]) {
    let hits = find(store, raw).await;
    let found: Vec<_> = hits
        .iter()
        .map(|hit| (hit.kind, hit.label.as_str(), hit.field))
        .collect();
    assert_eq!(found, expected, "{raw}");
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn everything_is_found_by_what_people_remember(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let customer = NewCustomer {
        number: "ACME-0042".parse().ok(),
        company: "Müller & Söhne".parse().ok(),
        emails: vec!["jose.kamau@example.net".parse().unwrap()],
        phones: vec![
            "+254 712 345 678".parse().unwrap(),
            "0203 555 019".parse().unwrap(),
        ],
        ..new_customer("José Kamau")
    };
    let customer = store.customer_insert(customer).await.unwrap();
    store
        .customer_insert(new_customer("Nobody Else"))
        .await
        .unwrap();
    let mut service = new_subscriber("hotspot-77", plan);
    service.customer = Some(customer.id);
    store.subscriber_insert(service).await.unwrap();
    store
        .nas_insert(new_nas("Tower North", "10.0.0.1"))
        .await
        .unwrap();
    let jose = |field| [(HitKind::Customer, "José Kamau", field)];
    for (raw, field) in [
        ("kamau", "name"),
        ("JOSE", "name"),
        ("josé kam", "name"),
        ("ama", "name"),
        ("muller", "company"),
        ("kamau@example", "email"),
        ("acme-0042", "number"),
        ("0042", "number"),
        ("+254712345678", "phone"),
        ("0712345678", "phone"),
        ("0712 345-678", "phone"),
        ("345678", "phone"),
        ("5678", "phone"),
        ("0203555019", "phone"),
    ] {
        let hits = find(&store, raw).await;
        let found = hits.iter().map(|hit| (hit.kind, hit.label.as_str()));
        assert_eq!(
            found.collect::<Vec<_>>(),
            [(HitKind::Customer, "José Kamau")],
            "{raw}"
        );
        // A part of the address of mail is a part of the name as well.
        assert!(
            hits[0].field == field || raw == "kamau@example",
            "{raw}: {hits:?}"
        );
    }
    check(&store, "kamau nobody", &[]).await;
    check(&store, "José", &jose("name")).await;
    check(
        &store,
        "spot",
        &[(HitKind::Subscriber, "hotspot-77", "username")],
    )
    .await;
    check(
        &store,
        "hotspot-77",
        &[(HitKind::Subscriber, "hotspot-77", "username")],
    )
    .await;
    check(&store, "NORTH", &[(HitKind::Nas, "Tower North", "name")]).await;
    for short in ["", "ab", "a b"] {
        let refused = store.search(TENANT, short, &KINDS, 50).await;
        assert!(matches!(refused, Err(ListFailure::Query(_))), "{short}");
    }
    let only = store
        .search(TENANT, "kamau", &[HitKind::Subscriber], 50)
        .await;
    assert_eq!(only.unwrap(), []);
    // A list of subscribers finds those of customers who are called so.
    let query = ListQuery {
        search: Some("kamau".to_owned()),
        ..ListQuery::first(10)
    };
    let rows = store.subscriber_list(TENANT, &query).await.unwrap().rows;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].username, username("hotspot-77"));
}

async fn what_is_changed_and_removed_is_found_as_it_is(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let made = store
        .customer_insert(new_customer("Ana Paz"))
        .await
        .unwrap();
    let patch = CustomerPatch {
        name: "Eva Luz".parse().ok(),
        ..CustomerPatch::default()
    };
    let rehearsal = store.rehearsal();
    rehearsal
        .customer_update(TENANT, &made.number, patch.clone())
        .await
        .unwrap();
    check(&store, "eva", &[]).await;
    store
        .customer_update(TENANT, &made.number, patch)
        .await
        .unwrap();
    check(&store, "ana", &[]).await;
    check(&store, "eva", &[(HitKind::Customer, "Eva Luz", "name")]).await;
    store.customer_delete(TENANT, &made.number).await.unwrap();
    check(&store, "eva", &[]).await;
    let rows = (0..3_000).map(|number| new_subscriber(&format!("line-{number}"), plan));
    store
        .subscriber_import(TENANT, rows.collect(), |_| ())
        .await
        .unwrap();
    check(
        &store,
        "line-2999",
        &[(HitKind::Subscriber, "line-2999", "username")],
    )
    .await;
    store
        .subscriber_delete(TENANT, &username("line-2999"))
        .await
        .unwrap();
    check(&store, "line-2999", &[]).await;
    assert_eq!(
        database.number("SELECT COUNT(*) FROM search_entry").await,
        2_999
    );
}

async fn devices_and_addresses_are_found_where_they_are(database: Database) {
    let store = database.store().await;
    let plan = any_plan(&store).await;
    let nas = store
        .nas_insert(new_nas("pop-1", "10.0.0.1"))
        .await
        .unwrap();
    let mut ana = new_subscriber("ana", plan);
    ana.addresses.ipv4 = Some(Ipv4Addr::new(100, 64, 0, 7));
    ana.addresses.ipv6_delegated = "2001:db8:7::/56".parse().ok();
    let ana: SubscriberId = store.subscriber_insert(ana).await.unwrap().id;
    let mac: Mac = "aa:bb:cc:dd:ee:0f".parse().unwrap();
    store
        .device_claim(ana, mac, "login at pop-1")
        .await
        .unwrap();
    // From 100.64.0.9, with prefixes and the device of the fixture.
    let start = record(9, SessionEvent::Start, nas.id, "ana");
    store.accounting_commit(&[start]).await.unwrap();
    let of_ana = (HitKind::Subscriber, "ana", "address");
    let online = (HitKind::Session, "ana", "address");
    check(&store, "100.64.0.7", &[of_ana]).await;
    check(&store, "2001:db8:7:1::5", &[of_ana]).await;
    check(&store, "100.64.0.9", &[online]).await;
    check(&store, "2001:db8:8000:ff::1", &[online]).await;
    check(&store, "10.0.0.1", &[(HitKind::Nas, "pop-1", "address")]).await;
    for raw in ["AABB.CCDD.EE0F", "aa-bb-cc-dd-ee-0f", "aabbccddee0f"] {
        let found = [
            (HitKind::Subscriber, "ana", "mac"),
            (HitKind::Session, "ana", "mac"),
        ];
        check(&store, raw, &found).await;
    }
    check(&store, "aabbccddee00", &[]).await;
}

async fn nobody_finds_what_others_have(database: Database) {
    let store = database.store().await;
    store
        .customer_insert(new_customer("Ana Paz"))
        .await
        .unwrap();
    let other = TenantId::from_uuid(uuid::Uuid::from_u128(0x63));
    let found = store.search(other, "ana", &KINDS, 50).await.unwrap();
    assert_eq!(found, []);
}

async fn the_best_comes_first(database: Database) {
    let store = database.store().await;
    for name in ["Mariana Oma", "Anabel Sun", "Ana Paz"] {
        store.customer_insert(new_customer(name)).await.unwrap();
    }
    let hits = find(&store, "ana").await;
    let labels: Vec<&str> = hits.iter().map(|hit| hit.label.as_str()).collect();
    assert_eq!(labels, ["Ana Paz", "Anabel Sun", "Mariana Oma"]);
}
