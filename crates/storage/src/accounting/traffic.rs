//! What routers, plans and tenants moved, by the hour, beside what users did.

use std::collections::{BTreeMap, HashMap};

use domain::accounting::SessionRecord;
use domain::id::{PlanId, SubscriberId, TenantId};
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use uuid::Uuid;

/// Whose traffic is added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum TrafficSubject {
    Nas,
    Plan,
    Tenant,
}

/// Of one tenant, what moved something, and in which hour.
type TrafficKey = (TenantId, TrafficSubject, Uuid, Timestamp);

/// Sums of hours, in the order of their primary key, so that writers take their locks in the same
/// order.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    sums: BTreeMap<TrafficKey, UsageAmount>,
    /// Of sessions whose plan nobody has looked up yet.
    unplanned: BTreeMap<(SubscriberId, TenantId, Timestamp), UsageAmount>,
}

impl TrafficSubject {
    /// As it is stored; in the order of these texts.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Nas => "nas",
            Self::Plan => "plan",
            Self::Tenant => "tenant",
        }
    }
}

impl Traffic {
    /// Adds what a record says.
    pub(super) fn add(
        &mut self,
        record: &SessionRecord,
        plan: Option<PlanId>,
        amount: UsageAmount,
    ) {
        let (tenant, hour) = (record.tenant, record.at.hour_start());
        self.sum(
            tenant,
            TrafficSubject::Tenant,
            tenant.as_uuid(),
            hour,
            amount,
        );
        self.sum(
            tenant,
            TrafficSubject::Nas,
            record.nas.as_uuid(),
            hour,
            amount,
        );
        match (plan, record.subscriber) {
            (Some(plan), _) => self.sum(tenant, TrafficSubject::Plan, plan.as_uuid(), hour, amount),
            (None, Some(subscriber)) => {
                let sum = self.unplanned.entry((subscriber, tenant, hour));
                let sum = sum.or_default();
                *sum = sum.plus(amount);
            }
            (None, None) => {}
        }
    }

    /// The subscribers whose plans are wanted.
    pub(super) fn unplanned(&self) -> Vec<SubscriberId> {
        let mut ids: Vec<_> = self.unplanned.keys().map(|(id, ..)| *id).collect();
        ids.dedup();
        ids
    }

    /// Takes the plans that were found. A subscriber who is gone has none.
    pub(super) fn take_plans(&mut self, plans: &HashMap<Uuid, Uuid>) {
        for ((subscriber, tenant, hour), amount) in std::mem::take(&mut self.unplanned) {
            if let Some(plan) = plans.get(&subscriber.as_uuid()) {
                self.sum(tenant, TrafficSubject::Plan, *plan, hour, amount);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&TrafficKey, &UsageAmount)> {
        self.sums.iter()
    }

    fn sum(
        &mut self,
        tenant: TenantId,
        subject: TrafficSubject,
        object: Uuid,
        hour: Timestamp,
        amount: UsageAmount,
    ) {
        let sum = self.sums.entry((tenant, subject, object, hour));
        let sum = sum.or_default();
        *sum = sum.plus(amount);
    }
}
