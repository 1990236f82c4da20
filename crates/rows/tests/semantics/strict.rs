//! What the strict mode refuses, and that it refuses nothing else.

use radius::packet::Packet;
use rows::access::Authorization;
use rows::cause::{Problem, Table};
use rows::row::Mode;
use rows::step::{Step, Whose};

use crate::world::{PASSWORD, Words, World, packet, request};

/// What both modes say, with a group that lets everybody in.
#[track_caller]
fn check(rows: Words<'_>, compatible: &str, strict: &str) {
    let world = World::default().user("u", rows, &[], &["g"]).group(
        "g",
        &[("Auth-Type", ":=", "Accept")],
        &[],
    );
    for (mode, expected) in [(Mode::Compatible, compatible), (Mode::Strict, strict)] {
        let actual = world.ask_with("u", "", Some(b"pw"), mode);
        assert_eq!(actual, expected, "{mode:?} {rows:?}");
    }
}

#[test]
fn holes_are_closed() {
    check(&[PASSWORD, ("NAS-Port", "==", "1")], "accept", "reject");
    check(&[("Cleartext-Password", "==", "pw")], "accept", "reject");
    check(&[("Cleartext-Password", "=", "pw")], "accept", "reject");
    check(
        &[("Crypt-Password", "==", "abzlUXK5ed5rs")],
        "accept",
        "reject",
    );
    check(&[("User-Password", ":=", "pw")], "accept", "reject");
    check(&[("User-Password", "==", "pw")], "accept", "reject");
}

#[test]
fn the_rest_is_obeyed() {
    check(&[PASSWORD], "accept", "accept");
    check(&[PASSWORD, ("NAS-Port", "==", "50")], "accept", "accept");
    check(&[("Cleartext-Password", "+=", "pw")], "accept", "accept");
    check(&[], "accept", "accept");
    check(&[("No-Such-Attr", ":=", "1")], "reject", "reject");
}

#[test]
fn the_cause_names_the_row() {
    let world = World::default().user("u", &[PASSWORD, ("NAS-Port", "==", "1")], &[], &[]);
    let bytes = packet("");
    let packet = Packet::parse(&bytes).expect("a well-formed packet");
    let outcome = world.outcome(&request(&packet, b"u", Some(b"pw")), Mode::Strict);
    let Authorization::Failed(cause) = outcome.authorization else {
        panic!("the check does not match");
    };
    assert_eq!((cause.table, cause.row), (Table::Check, 2));
    assert_eq!(
        (&*cause.attribute, &cause.problem),
        ("NAS-Port", &Problem::CheckMismatch)
    );
    assert_eq!(outcome.steps.as_slice(), [Step::Mismatched(Whose::User, 2)]);
    assert_eq!(
        cause.to_string(),
        "row 2 of radcheck ('NAS-Port'): the check does not match the request"
    );
}
