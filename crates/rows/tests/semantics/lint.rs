//! What lint says, by code.

use rows::lint::{Linter, NameCases};
use rows::row::{GroupRows, UserRows};

use crate::world::{COMPILER, MESSAGE, PASSWORD, Words, rows, user_rows};

fn codes(name: &str, user: &UserRows, groups: &[(&str, GroupRows)]) -> String {
    let linter = Linter::new(&COMPILER);
    let group = |wanted: &str| {
        groups
            .iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, rows)| linter.group_facts(rows))
    };
    let findings = linter.user(name, user, &group);
    let codes: Vec<_> = findings
        .iter()
        .map(|finding| finding.remark.code())
        .collect();
    codes.join(" ")
}

/// A user with a password and one more check.
#[track_caller]
fn check(row: (&str, &str, &str), expected: &str) {
    assert_eq!(
        codes("u", &user_rows(&[PASSWORD, row], &[], &[]), &[]),
        expected,
        "{row:?}"
    );
}

/// A user with a password and one reply.
#[track_caller]
fn reply(row: (&str, &str, &str), expected: &str) {
    assert_eq!(
        codes("u", &user_rows(&[PASSWORD], &[row], &[]), &[]),
        expected,
        "{row:?}"
    );
}

#[test]
fn checks() {
    check(("NAS-Port-Type", "==", "Ethernet"), "");
    check(("Simultaneous-Use", ":=", "1"), "");
    check(("Expiration", ":=", "1 Jan 2030"), "");
    check(("No-Such-Attr", ":=", "1"), "unknown_attribute");
    check(("NAS-Port", "?", "1"), "bad_operator");
    check(("NAS-Port", "==", "x"), "bad_value");
    check(("NAS-Port", "", "1"), "operator_empty");
    check(("NAS-Port", "=>", "1"), "operator_sloppy");
    check(("NAS-Port", ":=", "1"), "assigned_not_compared");
    check(("NAS-Port", "<", "4000000000"), "comparison_wraps");
    check(("NAS-Port", "==", "4294967296"), "number_wraps");
    check(("Simultaneous-Use", "==", "1"), "never_in_request");
    check(("Huntgroup-Name", "==", "h"), "never_in_request");
    check(("Expiration", "==", "1 Jan 2030"), "expiration_compared");
    check(
        ("MD5-Password", "==", "8fe4c11451281c094a6578e6ddbf5eed"),
        "password_operator",
    );
    check(("MD5-Password", ":=", "8fe4"), "password_never_right");
    check(("PBKDF2-Password", ":=", "x"), "password_unsupported");
    check(("User-Password", ":=", "x"), "password_attribute");
    check(("Cleartext-Password", ":=", "other"), "password_shadowed");
    check(PASSWORD, "password_shadowed duplicate");
    check(("Auth-Type", ":=", "Accept"), "accepts_anybody");
    check(("Auth-Type", "==", "Reject"), "auth_type_compared");
    check(("Auth-Type", ":=", "Local"), "auth_type_unknown");
    check(("Fall-Through", "=", "Yes"), "fall_through_in_check");
    check(("Calling-Station-Id", "=~", "("), "pattern_never_matches");
    check(("Calling-Station-Id", "=~", "(a)\\1"), "bad_pattern");
}

#[test]
fn replies() {
    reply(MESSAGE, "");
    reply(("Fall-Through", "=", "Yes"), "");
    reply(("Fall-Trough", "=", "Yes"), "fall_through_misspelt");
    reply(("FallThrough", "=", "Yes"), "fall_through_misspelt");
    reply(("Fall-Through", "=", "2"), "fall_through_odd");
    reply(("Reply-Message", ":=", "%{User-Name}"), "not_expanded");
    reply(
        ("Reply-Message", ":=", "`%{No-Such}`"),
        "expansion_without_value",
    );
    reply(
        ("Reply-Message", ":=", "`%{sql:SELECT 1}`"),
        "bad_expansion",
    );
    reply(("Reply-Message", "==", "x"), "reply_operator");
    reply(("Reply-Message", ":=", ""), "empty_not_sent");
    reply(("Simultaneous-Use", ":=", "1"), "belongs_in_check");
    reply(("Huntgroup-Name", ":=", "x"), "never_sent");
    reply(("Session-Timeout", ":=", "0"), "session_timeout_zero");
    reply(("Mikrotik-Rate-Limit", ":=", "10M/10M"), "");
    reply(("Mikrotik-Rate-Limit", ":=", "10 Mbit"), "rate_limit");
    reply(("Reply-Message", ":=", &"x".repeat(254)), "cut");
}

fn group(check: Words<'_>, reply: Words<'_>) -> GroupRows {
    GroupRows {
        check: rows(check),
        reply: rows(reply),
    }
}

#[test]
fn users_and_their_groups() {
    let accept = group(&[("Auth-Type", ":=", "Accept")], &[]);
    let plain = group(&[], &[("Filter-Id", ":=", "f")]);
    let through = group(&[], &[("Fall-Through", "=", "Yes")]);
    let some = group(&[("NAS-Port", "==", "1")], &[]);
    let groups = [
        ("accept", accept),
        ("plain", plain),
        ("through", through),
        ("some", some),
    ];
    let check = |check: Words<'_>, reply: Words<'_>, names: &[&str], expected: &str| {
        assert_eq!(
            codes("u", &user_rows(check, reply, names), &groups),
            expected,
            "{names:?}"
        );
    };
    check(&[], &[MESSAGE], &["accept"], "reply_never_read");
    check(
        &[PASSWORD, ("NAS-Port", "==", "1")],
        &[],
        &["accept"],
        "group_accepts_mismatch",
    );
    check(&[PASSWORD], &[], &["accept"], "");
    check(&[PASSWORD], &[], &["plain", "some"], "group_never_asked");
    check(&[PASSWORD], &[], &["through", "some", "plain"], "");
    check(
        &[PASSWORD],
        &[],
        &["missing", "plain"],
        "group_empty group_never_asked",
    );
    check(
        &[("NAS-Port", "==", "50")],
        &[],
        &["plain"],
        "nothing_to_prove",
    );
}

#[test]
fn groups() {
    let linter = Linter::new(&COMPILER);
    let findings = linter.group(
        "g",
        &group(
            &[],
            &[("Session-Timeout", "=", "60"), ("Fall-Through", "=", "Yes")],
        ),
    );
    let codes: Vec<_> = findings
        .iter()
        .map(|finding| finding.remark.code())
        .collect();
    assert_eq!(codes, ["group_assign"]);
}

#[test]
fn names() {
    let user = user_rows(&[PASSWORD], &[], &[]);
    assert_eq!(codes("o'brien", &user, &[]), "name_unreachable");
    assert_eq!(codes("o=27brien", &user, &[]), "");
    assert_eq!(codes("zo\u{eb}@isp", &user, &[]), "");
    let mut cases = NameCases::default();
    assert_eq!(cases.note("Bob"), None);
    assert_eq!(cases.note("Bob"), None);
    assert!(cases.note("bob").is_some());
}

#[test]
fn no_remark_shows_a_value() {
    let planted = "kookaburra";
    let user = user_rows(
        &[
            ("Cleartext-Password", "==", planted),
            ("MD5-Password", ":=", planted),
            ("NAS-Port", "==", planted),
        ],
        &[("Session-Timeout", ":=", planted)],
        &[],
    );
    let linter = Linter::new(&COMPILER);
    for finding in linter.user("u", &user, &|_| None) {
        assert!(!format!("{} {:?}", finding.remark, finding).contains(planted));
    }
    assert!(!format!("{:?} {:?}", user, COMPILER.user(&user)).contains(planted));
}
