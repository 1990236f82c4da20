//! The decision: may this subscriber be online now, and on what terms.
//!
//! [`decide`] is the only place that answers. It returns the terms or one typed reason, and the
//! trace of the rules it went through; whatever explains a decision prints that trace.

use std::net::Ipv4Addr;

use ipnet::Ipv6Net;

use crate::garden::Garden;
use crate::limit::{LimitUsage, VolumeLeft};
use crate::mac::Mac;
use crate::plan::{Plan, SessionLimit};
use crate::rate_limit::RateLimit;
use crate::subscriber::Subscriber;
use crate::subscriber::state::AccessState;
use crate::time::Timestamp;

mod binding;
mod limits;
mod reason;
mod request;
pub mod rows;
mod sessions;
mod state;
mod trace;

use state::Standing;

pub use binding::{Claim, RequestingDevice, RequestingNas};
pub use reason::RejectReason;
pub use request::{AccessRequest, Method, NasIdentifierCheck, Presence, Proof};
pub use state::may_be_walled;
pub use trace::{Trace, TraceStep};

/// Everything stored that bears on the decision.
#[derive(Clone, Copy, Debug)]
pub struct AccessProfile<'a> {
    pub subscriber: &'a Subscriber,
    pub plan: &'a Plan,
    /// What was used of the plan's limits; nothing when absent.
    pub usage: Option<&'a LimitUsage>,
    /// The plan that applies at the limit of `plan`, unless there is none or it is not known.
    pub plan_at_limit: Option<&'a Plan>,
    /// Where the subscriber belongs when nothing else is open; looked up when [`may_be_walled`].
    pub garden: Option<&'a Garden>,
}

impl AccessProfile<'_> {
    /// How many sessions may be open at once, if that is limited.
    pub fn session_limit(&self) -> Option<SessionLimit> {
        self.subscriber.sessions.limit_on(&self.plan.terms)
    }
}

/// What was decided, and by which rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    pub verdict: Verdict<'a>,
    pub trace: Trace,
    /// A device that must be bound before an acceptance may leave; then it is decided again.
    pub claim: Option<Mac>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    Accept(Grants<'a>),
    Reject(RejectReason),
}

/// The terms of an accepted session; an encoder per vendor turns them into attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grants<'a> {
    pub rate: Option<&'a RateLimit>,
    /// Never 0.
    pub session_timeout_seconds: Option<u32>,
    pub idle_timeout_seconds: Option<u32>,
    pub interim_seconds: u32,
    pub ipv4: Option<Ipv4Addr>,
    pub ipv6_prefix: Option<Ipv6Net>,
    pub ipv6_delegated: Option<Ipv6Net>,
    /// Absent when a static IPv4 address is granted.
    pub pool: Option<&'a str>,
    pub session_limit: Option<u16>,
    /// How many of the subscriber's other sessions have to end for this one, the oldest first.
    pub sessions_to_end: u32,
    pub volume_left: VolumeLeft,
    /// A quota is used up, and this is what applies then.
    pub is_at_limit: bool,
    /// The walled garden that all this is of.
    pub garden: Option<&'a Garden>,
    /// The state that the subscriber is told about.
    pub notice: Option<AccessState>,
}

impl<'a> Grants<'a> {
    /// The router's list that the subscriber's address goes into.
    pub fn address_list(&self) -> Option<&'a str> {
        let list = self.garden?.terms.address_list.as_ref();
        list.map(|list| list.as_str())
    }

    /// Where the browser is sent.
    pub fn redirect(&self) -> Option<&'a str> {
        let redirect = self.garden?.terms.redirect.as_ref();
        redirect.map(|redirect| redirect.as_str())
    }
}

/// Decides about one request. `profile` is absent when nobody of that name is known.
pub fn decide<'a>(
    profile: Option<AccessProfile<'a>>,
    request: AccessRequest<'_>,
    presence: Presence,
    now: Timestamp,
) -> Decision<'a> {
    let mut trace = Trace::new();
    let (verdict, claim) = match judge(&mut trace, profile, request, presence, now) {
        Ok((grants, claim)) => {
            trace.push(TraceStep::Granted);
            (Verdict::Accept(grants), claim)
        }
        Err(reason) => {
            trace.push(TraceStep::Refused(reason));
            (Verdict::Reject(reason), None)
        }
    };
    Decision {
        verdict,
        trace,
        claim,
    }
}

/// A refusal that needs no profile: the request could not even be looked up.
pub fn refuse(reason: RejectReason) -> Decision<'static> {
    let mut trace = Trace::new();
    trace.push(TraceStep::Refused(reason));
    Decision {
        verdict: Verdict::Reject(reason),
        trace,
        claim: None,
    }
}

fn judge<'a>(
    trace: &mut Trace,
    profile: Option<AccessProfile<'a>>,
    request: AccessRequest<'_>,
    presence: Presence,
    now: Timestamp,
) -> Result<(Grants<'a>, Option<Mac>), RejectReason> {
    let profile = profile.ok_or(RejectReason::UnknownUser)?;
    let AccessProfile {
        subscriber, plan, ..
    } = profile;
    trace.push(TraceStep::SubscriberFound);
    // The proof comes first: only who knows the password learns how the account stands.
    check_proof(trace, request.proof)?;
    let standing = state::check(trace, &profile, now)?;
    match request.nas_identifier {
        NasIdentifierCheck::NotRequired => {}
        NasIdentifierCheck::Matches => trace.push(TraceStep::NasIdentifierMatches),
        NasIdentifierCheck::Differs => return Err(RejectReason::NasIdentifierDiffers),
    }
    binding::check_nas(trace, subscriber, request.nas)?;
    // Claimed only when nothing below refuses: a device is not bound by a login that is refused.
    let claim = binding::check_device(trace, subscriber, &plan.terms.access, request.device)?;
    let place = sessions::check(trace, profile, presence)?;
    let granted = match standing.garden {
        // Nothing of the plan is granted in there, so nothing of its limits is used.
        Some(garden) => walled_grants(plan, garden, standing),
        None => {
            let applied = limits::check(trace, &profile, now)?;
            grants(trace, subscriber, &applied, standing)
        }
    };
    let grants = Grants {
        session_limit: place.limit,
        sessions_to_end: place.sessions_to_end,
        ..granted
    };
    Ok((grants, claim))
}

fn check_proof(trace: &mut Trace, proof: Proof) -> Result<(), RejectReason> {
    match proof {
        Proof::Verified { method } => {
            trace.push(TraceStep::PasswordVerified { method });
            Ok(())
        }
        Proof::Device { .. } => {
            trace.push(TraceStep::DeviceLogin);
            Ok(())
        }
        Proof::Mismatch { method } => Err(RejectReason::WrongPassword { method }),
        Proof::Unusable { method, stored } => {
            Err(RejectReason::MethodNeedsCleartext { method, stored })
        }
        Proof::Malformed { method } => Err(RejectReason::MalformedCredential { method }),
        Proof::Unsupported { method } => Err(RejectReason::UnsupportedMethod { method }),
        Proof::Missing | Proof::NotChecked { .. } => Err(RejectReason::NoCredential),
    }
}

fn grants<'a>(
    trace: &mut Trace,
    subscriber: &'a Subscriber,
    applied: &limits::Applied<'a>,
    standing: Standing<'a>,
) -> Grants<'a> {
    let terms = applied.terms;
    let seconds_left = standing.seconds_left;
    let plan_seconds = terms
        .session_timeout_seconds
        .map(|timeout| timeout.as_seconds());
    let ends = [plan_seconds, seconds_left, applied.seconds_left];
    let session_timeout_seconds = ends.into_iter().flatten().min();
    if let Some(seconds) = session_timeout_seconds {
        if seconds_left == Some(seconds) {
            trace.push(TraceStep::SessionTimeoutUntilExpiry { seconds });
        } else if applied.seconds_left == Some(seconds) {
            trace.push(TraceStep::SessionTimeoutByLimits { seconds });
        }
    }
    Grants {
        rate: applied.rate,
        session_timeout_seconds,
        idle_timeout_seconds: terms
            .idle_timeout_seconds
            .map(|timeout| timeout.as_seconds()),
        interim_seconds: terms.interim.as_seconds(),
        ipv4: subscriber.addresses.ipv4,
        ipv6_prefix: subscriber.addresses.ipv6_prefix,
        ipv6_delegated: subscriber.addresses.ipv6_delegated,
        pool: match subscriber.addresses.ipv4 {
            Some(_) => None,
            None => terms.pool.as_ref().map(|pool| pool.as_str()),
        },
        session_limit: None,
        sessions_to_end: 0,
        volume_left: applied.volume_left,
        is_at_limit: applied.is_at_limit,
        garden: None,
        notice: standing.notice,
    }
}

/// Only what the garden has: an address of their own would lead around its fence, and so would
/// IPv6, which lists of IPv4 addresses do not hold.
fn walled_grants<'a>(plan: &'a Plan, garden: &'a Garden, standing: Standing<'a>) -> Grants<'a> {
    let terms = &garden.terms;
    let pool = terms.pool.as_ref().or(plan.terms.pool.as_ref());
    Grants {
        rate: terms.rate.as_ref(),
        session_timeout_seconds: Some(terms.session_timeout_seconds.as_seconds()),
        idle_timeout_seconds: plan
            .terms
            .idle_timeout_seconds
            .map(|timeout| timeout.as_seconds()),
        interim_seconds: plan.terms.interim.as_seconds(),
        ipv4: None,
        ipv6_prefix: None,
        ipv6_delegated: None,
        pool: pool.map(|pool| pool.as_str()),
        session_limit: None,
        sessions_to_end: 0,
        volume_left: VolumeLeft::default(),
        is_at_limit: false,
        garden: Some(garden),
        notice: standing.notice,
    }
}

#[cfg(test)]
mod tests;
