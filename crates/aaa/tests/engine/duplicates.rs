//! Retransmissions (RFC 5080 §2.2.2) and the delay of rejects.

use std::time::Duration;

use aaa::metrics::{Count, Drop};

use crate::registry::PASSWORD;
use crate::request::Request;
use crate::script::{STRICT, Script, check};

const DELAY: Duration = Duration::from_secs(1);

fn pap() -> Request {
    Request::access("ana").pap(PASSWORD)
}

fn wrong() -> Request {
    Request::access("ana").pap("wrong")
}

fn octets(script: &mut Script, request: &Request) -> Vec<Vec<u8>> {
    script.send(STRICT, request);
    let outbox = script.outbox();
    outbox.into_iter().map(|outgoing| outgoing.octets).collect()
}

#[test]
fn an_answered_request_is_answered_with_the_same_octets() {
    let mut script = Script::new();
    let first = octets(&mut script, &pap());
    script.advance(Duration::from_secs(9));
    assert_eq!(octets(&mut script, &pap()), first);
    assert_eq!(script.log.len(), 1);
    assert_eq!(script.context.metrics.value(Count::DuplicateAnswered), 1);
    script.advance(Duration::from_secs(1));
    assert_ne!(octets(&mut script, &pap()), first);
    assert_eq!(script.log.len(), 2);
}

#[test]
fn the_same_identifier_with_another_authenticator_is_another_request() {
    let mut script = Script::new();
    let other = Request::access("ana").authenticator(1).pap(PASSWORD);
    octets(&mut script, &pap());
    octets(&mut script, &other);
    octets(&mut script, &pap());
    assert_eq!(script.log.len(), 3);
}

#[test]
fn a_forged_packet_does_not_touch_the_cache() {
    let mut script = Script::new();
    let first = octets(&mut script, &pap());
    let forged = pap().authenticator(1).secret(b"guessed");
    assert!(octets(&mut script, &forged).is_empty());
    assert_eq!(octets(&mut script, &pap()), first);
}

#[test]
fn an_accounting_request_under_way_is_stored_once() {
    let mut script = Script::new();
    let start = Request::accounting(1, "a");
    script.send(STRICT, &start);
    script.send(STRICT, &start);
    assert_eq!(script.effects.len(), 1);
    assert_eq!(script.drops(Drop::DuplicateInProgress), 1);
}

#[test]
fn a_reject_is_held_back_and_its_retransmissions_are_silent() {
    let mut script = Script::with_reject_delay(DELAY);
    check(&mut script, STRICT, &wrong(), &[]);
    script.advance(DELAY / 2);
    check(&mut script, STRICT, &wrong(), &[]);
    assert_eq!(
        script.engine.poll_timeout(),
        Some(script.moment().instant + DELAY / 2)
    );
    script.advance(DELAY / 2);
    let rejected = [
        "Access-Reject",
        "Message-Authenticator",
        "Reply-Message = \"Access denied\"",
    ];
    assert_eq!(script.shown(&wrong()), rejected);
    check(&mut script, STRICT, &wrong(), &rejected);
    assert_eq!(script.log.len(), 1);
}

#[test]
fn an_accept_is_not_held_back() {
    let mut script = Script::with_reject_delay(DELAY);
    assert_eq!(octets(&mut script, &pap()).len(), 1);
}

#[test]
fn a_reject_that_its_sender_gave_up_is_not_sent() {
    let mut script = Script::with_reject_delay(DELAY);
    check(&mut script, STRICT, &wrong(), &[]);
    assert_eq!(octets(&mut script, &pap().authenticator(1)).len(), 0);
    script.advance(DELAY);
    let sent: Vec<_> = script.outbox();
    assert_eq!(sent.len(), 1);
}

#[test]
fn a_worker_that_stops_sends_what_it_held_back() {
    let mut script = Script::with_reject_delay(DELAY);
    for identifier in 0..3 {
        check(&mut script, STRICT, &wrong().identifier(identifier), &[]);
    }
    script.engine.flush_delayed();
    let sent: Vec<_> = script
        .outbox()
        .iter()
        .map(|outgoing| outgoing.octets[1])
        .collect();
    assert_eq!(sent, [0, 1, 2]);
    script.advance(DELAY);
    assert!(script.outbox().is_empty());
}
