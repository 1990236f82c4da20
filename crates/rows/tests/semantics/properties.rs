//! Whatever rows and packets hold: nothing panics, and the strict mode lets in nobody whom the other refuses.

use proptest::prelude::*;
use radius::packet::Packet;
use rows::lint::Linter;
use rows::row::{GroupRows, Mode};

use crate::world::{COMPILER, World, answer, packet, request, user_rows};

const ATTRIBUTES: [&str; 22] = [
    "Cleartext-Password",
    "Crypt-Password",
    "MD5-Password",
    "Password-With-Header",
    "User-Password",
    "Auth-Type",
    "NAS-Port",
    "NAS-Port-Type",
    "Calling-Station-Id",
    "Framed-IPv6-Prefix",
    "Tunnel-Type:1",
    "Class",
    "SQL-Group",
    "User-Profile",
    "Fall-Through",
    "Session-Timeout",
    "Reply-Message",
    "Mikrotik-Rate-Limit",
    "Expiration",
    "Packet-Src-IP-Address",
    "No-Such-Attr",
    "Attr-26.9.1",
];
const OPERATORS: [&str; 18] = [
    ":=", "+=", "=", "==", "!=", "<", "<=", ">", ">=", "=~", "!~", "=*", "!*", "-=", "^=", "++",
    "", "?",
];
const VALUES: [&str; 24] = [
    "pw",
    "",
    "50",
    "-1",
    "Accept",
    "Reject",
    "PAP",
    "Yes",
    "No",
    "Ethernet",
    "g1",
    "g2",
    "^02:(..)",
    "(",
    "(a|b)*c",
    "`%{User-Name}`",
    "`%{1}%{reply:Class[*]}`",
    "`%{%{No}:-x}`",
    "\"x",
    "2001:db8::/48",
    "0x61",
    "VLAN",
    "8fe4c11451281c094a6578e6ddbf5eed",
    "{md5}x",
];

type Words = Vec<(String, String, String)>;

fn words() -> impl Strategy<Value = Words> {
    let attribute = prop_oneof![
        9 => prop::sample::select(&ATTRIBUTES[..]).prop_map(str::to_owned),
        1 => "\\PC{0,12}",
    ];
    let op = prop::sample::select(&OPERATORS[..]).prop_map(str::to_owned);
    let value = prop_oneof![
        4 => prop::sample::select(&VALUES[..]).prop_map(str::to_owned),
        1 => "\\PC{0,24}",
        1 => "[`\"'%{}:\\\\\\[\\]()?*+a-z0-9-]{0,16}",
    ];
    prop::collection::vec((attribute, op, value), 0..5)
}

fn borrowed(words: &Words) -> Vec<(&str, &str, &str)> {
    words
        .iter()
        .map(|(attribute, op, value)| (attribute.as_str(), op.as_str(), value.as_str()))
        .collect()
}

proptest! {
    #[test]
    fn strict_accepts_no_more_and_nothing_panics(
        lists in prop::array::uniform6(words()),
        name in prop::collection::vec(any::<u8>(), 0..12),
        noise in prop::collection::vec(any::<u8>(), 0..60),
        has_chap in any::<bool>(),
    ) {
        let [check, reply, check1, reply1, check2, reply2] = &lists;
        let stored = rows::name::stored_name(&name).into_owned();
        let groups = ["g1", "g2"];
        let world = World::default()
            .user(&stored, &borrowed(check), &borrowed(reply), &groups)
            .user("g2", &[], &[], &groups)
            .group("g1", &borrowed(check1), &borrowed(reply1))
            .group("g2", &borrowed(check2), &borrowed(reply2));
        let mut bytes = packet(if has_chap { "CHAP-Password = 0x01, Class = 0x62" } else { "Tunnel-Type:1 = VLAN" });
        bytes.extend_from_slice(&noise);
        let length = u16::try_from(bytes.len()).unwrap();
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        if let Ok(packet) = Packet::parse(&bytes) {
            let password = (!has_chap).then_some(&b"pw"[..]);
            let request = request(&packet, &name, password);
            let answers = [Mode::Strict, Mode::Compatible]
                .map(|mode| answer(&world.outcome(&request, mode).authorization, password));
            if answers[0] != "reject" {
                prop_assert_eq!(&answers[0], &answers[1]);
            }
        }
        let linter = Linter::new(&COMPILER);
        let rows = user_rows(&borrowed(check), &borrowed(reply), &groups);
        let group = |_: &str| Some(linter.group_facts(&GroupRows { check: rows.check.clone(), reply: vec![] }));
        for finding in linter.user(&stored, &rows, &group) {
            prop_assert!(!finding.remark.to_string().is_empty() && !finding.remark.remedy().is_empty());
        }
    }
}
