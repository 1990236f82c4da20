//! Values that the tests store.

use domain::credential::Credential;
use domain::id::{PlanId, TenantId};
use domain::name::{Name, Username};
use domain::nas::{NasSettings, parse_source};
use domain::plan::PlanTerms;
use domain::secret::Secret;
use domain::session_policy::SessionTerms;
use domain::subscriber::{StaticAddresses, SubscriberStatus};
use storage::listing::{ListCondition, ListQuery};
use storage::nas::NewNas;
use storage::plan::NewPlan;
use storage::store::Store;
use storage::subscriber::NewSubscriber;

pub(crate) const TENANT: TenantId = TenantId::DEFAULT;

pub(crate) fn name(raw: &str) -> Name {
    raw.parse().unwrap()
}

pub(crate) fn username(raw: &str) -> Username {
    raw.parse().unwrap()
}

pub(crate) fn new_nas(raw_name: &str, source: &str) -> NewNas {
    NewNas {
        tenant: TENANT,
        name: name(raw_name),
        source: parse_source(source).unwrap(),
        secret: Secret::from("nas-secret"),
        settings: NasSettings::default(),
    }
}

pub(crate) fn new_plan(raw_name: &str) -> NewPlan {
    NewPlan {
        tenant: TENANT,
        name: name(raw_name),
        terms: PlanTerms {
            rate: Some("25M/50M".parse().unwrap()),
            ..PlanTerms::default()
        },
    }
}

pub(crate) fn new_subscriber(raw_name: &str, plan: PlanId) -> NewSubscriber {
    NewSubscriber {
        tenant: TENANT,
        username: username(raw_name),
        credential: Credential::Cleartext(Secret::from("correct horse")),
        plan,
        status: SubscriberStatus::Active,
        starts_at: None,
        expires_at: None,
        addresses: StaticAddresses::default(),
        sessions: SessionTerms::default(),
        customer: None,
    }
}

/// A plan to put subscribers on.
pub(crate) async fn any_plan(store: &Store) -> PlanId {
    store.plan_insert(new_plan("Home 50")).await.unwrap().id
}

/// What has these values, in the order that goes with them.
pub(crate) fn having(conditions: &[(&str, &str)]) -> ListQuery {
    let equal = |(field, value): &(&str, &str)| ListCondition::equal(field, *value);
    ListQuery {
        conditions: conditions.iter().map(equal).collect(),
        ..ListQuery::first(100)
    }
}
