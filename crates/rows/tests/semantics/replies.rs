//! How rows of a group meet those of the user.

use rows::authorize::Groups;
use rows::interim::longest_interim;
use rows::row::Mode;

use crate::world::{PASSWORD, World};

#[track_caller]
fn check(user: &[(&str, &str, &str)], group: &[(&str, &str, &str)], expected: &str) {
    let world = World::default()
        .user("u", &[PASSWORD], user, &["g"])
        .group("g", &[], group);
    assert_eq!(world.ask("u"), format!("accept{expected}"), "{group:?}");
}

#[test]
fn the_longest_interval_of_a_users_rows_and_groups_is_found() {
    const INTERIM: &str = "Acct-Interim-Interval";
    let told = |own: &[(&str, &str, &str)], group: &[(&str, &str, &str)]| {
        let world = World::default().user("u", &[PASSWORD], own, &["g"]).group(
            "g",
            &[("NAS-Identifier", "==", "elsewhere")],
            group,
        );
        let user = Groups::user(&world, "u").expect("it was put there");
        longest_interim(&user, &world)
    };
    let (short, long) = ([(INTERIM, ":=", "120")], [(INTERIM, "=", "1800")]);
    let timeout = [("Session-Timeout", ":=", "9000")];
    assert_eq!(told(&short, &long), Some(1_800));
    assert_eq!(told(&long, &short), Some(1_800));
    assert_eq!(told(&[], &short), Some(120));
    assert_eq!(told(&timeout, &[]), None);
}

#[test]
fn each_operator_meets_a_number() {
    let hundred = [("Session-Timeout", ":=", "100")];
    for (op, value, expected) in [
        (":=", "50", " Session-Timeout=50"),
        ("=", "50", " Session-Timeout=100"),
        ("+=", "50", " Session-Timeout=100 Session-Timeout=50"),
        ("^=", "50", " Session-Timeout=50 Session-Timeout=100"),
        ("-=", "50", " Session-Timeout=100"),
        ("-=", "100", ""),
        ("==", "50", ""),
        ("==", "100", " Session-Timeout=100"),
        ("<=", "50", " Session-Timeout=50"),
        ("<=", "200", " Session-Timeout=100 Session-Timeout=200"),
        (">=", "200", " Session-Timeout=200"),
        (">=", "50", " Session-Timeout=100 Session-Timeout=50"),
        ("!*", "50", ""),
        ("=*", "50", " Session-Timeout=100"),
        ("!=", "50", " Session-Timeout=100"),
        ("<", "50", " Session-Timeout=100"),
        ("=~", "50", " Session-Timeout=100"),
    ] {
        check(&hundred, &[("Session-Timeout", op, value)], expected);
    }
}

#[test]
fn rows_of_one_table_do_not_see_each_other() {
    let user = [
        ("Reply-Message", "+=", "a"),
        ("Filter-Id", "+=", "x"),
        ("Reply-Message", "+=", "b"),
    ];
    let twice = [("Reply-Message", ":=", "c"), ("Reply-Message", ":=", "d")];
    check(
        &user,
        &twice,
        " Reply-Message=c Filter-Id=x Reply-Message=d",
    );
    let thrice = [
        ("Reply-Message", ":=", "c"),
        ("Reply-Message", ":=", "d"),
        ("Reply-Message", ":=", "e"),
    ];
    check(
        &user,
        &thrice,
        " Reply-Message=c Filter-Id=x Reply-Message=d Reply-Message=e",
    );
    check(
        &user,
        &[("Reply-Message", "!*", ""), ("Reply-Message", "=", "z")],
        " Filter-Id=x Reply-Message=z",
    );
    check(
        &user,
        &[("Reply-Message", "-=", "b")],
        " Reply-Message=a Filter-Id=x",
    );
    let before = [("Filter-Id", "^=", "1"), ("Filter-Id", "^=", "2")];
    check(
        &[("Filter-Id", "+=", "0")],
        &before,
        " Filter-Id=2 Filter-Id=1 Filter-Id=0",
    );
}

#[test]
fn groups_fall_through_when_they_say_so() {
    let ask = |fall_through: &[(&str, &str, &str)]| {
        let mut first = vec![("Filter-Id", "+=", "1")];
        first.extend(fall_through);
        World::default()
            .user("u", &[PASSWORD], &[], &["first", "second"])
            .group("first", &[], &first)
            .group("second", &[], &[("Filter-Id", "+=", "2")])
            .ask("u")
    };
    let (both, one) = ("accept Filter-Id=1 Filter-Id=2", "accept Filter-Id=1");
    for (op, value, expected) in [
        ("=", "Yes", both),
        (":=", "1", both),
        ("==", "Yes", both),
        ("!*", "yes", both),
        ("=", "No", one),
        ("=", "2", one),
        ("=", "3", one),
        ("=", "", one),
    ] {
        assert_eq!(
            ask(&[("Fall-Through", op, value)]),
            expected,
            "{op} {value}"
        );
    }
    assert_eq!(
        ask(&[("Fall-Through", "=", "Yes"), ("Fall-Through", "=", "No")]),
        both
    );
    assert_eq!(
        ask(&[("Fall-Through", "=", "No"), ("Fall-Through", "=", "Yes")]),
        one
    );
    assert_eq!(ask(&[]), one);
}

#[test]
fn profiles_are_asked_last_and_unless_stopped() {
    let ask = |reply: &[(&str, &str, &str)], groups: &[&str], profile: &str| {
        World::default()
            .user(
                "u",
                &[PASSWORD, ("User-Profile", ":=", profile)],
                reply,
                groups,
            )
            .user(
                "profile",
                &[],
                &[("Reply-Message", "+=", "never")],
                &["lent"],
            )
            .user("o=27h", &[], &[], &["lent"])
            .group("lent", &[], &[("Filter-Id", "+=", "lent")])
            .group("own", &[], &[("Filter-Id", "+=", "own")])
            .group(
                "last",
                &[],
                &[("Filter-Id", "+=", "last"), ("Fall-Through", "=", "No")],
            )
            .ask("u")
    };
    assert_eq!(ask(&[], &[], "profile"), "accept Filter-Id=lent");
    assert_eq!(
        ask(&[], &["own"], "profile"),
        "accept Filter-Id=own Filter-Id=lent"
    );
    assert_eq!(ask(&[], &["last"], "profile"), "accept Filter-Id=last");
    assert_eq!(
        ask(&[("Fall-Through", "=", "No")], &["own"], "profile"),
        "accept"
    );
    assert_eq!(ask(&[], &[], "o'h"), "accept Filter-Id=lent");
    assert_eq!(ask(&[], &["own"], "nobody"), "accept Filter-Id=own");
    assert_eq!(ask(&[], &["own"], ""), "accept Filter-Id=own");
}

#[test]
fn a_group_without_rows_lets_through_and_ends_the_way() {
    let world = World::default()
        .user("u", &[PASSWORD], &[], &["empty", "g"])
        .group("g", &[], &[("Filter-Id", ":=", "g")]);
    assert_eq!(world.ask("u"), "accept");
}

#[test]
fn a_row_that_cannot_be_read_refuses_when_it_is_read() {
    let bad = ("No-Such-Attr", ":=", "x");
    let world = |group: &str| {
        World::default()
            .user("u", &[PASSWORD], &[], &["g", group])
            .group("g", &[], &[("Fall-Through", "=", "Yes")])
            .group("end", &[], &[])
            .group("check", &[bad], &[])
            .group("reply", &[], &[bad])
    };
    assert_eq!(world("end").ask("u"), "accept");
    assert_eq!(world("check").ask("u"), "reject");
    assert_eq!(world("reply").ask("u"), "reject");
    // FreeRADIUS forgets the failure of a group when nothing was found before it.
    let forgotten = World::default().user("u", &[], &[], &["g"]).group(
        "g",
        &[PASSWORD],
        &[("Fall-Through", "=", "Maybe")],
    );
    assert_eq!(forgotten.ask("u"), "accept");
    assert_eq!(
        forgotten.ask_with("u", "", Some(b"pw"), Mode::Strict),
        "reject"
    );
    let unread = World::default()
        .user("u", &[PASSWORD, ("NAS-Port", "==", "1")], &[bad], &["acc"])
        .group("acc", &[("Auth-Type", ":=", "Accept")], &[]);
    assert_eq!(unread.ask("u"), "accept");
}
