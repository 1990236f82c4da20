//! In steady state a login by PAP or CHAP allocates nothing.

use std::net::SocketAddr;
use std::time::Duration;

use aaa::engine::{Received, Role};
use aaa::guard::GuardOptions;
use radius::attribute::kind;
use radius::password::chap;

use crate::registry::{PASSWORD, address};
use crate::request::Request;
use crate::script::{STRICT, Script};

fn login(user: &str, round: u8, identifier: u8) -> Vec<u8> {
    let request = Request::access(user)
        .identifier(identifier)
        .authenticator(round)
        .with(kind::CALLING_STATION_ID, b"AA:BB:CC:DD:EE:FF")
        .with(kind::CALLED_STATION_ID, b"pppoe-vlan100");
    let request = if identifier.is_multiple_of(2) {
        request.pap(PASSWORD)
    } else {
        let response = chap::respond(1, &request.authenticator, PASSWORD.as_bytes());
        request.with(kind::CHAP_PASSWORD, &response)
    };
    request.octets()
}

/// What a worker does with one datagram.
fn serve(script: &mut Script, octets: &[u8]) {
    let received = Received {
        listener: 0,
        role: Role::Authentication,
        peer: SocketAddr::new(address(STRICT), 50_000),
        local: None,
        waited: Duration::ZERO,
        octets,
    };
    let now = script.moment();
    script.engine.handle_datagram(&received, now);
    while let Some(effect) = script.engine.poll_effect() {
        drop(effect);
    }
    let outbox = script.engine.take_outbox();
    assert_eq!(outbox.len(), 1);
    script.engine.recycle(outbox);
    script.engine.handle_timeout(now.instant);
}

const GUARD: GuardOptions = GuardOptions {
    user_failures: 10,
    station_failures: 30,
    nas_failures: 3_000,
    lock_max: Duration::from_secs(300),
};

#[track_caller]
fn check_logins_of(user: &str) {
    let mut script = Script::guarded(GUARD);
    for round in 0..8 {
        for identifier in 0..=255 {
            serve(&mut script, &login(user, round, identifier));
        }
    }
    let logins: Vec<_> = (0..=255)
        .map(|identifier| login(user, 8, identifier))
        .collect();
    let counted = allocation_counter::measure(|| {
        for octets in &logins {
            serve(&mut script, octets);
        }
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn a_login_allocates_nothing() {
    check_logins_of("ana");
}

#[test]
fn a_login_that_is_given_a_place_allocates_nothing() {
    check_logins_of("solo");
}
