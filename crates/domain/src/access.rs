//! The decision: may this subscriber be online now, and on what terms.
//!
//! [`decide`] is the only place that answers. It returns the terms or one typed reason, and the
//! trace of the rules it went through; whatever explains a decision prints that trace.

use std::net::Ipv4Addr;

use ipnet::Ipv6Net;

use crate::limit::{LimitUsage, VolumeLeft};
use crate::plan::Plan;
use crate::rate_limit::RateLimit;
use crate::subscriber::{Subscriber, SubscriberStatus};
use crate::time::Timestamp;

mod limits;
mod reason;
mod request;
mod trace;

pub use reason::RejectReason;
pub use request::{AccessRequest, Method, NasIdentifierCheck, Presence, Proof};
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
}

/// What was decided, and by which rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    pub verdict: Verdict<'a>,
    pub trace: Trace,
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
    pub volume_left: VolumeLeft,
}

/// Decides about one request. `profile` is absent when nobody of that name is known.
pub fn decide<'a>(
    profile: Option<AccessProfile<'a>>,
    request: AccessRequest,
    presence: Presence,
    now: Timestamp,
) -> Decision<'a> {
    let mut trace = Trace::new();
    let verdict = match judge(&mut trace, profile, request, presence, now) {
        Ok(grants) => {
            trace.push(TraceStep::Granted);
            Verdict::Accept(grants)
        }
        Err(reason) => {
            trace.push(TraceStep::Refused(reason));
            Verdict::Reject(reason)
        }
    };
    Decision { verdict, trace }
}

/// A refusal that needs no profile: the request could not even be looked up.
pub fn refuse(reason: RejectReason) -> Decision<'static> {
    let mut trace = Trace::new();
    trace.push(TraceStep::Refused(reason));
    Decision {
        verdict: Verdict::Reject(reason),
        trace,
    }
}

fn judge<'a>(
    trace: &mut Trace,
    profile: Option<AccessProfile<'a>>,
    request: AccessRequest,
    presence: Presence,
    now: Timestamp,
) -> Result<Grants<'a>, RejectReason> {
    let profile = profile.ok_or(RejectReason::UnknownUser)?;
    let subscriber = profile.subscriber;
    trace.push(TraceStep::SubscriberFound);
    // The proof comes first: only who knows the password learns how the account stands.
    check_proof(trace, request.proof)?;
    match subscriber.status {
        SubscriberStatus::Active => trace.push(TraceStep::SubscriberActive),
        SubscriberStatus::Disabled => return Err(RejectReason::Disabled),
    }
    let seconds_left = check_expiry(trace, subscriber, now)?;
    match request.nas_identifier {
        NasIdentifierCheck::NotRequired => {}
        NasIdentifierCheck::Matches => trace.push(TraceStep::NasIdentifierMatches),
        NasIdentifierCheck::Differs => return Err(RejectReason::NasIdentifierDiffers),
    }
    check_session_limit(trace, profile.plan, presence)?;
    let applied = limits::check(trace, &profile, now)?;
    Ok(grants(trace, subscriber, &applied, seconds_left))
}

fn check_expiry(
    trace: &mut Trace,
    subscriber: &Subscriber,
    now: Timestamp,
) -> Result<Option<u32>, RejectReason> {
    let Some(at) = subscriber.expires_at else {
        trace.push(TraceStep::NoExpiry);
        return Ok(None);
    };
    let seconds_left = at.seconds_since(now);
    if seconds_left <= 0 {
        return Err(RejectReason::Expired { at });
    }
    trace.push(TraceStep::NotExpired);
    Ok(Some(u32::try_from(seconds_left).unwrap_or(u32::MAX)))
}

fn check_proof(trace: &mut Trace, proof: Proof) -> Result<(), RejectReason> {
    match proof {
        Proof::Verified { method } => {
            trace.push(TraceStep::PasswordVerified { method });
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

fn check_session_limit(
    trace: &mut Trace,
    plan: &Plan,
    presence: Presence,
) -> Result<(), RejectReason> {
    let Some(limit) = plan.terms.session_limit else {
        trace.push(TraceStep::NoSessionLimit);
        return Ok(());
    };
    let limit = limit.as_sessions();
    let open = presence.other_sessions;
    if u32::from(limit) <= open {
        return Err(RejectReason::SessionLimit { open, limit });
    }
    trace.push(TraceStep::WithinSessionLimit { open, limit });
    Ok(())
}

fn grants<'a>(
    trace: &mut Trace,
    subscriber: &'a Subscriber,
    applied: &limits::Applied<'a>,
    seconds_left: Option<u32>,
) -> Grants<'a> {
    let terms = applied.terms;
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
        session_limit: terms.session_limit.map(|limit| limit.as_sessions()),
        volume_left: applied.volume_left,
    }
}

#[cfg(test)]
mod tests;
