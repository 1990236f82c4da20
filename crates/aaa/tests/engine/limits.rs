//! Logins under the limits of a plan, as the router sees them.

use domain::id::SubscriberId;
use domain::limit::{
    AtLimit, Counter, LimitFact, LimitNews, Limits, PeriodCounted, Validity, ValidityStart,
};
use domain::plan::PlanTerms;
use domain::subscriber::Subscriber;
use domain::usage::UsageAmount;

use crate::registry::{NOW, PASSWORD, plan, plan_id, subscriber};
use crate::request::Request;
use crate::script::{STRICT, Script, check};

/// `NOW` is 15 January 2027, 08:00 UTC.
const DAY_SECONDS: i64 = 86_400;

/// A script in which "lena" is on a plan with these limits.
fn script(limits: Limits) -> Script {
    let script = Script::new();
    let terms = PlanTerms {
        limits: Some(Box::new(limits)),
        ..PlanTerms::default()
    };
    let mut plans = script.registry.plans.lock().expect("nobody panicked");
    plans.push(plan(7, "25M/50M", terms));
    drop(plans);
    script.registry.put(Subscriber {
        id: lena(),
        plan: plan_id(7),
        ..subscriber(77, "lena")
    });
    script.reload();
    script
}

fn lena() -> SubscriberId {
    SubscriberId::new(NOW.plus_seconds(-10 * DAY_SECONDS), [77; 10])
}

fn login() -> Request {
    Request::access("lena").pap(PASSWORD)
}

fn used(script: &Script, limits: &Limits, period: PeriodCounted, used: UsageAmount) {
    let span = limits.resets.span(period.period(), &limits.zone, NOW);
    let counter = Counter {
        span: span.expect("it is counted"),
        used,
    };
    script.context.limits.learn(&[LimitNews {
        subscriber: lena(),
        fact: LimitFact::Counted { period, counter },
    }]);
}

fn accept<'a>(own: &[&'a str]) -> Vec<&'a str> {
    let [code, signature] = ["Access-Accept", "Message-Authenticator"];
    [&[code, signature], own, &["Class"]].concat()
}

#[test]
fn a_login_is_told_what_is_left_of_the_quotas() {
    let limits = Limits {
        quotas: "50G/month,time:2h/day,upload:10G/session"
            .parse()
            .expect("quotas"),
        ..Limits::default()
    };
    let mut script = script(limits.clone());
    let amount = UsageAmount {
        upload_bytes: 1_000_000_000,
        download_bytes: 39_000_000_000,
        session_seconds: 500_000,
    };
    used(&script, &limits, PeriodCounted::Month, amount);
    let today = UsageAmount {
        session_seconds: 3_599,
        ..UsageAmount::default()
    };
    used(&script, &limits, PeriodCounted::Day, today);
    let expected = accept(&[
        "Session-Timeout = 3601",
        "Acct-Interim-Interval = 300",
        "Mikrotik-Rate-Limit = \"25M/50M\"",
        "Mikrotik-Recv-Limit = 1410065408",
        "Mikrotik-Recv-Limit-Gigawords = 2",
        "Mikrotik-Total-Limit = 1410065408",
        "Mikrotik-Total-Limit-Gigawords = 2",
    ]);
    check(&mut script, STRICT, &login(), &expected);
}

#[test]
fn a_used_up_quota_refuses_or_changes_the_terms() {
    let refused = [
        "Access-Reject",
        "Message-Authenticator",
        "Reply-Message = \"Your data volume is used up\"",
    ];
    // 16 days and 16 hours are left of January.
    let timeout = "Session-Timeout = 1440000";
    let interim = "Acct-Interim-Interval = 300";
    let slow = accept(&[timeout, interim, "Mikrotik-Rate-Limit = \"1M/1M\""]);
    let other = accept(&[timeout, interim, "Mikrotik-Rate-Limit = \"25M/50M\""]);
    let rows = [
        (AtLimit::Block, refused.to_vec()),
        (AtLimit::Throttle("1M/1M".parse().expect("a rate")), slow),
        (AtLimit::Plan(plan_id(1)), other),
    ];
    for (at_limit, expected) in rows {
        let limits = Limits {
            quotas: "1G/month".parse().expect("quotas"),
            at_limit,
            ..Limits::default()
        };
        let mut script = script(limits.clone());
        let amount = UsageAmount {
            download_bytes: 1_000_000_000,
            ..UsageAmount::default()
        };
        used(&script, &limits, PeriodCounted::Month, amount);
        check(&mut script, STRICT, &login(), &expected);
    }
}

#[test]
fn validity_from_the_first_use_begins_once_and_ends_to_the_second() {
    let mut script = script(Limits {
        validity: Validity::new(3_600, ValidityStart::FirstUse).ok(),
        ..Limits::default()
    });
    let rate = "Mikrotik-Rate-Limit = \"25M/50M\"";
    let interim = "Acct-Interim-Interval = 300";
    for left in [3_600, 3_600 - 90, 1] {
        script.set_clock_by(NOW.seconds_since(script.moment().timestamp) + 3_600 - left);
        let timeout = format!("Session-Timeout = {left}");
        let request = login().identifier(u8::try_from(left % 251).expect("less than 256"));
        check(
            &mut script,
            STRICT,
            &request,
            &accept(&[&timeout, interim, rate]),
        );
    }
    assert_eq!(script.context.limits.usage(lena()).first_use, Some(NOW));
    script.set_clock_by(1);
    let refused = [
        "Access-Reject",
        "Message-Authenticator",
        "Reply-Message = \"Your plan has ended\"",
    ];
    check(&mut script, STRICT, &login().identifier(9), &refused);
}

#[test]
fn a_refused_login_is_no_first_use() {
    let mut script = script(Limits {
        validity: Validity::new(3_600, ValidityStart::FirstUse).ok(),
        ..Limits::default()
    });
    script.send(STRICT, &Request::access("lena").pap("wrong"));
    assert_eq!(script.context.limits.usage(lena()).first_use, None);
}

#[test]
fn hours_end_the_session_and_refuse_outside() {
    let mut script = script(Limits {
        windows: "Fr0700-0830".parse().ok(),
        ..Limits::default()
    });
    let expected = accept(&[
        "Session-Timeout = 1800",
        "Acct-Interim-Interval = 300",
        "Mikrotik-Rate-Limit = \"25M/50M\"",
    ]);
    check(&mut script, STRICT, &login(), &expected);
    script.set_clock_by(1_800);
    let refused = [
        "Access-Reject",
        "Message-Authenticator",
        "Reply-Message = \"Your plan does not cover this time\"",
    ];
    check(&mut script, STRICT, &login().identifier(2), &refused);
}
