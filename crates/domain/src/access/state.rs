//! The rule about how the account stands: active, in its grace, walled in, or shut out.

use super::{AccessProfile, RejectReason, Trace, TraceStep};
use crate::garden::Garden;
use crate::plan::Plan;
use crate::plan::access::AfterExpiry;
use crate::subscriber::state::AccessState;
use crate::subscriber::{Subscriber, SubscriberStatus};
use crate::time::Timestamp;

/// What follows from how an account stands that is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing<'a> {
    pub(super) seconds_left: Option<u32>,
    /// Nothing but this is granted.
    pub(super) garden: Option<&'a Garden>,
    /// The state that the subscriber is told about.
    pub(super) notice: Option<AccessState>,
}

/// Whether a garden may be needed to decide. Most logins need none, and none is looked up for them.
pub fn may_be_walled(subscriber: &Subscriber, plan: &Plan) -> bool {
    let ends_walled =
        subscriber.expires_at.is_some() && plan.terms.access.after_expiry == AfterExpiry::Walled;
    ends_walled || subscriber.status == SubscriberStatus::SuspendedWalled
}

pub(super) fn check<'a>(
    trace: &mut Trace,
    profile: &AccessProfile<'a>,
    now: Timestamp,
) -> Result<Standing<'a>, RejectReason> {
    let AccessProfile {
        subscriber, plan, ..
    } = profile;
    let access = &plan.terms.access;
    let grace = access.grace_days;
    let expires_at = subscriber.expires_at;
    let state = AccessState::at(subscriber.status, expires_at, grace, now);
    let open = |until: Option<Timestamp>, notice| Standing {
        seconds_left: until.map(|until| seconds_until(until, now)),
        garden: None,
        notice,
    };
    if let (SubscriberStatus::Active, Some(at)) = (subscriber.status, subscriber.starts_at())
        && 0 < at.seconds_since(now)
    {
        return Err(RejectReason::NotValidYet { at });
    }
    match (state, expires_at) {
        (AccessState::Active, None) => {
            trace.push(TraceStep::SubscriberActive);
            trace.push(TraceStep::NoExpiry);
            Ok(open(None, None))
        }
        (AccessState::Active, Some(at)) => {
            trace.push(TraceStep::SubscriberActive);
            trace.push(TraceStep::NotExpired);
            Ok(open(Some(grace.after(at)), None))
        }
        (AccessState::Grace, at) => {
            let until = grace.after(at.unwrap_or(now));
            trace.push(TraceStep::SubscriberActive);
            trace.push(TraceStep::InGrace { until });
            Ok(open(Some(until), Some(state)))
        }
        (AccessState::Expired, at) => match access.after_expiry {
            AfterExpiry::Walled => walled(trace, profile, state),
            AfterExpiry::Hard => Err(RejectReason::Expired {
                at: at.unwrap_or(now),
            }),
        },
        (AccessState::SuspendedWalled, _) => walled(trace, profile, state),
        (AccessState::SuspendedHard, _) => Err(RejectReason::Suspended),
        (AccessState::Pending, _) => Err(RejectReason::Pending),
        (AccessState::Disabled, _) => Err(RejectReason::Disabled),
    }
}

fn walled<'a>(
    trace: &mut Trace,
    profile: &AccessProfile<'a>,
    state: AccessState,
) -> Result<Standing<'a>, RejectReason> {
    // Without a fence it would be full access.
    let garden = profile.garden.ok_or(RejectReason::NoGarden { state })?;
    trace.push(TraceStep::Walled { state });
    Ok(Standing {
        seconds_left: None,
        garden: Some(garden),
        notice: Some(state),
    })
}

/// At least one: at zero the time is over.
fn seconds_until(until: Timestamp, now: Timestamp) -> u32 {
    u32::try_from(until.seconds_since(now).max(1)).unwrap_or(u32::MAX)
}
