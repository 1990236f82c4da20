//! Events in their order, sessions that begin and end, and webhooks in leases.

use domain::accounting::{
    AccountingRecord, SessionEvent, SessionKey, SessionPlace, SessionRecord, TerminateCause,
};
use domain::event::EventKind;
use domain::id::{NasId, TenantId};
use domain::secret::Secret;
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use serde_json::json;
use storage::accounting::SessionTurn;
use storage::deed::NewEvent;
use storage::error::StoreError;
use storage::page::Page;
use storage::retention::{History, Pruned};
use storage::store::Store;
use storage::webhook::delivery::{KEPT_MAX, NewDelivery};
use storage::webhook::progress::WebhookProgress;
use storage::webhook::{NewWebhook, WebhookPatch};
use testkit::database::Database;
use tokio::task::JoinSet;

use crate::fixture::{name, new_plan};

testkit::test_on_both_databases!(
    events_of_many_writers_have_one_order_without_gaps,
    events_are_told_as_they_are_stored,
    a_commit_says_which_sessions_began_and_ended,
    old_events_are_removed,
    a_webhook_belongs_to_one_node_at_a_time,
    only_the_last_deliveries_are_kept,
    a_webhook_shows_no_secret_and_holds_two_for_a_day,
);

const TENANT: TenantId = TenantId::DEFAULT;
const OTHER: TenantId = TenantId::from_bytes([7; 16]);
const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn event(tenant: TenantId) -> (TenantId, NewEvent) {
    let event = NewEvent {
        kind: EventKind::EventsLost,
        resource: None,
        data: json!({ "count": 1, "text": "a\u{0}b \"quoted\"" }),
    };
    (tenant, event)
}

async fn events_of_many_writers_have_one_order_without_gaps(database: Database) {
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let store = database.store().await;
        writers.spawn(async move {
            for round in 0..10 {
                // Of two tenants at once, and with a change of the registry between them.
                let events = [event(OTHER), event(TENANT), event(TENANT)];
                store.event_append(&events).await.unwrap();
                let plan = new_plan(&format!("plan-{writer}-{round}"));
                store.plan_insert(plan).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let store = database.store().await;
    for (tenant, count) in [(TENANT, 120), (OTHER, 40)] {
        let events = store.event_list(tenant, &Page::first(1_000)).await.unwrap();
        let seqs: Vec<i64> = events.iter().map(|event| event.seq).collect();
        assert_eq!(seqs, (1..=count).collect::<Vec<i64>>());
    }
    let ends = store.event_ends(&[TENANT, OTHER]).await.unwrap();
    assert!(ends.len() == 2 && ends.contains(&(TENANT, 120)) && ends.contains(&(OTHER, 40)));
    assert_eq!(store.audit_verify(TENANT).await.unwrap().lines, 40);
}

async fn events_are_told_as_they_are_stored(database: Database) {
    let store = database.store().await;
    store.event_append(&[event(TENANT)]).await.unwrap();
    store.plan_insert(new_plan("home")).await.unwrap();
    let page = Page::first(10);
    let listed = store.event_list(TENANT, &page).await.unwrap();
    let told = store.event_told(TENANT, &page).await.unwrap();
    assert_eq!(told.len(), 2);
    for (told, listed) in told.iter().zip(&listed) {
        let json: serde_json::Value = serde_json::from_str(&told.json).unwrap();
        assert_eq!((told.seq, &told.kind), (listed.seq, &listed.kind));
        assert_eq!(
            json,
            json!({
                "seq": listed.seq,
                "at": listed.at,
                "type": listed.kind,
                "resource_id": listed.resource,
                "data": listed.data,
            })
        );
    }
    // In a rehearsal nothing happens.
    let rehearsal = store.rehearsal();
    rehearsal.event_append(&[event(TENANT)]).await.unwrap();
    assert_eq!(store.event_span(TENANT).await.unwrap().last, 2);
}

fn record(key: u8, event: SessionEvent, seconds: i64) -> AccountingRecord {
    let started = seconds.unsigned_abs() % 1_000;
    AccountingRecord::Session(SessionRecord {
        event,
        tenant: TENANT,
        nas: NasId::from_bytes([1; 16]),
        key: SessionKey([key; 16]),
        auth: None,
        terms: None,
        subscriber: None,
        username: "ana".into(),
        at: START.plus_seconds(seconds),
        total: UsageAmount {
            session_seconds: if event == SessionEvent::Start {
                0
            } else {
                started
            },
            ..UsageAmount::default()
        },
        terminate_cause: (event == SessionEvent::Stop).then_some(TerminateCause::Reported(1)),
        place: SessionPlace {
            acct_session_id: format!("s-{key}").into(),
            ..SessionPlace::default()
        },
    })
}

async fn a_commit_says_which_sessions_began_and_ended(database: Database) {
    let store = database.store().await;
    let commit = async |first, records: &[AccountingRecord]| {
        let source = domain::accounting::SourceId([9; 16]);
        let origin = domain::accounting::Origin { source, first };
        let committed = store.accounting_commit_numbered(origin, records, &[]).await;
        let turns = committed.unwrap().turns.into_iter();
        turns
            .map(|turn| match turn {
                SessionTurn::Began(session) => ("began", session.id, session.key.0[0]),
                SessionTurn::Ended(closed) => ("ended", closed.session.id, closed.session.key.0[0]),
            })
            .collect::<Vec<_>>()
    };
    let first = [
        record(1, SessionEvent::Start, 0),
        record(1, SessionEvent::Interim, 60),
        record(2, SessionEvent::Interim, 60),
        // All that is heard of it.
        record(3, SessionEvent::Stop, 60),
    ];
    let turns = commit(1, &first).await;
    let kinds: Vec<_> = turns.iter().map(|(what, _, key)| (*what, *key)).collect();
    assert_eq!(kinds, [("began", 1), ("began", 2), ("ended", 3)]);
    // What is stored again tells nothing.
    assert_eq!(commit(1, &first).await, []);
    let more = [
        record(2, SessionEvent::Interim, 120),
        record(1, SessionEvent::Stop, 120),
        // Another session took the name of the one before.
        record(2, SessionEvent::Start, 4_000),
        record(2, SessionEvent::Interim, 4_001),
    ];
    let later = commit(5, &more).await;
    assert_eq!(later[0], ("ended", turns[0].1, 1));
    let rest: Vec<_> = later[1..]
        .iter()
        .map(|(what, _, key)| (*what, *key))
        .collect();
    assert_eq!(rest, [("ended", 2), ("began", 2)]);
    assert_eq!(later[1].1, turns[1].1);
    assert_ne!(later[2].1, turns[1].1);
}

async fn old_events_are_removed(database: Database) {
    let store = database.store().await;
    store
        .event_append(&[event(TENANT), event(OTHER)])
        .await
        .unwrap();
    database.clock().advance_seconds(100);
    store.event_append(&[event(TENANT)]).await.unwrap();
    let before = START.plus_seconds(50);
    let overdue = store
        .history_overdue(History::Events, before)
        .await
        .unwrap();
    assert_eq!(overdue.rows, 2);
    let mut prune = store.history_prune(History::Events, before);
    assert_eq!(prune.next().await.unwrap(), Some(Pruned::Rows(2)));
    assert_eq!(prune.next().await.unwrap(), None);
    let span = store.event_span(TENANT).await.unwrap();
    assert_eq!((span.first, span.last), (2, 2));
    let span = store.event_span(OTHER).await.unwrap();
    assert_eq!((span.first, span.last), (2, 1));
    let extent = store.history_extent(History::Events).await.unwrap();
    assert_eq!(extent[0].oldest_at, Some(START.plus_seconds(100)));
}

async fn add(store: &Store, raw: &str) {
    let new = NewWebhook {
        tenant: TENANT,
        name: name(raw),
        url: "https://panel.example/".parse().unwrap(),
        topics: "*".parse().unwrap(),
        description: None,
        secret: Secret::new("whsec_kookaburra"),
    };
    store.webhook_insert(new).await.unwrap();
}

fn progress(webhook: domain::id::WebhookId, position: i64, count: usize) -> WebhookProgress {
    let delivery = NewDelivery {
        at: START,
        event: Some(position),
        kind: "plan.created".into(),
        attempt: 1,
        status: Some(200),
        problem: None,
        duration_ms: 1,
    };
    WebhookProgress {
        webhook,
        position,
        attempts: 0,
        due_at: START,
        deliveries: vec![delivery; count],
    }
}

async fn a_webhook_belongs_to_one_node_at_a_time(database: Database) {
    let (one, other) = (database.store().await, database.store().await);
    assert_eq!(one.webhook_lease().await.unwrap(), []);
    add(&one, "panel").await;
    let mine = one.webhook_lease().await.unwrap();
    assert_eq!(mine.len(), 1);
    let id = mine[0].id;
    assert_eq!(other.webhook_lease().await.unwrap(), []);
    // Only its owner stores how far it has come.
    other.webhook_progress(&[progress(id, 9, 1)]).await.unwrap();
    one.webhook_progress(&[progress(id, 5, 1)]).await.unwrap();
    let found = one
        .webhook_find(TENANT, &name("panel"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((found.position, found.delivered_at), (5, Some(START)));
    // It is kept while it is renewed, and taken over when it is not.
    database.clock().advance_seconds(30);
    assert_eq!(one.webhook_lease().await.unwrap().len(), 1);
    database.clock().advance_seconds(50);
    assert_eq!(other.webhook_lease().await.unwrap(), []);
    database.clock().advance_seconds(50);
    assert_eq!(other.webhook_lease().await.unwrap()[0].position, 5);
    assert_eq!(one.webhook_lease().await.unwrap(), []);
    other.webhook_release().await.unwrap();
    assert_eq!(one.webhook_lease().await.unwrap().len(), 1);
    // Whoever sets it back is not overtaken by what was under way.
    let patch = WebhookPatch {
        position: Some(2),
        ..WebhookPatch::default()
    };
    one.webhook_update(TENANT, &name("panel"), patch)
        .await
        .unwrap();
    one.webhook_progress(&[progress(id, 7, 0)]).await.unwrap();
    assert_eq!(one.webhook_lease().await.unwrap()[0].position, 2);
    one.webhook_disable(id, "it is gone").await.unwrap();
    assert_eq!(one.webhook_lease().await.unwrap(), []);
}

async fn only_the_last_deliveries_are_kept(database: Database) {
    let store = database.store().await;
    add(&store, "panel").await;
    let id = store.webhook_lease().await.unwrap()[0].id;
    for round in 1..=3 {
        let step = progress(id, round, KEPT_MAX - 300);
        store.webhook_progress(&[step]).await.unwrap();
    }
    let newest = store
        .webhook_delivery_list(id, &Page::first(1_000))
        .await
        .unwrap();
    assert_eq!(newest.len(), KEPT_MAX);
    let numbers = (newest[0].number, newest[KEPT_MAX - 1].number);
    assert_eq!(numbers, (2_100, 1_101));
    let page = Page::after(1_102, 10);
    let oldest = store.webhook_delivery_list(id, &page).await.unwrap();
    assert_eq!(oldest.len(), 1);
    let gone = store
        .webhook_delivery_prune(START.plus_seconds(1))
        .await
        .unwrap();
    assert_eq!(gone, KEPT_MAX as u64);
    add(&store, "other").await;
    store.webhook_delete(TENANT, &name("panel")).await.unwrap();
    let left = database.number("SELECT COUNT(*) FROM webhook_state").await;
    assert_eq!(left, 1);
}

async fn a_webhook_shows_no_secret_and_holds_two_for_a_day(database: Database) {
    let store = database.store().await;
    add(&store, "panel").await;
    let twice = store.webhook_insert(NewWebhook {
        tenant: TENANT,
        name: name("PANEL"),
        url: "https://panel.example/".parse().unwrap(),
        topics: "*".parse().unwrap(),
        description: None,
        secret: Secret::new("whsec_b"),
    });
    assert!(matches!(twice.await, Err(StoreError::Conflict { .. })));
    let fresh = Secret::new("whsec_wallaby");
    store
        .webhook_rotate(TENANT, &name("panel"), &fresh)
        .await
        .unwrap();
    let secrets = store.webhook_secrets(TENANT, &name("panel")).await.unwrap();
    assert_eq!(secrets.current, fresh);
    assert_eq!(secrets.old, Some(Secret::new("whsec_kookaburra")));
    database.clock().advance_seconds(24 * 3_600);
    let secrets = store.webhook_secrets(TENANT, &name("panel")).await.unwrap();
    assert_eq!(secrets.old, None);
    let content = format!("{:?}", database.content(&[]).await);
    for secret in ["kookaburra", "wallaby"] {
        assert!(!content.contains(secret));
    }
}
