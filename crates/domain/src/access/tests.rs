//! The rules, one by one.

use super::*;
use crate::credential::{Credential, HashScheme};
use crate::id::{PlanId, SubscriberId, TenantId};
use crate::limit::{
    AtLimit, Counter, LimitUsage, Limits, Period, PeriodCounted, Validity, ValidityStart,
};
use crate::plan::{PlanTerms, SessionLimit, TimeoutSeconds};
use crate::secret::Secret;
use crate::subscriber::StaticAddresses;
use crate::usage::UsageAmount;

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
        usage: None,
        plan_at_limit: None,
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
            usage: None,
            plan_at_limit: None,
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

/// A plan with a used up month of 1 GB, and what is decided under it.
fn at_limit<R>(at_limit: AtLimit, other: Option<&Plan>, read: impl Fn(&Decision<'_>) -> R) -> R {
    let limits = Limits {
        quotas: "1G/month".parse().expect("quotas"),
        at_limit,
        ..Limits::default()
    };
    let span = limits.resets.span(Period::Month, &limits.zone, NOW);
    let mut usage = LimitUsage::default();
    let used = UsageAmount {
        download_bytes: 1_000_000_000,
        ..UsageAmount::default()
    };
    let counter = Counter {
        span: span.expect("a month has a span"),
        used,
    };
    usage.set(PeriodCounted::Month, counter);
    let plan = plan(PlanTerms {
        rate: "25M/50M".parse().ok(),
        limits: Some(Box::new(limits)),
        ..PlanTerms::default()
    });
    let subscriber = subscriber();
    let profile = AccessProfile {
        subscriber: &subscriber,
        plan: &plan,
        usage: Some(&usage),
        plan_at_limit: other,
    };
    read(&decide(Some(profile), VERIFIED, Presence::default(), NOW))
}

#[test]
fn a_used_up_quota_blocks_throttles_or_moves_to_another_plan() {
    let rate_of = |decision: &Decision<'_>| match decision.verdict {
        Verdict::Accept(grants) => Ok((
            grants.rate.map(ToString::to_string),
            grants.session_timeout_seconds,
        )),
        Verdict::Reject(reason) => Err(reason.code()),
    };
    // 15 January 2027, 08:00, until the end of the month.
    let left = Some(16 * 86_400 + 16 * 3_600);
    let slow = "1M/1M".parse().expect("a rate");
    let small = plan(PlanTerms {
        rate: "2M/2M".parse().ok(),
        ..PlanTerms::default()
    });
    let moved = AtLimit::Plan(small.id);
    assert_eq!(
        at_limit(AtLimit::Block, None, rate_of),
        Err("quota_used_up")
    );
    let throttled = at_limit(AtLimit::Throttle(slow), None, rate_of);
    assert_eq!(throttled, Ok((Some("1M/1M".into()), left)));
    let other = at_limit(moved, Some(&small), rate_of);
    assert_eq!(other, Ok((Some("2M/2M".into()), left)));
    assert_eq!(at_limit(moved, None, rate_of), Err("plan_missing"));
}

#[test]
fn a_decision_about_limits_is_traced() {
    let slow = "1M/1M".parse().expect("a rate");
    let steps = at_limit(AtLimit::Throttle(slow), None, |decision| {
        let steps = decision.trace.iter().map(ToString::to_string);
        steps.collect::<Vec<_>>()
    });
    let expected = "the traffic quota (month) is used up until 2027-02-01T00:00:00Z; the plan's speed at the limit applies";
    assert!(steps.iter().any(|step| step == expected), "{steps:?}");
}

#[test]
fn a_decision_with_every_rule_has_room_for_its_trace() {
    let limits = Limits {
        quotas: "time:1h/day".parse().expect("quotas"),
        windows: "Al0000-2330".parse().ok(),
        validity: Validity::new(86_400, ValidityStart::FirstUse).ok(),
        ..Limits::default()
    };
    let terms = PlanTerms {
        session_limit: SessionLimit::new(2).ok(),
        limits: Some(Box::new(limits)),
        ..PlanTerms::default()
    };
    let subscriber = Subscriber {
        expires_at: Some(NOW.plus_seconds(7_200)),
        ..subscriber()
    };
    let request = AccessRequest {
        nas_identifier: NasIdentifierCheck::Matches,
        ..VERIFIED
    };
    check(
        &subscriber,
        terms,
        request,
        Presence::default(),
        Ok(Some(3_600)),
    );
}
