//! Reads the EAP packets of arbitrary requests, and takes them for answers to a question.
#![no_main]

use libfuzzer_sys::fuzz_target;
use radius::attribute::kind;
use radius::code::Code;
use radius::eap::md5::Challenge;
use radius::eap::{self, Message};
use radius::packet::Packet;

fuzz_target!(|input: (u8, [u8; 16], &[u8])| {
    let (identifier, value, attributes) = input;
    let Ok(length) = u16::try_from(attributes.len() + 20) else {
        return;
    };
    let length = length.to_be_bytes();
    let head = [Code::AccessRequest.as_u8(), 1, length[0], length[1]];
    let datagram = [&head[..], &[0; 16], attributes].concat();
    let Ok(packet) = Packet::parse(&datagram) else {
        return;
    };
    let mut octets = Vec::new();
    if eap::collect(&packet, &mut octets).is_err() {
        assert!(1 < packet.find_all(kind::EAP_MESSAGE).count());
        return;
    }
    assert!(octets.len() <= attributes.len());
    match Message::read(&octets) {
        Ok(Message::Start) => assert!(octets.is_empty()),
        Ok(Message::Identity { identity, .. }) => assert!(identity.len() + 5 <= octets.len()),
        Ok(Message::Response(response)) => {
            assert_eq!(response.identifier, eap::identifier(&packet));
            let challenge = Challenge::after(identifier, value);
            let mut question = Vec::new();
            challenge.write(&mut question);
            assert!(Message::read(&question).is_err(), "a question is no answer");
            if let Ok(answer) = challenge.read_answer(&response) {
                let _ = answer.verify(b"password");
            }
        }
        Err(_) => {}
    }
});
