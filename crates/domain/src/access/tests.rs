//! The rules, one by one.

use super::*;
use crate::credential::{Credential, HashScheme};
use crate::garden::GardenTerms;
use crate::id::{GardenId, NasGroupId, NasId, PlanId, SubscriberId, TenantId};
use crate::limit::{
    AtLimit, Counter, LimitUsage, Limits, Period, PeriodCounted, Validity, ValidityStart,
};
use crate::plan::access::{AfterExpiry, DeviceLimit, GraceDays, PlanAccess};
use crate::plan::{PlanTerms, SessionLimit, TimeoutSeconds};
use crate::secret::Secret;
use crate::session_policy::{SessionPolicy, SessionTerms};
use crate::subscriber::binding::{Bindings, NasBinding};
use crate::subscriber::{Purchase, StaticAddresses, SubscriberInstants, SubscriberStatus};
use crate::usage::UsageAmount;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const NAS: RequestingNas<'static> = RequestingNas {
    id: NasId::from_bytes([7; 16]),
    groups: &[NasGroupId::from_bytes([8; 16])],
};
const VERIFIED: AccessRequest<'static> = AccessRequest {
    proof: Proof::Verified {
        method: Method::Pap,
    },
    nas_identifier: NasIdentifierCheck::NotRequired,
    nas: NAS,
    device: RequestingDevice::new(None),
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
        sessions: SessionTerms::default(),
        bindings: Bindings::default(),
        changed: SubscriberInstants::default(),
        purchase: None,
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
    request: AccessRequest<'_>,
    presence: Presence,
    expected: Result<Option<u32>, RejectReason>,
) {
    let plan = plan(terms);
    let profile = AccessProfile {
        subscriber,
        plan: &plan,
        usage: None,
        plan_at_limit: None,
        garden: None,
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
fn a_subscriber_who_begins_later_waits_for_the_very_instant() {
    let at = NOW.plus_seconds(1);
    let of = |starts_at| Subscriber {
        id: SubscriberId::new(NOW.plus_seconds(-86_400), [1; 10]),
        purchase: Purchase::new(Some(starts_at), Vec::new()),
        ..subscriber()
    };
    let early = Err(RejectReason::NotValidYet { at });
    let terms = PlanTerms::default();
    check(&of(at), terms.clone(), VERIFIED, Presence::default(), early);
    check(&of(NOW), terms, VERIFIED, Presence::default(), Ok(None));
    // A validity from the purchase counts from there.
    let limits = Limits {
        validity: Validity::new(3_600, ValidityStart::Purchase).ok(),
        ..Limits::default()
    };
    let terms = PlanTerms {
        limits: Some(Box::new(limits)),
        ..PlanTerms::default()
    };
    let begun = of(NOW.plus_seconds(-600));
    check(
        &begun,
        terms,
        VERIFIED,
        Presence::default(),
        Ok(Some(3_000)),
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
fn the_oldest_make_room_where_the_policy_says_so() {
    let limited = |session_policy| PlanTerms {
        session_limit: SessionLimit::new(2).ok(),
        session_policy,
        ..PlanTerms::default()
    };
    let to_end = |subscriber: &Subscriber, terms: PlanTerms, other_sessions| {
        let plan = plan(terms);
        let profile = AccessProfile {
            subscriber,
            plan: &plan,
            usage: None,
            plan_at_limit: None,
            garden: None,
        };
        let presence = Presence { other_sessions };
        match decide(Some(profile), VERIFIED, presence, NOW).verdict {
            Verdict::Accept(grants) => Some((grants.sessions_to_end, grants.session_limit)),
            Verdict::Reject(_) => None,
        }
    };
    let replacing = limited(SessionPolicy::ReplaceOldest);
    for (others, expected) in [(0, 0), (1, 0), (2, 1), (4, 3)] {
        let found = to_end(&subscriber(), replacing.clone(), others);
        assert_eq!(found, Some((expected, Some(2))), "{others}");
    }
    let own = |session_limit, session_policy| Subscriber {
        sessions: SessionTerms {
            session_limit: SessionLimit::new(session_limit).ok(),
            session_policy,
        },
        ..subscriber()
    };
    let stricter = own(1, Some(SessionPolicy::RejectNew));
    assert_eq!(to_end(&stricter, replacing.clone(), 1), None);
    assert_eq!(to_end(&own(3, None), replacing, 3), Some((1, Some(3))));
    let milder = own(1, Some(SessionPolicy::ReplaceOldest));
    let refusing = limited(SessionPolicy::RejectNew);
    assert_eq!(to_end(&milder, refusing, 1), Some((1, Some(1))));
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
            garden: None,
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
        garden: None,
    };
    read(&decide(Some(profile), VERIFIED, Presence::default(), NOW))
}

#[test]
fn a_walled_session_has_nothing_of_the_plan_but_counts_as_a_session() {
    let garden = garden();
    let subscriber = Subscriber {
        status: SubscriberStatus::SuspendedWalled,
        ..subscriber()
    };
    let limits = Limits {
        quotas: "1/session".parse().expect("quotas"),
        windows: "Su0000-0001".parse().ok(),
        validity: Validity::new(60, ValidityStart::Purchase).ok(),
        ..Limits::default()
    };
    let plan = plan(PlanTerms {
        session_limit: SessionLimit::new(1).ok(),
        limits: Some(Box::new(limits)),
        ..PlanTerms::default()
    });
    let verdict = |other_sessions| {
        let profile = AccessProfile {
            subscriber: &subscriber,
            plan: &plan,
            usage: None,
            plan_at_limit: None,
            garden: Some(&garden),
        };
        let decision = decide(Some(profile), VERIFIED, Presence { other_sessions }, NOW);
        match decision.verdict {
            Verdict::Accept(grants) => Ok((grants.session_limit, grants.session_timeout_seconds)),
            Verdict::Reject(reason) => Err(reason),
        }
    };
    assert_eq!(verdict(0), Ok((Some(1), Some(120))));
    let full = RejectReason::SessionLimit { open: 1, limit: 1 };
    assert_eq!(verdict(1), Err(full));
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
        access: PlanAccess {
            device_limit: DeviceLimit::new(1),
            ..PlanAccess::default()
        },
        limits: Some(Box::new(limits)),
        ..PlanTerms::default()
    };
    let subscriber = Subscriber {
        expires_at: Some(NOW.plus_seconds(7_200)),
        bindings: Bindings {
            nas: Some(Box::new(NasBinding {
                nas: vec![NAS.id],
                groups: Vec::new(),
            })),
            ..Bindings::default()
        },
        ..subscriber()
    };
    let request = AccessRequest {
        nas_identifier: NasIdentifierCheck::Matches,
        device: RequestingDevice::new(MADE.parse().ok()),
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

#[test]
fn every_state_that_is_shut_out_has_its_reason() {
    for (status, reason) in [
        (SubscriberStatus::Pending, RejectReason::Pending),
        (SubscriberStatus::SuspendedHard, RejectReason::Suspended),
        (SubscriberStatus::Disabled, RejectReason::Disabled),
        (
            SubscriberStatus::SuspendedWalled,
            RejectReason::NoGarden {
                state: AccessState::SuspendedWalled,
            },
        ),
    ] {
        let subscriber = Subscriber {
            status,
            ..subscriber()
        };
        let presence = Presence::default();
        check(
            &subscriber,
            PlanTerms::default(),
            VERIFIED,
            presence,
            Err(reason),
        );
        assert!(reason.state().is_some(), "{reason:?} is told by a message");
    }
}

fn ending(after_expiry: AfterExpiry, grace_days: u16) -> PlanTerms {
    PlanTerms {
        pool: "pppoe".parse().ok(),
        access: PlanAccess {
            grace_days: GraceDays::new(grace_days).expect("in range"),
            after_expiry,
            ..PlanAccess::default()
        },
        ..PlanTerms::default()
    }
}

#[test]
fn grace_goes_on_after_the_expiry_and_ends_the_session() {
    let day = 86_400;
    for (expired_for, expected) in [
        (-10, Ok(Some(10 + 2 * 86_400))),
        (0, Ok(Some(2 * 86_400))),
        (2 * day - 1, Ok(Some(1))),
        (
            2 * day,
            Err(RejectReason::Expired {
                at: NOW.plus_seconds(-2 * day),
            }),
        ),
    ] {
        let subscriber = Subscriber {
            expires_at: Some(NOW.plus_seconds(-expired_for)),
            ..subscriber()
        };
        let terms = ending(AfterExpiry::Hard, 2);
        check(&subscriber, terms, VERIFIED, Presence::default(), expected);
    }
}

fn garden() -> Garden {
    Garden {
        id: GardenId::from_bytes([9; 16]),
        tenant: TenantId::DEFAULT,
        name: "pay".parse().expect("a valid name"),
        terms: GardenTerms {
            pool: "walled".parse().ok(),
            address_list: "unpaid".parse().ok(),
            rate: "1M/1M".parse().ok(),
            redirect: None,
            session_timeout_seconds: TimeoutSeconds::new(120).expect("in range"),
        },
    }
}

/// What somebody gets who has addresses of their own and a fast plan.
#[track_caller]
fn check_walled(subscriber: Subscriber, terms: PlanTerms, expected: Option<AccessState>) {
    let subscriber = Subscriber {
        addresses: StaticAddresses {
            ipv4: Some([10, 0, 0, 7].into()),
            ipv6_prefix: "2001:db8::/64".parse().ok(),
            ipv6_delegated: "2001:db8:1::/56".parse().ok(),
        },
        ..subscriber
    };
    let (plan, garden) = (plan(terms), garden());
    let profile = AccessProfile {
        subscriber: &subscriber,
        plan: &plan,
        usage: None,
        plan_at_limit: None,
        garden: may_be_walled(&subscriber, &plan).then_some(&garden),
    };
    let decision = decide(Some(profile), VERIFIED, Presence::default(), NOW);
    let Verdict::Accept(grants) = decision.verdict else {
        panic!("{:?}", decision.verdict);
    };
    assert_eq!(grants.notice, expected);
    assert_eq!(grants.garden.is_some(), expected.is_some());
    if expected.is_some() {
        assert_eq!(grants.pool, Some("walled"));
        assert_eq!(grants.rate, garden.terms.rate.as_ref());
        assert_eq!(grants.session_timeout_seconds, Some(120));
        assert_eq!(grants.ipv4, None, "it would lead around the pool");
        assert_eq!((grants.ipv6_prefix, grants.ipv6_delegated), (None, None));
    }
}

#[test]
fn who_is_walled_gets_the_garden_and_nothing_else() {
    let suspended = Subscriber {
        status: SubscriberStatus::SuspendedWalled,
        ..subscriber()
    };
    let state = Some(AccessState::SuspendedWalled);
    check_walled(suspended, PlanTerms::default(), state);
    let expired = Subscriber {
        expires_at: Some(NOW),
        ..subscriber()
    };
    let state = Some(AccessState::Expired);
    check_walled(expired, ending(AfterExpiry::Walled, 0), state);
    let not_yet = Subscriber {
        expires_at: Some(NOW.plus_seconds(1)),
        ..subscriber()
    };
    check_walled(not_yet, ending(AfterExpiry::Walled, 0), None);
}

#[test]
fn a_bound_subscriber_is_refused_elsewhere() {
    let bound_to = |nas: &[NasId], groups: &[NasGroupId]| Subscriber {
        bindings: Bindings {
            nas: Some(Box::new(NasBinding {
                nas: nas.to_vec(),
                groups: groups.to_vec(),
            })),
            ..Bindings::default()
        },
        ..subscriber()
    };
    let other = NasId::from_bytes([1; 16]);
    for (subscriber, expected) in [
        (bound_to(&[NAS.id], &[]), Ok(None)),
        (bound_to(&[other], NAS.groups), Ok(None)),
        (bound_to(&[other], &[]), Err(RejectReason::NasNotAllowed)),
        (bound_to(&[], &[]), Err(RejectReason::NasNotAllowed)),
    ] {
        let terms = PlanTerms::default();
        check(&subscriber, terms, VERIFIED, Presence::default(), expected);
    }
}

const MADE: &str = "00:00:5e:00:53:01";
const MADE_TOO: &str = "00:00:5e:00:53:02";
const PRIVATE: &str = "02:00:5e:00:53:03";

/// Who comes with a device, and what becomes of it: bound already, to be claimed, or refused.
#[track_caller]
fn check_device(
    limits: (Option<u8>, Option<u8>),
    known: &[&str],
    device: (Option<&str>, Claim),
    expected: Result<bool, RejectReason>,
) {
    let mac = |raw: &str| raw.parse::<Mac>().expect("a valid address");
    let limit = |limit: Option<u8>| limit.and_then(DeviceLimit::new);
    let plan = plan(PlanTerms {
        access: PlanAccess {
            device_limit: limit(limits.0),
            private_device_limit: limit(limits.1),
            ..PlanAccess::default()
        },
        ..PlanTerms::default()
    });
    let subscriber = Subscriber {
        bindings: Bindings {
            devices: known.iter().copied().map(mac).collect(),
            ..Bindings::default()
        },
        ..subscriber()
    };
    let profile = AccessProfile {
        subscriber: &subscriber,
        plan: &plan,
        usage: None,
        plan_at_limit: None,
        garden: None,
    };
    let request = AccessRequest {
        device: RequestingDevice {
            mac: device.0.map(mac),
            claim: device.1,
        },
        ..VERIFIED
    };
    let decision = decide(Some(profile), request, Presence::default(), NOW);
    let actual = match decision.verdict {
        Verdict::Accept(_) => Ok(decision.claim.is_some()),
        Verdict::Reject(reason) => Err(reason),
    };
    assert_eq!(actual, expected);
    assert!(decision.claim.is_none() || decision.claim == request.device.mac);
}

#[test]
fn devices_are_bound_until_there_is_no_room() {
    let one = (Some(1), None);
    let new = (Some(MADE), Claim::NotTried);
    let full = Err(RejectReason::DeviceLimit { limit: 1 });
    check_device((None, None), &[], (None, Claim::NotTried), Ok(false));
    check_device(
        one,
        &[],
        (None, Claim::NotTried),
        Err(RejectReason::DeviceUnnamed),
    );
    check_device(one, &[], new, Ok(true));
    check_device(one, &[MADE], new, Ok(false));
    check_device(one, &[MADE_TOO], new, full);
    check_device(one, &[], (Some(MADE), Claim::Bound), Ok(false));
    check_device(one, &[], (Some(MADE), Claim::NoRoom), full);
    let not_stored = Err(RejectReason::DeviceNotStored);
    check_device(one, &[], (Some(MADE), Claim::NotStored), not_stored);
    // Bound meanwhile, whatever became of the claim.
    check_device(one, &[MADE], (Some(MADE), Claim::NoRoom), Ok(false));
}

#[test]
fn private_devices_have_a_budget_of_their_own() {
    let private = (Some(PRIVATE), Claim::NotTried);
    let none = Err(RejectReason::PrivateDeviceLimit { limit: 0 });
    check_device(
        (Some(1), None),
        &[MADE],
        private,
        Err(RejectReason::DeviceLimit { limit: 1 }),
    );
    check_device((Some(1), Some(1)), &[MADE], private, Ok(true));
    check_device((Some(1), Some(0)), &[], private, none);
    check_device(
        (Some(1), Some(1)),
        &[PRIVATE],
        (Some(MADE), Claim::NotTried),
        Ok(true),
    );
    check_device(
        (None, Some(0)),
        &[],
        (Some(MADE), Claim::NotTried),
        Ok(false),
    );
    check_device((None, Some(0)), &[], private, none);
}

#[test]
fn a_login_that_is_refused_claims_no_device() {
    let plan = plan(PlanTerms {
        session_limit: SessionLimit::new(1).ok(),
        access: PlanAccess {
            device_limit: DeviceLimit::new(1),
            ..PlanAccess::default()
        },
        ..PlanTerms::default()
    });
    let subscriber = subscriber();
    let profile = AccessProfile {
        subscriber: &subscriber,
        plan: &plan,
        usage: None,
        plan_at_limit: None,
        garden: None,
    };
    let request = AccessRequest {
        device: RequestingDevice::new(MADE.parse().ok()),
        ..VERIFIED
    };
    let decision = decide(Some(profile), request, Presence { other_sessions: 1 }, NOW);
    let full = RejectReason::SessionLimit { open: 1, limit: 1 };
    assert_eq!(decision.verdict, Verdict::Reject(full));
    assert_eq!(decision.claim, None);
}
