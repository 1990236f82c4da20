//! Joins the node's ports to the store.

use std::sync::Arc;
use std::time::Instant;

use aaa::port::{
    AccountingStore, AuthLogStore, ChangeFeed, Clock, DeviceStore, Parcel, PortError, Registry,
    Spool, Stored,
};
use domain::access::Claim;
use domain::accounting::{AccountingRecord, Origin};
use domain::auth_log::{AuthLogEntry, Knock};
use domain::change::Change;
use domain::id::{PlanId, SessionId, SubscriberId};
use domain::mac::Mac;
use domain::nas::Nas;
use domain::plan::Plan;
use domain::session::Session;
use domain::subscriber::Subscriber;
use domain::tenant::TenantPolicy;
use domain::time::Timestamp;
use storage::accounting::RecordOutcome;
use storage::error::StoreError;
use storage::spool::SpoolError;
use storage::store::Store;

use crate::late_store::LateStore;

pub mod snapshot;

/// The store as the node sees it. Until it has come, the database is away.
#[derive(Clone)]
pub struct NodeStore {
    store: LateStore,
    accounting_lanes: usize,
}

/// The server was started without its database, and has not had it since.
#[derive(Debug, thiserror::Error)]
#[error("the database has not been reached since the start")]
struct NotReached;

impl NodeStore {
    fn open(&self) -> Result<&Store, PortError> {
        let store = self.store.find();
        store.ok_or_else(|| PortError::outage("using the database", NotReached))
    }
}

/// The spool as the node sees it.
pub struct NodeSpool(pub Arc<storage::spool::Spool>);

/// The change feed as the node sees it.
pub struct NodeFeed {
    store: LateStore,
    /// Absent until the store has come.
    feed: Option<storage::change_feed::ChangeFeed>,
}

impl NodeFeed {
    /// A feed that was opened before anything was loaded.
    pub fn opened(store: &LateStore, feed: storage::change_feed::ChangeFeed) -> Self {
        Self {
            store: store.clone(),
            feed: Some(feed),
        }
    }

    /// A feed that is opened when the store comes, and begins with everything.
    pub fn late(store: &LateStore) -> Self {
        Self {
            store: store.clone(),
            feed: None,
        }
    }
}

/// The program's wall clock and the system's monotonic one.
pub struct NodeClock(pub storage::clock::Clock);

impl Clock for NodeClock {
    fn timestamp(&self) -> Timestamp {
        (self.0)()
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }
}

impl Registry for NodeStore {
    async fn nas_all(&self) -> Result<Vec<Nas>, PortError> {
        let all = self.open()?.directory_nas_all().await;
        all.map_err(|error| fail("reading the NAS registry", error))
    }

    async fn plan_all(&self) -> Result<Vec<Plan>, PortError> {
        let all = self.open()?.directory_plan_all().await;
        all.map_err(|error| fail("reading the plans", error))
    }

    async fn subscriber_page(
        &self,
        after: Option<SubscriberId>,
        limit: u32,
    ) -> Result<Vec<Subscriber>, PortError> {
        let page = self.open()?.directory_subscriber_page(after, limit).await;
        page.map_err(|error| fail("reading the subscribers", error))
    }

    async fn session_page(
        &self,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<Session>, PortError> {
        let page = self.open()?.session_open_list_all(after, limit).await;
        page.map_err(|error| fail("reading the open sessions", error))
    }

    async fn policy_all(&self) -> Result<Vec<TenantPolicy>, PortError> {
        let all = self.open()?.tenant_policy_all().await;
        all.map_err(|error| fail("reading what tenants have set", error))
    }

    async fn plan_many(&self, ids: &[PlanId]) -> Result<Vec<Plan>, PortError> {
        let found = self.open()?.directory_plans(ids).await;
        found.map_err(|error| fail("reading changed plans", error))
    }

    async fn subscriber_many(&self, ids: &[SubscriberId]) -> Result<Vec<Subscriber>, PortError> {
        let found = self.open()?.directory_subscribers(ids).await;
        found.map_err(|error| fail("reading changed subscribers", error))
    }
}

impl DeviceStore for NodeStore {
    async fn claim(
        &self,
        subscriber: SubscriberId,
        mac: Mac,
        actor: &str,
    ) -> Result<Claim, PortError> {
        let done = self.open()?.device_claim(subscriber, mac, actor).await;
        done.map_err(|error| fail("binding a device", error))
    }
}

impl ChangeFeed for NodeFeed {
    async fn next(&mut self) -> Result<Vec<Change>, PortError> {
        const DOING: &str = "reading the change feed";
        let Some(feed) = &mut self.feed else {
            let opened = self.store.wait().await.change_feed().await;
            self.feed = Some(opened.map_err(|error| fail(DOING, error))?);
            // Loaded after the feed was opened, so that no change falls between the two.
            return Ok(vec![Change::Everything]);
        };
        feed.next().await.map_err(|error| fail(DOING, error))
    }
}

impl AccountingStore for NodeStore {
    fn lanes(&self) -> usize {
        self.accounting_lanes
    }

    async fn commit(
        &self,
        origin: Origin,
        records: &[AccountingRecord],
    ) -> Result<Vec<Stored>, PortError> {
        let outcomes = self
            .open()?
            .accounting_commit_numbered(origin, records)
            .await;
        let outcomes = outcomes.map_err(|error| fail("storing accounting", error))?;
        Ok(outcomes.into_iter().map(stored).collect())
    }
}

impl Spool for NodeSpool {
    async fn append(&self, origin: Origin, records: &[AccountingRecord]) -> Result<(), PortError> {
        let done = self.0.append(origin, records).await;
        done.map_err(|error| fail_spool("spooling accounting", error))
    }

    async fn peek(&self, records_max: usize) -> Result<Vec<Parcel>, PortError> {
        let parcels = self.0.peek(records_max).await;
        let parcels = parcels.map_err(|error| fail_spool("reading the spool", error))?;
        Ok(parcels.into_iter().map(parcel).collect())
    }

    async fn remove(&self, through: u64) -> Result<(), PortError> {
        let done = self.0.remove(through).await;
        done.map_err(|error| fail_spool("removing from the spool", error))
    }

    async fn set_aside(&self, origin: Origin, record: &AccountingRecord) -> Result<(), PortError> {
        let done = self.0.set_aside(origin, record).await;
        done.map_err(|error| fail_spool("setting a record aside", error))
    }

    fn depth(&self) -> u64 {
        self.0.depth()
    }
}

impl AuthLogStore for NodeStore {
    async fn append(&self, entries: &[&AuthLogEntry], knocks: &[Knock]) -> Result<(), PortError> {
        let done = self.open()?.auth_log_append(entries, knocks).await;
        done.map_err(|error| fail("writing the authentication log", error))
    }
}

/// All ports of a node over one store and one spool.
pub fn ports(
    store: &LateStore,
    spool: &Arc<storage::spool::Spool>,
    feed: NodeFeed,
    clock: &storage::clock::Clock,
    accounting_lanes: usize,
) -> aaa::node::Ports<NodeStore, NodeStore, NodeSpool, NodeStore, NodeFeed> {
    let store = Arc::new(NodeStore {
        store: store.clone(),
        accounting_lanes,
    });
    aaa::node::Ports {
        registry: Arc::clone(&store),
        accounting: Arc::clone(&store),
        spool: Arc::new(NodeSpool(Arc::clone(spool))),
        log: store,
        feed,
        clock: Arc::new(NodeClock(Arc::clone(clock))),
    }
}

fn stored(outcome: RecordOutcome) -> Stored {
    match outcome {
        RecordOutcome::Session { outcome, is_open } => Stored::Session { outcome, is_open },
        RecordOutcome::NasRestart { closed } => Stored::NasRestart { closed },
        RecordOutcome::StoredBefore => Stored::Before,
    }
}

fn parcel(parcel: storage::spool::Parcel) -> Parcel {
    let storage::spool::Parcel {
        position,
        origin,
        records,
    } = parcel;
    Parcel {
        position,
        origin,
        records,
    }
}

fn fail(doing: &str, error: StoreError) -> PortError {
    if error.is_disk_full() {
        // The rest follows by itself.
        let doing = format!("{doing}: the disk of the database is full, free some space on it");
        PortError::outage(doing, error)
    } else if error.is_outage() {
        PortError::outage(doing, error)
    } else {
        PortError::new(doing, error)
    }
}

fn fail_spool(doing: &str, error: SpoolError) -> PortError {
    PortError::outage(doing, error)
}
