//! Reads arbitrary datagrams and packets of arbitrary attributes: attributes add up, a rewritten packet is the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use radius::attribute;
use radius::packet::Packet;
use radius::writer::PacketWriter;

fuzz_target!(|octets: &[u8]| {
    check(octets);
    if let Ok(length) = u16::try_from(octets.len() + 20) {
        let length = length.to_be_bytes();
        check(&[&[1, 2, length[0], length[1]][..], &[3; 16], octets].concat());
    }
});

fn check(datagram: &[u8]) {
    let Ok(packet) = Packet::parse(datagram) else {
        return;
    };
    let mut buffer = Vec::new();
    let mut writer = PacketWriter::new(&mut buffer, packet.code(), packet.identifier());
    for attribute in packet.attributes() {
        writer
            .push(attribute.kind, attribute.value)
            .expect("what was read fits");
        let _ = attribute::integer(attribute.value);
        let _ = attribute::integer64(attribute.value);
        let _ = attribute::ipv4(attribute.value);
        let _ = attribute::ipv6(attribute.value);
        let _ = attribute::ipv6_prefix(attribute.value);
        let _ = attribute::text(attribute.value);
        let sub_attributes = attribute
            .vendor()
            .into_iter()
            .flat_map(|(vendor, list)| list.map(move |one| (vendor, one)));
        for (vendor, sub_attribute) in sub_attributes {
            assert!(packet.find_vendor(vendor, sub_attribute.kind).is_some());
        }
    }
    writer.finish_access_request(packet.authenticator(), b"secret");
    assert_eq!(buffer, packet.as_bytes());
}
