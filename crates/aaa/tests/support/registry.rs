//! A registry in memory, and what the tests put into it.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::Mutex;

use aaa::port::{CommandDesk, DeviceStore, GuardBoard, Named, PortError, Registry, SessionBoard};
use domain::access::Claim;
use domain::accounting::SessionKey;
use domain::credential::Credential;
use domain::guard::{GuardKey, GuardLock};
use domain::id::{NasId, PlanId, SessionId, SubscriberId, TenantId};
use domain::mac::Mac;
use domain::nas::{Nas, NasSettings, parse_source};
use domain::plan::{Plan, PlanTerms};
use domain::secret::Secret;
use domain::session::{LiveSession, Session};
use domain::session_command::NewCommand;
use domain::session_match::SessionMatch;
use domain::session_news::SessionNews;
use domain::session_policy::SessionTerms;
use domain::subscriber::binding::Bindings;
use domain::subscriber::{StaticAddresses, Subscriber, SubscriberInstants, SubscriberStatus};
use domain::tenant::TenantPolicy;
use domain::time::Timestamp;
use rows::row::{GroupRows, UserRows};

/// The hour at which every test begins.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

pub(crate) const SECRET: &[u8] = b"a shared secret";

pub(crate) const PASSWORD: &str = "kookaburra";

/// What the node is told; tests change it at will.
#[derive(Debug, Default)]
pub(crate) struct MemoryRegistry {
    pub(crate) nas: Mutex<Vec<Nas>>,
    pub(crate) plans: Mutex<Vec<Plan>>,
    pub(crate) subscribers: Mutex<Vec<Subscriber>>,
    pub(crate) row_users: Mutex<BTreeMap<String, UserRows>>,
    pub(crate) row_groups: Mutex<BTreeMap<String, GroupRows>>,
    pub(crate) sessions: Mutex<Vec<LiveSession>>,
    /// What was told to other nodes.
    pub(crate) news: Mutex<Vec<SessionNews>>,
    pub(crate) policies: Mutex<Vec<TenantPolicy>>,
    /// What routers are to be asked.
    pub(crate) asked: Mutex<Vec<NewCommand>>,
}

impl MemoryRegistry {
    /// Adds the subscriber or replaces the one of the same id.
    pub(crate) fn put(&self, subscriber: Subscriber) {
        let mut all = self.subscribers.lock().expect("no test panics with it");
        all.retain(|known| known.id != subscriber.id);
        all.push(subscriber);
        all.sort_by_key(|subscriber| subscriber.id);
    }
}

impl Registry for MemoryRegistry {
    async fn nas_all(&self) -> Result<Vec<Nas>, PortError> {
        Ok(copy_of(&self.nas))
    }

    async fn plan_all(&self) -> Result<Vec<Plan>, PortError> {
        Ok(copy_of(&self.plans))
    }

    async fn subscriber_page(
        &self,
        after: Option<SubscriberId>,
        limit: u32,
    ) -> Result<Vec<Subscriber>, PortError> {
        let all = self.subscribers.lock().expect("no test panics with it");
        let page = all.iter();
        let page = page.filter(|subscriber| after.is_none_or(|after| after < subscriber.id));
        Ok(page.take(limit as usize).cloned().collect())
    }

    async fn session_page(
        &self,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<LiveSession>, PortError> {
        let mut all = copy_of(&self.sessions);
        all.sort_by_key(|live| live.session.id);
        all.retain(|live| after.is_none_or(|after| after < live.session.id));
        all.truncate(limit as usize);
        Ok(all)
    }

    async fn row_user_page(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Named<UserRows>>, PortError> {
        Ok(page_of(&self.row_users, after, limit))
    }

    async fn row_group_page(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Named<GroupRows>>, PortError> {
        Ok(page_of(&self.row_groups, after, limit))
    }

    async fn row_user_many(&self, names: &[&str]) -> Result<Vec<Named<UserRows>>, PortError> {
        let mut all = page_of(&self.row_users, None, u32::MAX);
        all.retain(|user| names.contains(&user.name.as_str()));
        Ok(all)
    }

    async fn row_group_many(&self, names: &[&str]) -> Result<Vec<Named<GroupRows>>, PortError> {
        let mut all = page_of(&self.row_groups, None, u32::MAX);
        all.retain(|group| names.contains(&group.name.as_str()));
        Ok(all)
    }

    async fn policy_all(&self) -> Result<Vec<TenantPolicy>, PortError> {
        Ok(copy_of(&self.policies))
    }

    async fn plan_many(&self, ids: &[PlanId]) -> Result<Vec<Plan>, PortError> {
        let all = copy_of(&self.plans).into_iter();
        Ok(all.filter(|plan| ids.contains(&plan.id)).collect())
    }

    async fn subscriber_many(&self, ids: &[SubscriberId]) -> Result<Vec<Subscriber>, PortError> {
        let ids: HashSet<_> = ids.iter().collect();
        let all = self.subscribers.lock().expect("no test panics with it");
        let found = all.iter().filter(|subscriber| ids.contains(&subscriber.id));
        Ok(found.cloned().collect())
    }
}

impl GuardBoard for MemoryRegistry {
    async fn guard_exchange(
        &self,
        _shown: &[GuardKey],
        _locks: &[GuardLock],
    ) -> Result<Vec<GuardKey>, PortError> {
        Ok(Vec::new())
    }
}

impl SessionBoard for MemoryRegistry {
    async fn session_many(&self, keys: &[SessionKey]) -> Result<Vec<LiveSession>, PortError> {
        let mut all = copy_of(&self.sessions);
        all.retain(|live| keys.contains(&live.session.key));
        Ok(all)
    }

    async fn session_match(
        &self,
        wanted: &SessionMatch,
        limit: u32,
    ) -> Result<Vec<Session>, PortError> {
        let all = copy_of(&self.sessions).into_iter().map(|live| live.session);
        let names = wanted.usernames();
        let found = all.filter(|session| {
            let id = wanted.acct_session_id.as_ref();
            let is_named = names.is_empty() || names.contains(&session.username.as_str().into());
            is_named && id.is_none_or(|id| *id == session.place.acct_session_id)
        });
        Ok(found.take(limit as usize).collect())
    }

    async fn session_news_open(&self) -> Result<(), PortError> {
        Ok(())
    }

    async fn session_news(&self) -> Result<Vec<SessionNews>, PortError> {
        std::future::pending().await
    }

    fn has_session_readers(&self) -> bool {
        false
    }

    async fn announce(&self, news: &[SessionNews]) -> Result<(), PortError> {
        let mut told = self.news.lock().expect("no test panics with it");
        told.extend_from_slice(news);
        Ok(())
    }
}

impl CommandDesk for MemoryRegistry {
    async fn ask(&self, commands: &[NewCommand]) -> Result<usize, PortError> {
        let mut asked = self.asked.lock().expect("no test panics with it");
        asked.extend_from_slice(commands);
        Ok(commands.len())
    }
}

/// Binds in memory, as long as the plan has room.
impl DeviceStore for MemoryRegistry {
    async fn claim(
        &self,
        subscriber: SubscriberId,
        mac: Mac,
        _actor: &str,
    ) -> Result<Claim, PortError> {
        let plans = copy_of(&self.plans);
        let mut all = self.subscribers.lock().expect("no test panics with it");
        let Some(found) = all.iter_mut().find(|known| known.id == subscriber) else {
            return Ok(Claim::NoRoom);
        };
        let plan = plans.iter().find(|plan| plan.id == found.plan);
        let access = &plan.expect("the test has the plan").terms.access;
        let mut devices = found.bindings.devices.to_vec();
        if devices.contains(&mac) {
            return Ok(Claim::Bound);
        }
        if let Some((kind, limit)) = access.limit_of(mac)
            && usize::from(limit.as_devices()) <= access.count(kind, &devices)
        {
            return Ok(Claim::NoRoom);
        }
        devices.push(mac);
        found.bindings.devices = devices.into();
        Ok(Claim::Bound)
    }
}

fn copy_of<T: Clone>(list: &Mutex<Vec<T>>) -> Vec<T> {
    list.lock().expect("no test panics with it").clone()
}

fn page_of<T: Clone>(
    rows: &Mutex<BTreeMap<String, T>>,
    after: Option<&str>,
    limit: u32,
) -> Vec<Named<T>> {
    let all = rows.lock().expect("no test panics with it");
    let behind = all
        .iter()
        .filter(|(name, _)| after.is_none_or(|after| after < name.as_str()));
    let page = behind.take(limit as usize).map(|(name, rows)| Named {
        name: name.clone(),
        rows: rows.clone(),
    });
    page.collect()
}

pub(crate) fn nas(number: u8, source: &str, settings: NasSettings) -> Nas {
    Nas {
        id: NasId::new(NOW, [number; 10]),
        tenant: TenantId::DEFAULT,
        name: format!("nas-{number}").parse().expect("a valid name"),
        source: parse_source(source).expect("a valid source"),
        secret: Secret::new(SECRET),
        settings,
        groups: Vec::new(),
    }
}

pub(crate) fn plan_id(number: u8) -> PlanId {
    PlanId::new(NOW, [number; 10])
}

pub(crate) fn plan(number: u8, rate: &str, terms: PlanTerms) -> Plan {
    Plan {
        id: plan_id(number),
        tenant: TenantId::DEFAULT,
        name: format!("plan-{number}").parse().expect("a valid name"),
        terms: PlanTerms {
            rate: Some(rate.parse().expect("a valid rate")),
            ..terms
        },
    }
}

/// An active subscriber on the first plan whose password is [`PASSWORD`].
pub(crate) fn subscriber(number: u8, username: &str) -> Subscriber {
    Subscriber {
        id: SubscriberId::new(NOW, [number; 10]),
        tenant: TenantId::DEFAULT,
        username: username.parse().expect("a valid user name"),
        credential: Credential::Cleartext(Secret::from(PASSWORD)),
        plan: plan_id(1),
        status: SubscriberStatus::Active,
        expires_at: None,
        addresses: StaticAddresses::default(),
        sessions: SessionTerms::default(),
        bindings: Bindings::default(),
        changed: SubscriberInstants::default(),
        purchase: None,
    }
}

pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().expect("a valid address")
}
