//! The rule about sessions at the same time.

use super::{AccessProfile, Presence, RejectReason, Trace, TraceStep};
use crate::session_policy::SessionPolicy;

/// How a login fits among the sessions that are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Place {
    /// How many sessions may be open at once.
    pub(super) limit: Option<u16>,
    /// How many of the others have to end for this one.
    pub(super) sessions_to_end: u32,
}

pub(super) fn check(
    trace: &mut Trace,
    profile: AccessProfile<'_>,
    presence: Presence,
) -> Result<Place, RejectReason> {
    let Some(limit) = profile.session_limit() else {
        trace.push(TraceStep::NoSessionLimit);
        return Ok(Place::default());
    };
    let limit = limit.as_sessions();
    let open = presence.other_sessions;
    let sessions_to_end = (open + 1).saturating_sub(limit.into());
    if 0 < sessions_to_end {
        let AccessProfile {
            subscriber, plan, ..
        } = profile;
        match subscriber.sessions.policy_on(&plan.terms) {
            SessionPolicy::RejectNew => return Err(RejectReason::SessionLimit { open, limit }),
            SessionPolicy::ReplaceOldest => {
                trace.push(TraceStep::ReplacesOldest { open, limit });
            }
        }
    } else {
        trace.push(TraceStep::WithinSessionLimit { open, limit });
    }
    Ok(Place {
        limit: Some(limit),
        sessions_to_end,
    })
}
