//! Webhooks between a database and endpoints that the test holds.

#![expect(
    clippy::unwrap_used,
    reason = "what every test here awaits may fail, and a failure ends the test"
)]

use std::collections::HashMap;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::event::EventKind;
use domain::id::TenantId;
use domain::name::Name;
use domain::secret::Secret;
use domain::webhook::WebhookState;
use serde_json::json;
use services::event::hub::Hub;
use services::port::{WebhookAnswer, WebhookClient, WebhookFailure, WebhookRequest};
use services::webhook::counts::WebhookCounts;
use services::webhook::sender::Sender;
use storage::deed::NewEvent;
use storage::page::Page;
use storage::store::Store;
use storage::webhook::{NewWebhook, WebhookPatch, WebhookSummary};
use testkit::database::Database;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

testkit::test_on_both_databases!(
    events_come_in_order_and_once,
    a_failing_endpoint_is_tried_again_and_holds_nobody_up,
    an_endpoint_that_is_gone_is_disabled,
    an_endpoint_that_fails_for_a_day_is_disabled,
    another_node_goes_on_where_one_has_stopped,
    a_webhook_that_is_set_anew_goes_on_so,
);

const TENANT: TenantId = TenantId::DEFAULT;
const PATIENCE: Duration = Duration::from_secs(60);

/// What an endpoint does, by its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Answers(u16),
    /// It never answers.
    Silent,
    Unreachable,
}

/// Endpoints, and what each was sent.
#[derive(Default)]
struct Endpoints {
    manners: Mutex<HashMap<String, Manner>>,
    sent: Mutex<Vec<(String, i64, String)>>,
}

struct World {
    database: Database,
    store: Store,
    endpoints: Arc<Endpoints>,
    tasks: JoinSet<()>,
}

impl Endpoints {
    fn set(&self, name: &str, manner: Manner) {
        self.manners.lock().unwrap().insert(name.to_owned(), manner);
    }

    /// The numbers of the events that an endpoint was sent.
    fn sent(&self, name: &str) -> Vec<i64> {
        let sent = self.sent.lock().unwrap();
        let sent = sent.iter().filter(|(of, _, _)| of == name);
        sent.map(|(_, seq, _)| *seq).collect()
    }
}

impl WebhookClient for Endpoints {
    fn post(&self, request: WebhookRequest) -> WebhookAnswer<'_> {
        let host = request.url.as_str().trim_start_matches("https://");
        let name = host.trim_end_matches(".example/").to_owned();
        let message: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let id = request.headers[0].1.clone();
        let sent = (name.clone(), message["seq"].as_i64().unwrap(), id);
        self.sent.lock().unwrap().push(sent);
        let manner = self.manners.lock().unwrap().get(&name).copied();
        Box::pin(async move {
            match manner.unwrap_or(Manner::Answers(204)) {
                Manner::Answers(status) => Ok(status),
                Manner::Silent => pending().await,
                Manner::Unreachable => Err(WebhookFailure("nobody is there".into())),
            }
        })
    }
}

impl World {
    async fn new(database: Database) -> Self {
        let store = database.store().await;
        let mut world = Self {
            database,
            store,
            endpoints: Arc::default(),
            tasks: JoinSet::new(),
        };
        world.start(world.store.clone());
        world
    }

    /// Starts a node that sends.
    fn start(&mut self, store: Store) {
        let hub = Hub::default();
        let (follower, lent) = (hub.clone(), store.clone());
        self.tasks.spawn(async move { follower.run(&lent).await });
        let sender = Sender {
            store,
            hub,
            client: Arc::clone(&self.endpoints) as Arc<dyn WebhookClient>,
            clock: self.database.clock().lend(),
            counts: Arc::<WebhookCounts>::default(),
        };
        self.tasks.spawn(sender.run());
    }

    async fn add(&self, name: &str, topics: &str) {
        let new = NewWebhook {
            tenant: TENANT,
            name: named(name),
            url: format!("https://{name}.example/").parse().unwrap(),
            topics: topics.parse().unwrap(),
            description: None,
            secret: Secret::new("whsec_a2V5"),
        };
        self.store.webhook_insert(new).await.unwrap();
    }

    async fn happen(&self, count: usize) -> Vec<i64> {
        let event = NewEvent {
            kind: EventKind::SessionStarted,
            resource: None,
            data: json!({}),
        };
        let before = self.store.event_span(TENANT).await.unwrap().last;
        let events = vec![(TENANT, event); count];
        self.store.event_append(&events).await.unwrap();
        (before + 1..=before + i64::try_from(count).unwrap()).collect()
    }

    async fn find(&self, name: &str) -> WebhookSummary {
        let found = self.store.webhook_find(TENANT, &named(name)).await;
        found.unwrap().unwrap()
    }

    /// Waits until something holds of a webhook as it is stored.
    async fn until(&self, name: &str, holds: impl Fn(&WebhookSummary) -> bool) -> WebhookSummary {
        let start = Instant::now();
        loop {
            let webhook = self.find(name).await;
            if holds(&webhook) {
                return webhook;
            }
            assert!(start.elapsed() < PATIENCE, "{webhook:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until an endpoint was sent so much.
    async fn until_sent(&self, name: &str, count: usize) -> Vec<i64> {
        let all = async {
            loop {
                let sent = self.endpoints.sent(name);
                if count <= sent.len() {
                    return sent;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, all).await.unwrap()
    }
}

fn named(name: &str) -> Name {
    name.parse().unwrap()
}

async fn events_come_in_order_and_once(database: Database) {
    let world = World::new(database).await;
    world.add("all", "*").await;
    world.add("some", "session.started").await;
    world.add("none", "plan.*").await;
    let expected = world.happen(50).await;
    let last = *expected.last().unwrap();
    let stored = world
        .until("some", |webhook| webhook.position == last)
        .await;
    assert_eq!(world.endpoints.sent("some"), expected);
    assert_eq!(stored.attempts, 0);
    assert!(stored.delivered_at.is_some() && stored.failing_since.is_none());
    // It begins with its own making, and goes on with that of the others.
    world.until("all", |webhook| webhook.position == last).await;
    let everything: Vec<i64> = (1..=last).collect();
    assert_eq!(world.endpoints.sent("all"), everything);
    assert!(world.endpoints.sent("none").is_empty());
    let deliveries = world
        .store
        .webhook_delivery_list(stored.id, &Page::first(100))
        .await;
    let deliveries = deliveries.unwrap();
    let events: Vec<i64> = deliveries
        .iter()
        .rev()
        .filter_map(|one| one.event)
        .collect();
    assert_eq!(events, expected);
    assert!(
        deliveries
            .iter()
            .all(|one| one.status == Some(204) && one.attempt == 1)
    );
}

async fn a_failing_endpoint_is_tried_again_and_holds_nobody_up(database: Database) {
    let world = World::new(database).await;
    world.endpoints.set("silent", Manner::Silent);
    world.endpoints.set("broken", Manner::Answers(500));
    for name in ["silent", "broken", "good"] {
        world.add(name, "session.started").await;
    }
    let expected = world.happen(10).await;
    assert_eq!(world.until_sent("good", 10).await, expected);
    assert_eq!(world.until_sent("silent", 1).await, expected[..1]);
    let broken = world.until("broken", |webhook| webhook.attempts == 1).await;
    assert!(broken.failing_since.is_some());
    assert_eq!(world.endpoints.sent("broken"), expected[..1]);
    // The next attempt is a few seconds later, with the same id.
    world.endpoints.set("broken", Manner::Unreachable);
    world.database.clock().advance_seconds(7);
    let broken = world.until("broken", |webhook| webhook.attempts == 2).await;
    world.endpoints.set("broken", Manner::Answers(200));
    world.database.clock().advance_seconds(40);
    let mut all = vec![expected[0]; 2];
    all.extend(&expected);
    assert_eq!(world.until_sent("broken", 12).await, all);
    let ids: Vec<String> = {
        let sent = world.endpoints.sent.lock().unwrap();
        let first = sent
            .iter()
            .filter(|(name, seq, _)| name == "broken" && *seq == expected[0]);
        first.map(|(_, _, id)| id.clone()).collect()
    };
    assert!(
        ids.len() == 3 && ids.iter().all(|id| *id == ids[0]),
        "{ids:?}"
    );
    let last = *expected.last().unwrap();
    let mended = world
        .until("broken", |webhook| webhook.position == last)
        .await;
    assert!(mended.failing_since.is_none());
    let deliveries = world
        .store
        .webhook_delivery_list(broken.id, &Page::first(100))
        .await;
    let problems: Vec<_> = deliveries
        .unwrap()
        .into_iter()
        .rev()
        .take(3)
        .map(|one| one.problem)
        .collect();
    assert_eq!(
        problems,
        [
            Some("the endpoint answered 500".to_owned()),
            Some("nobody is there".to_owned()),
            None
        ]
    );
}

async fn an_endpoint_that_is_gone_is_disabled(database: Database) {
    let world = World::new(database).await;
    world.endpoints.set("gone", Manner::Answers(410));
    world.add("gone", "session.*").await;
    world.add("watcher", "webhook.disabled").await;
    let seqs = world.happen(3).await;
    let gone = world
        .until("gone", |webhook| webhook.state == WebhookState::Disabled)
        .await;
    assert_eq!(
        gone.reason.as_deref(),
        Some("the endpoint answered 410: gone")
    );
    assert_eq!(world.endpoints.sent("gone"), seqs[..1]);
    world.until_sent("watcher", 1).await;
    // Somebody mends it, and it goes on where it stopped.
    world.endpoints.set("gone", Manner::Answers(204));
    let patch = WebhookPatch {
        state: Some(WebhookState::Active),
        ..WebhookPatch::default()
    };
    world
        .store
        .webhook_update(TENANT, &named("gone"), patch)
        .await
        .unwrap();
    let sent = world.until_sent("gone", 4).await;
    assert_eq!(sent[1..], seqs);
}

async fn an_endpoint_that_fails_for_a_day_is_disabled(database: Database) {
    let world = World::new(database).await;
    world.endpoints.set("broken", Manner::Answers(503));
    world.add("broken", "session.*").await;
    world.happen(2).await;
    for attempt in 1..=10 {
        world
            .until("broken", |webhook| webhook.attempts == attempt)
            .await;
        world.database.clock().advance_seconds(10 * 3_600);
    }
    let broken = world
        .until("broken", |webhook| webhook.state == WebhookState::Disabled)
        .await;
    let reason = broken.reason.unwrap();
    assert_eq!(
        reason,
        "11 attempts failed, the last one: the endpoint answered 503"
    );
    let kinds = world
        .store
        .event_list(TENANT, &Page::first(100))
        .await
        .unwrap();
    let told = kinds
        .iter()
        .find(|event| event.kind == "webhook.disabled")
        .unwrap();
    assert_eq!(told.data["reason"], reason.as_str());
}

async fn another_node_goes_on_where_one_has_stopped(database: Database) {
    let mut world = World::new(database).await;
    world.add("panel", "session.*").await;
    let first = world.happen(5).await;
    let last = *first.last().unwrap();
    world
        .until("panel", |webhook| webhook.position == last)
        .await;
    // Two at a time deliver once.
    let other = world.database.store().await;
    world.start(other);
    let second = world.happen(5).await;
    let last = *second.last().unwrap();
    world
        .until("panel", |webhook| webhook.position == last)
        .await;
    let all = [first, second].concat();
    assert_eq!(world.endpoints.sent("panel"), all);
    // The first one dies, and its lease runs out.
    world.tasks.shutdown().await;
    world.database.clock().advance_seconds(61);
    let third = world.database.store().await;
    world.start(third);
    let more = world.happen(3).await;
    let sent = world.until_sent("panel", 13).await;
    assert_eq!(sent, [all, more].concat());
}

async fn a_webhook_that_is_set_anew_goes_on_so(database: Database) {
    let world = World::new(database).await;
    world.add("panel", "session.*").await;
    let seqs = world.happen(4).await;
    let last = *seqs.last().unwrap();
    world
        .until("panel", |webhook| webhook.position == last)
        .await;
    // The clock stands, and a change has to be seen all the same.
    world.database.clock().advance_seconds(1);
    let patch = WebhookPatch {
        position: Some(seqs[1]),
        ..WebhookPatch::default()
    };
    world
        .store
        .webhook_update(TENANT, &named("panel"), patch)
        .await
        .unwrap();
    let sent = world.until_sent("panel", 6).await;
    assert_eq!(sent[4..], seqs[2..]);
    world.database.clock().advance_seconds(1);
    let patch = WebhookPatch {
        state: Some(WebhookState::Paused),
        ..WebhookPatch::default()
    };
    world
        .store
        .webhook_update(TENANT, &named("panel"), patch)
        .await
        .unwrap();
    // A turn of looking passes, seen by another webhook that begins with it.
    world.add("other", "session.*").await;
    world.happen(1).await;
    world.until_sent("other", 1).await;
    let before = world.endpoints.sent("panel").len();
    world.happen(1).await;
    world.until_sent("other", 2).await;
    assert_eq!(world.endpoints.sent("panel").len(), before);
}
