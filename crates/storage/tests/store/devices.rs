//! Devices: bound while there is room, forgotten with a record of who did it.

use domain::access::Claim;
use domain::id::{PlanId, SubscriberId};
use domain::mac::Mac;
use domain::plan::access::DeviceLimit;
use storage::error::{Resource, StoreError};
use storage::plan::{AccessPatch, PlanPatch};
use storage::store::Store;
use testkit::database::Database;
use tokio::task::JoinSet;

use crate::fixture::{TENANT, name, new_plan, new_subscriber, username};

testkit::test_on_both_databases!(
    devices_are_bound_while_there_is_room,
    private_devices_have_their_own_room,
    a_device_is_forgotten_with_a_record_of_it,
    nodes_that_claim_the_last_place_at_once_bind_one_device,
    the_record_of_a_subscriber_has_a_limit,
);

const NODES: u8 = 4;
const TRIES: u8 = 5;

fn mac(number: u8) -> Mac {
    Mac::from_bytes([0, 0, 0x5e, 0, 0x53, number])
}

fn private(number: u8) -> Mac {
    Mac::from_bytes([2, 0, 0x5e, 0, 0x53, number])
}

async fn ana(store: &Store, devices: u8, private: Option<u8>) -> (SubscriberId, PlanId) {
    let mut plan = new_plan("Phone");
    plan.terms.access.device_limit = DeviceLimit::new(devices);
    plan.terms.access.private_device_limit = private.and_then(DeviceLimit::new);
    let plan = store.plan_insert(plan).await.unwrap().id;
    let ana = new_subscriber("ana", plan);
    (store.subscriber_insert(ana).await.unwrap().id, plan)
}

async fn bound(store: &Store) -> Vec<Mac> {
    let page = store.directory_subscriber_page(None, 10).await.unwrap();
    page[0].bindings.devices.to_vec()
}

async fn devices_are_bound_while_there_is_room(database: Database) {
    let store = database.store().await;
    let (ana, _) = ana(&store, 2, None).await;
    let claim = async |mac| {
        store
            .device_claim(ana, mac, "login at pop-1")
            .await
            .unwrap()
    };
    assert_eq!(claim(mac(1)).await, Claim::Bound);
    assert_eq!(claim(mac(1)).await, Claim::Bound, "it is there already");
    assert_eq!(claim(private(2)).await, Claim::Bound);
    assert_eq!(claim(mac(3)).await, Claim::NoRoom);
    assert_eq!(bound(&store).await, [mac(1), private(2)]);
    let patch = PlanPatch {
        access: AccessPatch {
            device_limit: Some(DeviceLimit::new(3)),
            ..AccessPatch::default()
        },
        ..PlanPatch::default()
    };
    store
        .plan_update(TENANT, &name("phone"), patch)
        .await
        .unwrap();
    assert_eq!(claim(mac(3)).await, Claim::Bound);
    let nobody = SubscriberId::from_bytes([9; 16]);
    let claim = store.device_claim(nobody, mac(1), "login").await.unwrap();
    assert_eq!(claim, Claim::NoRoom);
    // What a subscriber had goes with them.
    store
        .subscriber_delete(TENANT, &username("ana"))
        .await
        .unwrap();
    let listed = store.device_list(TENANT, &username("ana")).await;
    assert!(
        matches!(
            &listed,
            Err(StoreError::NotFound {
                what: Resource::Subscriber,
                ..
            })
        ),
        "{listed:?}"
    );
}

async fn private_devices_have_their_own_room(database: Database) {
    let store = database.store().await;
    let (ana, _) = ana(&store, 1, Some(1)).await;
    let claim = async |mac| {
        store
            .device_claim(ana, mac, "login at pop-1")
            .await
            .unwrap()
    };
    assert_eq!(claim(private(1)).await, Claim::Bound);
    assert_eq!(claim(private(2)).await, Claim::NoRoom);
    assert_eq!(claim(mac(1)).await, Claim::Bound);
    assert_eq!(claim(mac(2)).await, Claim::NoRoom);
}

async fn a_device_is_forgotten_with_a_record_of_it(database: Database) {
    let store = database.store().await;
    let (ana, _) = ana(&store, 3, None).await;
    let user = username("ana");
    for number in 1..=3 {
        let actor = format!("login at pop-{number}");
        store.device_claim(ana, mac(number), &actor).await.unwrap();
    }
    let forget = async |mac, actor| store.device_forget(TENANT, &user, mac, actor).await;
    let gone = forget(Some(mac(2)), "mia").await.unwrap();
    assert_eq!(gone.len(), 1);
    assert_eq!(bound(&store).await, [mac(1), mac(3)]);
    let absent = forget(Some(mac(2)), "mia").await;
    assert!(
        matches!(
            &absent,
            Err(StoreError::NotFound {
                what: Resource::Device,
                ..
            })
        ),
        "{absent:?}"
    );
    assert_eq!(forget(None, "tom").await.unwrap().len(), 2);
    assert_eq!(bound(&store).await, []);
    assert_eq!(forget(None, "tom").await.unwrap(), []);
    let events = store.device_event_list(TENANT, &user).await.unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event.kind.as_str(),
                event.mac.as_str(),
                event.actor.as_str(),
            )
        })
        .collect();
    let expected = [
        ("forgotten", "00005e005303", "tom"),
        ("forgotten", "00005e005301", "tom"),
        ("forgotten", "00005e005302", "mia"),
        ("bound", "00005e005303", "login at pop-3"),
        ("bound", "00005e005302", "login at pop-2"),
        ("bound", "00005e005301", "login at pop-1"),
    ];
    assert_eq!(told, expected);
}

/// Each node has a store of its own, as two programs have; each tries devices of its own, and all
/// of them one that they share.
async fn nodes_that_claim_the_last_place_at_once_bind_one_device(database: Database) {
    let store = database.store().await;
    let (ana, _) = ana(&store, 2, None).await;
    store.device_claim(ana, mac(0), "login").await.unwrap();
    let mut nodes = JoinSet::new();
    for node in 0..NODES {
        let store = database.store().await;
        nodes.spawn(async move {
            let mut outcomes = Vec::new();
            for number in 0..TRIES {
                let device = mac(1 + node * TRIES + number);
                let claim = store.device_claim(ana, device, "login").await.unwrap();
                outcomes.push((device, claim));
            }
            let again = store.device_claim(ana, mac(0), "login").await.unwrap();
            assert_eq!(again, Claim::Bound, "it was bound before");
            outcomes
        });
    }
    let outcomes = nodes.join_all().await.into_iter().flatten();
    let winners: Vec<Mac> = outcomes
        .filter(|(_, claim)| *claim == Claim::Bound)
        .map(|(device, _)| device)
        .collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(bound(&store).await, [mac(0), winners[0]]);
    let events = store.device_event_list(TENANT, &username("ana")).await;
    assert_eq!(events.unwrap().len(), 2, "only what happened is told");
}

async fn the_record_of_a_subscriber_has_a_limit(database: Database) {
    let store = database.store().await;
    let (ana, _) = ana(&store, 1, None).await;
    let user = username("ana");
    for _ in 0..105 {
        store.device_claim(ana, mac(1), "login").await.unwrap();
        store
            .device_forget(TENANT, &user, None, "mia")
            .await
            .unwrap();
    }
    let events = store.device_event_list(TENANT, &user).await.unwrap();
    assert_eq!(events.len(), 200);
    assert_eq!(events[0].kind, "forgotten");
}
