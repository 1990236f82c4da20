//! Whom one user name can mean: a registry that holds nobody else.

use std::collections::{BTreeMap, BTreeSet};

use aaa::port::{Named, PortError, Registry};
use domain::id::{PlanId, SessionId, SubscriberId, TenantId};
use domain::mac::Mac;
use domain::name::Username;
use domain::nas::{MacAuthentication, Nas};
use domain::plan::Plan;
use domain::realm;
use domain::session::LiveSession;
use domain::subscriber::Subscriber;
use domain::tenant::TenantPolicy;
use rows::name::{stored_group, stored_name};
use rows::row::{GroupRows, Row, UserRows};
use storage::error::StoreError;
use storage::store::Store;

use crate::wiring::rows as wired;

/// The check or reply that names a user whose groups apply too.
const PROFILE: &str = "User-Profile";

/// A device that nobody has: of the range for documents (RFC 7042 §2.1.2).
const NEW_DEVICE: Mac = Mac::from_bytes([0x00, 0x00, 0x5e, 0x00, 0x53, 0x00]);

/// How often names that rows mention are followed; each profile is one more.
const FOLLOWED_MAX: usize = 8;

/// A small registry. Routers, plans and policies are whole.
#[derive(Debug, Default)]
pub(crate) struct Circle {
    pub(crate) nas: Vec<Nas>,
    pub(crate) plans: Vec<Plan>,
    pub(crate) policies: Vec<TenantPolicy>,
    /// Whoever has the name, or what is left of it without its realm, or the device of that address.
    pub(crate) subscribers: Vec<Subscriber>,
    pub(crate) row_users: BTreeMap<String, UserRows>,
    row_groups: BTreeMap<String, GroupRows>,
    sessions: Vec<LiveSession>,
}

impl Circle {
    /// Whom the name can mean, and with a tenant what that tenant has of it.
    pub(crate) async fn load(
        store: &Store,
        user_name: &str,
        tenant: Option<TenantId>,
    ) -> Result<Self, StoreError> {
        let mut circle = Self {
            nas: store.directory_nas_all().await?,
            plans: store.directory_plan_all().await?,
            policies: store.tenant_policy_all().await?,
            ..Self::default()
        };
        circle.load_subscribers(store, user_name).await?;
        if tenant.is_none_or(|tenant| tenant == TenantId::DEFAULT) {
            circle.load_rows(store, user_name).await?;
        }
        if let Some(tenant) = tenant {
            circle.keep(tenant);
        }
        circle.subscribers.sort_by_key(|subscriber| subscriber.id);
        circle.subscribers.dedup_by_key(|subscriber| subscriber.id);
        circle.load_sessions(store, user_name).await?;
        Ok(circle)
    }

    /// Nothing of another tenant is seen.
    fn keep(&mut self, tenant: TenantId) {
        self.nas.retain(|nas| nas.tenant == tenant);
        self.plans.retain(|plan| plan.tenant == tenant);
        self.policies.retain(|policy| policy.tenant == tenant);
        self.subscribers.retain(|one| one.tenant == tenant);
    }

    async fn load_subscribers(&mut self, store: &Store, user_name: &str) -> Result<(), StoreError> {
        let Ok(whole) = Username::from_wire(user_name.as_bytes()) else {
            return Ok(());
        };
        let mut names = vec![whole.to_string()];
        if let Some((user, _)) = realm::split(whole.as_str()) {
            names.push(user.to_owned());
        }
        self.subscribers = store.directory_subscribers_named(&names).await?;
        if let Some(mac) = Mac::from_wire(whole.as_str().as_bytes()) {
            let owners = store.directory_device_owners(mac).await?;
            self.subscribers.extend(owners);
        }
        Ok(())
    }

    /// The rows of the name, and of whatever they lead to.
    async fn load_rows(&mut self, store: &Store, user_name: &str) -> Result<(), StoreError> {
        let mut users = BTreeSet::from([stored_name(user_name.as_bytes()).into_owned()]);
        for _ in 0..FOLLOWED_MAX {
            let names: Vec<&str> = users.iter().map(String::as_str).collect();
            let found = store.row_users(&names).await?;
            let mut groups = BTreeSet::new();
            for found in found {
                let Named { name, rows } = wired::user(found);
                groups.extend(
                    rows.groups
                        .iter()
                        .map(|row| stored_group(&row.group).into_owned()),
                );
                self.row_users.insert(name, rows);
            }
            let names: Vec<&str> = groups.iter().map(String::as_str).collect();
            for found in store.row_groups(&names).await? {
                let Named { name, rows } = wired::group(found);
                self.row_groups.insert(name, rows);
            }
            let profiles = self.profiles();
            users = profiles
                .into_iter()
                .filter(|name| !self.row_users.contains_key(name))
                .collect();
            if users.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// The users that rows name as profiles.
    fn profiles(&self) -> BTreeSet<String> {
        let users = self.row_users.values();
        let groups = self.row_groups.values();
        let rows = users
            .flat_map(|user| user.check.iter().chain(&user.reply))
            .chain(groups.flat_map(|group| group.check.iter().chain(&group.reply)));
        let named = rows.filter(|row: &&Row| row.attribute.eq_ignore_ascii_case(PROFILE));
        named
            .map(|row| stored_name(row.value.as_bytes()).into_owned())
            .collect()
    }

    async fn load_sessions(&mut self, store: &Store, user_name: &str) -> Result<(), StoreError> {
        let mut names: BTreeSet<String> = self
            .subscribers
            .iter()
            .flat_map(|subscriber| self.names_of(subscriber))
            .collect();
        names.insert(user_name.to_ascii_lowercase());
        let names: Vec<String> = names.into_iter().collect();
        self.sessions = store.directory_sessions_named(&names).await?;
        let tenants: BTreeSet<_> = self.policies.iter().map(|policy| policy.tenant).collect();
        self.sessions
            .retain(|live| tenants.contains(&live.session.tenant));
        self.sessions.sort_by_key(|live| live.session.id);
        Ok(())
    }

    /// A device for a subscriber of whom nothing was heard: one that is bound, or else a new one.
    pub(crate) fn find_device(&self) -> Option<String> {
        let subscriber = self.subscribers.first()?;
        let bound = subscriber.bindings.devices.first().copied();
        Some(bound.unwrap_or(NEW_DEVICE).to_string())
    }

    /// The names under which a subscriber's logins and sessions are kept: as they are sent.
    pub(crate) fn names_of(&self, subscriber: &Subscriber) -> Vec<String> {
        let name = subscriber.username.as_str();
        let mut names = vec![name.to_owned()];
        let realms = self.policies.iter().flat_map(|policy| &policy.realms);
        for realm in realms.filter(|realm| realm.tenant == subscriber.tenant) {
            let realm = realm.name.as_str();
            names.push(format!("{name}@{realm}"));
            names.push(format!("{realm}/{name}"));
            names.push(format!("{realm}\\{name}"));
        }
        let is_asked = |nas: &Nas| nas.settings.mac_authentication == MacAuthentication::On;
        if self.nas.iter().any(is_asked) {
            let devices = subscriber.bindings.devices.iter();
            names.extend(devices.flat_map(notations));
        }
        names
    }
}

/// A MAC address as routers send it for a user name.
fn notations(mac: &Mac) -> Vec<String> {
    let digits = mac.to_string();
    [":", "-", ""]
        .map(|separator| {
            let bare: String = digits.chars().filter(char::is_ascii_hexdigit).collect();
            let pairs: Vec<&str> = (0..bare.len())
                .step_by(2)
                .map(|at| &bare[at..at + 2])
                .collect();
            pairs.join(separator)
        })
        .into()
}

impl Registry for Circle {
    async fn nas_all(&self) -> Result<Vec<Nas>, PortError> {
        Ok(self.nas.clone())
    }

    async fn plan_all(&self) -> Result<Vec<Plan>, PortError> {
        Ok(self.plans.clone())
    }

    async fn subscriber_page(
        &self,
        after: Option<SubscriberId>,
        _: u32,
    ) -> Result<Vec<Subscriber>, PortError> {
        Ok(after_page(after.is_some(), &self.subscribers))
    }

    async fn session_page(
        &self,
        after: Option<SessionId>,
        _: u32,
    ) -> Result<Vec<LiveSession>, PortError> {
        Ok(after_page(after.is_some(), &self.sessions))
    }

    async fn row_user_page(
        &self,
        after: Option<&str>,
        _: u32,
    ) -> Result<Vec<Named<UserRows>>, PortError> {
        Ok(after_page(after.is_some(), &named(&self.row_users)))
    }

    async fn row_group_page(
        &self,
        after: Option<&str>,
        _: u32,
    ) -> Result<Vec<Named<GroupRows>>, PortError> {
        Ok(after_page(after.is_some(), &named(&self.row_groups)))
    }

    async fn row_user_many(&self, names: &[&str]) -> Result<Vec<Named<UserRows>>, PortError> {
        let mut all = named(&self.row_users);
        all.retain(|user| names.contains(&user.name.as_str()));
        Ok(all)
    }

    async fn row_group_many(&self, names: &[&str]) -> Result<Vec<Named<GroupRows>>, PortError> {
        let mut all = named(&self.row_groups);
        all.retain(|group| names.contains(&group.name.as_str()));
        Ok(all)
    }

    async fn policy_all(&self) -> Result<Vec<TenantPolicy>, PortError> {
        Ok(self.policies.clone())
    }

    async fn plan_many(&self, ids: &[PlanId]) -> Result<Vec<Plan>, PortError> {
        let plans = self.plans.iter().filter(|plan| ids.contains(&plan.id));
        Ok(plans.cloned().collect())
    }

    async fn subscriber_many(&self, ids: &[SubscriberId]) -> Result<Vec<Subscriber>, PortError> {
        let all = self.subscribers.iter();
        Ok(all.filter(|one| ids.contains(&one.id)).cloned().collect())
    }
}

/// Everything is on the first page.
fn after_page<T: Clone>(is_after_first: bool, all: &[T]) -> Vec<T> {
    if is_after_first {
        return Vec::new();
    }
    all.to_vec()
}

fn named<Rows: Clone>(all: &BTreeMap<String, Rows>) -> Vec<Named<Rows>> {
    all.iter()
        .map(|(name, rows)| Named {
            name: name.clone(),
            rows: rows.clone(),
        })
        .collect()
}
