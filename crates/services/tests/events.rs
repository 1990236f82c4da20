//! Events between a database and those who listen: none is missed, none comes twice, and nobody waits
//! for anybody else.

#![expect(
    clippy::unwrap_used,
    reason = "what every test here awaits may fail, and a failure ends the test"
)]

use std::collections::HashMap;
use std::time::Duration;

use domain::event::{EventKind, Topics};
use domain::id::TenantId;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use services::event::hub::Hub;
use services::event::reader::{ReadError, SubscribeError};
use services::event::telling::{Teller, TellingWriter};
use storage::deed::NewEvent;
use storage::page::Page;
use storage::store::Store;
use testkit::database::Database;
use tokio::task::JoinSet;
use tokio::time::timeout;

testkit::test_on_both_databases!(
    random_disconnects_miss_and_repeat_nothing,
    a_reader_who_does_not_read_costs_nobody_anything,
    what_another_process_adds_is_told,
    what_is_not_kept_any_more_is_refused,
    news_are_stored_and_told,
);

const TENANT: TenantId = TenantId::DEFAULT;
const OTHER: TenantId = TenantId::from_bytes([7; 16]);
const PATIENCE: Duration = Duration::from_secs(60);

/// A database that is followed.
struct World {
    database: Database,
    store: Store,
    hub: Hub,
    tasks: JoinSet<()>,
}

impl World {
    async fn new(database: Database) -> Self {
        let store = database.store().await;
        let hub = Hub::default();
        let mut tasks = JoinSet::new();
        let (follower, lent) = (hub.clone(), store.clone());
        tasks.spawn(async move { follower.run(&lent).await });
        Self {
            database,
            store,
            hub,
            tasks,
        }
    }
}

/// Events of both kinds, one after the other.
fn batch(count: usize) -> Vec<(TenantId, NewEvent)> {
    let kinds = [EventKind::SessionStarted, EventKind::SessionStopped];
    let kinds = kinds.into_iter().cycle().take(count);
    let event = |kind| NewEvent {
        kind,
        resource: None,
        data: json!({ "username": "ana" }),
    };
    kinds.map(|kind| (TENANT, event(kind))).collect()
}

/// The numbers that a listener is given, who goes and comes again at random, until `last`.
async fn listen((hub, store): (Hub, Store), topics: Topics, (seed, last): (u64, i64)) -> Vec<i64> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut seen: Vec<i64> = Vec::new();
    let mut position = 0;
    while position < last {
        let reader = hub.subscribe(&store, TENANT, &topics, Some(position)).await;
        let mut reader = reader.unwrap();
        for _ in 0..random.random_range(1..6) {
            // Given up while it waits, a reader loses nothing.
            let millis = random.random_range(0..40);
            match timeout(Duration::from_millis(millis), reader.next()).await {
                Ok(Ok(events)) => {
                    // Some of what came may be lost on the way to the other side.
                    let taken = random.random_range(1..=events.len());
                    seen.extend(events[..taken].iter().map(|event| event.seq));
                    position = seen.last().copied().unwrap();
                    if taken < events.len() {
                        break;
                    }
                }
                Ok(Err(error)) => panic!("nobody is too slow here: {error}"),
                Err(_) => {}
            }
        }
    }
    seen
}

async fn random_disconnects_miss_and_repeat_nothing(database: Database) {
    const EVENTS: i64 = 3_000;
    let mut world = World::new(database).await;
    let mut listeners = JoinSet::new();
    let all: Topics = "*".parse().unwrap();
    let some: Topics = "session.stopped,plan.*".parse().unwrap();
    for seed in 0..24 {
        let topics = if seed % 3 == 0 {
            some.clone()
        } else {
            all.clone()
        };
        let (hub, store) = (world.hub.clone(), world.store.clone());
        listeners.spawn(async move {
            let is_all = seed % 3 != 0;
            (is_all, listen((hub, store), topics, (seed, EVENTS)).await)
        });
    }
    let store = world.store.clone();
    world.tasks.spawn(async move {
        let mut random = StdRng::seed_from_u64(1);
        let mut left = usize::try_from(EVENTS).unwrap();
        while left != 0 {
            // Both kinds, so that the last event is wanted by all.
            let count = 2 * random.random_range(1..=100).min(left / 2);
            store.event_append(&batch(count)).await.unwrap();
            left -= count;
        }
    });
    let expected: Vec<i64> = (1..=EVENTS).collect();
    let expected_some: Vec<i64> = (1..=EVENTS).filter(|seq| seq % 2 == 0).collect();
    let seen = timeout(PATIENCE, listeners.join_all()).await.unwrap();
    for (is_all, seen) in seen {
        assert_eq!(
            seen,
            if is_all {
                &expected[..]
            } else {
                &expected_some[..]
            }
        );
    }
    assert_eq!(world.hub.reader_count(), 0);
}

async fn a_reader_who_does_not_read_costs_nobody_anything(database: Database) {
    let world = World::new(database).await;
    let all = Topics::everything();
    let mut stalled = world
        .hub
        .subscribe(&world.store, TENANT, &all, None)
        .await
        .unwrap();
    let mut other = world
        .hub
        .subscribe(&world.store, TENANT, &all, None)
        .await
        .unwrap();
    // Both have caught up.
    world.store.event_append(&batch(2)).await.unwrap();
    for reader in [&mut stalled, &mut other] {
        assert_eq!(reader.next().await.unwrap().len(), 2);
    }
    // More than is kept in memory, which the other one takes as it comes.
    let mut seen = 2;
    for round in 1..=40 {
        world.store.event_append(&batch(1_000)).await.unwrap();
        while seen < 1_000 * round + 2 {
            seen += timeout(PATIENCE, other.next())
                .await
                .unwrap()
                .unwrap()
                .len();
        }
    }
    let error = loop {
        match timeout(PATIENCE, stalled.next()).await.unwrap() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    let ReadError::TooSlow { position } = error else {
        panic!("it is too slow: {error}");
    };
    // What it has not seen is in the table.
    let since = Some(position);
    let mut again = world
        .hub
        .subscribe(&world.store, TENANT, &all, since)
        .await
        .unwrap();
    let events = timeout(PATIENCE, again.next()).await.unwrap().unwrap();
    assert_eq!(events[0].seq, position + 1);
}

async fn what_another_process_adds_is_told(database: Database) {
    let world = World::new(database).await;
    let all = Topics::everything();
    let mut reader = world
        .hub
        .subscribe(&world.store, TENANT, &all, None)
        .await
        .unwrap();
    let mut strange = world
        .hub
        .subscribe(&world.store, OTHER, &all, None)
        .await
        .unwrap();
    let elsewhere = world.database.store().await;
    elsewhere.event_append(&batch(3)).await.unwrap();
    let events = timeout(PATIENCE, reader.next()).await.unwrap().unwrap();
    let seqs: Vec<i64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, [1, 2, 3]);
    let text = std::str::from_utf8(&events[0].json).unwrap();
    let told: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(
        told,
        json!({
            "seq": 1,
            "at": world.database.clock().now(),
            "type": "session.started",
            "resource_id": null,
            "data": { "username": "ana" },
        })
    );
    // Another tenant hears nothing of it.
    let nothing = timeout(Duration::from_millis(50), strange.next()).await;
    assert!(nothing.is_err());
    assert_eq!(strange.position(), 0);
}

async fn what_is_not_kept_any_more_is_refused(database: Database) {
    let world = World::new(database).await;
    world.store.event_append(&batch(10)).await.unwrap();
    world
        .database
        .execute("DELETE FROM event WHERE seq < 4")
        .await;
    let all = Topics::everything();
    let subscribe = async |since| {
        let reader = world
            .hub
            .subscribe(&world.store, TENANT, &all, Some(since))
            .await;
        match reader {
            Ok(mut reader) => Ok(reader.next().await.unwrap()[0].seq),
            Err(error) => Err(error),
        }
    };
    for gone in [0, 2] {
        let refused = subscribe(gone).await;
        assert!(
            matches!(refused, Err(SubscribeError::Gone { first: 4, since }) if since == gone),
            "{refused:?}"
        );
    }
    assert_eq!(subscribe(3).await.unwrap(), 4);
    assert!(matches!(
        subscribe(11).await,
        Err(SubscribeError::Ahead { last: 10, .. })
    ));
    assert_eq!(world.hub.reader_count(), 0);
}

async fn news_are_stored_and_told(database: Database) {
    use services::event::news::News;
    let mut world = World::new(database).await;
    let teller = Teller::default();
    let mut writer = TellingWriter::new(&teller);
    let store = world.store.clone();
    world.tasks.spawn(async move { writer.run(&store).await });
    let lost = |tenant, count| News::Lost { tenant, count };
    let all = Topics::everything();
    let mut reader = world
        .hub
        .subscribe(&world.store, TENANT, &all, None)
        .await
        .unwrap();
    teller.tell((1..=2_000).map(|count| lost(TENANT, count)));
    teller.tell([lost(OTHER, 1)]);
    let mut counts: HashMap<i64, u64> = HashMap::new();
    while counts.len() < 2_000 {
        for event in timeout(PATIENCE, reader.next()).await.unwrap().unwrap() {
            let told: serde_json::Value = serde_json::from_slice(&event.json).unwrap();
            counts.insert(event.seq, told["data"]["count"].as_u64().unwrap());
        }
    }
    // In the order in which they were handed in.
    assert!((1..=2_000).all(|seq| counts[&seq] == seq.unsigned_abs()));
    let stored = timeout(PATIENCE, async {
        while teller.stored() != 2_001 {
            tokio::task::yield_now().await;
        }
    });
    stored.await.unwrap();
    let strange = world
        .store
        .event_list(OTHER, &Page::first(10))
        .await
        .unwrap();
    assert_eq!(strange.len(), 1);
}
