//! Values of every type, as FreeRADIUS reads them.

use crate::world::{PASSWORD, World};

/// What is sent for a value; `None` when it refuses.
#[track_caller]
fn check(attribute: &str, value: &str, expected: Option<&str>) {
    let world = World::default().user("u", &[PASSWORD], &[(attribute, ":=", value)], &[]);
    let expected = expected.map_or_else(|| "reject".to_owned(), |sent| format!("accept{sent}"));
    assert_eq!(world.ask("u"), expected, "{attribute} {value:?}");
}

#[test]
fn numbers_are_read_as_c_reads_them() {
    for (value, expected) in [
        ("100", "100"),
        (" 100", "100"),
        ("100 ", "100"),
        ("0x10", "16"),
        ("-1", "4294967295"),
        ("+5", "5"),
        ("4294967296", "0"),
        ("", "0"),
        ("010", "10"),
        ("99999999999999999999", "4294967295"),
    ] {
        check(
            "Session-Timeout",
            value,
            Some(&format!(" Session-Timeout={expected}")),
        );
    }
    for value in ["1e3", "Framed-User", "100abc", "0x", "1.5", "1h"] {
        check("Session-Timeout", value, None);
    }
    check(
        "Service-Type",
        "framed-user",
        Some(" Service-Type=Framed-User"),
    );
    check("Service-Type", "Framed-User ", None);
    check("Service-Type", "Nonsense", None);
}

#[test]
fn addresses_and_prefixes() {
    for (value, expected) in [
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.1/32", "10.0.0.1"),
        ("10.0.0", "10.0.0.0"),
        ("127.1", "127.0.0.1"),
        ("010.0.0.1", "8.0.0.1"),
        ("0x0a000001", "10.0.0.1"),
        ("167837697", "10.1.0.1"),
    ] {
        check(
            "Framed-IP-Address",
            value,
            Some(&format!(" Framed-IP-Address={expected}")),
        );
    }
    for value in [
        "10.0.0.0/8",
        "",
        " 10.0.0.1",
        "10.0.0.1 ",
        "300.1.1.1",
        "nosuch.invalid",
    ] {
        check("Framed-IP-Address", value, None);
    }
    check(
        "Framed-IPv6-Prefix",
        "2001:db8::1/48",
        Some(" Framed-IPv6-Prefix=2001:db8::/48"),
    );
    check(
        "Framed-IPv6-Prefix",
        "2001:db8::1",
        Some(" Framed-IPv6-Prefix=2001:db8::1/128"),
    );
    check("Framed-IPv6-Prefix", "2001:db8::/129", None);
    check("Framed-IPv6-Prefix", "10.0.0.1", None);
    check(
        "NAS-IPv6-Address",
        "2001:db8::1/128",
        Some(" NAS-IPv6-Address=2001:db8::1"),
    );
    check("NAS-IPv6-Address", "2001:db8::/64", None);
    check("Framed-Interface-Id", "::1", None);
}

#[test]
fn text_and_octets() {
    for (value, expected) in [
        ("a\\nb", "a\nb"),
        ("a\\\"b", "a\"b"),
        ("\"quoted\"", "quoted"),
        ("'single'", "single"),
        ("\"half", "\"half"),
        ("0x41", "0x41"),
        ("\\101", "A"),
        ("\\x41", "\\x41"),
        ("a\\\\b", "a\\b"),
        (" lead", " lead"),
        ("\"a\"b\"", "a"),
    ] {
        check(
            "Reply-Message",
            value,
            Some(&format!(" Reply-Message={expected}")),
        );
    }
    for empty in ["", "''", "\"\""] {
        check("Reply-Message", empty, Some(""));
    }
    check("Class", "abc", Some(" Class=0x616263"));
    check("Class", "0x616263", Some(" Class=0x616263"));
    check("Reply-Message", "a\\009b", Some(" Reply-Message=a\0b"));
    check("Reply-Message", "a\\400b", Some(" Reply-Message=a\0b"));
    check("Reply-Message", "a\\", None);
    check("Class", "a\\", Some(" Class=0x615c"));
    check("Class", "0x61626", None);
    check("Class", "0xzz", None);
}

#[test]
fn dates() {
    check(
        "Event-Timestamp",
        "1700000000",
        Some(" Event-Timestamp=Nov 14 2023 22:13:20 UTC"),
    );
    check(
        "Event-Timestamp",
        "22 Nov 2026",
        Some(" Event-Timestamp=Nov 22 2026 00:00:00 UTC"),
    );
    for value in ["2026-11-22", "2026-11-22T18:00:00Z", "tomorrow"] {
        check("Event-Timestamp", value, None);
    }
}

#[test]
fn names_with_tags_and_numbers() {
    for tag in ["0", "*"] {
        check(
            &format!("Tunnel-Type:{tag}"),
            "VLAN",
            Some(" Tunnel-Type=VLAN"),
        );
    }
    check("Tunnel-Type:31", "VLAN", Some(" Tunnel-Type:31=VLAN"));
    check("Tunnel-Type:0x1", "VLAN", Some(" Tunnel-Type:1=VLAN"));
    for tag in ["32", "", "a", "1x"] {
        check(&format!("Tunnel-Type:{tag}"), "VLAN", None);
    }
    check("Reply-Message:1", "x", Some(" Reply-Message=x"));
    check("Attr-26.14988.8", "0x31", Some(" Mikrotik-Rate-Limit=0x31"));
    check("Attr-1", "bob", Some(" User-Name=bob"));
    check("Vendor-14988-Attr-8", "1", Some(" Mikrotik-Rate-Limit=1"));
    for name in ["", "Reply-Message ", " Reply-Message", "Vendor-Specific"] {
        check(name, "x", None);
    }
}
