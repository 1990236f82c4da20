//! Odd packets: what parses, what does not, and what a writer refuses.

use std::net::Ipv6Addr;

use radius::attribute::{self, VendorAttribute, cisco, kind, mikrotik, vendor};
use radius::authenticator::{MessageAuthenticatorCheck, verify_message_authenticator};
use radius::code::Code;
use radius::packet::{ATTRIBUTES_MAX, LENGTH_MAX, Packet, ParseError};
use radius::writer::{PacketWriter, WriteError};

const SECRET: &[u8] = b"testing123";

type SubAttribute<'a> = (u8, &'a [u8]);

fn datagram(code: u8, length: usize, attributes: &[u8]) -> Vec<u8> {
    let mut bytes = vec![code, 1];
    bytes.extend_from_slice(
        &u16::try_from(length)
            .expect("fits the length field")
            .to_be_bytes(),
    );
    bytes.extend_from_slice(&[5; 16]);
    bytes.extend_from_slice(attributes);
    bytes
}

#[track_caller]
fn check_parse(datagram: &[u8], expected: Result<usize, ParseError>) {
    let parsed = Packet::parse(datagram);
    let count = parsed.map(|packet| packet.attributes().count());
    assert_eq!(count, expected);
}

#[test]
fn header_alone_is_a_packet() {
    check_parse(&datagram(1, 20, &[]), Ok(0));
}

#[test]
fn datagram_shorter_than_a_header_is_refused() {
    check_parse(&[], Err(ParseError::HeaderTruncated { received: 0 }));
    check_parse(
        &datagram(1, 20, &[])[..19],
        Err(ParseError::HeaderTruncated { received: 19 }),
    );
}

#[test]
fn length_field_outside_20_to_4096_is_refused() {
    check_parse(
        &datagram(1, 0, &[]),
        Err(ParseError::LengthInvalid { length: 0 }),
    );
    check_parse(
        &datagram(1, 19, &[]),
        Err(ParseError::LengthInvalid { length: 19 }),
    );
    check_parse(
        &datagram(1, 4097, &[1; 5000]),
        Err(ParseError::LengthInvalid { length: 4097 }),
    );
}

#[test]
fn length_field_beyond_the_datagram_is_refused() {
    check_parse(
        &datagram(1, 21, &[]),
        Err(ParseError::Truncated {
            length: 21,
            received: 20,
        }),
    );
    check_parse(
        &datagram(1, 28, &[1, 6, 0, 0, 0]),
        Err(ParseError::Truncated {
            length: 28,
            received: 25,
        }),
    );
}

#[test]
fn padding_after_the_length_is_ignored() {
    let padded = datagram(1, 23, &[1, 3, b'a', 0, 0, 0, 0xff]);
    check_parse(&padded, Ok(1));
    assert_eq!(Packet::parse(&padded).unwrap().as_bytes(), &padded[..23]);
    check_parse(&datagram(1, 20, &[0; 6000]), Ok(0));
}

#[test]
fn unknown_code_is_refused() {
    for code in [0, 6, 10, 14, 39, 46, 255] {
        check_parse(
            &datagram(code, 20, &[]),
            Err(ParseError::UnknownCode { code }),
        );
    }
}

#[test]
fn attribute_without_a_value_is_kept() {
    check_parse(&datagram(1, 24, &[1, 2, 79, 2]), Ok(2));
}

#[test]
fn malformed_attribute_is_refused_with_its_place() {
    let rows: [(&[u8], usize); 6] = [
        (&[1], 20),
        (&[1, 0], 20),
        (&[1, 1], 20),
        (&[0, 2], 20),
        (&[1, 3, b'a', 2, 3], 23),
        (&[1, 255, 0], 20),
    ];
    for (attributes, at) in rows {
        let bytes = datagram(1, 20 + attributes.len(), attributes);
        check_parse(&bytes, Err(ParseError::AttributeMalformed { at }));
    }
}

#[test]
fn attribute_that_runs_into_the_padding_is_refused() {
    let bytes = datagram(1, 22, &[1, 4, b'a', b'b']);
    check_parse(&bytes, Err(ParseError::AttributeMalformed { at: 20 }));
}

#[test]
fn attribute_count_is_limited() {
    let attributes = [[33, 2]; ATTRIBUTES_MAX + 1].concat();
    let full = &attributes[..2 * ATTRIBUTES_MAX];
    check_parse(&datagram(1, 20 + full.len(), full), Ok(ATTRIBUTES_MAX));
    let error = ParseError::AttributesTooMany;
    check_parse(&datagram(1, 20 + attributes.len(), &attributes), Err(error));
}

#[test]
fn packet_of_4096_octets_parses() {
    let mut attributes = [[1, 255].as_slice(), &[0; 253]].concat().repeat(15);
    attributes.extend_from_slice(&[1, 251]);
    attributes.resize(LENGTH_MAX - 20, 0);
    check_parse(&datagram(1, LENGTH_MAX, &attributes), Ok(16));
}

#[track_caller]
fn check_message_authenticator(attributes: &[&[u8]], expected: MessageAuthenticatorCheck) {
    let attributes = attributes.concat();
    let bytes = datagram(1, 20 + attributes.len(), &attributes);
    let packet = Packet::parse(&bytes).expect("packet parses");
    assert_eq!(verify_message_authenticator(&packet, SECRET), expected);
}

#[test]
fn message_authenticator_must_be_one_and_have_16_octets() {
    let wrong: &[u8] = &[80, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    check_message_authenticator(&[&[1, 3, b'a']], MessageAuthenticatorCheck::Absent);
    check_message_authenticator(&[&[80, 2]], MessageAuthenticatorCheck::Invalid);
    check_message_authenticator(&[&[80, 3, 0]], MessageAuthenticatorCheck::Invalid);
    check_message_authenticator(&[wrong], MessageAuthenticatorCheck::Invalid);
    check_message_authenticator(&[wrong, wrong], MessageAuthenticatorCheck::Invalid);
}

#[test]
fn valid_message_authenticator_beside_a_second_one_is_invalid() {
    let mut buffer = Vec::new();
    let mut writer = PacketWriter::new(&mut buffer, Code::AccessRequest, 1);
    writer.push_message_authenticator().unwrap();
    writer.push(kind::MESSAGE_AUTHENTICATOR, &[0; 16]).unwrap();
    writer.finish_access_request(&[5; 16], SECRET);
    let packet = Packet::parse(&buffer).unwrap();
    assert_eq!(
        verify_message_authenticator(&packet, SECRET),
        MessageAuthenticatorCheck::Invalid
    );
}

#[test]
fn message_authenticator_verifies_in_any_place() {
    for before in 0..3 {
        let mut buffer = Vec::new();
        let mut writer = PacketWriter::new(&mut buffer, Code::CoaRequest, 1);
        (0..before).for_each(|_| writer.push_text(kind::USER_NAME, "ana").unwrap());
        writer.push_message_authenticator().unwrap();
        writer.push_text(kind::CALLING_STATION_ID, "00:11").unwrap();
        writer.finish_accounting_request(SECRET);
        let packet = Packet::parse(&buffer).unwrap();
        assert_eq!(
            verify_message_authenticator(&packet, SECRET),
            MessageAuthenticatorCheck::Valid
        );
    }
}

#[track_caller]
fn check_vendor(value: &[u8], expected: Option<(u32, &[SubAttribute<'_>])>) {
    let attribute = attribute::Attribute {
        kind: kind::VENDOR_SPECIFIC,
        value,
    };
    let actual = attribute
        .vendor()
        .map(|(vendor, attributes)| (vendor, attributes.collect::<Vec<_>>()));
    let expected = expected.map(|(vendor, attributes)| {
        let attributes = attributes
            .iter()
            .map(|(kind, value)| VendorAttribute { kind: *kind, value });
        (vendor, attributes.collect::<Vec<_>>())
    });
    assert_eq!(actual, expected);
}

#[test]
fn vendor_attribute_yields_all_its_sub_attributes() {
    check_vendor(
        &[0, 0, 0x3a, 0x8c, 8, 3, b'1'],
        Some((vendor::MIKROTIK, &[(8, b"1")])),
    );
    check_vendor(
        &[0, 0, 0, 9, 1, 3, b'a', 1, 2, 2, 4, b'b', b'c'],
        Some((9, &[(1, b"a"), (1, b""), (2, b"bc")])),
    );
}

#[test]
fn vendor_attribute_in_another_layout_stays_raw() {
    let rows: [&[u8]; 9] = [
        &[],
        &[0, 0, 9],
        &[0, 0, 0, 9],
        &[1, 0, 0, 9, 1, 3, b'a'],
        &[0, 0, 0, 9, 1],
        &[0, 0, 0, 9, 1, 0],
        &[0, 0, 0, 9, 1, 1],
        &[0, 0, 0, 9, 1, 4, b'a'],
        &[0, 0, 0, 9, 1, 3, b'a', 1],
    ];
    rows.into_iter().for_each(|value| check_vendor(value, None));
}

#[test]
fn attribute_of_another_kind_has_no_vendor() {
    let attribute = attribute::Attribute {
        kind: kind::CLASS,
        value: &[0, 0, 0, 9, 1, 3, b'a'],
    };
    assert!(attribute.vendor().is_none());
}

#[test]
fn packet_finds_a_sub_attribute_behind_others() {
    let attributes: &[u8] = &[
        26, 8, 0, 0, 0, 9, 1, 9, // malformed: kept raw, not found
        26, 9, 0, 0, 0, 9, 2, 3, b'x', //
        26, 13, 0, 0, 0, 9, 2, 3, b'y', 1, 4, b'o', b'k', //
        26, 9, 0, 0, 0, 9, 1, 3, b'z',
    ];
    let bytes = datagram(4, 20 + attributes.len(), attributes);
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(
        packet.find_vendor(vendor::CISCO, cisco::AVPAIR),
        Some(&b"ok"[..])
    );
    assert_eq!(packet.find_vendor(vendor::MIKROTIK, cisco::AVPAIR), None);
    assert_eq!(packet.find_all(kind::VENDOR_SPECIFIC).count(), 4);
}

#[test]
fn values_of_a_wrong_length_are_not_read() {
    for length in (0..20).filter(|length| *length != 4) {
        assert_eq!(attribute::integer(&[0; 20][..length]), None);
        assert_eq!(attribute::ipv4(&[0; 20][..length]), None);
    }
    assert_eq!(attribute::integer(&[0, 0, 1, 2]), Some(258));
    assert_eq!(
        attribute::integer64(&[0, 0, 0, 1, 0, 0, 0, 2]),
        Some((1 << 32) + 2)
    );
    assert_eq!(attribute::integer64(&[0; 4]), None);
    assert_eq!(attribute::ipv6(&[0; 15]), None);
    assert_eq!(attribute::ipv6(&[0; 16]), Some(Ipv6Addr::UNSPECIFIED));
    assert_eq!(attribute::text(b"\xff"), None);
    assert_eq!(attribute::text("año".as_bytes()), Some("año"));
}

#[track_caller]
fn check_ipv6_prefix(value: &[u8], expected: Option<(&str, u8)>) {
    let expected =
        expected.map(|(prefix, bits)| (prefix.parse::<Ipv6Addr>().expect("address"), bits));
    assert_eq!(attribute::ipv6_prefix(value), expected);
}

#[test]
fn ipv6_prefix_reads_what_its_length_covers() {
    check_ipv6_prefix(&[0, 0], Some(("::", 0)));
    check_ipv6_prefix(&[0, 32, 0x20, 1, 0xd, 0xb8], Some(("2001:db8::", 32)));
    check_ipv6_prefix(&[0, 28, 0x20, 1, 0xd, 0xbf], Some(("2001:db0::", 28)));
    check_ipv6_prefix(
        &[&[0, 128][..], &[1; 16]].concat(),
        Some(("101:101:101:101:101:101:101:101", 128)),
    );
    check_ipv6_prefix(&[&[0, 129][..], &[1; 16]].concat(), None);
    check_ipv6_prefix(&[&[0, 64][..], &[1; 17]].concat(), None);
    check_ipv6_prefix(&[0, 33, 0x20, 1, 0xd, 0xb8], None);
    check_ipv6_prefix(&[0], None);
}

#[track_caller]
fn check_write(
    push: impl FnOnce(&mut PacketWriter<'_>) -> Result<(), WriteError>,
    expected: Result<&[u8], WriteError>,
) {
    let mut buffer = Vec::new();
    let mut writer = PacketWriter::new(&mut buffer, Code::AccountingRequest, 1);
    let pushed = push(&mut writer);
    writer.finish_accounting_request(SECRET);
    let packet = Packet::parse(&buffer).expect("what is written parses");
    assert_eq!(pushed.map(|()| &packet.as_bytes()[20..]), expected);
    assert!(
        pushed.is_ok() || packet.as_bytes().len() == 20,
        "a refused value leaves nothing behind"
    );
}

#[test]
fn writer_lays_out_values() {
    check_write(|writer| writer.push(kind::CLASS, &[]), Ok(&[25, 2]));
    check_write(
        |writer| writer.push_integer64(kind::CLASS, 1),
        Ok(&[25, 10, 0, 0, 0, 0, 0, 0, 0, 1]),
    );
    check_write(|writer| writer.push_ipv6(95, Ipv6Addr::LOCALHOST), {
        Ok(&[95, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    });
    check_write(
        |writer| writer.push_vendor_integer(vendor::MIKROTIK, mikrotik::RECV_LIMIT, 7),
        Ok(&[26, 12, 0, 0, 0x3a, 0x8c, 1, 6, 0, 0, 0, 7]),
    );
}

#[test]
fn writer_shortens_and_clears_prefixes() {
    let prefix: Ipv6Addr = "2001:dbf::1".parse().unwrap();
    check_write(
        |writer| writer.push_ipv6_prefix(97, prefix, 0),
        Ok(&[97, 4, 0, 0]),
    );
    check_write(
        |writer| writer.push_ipv6_prefix(97, prefix, 28),
        Ok(&[97, 8, 0, 28, 0x20, 1, 0xd, 0xb0]),
    );
    let whole = [&[97, 20, 0, 128][..], &prefix.octets()].concat();
    check_write(
        |writer| writer.push_ipv6_prefix(97, prefix, 200),
        Ok(&whole),
    );
}

#[test]
fn writer_refuses_what_does_not_fit_an_attribute() {
    let (kind, length_max) = (kind::CLASS, 253);
    check_write(
        |writer| writer.push(kind, &[0; 254]),
        Err(WriteError::ValueTooLong {
            kind,
            length: 254,
            length_max,
        }),
    );
    let longest = [&[25, 255][..], &[0; 253]].concat();
    check_write(|writer| writer.push(kind, &[0; 253]), Ok(&longest));
    let error = WriteError::ValueTooLong {
        kind: 1,
        length: 248,
        length_max: 247,
    };
    check_write(|writer| writer.push_vendor(9, 1, &[0; 248]), Err(error));
    let longest = [&[26, 255, 0, 0, 0, 9, 1, 249][..], &[0; 247]].concat();
    check_write(|writer| writer.push_vendor(9, 1, &[0; 247]), Ok(&longest));
}

#[test]
fn writer_splits_long_values() {
    let value: Vec<u8> = (0..=255).chain(0..=255).collect();
    let split = [
        &[79, 255][..],
        &value[..253],
        &[79, 255],
        &value[253..506],
        &[79, 8],
        &value[506..],
    ]
    .concat();
    check_write(
        |writer| writer.push_long(kind::EAP_MESSAGE, &value),
        Ok(&split),
    );
    check_write(
        |writer| writer.push_long(kind::EAP_MESSAGE, &[]),
        Ok(&[79, 2]),
    );
    let error = WriteError::PacketFull {
        kind: 79,
        length: 4078,
        remaining: 4076,
    };
    check_write(
        |writer| writer.push_long(kind::EAP_MESSAGE, &[1; 4046]),
        Err(error),
    );
}

#[test]
fn long_value_reads_back_whole() {
    let value = [3; 4044];
    let (mut buffer, mut out) = (Vec::new(), vec![9; 3]);
    let mut writer = PacketWriter::new(&mut buffer, Code::AccessRequest, 1);
    writer.push_long(kind::EAP_MESSAGE, &value).unwrap();
    assert_eq!(writer.remaining(), 0);
    writer.finish_access_request(&[0; 16], SECRET);
    Packet::parse(&buffer)
        .unwrap()
        .concatenate(kind::EAP_MESSAGE, &mut out);
    assert_eq!((buffer.len(), out), (LENGTH_MAX, value.to_vec()));
}

#[test]
fn full_packet_refuses_more_and_stays_valid() {
    let mut buffer = Vec::new();
    let mut writer = PacketWriter::new(&mut buffer, Code::AccessAccept, 1);
    (0..15).for_each(|_| writer.push(kind::CLASS, &[0; 253]).unwrap());
    writer.push(kind::CLASS, &[0; 240]).unwrap();
    assert_eq!(writer.remaining(), 9);
    let error = WriteError::PacketFull {
        kind: 80,
        length: 18,
        remaining: 9,
    };
    assert_eq!(writer.push_message_authenticator(), Err(error));
    writer.finish_reply(&[0; 16], SECRET);
    assert_eq!(Packet::parse(&buffer).unwrap().attributes().count(), 16);
}

#[test]
fn message_authenticator_is_reserved_once() {
    let mut buffer = Vec::new();
    let mut writer = PacketWriter::new(&mut buffer, Code::AccessAccept, 1);
    assert_eq!(writer.push_message_authenticator(), Ok(()));
    assert_eq!(
        writer.push_message_authenticator(),
        Err(WriteError::MessageAuthenticatorRepeated)
    );
}

#[test]
fn writer_reuses_the_buffer() {
    let mut buffer = Vec::new();
    PacketWriter::new(&mut buffer, Code::AccessAccept, 1).finish_reply(&[0; 16], SECRET);
    let capacity = buffer.capacity();
    let mut writer = PacketWriter::new(&mut buffer, Code::AccessAccept, 2);
    while writer.push(kind::CLASS, &[0; 200]).is_ok() {}
    writer.finish_reply(&[0; 16], SECRET);
    assert_eq!(buffer.capacity(), capacity);
}
