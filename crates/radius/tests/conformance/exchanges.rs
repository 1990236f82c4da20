//! Whole exchanges: RFC 2865 §7, RFC 5997 §6, and packets that pyrad 2.6 wrote.

use radius::attribute::{self, kind, vendor};
use radius::authenticator::{
    MessageAuthenticatorCheck, ReplyError, verify_message_authenticator, verify_reply,
    verify_reply_requiring_message_authenticator, verify_request_authenticator,
};
use radius::code::Code;
use radius::packet::Packet;
use radius::password::pap;
use radius::writer::PacketWriter;

use crate::octets::{array, octets};

const SECRET: &[u8] = b"xyzzy5461";

const TELNET_REQUEST: &str = "01 00 00 38 0f 40 3f 94 73 97 80 57 bd 83 d5 cb 98 f4 22 7a
    01 06 6e 65 6d 6f 02 12 0d be 70 8d 93 d4 13 ce 31 96 e4 3f 78 2a 0a ee
    04 06 c0 a8 01 10 05 06 00 00 00 03";
const TELNET_ACCEPT: &str = "02 00 00 26 86 fe 22 0e 76 24 ba 2a 10 05 f6 bf 9b 55 e0 b2
    06 06 00 00 00 01 0f 06 00 00 00 00 0e 06 c0 a8 01 03";
const FRAMED_REQUEST: &str = "01 01 00 47 2a ee 86 f0 8d 0d 55 96 9c a5 97 8e 0d 33 67 a2
    01 08 66 6c 6f 70 73 79 03 13 16 e9 75 57 c3 16 18 58 95 f2 93 ff 63 44 07 72 75
    04 06 c0 a8 01 10 05 06 00 00 00 14 06 06 00 00 00 02 07 06 00 00 00 01";
const FRAMED_ACCEPT: &str = "02 01 00 38 15 ef bc 7d ab 26 cf a3 dc 34 d9 c0 3c 86 01 a4
    06 06 00 00 00 02 07 06 00 00 00 01 08 06 ff ff ff fe 0a 06 00 00 00 02
    0d 06 00 00 00 01 0c 06 00 00 05 dc";
const CHALLENGE_REQUEST: &str = "01 02 00 39 f3 a4 7a 1f 6a 6d 76 71 0b 94 7a b9 30 41 a0 39
    01 07 6d 6f 70 73 79 02 12 33 65 75 73 77 82 89 b5 70 88 5e 15 08 48 25 c5
    04 06 c0 a8 01 10 05 06 00 00 00 07";
const CHALLENGE: &str = "0b 02 00 4e 36 f3 c8 76 4a e8 c7 11 57 40 3c 0c 71 ff 9c 45
    12 30 43 68 61 6c 6c 65 6e 67 65 20 33 32 37 36 39 34 33 30 2e 20 20 45 6e 74 65 72
    20 72 65 73 70 6f 6e 73 65 20 61 74 20 70 72 6f 6d 70 74 2e 18 0a 33 32 37 36 39 34 33 30";
const CHALLENGE_ANSWER: &str = "01 03 00 43 b1 22 55 6d 42 8a 13 d0 d6 25 38 07 c4 57 ec f0
    01 07 6d 6f 70 73 79 02 12 69 2c 1f 20 5f c0 81 b9 19 b9 51 95 f5 61 a5 81
    04 06 c0 a8 01 10 05 06 00 00 00 07 18 0a 33 32 37 36 39 34 33 30";
const CHALLENGE_REJECT: &str = "03 03 00 14 a4 2f 4f ca 45 91 6c 4e 09 c8 34 0f 9e 74 6a a0";
const STATUS_REQUEST: &str = "0c da 00 26 8a 54 f4 68 6f b3 94 c5 28 66 e3 02 18 5d 06 23
    50 12 5a 66 5e 2e 1e 84 11 f3 e2 43 82 20 97 c8 4f a3";
const STATUS_ACCEPT: &str = "02 da 00 14 ef 0d 55 2a 4b f2 d6 93 ec 2b 6f e8 b5 41 1d 66";
const STATUS_ACCOUNTING_REQUEST: &str =
    "0c b3 00 26 92 5f 6b 66 dd 5f ed 57 1f cb 1d b7 ad 38 82 60
    50 12 e8 d6 ea bd a9 10 87 5c d9 1f da de 26 36 78 58";
const STATUS_ACCOUNTING_RESPONSE: &str =
    "05 b3 00 14 0f 6f 92 14 5f 10 7e 2f 50 4e 86 0a 48 60 66 9c";
const PYRAD_ACCESS_REQUEST: &str = "0107002c0f403f9473978057bd83d5cb98f4227a
    5012deda131b1912dbf79289c29271f3a01501066e656d6f";
const PYRAD_REJECT: &str = "0307002ae12ce3c71f0b8362e07bf48805542ddd
    5012fdc41fd475323d377e189295a2ca824812046e6f";
const PYRAD_ACCOUNTING_REQUEST: &str = "04080032da7ca6fe7aa4e57430b008ff873b0412
    501263cfac06488f2f5a0c21db6f582b7d8c01066e656d6f280600000001";
const PYRAD_DISCONNECT_REQUEST: &str = "2809002c5bbec8af446d936413f2fe669becfb7f
    5012a00d0751facdf1c2f438f255519d3c3901066e656d6f";

#[track_caller]
fn check_exchange(request: &str, reply: &str, expected: Result<(), ReplyError>) {
    let (request, reply) = (octets(request), octets(reply));
    let request = Packet::parse(&request).expect("request parses");
    let reply = Packet::parse(&reply).expect("reply parses");
    let (identifier, authenticator) = (request.identifier(), request.authenticator());
    assert_eq!(
        verify_reply_requiring_message_authenticator(&reply, identifier, authenticator, SECRET),
        expected
    );
    let is_wrong_secret = verify_reply(&reply, identifier, authenticator, b"xyzzy5462");
    assert_eq!(is_wrong_secret, Err(ReplyError::ResponseAuthenticator));
    let is_other_request = verify_reply(&reply, identifier, &[7; 16], SECRET);
    assert_eq!(is_other_request, Err(ReplyError::ResponseAuthenticator));
    let found = reply.identifier();
    let expected = identifier.wrapping_add(1);
    let is_other_identifier = verify_reply(&reply, expected, authenticator, SECRET);
    assert_eq!(
        is_other_identifier,
        Err(ReplyError::Identifier { expected, found })
    );
}

#[test]
fn replies_of_the_rfcs_verify_but_carry_no_message_authenticator() {
    let absent = Err(ReplyError::MessageAuthenticatorAbsent);
    check_exchange(TELNET_REQUEST, TELNET_ACCEPT, absent);
    check_exchange(FRAMED_REQUEST, FRAMED_ACCEPT, absent);
    check_exchange(CHALLENGE_REQUEST, CHALLENGE, absent);
    check_exchange(CHALLENGE_ANSWER, CHALLENGE_REJECT, absent);
    check_exchange(STATUS_REQUEST, STATUS_ACCEPT, absent);
    check_exchange(
        STATUS_ACCOUNTING_REQUEST,
        STATUS_ACCOUNTING_RESPONSE,
        absent,
    );
}

#[test]
fn reply_of_pyrad_verifies_with_its_message_authenticator() {
    check_exchange(PYRAD_ACCESS_REQUEST, PYRAD_REJECT, Ok(()));
}

#[track_caller]
fn check_request(packet: &str, message: MessageAuthenticatorCheck, request: bool) {
    let bytes = octets(packet);
    let packet = Packet::parse(&bytes).expect("request parses");
    assert_eq!(verify_message_authenticator(&packet, SECRET), message);
    assert_eq!(verify_request_authenticator(&packet, SECRET), request);
    let wrong = verify_message_authenticator(&packet, b"xyzzy");
    let absent = message == MessageAuthenticatorCheck::Absent;
    assert_eq!(
        wrong,
        if absent {
            message
        } else {
            MessageAuthenticatorCheck::Invalid
        }
    );
    assert!(!verify_request_authenticator(&packet, b"xyzzy"));
}

#[test]
fn requests_of_the_rfcs_and_of_pyrad_verify() {
    check_request(TELNET_REQUEST, MessageAuthenticatorCheck::Absent, false);
    check_request(STATUS_REQUEST, MessageAuthenticatorCheck::Valid, false);
    check_request(
        STATUS_ACCOUNTING_REQUEST,
        MessageAuthenticatorCheck::Valid,
        false,
    );
    check_request(
        PYRAD_ACCESS_REQUEST,
        MessageAuthenticatorCheck::Valid,
        false,
    );
    check_request(
        PYRAD_ACCOUNTING_REQUEST,
        MessageAuthenticatorCheck::Valid,
        true,
    );
    check_request(
        PYRAD_DISCONNECT_REQUEST,
        MessageAuthenticatorCheck::Valid,
        true,
    );
}

#[test]
fn reply_code_is_never_a_valid_request() {
    check_request(PYRAD_REJECT, MessageAuthenticatorCheck::Invalid, false);
    check_request(STATUS_ACCEPT, MessageAuthenticatorCheck::Absent, false);
}

#[track_caller]
fn check_password(request: &str, expected: &[u8]) {
    let bytes = octets(request);
    let packet = Packet::parse(&bytes).expect("request parses");
    let value = packet
        .find(kind::USER_PASSWORD)
        .expect("request has a password");
    let mut out = [0; pap::PASSWORD_LENGTH_MAX];
    assert_eq!(
        pap::decrypt(value, SECRET, packet.authenticator(), &mut out),
        Some(expected)
    );
    assert_eq!(
        pap::encrypt(expected, SECRET, packet.authenticator(), &mut out),
        Some(value)
    );
}

#[test]
fn passwords_of_the_rfc_decrypt() {
    check_password(TELNET_REQUEST, b"arctangent");
    check_password(CHALLENGE_REQUEST, b"challenge");
    check_password(CHALLENGE_ANSWER, b"99101462");
}

#[test]
fn attributes_of_the_rfc_read_as_described() {
    let bytes = octets(FRAMED_ACCEPT);
    let packet = Packet::parse(&bytes).expect("reply parses");
    let integer = |kind| packet.find(kind).and_then(attribute::integer);
    assert_eq!(packet.code(), Code::AccessAccept);
    assert_eq!(integer(kind::SERVICE_TYPE), Some(2));
    assert_eq!(integer(kind::FRAMED_MTU), Some(1500));
    let address = packet
        .find(kind::FRAMED_IP_ADDRESS)
        .and_then(attribute::ipv4);
    assert_eq!(address, Some([255, 255, 255, 254].into()));
    assert_eq!(packet.find(kind::CLASS), None);
    assert_eq!(packet.attributes().count(), 6);
    assert_eq!(
        format!("{packet:?}"),
        "Packet { code: AccessAccept, identifier: 1, length: 56, .. }"
    );
}

#[test]
fn writer_reproduces_the_telnet_exchange() {
    let (request, reply) = (octets(TELNET_REQUEST), octets(TELNET_ACCEPT));
    let authenticator: [u8; 16] = array("0f 40 3f 94 73 97 80 57 bd 83 d5 cb 98 f4 22 7a");
    let mut password = [0; pap::PASSWORD_LENGTH_MAX];
    let password = pap::encrypt(b"arctangent", SECRET, &authenticator, &mut password).unwrap();
    let mut buffer = Vec::new();

    let mut writer = PacketWriter::new(&mut buffer, Code::AccessRequest, 0);
    writer.push_text(kind::USER_NAME, "nemo").unwrap();
    writer.push(kind::USER_PASSWORD, password).unwrap();
    writer
        .push_ipv4(kind::NAS_IP_ADDRESS, [192, 168, 1, 16].into())
        .unwrap();
    writer.push_integer(kind::NAS_PORT, 3).unwrap();
    writer.finish_access_request(&authenticator, SECRET);
    assert_eq!(buffer, request);

    let mut writer = PacketWriter::new(&mut buffer, Code::AccessAccept, 0);
    writer.push_integer(kind::SERVICE_TYPE, 1).unwrap();
    writer.push_integer(kind::LOGIN_SERVICE, 0).unwrap();
    writer
        .push_ipv4(kind::LOGIN_IP_HOST, [192, 168, 1, 3].into())
        .unwrap();
    writer.finish_reply(&authenticator, SECRET);
    assert_eq!(buffer, reply);
}

#[test]
fn writer_reproduces_status_server() {
    let request = octets(STATUS_REQUEST);
    let authenticator = array("8a 54 f4 68 6f b3 94 c5 28 66 e3 02 18 5d 06 23");
    let mut buffer = Vec::new();
    let mut writer = PacketWriter::new(&mut buffer, Code::StatusServer, 0xda);
    writer.push_message_authenticator().unwrap();
    writer.finish_access_request(&authenticator, SECRET);
    assert_eq!(buffer, request);
    PacketWriter::new(&mut buffer, Code::AccessAccept, 0xda).finish_reply(&authenticator, SECRET);
    assert_eq!(buffer, octets(STATUS_ACCEPT));
}

#[test]
fn writer_writes_what_pyrad_writes() {
    let mut buffer = Vec::new();
    let mut writer = PacketWriter::new(&mut buffer, Code::AccessReject, 7);
    writer.push_message_authenticator().unwrap();
    writer.push_text(kind::REPLY_MESSAGE, "no").unwrap();
    writer.finish_reply(&array("0f403f9473978057bd83d5cb98f4227a"), SECRET);
    assert_eq!(buffer, octets(PYRAD_REJECT));

    let mut writer = PacketWriter::new(&mut buffer, Code::AccountingRequest, 8);
    writer.push_message_authenticator().unwrap();
    writer.push_text(kind::USER_NAME, "nemo").unwrap();
    writer.push_integer(kind::ACCT_STATUS_TYPE, 1).unwrap();
    writer.finish_accounting_request(SECRET);
    assert_eq!(buffer, octets(PYRAD_ACCOUNTING_REQUEST));

    let mut writer = PacketWriter::new(&mut buffer, Code::DisconnectRequest, 9);
    writer.push_message_authenticator().unwrap();
    writer.push_text(kind::USER_NAME, "nemo").unwrap();
    writer.finish_accounting_request(SECRET);
    assert_eq!(buffer, octets(PYRAD_DISCONNECT_REQUEST));
}

#[test]
fn reply_with_an_altered_message_authenticator_is_refused() {
    let authenticator = [9; 16];
    let mut buffer = Vec::new();
    let mut writer = PacketWriter::new(&mut buffer, Code::AccessAccept, 1);
    writer.push(kind::MESSAGE_AUTHENTICATOR, &[0; 16]).unwrap();
    writer
        .push_vendor_text(vendor::MIKROTIK, attribute::mikrotik::RATE_LIMIT, "1M/1M")
        .unwrap();
    writer.finish_reply(&authenticator, SECRET);
    let reply = Packet::parse(&buffer).unwrap();
    let verdict = verify_reply(&reply, 1, &authenticator, SECRET);
    assert_eq!(verdict, Err(ReplyError::MessageAuthenticatorInvalid));
}
