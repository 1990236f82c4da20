//! The tasks around events: they are stored, told, and sent to webhooks.

use std::sync::Arc;

use aaa::limits::{Consequence as Due, LimitCrossed, LimitTable};
use aaa::node::Node;
use domain::limit::Refusal;
use services::event::hub::Hub;
use services::event::news::{Consequence, LimitCrossing, News};
use services::event::telling::{Teller, TellingWriter};
use services::port::WebhookClient;
use services::webhook::counts::WebhookCounts;
use services::webhook::sender::Sender;
use storage::clock::Clock;
use tokio::sync::Mutex;
use tracing::warn;

use crate::app::App;
use crate::config::Role;
use crate::late_store::LateStore;
use crate::supervisor::Supervisor;
use crate::wiring::webhooks::WebhookPost;

/// Everything that has to do with events, for the life of the server.
pub(super) struct Events {
    store: LateStore,
    clock: Clock,
    view: EventView,
    writer: Arc<Mutex<TellingWriter>>,
    client: Arc<WebhookPost>,
}

/// What is counted about events.
#[derive(Clone, Debug)]
pub(super) struct EventView {
    pub(super) hub: Hub,
    pub(super) teller: Teller,
    pub(super) webhooks: Arc<WebhookCounts>,
}

impl Events {
    pub(super) fn new(app: &App, store: &LateStore) -> Self {
        let teller = Teller::default();
        Self {
            store: store.clone(),
            clock: Arc::clone(&app.clock),
            writer: Arc::new(Mutex::new(TellingWriter::new(&teller))),
            view: EventView {
                hub: Hub::default(),
                teller,
                webhooks: Arc::default(),
            },
            client: Arc::new(WebhookPost::new(app.config.webhook_reach)),
        }
    }

    pub(super) fn hub(&self) -> &Hub {
        &self.view.hub
    }

    /// Where the node says what happens.
    pub(super) fn teller(&self) -> &Teller {
        &self.view.teller
    }

    pub(super) fn client(&self) -> Arc<dyn WebhookClient> {
        Arc::clone(&self.client) as Arc<dyn WebhookClient>
    }

    pub(super) fn view(&self) -> EventView {
        self.view.clone()
    }

    /// Starts what the roles of this process need.
    pub(super) fn start(&self, app: &App, node: Option<&Node>, supervisor: &mut Supervisor) {
        let roles = &app.config.roles;
        if let Some(node) = node {
            self.start_writer(supervisor);
            self.start_crossings(&node.limits, supervisor);
        }
        if roles.contains(&Role::Api) || roles.contains(&Role::Worker) {
            self.start_hub(supervisor);
        }
        if roles.contains(&Role::Worker) {
            self.start_sender(supervisor);
        }
    }

    /// Stores what still waits, and lets the webhooks go.
    pub(super) async fn finish(&self) {
        let Some(store) = self.store.find() else {
            return;
        };
        if let Err(problem) = self.writer.lock().await.finish(store).await {
            warn!(
                error = &problem as &dyn std::error::Error,
                "The last events could not be stored"
            );
        }
        if let Err(problem) = store.webhook_release().await {
            warn!(
                error = &problem as &dyn std::error::Error,
                "Webhooks are taken up again in a minute"
            );
        }
    }

    fn start_writer(&self, supervisor: &mut Supervisor) {
        let (store, writer) = (self.store.clone(), Arc::clone(&self.writer));
        supervisor.start_restarting("event writer", move || {
            let (store, writer) = (store.clone(), Arc::clone(&writer));
            async move { writer.lock().await.run(store.wait().await).await }
        });
    }

    /// Tells which sessions go on beyond a limit.
    fn start_crossings(&self, limits: &Arc<LimitTable>, supervisor: &mut Supervisor) {
        let (limits, teller) = (Arc::clone(limits), self.view.teller.clone());
        supervisor.start_restarting("limit events", move || {
            let (limits, teller) = (Arc::clone(&limits), teller.clone());
            async move {
                loop {
                    let crossed = limits.crossed().await;
                    teller.tell(crossed.into_iter().map(crossing));
                }
            }
        });
    }

    fn start_hub(&self, supervisor: &mut Supervisor) {
        let (store, hub) = (self.store.clone(), self.view.hub.clone());
        supervisor.start_restarting("events", move || {
            let (store, hub) = (store.clone(), hub.clone());
            async move { hub.run(store.wait().await).await }
        });
    }

    fn start_sender(&self, supervisor: &mut Supervisor) {
        let (store, view) = (self.store.clone(), self.view.clone());
        let (client, clock) = (self.client(), Arc::clone(&self.clock));
        supervisor.start_restarting("webhooks", move || {
            let (store, view) = (store.clone(), view.clone());
            let (client, clock) = (Arc::clone(&client), Arc::clone(&clock));
            async move {
                let sender = Sender {
                    store: store.wait().await.clone(),
                    hub: view.hub,
                    client,
                    clock,
                    counts: view.webhooks,
                };
                sender.run().await
            }
        });
    }
}

fn crossing(crossed: LimitCrossed) -> News {
    let (consequence, reason) = match crossed.consequence {
        Due::End(Refusal::QuotaUsedUp(crossing)) => (Consequence::End, crossing.to_string()),
        Due::End(Refusal::OutsideHours { opens_at }) => (
            Consequence::End,
            format!("outside of the plan's hours, which begin again at {opens_at}"),
        ),
        Due::End(Refusal::NoLongerValid { ended_at }) => (
            Consequence::End,
            format!("the validity of the plan ended at {ended_at}"),
        ),
        Due::Change { crossing, .. } => (Consequence::Change, crossing.to_string()),
    };
    News::LimitCrossed(LimitCrossing {
        tenant: crossed.tenant,
        subscriber: crossed.subscriber,
        username: crossed.username,
        nas: crossed.nas,
        at: crossed.at,
        consequence,
        reason,
    })
}
