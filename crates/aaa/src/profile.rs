//! What is stored and bears on the decision about a subscriber, gathered for a login, and for a
//! session that is open.

use std::sync::Arc;

use arc_swap::Guard;
use domain::access::{AccessProfile, Grants, may_be_walled};
use domain::limit::{LimitUsage, Limits};
use domain::nas::Vendor;
use domain::terms::{Basis, TermsMark};

use crate::directory::{Directory, KnownPlan, SubscriberEntry};
use crate::policy_table::PolicyTable;

/// Everything of one moment about a subscriber.
pub(crate) struct Gathered<'e> {
    entry: &'e SubscriberEntry,
    plan: Guard<Option<Arc<KnownPlan>>>,
    plan_at_limit: Option<Arc<KnownPlan>>,
    usage: Option<LimitUsage>,
    policies: Option<Guard<Arc<PolicyTable>>>,
}

impl<'e> Gathered<'e> {
    /// `None` while the plan is not known. `usage` is asked for what was used of the plan's limits.
    pub(crate) fn of(
        directory: &Directory,
        entry: &'e SubscriberEntry,
        usage: impl FnOnce(&Limits) -> LimitUsage,
    ) -> Option<Self> {
        let plan = entry.plan.load();
        let known = plan.as_deref()?;
        let limits = known.terms.limits.as_deref();
        let other = limits.and_then(|limits| limits.at_limit.plan());
        Some(Self {
            entry,
            plan_at_limit: other.and_then(|other| directory.find_plan(other)),
            usage: limits.map(usage),
            policies: may_be_walled(&entry.subscriber, known).then(|| directory.policies()),
            plan,
        })
    }

    pub(crate) fn plan(&self) -> &KnownPlan {
        let plan = self.plan.as_deref();
        plan.expect("it was there when this was made")
    }

    pub(crate) fn profile(&self) -> AccessProfile<'_> {
        let (subscriber, plan) = (&self.entry.subscriber, self.plan());
        AccessProfile {
            subscriber,
            plan,
            usage: self.usage.as_ref(),
            plan_at_limit: self.plan_at_limit.as_deref().map(|plan| &**plan),
            garden: self.policies.as_ref().and_then(|policies| {
                let of_plan = plan.terms.access.garden;
                policies.find_garden(subscriber.tenant, of_plan)
            }),
        }
    }

    /// What the grants of a decision by this profile are known by, at a router of this vendor.
    pub(crate) fn mark(&self, grants: &Grants<'_>, vendor: Vendor) -> TermsMark {
        let plan = self.plan();
        let grace = plan.terms.access.grace_days;
        let basis = Basis {
            plan: &plan.mark,
            plan_at_limit: self.plan_at_limit.as_deref().map(|plan| &plan.mark),
            until: self.entry.subscriber.expires_at.map(|at| grace.after(at)),
        };
        TermsMark::of(grants, &basis, vendor)
    }
}
