//! Packets that no honest router sends.

use aaa::engine::Role;
use aaa::metrics::Drop;
use proptest::prelude::*;
use radius::attribute::kind;
use radius::code::Code;
use radius::packet::LENGTH_MAX;

use crate::registry::PASSWORD;
use crate::request::Request;
use crate::script::{OFF, STRICT, Script, check};

const ROLES: [Role; 2] = [Role::Authentication, Role::Accounting];

/// Fills the rest of a packet of 4,096 octets with Proxy-State.
fn filled(mut request: Request) -> Request {
    loop {
        let room = LENGTH_MAX - request.octets().len();
        if room < 2 {
            return request;
        }
        request = request.with(kind::PROXY_STATE, &vec![1; (room - 2).min(253)]);
    }
}

#[test]
fn the_longest_packet_is_answered_when_the_reply_fits() {
    let padding: Vec<_> = (0..15).map(|_| vec![0; 253]).collect();
    let request = padding
        .iter()
        .fold(Request::access("ana").pap(PASSWORD), |request, value| {
            request.with(kind::REPLY_MESSAGE, value)
        });
    let room = LENGTH_MAX - request.octets().len();
    let request = request.with(kind::PROXY_STATE, &vec![7; room - 2]);
    assert_eq!(request.octets().len(), LENGTH_MAX);
    let shown = Script::new().ask(STRICT, &request);
    assert_eq!(shown.first().map(String::as_str), Some("Access-Accept"));
}

#[test]
fn proxy_states_that_do_not_fit_the_reply_are_silence() {
    let request = filled(Request::access("ana").pap(PASSWORD));
    let status = filled(Request::new(Code::StatusServer, Role::Accounting));
    let mut script = Script::new();
    check(&mut script, STRICT, &request, &[]);
    check(&mut script, STRICT, &request, &[]);
    assert_eq!(script.drops(Drop::ReplyTooLarge), 2);
    assert_eq!(script.ask(STRICT, &status).len(), 2 + 16);
}

#[test]
fn what_is_not_a_packet_is_silence_and_counted() {
    let whole = Request::access("ana").pap(PASSWORD).octets();
    let mut overrun = whole.clone();
    let last = overrun.len() - 17;
    overrun[last] += 1;
    let mut unknown = whole.clone();
    unknown[0] = 200;
    let mut oversized = whole.clone();
    oversized.resize(5_000, 0);
    oversized[2..4].copy_from_slice(&4_097_u16.to_be_bytes());
    let mut script = Script::new();
    let malformed = [
        &[][..],
        &whole[..19],
        &whole[..whole.len() - 1],
        &overrun,
        &unknown,
        &oversized,
    ];
    for octets in malformed {
        for role in ROLES {
            script.send_octets(STRICT, role, octets);
        }
    }
    assert!(script.outbox().is_empty());
    assert_eq!(script.drops(Drop::Malformed), 12);
}

#[test]
fn padding_after_the_packet_is_ignored() {
    let mut octets = Request::access("ana").pap(PASSWORD).octets();
    octets.extend_from_slice(&[0xff; 100]);
    let mut script = Script::new();
    script.send_octets(STRICT, Role::Authentication, &octets);
    assert_eq!(script.outbox().len(), 1);
}

/// Kinds that the engine reads, and a few that it does not.
fn any_kind() -> impl Strategy<Value = u8> {
    let read = [
        1, 2, 3, 4, 5, 6, 7, 8, 24, 25, 26, 30, 31, 32, 33, 40, 41, 42, 43, 44, 46, 49, 52, 53, 60,
        79, 80, 87, 97, 123, 200, 241, 245,
    ];
    prop::sample::select(read.to_vec())
}

fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let any_octets = || prop::collection::vec(any::<u8>(), 0..=253);
    let microsoft = (
        prop::sample::select(&[1, 11, 25][..]),
        prop::collection::vec(any::<u8>(), 0..=52),
    );
    let microsoft = microsoft.prop_map(|(kind, value)| {
        let length = u8::try_from(value.len() + 2).expect("at most 54");
        [&[0, 0, 1, 55, kind, length][..], &value].concat()
    });
    prop_oneof![
        2 => any_octets(),
        2 => any::<[u8; 4]>().prop_map(Vec::from),
        1 => Just(b"ana".to_vec()),
        1 => Just(b"hashed".to_vec()),
        1 => Just(vec![0, 0, 0, 1]),
        1 => Just(vec![0, 0, 0, 3]),
        2 => microsoft,
        1 => Just(vec![0; 16]),
        1 => Just(vec![0; 17]),
    ]
}

proptest! {
    #[test]
    fn any_octets_from_a_registered_nas_are_survived(
        octets in prop::collection::vec(any::<u8>(), 0..600),
        is_accounting: bool,
    ) {
        let role = ROLES[usize::from(is_accounting)];
        let mut script = Script::new();
        script.send_octets(STRICT, role, &octets);
        script.send_octets(OFF, role, &octets);
        prop_assert!(script.effects.is_empty());
    }

    #[test]
    fn any_attributes_under_a_valid_signature_are_survived(
        attributes in prop::collection::vec((any_kind(), any_value()), 0..16),
        code in prop::sample::select(&[Code::AccessRequest, Code::AccountingRequest, Code::StatusServer][..]),
        is_protected: bool,
    ) {
        let role = ROLES[usize::from(code == Code::AccountingRequest)];
        let mut request = Request::new(code, role).protected(is_protected);
        for (kind, value) in attributes {
            if request.octets().len() + 2 + value.len() <= LENGTH_MAX {
                request = request.with(kind, &value);
            }
        }
        let mut script = Script::new();
        for source in [STRICT, OFF] {
            script.send(source, &request);
        }
        let replies = script.outbox();
        prop_assert!(replies.len() + script.effects.len() <= 2);
        for outgoing in replies {
            crate::script::show(&request, &outgoing.octets);
        }
    }

    #[test]
    fn a_valid_request_with_one_octet_changed_is_never_accepted(
        at in 0_usize..100,
        flip in 1_u8..,
    ) {
        let mut octets = Request::access("ana").pap(PASSWORD).octets();
        let at = at % octets.len();
        octets[at] ^= flip;
        let mut script = Script::new();
        script.send_octets(STRICT, Role::Authentication, &octets);
        prop_assert!(script.outbox().is_empty());
    }
}
