//! Checks of every type with every operator.

use rows::row::Mode;

use crate::world::{PASSWORD, World};

const OPERATORS: [&str; 13] = [
    "==", "=", "-=", "^=", "++", "!=", "<", "<=", ">", ">=", "=~", "!~", "=*",
];

/// Asks with each operator, and compares those that let in.
#[track_caller]
fn check(extra: &str, attribute: &str, value: &str, expected: &str) {
    let matching = |op: &&str| {
        let world = World::default()
            .user("u", &[PASSWORD, (attribute, *op, value)], &[], &["member"])
            .group("member", &[], &[]);
        world.ask_with("u", extra, Some(b"pw"), Mode::Compatible) == "accept"
    };
    let actual: Vec<_> = OPERATORS.into_iter().filter(matching).collect();
    assert_eq!(actual.join(" "), expected, "{attribute} {value}");
}

/// What lets in when the values are equal, and when the one of the request is less, or greater.
const EQUAL: &str = "== = -= ^= ++ <= >= =~ =*";
const LESS: &str = "!= < <= !~ =*";
const GREATER: &str = "!= > >= !~ =*";

#[test]
fn numbers_are_subtracted_with_a_sign() {
    check("", "NAS-Port", "50", EQUAL);
    check("", "NAS-Port", "0x32", EQUAL);
    check("", "NAS-Port", "51", LESS);
    check("", "NAS-Port", "49", GREATER);
    check("", "NAS-Port", "4000000000", GREATER);
    check("Acct-Delay-Time = 4000000000", "Acct-Delay-Time", "6", LESS);
    check(
        "Event-Timestamp = 4000000000",
        "Event-Timestamp",
        "3000",
        LESS,
    );
    check("", "NAS-Port-Type", "Ethernet", EQUAL);
    check("", "NAS-Port-Type", "Virtual", GREATER);
}

#[test]
fn long_numbers_are_compared_as_they_are() {
    check("MIP6-Feature-Vector = 5", "MIP6-Feature-Vector", "5", EQUAL);
    check(
        "MIP6-Feature-Vector = 5",
        "MIP6-Feature-Vector",
        "18446744073709551615",
        LESS,
    );
    check(
        "MIP6-Feature-Vector = 5",
        "MIP6-Feature-Vector",
        "0x5",
        GREATER,
    );
}

#[test]
fn text_is_compared_octet_by_octet() {
    check("", "Calling-Station-Id", "02:00:00:00:00:01", EQUAL);
    check("", "Calling-Station-Id", "9", LESS);
    check(
        "",
        "Calling-Station-Id",
        "02:00:00:00:00:0",
        "!= > >= =~ =*",
    );
}

#[test]
fn octets_of_another_length_count_as_less() {
    check("Class = 0x0102", "Class", "0x0102", EQUAL);
    check("Class = 0x0102", "Class", "0x0103", LESS);
    check("Class = 0x0102", "Class", "0x010203", GREATER);
}

#[test]
fn addresses_are_numbers_and_prefixes_contain_each_other() {
    check("", "NAS-IP-Address", "127.1", EQUAL);
    check("", "NAS-IP-Address", "128.0.0.1", LESS);
    check(
        "NAS-IPv6-Address = 2001:db8::1",
        "NAS-IPv6-Address",
        "2001:db8::2",
        LESS,
    );
    check(
        "Framed-Interface-Id = 0:0:0:1",
        "Framed-Interface-Id",
        "0:0:0:2",
        LESS,
    );
    let prefix = "Framed-IPv6-Prefix = 2001:db8:1::/48";
    check(prefix, "Framed-IPv6-Prefix", "2001:db8:1::/48", EQUAL);
    check(
        prefix,
        "Framed-IPv6-Prefix",
        "2001:db8::/32",
        "= -= ^= ++ != < <= !~ =*",
    );
    check(
        prefix,
        "Framed-IPv6-Prefix",
        "2001:db8:1::/64",
        "= -= ^= ++ != > >= !~ =*",
    );
    check(
        prefix,
        "Framed-IPv6-Prefix",
        "2001:db8:2::/48",
        "= -= ^= ++ !~ =*",
    );
}

#[test]
fn a_tag_is_compared_when_the_row_has_one() {
    check("Tunnel-Type:2 = VLAN", "Tunnel-Type:2", "VLAN", EQUAL);
    check("Tunnel-Type:2 = VLAN", "Tunnel-Type", "VLAN", EQUAL);
    check("Tunnel-Type:2 = VLAN", "Tunnel-Type:*", "VLAN", EQUAL);
    check(
        "Tunnel-Type:2 = VLAN",
        "Tunnel-Type:1",
        "VLAN",
        "!= > >= =~ =*",
    );
    check(
        "Tunnel-Type = VLAN",
        "Tunnel-Type:1",
        "VLAN",
        "!= < <= =~ =*",
    );
}

#[test]
fn any_instance_may_match() {
    let extra = "Port-Limit = 10, Port-Limit = 90";
    check(extra, "Port-Limit", "50", "!= < <= > >= !~ =*");
    check(
        extra,
        "Port-Limit",
        "90",
        "== = -= ^= ++ != < <= >= =~ !~ =*",
    );
}

#[test]
fn what_is_absent_matches_nothing() {
    check("", "Framed-IP-Address", "10.0.0.1", "");
    check("", "Simultaneous-Use", "1", "");
    check("", "Huntgroup-Name", "h", "");
}

#[test]
fn groups_of_the_user_are_compared_by_name() {
    check("", "SQL-Group", "member", "== = -= ^= ++ <= >= =~ !~ =*");
    check("", "SQL-Group", "Member", "!= > >= =*");
}

#[test]
fn the_source_of_the_packet_is_compared_as_freeradius_does() {
    check("", "Packet-Src-IP-Address", "127.0.0.1", "== != <= > >= =*");
}

#[test]
fn what_a_prefix_or_suffix_matches_is_taken_off_the_name() {
    let ask = |name: &str, checks: &[(&str, &str, &str)]| {
        let rows: Vec<_> = [&[PASSWORD], checks].concat();
        let reply = [("Reply-Message", ":=", "`%{Stripped-User-Name}`")];
        World::default().user(name, &rows, &reply, &[]).ask(name)
    };
    assert_eq!(
        ask("u1x", &[("Prefix", "==", "u")]),
        "accept Reply-Message=1x"
    );
    assert_eq!(
        ask("u1x", &[("Prefix", "==", "u"), ("Prefix", "==", "1")]),
        "accept Reply-Message=x"
    );
    assert_eq!(
        ask("u1x", &[("Prefix", "==", "u"), ("Prefix", "==", "u")]),
        "reject"
    );
    assert_eq!(
        ask("u1x", &[("Suffix", "=", "x")]),
        "accept Reply-Message=u1"
    );
    assert_eq!(ask("u1x", &[("Suffix", "==", "longer")]), "reject");
    assert_eq!(ask("u1x", &[("Prefix", "<", "zz")]), "accept");
    assert_eq!(ask("u1x", &[("Prefix", "=~", "u")]), "reject");
    let keep = [
        ("Strip-User-Name", "=", "No"),
        ("Prefix", "==", "u"),
        ("Prefix", "==", "u"),
    ];
    assert_eq!(ask("u1x", &keep), "accept");
}

#[test]
fn the_time_of_receipt_is_compared_when_the_packet_has_none() {
    check("", "Event-Timestamp", "1700000000", GREATER);
}

#[test]
fn expressions_are_matched_with_what_is_printed() {
    check("", "NAS-Port-Type", "15", EQUAL);
    check("Class = 0x6162", "Class", "0x61", "!= > >= =~ =*");
    check("", "Calling-Station-Id", "^02:(..)", "!= < <= =~ =*");
    check("", "Calling-Station-Id", "^AA", "!= < <= !~ =*");
    for malformed in ["(", "[0-9", "*"] {
        let world = World::default().user(
            "u",
            &[PASSWORD, ("Calling-Station-Id", "!~", malformed)],
            &[],
            &[],
        );
        assert_eq!(world.ask("u"), "reject", "{malformed}");
    }
}

#[test]
fn a_router_that_does_not_say_where_it_is_has_the_address_of_its_packet() {
    let world = World::default().user(
        "u",
        &[PASSWORD, ("NAS-IP-Address", "==", "127.0.0.1")],
        &[],
        &[],
    );
    let bytes = [1, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let packet = radius::packet::Packet::parse(&bytes).expect("a packet without attributes");
    let request = crate::world::request(&packet, b"u", Some(b"pw"));
    let outcome = world.outcome(&request, Mode::Compatible);
    assert_eq!(
        crate::world::answer(&outcome.authorization, request.password),
        "accept"
    );
}
