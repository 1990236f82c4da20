//! What tenants have set for all their subscribers, in memory: replaced whole when it changes.

use domain::garden::Garden;
use domain::id::{GardenId, TenantId};
use domain::limit::Zone;
use domain::message::default_template;
use domain::realm::Realm;
use domain::subscriber::state::AccessState;
use domain::tenant::TenantPolicy;

/// The policies of all tenants. There are few, and only logins that are not ordinary look here.
#[derive(Debug, Default)]
pub struct PolicyTable(Vec<TenantPolicy>);

impl PolicyTable {
    pub const fn new(policies: Vec<TenantPolicy>) -> Self {
        Self(policies)
    }

    /// The garden that a plan names, or else that of the tenant.
    pub fn find_garden(&self, tenant: TenantId, of_plan: Option<GardenId>) -> Option<&Garden> {
        self.find(tenant)?.find_garden(of_plan)
    }

    /// The time zone that a tenant keeps.
    pub fn time_zone(&self, tenant: TenantId) -> Zone {
        let policy = self.find(tenant);
        policy
            .map(|policy| policy.time_zone.clone())
            .unwrap_or_default()
    }

    /// What subscribers in a state are told.
    pub fn template(&self, tenant: TenantId, state: AccessState) -> &str {
        self.find(tenant)
            .map_or_else(|| default_template(state), |policy| policy.template(state))
    }

    /// The realm of this name, whoever's it is.
    pub fn find_realm(&self, name: &str) -> Option<&Realm> {
        let mut realms = self.0.iter().flat_map(|policy| &policy.realms);
        realms.find(|realm| realm.name.as_str() == name)
    }

    /// Whether a tenant has realms at all: without them a name is a name.
    pub fn has_realms(&self, tenant: TenantId) -> bool {
        self.find(tenant)
            .is_some_and(|policy| !policy.realms.is_empty())
    }

    pub fn iter(&self) -> impl Iterator<Item = &TenantPolicy> {
        self.0.iter()
    }

    fn find(&self, tenant: TenantId) -> Option<&TenantPolicy> {
        self.0.iter().find(|policy| policy.tenant == tenant)
    }
}
