//! One webhook while this node sends for it: its events one after the other, each until it is
//! delivered or the webhook is given up.

use std::sync::Arc;
use std::time::Duration;

use domain::time::Timestamp;
use domain::webhook::Retry;
use storage::error::StoreError;
use storage::webhook::delivery::NewDelivery;
use storage::webhook::progress::LeasedWebhook;
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::message::{Endpoint, GONE, Message};
use super::sender::Shared;
use crate::event::reader::{ReadError, Reader, SubscribeError};
use crate::event::ring::Told;

/// How often it is noted how far one has come to whom nothing is sent.
const IDLE: Duration = Duration::from_secs(30);

/// Wait before something is tried again that failed here.
const PAUSE: Duration = Duration::from_secs(1);

/// A lease of which less is left is not begun to be used.
const LEASE_MARGIN_SECONDS: i64 = 20;

/// Why nothing more is sent.
enum Stop {
    /// It was given up, and that is stored.
    GivenUp,
    Store(StoreError),
}

/// Sends for one webhook.
pub(super) struct Line {
    shared: Arc<Shared>,
    webhook: LeasedWebhook,
    endpoint: Endpoint,
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Line {
    pub(super) fn new(shared: &Arc<Shared>, webhook: LeasedWebhook) -> Self {
        Self {
            shared: Arc::clone(shared),
            endpoint: Endpoint {
                url: webhook.url.clone(),
                secrets: webhook.secrets.clone(),
            },
            webhook,
        }
    }

    /// Sends until the webhook is given up.
    pub(super) async fn run(mut self) {
        loop {
            match self.follow().await {
                Ok(()) => {}
                Err(Stop::GivenUp) => return,
                Err(Stop::Store(problem)) => {
                    warn!(
                        error = &problem as &dyn std::error::Error,
                        webhook.id = %self.webhook.id,
                        "The events of a webhook cannot be read"
                    );
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Listens and sends; returns when it has to listen anew.
    async fn follow(&mut self) -> Result<(), Stop> {
        let Some(mut reader) = self.subscribe().await? else {
            return Ok(());
        };
        loop {
            let Ok(next) = timeout(IDLE, reader.next()).await else {
                let position = reader.position();
                if self.webhook.position < position {
                    self.webhook.position = position;
                    self.report(None);
                }
                continue;
            };
            match next {
                Ok(events) => {
                    for event in events {
                        self.deliver(&event).await?;
                    }
                }
                Err(ReadError::TooSlow { .. }) => return Ok(()),
                Err(ReadError::Gone { first, .. }) => {
                    self.skip(first - 1);
                    return Ok(());
                }
                Err(ReadError::Ended) => return Ok(()),
                Err(ReadError::Store(problem)) => return Err(problem.into()),
            }
        }
    }

    async fn subscribe(&mut self) -> Result<Option<Reader>, StoreError> {
        let Shared { hub, store, .. } = &*self.shared;
        let (tenant, topics) = (self.webhook.tenant, &self.webhook.topics);
        let since = Some(self.webhook.position);
        match hub.subscribe(store, tenant, topics, since).await {
            Ok(reader) => return Ok(Some(reader)),
            Err(SubscribeError::TooMany) => sleep(PAUSE).await,
            Err(SubscribeError::Gone { first, .. }) => self.skip(first - 1),
            Err(SubscribeError::Ahead { last, .. }) => self.skip(last),
            Err(SubscribeError::Store(problem)) => return Err(problem),
        }
        Ok(None)
    }

    /// Goes on where there is something.
    fn skip(&mut self, position: i64) {
        warn!(
            webhook.id = %self.webhook.id,
            "Webhook {} goes on behind event {position}: those behind {} are not kept any more",
            self.webhook.name,
            self.webhook.position
        );
        self.webhook.position = position;
        self.webhook.attempts = 0;
        self.report(None);
    }

    /// Sends an event, as often as it takes.
    async fn deliver(&mut self, event: &Told) -> Result<(), Stop> {
        let message = Message::of(self.webhook.id, event);
        loop {
            self.wait_until_due().await;
            let delivery = self.attempt(&message).await;
            self.webhook.attempts += 1;
            if delivery.is_success() {
                self.webhook.position = event.seq;
                self.webhook.attempts = 0;
                self.report(Some(delivery));
                return Ok(());
            }
            let is_gone = delivery.status == Some(GONE);
            let problem = delivery.problem.clone().unwrap_or_default();
            let retry = Retry::after(self.webhook.attempts, rand::random());
            if let Retry::After(seconds) = retry {
                self.webhook.due_at = (self.shared.clock)().plus_seconds(seconds);
            }
            self.report(Some(delivery));
            match retry {
                _ if is_gone => return Err(self.give_up("the endpoint answered 410: gone").await),
                Retry::After(_) => {}
                Retry::GiveUp => {
                    let attempts = self.webhook.attempts;
                    let reason = format!("{attempts} attempts failed, the last one: {problem}");
                    return Err(self.give_up(&reason).await);
                }
            }
        }
    }

    /// Waits for the next attempt, and while it is not sure that the webhook belongs to this node.
    async fn wait_until_due(&self) {
        loop {
            let now = (self.shared.clock)();
            if now < self.webhook.due_at {
                // The clock may be set, so it is looked at again before long.
                sleep(until(now, self.webhook.due_at).min(PAUSE)).await;
            } else if self.shared.lease_until() <= now.plus_seconds(LEASE_MARGIN_SECONDS) {
                sleep(PAUSE).await;
            } else {
                return;
            }
        }
    }

    async fn attempt(&self, message: &Message) -> NewDelivery {
        // Closed never.
        let _place = self.shared.places.acquire().await;
        let attempt = self.webhook.attempts.saturating_add(1);
        let now = (self.shared.clock)();
        let client = &*self.shared.client;
        let delivery = self.endpoint.attempt(client, message, (attempt, now)).await;
        self.shared.counts.add_attempt(delivery.is_success());
        delivery
    }

    async fn give_up(&self, reason: &str) -> Stop {
        warn!(
            webhook.id = %self.webhook.id,
            "Webhook {} is disabled: {reason}",
            self.webhook.name
        );
        self.shared.counts.add_disabled();
        loop {
            match self
                .shared
                .store
                .webhook_disable(self.webhook.id, reason)
                .await
            {
                Ok(()) => return Stop::GivenUp,
                Err(problem) => {
                    warn!(
                        error = &problem as &dyn std::error::Error,
                        "That a webhook is disabled cannot be stored"
                    );
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn report(&self, delivery: Option<NewDelivery>) {
        self.shared.report(&self.webhook, delivery);
    }
}

fn until(now: Timestamp, due: Timestamp) -> Duration {
    let micros = due.as_micros().saturating_sub(now.as_micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
