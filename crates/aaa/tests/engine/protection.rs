//! Who is believed: unknown sources, wrong secrets, and the Message-Authenticator policies.

use std::time::Duration;

use aaa::engine::Role;
use aaa::metrics::{Count, Drop};
use radius::attribute::kind;
use radius::code::Code;

use crate::registry::PASSWORD;
use crate::request::Request;
use crate::script::{AUTO, OFF, REGION, STRANGER, STRICT, Script, check, source_address};

fn pap(identifier: u8) -> Request {
    let request = Request::access("ana").identifier(identifier);
    request.authenticator(identifier).pap(PASSWORD)
}

fn bare(identifier: u8) -> Request {
    pap(identifier).protected(false)
}

/// Whether the last of these requests, sent one after the other, is answered.
#[track_caller]
fn check_answered(source: &str, requests: &[Request], expected: bool) {
    let mut script = Script::new();
    let mut shown = Vec::new();
    for request in requests {
        shown = script.ask(source, request);
    }
    assert_eq!(!shown.is_empty(), expected);
}

#[test]
fn required_wants_it_always() {
    check_answered(STRICT, &[bare(1)], false);
    check_answered(STRICT, &[pap(1)], true);
}

#[test]
fn off_only_checks_what_is_there() {
    check_answered(OFF, &[bare(1)], true);
    check_answered(OFF, &[bare(1).with(kind::PROXY_STATE, b"1")], true);
    check_answered(OFF, &[pap(1), bare(2)], true);
    let bad = bare(1).with(kind::MESSAGE_AUTHENTICATOR, &[0; 16]);
    check_answered(OFF, &[bad], false);
}

#[test]
fn auto_learns_from_the_first_that_has_it() {
    check_answered(AUTO, &[bare(1)], true);
    check_answered(AUTO, &[bare(1), pap(2), bare(3)], false);
    let forged = pap(2).with(kind::MESSAGE_AUTHENTICATOR, &[0; 16]);
    check_answered(AUTO, &[forged, bare(3)], true);
}

#[test]
fn auto_believes_no_proxy_state_without_it() {
    check_answered(AUTO, &[bare(1).with(kind::PROXY_STATE, b"1")], false);
    check_answered(AUTO, &[pap(1).with(kind::PROXY_STATE, b"1")], true);
}

#[test]
fn auto_learns_nothing_from_eap_or_from_a_neighbour_in_the_prefix() {
    let eap = Request::access("ana").with(kind::EAP_MESSAGE, &[2, 1, 0, 4]);
    check_answered(AUTO, &[eap, bare(2)], true);
    check_answered(REGION, &[pap(1), bare(2)], true);
}

#[test]
fn eap_without_message_authenticator_is_dropped_whatever_the_policy() {
    let request = Request::access("ana").with(kind::EAP_MESSAGE, &[2, 1, 0, 4]);
    check(&mut Script::new(), OFF, &request.protected(false), &[]);
}

#[test]
fn a_message_authenticator_that_is_repeated_or_cut_is_invalid() {
    for value in [&[0; 16][..], &[0; 15], &[]] {
        let mut script = Script::new();
        let request = pap(1).with(kind::MESSAGE_AUTHENTICATOR, value);
        check(&mut script, STRICT, &request, &[]);
        assert_eq!(script.drops(Drop::MessageAuthenticatorInvalid), 1);
    }
}

#[test]
fn the_wrong_secret_is_silence_and_counted() {
    let wrong = |request: Request| request.secret(b"another secret");
    let mut script = Script::new();
    check(&mut script, STRICT, &wrong(pap(1)), &[]);
    check(
        &mut script,
        STRICT,
        &wrong(Request::accounting(1, "a")),
        &[],
    );
    let status = Request::new(Code::StatusServer, Role::Authentication);
    check(&mut script, STRICT, &wrong(status), &[]);
    assert_eq!(script.drops(Drop::MessageAuthenticatorInvalid), 2);
    assert_eq!(script.drops(Drop::RequestAuthenticatorInvalid), 1);
    assert!(script.log.is_empty() && script.effects.is_empty());
}

#[test]
fn a_port_answers_its_own_codes_only() {
    let others = [
        Code::AccessAccept,
        Code::AccessChallenge,
        Code::AccountingResponse,
        Code::StatusClient,
        Code::CoaRequest,
        Code::DisconnectRequest,
    ];
    let mut script = Script::new();
    let accounting_on_auth = Request::accounting(1, "a").to(Role::Authentication);
    let access_on_accounting = pap(1).to(Role::Accounting);
    check(&mut script, STRICT, &accounting_on_auth, &[]);
    check(&mut script, STRICT, &access_on_accounting, &[]);
    for code in others {
        for role in [Role::Authentication, Role::Accounting] {
            let octets = Request::new(code, role).octets();
            script.send_octets(STRICT, role, &octets);
        }
    }
    assert!(script.outbox().is_empty());
    assert_eq!(script.drops(Drop::UnexpectedCode), 14);
}

#[test]
fn strangers_get_silence_and_are_reported_once_a_second() {
    let mut script = Script::new();
    check(&mut script, STRANGER, &pap(1), &[]);
    script.send_octets(STRANGER, Role::Accounting, b"anything");
    script.advance(Duration::from_millis(999));
    assert_eq!(script.engine.poll_knocks(script.moment().instant), None);
    script.advance(Duration::from_millis(1));
    let now = script.moment().instant;
    let knocks = script.engine.poll_knocks(now).expect("a second has passed");
    let seen: Vec<_> = knocks
        .iter()
        .map(|knock| (knock.source, knock.packets))
        .collect();
    assert_eq!(seen, [(source_address(STRANGER), 2)]);
    assert_eq!(script.engine.poll_knocks(now), None);
    assert_eq!(script.drops(Drop::UnknownNas), 2);
}

#[test]
fn no_more_than_256_strangers_are_noted() {
    let mut script = Script::new();
    for number in 0..300_u16 {
        let [high, low] = number.to_be_bytes();
        let source = format!("203.0.{}.{low}", 113 + high);
        script.send_octets(&source, Role::Authentication, b"x");
    }
    script.advance(Duration::from_secs(1));
    let knocks = script.engine.poll_knocks(script.moment().instant);
    assert_eq!(knocks.map(|knocks| knocks.len()), Some(256));
    assert_eq!(script.context.metrics.value(Count::KnockLost), 44);
}

#[test]
fn a_nas_is_known_from_the_moment_it_is_registered() {
    let mut script = Script::new();
    check(&mut script, STRANGER, &pap(1), &[]);
    let added = crate::registry::nas(9, STRANGER, domain::nas::NasSettings::default());
    script
        .registry
        .nas
        .lock()
        .expect("nobody panicked")
        .push(added);
    script.reload();
    assert!(!script.ask(STRANGER, &pap(2)).is_empty());
    script.registry.nas.lock().expect("nobody panicked").pop();
    script.reload();
    check(&mut script, STRANGER, &pap(3), &[]);
}
