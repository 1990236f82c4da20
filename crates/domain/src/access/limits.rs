//! The limits of the plan: what they leave, and whose terms apply at a limit.

use super::{AccessProfile, RejectReason, Trace, TraceStep};
use crate::limit::{self, AtLimit, Crossing, LimitUsage, Limits, Refusal, Standing, VolumeLeft};
use crate::plan::PlanTerms;
use crate::rate_limit::RateLimit;
use crate::time::Timestamp;
use crate::usage::UsageAmount;

/// The terms that apply, and what is left of them.
pub(super) struct Applied<'a> {
    pub(super) terms: &'a PlanTerms,
    pub(super) rate: Option<&'a RateLimit>,
    pub(super) seconds_left: Option<u32>,
    pub(super) volume_left: VolumeLeft,
    /// These are the terms of a quota that is used up.
    pub(super) is_at_limit: bool,
}

pub(super) fn check<'a>(
    trace: &mut Trace,
    profile: &AccessProfile<'a>,
    now: Timestamp,
) -> Result<Applied<'a>, RejectReason> {
    let terms = &profile.plan.terms;
    let unlimited = Applied {
        terms,
        rate: terms.rate.as_ref(),
        seconds_left: None,
        volume_left: VolumeLeft::default(),
        is_at_limit: false,
    };
    let Some(limits) = terms.limits.as_deref() else {
        return Ok(unlimited);
    };
    let none = LimitUsage::default();
    let standing = Standing {
        usage: profile.usage.unwrap_or(&none),
        purchased_at: profile.subscriber.id.made_at(),
        session: UsageAmount::default(),
    };
    let allowance = limit::evaluate(limits, &standing, now)?;
    if let Some(until) = allowance.valid_until {
        trace.push(TraceStep::StillValid { until });
    }
    if let Some(seconds) = allowance.window_seconds {
        trace.push(TraceStep::HoursOpen { seconds });
    }
    let left = Applied {
        seconds_left: allowance.seconds_left,
        volume_left: allowance.volume_left,
        ..unlimited
    };
    match allowance.crossing {
        None => {
            if !limits.quotas.is_empty() {
                trace.push(TraceStep::WithinQuotas);
            }
            Ok(left)
        }
        Some(crossing) => apply_at_limit(trace, profile, limits, crossing, left),
    }
}

fn apply_at_limit<'a>(
    trace: &mut Trace,
    profile: &AccessProfile<'a>,
    limits: &'a Limits,
    crossing: Crossing,
    left: Applied<'a>,
) -> Result<Applied<'a>, RejectReason> {
    let Crossing {
        measure,
        period,
        resets_at,
        amount: _,
    } = crossing;
    match &limits.at_limit {
        AtLimit::Block => Err(RejectReason::QuotaUsedUp(crossing)),
        AtLimit::Throttle(rate) => {
            trace.push(TraceStep::Throttled {
                measure,
                period,
                resets_at,
            });
            Ok(Applied {
                rate: Some(rate),
                is_at_limit: true,
                ..left
            })
        }
        AtLimit::Plan(_) => {
            let terms = &profile
                .plan_at_limit
                .ok_or(RejectReason::PlanMissing)?
                .terms;
            trace.push(TraceStep::MovedToPlan {
                measure,
                period,
                resets_at,
            });
            Ok(Applied {
                terms,
                rate: terms.rate.as_ref(),
                is_at_limit: true,
                ..left
            })
        }
    }
}

impl From<Refusal> for RejectReason {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::QuotaUsedUp(crossing) => Self::QuotaUsedUp(crossing),
            Refusal::OutsideHours { opens_at } => Self::OutsideHours { opens_at },
            Refusal::NoLongerValid { ended_at } => Self::NoLongerValid { ended_at },
        }
    }
}
