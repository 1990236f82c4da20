//! Sends events to the endpoints of all webhooks that belong to this node.
//!
//! Each webhook has a line of its own, so that a slow one holds up nobody else. What came of it is
//! stored for all of them together, twice a second.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::id::WebhookId;
use domain::time::Timestamp;
use storage::clock::Clock;
use storage::error::StoreError;
use storage::store::Store;
use storage::webhook::delivery::{KEPT_MAX, NewDelivery};
use storage::webhook::progress::{LEASE_SECONDS, LeasedWebhook, WebhookProgress};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, warn};

use super::counts::WebhookCounts;
use super::line::Line;
use crate::event::hub::Hub;
use crate::port::WebhookClient;

/// How often what came of deliveries is stored.
const STORE_EVERY: Duration = Duration::from_millis(500);

/// How often it is looked which webhooks there are, in turns of storing.
const LOOK_EVERY: u32 = 4;

/// Messages under way at all endpoints.
const UNDER_WAY_MAX: usize = 256;

/// A lease may be so old when it is taken again.
const LEASE_AGE_SECONDS: i64 = 20;

/// What the sender works with.
pub struct Sender {
    pub store: Store,
    pub hub: Hub,
    pub client: Arc<dyn WebhookClient>,
    pub clock: Clock,
    pub counts: Arc<WebhookCounts>,
}

/// What all lines share.
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) hub: Hub,
    pub(super) client: Arc<dyn WebhookClient>,
    pub(super) clock: Clock,
    pub(super) counts: Arc<WebhookCounts>,
    pub(super) places: Semaphore,
    /// Until when the webhooks belong to this node, in microseconds.
    lease_until: AtomicI64,
    unstored: Mutex<HashMap<WebhookId, Unstored>>,
}

/// What came of a webhook since it was last stored.
#[derive(Debug)]
struct Unstored {
    /// When the webhook was set as the line knows it.
    revision: Timestamp,
    progress: Option<WebhookProgress>,
}

/// A line that is running.
struct Running {
    revision: Timestamp,
    handle: AbortHandle,
}

/// The lines of this node.
struct Lines {
    shared: Arc<Shared>,
    running: HashMap<WebhookId, Running>,
    tasks: JoinSet<()>,
}

impl fmt::Debug for Sender {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl Sender {
    /// Sends for as long as it is not dropped.
    pub async fn run(self) {
        let mut lines = Lines {
            shared: Arc::new(Shared {
                store: self.store,
                hub: self.hub,
                client: self.client,
                clock: self.clock,
                counts: self.counts,
                places: Semaphore::new(UNDER_WAY_MAX),
                lease_until: AtomicI64::new(i64::MIN),
                unstored: Mutex::default(),
            }),
            running: HashMap::new(),
            tasks: JoinSet::new(),
        };
        let mut ticks = interval(STORE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut turn = 0_u32;
        let mut is_failing = false;
        loop {
            ticks.tick().await;
            let outcome = lines.turn(turn.is_multiple_of(LOOK_EVERY)).await;
            turn = turn.wrapping_add(1);
            if let Err(problem) = &outcome
                && !is_failing
            {
                warn!(
                    error = problem as &dyn std::error::Error,
                    "What came of webhooks cannot be stored; it is when it can"
                );
            }
            is_failing = outcome.is_err();
        }
    }
}

impl Lines {
    async fn turn(&mut self, has_to_look: bool) -> Result<(), StoreError> {
        self.shared.store_progress().await?;
        if has_to_look {
            self.look().await?;
        }
        Ok(())
    }

    /// Takes the webhooks that there are, begins to send for new ones and ends to send for others.
    async fn look(&mut self) -> Result<(), StoreError> {
        while let Some(ended) = self.tasks.try_join_next() {
            if let Err(problem) = ended
                && problem.is_panic()
            {
                error!(%problem, "A webhook panicked; it begins again where it was stored");
            }
        }
        self.running
            .retain(|_, running| !running.handle.is_finished());
        let until = (self.shared.clock)().plus_seconds(LEASE_SECONDS - LEASE_AGE_SECONDS);
        let leased = self.shared.store.webhook_lease().await?;
        self.shared.lease_until.store(until.as_micros(), Relaxed);
        let revisions: HashMap<WebhookId, Timestamp> = leased
            .iter()
            .map(|webhook| (webhook.id, webhook.updated_at))
            .collect();
        self.running.retain(|id, running| {
            let goes_on = revisions.get(id) == Some(&running.revision);
            if !goes_on {
                running.handle.abort();
            }
            goes_on
        });
        self.shared.keep_only(&revisions);
        for webhook in leased {
            if !self.running.contains_key(&webhook.id) {
                self.begin(webhook);
            }
        }
        Ok(())
    }

    fn begin(&mut self, webhook: LeasedWebhook) {
        let (id, revision) = (webhook.id, webhook.updated_at);
        let line = Line::new(&self.shared, webhook);
        let handle = self.tasks.spawn(line.run());
        self.running.insert(id, Running { revision, handle });
    }
}

impl Shared {
    /// Until when the webhooks of this node are its own.
    pub(super) fn lease_until(&self) -> Timestamp {
        Timestamp::from_micros(self.lease_until.load(Relaxed))
    }

    /// Notes how far a line has come, and what came of an attempt. What a line says that was set
    /// anew meanwhile is not listened to.
    pub(super) fn report(&self, webhook: &LeasedWebhook, delivery: Option<NewDelivery>) {
        let mut unstored = self.unstored();
        let Some(known) = unstored.get_mut(&webhook.id) else {
            return;
        };
        if known.revision != webhook.updated_at {
            return;
        }
        let progress = known.progress.get_or_insert_with(|| WebhookProgress {
            webhook: webhook.id,
            position: webhook.position,
            attempts: webhook.attempts,
            due_at: webhook.due_at,
            deliveries: Vec::new(),
        });
        progress.position = webhook.position;
        progress.attempts = webhook.attempts;
        progress.due_at = webhook.due_at;
        if progress.deliveries.len() < KEPT_MAX {
            progress.deliveries.extend(delivery);
        }
    }

    /// Listens to these lines, as they are set now.
    fn keep_only(&self, revisions: &HashMap<WebhookId, Timestamp>) {
        let mut unstored = self.unstored();
        unstored.retain(|id, known| revisions.get(id) == Some(&known.revision));
        #[expect(
            clippy::iter_over_hash_type,
            reason = "each is served by itself, in any order"
        )]
        for (id, revision) in revisions {
            unstored.entry(*id).or_insert(Unstored {
                revision: *revision,
                progress: None,
            });
        }
    }

    async fn store_progress(&self) -> Result<(), StoreError> {
        let progress: Vec<WebhookProgress> = {
            let mut unstored = self.unstored();
            let progress = unstored.values_mut();
            progress.filter_map(|known| known.progress.take()).collect()
        };
        let outcome = self.store.webhook_progress(&progress).await;
        if outcome.is_err() {
            self.put_back(progress);
        }
        outcome
    }

    /// What could not be stored is stored with what comes.
    fn put_back(&self, progress: Vec<WebhookProgress>) {
        let mut unstored = self.unstored();
        for mut older in progress {
            let Some(known) = unstored.get_mut(&older.webhook) else {
                continue;
            };
            if let Some(newer) = known.progress.take() {
                older.position = newer.position;
                older.attempts = newer.attempts;
                older.due_at = newer.due_at;
                let room = KEPT_MAX.saturating_sub(older.deliveries.len());
                older
                    .deliveries
                    .extend(newer.deliveries.into_iter().take(room));
            }
            known.progress = Some(older);
        }
    }

    fn unstored(&self) -> MutexGuard<'_, HashMap<WebhookId, Unstored>> {
        // Whoever panicked left whole entries behind.
        self.unstored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
