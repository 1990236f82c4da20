//! Values in back quotes.

use rows::row::Mode;

use crate::world::{PASSWORD, World};

/// The Reply-Message that an expansion gives; `None` when nothing is sent.
#[track_caller]
fn check(value: &str, expected: Option<&str>) {
    let extra = "Class = 0x6331, Class = 0x6332, Tunnel-Type:1 = VLAN, Called-Station-Id = \"q\\\"u\\\\o\", Event-Timestamp = 50";
    let rows = [PASSWORD, ("Calling-Station-Id", "=~", "^(02):(00)(x)?")];
    let world = World::default().user("u", &rows, &[("Reply-Message", ":=", value)], &[]);
    let expected = expected.map_or_else(
        || "accept".to_owned(),
        |value| format!("accept Reply-Message={value}"),
    );
    let actual = world.ask_with("u", extra, Some(b"pw"), Mode::Compatible);
    assert_eq!(actual, expected, "{value}");
}

#[test]
fn attributes_of_the_lists_are_filled_in() {
    check("`a %{User-Name} b`", Some("a u b"));
    check("`%{request:NAS-Port}-%{NAS-Port}`", Some("50-50"));
    check("`%{control:Cleartext-Password}`", Some("pw"));
    check("`%{NAS-Port-Type}`", Some("Ethernet"));
    check("`%{NAS-IP-Address}`", Some("127.0.0.1"));
    check("`%{Packet-Src-IP-Address}`", Some("127.0.0.1"));
    check("`%{Event-Timestamp}`", Some("Jan  1 1970 00:00:50 UTC"));
    check("`%{Tunnel-Type:1}`", Some("VLAN"));
    check("`%{Attr-5}`", Some("50"));
    check("`%{&user-name}`", Some("u"));
    check("`%{Called-Station-Id}`", Some("q\"u\\o"));
    check("`%{User-Password}`", Some("pw"));
    check("`%{SQL-User-Name}`", Some("u"));
    check("`%{reply:Filter-Id}`", None);
    check("`%{session-state:User-Name}`", None);
}

#[test]
fn instances_are_counted_from_0() {
    check("`%{Class}`", Some("0x6331"));
    check("`%{Class[1]}`", Some("0x6332"));
    check("`%{Class[*]}`", Some("0x6331,0x6332"));
    check("`%{Class[#]}`", Some("2"));
    check("`%{Class[9]}`", None);
}

#[test]
fn an_alternative_stands_in_for_nothing() {
    check("`%{%{Filter-Id}:-dflt}`", Some("dflt"));
    check("`%{%{User-Name}:-dflt}`", Some("u"));
    check("`%{%{Filter-Id}:-%{NAS-Port}}`", Some("50"));
    check("`%{%{Filter-Id}:-%{%{Filter-Id}:-x}}`", Some("x"));
}

#[test]
fn groups_of_the_last_match_are_filled_in() {
    check(
        "`0=%{0} 1=%{1} 2=%{2} 3=%{3} 4=%{4}`",
        Some("0=02:00 1=02 2=00 3= 4="),
    );
    check("`%{33}`", None);
}

#[test]
fn quotes_and_escapes_are_resolved() {
    check("`%%`", Some("%"));
    check("`a\\nb`", Some("a\nb"));
    check("`\\101`", Some("A"));
    check("`a`b`", Some("a"));
    check("`{a} $a{b}`", Some("{a} $a{b}"));
    check("`%{User-Name}}`", Some("u}"));
    check("`x` ", Some("`x` "));
    check("`%{User-Name}\\`", Some("`%{User-Name}\\`"));
}

#[test]
fn what_cannot_be_parsed_has_no_value() {
    for value in [
        "`100%`",
        "`%{No-Such}`",
        "`%{}`",
        "`%{User-Name`",
        "`%{User-Name:1}`",
        "`%{ User-Name}`",
    ] {
        check(value, None);
    }
}

/// What a reply attribute becomes, beside the group's.
#[track_caller]
fn check_typed(attribute: &str, value: &str, expected: &str) {
    let world = World::default()
        .user("u", &[PASSWORD], &[(attribute, ":=", value)], &["g"])
        .group("g", &[], &[("Filter-Id", ":=", "g")]);
    assert_eq!(
        world.ask("u"),
        format!("accept{expected}"),
        "{attribute} {value}"
    );
}

#[test]
fn an_expansion_is_read_as_the_type_of_its_attribute() {
    check_typed(
        "Session-Timeout",
        "`%{NAS-Port}`",
        " Session-Timeout=50 Filter-Id=g",
    );
    check_typed("Session-Timeout", "`%{User-Name}`", " Filter-Id=g");
    check_typed(
        "Session-Timeout",
        "`%{Filter-Id}`",
        " Session-Timeout=0 Filter-Id=g",
    );
    check_typed(
        "Framed-IP-Address",
        "`10.0.0.%{NAS-Port}`",
        " Framed-IP-Address=10.0.0.50 Filter-Id=g",
    );
    check_typed("Framed-IP-Address", "`bad`", " Filter-Id=g");
    check_typed("Class", "`0x6162`", " Class=0x6162 Filter-Id=g");
    check_typed("Tunnel-Type:1", "`VLAN`", " Tunnel-Type:1=VLAN Filter-Id=g");
}

#[test]
fn fall_through_is_read_before_it_is_expanded() {
    check_typed("Fall-Through", "`Yes`", "");
    check_typed("Fall-Through", "`No`", "");
}

#[test]
fn the_group_and_what_came_before_it_are_known_to_its_rows() {
    let world = World::default()
        .user("u", &[PASSWORD], &[("Filter-Id", ":=", "f")], &["g"])
        .group(
            "g",
            &[],
            &[(
                "Reply-Message",
                ":=",
                "`%{reply:Filter-Id} %{SQL-Group} %{control:Cleartext-Password}`",
            )],
        );
    assert_eq!(world.ask("u"), "accept Filter-Id=f Reply-Message=f g pw");
}

#[test]
fn checks_are_expanded() {
    let ask = |check: (&str, &str, &str)| {
        World::default()
            .user("u", &[PASSWORD, check], &[], &[])
            .ask("u")
    };
    assert_eq!(ask(("NAS-Port", "==", "`%{NAS-Port}`")), "accept");
    assert_eq!(ask(("NAS-Port", "==", "`bad`")), "reject");
    assert_eq!(ask(("NAS-Port", "!=", "`bad`")), "accept");
    assert_eq!(ask(("Calling-Station-Id", "=~", "`^(02)`")), "accept");
    assert_eq!(
        ask(("Cleartext-Password", ":=", "`p%{Filter-Id}w`")),
        "accept"
    );
}

#[test]
fn what_we_cannot_expand_refuses() {
    for value in [
        "`%{sql:SELECT 1}`",
        "`%{exec:/bin/true}`",
        "`%{expr:1 + 1}`",
        "`%t`",
    ] {
        let world = World::default().user("u", &[PASSWORD], &[("Reply-Message", ":=", value)], &[]);
        assert_eq!(world.ask("u"), "reject", "{value}");
    }
}
