//! The decision: may this subscriber be online now, and on what terms.
//!
//! [`decide`] is the only place that answers. It returns the terms or one typed reason, and the
//! trace of the rules it went through; whatever explains a decision prints that trace.

use std::fmt;
use std::net::Ipv4Addr;

use arrayvec::ArrayVec;
use ipnet::Ipv6Net;

use crate::credential::HashScheme;
use crate::plan::Plan;
use crate::rate_limit::RateLimit;
use crate::subscriber::{Subscriber, SubscriberStatus};
use crate::time::Timestamp;

/// Everything stored that bears on the decision.
#[derive(Clone, Copy, Debug)]
pub struct AccessProfile<'a> {
    pub subscriber: &'a Subscriber,
    pub plan: &'a Plan,
}

/// What the request says and how its proof came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessRequest {
    pub proof: Proof,
    pub nas_identifier: NasIdentifierCheck,
}

/// How a user tried to prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    Pap,
    Chap,
    MsChapV1,
    MsChapV2,
    Eap,
    None,
}

impl Method {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pap => "pap",
            Self::Chap => "chap",
            Self::MsChapV1 => "mschapv1",
            Self::MsChapV2 => "mschapv2",
            Self::Eap => "eap",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// The outcome of checking the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    Verified {
        method: Method,
    },
    Mismatch {
        method: Method,
    },
    /// The stored hash cannot answer this method.
    Unusable {
        method: Method,
        stored: HashScheme,
    },
    /// The attributes of this method have the wrong size or are absent.
    Malformed {
        method: Method,
    },
    /// The method is one that this server does not speak.
    Unsupported {
        method: Method,
    },
    /// The request has no credential at all.
    Missing,
    /// Nothing was checked, because no subscriber was found to check against.
    NotChecked {
        method: Method,
    },
}

/// Whether NAS-Identifier agrees with the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NasIdentifierCheck {
    NotRequired,
    Matches,
    Differs,
}

/// What the subscriber has open, not counting a session of the same device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Presence {
    pub other_sessions: u32,
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
}

/// Why access was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectReason {
    UnknownUser,
    MalformedUserName,
    Disabled,
    Expired { at: Timestamp },
    WrongPassword { method: Method },
    MethodNeedsCleartext { method: Method, stored: HashScheme },
    MalformedCredential { method: Method },
    UnsupportedMethod { method: Method },
    NoCredential,
    NasIdentifierDiffers,
    SessionLimit { open: u32, limit: u16 },
    PlanMissing,
}

impl RejectReason {
    /// A stable name for logs, metrics and scripts.
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::MalformedUserName => "malformed_user_name",
            Self::Disabled => "disabled",
            Self::Expired { .. } => "expired",
            Self::WrongPassword { .. } => "wrong_password",
            Self::MethodNeedsCleartext { .. } => "method_needs_cleartext",
            Self::MalformedCredential { .. } => "malformed_credential",
            Self::UnsupportedMethod { .. } => "unsupported_method",
            Self::NoCredential => "no_credential",
            Self::NasIdentifierDiffers => "nas_identifier_differs",
            Self::SessionLimit { .. } => "session_limit",
            Self::PlanMissing => "plan_missing",
        }
    }

    /// What the subscriber may be told in Reply-Message: nothing that helps to guess.
    pub const fn reply_message(self) -> &'static str {
        match self {
            Self::Disabled => "Your account is disabled",
            Self::Expired { .. } => "Your account has expired",
            Self::SessionLimit { .. } => "You are already logged in",
            Self::UnknownUser
            | Self::MalformedUserName
            | Self::WrongPassword { .. }
            | Self::MethodNeedsCleartext { .. }
            | Self::MalformedCredential { .. }
            | Self::UnsupportedMethod { .. }
            | Self::NoCredential
            | Self::NasIdentifierDiffers
            | Self::PlanMissing => "Access denied",
        }
    }
}

/// The sentence an operator reads.
impl fmt::Display for RejectReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownUser => formatter.write_str("there is no subscriber of this name"),
            Self::MalformedUserName => {
                formatter.write_str("the user name is empty, too long or not printable ASCII")
            }
            Self::Disabled => formatter.write_str("the subscriber is disabled"),
            Self::Expired { at } => write!(formatter, "the subscriber expired at {at}"),
            Self::WrongPassword { method } => write!(formatter, "the {method} password is wrong"),
            Self::MethodNeedsCleartext { method, stored } => write!(
                formatter,
                "{method} needs the password itself, but only its {stored} hash is stored"
            ),
            Self::MalformedCredential { method } => {
                write!(formatter, "the {method} attributes are malformed")
            }
            Self::UnsupportedMethod { method } => {
                write!(formatter, "{method} is not spoken by this server")
            }
            Self::NoCredential => formatter.write_str("the request carries no password"),
            Self::NasIdentifierDiffers => {
                formatter.write_str("NAS-Identifier is not the one registered for this NAS")
            }
            Self::SessionLimit { open, limit } => {
                write!(
                    formatter,
                    "{open} other sessions are open and the plan allows {limit}"
                )
            }
            Self::PlanMissing => formatter.write_str("the subscriber's plan is not known here yet"),
        }
    }
}

/// The rules that a decision went through, in order.
pub type Trace = ArrayVec<TraceStep, { TraceStep::STEPS_MAX }>;

/// One rule and how it came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceStep {
    SubscriberFound,
    SubscriberActive,
    NotExpired,
    NoExpiry,
    PasswordVerified { method: Method },
    NasIdentifierMatches,
    WithinSessionLimit { open: u32, limit: u16 },
    NoSessionLimit,
    SessionTimeoutUntilExpiry { seconds: u32 },
    Granted,
    Refused(RejectReason),
}

impl TraceStep {
    pub const STEPS_MAX: usize = 12;
}

impl fmt::Display for TraceStep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SubscriberFound => formatter.write_str("the subscriber exists"),
            Self::SubscriberActive => formatter.write_str("the subscriber is active"),
            Self::NotExpired => formatter.write_str("the expiry is in the future"),
            Self::NoExpiry => formatter.write_str("no expiry is set"),
            Self::PasswordVerified { method } => {
                write!(formatter, "the {method} password is right")
            }
            Self::NasIdentifierMatches => formatter.write_str("NAS-Identifier matches"),
            Self::WithinSessionLimit { open, limit } => {
                write!(
                    formatter,
                    "{open} other sessions are open, {limit} are allowed"
                )
            }
            Self::NoSessionLimit => formatter.write_str("the plan has no session limit"),
            Self::SessionTimeoutUntilExpiry { seconds } => {
                write!(
                    formatter,
                    "the session ends with the subscriber's expiry in {seconds} s"
                )
            }
            Self::Granted => formatter.write_str("granted"),
            Self::Refused(reason) => write!(formatter, "refused: {reason}"),
        }
    }
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
    let AccessProfile { subscriber, plan } = profile.ok_or(RejectReason::UnknownUser)?;
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
    check_session_limit(trace, plan, presence)?;
    Ok(grants(trace, subscriber, plan, seconds_left))
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
    plan: &'a Plan,
    seconds_left: Option<u32>,
) -> Grants<'a> {
    let terms = &plan.terms;
    let plan_seconds = terms
        .session_timeout_seconds
        .map(|timeout| timeout.as_seconds());
    let session_timeout_seconds = match (plan_seconds, seconds_left) {
        (Some(plan_seconds), Some(left)) => Some(plan_seconds.min(left)),
        (plan_seconds, left) => plan_seconds.or(left),
    };
    if let Some(seconds) = seconds_left
        && session_timeout_seconds == seconds_left
    {
        trace.push(TraceStep::SessionTimeoutUntilExpiry { seconds });
    }
    Grants {
        rate: terms.rate.as_ref(),
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Credential;
    use crate::id::{PlanId, SubscriberId, TenantId};
    use crate::plan::{PlanTerms, SessionLimit, TimeoutSeconds};
    use crate::secret::Secret;
    use crate::subscriber::StaticAddresses;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const VERIFIED: AccessRequest = AccessRequest {
        proof: Proof::Verified {
            method: Method::Pap,
        },
        nas_identifier: NasIdentifierCheck::NotRequired,
    };

    fn subscriber() -> Subscriber {
        Subscriber {
            id: SubscriberId::new(NOW, [1; 10]),
            tenant: TenantId::DEFAULT,
            username: "ana".parse().expect("a valid name"),
            credential: Credential::Cleartext(Secret::from("pw")),
            plan: PlanId::new(NOW, [2; 10]),
            status: SubscriberStatus::Active,
            expires_at: None,
            addresses: StaticAddresses::default(),
        }
    }

    fn plan(terms: PlanTerms) -> Plan {
        Plan {
            id: PlanId::new(NOW, [2; 10]),
            tenant: TenantId::DEFAULT,
            name: "Home".parse().expect("a valid name"),
            terms,
        }
    }

    #[track_caller]
    fn check(
        subscriber: &Subscriber,
        terms: PlanTerms,
        request: AccessRequest,
        presence: Presence,
        expected: Result<Option<u32>, RejectReason>,
    ) {
        let plan = plan(terms);
        let profile = AccessProfile {
            subscriber,
            plan: &plan,
        };
        let decision = decide(Some(profile), request, presence, NOW);
        let actual = match decision.verdict {
            Verdict::Accept(grants) => Ok(grants.session_timeout_seconds),
            Verdict::Reject(reason) => Err(reason),
        };
        assert_eq!(actual, expected);
        let last = decision.trace.last().copied();
        match expected {
            Ok(_) => assert_eq!(last, Some(TraceStep::Granted)),
            Err(reason) => assert_eq!(last, Some(TraceStep::Refused(reason))),
        }
    }

    #[test]
    fn unknown_user_is_refused() {
        let decision = decide(None, VERIFIED, Presence::default(), NOW);
        assert_eq!(decision.verdict, Verdict::Reject(RejectReason::UnknownUser));
    }

    #[test]
    fn active_subscriber_with_the_right_password_is_accepted() {
        check(
            &subscriber(),
            PlanTerms::default(),
            VERIFIED,
            Presence::default(),
            Ok(None),
        );
    }

    #[test]
    fn disabled_subscriber_is_refused() {
        let subscriber = Subscriber {
            status: SubscriberStatus::Disabled,
            ..subscriber()
        };
        check(
            &subscriber,
            PlanTerms::default(),
            VERIFIED,
            Presence::default(),
            Err(RejectReason::Disabled),
        );
    }

    #[test]
    fn who_does_not_know_the_password_does_not_learn_the_state() {
        let wrong = Proof::Mismatch {
            method: Method::Pap,
        };
        let subscriber = Subscriber {
            status: SubscriberStatus::Disabled,
            ..subscriber()
        };
        check(
            &subscriber,
            PlanTerms::default(),
            AccessRequest {
                proof: wrong,
                ..VERIFIED
            },
            Presence::default(),
            Err(RejectReason::WrongPassword {
                method: Method::Pap,
            }),
        );
    }

    #[test]
    fn every_failed_proof_has_its_reason() {
        let rows = [
            (
                Proof::Mismatch {
                    method: Method::Chap,
                },
                RejectReason::WrongPassword {
                    method: Method::Chap,
                },
            ),
            (
                Proof::Unusable {
                    method: Method::Chap,
                    stored: HashScheme::Bcrypt,
                },
                RejectReason::MethodNeedsCleartext {
                    method: Method::Chap,
                    stored: HashScheme::Bcrypt,
                },
            ),
            (
                Proof::Malformed {
                    method: Method::MsChapV2,
                },
                RejectReason::MalformedCredential {
                    method: Method::MsChapV2,
                },
            ),
            (
                Proof::Unsupported {
                    method: Method::Eap,
                },
                RejectReason::UnsupportedMethod {
                    method: Method::Eap,
                },
            ),
            (Proof::Missing, RejectReason::NoCredential),
        ];
        for (proof, reason) in rows {
            let request = AccessRequest { proof, ..VERIFIED };
            check(
                &subscriber(),
                PlanTerms::default(),
                request,
                Presence::default(),
                Err(reason),
            );
        }
    }

    #[test]
    fn another_nas_identifier_is_refused() {
        let request = AccessRequest {
            nas_identifier: NasIdentifierCheck::Differs,
            ..VERIFIED
        };
        check(
            &subscriber(),
            PlanTerms::default(),
            request,
            Presence::default(),
            Err(RejectReason::NasIdentifierDiffers),
        );
    }

    #[test]
    fn expiry_ends_access_and_bounds_the_session() {
        let hour = TimeoutSeconds::new(3_600).expect("in range");
        let terms = PlanTerms {
            session_timeout_seconds: Some(hour),
            ..PlanTerms::default()
        };
        let rows = [
            (NOW, Err(RejectReason::Expired { at: NOW })),
            (NOW.plus_seconds(1), Ok(Some(1))),
            (NOW.plus_seconds(7_200), Ok(Some(3_600))),
        ];
        for (expires_at, expected) in rows {
            let subscriber = Subscriber {
                expires_at: Some(expires_at),
                ..subscriber()
            };
            check(
                &subscriber,
                terms.clone(),
                VERIFIED,
                Presence::default(),
                expected,
            );
        }
        let far = Subscriber {
            expires_at: Some(Timestamp::from_micros(i64::MAX)),
            ..subscriber()
        };
        check(
            &far,
            PlanTerms::default(),
            VERIFIED,
            Presence::default(),
            Ok(Some(u32::MAX)),
        );
    }

    #[test]
    fn session_limit_counts_other_sessions() {
        let terms = PlanTerms {
            session_limit: SessionLimit::new(2).ok(),
            ..PlanTerms::default()
        };
        let refused = Err(RejectReason::SessionLimit { open: 2, limit: 2 });
        for (other_sessions, expected) in [(0, Ok(None)), (1, Ok(None)), (2, refused)] {
            check(
                &subscriber(),
                terms.clone(),
                VERIFIED,
                Presence { other_sessions },
                expected,
            );
        }
    }

    #[test]
    fn static_address_wins_over_the_pool() {
        let terms = PlanTerms {
            pool: "pppoe".parse().ok(),
            ..PlanTerms::default()
        };
        let plan = plan(terms);
        let mut subscriber = subscriber();
        let pool_of = |subscriber: &Subscriber| {
            let profile = AccessProfile {
                subscriber,
                plan: &plan,
            };
            match decide(Some(profile), VERIFIED, Presence::default(), NOW).verdict {
                Verdict::Accept(grants) => grants.pool.map(str::to_owned),
                Verdict::Reject(_) => None,
            }
        };
        assert_eq!(pool_of(&subscriber).as_deref(), Some("pppoe"));
        subscriber.addresses.ipv4 = Some([10, 0, 0, 7].into());
        assert_eq!(pool_of(&subscriber), None);
    }
}
