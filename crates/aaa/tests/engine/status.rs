//! Status-Server (RFC 5997).

use aaa::engine::Role;
use aaa::metrics::{Count, Drop};
use radius::attribute::kind;
use radius::code::Code;

use crate::request::Request;
use crate::script::{OFF, STRICT, Script, check};

fn status(role: Role) -> Request {
    Request::new(Code::StatusServer, role)
}

#[test]
fn each_port_says_that_it_is_alive_in_its_own_code() {
    let mut script = Script::new();
    let access = ["Access-Accept", "Message-Authenticator"];
    check(&mut script, STRICT, &status(Role::Authentication), &access);
    let accounting = ["Accounting-Response", "Message-Authenticator"];
    check(&mut script, STRICT, &status(Role::Accounting), &accounting);
    let with_state = status(Role::Accounting)
        .with(kind::PROXY_STATE, b"b")
        .with(kind::PROXY_STATE, b"a");
    let expected = [
        "Accounting-Response",
        "Message-Authenticator",
        "Proxy-State = 0x62",
        "Proxy-State = 0x61",
    ];
    check(&mut script, STRICT, &with_state, &expected);
    assert_eq!(script.context.metrics.value(Count::StatusReply), 3);
    assert!(script.log.is_empty() && script.effects.is_empty());
}

#[test]
fn without_message_authenticator_there_is_silence_whatever_the_policy() {
    for source in [STRICT, OFF] {
        for role in [Role::Authentication, Role::Accounting] {
            let mut script = Script::new();
            check(&mut script, source, &status(role).protected(false), &[]);
            assert_eq!(script.drops(Drop::MessageAuthenticatorMissing), 1);
        }
    }
}

#[test]
fn the_same_status_request_is_answered_each_time() {
    let mut script = Script::new();
    let alive = ["Access-Accept", "Message-Authenticator"];
    for _ in 0..3 {
        check(&mut script, STRICT, &status(Role::Authentication), &alive);
    }
}
