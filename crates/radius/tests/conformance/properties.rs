//! What holds for all inputs: what is written reads back, and no octets make anything panic.

use proptest::collection::vec;
use proptest::prelude::*;
use radius::attribute::{self, Attribute, kind};
use radius::authenticator::{
    MessageAuthenticatorCheck, verify_message_authenticator, verify_reply,
    verify_reply_requiring_message_authenticator, verify_request_authenticator,
};
use radius::code::Code;
use radius::packet::Packet;
use radius::password::{chap, mppe, mschap, pap};
use radius::tunnel_password;
use radius::writer::{PacketWriter, VALUE_LENGTH_MAX, VENDOR_VALUE_LENGTH_MAX};

fn code() -> impl Strategy<Value = Code> {
    prop::sample::select((0..=u8::MAX).filter_map(Code::from_u8).collect::<Vec<_>>())
}

fn attributes() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let kind = (1..=u8::MAX).prop_filter("the writer adds it", |kind| {
        *kind != kind::MESSAGE_AUTHENTICATOR
    });
    vec((kind, vec(any::<u8>(), 0..=32)), 0..40)
}

/// Octets that resemble a packet closely enough to pass the header checks often.
fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let body = prop_oneof![
        vec(any::<u8>(), 0..200),
        attributes().prop_map(|list| encode(&list))
    ];
    (code(), any::<u8>(), -3..4_i32, body).prop_map(|(code, identifier, error, body)| {
        let length = i32::try_from(body.len() + 20).expect("small") + error;
        let length = u16::try_from(length).expect("small").to_be_bytes();
        [&[code.as_u8(), identifier][..], &length, &[0; 16], &body].concat()
    })
}

fn encode(attributes: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let encode_one = |(kind, value): &(u8, Vec<u8>)| {
        [
            &[*kind, u8::try_from(value.len() + 2).expect("small")][..],
            value,
        ]
        .concat()
    };
    attributes.iter().flat_map(encode_one).collect()
}

fn write(
    code: Code,
    identifier: u8,
    attributes: &[(u8, Vec<u8>)],
    finish: impl FnOnce(PacketWriter<'_>),
) -> Vec<u8> {
    let mut buffer = Vec::new();
    let mut writer = PacketWriter::new(&mut buffer, code, identifier);
    writer
        .push_message_authenticator()
        .expect("an empty packet has room");
    for (kind, value) in attributes {
        writer
            .push(*kind, value)
            .expect("40 attributes of 34 octets have room");
    }
    finish(writer);
    buffer
}

#[track_caller]
fn check_content(packet: &Packet<'_>, code: Code, identifier: u8, attributes: &[(u8, Vec<u8>)]) {
    assert_eq!((packet.code(), packet.identifier()), (code, identifier));
    let expected = attributes
        .iter()
        .map(|(kind, value)| Attribute { kind: *kind, value });
    assert!(packet.attributes().skip(1).eq(expected));
}

proptest! {
    #[test]
    fn reply_reads_back_and_verifies(
        code in code(), identifier: u8, attributes in attributes(), request: [u8; 16], secret: Vec<u8>,
    ) {
        let bytes = write(code, identifier, &attributes, |writer| writer.finish_reply(&request, &secret));
        let packet = Packet::parse(&bytes).unwrap();
        check_content(&packet, code, identifier, &attributes);
        let verdict = verify_reply_requiring_message_authenticator(&packet, identifier, &request, &secret);
        prop_assert_eq!(verdict, Ok(()));
    }

    #[test]
    fn access_request_reads_back_and_verifies(
        identifier: u8, attributes in attributes(), authenticator: [u8; 16], secret: Vec<u8>,
    ) {
        for code in [Code::AccessRequest, Code::StatusServer] {
            let finish = |writer: PacketWriter<'_>| writer.finish_access_request(&authenticator, &secret);
            let bytes = write(code, identifier, &attributes, finish);
            let packet = Packet::parse(&bytes).unwrap();
            check_content(&packet, code, identifier, &attributes);
            prop_assert_eq!(packet.authenticator(), &authenticator);
            prop_assert_eq!(verify_message_authenticator(&packet, &secret), MessageAuthenticatorCheck::Valid);
        }
    }

    #[test]
    fn accounting_request_reads_back_and_verifies(
        identifier: u8, attributes in attributes(), secret: Vec<u8>,
    ) {
        for code in [Code::AccountingRequest, Code::CoaRequest, Code::DisconnectRequest] {
            let bytes = write(code, identifier, &attributes, |writer| writer.finish_accounting_request(&secret));
            let packet = Packet::parse(&bytes).unwrap();
            check_content(&packet, code, identifier, &attributes);
            prop_assert!(verify_request_authenticator(&packet, &secret));
            prop_assert_eq!(verify_message_authenticator(&packet, &secret), MessageAuthenticatorCheck::Valid);
        }
    }

    #[test]
    fn altered_accounting_request_does_not_verify(attributes in attributes(), at: prop::sample::Index, bit in 0..8) {
        let finish = |writer: PacketWriter<'_>| writer.finish_accounting_request(b"secret");
        let mut bytes = write(Code::AccountingRequest, 1, &attributes, finish);
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        if let Ok(packet) = Packet::parse(&bytes) {
            prop_assert!(!verify_request_authenticator(&packet, b"secret"));
        }
    }

    #[test]
    fn no_datagram_makes_parsing_or_verifying_panic(
        datagram in prop_oneof![datagram(), vec(any::<u8>(), 0..100)], secret: Vec<u8>, kind: u8, vendor: u32,
    ) {
        if let Ok(packet) = Packet::parse(&datagram) {
            let octets: usize = packet.attributes().map(|attribute| attribute.value.len() + 2).sum();
            prop_assert_eq!(octets + 20, packet.as_bytes().len());
            let sub_attributes = packet.attributes().filter_map(|attribute| attribute.vendor());
            sub_attributes.for_each(|(_, list)| assert_ne!(list.count(), 0));
            let _ = (packet.find(kind), packet.find_vendor(vendor, kind));
            let _ = verify_message_authenticator(&packet, &secret);
            let _ = verify_request_authenticator(&packet, &secret);
            let _ = verify_reply(&packet, packet.identifier(), packet.authenticator(), &secret);
        }
    }

    #[test]
    fn no_value_makes_reading_panic(value in vec(any::<u8>(), 0..300)) {
        let _ = (attribute::integer(&value), attribute::integer64(&value), attribute::text(&value));
        let _ = (attribute::ipv4(&value), attribute::ipv6(&value), attribute::ipv6_prefix(&value));
        let _ = Attribute { kind: kind::VENDOR_SPECIFIC, value: &value }.vendor();
    }

    #[test]
    fn no_value_makes_password_methods_panic(
        value in vec(any::<u8>(), 0..300), other in vec(any::<u8>(), 0..40), authenticator: [u8; 16],
    ) {
        let _ = pap::decrypt(&value, &other, &authenticator, &mut [0; pap::PASSWORD_LENGTH_MAX]);
        let _ = tunnel_password::decrypt(&value, &authenticator, &other, &mut [0; VALUE_LENGTH_MAX]);
        let _ = mppe::decrypt_key(&value, &authenticator, &other, &mut [0; VENDOR_VALUE_LENGTH_MAX]);
        let _ = chap::verify(&value, &authenticator, &other);
        let _ = mschap::v1_verify(&[0; 8], &value, &authenticator);
        let _ = mschap::v2_verify(&authenticator, &value, &other, &authenticator);
    }

    #[test]
    fn pap_reads_back(password in "[^\0]{0,30}", secret: Vec<u8>, authenticator: [u8; 16]) {
        let (mut cipher, mut clear) = ([0; pap::PASSWORD_LENGTH_MAX], [0; pap::PASSWORD_LENGTH_MAX]);
        let cipher = pap::encrypt(password.as_bytes(), &secret, &authenticator, &mut cipher).unwrap();
        let clear = pap::decrypt(cipher, &secret, &authenticator, &mut clear);
        prop_assert_eq!(clear, Some(password.as_bytes()));
    }

    #[test]
    fn salted_values_read_back(
        clear in vec(any::<u8>(), 0..=239), salt: [u8; 2], tag: u8, secret: Vec<u8>, authenticator: [u8; 16],
    ) {
        let (mut out, mut back) = ([0; VALUE_LENGTH_MAX], [0; VALUE_LENGTH_MAX]);
        let value = tunnel_password::encrypt(tag, &clear, salt, &authenticator, &secret, &mut out).unwrap();
        let decrypted = tunnel_password::decrypt(value, &authenticator, &secret, &mut back);
        prop_assert_eq!(decrypted, Some((tag, &clear[..])));
        let (mut out, mut back) = ([0; VENDOR_VALUE_LENGTH_MAX], [0; VENDOR_VALUE_LENGTH_MAX]);
        let value = mppe::encrypt_key(&clear, salt, &authenticator, &secret, &mut out).unwrap();
        prop_assert_eq!(mppe::decrypt_key(value, &authenticator, &secret, &mut back), Some(&clear[..]));
    }

    #[test]
    fn mschap_responses_are_accepted(
        password in ".{0,20}", user_name in "[a-z@.]{0,20}", challenge: [u8; 16], peer: [u8; 16], identifier: u8,
    ) {
        let nt_hash = mschap::nt_hash(&password);
        let user_name = user_name.as_bytes();
        let response = mschap::v2_respond(identifier, &challenge, &peer, user_name, &nt_hash);
        let success = mschap::v2_verify(&challenge, &response, user_name, &nt_hash).unwrap();
        let attribute = success.attribute();
        prop_assert!(mschap::v2_verify_success(&attribute, &challenge, &response, user_name, &nt_hash));
        let challenge = *challenge.first_chunk().unwrap();
        let response = mschap::v1_respond(identifier, &challenge, &nt_hash);
        prop_assert!(mschap::v1_verify(&challenge, &response, &nt_hash));
    }
}
