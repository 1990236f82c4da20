//! Verifies packets of arbitrary attributes, and the same attributes signed properly, which must verify.
#![no_main]

use libfuzzer_sys::fuzz_target;
use radius::attribute::kind;
use radius::authenticator::{
    verify_message_authenticator, verify_reply, verify_reply_requiring_message_authenticator,
    verify_request_authenticator,
};
use radius::packet::Packet;
use radius::writer::PacketWriter;

fuzz_target!(|input: ([u8; 16], u8, &[u8], &[u8])| {
    let (request_authenticator, code, secret, attributes) = input;
    let Ok(length) = u16::try_from(attributes.len() + 20).map(u16::to_be_bytes) else {
        return;
    };
    let datagram = [
        &[code, 1, length[0], length[1]][..],
        &request_authenticator,
        attributes,
    ]
    .concat();
    let Ok(packet) = Packet::parse(&datagram) else {
        return;
    };
    let _ = verify_message_authenticator(&packet, secret);
    let _ = verify_request_authenticator(&packet, secret);
    let _ = verify_reply(&packet, 1, &request_authenticator, secret);

    let mut buffer = Vec::new();
    let mut writer = PacketWriter::new(&mut buffer, packet.code(), 1);
    writer
        .push_message_authenticator()
        .expect("an empty packet has room");
    for attribute in packet
        .attributes()
        .filter(|attribute| attribute.kind != kind::MESSAGE_AUTHENTICATOR)
    {
        if writer.push(attribute.kind, attribute.value).is_err() {
            return;
        }
    }
    writer.finish_reply(&request_authenticator, secret);
    if let Ok(reply) = Packet::parse(&buffer) {
        let verdict =
            verify_reply_requiring_message_authenticator(&reply, 1, &request_authenticator, secret);
        assert_eq!(verdict, Ok(()));
    }
});
