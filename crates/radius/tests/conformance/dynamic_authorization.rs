//! Disconnect and CoA: packets that radclient 3.2 and pyrad wrote, and what both sides make of them.

use proptest::prelude::*;
use radius::attribute::kind;
use radius::code::Code;
use radius::dynamic_authorization::{
    Action, Answer, ErrorCause, ReplyFault, Request, RequestFault, TIME_WINDOW_SECONDS,
    encode_attributes, read_reply, write_request,
};
use radius::packet::Packet;

use crate::octets::octets;

const SECRET: &[u8] = b"xyzzy5461";
/// Event-Timestamp of what radclient wrote.
const NOW: i64 = 1_795_176_000;

const RADCLIENT_DISCONNECT: &str = "28c80046e167b3894c138a4e199c091bd3ae18d2
    01066e656d6f 2c0a3831303030303037 080664400007 37066b003640 21040102
    501275490b516c5636a95f62717d6af2b2fc";
const PYRAD_ACK: &str = "29c8002a5a377717076de5294b4da91eee497961
    5012830baea5ffb3046909baf295b56eecd9 21040102";
const RADCLIENT_CHANGE: &str = "2bfd005306a261cc69e0ee2745edc4cb960ff856
    01066e656d6f 2c0a3831303030303037 080664400007 37066b003640 21040102
    1a0d00003a8c0807324d2f344d 5012e09b62f0df2ac8c6a3ce909e631d6839";
const PYRAD_NAK: &str = "2dfd0030a6e24fb4f3cc2297eea12b7d530ae6c9
    501290857b719778d8c365fa9e3d037c8579 21040102 6506000001f7";
/// Without Message-Authenticator and Event-Timestamp, as old tools write it.
const PYRAD_DISCONNECT: &str = "280b001a84689fa8c8e6afb5aa2426a3cc74363101066e656d6f";

fn kinds(request: &Request<'_>) -> Vec<u8> {
    request.attributes().map(|one| one.kind).collect()
}

#[test]
fn requests_of_other_programs_are_read() {
    let disconnect = octets(RADCLIENT_DISCONNECT);
    let request = Request::read(&disconnect, SECRET, NOW).expect("radclient signed it");
    assert_eq!(request.action, Action::Disconnect);
    let named = [
        kind::USER_NAME,
        kind::ACCT_SESSION_ID,
        kind::FRAMED_IP_ADDRESS,
    ];
    assert_eq!(kinds(&request), named);
    let change = octets(RADCLIENT_CHANGE);
    let request = Request::read(&change, SECRET, NOW).expect("radclient signed it");
    assert_eq!(request.action, Action::Change);
    assert_eq!(kinds(&request).last(), Some(&kind::VENDOR_SPECIFIC));
    let bare = octets(PYRAD_DISCONNECT);
    let request = Request::read(&bare, SECRET, NOW).expect("pyrad signed it");
    assert_eq!(kinds(&request), [kind::USER_NAME]);
}

#[track_caller]
fn check_reply(request: &str, reply: &str, expected: Answer) {
    let request = octets(request);
    let packet = Packet::parse(&request).expect("a request");
    let action = Action::of(packet.code()).expect("one of ours");
    let (identifier, authenticator) = (packet.identifier(), packet.authenticator());
    let reply = octets(reply);
    let read = read_reply(&reply, action, identifier, authenticator, SECRET);
    assert_eq!(read, Ok(expected));
    let other = read_reply(&reply, action, identifier, &[7; 16], SECRET);
    assert!(matches!(other, Err(ReplyFault::Signature(_))), "{other:?}");
    let other = read_reply(&reply, action, identifier, authenticator, b"other");
    assert!(matches!(other, Err(ReplyFault::Signature(_))), "{other:?}");
    let wrong = match action {
        Action::Disconnect => Action::Change,
        Action::Change => Action::Disconnect,
    };
    let other = read_reply(&reply, wrong, identifier, authenticator, SECRET);
    assert!(
        matches!(other, Err(ReplyFault::UnexpectedCode(_))),
        "{other:?}"
    );
}

#[test]
fn replies_of_other_programs_are_read() {
    check_reply(RADCLIENT_DISCONNECT, PYRAD_ACK, Answer::Acknowledged);
    let not_found = Answer::Refused(Some(ErrorCause::SESSION_CONTEXT_NOT_FOUND));
    check_reply(RADCLIENT_CHANGE, PYRAD_NAK, not_found);
}

/// Our packet has the attributes in another order, so it is compared by what it says.
#[test]
fn we_write_what_radclient_writes() {
    let theirs = octets(RADCLIENT_DISCONNECT);
    let theirs = Packet::parse(&theirs).expect("a packet");
    let attributes = encode_attributes(|writer| {
        for attribute in theirs.attributes() {
            if ![kind::MESSAGE_AUTHENTICATOR, kind::EVENT_TIMESTAMP].contains(&attribute.kind) {
                writer.push(attribute.kind, attribute.value)?;
            }
        }
        Ok(())
    })
    .expect("it fits");
    let mut buffer = Vec::new();
    let now = u32::try_from(NOW).expect("before 2106");
    let action = Action::Disconnect;
    write_request(&mut buffer, action, 200, now, &attributes, SECRET).expect("it fits");
    let ours = Packet::parse(&buffer).expect("a packet");
    assert_eq!((ours.code(), ours.identifier()), (theirs.code(), 200));
    assert_eq!(buffer.len(), theirs.as_bytes().len());
    let first = ours.attributes().next().map(|attribute| attribute.kind);
    assert_eq!(first, Some(kind::MESSAGE_AUTHENTICATOR));
    for attribute in theirs.attributes() {
        if attribute.kind != kind::MESSAGE_AUTHENTICATOR {
            assert_eq!(ours.find(attribute.kind), Some(attribute.value));
        }
    }
    assert!(Request::read(&buffer, SECRET, NOW).is_ok());
}

#[test]
fn a_request_of_another_secret_code_or_time_is_not_obeyed() {
    let datagram = octets(RADCLIENT_DISCONNECT);
    let fault = |secret: &[u8], now| Request::read(&datagram, secret, now).err();
    assert_eq!(
        fault(b"other", NOW),
        Some(RequestFault::RequestAuthenticator)
    );
    let window = i64::from(TIME_WINDOW_SECONDS);
    assert_eq!(fault(SECRET, NOW + window), None);
    assert_eq!(fault(SECRET, NOW - window), None);
    assert_eq!(
        fault(SECRET, NOW + window + 1),
        Some(RequestFault::Untimely)
    );
    assert_eq!(
        fault(SECRET, NOW - window - 1),
        Some(RequestFault::Untimely)
    );
    let ack = octets(PYRAD_ACK);
    let fault = Request::read(&ack, SECRET, NOW).err();
    assert_eq!(
        fault,
        Some(RequestFault::UnexpectedCode(Code::DisconnectAck))
    );
    let fault = Request::read(&[40, 1], SECRET, NOW).err();
    assert!(
        matches!(fault, Some(RequestFault::Malformed(_))),
        "{fault:?}"
    );
}

#[test]
fn an_answer_brings_back_state_and_proxy_state() {
    let attributes = encode_attributes(|writer| {
        writer.push_text(kind::USER_NAME, "nemo")?;
        writer.push(kind::STATE, b"state")?;
        writer.push(kind::PROXY_STATE, b"one")?;
        writer.push(kind::PROXY_STATE, b"two")
    })
    .expect("it fits");
    for action in [Action::Disconnect, Action::Change] {
        let mut request = Vec::new();
        write_request(&mut request, action, 3, 0, &attributes, SECRET).expect("it fits");
        let request = Request::read(&request, SECRET, 0).expect("it is signed");
        for answer in [
            Answer::Acknowledged,
            Answer::Refused(None),
            Answer::Refused(Some(ErrorCause(506))),
        ] {
            let mut reply = Vec::new();
            request
                .write_reply(&mut reply, answer, SECRET)
                .expect("it fits");
            let authenticator = request.packet.authenticator();
            let read = read_reply(&reply, action, 3, authenticator, SECRET);
            assert_eq!(read, Ok(answer));
            let reply = Packet::parse(&reply).expect("a packet");
            let states: Vec<_> = reply.find_all(kind::PROXY_STATE).collect();
            assert_eq!(states, [b"one", b"two"]);
            // Only in a CoA-NAK (RFC 5176 §3.6).
            let is_state = action == Action::Change && answer != Answer::Acknowledged;
            assert_eq!(reply.has(kind::STATE), is_state);
        }
    }
}

proptest! {
    /// Whatever arrives, it is read without a panic, and nothing is taken that was not signed.
    #[test]
    fn noise_is_never_obeyed(
        code in prop_oneof![Just(40_u8), Just(43), Just(41), Just(42), Just(44), Just(45)],
        authenticator: [u8; 16],
        attributes in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let length = u16::try_from(20 + attributes.len()).expect("it is short").to_be_bytes();
        let datagram = [&[code, 1, length[0], length[1]][..], &authenticator, &attributes].concat();
        prop_assert!(Request::read(&datagram, SECRET, NOW).is_err());
        for action in [Action::Disconnect, Action::Change] {
            prop_assert!(read_reply(&datagram, action, 1, &[0; 16], SECRET).is_err());
        }
    }
}
