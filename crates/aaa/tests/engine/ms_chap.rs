//! MS-CHAP version 1 and 2: what proves the server, the keys, and refusals in its words.

use domain::access::RejectReason;
use domain::auth_log::AuthOutcome;
use radius::attribute::{kind, microsoft, vendor};
use radius::packet::Packet;
use radius::password::{mppe, mschap, pap};
use radius::writer::VENDOR_VALUE_LENGTH_MAX;

use crate::registry::{PASSWORD, SECRET};
use crate::request::Request;
use crate::script::{STRICT, Script};

const V1_CHALLENGE: [u8; 8] = [3; 8];
const V2_CHALLENGE: [u8; 16] = [4; 16];
const PEER_CHALLENGE: [u8; 16] = [5; 16];

fn v1(user_name: &str, password: &str) -> Request {
    let response = mschap::v1_respond(9, &V1_CHALLENGE, &mschap::nt_hash(password));
    Request::access(user_name)
        .with_vendor(microsoft::MS_CHAP_CHALLENGE, &V1_CHALLENGE)
        .with_vendor(microsoft::MS_CHAP_RESPONSE, &response)
}

fn v2_response(user_name: &str, password: &str) -> [u8; mschap::RESPONSE_LENGTH] {
    let hash = mschap::nt_hash(password);
    mschap::v2_respond(
        9,
        &V2_CHALLENGE,
        &PEER_CHALLENGE,
        user_name.as_bytes(),
        &hash,
    )
}

pub(crate) fn v2(user_name: &str, password: &str) -> Request {
    Request::access(user_name)
        .with_vendor(microsoft::MS_CHAP_CHALLENGE, &V2_CHALLENGE)
        .with_vendor(
            microsoft::MS_CHAP2_RESPONSE,
            &v2_response(user_name, password),
        )
}

fn reply_octets(script: &mut Script, request: &Request) -> Vec<u8> {
    script.send(STRICT, request);
    let outgoing = script.outbox().pop().expect("it is answered");
    crate::script::show(request, &outgoing.octets);
    outgoing.octets
}

fn microsoft_of<'a>(reply: &Packet<'a>, kind: u8) -> &'a [u8] {
    let value = reply.find_vendor(vendor::MICROSOFT, kind);
    value.expect("the attribute is there")
}

#[track_caller]
fn check_v2_accept(user_name: &str, password: &str) {
    let request = v2(user_name, password);
    let octets = reply_octets(&mut Script::new(), &request);
    let reply = Packet::parse(&octets).expect("it is a packet");
    assert_eq!(reply.code().name(), "Access-Accept");
    let hash = mschap::nt_hash(password);
    let response = v2_response(user_name, password);
    let success = microsoft_of(&reply, microsoft::MS_CHAP2_SUCCESS);
    let is_proven = mschap::v2_verify_success(
        success,
        &V2_CHALLENGE,
        &response,
        user_name.as_bytes(),
        &hash,
    );
    assert!(is_proven);
    let nt_response = response.last_chunk().expect("50 octets end with 24");
    let keys = mppe::v2_keys(&hash, nt_response);
    let decrypt = |kind| {
        let mut out = [0; VENDOR_VALUE_LENGTH_MAX];
        let value = microsoft_of(&reply, kind);
        let key = mppe::decrypt_key(value, &request.authenticator, SECRET, &mut out);
        (value[..2].to_vec(), key.expect("it is encrypted").to_vec())
    };
    let (send_salt, send) = decrypt(microsoft::MS_MPPE_SEND_KEY);
    let (receive_salt, receive) = decrypt(microsoft::MS_MPPE_RECV_KEY);
    assert_eq!((send, receive), (keys.send.to_vec(), keys.receive.to_vec()));
    assert_ne!(send_salt, receive_salt);
    assert!(send_salt[0] & receive_salt[0] & 0x80 != 0);
    assert_eq!(
        microsoft_of(&reply, microsoft::MS_MPPE_ENCRYPTION_POLICY),
        [0, 0, 0, 1]
    );
    assert_eq!(
        microsoft_of(&reply, microsoft::MS_MPPE_ENCRYPTION_TYPES),
        [0, 0, 0, 6]
    );
}

#[test]
fn version_2_proves_the_server_and_gives_the_keys() {
    check_v2_accept("ana", PASSWORD);
    check_v2_accept("ANA", PASSWORD);
    check_v2_accept("nt", "password");
}

#[test]
fn version_1_gives_its_keys() {
    let request = v1("ana", PASSWORD);
    let octets = reply_octets(&mut Script::new(), &request);
    let reply = Packet::parse(&octets).expect("it is a packet");
    assert_eq!(reply.code().name(), "Access-Accept");
    let value = microsoft_of(&reply, microsoft::MS_CHAP_MPPE_KEYS);
    let mut out = [0; pap::PASSWORD_LENGTH_MAX];
    pap::decrypt(value, SECRET, &request.authenticator, &mut out).expect("it is encrypted");
    assert_eq!(out[..32], mppe::v1_keys(&mschap::nt_hash(PASSWORD), None));
    let nt = v1("nt", "password");
    let shown = Script::new().ask(STRICT, &nt);
    assert_eq!(shown.first().map(String::as_str), Some("Access-Accept"));
}

#[track_caller]
fn check_error(request: &Request, message: &str, error: &str, challenge_digits: usize, tail: &str) {
    let octets = reply_octets(&mut Script::new(), request);
    let reply = Packet::parse(&octets).expect("it is a packet");
    assert_eq!(reply.code().name(), "Access-Reject");
    assert_eq!(reply.find(kind::REPLY_MESSAGE), Some(message.as_bytes()));
    let (identifier, text) = microsoft_of(&reply, microsoft::MS_CHAP_ERROR)
        .split_first()
        .expect("it begins with the identifier");
    assert_eq!(*identifier, 9);
    let text = std::str::from_utf8(text).expect("it is text");
    let rest = text
        .strip_prefix(error)
        .and_then(|rest| rest.strip_prefix(" R=0 C="));
    let (digits, rest) = rest.expect(text).split_at(challenge_digits);
    assert!(digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    assert_eq!(rest, tail);
}

#[test]
fn a_refusal_says_so_in_the_words_of_ms_chap() {
    let denied = "Access denied";
    let tail = " V=3 M=Access denied";
    check_error(&v2("ana", "wrong"), denied, "E=691", 32, tail);
    check_error(&v2("nobody", PASSWORD), denied, "E=691", 32, tail);
    check_error(&v1("ana", "wrong"), denied, "E=691", 16, " V=2");
    let disabled = "Your account is disabled";
    let tail = " V=3 M=Your account is disabled";
    check_error(&v2("disabled", PASSWORD), disabled, "E=647", 32, tail);
    let expired = "Your account has expired";
    let tail = " V=3 M=Your account has expired";
    check_error(&v2("expired", PASSWORD), expired, "E=647", 32, tail);
}

#[test]
fn malformed_responses_are_refused() {
    let short = Request::access("ana")
        .with_vendor(microsoft::MS_CHAP_CHALLENGE, &V2_CHALLENGE)
        .with_vendor(microsoft::MS_CHAP2_RESPONSE, &[9; 49]);
    let no_challenge = Request::access("ana")
        .with_vendor(microsoft::MS_CHAP2_RESPONSE, &v2_response("ana", PASSWORD));
    let odd_challenge = Request::access("ana")
        .with_vendor(microsoft::MS_CHAP_CHALLENGE, &V1_CHALLENGE)
        .with_vendor(microsoft::MS_CHAP2_RESPONSE, &v2_response("ana", PASSWORD));
    for request in [short, no_challenge, odd_challenge] {
        let mut script = Script::new();
        script.send(STRICT, &request);
        let outcome = script.log.first().map(|entry| entry.outcome);
        assert!(matches!(
            outcome,
            Some(AuthOutcome::Rejected(
                RejectReason::MalformedCredential { .. }
            ))
        ));
    }
}
