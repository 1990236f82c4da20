//! What every handler has at hand.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use domain::time::Timestamp;
use services::event::hub::Hub;
use services::password::Passwords;
use services::port::{Program, RowReader, WebhookClient};
use services::webhook::Reach;
use storage::clock::Clock;
use storage::store::Store;

use crate::authorize::Rules;
use crate::pace::Pace;
use crate::problem::Problem;

/// Gives the store, which may not have come yet.
pub type StoreSource = Arc<dyn Fn() -> Option<Store> + Send + Sync>;

/// What the interface is made with.
pub struct ApiOptions {
    pub store: StoreSource,
    pub clock: Clock,
    pub program: Arc<dyn Program>,
    /// Requests that one caller may send in a second.
    pub requests_per_second: u32,
    /// What attribute rows mean.
    pub rows: Arc<dyn RowReader>,
    pub events: Hub,
    /// What brings messages to the endpoints of webhooks.
    pub webhooks: Arc<dyn WebhookClient>,
    /// Which endpoints there may be.
    pub reach: Reach,
}

/// The interface with all that it shares; cheap to clone.
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
}

struct Inner {
    store: StoreSource,
    clock: Clock,
    program: Arc<dyn Program>,
    rules: Rules,
    document: String,
    pace: Pace,
    rows: Arc<dyn RowReader>,
    passwords: Passwords,
    events: Hub,
    webhooks: Arc<dyn WebhookClient>,
    reach: Reach,
}

/// Where a request came from, as the listener knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub address: IpAddr,
    pub is_encrypted: bool,
}

impl fmt::Debug for Api {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Api").finish_non_exhaustive()
    }
}

impl Api {
    pub(crate) fn new(options: ApiOptions, rules: Rules, document: String) -> Self {
        Self {
            inner: Arc::new(Inner {
                store: options.store,
                clock: options.clock,
                program: options.program,
                rules,
                document,
                pace: Pace::new(options.requests_per_second),
                rows: options.rows,
                passwords: Passwords::default(),
                events: options.events,
                webhooks: options.webhooks,
                reach: options.reach,
            }),
        }
    }

    /// The store, or the answer that there is none now.
    pub(crate) fn store(&self) -> Result<Store, Problem> {
        (self.inner.store)().ok_or_else(Problem::no_database)
    }

    /// The program around the interface.
    pub(crate) fn program(&self) -> &dyn Program {
        self.inner.program.as_ref()
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.inner.clock)()
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.inner.rules
    }

    /// The OpenAPI document.
    pub(crate) fn document(&self) -> &str {
        &self.inner.document
    }

    /// Who knows what attribute rows mean.
    pub(crate) fn rows(&self) -> &dyn RowReader {
        &*self.inner.rows
    }

    pub(crate) fn passwords(&self) -> &Passwords {
        &self.inner.passwords
    }

    pub(crate) fn pace(&self) -> &Pace {
        &self.inner.pace
    }

    pub(crate) fn events(&self) -> &Hub {
        &self.inner.events
    }

    pub(crate) fn webhooks(&self) -> &dyn WebhookClient {
        &*self.inner.webhooks
    }

    pub(crate) fn reach(&self) -> Reach {
        self.inner.reach
    }
}
