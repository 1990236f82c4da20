//! Wire vectors, layouts, tags, hidden values, text form and properties.

use proptest::prelude::*;

use super::*;
use crate::attribute::Attribute;
use crate::data_type::DataType;
use crate::dictionary::Dictionary;
use crate::dictionary::definition::{Definition, Encryption};
use crate::value::Secret;

const KEYS: Keys<'static> = Keys {
    secret: b"xyzzy5461",
    request_authenticator: &[0x5a; 16],
    salt: 0x1234,
};

/// Dictionary lines for the examples of RFC 6929 §9, which use the same number with different types.
const EXTENDED: &str = "ATTRIBUTE Extended-Attribute-1 241 extended\nATTRIBUTE Extended-Attribute-5 245 long-extended\n\
    VENDOR One 1\n";

fn dictionary(lines: &str) -> Dictionary {
    let mut dictionary = Dictionary::new();
    dictionary
        .load_text("test", lines)
        .expect("the lines are a dictionary");
    dictionary
}

fn octets(hex: &str) -> Vec<u8> {
    let digits = hex.split_whitespace().collect::<String>();
    crate::value::octets(&format!("0x{digits}")).expect("hexadecimal digits")
}

fn split(mut wire: &[u8]) -> Vec<Attribute<'_>> {
    let mut attributes = Vec::new();
    while let [kind, length, ..] = *wire {
        let (attribute, rest) = wire.split_at(usize::from(length));
        attributes.push(Attribute {
            kind,
            value: &attribute[2..],
        });
        wire = rest;
    }
    attributes
}

fn show(dictionary: &Dictionary, avps: &[Avp]) -> String {
    avps.iter()
        .map(|avp| avp.show(dictionary).to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

/// Text to octets and back.
#[track_caller]
fn check(lines: &str, text: &str, hex: &str) {
    let dictionary = dictionary(lines);
    let avps = parse_list(&dictionary, text).expect("the text is attributes");
    let mut wire = Vec::new();
    encode(&dictionary, &avps, None, &mut wire).expect("the attributes can be sent");
    assert_eq!(wire, octets(hex));
    let decoded = decode(&dictionary, split(&wire), None);
    assert_eq!(decoded, avps);
    assert_eq!(show(&dictionary, &decoded), text);
}

/// Octets to text only, for what we read and do not write.
#[track_caller]
fn check_decoded(lines: &str, hex: &str, expected: &str) {
    let dictionary = dictionary(lines);
    let wire = octets(hex);
    let decoded = decode(&dictionary, split(&wire), None);
    assert_eq!(show(&dictionary, &decoded), expected);
}

#[track_caller]
fn check_extended(lines: &str, text: &str, hex: &str) {
    check(&format!("{EXTENDED}{lines}"), text, hex);
}

#[test]
fn rfc_6929_extended_type() {
    check_extended(
        "ATTRIBUTE A 241.1 string",
        "A = \"bob\"",
        "f1 06 01 62 6f 62",
    );
    check_extended("", "Attr-241.1 = 0x626f62", "f1 06 01 62 6f 62");
}

#[test]
fn rfc_6929_extended_type_with_tlv() {
    let tlv = "ATTRIBUTE T 241.2 tlv\nATTRIBUTE T1 241.2.1 octets\nATTRIBUTE T2 241.2.2 octets\n\
               ATTRIBUTE T3 241.2.3 tlv\nATTRIBUTE T31 241.2.3.1 octets\nATTRIBUTE T32 241.2.3.2 string";
    check_extended(tlv, "T = { T1 = 0x2345 }", "f1 07 02 01 04 23 45");
    check_extended(
        tlv,
        "T = { T1 = 0x2345, T2 = 0x6789 }",
        "f1 0b 02 01 04 23 45 02 04 67 89",
    );
    check_extended(
        tlv,
        "T = { T1 = 0x2345, T3 = { T31 = 0xabcd } }",
        "f1 0d 02 01 04 23 45 03 06 01 04 ab cd",
    );
    check_extended(
        tlv,
        "T = { T1 = 0x2345, T3 = { T31 = 0xabcd, T32 = \"foo\" } }",
        "f1 12 02 01 04 23 45 03 0b 01 04 ab cd 02 05 66 6f 6f",
    );
    let deep = "ATTRIBUTE D 241.1 tlv\nATTRIBUTE D1 241.1.1 tlv\nATTRIBUTE D2 241.1.1.2 tlv\n\
                ATTRIBUTE D3 241.1.1.2.3 tlv\nATTRIBUTE D4 241.1.1.2.3.4 tlv\nATTRIBUTE D5 241.1.1.2.3.4.5 octets";
    check_extended(
        deep,
        "D = { D1 = { D2 = { D3 = { D4 = { D5 = 0xcdef } } } } }",
        "f1 0f 01 01 0c 02 0a 03 08 04 06 05 04 cd ef",
    );
}

#[test]
fn rfc_6929_extended_vendor_specific() {
    let vendor = "ATTRIBUTE E 241.26 evs\nBEGIN-VENDOR One parent=E\nATTRIBUTE V4 4 string\nATTRIBUTE V5 5 tlv\n\
                  ATTRIBUTE V53 5.3 string\nEND-VENDOR One";
    check_extended(
        vendor,
        "V4 = \"test\"",
        "f1 0c 1a 00 00 00 01 04 74 65 73 74",
    );
    check_extended(
        vendor,
        "V5 = { V53 = \"test\" }",
        "f1 0e 1a 00 00 00 01 05 03 06 74 65 73 74",
    );
}

#[test]
fn rfc_6929_long_extended_type() {
    check_extended(
        "ATTRIBUTE A 245.1 string",
        "A = \"bob\"",
        "f5 07 01 00 62 6f 62",
    );
    let tlv = "ATTRIBUTE T 245.2 tlv\nATTRIBUTE T1 245.2.1 octets\nATTRIBUTE T3 245.2.3 tlv\nATTRIBUTE T31 245.2.3.1 octets";
    check_extended(tlv, "T = { T1 = 0x2345 }", "f5 08 02 00 01 04 23 45");
    check_extended(
        tlv,
        "T = { T1 = 0x2345, T3 = { T31 = 0xabcd } }",
        "f5 0e 02 00 01 04 23 45 03 06 01 04 ab cd",
    );
    let vendor =
        "ATTRIBUTE E 245.26 evs\nBEGIN-VENDOR One parent=E\nATTRIBUTE V4 4 string\nEND-VENDOR One";
    check_extended(
        vendor,
        "V4 = \"test\"",
        "f5 0d 1a 00 00 00 00 01 04 74 65 73 74",
    );
}

#[test]
fn rfc_6929_long_values_are_fragmented() {
    let (aa, bb, cc) = ("aa".repeat(123), "bb".repeat(127), "cc".repeat(17));
    let text = format!("Attr-245.4 = 0x{aa}ab{bb}{cc}");
    check_extended(
        "",
        &text,
        &format!("f5 ff 04 80 {aa} ab {bb} f5 15 04 00 {cc}"),
    );
    let text = format!("Attr-245.26.1.6 = 0x{aa}ab{bb}cc13456789");
    check_extended(
        "",
        &text,
        &format!(
            "f5 ff 1a 80 00 00 00 01 06 {aa} ab {} f5 0e 1a 00 {} cc 13 45 67 89",
            "bb".repeat(122),
            "bb".repeat(5)
        ),
    );
}

#[test]
fn rfc_6929_invalid_attributes_are_kept() {
    check_decoded(EXTENDED, "f1 03 01", "Attr-241 = 0x01");
    check_decoded(EXTENDED, "f5 04 01 00", "Attr-245 = 0x0100");
    check_decoded(EXTENDED, "f5 03 01", "Attr-245 = 0x01");
    check_decoded(
        EXTENDED,
        "f5 09 1a 00 00 00 00 01 06",
        "Attr-245.26 = 0x0000000106",
    );
    check_decoded(
        EXTENDED,
        "f1 08 1a 00 00 00 01 06",
        "Attr-241.26 = 0x0000000106",
    );
    check_decoded(EXTENDED, "f5 06 01 80 aa bb", "Attr-245 = 0x0180aabb");
    check_decoded(
        EXTENDED,
        "f5 06 01 80 aa bb 01 05 62 6f 62",
        "Attr-245 = 0x0180aabb, Attr-1 = 0x626f62",
    );
    check_decoded(
        EXTENDED,
        "f5 06 01 80 aa bb f5 05 02 00 cc",
        "Attr-245 = 0x0180aabb, Attr-245.2 = 0xcc",
    );
    let tlv = format!("{EXTENDED}ATTRIBUTE T 241.2 tlv\nATTRIBUTE T1 241.2.1 integer");
    check_decoded(&tlv, "f1 07 02 01 05 23 45", "Attr-241.2 = 0x01052345");
    check_decoded(&tlv, "f1 05 02 01 02", "Attr-241.2 = 0x0102");
    check_decoded(&tlv, "f1 08 02 01 04 23 45 09", "Attr-241.2 = 0x0104234509");
    check_decoded(
        &tlv,
        "f1 07 02 01 04 23 45",
        "T = { Attr-241.2.1 = 0x2345 }",
    );
    check_decoded(&tlv, "f1 06 02 07 03 23", "T = { Attr-241.2.7 = 0x23 }");
}

#[test]
fn members_that_stand_alone_are_put_into_their_tlv() {
    let lines = format!(
        "{EXTENDED}ATTRIBUTE T 241.2 tlv\nATTRIBUTE T1 241.2.1 byte\nATTRIBUTE T2 241.2.2 byte\nATTRIBUTE U 1 byte"
    );
    let dictionary = dictionary(&lines);
    let avps = parse_list(&dictionary, "T1 = 1\nT2 = 2, U = 3\nT1 = 4").expect("attributes");
    let mut wire = Vec::new();
    encode(&dictionary, &avps, None, &mut wire).expect("can be sent");
    assert_eq!(
        wire,
        octets("f1 09 02 01 03 01 02 03 02 01 03 03 f1 06 02 01 03 04")
    );
}

#[test]
fn usual_vendor_layout() {
    let lines =
        "VENDOR V 9\nBEGIN-VENDOR V\nATTRIBUTE A 1 string\nATTRIBUTE B 2 integer\nEND-VENDOR V";
    check(lines, "A = \"bob\"", "1a 0b 00 00 00 09 01 05 62 6f 62");
    check(
        lines,
        "Attr-26.9.3 = 0x0102",
        "1a 0a 00 00 00 09 03 04 01 02",
    );
    check(
        lines,
        "Attr-26.8.3 = 0x0102",
        "1a 0a 00 00 00 08 03 04 01 02",
    );
    check_decoded(
        lines,
        "1a 11 00 00 00 09 01 05 62 6f 62 02 06 00 00 00 07",
        "A = \"bob\", B = 7",
    );
    check_decoded(
        lines,
        "1a 0b 00 00 00 09 02 05 00 00 01",
        "Attr-26.9.2 = 0x000001",
    );
}

#[test]
fn malformed_vendor_attributes_are_kept() {
    let lines = "VENDOR V 9\nVENDOR W 10 format=1,1,c";
    for payload in [
        "00 00 00 09",
        "00 00 00 09 01",
        "00 00 00 09 01 09 62",
        "00 00 00 09 01 01",
        "01 00 00 09 01 03 62",
        "00 00",
    ] {
        let value = octets(payload);
        let hex = format!("1a {:02x} {payload}", value.len() + 2);
        check(lines, &format!("Attr-26 = {}", Value::Octets(value)), &hex);
    }
    check_decoded(
        lines,
        "1a 0a 00 00 00 0a 01 04 80 aa",
        "Attr-26 = 0x0000000a010480aa",
    );
    check_decoded(
        lines,
        "1a 0a 00 00 00 0a 01 04 80 aa 1a 0a 00 00 00 0a 02 04 00 bb",
        "Attr-26 = 0x0000000a010480aa, Attr-26.10.2 = 0xbb",
    );
}

#[test]
fn odd_vendor_layouts() {
    check(
        "VENDOR V 8164 format=2,2",
        "Attr-26.8164.258 = 0xaabb",
        "1a 0c 00 00 1f e4 01 02 00 06 aa bb",
    );
    check(
        "VENDOR V 429 format=4,0",
        "Attr-26.429.65537 = 0xaabb",
        "1a 0c 00 00 01 ad 00 01 00 01 aa bb",
    );
    check(
        "VENDOR V 7 format=1,0",
        "Attr-26.7.5 = 0xaabb",
        "1a 09 00 00 00 07 05 aa bb",
    );
    check(
        "VENDOR V 4846 format=2,1",
        "Attr-26.4846.258 = 0xaabb",
        "1a 0b 00 00 12 ee 01 02 05 aa bb",
    );
    check(
        "VENDOR V 7 format=4,2",
        "Attr-26.7.5 = 0xaa",
        "1a 0d 00 00 00 07 00 00 00 05 00 07 aa",
    );
    check(
        "VENDOR V 24757 format=1,1,c",
        "Attr-26.24757.5 = 0xaabb",
        "1a 0b 00 00 60 b5 05 05 00 aa bb",
    );
    check_decoded(
        "VENDOR V 24757 format=1,1,c",
        "1a 0e 00 00 60 b5 05 04 00 aa 06 04 00 bb",
        "Attr-26.24757.5 = 0xaa, Attr-26.24757.6 = 0xbb",
    );
}

#[test]
fn wimax_tlv_and_continuation() {
    let lines = "VENDOR W 24757 format=1,1,c\nBEGIN-VENDOR W\nATTRIBUTE C 1 tlv\nATTRIBUTE R 1.1 string\nATTRIBUTE L 2 octets\nEND-VENDOR W";
    check(
        lines,
        "C = { R = \"1.0\" }",
        "1a 0e 00 00 60 b5 01 08 00 01 05 31 2e 30",
    );
    let (first, second) = ("aa".repeat(246), "bb".repeat(4));
    check(
        lines,
        &format!("L = 0x{first}{second}"),
        &format!("1a ff 00 00 60 b5 02 f9 80 {first} 1a 0d 00 00 60 b5 02 07 00 {second}"),
    );
}

#[test]
fn tags_of_integers_and_text() {
    let lines =
        "ATTRIBUTE Type 64 integer has_tag\nVALUE Type VLAN 13\nATTRIBUTE Group 81 string has_tag";
    check(lines, "Type:1 = VLAN", "40 06 01 00 00 0d");
    check(lines, "Type = VLAN", "40 06 00 00 00 0d");
    check(lines, "Type:31 = 16777215", "40 06 1f ff ff ff");
    check(lines, "Type = 536870912", "40 06 20 00 00 00");
    check(lines, "Group:2 = \"100\"", "51 06 02 31 30 30");
    check(lines, "Group = \"100\"", "51 05 31 30 30");
    check(lines, "Group = \"\\001a\"", "51 05 00 01 61");
    check(lines, "Group:1 = \"\"", "51 03 01");
    check(lines, "Attr-64 = 0x010000", "40 05 01 00 00");
    check(lines, "Attr-81 = 0x01ff", "51 04 01 ff");
    check_decoded(lines, "51 06 00 31 30 30", "Group = \"100\"");
    check_decoded(lines, "51 06 20 31 30 30", "Group = \" 100\"");
}

#[test]
fn concatenated_attributes_are_joined_and_split() {
    let lines = "ATTRIBUTE EAP-Message 79 octets concat\nATTRIBUTE U 1 string";
    let (first, second) = ("aa".repeat(253), "bb".repeat(3));
    check(
        lines,
        &format!("EAP-Message = 0x{first}{second}"),
        &format!("4f ff {first} 4f 05 {second}"),
    );
    check_decoded(
        lines,
        "4f 03 01 4f 03 02 01 03 61 4f 03 03",
        "EAP-Message = 0x0102, U = \"a\", EAP-Message = 0x03",
    );
}

#[test]
fn hidden_values_are_opaque_without_keys() {
    let lines = "ATTRIBUTE P 2 string encrypt=1\nATTRIBUTE T 69 string has_tag,encrypt=2";
    check_decoded(lines, "02 06 01 02 03 04", "P = 0x01020304");
    check_decoded(lines, "45 07 01 81 02 03 04", "T:1 = 0x81020304");
    let dictionary = dictionary(lines);
    let avp = parse(&dictionary, "P = hello").expect("an attribute");
    assert_eq!(
        encode(&dictionary, &[avp], None, &mut Vec::new()),
        Err(EncodeError::KeysMissing {
            oid: Oid::standard(2)
        })
    );
}

#[test]
fn hidden_values_are_read_and_written_with_keys() {
    let dictionary = Dictionary::builtin();
    let text = "User-Password = \"hello\", Tunnel-Password:3 = \"secret\", Tunnel-Password = \"other\", \
                MS-MPPE-Send-Key = 0x00112233445566778899aabbccddeeff, Ascend-Send-Secret = \"abc\"";
    let avps = parse_list(&dictionary, text).expect("attributes");
    let mut wire = Vec::new();
    encode(&dictionary, &avps, Some(&KEYS), &mut wire).expect("can be sent");
    assert_eq!(decode(&dictionary, split(&wire), Some(&KEYS)), avps);
    let shown = show(&dictionary, &decode(&dictionary, split(&wire), Some(&KEYS)));
    assert_eq!(shown.matches("<<< secret >>>").count(), 5);
    let salts = split(&wire)
        .iter()
        .filter(|attribute| attribute.kind == 69)
        .map(|attribute| attribute.value[1..3].to_vec())
        .collect::<Vec<_>>();
    assert_eq!(salts, [[0x92, 0x34], [0x92, 0x35]]);
    assert!(
        !wire
            .windows(5)
            .any(|window| window == b"hello" || window == b"secre")
    );
}

#[test]
fn plain_value_of_a_hidden_attribute_is_hidden_too() {
    let dictionary = Dictionary::builtin();
    let avp = Avp::new(Oid::standard(2), Value::Text("hello".into()));
    let mut wire = Vec::new();
    encode(&dictionary, &[avp], Some(&KEYS), &mut wire).expect("can be sent");
    assert_eq!(
        decode(&dictionary, split(&wire), Some(&KEYS)),
        [Avp::new(
            Oid::standard(2),
            Value::Secret(Secret::new(b"hello"))
        )]
    );
}

#[track_caller]
fn check_not_sent(text: &str, expected: EncodeError) {
    let dictionary = Dictionary::builtin();
    let mut avps = vec![Avp::new(Oid::standard(1), Value::Text("bob".into()))];
    avps.extend(parse_list(&dictionary, text).expect("attributes"));
    let mut out = vec![7];
    assert_eq!(encode(&dictionary, &avps, None, &mut out), Err(expected));
    assert_eq!(out, [7]);
}

#[test]
fn attributes_that_cannot_be_sent_are_refused() {
    let internal = Oid::standard(1100);
    check_not_sent(
        "Cleartext-Password = hello",
        EncodeError::NotSendable { oid: internal },
    );
    check_not_sent(
        "Attr-0 = 0x01",
        EncodeError::NotSendable {
            oid: Oid::standard(0),
        },
    );
    check_not_sent(
        "Attr-26.9.256 = 0x01",
        EncodeError::NotSendable {
            oid: Oid::vendor(9, 256),
        },
    );
    let long = "a".repeat(254);
    check_not_sent(
        &format!("User-Name = {long}"),
        EncodeError::TooLong {
            oid: Oid::standard(1),
            octets: 254,
            octets_max: 253,
        },
    );
    check_not_sent(
        &format!("Cisco-AVPair = {}", &long[..248]),
        EncodeError::TooLong {
            oid: Oid::vendor(9, 1),
            octets: 248,
            octets_max: 247,
        },
    );
    check_not_sent(
        "Tunnel-Type:1 = 16777216",
        EncodeError::TaggedTooLarge {
            oid: Oid::standard(64),
        },
    );
    check_not_sent(
        "Attr-241.9 = 0x",
        EncodeError::Empty {
            oid: "241.9".parse().expect("oid"),
        },
    );
    check_not_sent(
        "IP-Port-Range = { User-Name = bob }",
        EncodeError::Misplaced {
            oid: Oid::standard(1),
        },
    );
}

#[track_caller]
fn check_text(text: &str, expected: &str) {
    let dictionary = Dictionary::builtin();
    let avps = parse_list(&dictionary, text).expect("attributes");
    assert_eq!(show(&dictionary, &avps), expected);
}

#[test]
fn text_is_read_as_radclient_reads_it() {
    check_text("User-Name=bob", "User-Name = \"bob\"");
    check_text(
        "user-name := \"b\\\"o\\\\b\\n\\007\"",
        "User-Name = \"b\\\"o\\\\b\\n\\007\"",
    );
    check_text("User-Name = 'single'", "User-Name = \"single\"");
    check_text(
        "# comment\nUser-Name = bob # more\n\nNAS-Port = 0x10,NAS-IP-Address += 10.0.0.1\r\n",
        "User-Name = \"bob\", NAS-Port = 16, NAS-IP-Address = 10.0.0.1",
    );
    check_text("Service-Type = Framed-User", "Service-Type = Framed-User");
    check_text(
        "Service-Type = 2, Service-Type = 99",
        "Service-Type = Framed-User, Service-Type = 99",
    );
    check_text(
        "Event-Timestamp = \"Nov 20 2026 05:09:39 UTC\"",
        "Event-Timestamp = \"Nov 20 2026 05:09:39 UTC\"",
    );
    check_text(
        "Event-Timestamp = 0",
        "Event-Timestamp = \"Jan  1 1970 00:00:00 UTC\"",
    );
    check_text(
        "Framed-IPv6-Prefix = 2001:db8::/48",
        "Framed-IPv6-Prefix = 2001:db8::/48",
    );
    check_text("Class = 0xAB01", "Class = 0xab01");
    check_text("Class = bob", "Class = 0x626f62");
    check_text("User-Name = 0x626f62", "User-Name = \"bob\"");
    check_text("Attr-27 = 0x0000003c", "Session-Timeout = 60");
    check_text("Attr-27 = 0x3c", "Attr-27 = 0x3c");
    check_text("Attr-26.14988.8 = 0x314d", "Mikrotik-Rate-Limit = \"1M\"");
    check_text(
        "Mikrotik-Rate-Limit = \"25M/50M 30M/60M\"",
        "Mikrotik-Rate-Limit = \"25M/50M 30M/60M\"",
    );
    check_text(
        "User-Password = \"hello\"",
        "User-Password = <<< secret >>>",
    );
    check_text(
        "Tunnel-Type:1 = VLAN, Tunnel-Type:0 = VLAN",
        "Tunnel-Type:1 = VLAN, Tunnel-Type = VLAN",
    );
    check_text("", "");
}

#[track_caller]
fn check_bad_text(text: &str, expected: &str) {
    let error = parse_list(&Dictionary::builtin(), text)
        .expect_err("the text is refused")
        .to_string();
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn text_errors_name_the_attribute_and_the_remedy() {
    check_bad_text("No-Such = 1", "unknown attribute `No-Such`: use a name");
    check_bad_text("= 1", "unknown attribute ``: use a name");
    check_bad_text("User-Name", "`User-Name` has no value: write");
    check_bad_text("User-Name =", "`User-Name` has no value: write");
    check_bad_text(
        "Session-Timeout = hour",
        "value of `Session-Timeout`: not a value of type integer: write a number",
    );
    check_bad_text(
        "MS-CHAP2-Response = 0x00",
        "value of `MS-CHAP2-Response`: it has 50 octets",
    );
    check_bad_text(
        "User-Name:1 = bob",
        "tag of `User-Name:1`: tunnel attributes take",
    );
    check_bad_text(
        "Tunnel-Type:32 = VLAN",
        "tag of `Tunnel-Type:32`: tunnel attributes take",
    );
    check_bad_text("User-Name = \"bob", "`\"` is not closed");
    check_bad_text("User-Name = \"bob\\", "`\"` is not closed");
    check_bad_text("IP-Port-Range = { ", "`{` is not closed");
    check_bad_text("User-Name = bob }", "`{` is not closed");
    check_bad_text(
        "User-Name = bob smith",
        "something follows the value of `User-Name`: separate",
    );
    check_bad_text(
        "IP-Port-Range = { }",
        "`IP-Port-Range` takes no `{ }`: only",
    );
    check_bad_text(
        "User-Name = { NAS-Port = 1 }",
        "`User-Name` takes no `{ }`: only",
    );
    check_bad_text(
        &"IP-Port-Range = { ".repeat(20),
        "at most 4096 attributes and 8 TLVs",
    );
}

#[test]
fn text_errors_do_not_repeat_the_value() {
    let error = parse(&Dictionary::builtin(), "NT-Password = \"hunter2").expect_err("not closed");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

/// What one generated attribute is made from.
#[derive(Clone, Debug)]
struct Seed {
    pick: prop::sample::Index,
    number: u64,
    text: String,
    octets: Vec<u8>,
    tag: Option<u8>,
}

fn seed() -> impl Strategy<Value = Seed> {
    (
        any::<prop::sample::Index>(),
        any::<u64>(),
        ".{1,40}",
        prop::collection::vec(any::<u8>(), 16..40),
        prop::option::of(1..=TAG_MAX),
    )
        .prop_map(|(pick, number, text, octets, tag)| Seed {
            pick,
            number,
            text,
            octets,
            tag,
        })
}

/// A well-formed attribute for the definition; `None` for containers and members of TLVs, which come with those.
fn build(dictionary: &Dictionary, definition: &Definition, seed: &Seed) -> Option<Avp> {
    let flags = definition.flags();
    let value = if definition.data_type() == DataType::Tlv {
        let members = dictionary
            .definitions()
            .filter(|member| member.oid().parent() == Some(definition.oid()));
        let members = members
            .filter_map(|member| build(dictionary, member, seed))
            .take(4)
            .collect::<Vec<_>>();
        if members.is_empty() {
            return None;
        }
        Value::Tlv(members)
    } else if definition.is_secret() {
        let octets = if flags.encryption == Some(Encryption::AscendSecret) {
            &seed.octets[..15]
        } else {
            &seed.octets
        };
        let mut octets = octets.to_vec();
        octets.push(1);
        Value::Secret(Secret::new(&octets))
    } else {
        let limit = if flags.has_tag { 0x00ff_ffff } else { u64::MAX };
        match (
            leaf_value(definition.data_type(), seed, seed.number & limit)?,
            flags.octets_exact,
        ) {
            (Value::Octets(mut octets), Some(octets_exact)) => {
                octets.resize(usize::from(octets_exact), 0);
                Value::Octets(octets)
            }
            (value, _) => value,
        }
    };
    Some(Avp {
        oid: definition.oid(),
        tag: seed.tag.filter(|_| flags.has_tag),
        value,
    })
}

fn leaf_value(data_type: DataType, seed: &Seed, number: u64) -> Option<Value> {
    let octets = &seed.octets;
    let exact = |count: usize| Value::decode(data_type, &octets[..count]);
    Some(match data_type {
        DataType::Text => Value::Text(seed.text.clone()),
        DataType::Octets => Value::Octets(octets.clone()),
        DataType::Integer32 => Value::Integer32(number as u32),
        DataType::Integer8 => exact(1),
        DataType::Integer16 => exact(2),
        DataType::Integer64 | DataType::InterfaceId => exact(8),
        DataType::Signed32 | DataType::Date | DataType::Ipv4Address => exact(4),
        DataType::ComboAddress if number.is_multiple_of(2) => exact(4),
        DataType::Ipv6Address | DataType::ComboAddress => exact(16),
        DataType::Ethernet => exact(6),
        DataType::Ipv4Prefix => Value::ipv4_prefix(
            u32::from_be_bytes([octets[0], octets[1], octets[2], octets[3]]).into(),
            octets[4] % 33,
        )?,
        DataType::Ipv6Prefix => Value::ipv6_prefix(
            <[u8; 16]>::try_from(&octets[..16])
                .expect("16 octets")
                .into(),
            (number % 129) as u8,
        )?,
        DataType::Tlv
        | DataType::Vsa
        | DataType::Extended
        | DataType::LongExtended
        | DataType::ExtendedVendorSpecific => return None,
    })
}

/// Attributes of the built-in dictionary and of every layout, at the top of the packet.
fn sendable() -> Dictionary {
    let mut dictionary = Dictionary::builtin();
    let lines = ["USR", "Lucent", "Starent", "WiMAX"].map(|vendor| {
        format!(
            "BEGIN-VENDOR {vendor}\nATTRIBUTE {vendor}-A 1 string\nATTRIBUTE {vendor}-B 2 integer\n\
             ATTRIBUTE {vendor}-T 3 tlv\nATTRIBUTE {vendor}-M 3.1 string\nATTRIBUTE {vendor}-N 3.2 ipv6prefix\n\
             END-VENDOR {vendor}\n"
        )
    });
    dictionary
        .load_text("layouts", &lines.concat())
        .expect("the lines are a dictionary");
    dictionary
}

fn attributes() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let kind = prop_oneof![
        any::<u8>(),
        prop::sample::select(vec![2, 26, 26, 64, 69, 79, 81, 241, 242, 245, 245, 246])
    ];
    let inside = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60),
        prop::collection::vec(0_u8..8, 0..60),
        (
            prop::sample::select(vec![9_u32, 311, 429, 4846, 8164, 24757, 41112]),
            prop::collection::vec(0_u8..12, 0..30)
        )
            .prop_map(|(vendor, rest)| [&vendor.to_be_bytes()[..], &rest].concat()),
        (
            1_u8..27,
            prop::sample::select(vec![0_u8, 0x80]),
            prop::collection::vec(0_u8..8, 0..30)
        )
            .prop_map(|(kind, flags, rest)| [&[kind, flags][..], &rest].concat()),
    ];
    prop::collection::vec((kind, inside), 0..12)
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_itself(seeds in prop::collection::vec(seed(), 1..8)) {
        let dictionary = sendable();
        let candidates = dictionary
            .definitions()
            .filter(|definition| !definition.is_internal() && outermost(&definition.oid()) == definition.oid())
            .collect::<Vec<_>>();
        let mut avps = seeds
            .iter()
            .filter_map(|seed| build(&dictionary, candidates[seed.pick.index(candidates.len())], seed))
            .filter(|avp| encode(&dictionary, std::slice::from_ref(avp), Some(&KEYS), &mut Vec::new()).is_ok())
            .collect::<Vec<_>>();
        avps.dedup_by_key(|avp| avp.oid);
        let mut wire = Vec::new();
        prop_assert_eq!(encode(&dictionary, &avps, Some(&KEYS), &mut wire), Ok(()));
        prop_assert_eq!(&decode(&dictionary, split(&wire), Some(&KEYS)), &avps);
        let shown = show(&dictionary, &avps);
        if !shown.contains("<<< secret >>>") {
            prop_assert_eq!(parse_list(&dictionary, &shown), Ok(avps), "{}", shown);
        }
    }

    #[test]
    fn arbitrary_attributes_keep_their_meaning(raw in attributes()) {
        let dictionary = sendable();
        let raw = || raw.iter().map(|(kind, value)| Attribute { kind: *kind, value });
        let decoded = decode(&dictionary, raw(), None);
        let _ = decode(&dictionary, raw(), Some(&KEYS));
        let shown = show(&dictionary, &decoded);
        prop_assert!(decoded.is_empty() || !shown.is_empty());
        let mut wire = Vec::new();
        if encode(&dictionary, &decoded, None, &mut wire).is_ok() {
            prop_assert_eq!(decode(&dictionary, split(&wire), None), decoded);
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in "(User-Name|Attr-26|Tunnel-Type|IP-Port-Range|[:={}\"\\\\#,\n 0-9x]|\\PC){0,40}") {
        let dictionary = Dictionary::builtin();
        let _ = parse_list(&dictionary, &text);
        let _ = Dictionary::new().load_text("x", &text);
    }
}
