//! Who may log in and from where, in memory: read without locks, kept current by the change feed.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use domain::change::Change;
use domain::id::{PlanId, SubscriberId, TenantId};
use domain::name::Username;
use domain::nas::Nas;
use domain::plan::Plan;
use domain::subscriber::Subscriber;
use hmac::{Hmac, KeyInit, Mac};
use papaya::{Equivalent, HashMap};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::nas_table::{NasEntry, NasTable};
use crate::port::{PortError, Registry};

mod export;

/// Subscribers read from the registry at a time.
const PAGE: u32 = 10_000;

/// Everything that an answer needs.
pub struct Directory {
    nas: ArcSwap<NasTable>,
    plans: HashMap<PlanId, Arc<PlanCell>>,
    subscribers: HashMap<SubscriberKey, Arc<SubscriberEntry>>,
    names: HashMap<SubscriberId, SubscriberKey>,
    /// Keys the memory of verified passwords; new in each process.
    verification_key: [u8; 32],
}

/// A plan's place. A change of the plan reaches all its subscribers at once.
#[derive(Debug, Default)]
pub struct PlanCell(ArcSwapOption<Plan>);

impl PlanCell {
    /// The plan, unless it is not known here.
    pub fn load(&self) -> arc_swap::Guard<Option<Arc<Plan>>> {
        self.0.load()
    }
}

/// A subscriber with the way to the plan.
#[derive(Debug)]
pub struct SubscriberEntry {
    pub subscriber: Subscriber,
    pub plan: Arc<PlanCell>,
    verification_key: [u8; 32],
    verified: ArcSwapOption<[u8; 32]>,
}

impl SubscriberEntry {
    /// Whether this very password passed the slow hash before.
    pub fn was_verified(&self, password: &[u8]) -> bool {
        let known = self.verified.load();
        known
            .as_ref()
            .is_some_and(|digest| self.digest(password).ct_eq(&digest[..]).into())
    }

    /// Remembers that a password passed the slow hash, as a keyed digest in memory only.
    pub fn remember_verified(&self, password: &[u8]) {
        self.verified.store(Some(Arc::new(self.digest(password))));
    }

    fn digest(&self, password: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.verification_key)
            .expect("HMAC takes keys of any length");
        mac.update(password);
        mac.finalize().into_bytes().into()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SubscriberKey {
    tenant: TenantId,
    username: Username,
}

/// A key to look up with, borrowed from the packet.
struct BorrowedKey<'a> {
    tenant: TenantId,
    username: &'a str,
}

impl Hash for SubscriberKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.tenant.hash(state);
        self.username.as_str().hash(state);
    }
}

impl Hash for BorrowedKey<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.tenant.hash(state);
        self.username.hash(state);
    }
}

impl Equivalent<SubscriberKey> for BorrowedKey<'_> {
    fn equivalent(&self, key: &SubscriberKey) -> bool {
        self.tenant == key.tenant && self.username == key.username.as_str()
    }
}

impl Directory {
    /// An empty directory; `verification_key` is 32 random octets.
    pub fn new(verification_key: [u8; 32]) -> Self {
        Self {
            nas: ArcSwap::default(),
            plans: HashMap::new(),
            subscribers: HashMap::new(),
            names: HashMap::new(),
            verification_key,
        }
    }

    /// The NAS of this moment; hold it for a batch, not longer.
    pub fn nas_table(&self) -> arc_swap::Guard<Arc<NasTable>> {
        self.nas.load()
    }

    pub fn find_nas(&self, source: IpAddr) -> Option<Arc<NasEntry>> {
        self.nas.load().find(source).cloned()
    }

    pub fn find_subscriber(
        &self,
        tenant: TenantId,
        username: &str,
    ) -> Option<Arc<SubscriberEntry>> {
        let key = BorrowedKey { tenant, username };
        self.subscribers.pin().get(&key).cloned()
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

    /// Loads everything. Answers go on from what was there before, until each entry is replaced;
    /// what no longer exists goes last.
    pub async fn load<R: Registry>(&self, registry: &R) -> Result<(), PortError> {
        self.set_nas_all(registry.nas_all().await?);
        let plans = registry.plan_all().await?;
        self.forget_plans_except(&plans);
        for plan in plans {
            self.set_plan(plan);
        }
        let mut seen = HashSet::new();
        let mut after = None;
        loop {
            let page = registry.subscriber_page(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for subscriber in page {
                seen.insert(subscriber.id);
                self.set_subscriber(subscriber);
            }
        }
        self.forget_subscribers_except(&seen);
        Ok(())
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
        for change in changes {
            match *change {
                Change::Nas(_) => is_nas_changed = true,
                Change::Plan(id) => plans.push(id),
                Change::Subscriber(id) => subscribers.push(id),
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
        self.apply_plans(registry, &plans).await?;
        self.apply_subscribers(registry, &subscribers).await?;
        Ok(changes.len())
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
        if ids.is_empty() {
            return Ok(());
        }
        let found = registry.subscriber_many(ids).await?;
        let known: HashSet<_> = found.iter().map(|found| found.id).collect();
        for id in ids.iter().filter(|id| !known.contains(id)) {
            self.forget_subscriber(*id);
        }
        for subscriber in found {
            self.set_subscriber(subscriber);
        }
        Ok(())
    }

    fn set_nas_all(&self, all: Vec<Nas>) {
        let table = NasTable::build(all, &self.nas.load());
        self.nas.store(Arc::new(table));
    }

    fn set_plan(&self, plan: Plan) {
        self.plan_cell(plan.id).0.store(Some(Arc::new(plan)));
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

    fn set_subscriber(&self, subscriber: Subscriber) {
        let key = SubscriberKey {
            tenant: subscriber.tenant,
            username: subscriber.username.clone(),
        };
        let id = subscriber.id;
        let names = self.names.pin();
        let subscribers = self.subscribers.pin();
        let is_renamed = names.get(&id).is_some_and(|old| *old != key);
        if is_renamed {
            self.forget_subscriber(id);
        }
        let verified = ArcSwapOption::empty();
        if let Some(known) = subscribers.get(&key)
            && known.subscriber.credential == subscriber.credential
        {
            verified.store(known.verified.load_full());
        }
        let entry = SubscriberEntry {
            plan: self.plan_cell(subscriber.plan),
            subscriber,
            verification_key: self.verification_key,
            verified,
        };
        subscribers.insert(key.clone(), Arc::new(entry));
        names.insert(id, key);
    }

    fn forget_subscriber(&self, id: SubscriberId) {
        let names = self.names.pin();
        let Some(key) = names.get(&id) else { return };
        let subscribers = self.subscribers.pin();
        // The name may belong to somebody else by now.
        let is_theirs = subscribers
            .get(key)
            .is_some_and(|entry| entry.subscriber.id == id);
        if is_theirs {
            subscribers.remove(key);
        }
        names.remove(&id);
    }

    fn forget_subscribers_except(&self, kept: &HashSet<SubscriberId>) {
        let names = self.names.pin();
        let gone: Vec<_> = names
            .keys()
            .filter(|id| !kept.contains(id))
            .copied()
            .collect();
        for id in gone {
            self.forget_subscriber(id);
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
            .finish()
    }
}
