//! Logins under hours and counters of rows, as the router sees them.

use domain::accounting::AccountingRecord;
use domain::id::SubscriberId;
use domain::limit::{Counter, LimitFact, LimitNews, PeriodCounted, Resets, Zone};
use domain::usage::UsageAmount;
use radius::attribute::kind;

use crate::registry::{NOW, PASSWORD};
use crate::request::Request;
use crate::rows::{password, put_user, row, user};
use crate::script::{STRICT, Script, check};

/// `NOW` is 15 January 2027, a Friday, 08:00 UTC.
fn script(rows: &[(&str, &str)]) -> Script {
    let script = Script::new();
    let mut all = vec![password(1)];
    for (id, (attribute, value)) in (2..).zip(rows) {
        all.push(row(id, attribute, ":=", value));
    }
    put_user(&script, "Bob", user(all, Vec::new(), &[]));
    script
}

fn login() -> Request {
    Request::access("Bob").pap(PASSWORD)
}

fn accept<'a>(own: &[&'a str]) -> Vec<&'a str> {
    let [code, signature] = ["Access-Accept", "Message-Authenticator"];
    [&[code, signature], own, &["Class"]].concat()
}

fn refused(message: &str) -> [String; 3] {
    let message = format!("Reply-Message = \"{message}\"");
    [
        "Access-Reject".to_owned(),
        "Message-Authenticator".to_owned(),
        message,
    ]
}

/// The id under which Bob's accounting counts.
fn bob(script: &mut Script) -> SubscriberId {
    let start = Request::accounting(1, "81000001").with(kind::USER_NAME, b"Bob");
    script.send(STRICT, &start);
    let (AccountingRecord::Session(record), _) = script.take_store() else {
        panic!("a start is of a session");
    };
    record.subscriber.expect("Bob is known")
}

fn used(script: &Script, bob: SubscriberId, period: PeriodCounted, used: UsageAmount) {
    let span = Resets::FREERADIUS.span(period.period(), &Zone::default(), NOW);
    let counter = Counter {
        span: span.expect("it is counted"),
        used,
    };
    script.context.limits.learn(&[LimitNews {
        subscriber: bob,
        fact: LimitFact::Counted { period, counter },
    }]);
}

#[test]
fn a_counter_leaves_its_rest_and_then_refuses() {
    let mut script = script(&[("Max-All-Session", "3600")]);
    let bob = bob(&mut script);
    check(
        &mut script,
        STRICT,
        &login(),
        &accept(&["Session-Timeout = 3600"]),
    );
    let online = |session_seconds| UsageAmount {
        session_seconds,
        ..UsageAmount::default()
    };
    used(&script, bob, PeriodCounted::Total, online(3_599));
    let request = login().identifier(2);
    check(
        &mut script,
        STRICT,
        &request,
        &accept(&["Session-Timeout = 1"]),
    );
    used(&script, bob, PeriodCounted::Total, online(3_600));
    let message = refused("Your maximum never usage time has been reached");
    let message = message.each_ref().map(String::as_str);
    check(&mut script, STRICT, &login().identifier(3), &message);
}

#[test]
fn octets_are_told_in_the_attributes_of_the_router() {
    let mut script = script(&[("Max-Monthly-Traffic", "10000000000")]);
    let bob = bob(&mut script);
    let amount = UsageAmount {
        upload_bytes: 1,
        download_bytes: 1_000_000_000,
        session_seconds: 0,
    };
    used(&script, bob, PeriodCounted::Month, amount);
    let expected = accept(&[
        "Mikrotik-Total-Limit = 410065407",
        "Mikrotik-Total-Limit-Gigawords = 2",
    ]);
    check(&mut script, STRICT, &login(), &expected);
}

#[test]
fn hours_are_counted_from_the_full_minute() {
    let mut script = script(&[("Login-Time", "Fr0700-0829")]);
    script.set_clock_by(59);
    check(
        &mut script,
        STRICT,
        &login(),
        &accept(&["Session-Timeout = 1800"]),
    );
    script.set_clock_by(1_741);
    let message = refused("Your plan does not cover this time");
    let message = message.each_ref().map(String::as_str);
    check(&mut script, STRICT, &login().identifier(2), &message);
}

#[test]
fn a_period_since_the_first_session_runs_from_it() {
    let mut script = script(&[("Access-Period", "3600"), ("Expire-After", "7200")]);
    check(
        &mut script,
        STRICT,
        &login(),
        &accept(&["Session-Timeout = 3600"]),
    );
    let bob = bob(&mut script);
    script.context.limits.learn(&[LimitNews {
        subscriber: bob,
        fact: LimitFact::FirstUse(NOW.plus_seconds(-3_000)),
    }]);
    let request = login().identifier(2);
    check(
        &mut script,
        STRICT,
        &request,
        &accept(&["Session-Timeout = 600"]),
    );
    script.set_clock_by(600);
    let message = refused("Your maximum never usage time has been reached");
    let message = message.each_ref().map(String::as_str);
    check(&mut script, STRICT, &login().identifier(3), &message);
}
