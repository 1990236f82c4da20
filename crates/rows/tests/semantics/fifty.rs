//! Fifty users, one for each trap that subscriber databases are known to hold.

use crate::world::{MESSAGE, PASSWORD, Words, World};

/// The groups that the users are in.
fn world() -> World {
    World::default()
        .group(
            "acceptall",
            &[("Auth-Type", ":=", "Accept")],
            &[("Reply-Message", "+=", "from-group")],
        )
        .group("gset", &[], &[("Session-Timeout", ":=", "200")])
        .group("geq", &[], &[("Session-Timeout", "=", "200")])
        .group("g1", &[], &[("Filter-Id", ":=", "one")])
        .group("g2", &[], &[("Filter-Id", ":=", "two")])
        .group(
            "g3",
            &[("NAS-Port-Type", "==", "Wireless-802.11")],
            &[("Filter-Id", ":=", "wifi")],
        )
        .group(
            "g4",
            &[],
            &[("Filter-Id", ":=", "four"), ("Fall-Through", "=", "Yes")],
        )
        .group("g5", &[], &[("Reply-Message", ":=", "five")])
        .group("gle", &[], &[("Session-Timeout", "<=", "50")])
        .group("gdel", &[], &[("Session-Timeout", "!*", "0")])
        .group("gpw", &[PASSWORD], &[("Filter-Id", ":=", "gpw")])
        .group("gA", &[PASSWORD], &[("Filter-Id", ":=", "A")])
        .group("gB", &[], &[("Filter-Id", ":=", "B")])
        .user("prof1", &[], &[], &["g1"])
}

#[track_caller]
fn check(rows: Words<'_>, reply: Words<'_>, groups: &[&str], expected: &str) {
    let world = world().user("u", rows, reply, groups);
    assert_eq!(world.ask("u"), expected);
}

/// A user with the right password and one more check.
#[track_caller]
fn with_check(check_row: (&str, &str, &str), expected: &str) {
    check(&[PASSWORD, check_row], &[MESSAGE], &[], expected);
}

#[test]
fn groups_and_their_order() {
    let reply = [("Reply-Message", "+=", "user-reply")];
    check(
        &[],
        &reply,
        &["acceptall"],
        "accept Reply-Message=from-group",
    );
    check(
        &[PASSWORD],
        &[("Session-Timeout", ":=", "100")],
        &["gset"],
        "accept Session-Timeout=200",
    );
    check(
        &[PASSWORD],
        &[("Session-Timeout", ":=", "100")],
        &["geq"],
        "accept Session-Timeout=100",
    );
    check(&[PASSWORD], &[], &["g1", "g2"], "accept Filter-Id=one");
    check(&[PASSWORD], &[], &["g3", "g2"], "accept Filter-Id=two");
    check(
        &[PASSWORD],
        &[],
        &["g4", "g5"],
        "accept Filter-Id=four Reply-Message=five",
    );
    let stop = [("Reply-Message", ":=", "u"), ("Fall-Through", "=", "No")];
    check(&[PASSWORD], &stop, &["g1"], "accept Reply-Message=u");
    check(&[PASSWORD], &[], &["g3"], "accept");
    check(&[], &[], &["gpw"], "accept Filter-Id=gpw");
    check(&[], &[], &["gA", "gB"], "accept Filter-Id=A");
    check(
        &[("Cleartext-Password", ":=", "other")],
        &[],
        &["gpw"],
        "accept Filter-Id=gpw",
    );
    let profile = [PASSWORD, ("User-Profile", ":=", "prof1")];
    check(
        &profile,
        &[("Reply-Message", ":=", "u")],
        &[],
        "accept Reply-Message=u Filter-Id=one",
    );
    let member = [PASSWORD, ("SQL-Group", "==", "g1")];
    check(
        &member,
        &[MESSAGE],
        &["g1"],
        "accept Reply-Message=m Filter-Id=one",
    );
}

#[test]
fn a_group_lets_in_whom_a_check_turned_away() {
    let rows = [PASSWORD, ("Calling-Station-Id", "==", "AA")];
    check(
        &rows,
        &[],
        &["acceptall"],
        "accept Reply-Message=from-group",
    );
}

#[test]
fn operators_of_replies() {
    let twice = [("Reply-Message", ":=", "a"), ("Reply-Message", ":=", "b")];
    check(
        &[PASSWORD],
        &twice,
        &[],
        "accept Reply-Message=a Reply-Message=b",
    );
    check(&[PASSWORD], &[("Reply-Message", "==", "x")], &[], "accept");
    let thrice = [
        ("Reply-Message", "+=", "a"),
        ("Reply-Message", "+=", "b"),
        ("Reply-Message", "=", "c"),
    ];
    check(
        &[PASSWORD],
        &thrice,
        &[],
        "accept Reply-Message=a Reply-Message=b Reply-Message=c",
    );
    check(
        &[PASSWORD],
        &[("Session-Timeout", "=", "100")],
        &["gle"],
        "accept Session-Timeout=50",
    );
    check(
        &[PASSWORD],
        &[("Session-Timeout", "=", "100")],
        &["gdel"],
        "accept",
    );
    check(&[PASSWORD], &[("Reply-Message", "", "noop")], &[], "accept");
    check(
        &[PASSWORD],
        &[("Session-Timeout", ">=", "100")],
        &[],
        "accept Session-Timeout=100",
    );
    let less = [("Reply-Message", "+=", "x"), ("Reply-Message", "-=", "x")];
    check(&[PASSWORD], &less, &[], "accept Reply-Message=x");
    let tagged = [
        ("Cisco-AVPair", "+=", "ip:addr-pool=x"),
        ("Mikrotik-Address-List", ":=", "blocked"),
        ("Tunnel-Type:1", ":=", "VLAN"),
        ("Tunnel-Private-Group-Id:1", ":=", "20"),
    ];
    let expected = "accept Cisco-AVPair=ip:addr-pool=x Mikrotik-Address-List=blocked Tunnel-Type:1=VLAN Tunnel-Private-Group-Id:1=20";
    check(&[PASSWORD], &tagged, &[], expected);
}

#[test]
fn operators_of_checks() {
    with_check(("NAS-Port-Type", "=", "Ethernet"), "accept Reply-Message=m");
    with_check(
        ("Calling-Station-Id", "=~", "^02:00"),
        "accept Reply-Message=m",
    );
    with_check(("NAS-Port", ">", "100"), "reject");
    with_check(("NAS-Port-Type", "!=", "Ethernet"), "reject");
    with_check(("Calling-Station-Id", "!~", "^02:00"), "reject");
    with_check(("NAS-Port", "=*", "1"), "accept Reply-Message=m");
    with_check(
        ("Framed-IP-Address", "!*", "1.1.1.1"),
        "accept Reply-Message=m",
    );
    with_check(("Framed-IP-Address", "==", "10.0.0.1"), "reject");
    with_check(("NAS-IP-Address", "==", "127.0.0.0/8"), "reject");
    with_check(("Auth-Type", ":=", "Reject"), "reject");
}

#[test]
fn operators_of_passwords() {
    for (op, expected) in [
        (":=", "accept"),
        ("+=", "accept"),
        ("==", "reject"),
        ("=", "reject"),
    ] {
        check(&[("Cleartext-Password", op, "pw")], &[], &[], expected);
    }
    check(&[("User-Password", ":=", "pw")], &[], &[], "reject");
    check(&[("User-Password", "==", "pw")], &[], &[], "reject");
    check(
        &[PASSWORD, ("Cleartext-Password", ":=", "pw2")],
        &[],
        &[],
        "accept",
    );
    check(&[("cleartext-password", ":=", "pw")], &[], &[], "accept");
}

#[test]
fn names_and_values_that_cannot_be_read() {
    check(&[PASSWORD], &[("No-Such-Attr", ":=", "1")], &[], "reject");
    check(
        &[PASSWORD],
        &[("Session-Timeout", ":=", "abc")],
        &[],
        "reject",
    );
}

#[test]
fn only_back_quotes_expand() {
    check(
        &[PASSWORD],
        &[("Reply-Message", ":=", "`%{User-Name}`")],
        &[],
        "accept Reply-Message=u",
    );
    let literal = "accept Reply-Message=%{User-Name}";
    check(
        &[PASSWORD],
        &[("Reply-Message", ":=", "\"%{User-Name}\"")],
        &[],
        literal,
    );
    check(
        &[PASSWORD],
        &[("Reply-Message", ":=", "%{User-Name}")],
        &[],
        literal,
    );
}

#[test]
fn names_are_told_apart_by_case_and_unknown_ones_refused() {
    let world = world().user("T29", &[PASSWORD], &[], &[]);
    assert_eq!(world.ask("T29"), "accept");
    assert_eq!(world.ask("t29"), "reject");
}
