//! Limits that rows carry.

use std::sync::Arc;

use domain::limit::Windows;
use radius::packet::Packet;
use rows::access::Authorization;
use rows::limit::{Counter, CounterPeriod, CounterUnit, RowLimit};
use rows::row::Mode;

use crate::world::{PASSWORD, World, packet, request};

#[track_caller]
fn check(attribute: &str, value: &str, expected: RowLimit) {
    let world = World::default().user("u", &[PASSWORD, (attribute, ":=", value)], &[], &[]);
    let bytes = packet("");
    let packet = Packet::parse(&bytes).expect("a well-formed packet");
    let outcome = world.outcome(&request(&packet, b"u", None), Mode::Strict);
    let Authorization::Found(access) = outcome.authorization else {
        panic!("{attribute} is refused");
    };
    assert_eq!(access.limits().collect::<Vec<_>>(), [expected]);
}

fn counter(unit: CounterUnit, period: CounterPeriod, limit: u64) -> RowLimit {
    RowLimit::Counter(Counter { unit, period }, limit)
}

#[test]
fn every_limit_is_read() {
    check(
        "Expiration",
        "22 Nov 2026 18:00:00",
        RowLimit::Expiration(1_795_370_400),
    );
    check(
        "Login-Time",
        "Wk0800-1800",
        RowLimit::LoginTime(Arc::new(Windows::of_login_time("Wk0800-1800"))),
    );
    check("Simultaneous-Use", "2", RowLimit::SimultaneousUse(2));
    check(
        "Max-Daily-Session",
        "3600",
        counter(CounterUnit::Seconds, CounterPeriod::Day, 3_600),
    );
    check(
        "Max-All-Session",
        "7",
        counter(CounterUnit::Seconds, CounterPeriod::Total, 7),
    );
    check(
        "Access-Period",
        "86400",
        counter(CounterUnit::Seconds, CounterPeriod::SinceFirstLogin, 86_400),
    );
    check(
        "Max-Monthly-Octets",
        "50000000000",
        counter(CounterUnit::Octets, CounterPeriod::Month, 50_000_000_000),
    );
    check(
        "Max-Monthly-Traffic",
        "50000000000",
        counter(CounterUnit::Octets, CounterPeriod::Month, 50_000_000_000),
    );
    check(
        "Max-Total-Octets",
        "1",
        counter(CounterUnit::Octets, CounterPeriod::Total, 1),
    );
    check(
        "Max-All-MB",
        "9",
        counter(CounterUnit::Mebibytes, CounterPeriod::Total, 9),
    );
}

#[test]
fn a_date_that_is_compared_lets_in_before_it() {
    let ask = |op: &str, date: &str| {
        World::default()
            .user("u", &[PASSWORD, ("Expiration", op, date)], &[], &[])
            .ask("u")
    };
    assert_eq!(ask("==", "1 Jan 2030"), "accept");
    assert_eq!(ask("==", "1 Jan 2020"), "reject");
    assert_eq!(ask("<", "1 Jan 2030"), "reject");
}
