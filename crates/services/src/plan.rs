//! Changes of plans: whom one touches, and making one later.

use domain::id::TenantId;
use domain::name::Name;
use domain::nas::Vendor;
use domain::plan::PlanTerms;
use domain::terms::{Effect, Standing, preview};
use domain::time::Timestamp;
use storage::error::StoreError;
use storage::plan::PlanSummary;
use storage::plan::schedule::{NewPlanChange, PlanChange};
use storage::store::Store;

/// How far ahead a change may be scheduled.
const AHEAD_SECONDS_MAX: i64 = 5 * 366 * 86_400;

/// Whom a change of a plan touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanImpact {
    pub subscribers: u64,
    /// Plans at whose limit the plan applies, by name.
    pub at_limit_of: Vec<String>,
    /// What becomes of the sessions that are open now.
    pub sessions: Vec<SessionImpact>,
}

/// What becomes of the open sessions at the routers of one vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionImpact {
    /// Absent for routers that are not registered any more.
    pub vendor: Option<Vendor>,
    pub sessions: u64,
    /// Of those who are within their limits.
    pub effect: Effect,
    /// Of those whose quota is used up.
    pub effect_at_limit: Effect,
}

/// Why a change cannot be made later.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    #[error("{at} is not in the future: change the plan now instead")]
    Past { at: Timestamp },
    #[error("{at} is more than five years ahead")]
    Far { at: Timestamp },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whom it touches when a plan becomes what `after` says.
pub async fn impact(
    store: &Store,
    tenant: TenantId,
    before: &PlanSummary,
    after: &PlanTerms,
) -> Result<PlanImpact, StoreError> {
    let reach = store.plan_reach(tenant, before.id).await?;
    let sessions = reach.sessions.into_iter().map(|(vendor, sessions)| {
        let effect = |standing| {
            // A router that is gone is asked nothing.
            vendor.map_or(Effect::Nothing, |vendor| {
                preview(&before.terms, after, vendor, standing)
            })
        };
        SessionImpact {
            vendor,
            sessions,
            effect: effect(Standing::WithinLimits),
            effect_at_limit: effect(Standing::Throttled),
        }
    });
    Ok(PlanImpact {
        subscribers: reach.subscribers,
        at_limit_of: reach.at_limit_of,
        sessions: sessions.collect(),
    })
}

/// Keeps a change until its time comes. It is rehearsed, so that what cannot be done now is told now.
pub async fn schedule(
    store: &Store,
    (tenant, name): (TenantId, &Name),
    new: NewPlanChange,
    now: Timestamp,
) -> Result<PlanChange, ScheduleError> {
    let at = new.due_at;
    if at <= now {
        return Err(ScheduleError::Past { at });
    }
    if now.plus_seconds(AHEAD_SECONDS_MAX) < at {
        return Err(ScheduleError::Far { at });
    }
    let rehearsal = store.rehearsal();
    rehearsal
        .plan_update(tenant, name, new.patch.clone())
        .await?;
    Ok(store.plan_change_insert(tenant, name, new).await?)
}
