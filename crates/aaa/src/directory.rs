//! Who may log in and from where, in memory: read without locks, kept current by the change feed.

use std::collections::HashSet;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, ArcSwapOption};
use domain::change::Change;
use domain::id::{PlanId, SubscriberId, TenantId};
use domain::name::Username;
use domain::nas::Nas;
use domain::plan::Plan;
use domain::subscriber::Subscriber;
use domain::terms::PlanMark;
use foldhash::fast::RandomState;
use hmac::{Hmac, KeyInit, Mac};
use papaya::HashMap;
use rows::row::Mode;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tokio::task::{JoinHandle, spawn_blocking};
use tracing::warn;

use crate::mac_login::DeviceTable;
use crate::nas_table::NasTable;
use crate::policy_table::PolicyTable;
use crate::port::{PortError, Registry};
use crate::row_table::{RowTable, TENANT};
use crate::subscriber_table::SubscriberTable;

mod devices;
mod export;

/// Subscribers read from the registry at a time.
const PAGE: u32 = 20_000;
/// Subscribers put into memory at a time: the more there are, the less is written twice.
const BATCH: usize = 250_000;
/// Changed subscribers read and put at a time.
const SLICE: usize = 512;

/// Everything that an answer needs.
pub struct Directory {
    nas: ArcSwap<NasTable>,
    plans: HashMap<PlanId, Arc<PlanCell>, RandomState>,
    /// A plan with limits was seen; until then nobody has to look for one.
    has_limits: AtomicBool,
    subscribers: Arc<SubscriberTable>,
    rows: Arc<RowTable>,
    policies: ArcSwap<PolicyTable>,
    devices: DeviceTable,
    /// Keys the memory of verified passwords; new in each process.
    verification_key: Arc<[u8; 32]>,
}

/// A plan's place. A change of the plan reaches all its subscribers at once.
///
/// Aligned so that who reads the plan does not wait for who counts its subscribers.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct PlanCell(ArcSwapOption<KnownPlan>);

/// A plan, with what marks its terms.
#[derive(Debug)]
pub struct KnownPlan {
    plan: Plan,
    pub mark: PlanMark,
}

impl Deref for KnownPlan {
    type Target = Plan;

    fn deref(&self) -> &Plan {
        &self.plan
    }
}

impl PlanCell {
    /// The plan, unless it is not known here.
    pub fn load(&self) -> arc_swap::Guard<Option<Arc<KnownPlan>>> {
        self.0.load()
    }
}

/// A subscriber with the way to the plan.
#[derive(Debug)]
pub struct SubscriberEntry {
    pub subscriber: Subscriber,
    pub plan: Arc<PlanCell>,
    verification_key: Arc<[u8; 32]>,
    verified: OnceLock<Digest>,
}

/// What is remembered of a password: half of a keyed digest, which nobody hits by chance.
type Digest = [u8; 16];

impl SubscriberEntry {
    /// Whether this very password passed the slow hash before.
    pub fn was_verified(&self, password: &[u8]) -> bool {
        let known = self.verified.get();
        known.is_some_and(|digest| self.digest(password).ct_eq(digest).into())
    }

    /// Remembers that a password passed the slow hash, as a keyed digest in memory only.
    pub fn remember_verified(&self, password: &[u8]) {
        // The first one stays: another that passes the same hash is compared each time.
        let _ = self.verified.set(self.digest(password));
    }

    /// What passed the hash before passes it still, unless the hash is another one.
    pub(crate) fn remember_from(&self, known: &Self) {
        if self.subscriber.credential == known.subscriber.credential
            && let Some(digest) = known.verified.get()
        {
            let _ = self.verified.set(*digest);
        }
    }

    fn digest(&self, password: &[u8]) -> Digest {
        digest(&self.verification_key, [password])
    }
}

fn digest<'a>(key: &[u8; 32], parts: impl IntoIterator<Item = &'a [u8]>) -> Digest {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    let octets = mac.finalize().into_bytes();
    *octets.first_chunk().expect("SHA-256 has 32 octets")
}

impl Directory {
    /// An empty directory; `verification_key` is 32 random octets.
    pub fn new(verification_key: [u8; 32]) -> Self {
        Self {
            nas: ArcSwap::default(),
            plans: HashMap::with_hasher(RandomState::default()),
            has_limits: AtomicBool::new(false),
            subscribers: Arc::new(SubscriberTable::new()),
            rows: Arc::new(RowTable::new(None)),
            policies: ArcSwap::default(),
            devices: DeviceTable::new(),
            verification_key: Arc::new(verification_key),
        }
    }

    /// The same with rows of FreeRADIUS' tables that are obeyed in this way, whatever the
    /// installation says.
    #[must_use]
    pub fn obeying(self, mode: Option<Mode>) -> Self {
        Self {
            rows: Arc::new(RowTable::new(mode)),
            ..self
        }
    }

    /// The users and groups of FreeRADIUS' tables.
    pub fn rows(&self) -> &RowTable {
        &self.rows
    }

    /// A keyed digest of something secret, to remember that it was right.
    pub(crate) fn digest<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> Digest {
        digest(&self.verification_key, parts)
    }

    /// The NAS of this moment; hold it for a batch, not longer.
    pub fn nas_table(&self) -> arc_swap::Guard<Arc<NasTable>> {
        self.nas.load()
    }

    /// The policies of this moment.
    pub fn policies(&self) -> arc_swap::Guard<Arc<PolicyTable>> {
        self.policies.load()
    }

    pub fn find_subscriber(
        &self,
        tenant: TenantId,
        username: &str,
    ) -> Option<Arc<SubscriberEntry>> {
        self.subscribers.find(tenant, username)
    }

    /// The subscriber of this id, whatever the name is now.
    pub(crate) fn find_subscriber_by_id(&self, id: SubscriberId) -> Option<Arc<SubscriberEntry>> {
        self.subscribers.find_by_id(id)
    }

    /// The plan with this id, unless it is not known here.
    pub fn find_plan(&self, id: PlanId) -> Option<Arc<KnownPlan>> {
        self.plans.pin().get(&id)?.0.load_full()
    }

    /// Whether any plan or any row may have limits.
    pub(crate) fn has_limits(&self) -> bool {
        self.has_limits.load(Relaxed) || self.rows.has_limits()
    }

    pub fn subscriber_count(&self) -> usize {
        self.subscribers.len()
    }

    pub fn nas_count(&self) -> usize {
        self.nas.load().len()
    }

    pub fn plan_count(&self) -> usize {
        let plans = self.plans.pin();
        plans
            .values()
            .filter(|cell| cell.0.load().is_some())
            .count()
    }

    /// Loads everything, and tells the log whose rows are not asked.
    pub async fn load<R: Registry>(&self, registry: &R) -> Result<(), PortError> {
        self.read(registry).await?;
        self.tell_namesakes();
        Ok(())
    }

    /// Loads everything. Answers go on from what was there before, until each entry is replaced;
    /// what no longer exists goes last.
    pub(crate) async fn read<R: Registry>(&self, registry: &R) -> Result<(), PortError> {
        self.set_nas_all(registry.nas_all().await?);
        let plans = registry.plan_all().await?;
        self.forget_plans_except(&plans);
        for plan in plans {
            self.set_plan(plan);
        }
        self.load_policies(registry).await?;
        let load = self.subscribers.begin_load();
        let mut putting = Putting::default();
        let read = self.read_subscribers(registry, &mut putting).await;
        // Also after a failure: nothing old may come on top of what is read next.
        let put = putting.finish(&self.subscribers).await;
        read.and(put)?;
        self.subscribers.finish_load(load);
        self.rows.load(registry).await?;
        self.prune_devices();
        Ok(())
    }

    async fn read_subscribers<R: Registry>(
        &self,
        registry: &R,
        putting: &mut Putting,
    ) -> Result<(), PortError> {
        let mut after = None;
        loop {
            let page = registry.subscriber_page(after, PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(last.id);
            putting.entries.extend(self.entries(page));
            if BATCH <= putting.entries.len() {
                putting.start(&self.subscribers).await?;
            }
        }
    }

    /// Looks again at what changed. Returns how many entries were touched.
    pub async fn apply<R: Registry>(
        &self,
        registry: &R,
        changes: &[Change],
    ) -> Result<usize, PortError> {
        let mut plans = Vec::new();
        let mut subscribers = Vec::new();
        let mut is_nas_changed = false;
        let mut is_policy_changed = false;
        let mut row_users = Vec::new();
        let mut row_groups = Vec::new();
        for change in changes {
            match change {
                Change::Nas(_) | Change::RowNas => is_nas_changed = true,
                Change::Plan(id) => plans.push(*id),
                Change::Subscriber(id) => subscribers.push(*id),
                Change::Tenant(_) => is_policy_changed = true,
                Change::RowUser(name) => row_users.push(&**name),
                Change::RowGroup(name) => row_groups.push(&**name),
                Change::Everything => {
                    self.load(registry).await?;
                    return Ok(changes.len());
                }
            }
        }
        if is_nas_changed {
            // The registry of routers is small and a table is built whole, so it is read whole.
            self.set_nas_all(registry.nas_all().await?);
        }
        if is_policy_changed {
            self.load_policies(registry).await?;
        }
        // Each once: what is read is how it stands now.
        subscribers.sort_unstable();
        subscribers.dedup();
        self.apply_plans(registry, &plans).await?;
        self.apply_subscribers(registry, &subscribers).await?;
        let new = self.rows.apply(registry, &row_groups, &row_users).await?;
        for name in new.iter().filter(|name| self.has_namesake(name)) {
            warn!("The rows of {name} are not asked: a subscriber has this name");
        }
        Ok(changes.len())
    }

    /// Whether a subscriber goes before the rows of this name.
    fn has_namesake(&self, name: &str) -> bool {
        let subscriber = Username::from_wire(name.as_bytes()).ok();
        subscriber.is_some_and(|name| self.find_subscriber(TENANT, name.as_str()).is_some())
    }

    pub(crate) fn tell_namesakes(&self) {
        if self.subscriber_count() == 0 {
            return;
        }
        let mut count = 0_usize;
        let mut first = String::new();
        self.rows.for_each_name(|name| {
            if self.has_namesake(name) {
                count += 1;
                if count == 1 {
                    name.clone_into(&mut first);
                }
            }
        });
        if 0 < count {
            warn!(
                users = count,
                "The rows of {count} users are not asked, because subscribers have their names; one is {first}"
            );
        }
    }

    async fn apply_plans<R: Registry>(
        &self,
        registry: &R,
        ids: &[PlanId],
    ) -> Result<(), PortError> {
        if ids.is_empty() {
            return Ok(());
        }
        let found = registry.plan_many(ids).await?;
        for id in ids {
            if !found.iter().any(|plan| plan.id == *id) {
                self.plan_cell(*id).0.store(None);
            }
        }
        for plan in found {
            self.set_plan(plan);
        }
        Ok(())
    }

    async fn apply_subscribers<R: Registry>(
        &self,
        registry: &R,
        ids: &[SubscriberId],
    ) -> Result<(), PortError> {
        let mut gone = Vec::new();
        for ids in ids.chunks(SLICE) {
            let found = registry.subscriber_many(ids).await?;
            let known: HashSet<_> = found.iter().map(|found| found.id).collect();
            gone.extend(ids.iter().filter(|id| !known.contains(id)));
            self.forget_devices(&found);
            self.subscribers.put(self.entries(found));
        }
        // Last, so that a name that goes from one to another always belongs to somebody.
        self.subscribers.take(gone);
        Ok(())
    }

    fn set_nas_all(&self, all: Vec<Nas>) {
        let table = NasTable::build(all, &self.nas.load());
        self.nas.store(Arc::new(table));
    }

    async fn load_policies<R: Registry>(&self, registry: &R) -> Result<(), PortError> {
        let policies = registry.policy_all().await?;
        let own = policies.iter().find(|policy| policy.tenant == TENANT);
        self.rows.follow(own.and_then(|policy| policy.rows));
        let table = PolicyTable::new(policies);
        self.policies.store(Arc::new(table));
        Ok(())
    }

    fn set_plan(&self, plan: Plan) {
        if plan.terms.limits.is_some() {
            self.has_limits.store(true, Relaxed);
        }
        let mark = PlanMark::of(&plan.terms);
        let cell = self.plan_cell(plan.id);
        cell.0.store(Some(Arc::new(KnownPlan { plan, mark })));
    }

    fn plan_cell(&self, id: PlanId) -> Arc<PlanCell> {
        let plans = self.plans.pin();
        Arc::clone(plans.get_or_insert_with(id, Arc::default))
    }

    fn forget_plans_except(&self, kept: &[Plan]) {
        let kept: HashSet<_> = kept.iter().map(|plan| plan.id).collect();
        let plans = self.plans.pin();
        for (id, cell) in plans.iter() {
            if !kept.contains(id) {
                cell.0.store(None);
            }
        }
    }

    fn entries(&self, subscribers: Vec<Subscriber>) -> impl Iterator<Item = Arc<SubscriberEntry>> {
        subscribers.into_iter().map(|subscriber| {
            self.note_devices(&subscriber);
            Arc::new(SubscriberEntry {
                plan: self.plan_cell(subscriber.plan),
                subscriber,
                verification_key: Arc::clone(&self.verification_key),
                verified: OnceLock::new(),
            })
        })
    }
}

/// Subscribers on their way into memory while the next ones are read.
#[derive(Default)]
struct Putting {
    entries: Vec<Arc<SubscriberEntry>>,
    /// At most one batch at a time, so that a later one stays later.
    running: Option<JoinHandle<()>>,
}

impl Putting {
    /// Puts what has gathered, on a thread that may be busy for a while.
    async fn start(&mut self, table: &Arc<SubscriberTable>) -> Result<(), PortError> {
        self.wait().await?;
        let table = Arc::clone(table);
        let entries = std::mem::take(&mut self.entries);
        self.running = Some(spawn_blocking(move || table.put(entries)));
        Ok(())
    }

    async fn finish(mut self, table: &Arc<SubscriberTable>) -> Result<(), PortError> {
        self.start(table).await?;
        self.wait().await
    }

    async fn wait(&mut self) -> Result<(), PortError> {
        match self.running.take() {
            Some(running) => running
                .await
                .map_err(|error| PortError::new("putting subscribers into memory", error)),
            None => Ok(()),
        }
    }
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Directory")
            .field("nas", &self.nas_count())
            .field("plans", &self.plan_count())
            .field("subscribers", &self.subscriber_count())
            .field("rows", &self.rows)
            .finish()
    }
}
