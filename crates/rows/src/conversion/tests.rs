//! What becomes of rows, as tables.

use domain::subscriber::SubscriberStatus;
use radius::dictionary::Dictionary;

use super::*;

/// `attribute op value` in each line, with `check`, `reply`, `group PRIORITY NAME` in front.
fn user(lines: &[&str]) -> UserRows {
    let mut rows = UserRows::default();
    for (id, line) in (1..).zip(lines) {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["check", attribute, op, value] => rows.check.push(row(id, attribute, op, value)),
            ["reply", attribute, op, value] => rows.reply.push(row(id, attribute, op, value)),
            ["group", priority, group] => rows.groups.push(Membership {
                id,
                group: group.to_owned(),
                priority: priority.parse().expect("a number"),
            }),
            _ => panic!("{line}"),
        }
    }
    rows
}

fn row(id: i64, attribute: &str, op: &str, value: &str) -> Row {
    Row {
        id,
        attribute: attribute.to_owned(),
        op: op.to_owned(),
        value: value.to_owned(),
    }
}

fn group(lines: &[&str]) -> GroupRows {
    let UserRows { check, reply, .. } = user(lines);
    GroupRows { check, reply }
}

/// What becomes of a user among a few groups.
fn convert(name: &str, lines: &[&str]) -> Result<Conversion, Obstacle> {
    let groups = [
        (
            "gold",
            group(&[
                "check Simultaneous-Use := 1",
                "reply Mikrotik-Rate-Limit := 5M/20M",
                "reply Framed-Pool = pppoe",
                "reply Acct-Interim-Interval = 600",
            ]),
        ),
        (
            "family",
            group(&[
                "check Simultaneous-Use += 1",
                "reply Mikrotik-Rate-Limit = 9M/9M",
            ]),
        ),
        ("plain", group(&["reply Service-Type = Framed-User"])),
        ("off", group(&["check Auth-Type := Reject"])),
        ("local", group(&["check NAS-IP-Address == 192.0.2.1"])),
    ];
    let compiler = Compiler::new(Dictionary::builtin());
    let converter = Converter::new(&compiler, groups.iter().map(|(name, rows)| (*name, rows)));
    converter.user(name, &user(lines))
}

const PASSWORD: &str = "check Cleartext-Password := pw";

#[test]
fn a_user_of_a_group_is_a_subscriber_on_its_plan() {
    let user = convert(
        "Ana@isp.example",
        &[
            PASSWORD,
            "check Expiration := 14 Nov 2023 22:13:20 UTC",
            "reply Framed-IP-Address = 100.64.0.7",
            "reply Delegated-IPv6-Prefix = 2001:db8:7::/56",
            "group 1 gold",
        ],
    )
    .expect("it is expressible");
    assert_eq!(user.username.as_str(), "ana@isp.example");
    assert_eq!(user.credential, Credential::Cleartext("pw".into()));
    assert_eq!(user.status, SubscriberStatus::Active);
    assert_eq!(
        user.expires_at,
        Some(Timestamp::from_seconds(1_700_000_000))
    );
    assert_eq!(user.addresses.ipv4, Some([100, 64, 0, 7].into()));
    assert_eq!(
        user.addresses.ipv6_delegated,
        "2001:db8:7::/56".parse().ok()
    );
    assert_eq!(user.sessions, SessionTerms::default());
    let plan = user.plan;
    assert_eq!(plan.group.as_deref(), Some("gold"));
    assert!(plan.is_of_group);
    assert_eq!(plan.terms.rate, "5M/20M".parse().ok());
    assert_eq!(plan.terms.interim.as_seconds(), 600);
    let expected = Additions {
        port_limit: true,
        ..Additions::default()
    };
    assert_eq!(user.additions, expected);
}

#[test]
fn what_a_user_has_of_their_own_makes_another_plan() {
    for (line, group, is_of_group, limit) in [
        ("reply Session-Timeout = 3600", "gold", false, None),
        // What the group sets replaces what the user has.
        ("reply Mikrotik-Rate-Limit := 1M/1M", "gold", true, None),
        ("check Simultaneous-Use := 3", "gold", true, None),
        ("reply Framed-Pool = other", "gold", false, None),
        ("reply Fall-Through = No", "gold", false, None),
        // What it adds does not.
        ("reply Mikrotik-Rate-Limit := 1M/1M", "family", false, None),
        ("check Simultaneous-Use := 3", "family", true, Some(3)),
    ] {
        let membership = format!("group 1 {group}");
        let user = convert("ana", &[PASSWORD, line, &membership]).expect("it is expressible");
        assert_eq!(user.plan.is_of_group, is_of_group, "{line} in {group}");
        let own = user
            .sessions
            .session_limit
            .map(domain::plan::SessionLimit::as_sessions);
        assert_eq!(own, limit, "{line} in {group}");
    }
}

#[test]
fn who_is_refused_is_a_disabled_subscriber() {
    for lines in [
        &[PASSWORD, "group 5 gold", "group 0 off"][..],
        &[PASSWORD, "group 5 gold", "check Auth-Type := Reject"],
    ] {
        let user = convert("ana", lines).expect("it is expressible");
        assert_eq!(user.status, SubscriberStatus::Disabled);
        assert_eq!(user.plan.group.as_deref(), Some("gold"));
        assert!(user.plan.is_of_group);
    }
}

#[test]
fn passwords_that_subscribers_can_have_are_kept() {
    let bcrypt = "$2b$12$EXRkfkdmXn2gzds2SSituuJ2QrsjFUGlZ9mGvQyv8Q3E1hh0sWk4e";
    for (row, expected) in [
        (
            "check NT-Password := 8846F7EAEE8FB117AD06BDD830B7586C".to_owned(),
            "{NT}8846f7eaee8fb117ad06bdd830b7586c",
        ),
        (format!("check Crypt-Password := {bcrypt}"), bcrypt),
    ] {
        let user = convert("ana", &[&row]).expect("it is expressible");
        let Credential::Hashed(hash) = user.credential else {
            panic!("{row}");
        };
        assert_eq!(hash.text(), expected);
    }
}

#[test]
fn what_a_router_hears_beside_the_rows_is_told() {
    let user = convert("ana", &[PASSWORD, "group 1 plain"]).expect("it is expressible");
    let expected = Additions {
        interim: true,
        port_limit: false,
        service: true,
    };
    assert_eq!(user.additions, expected);
    assert!(user.plan.is_of_group);
}

#[track_caller]
fn check_kept(name: &str, lines: &[&str], code: &str) {
    let code_found = convert(name, lines).map_err(|obstacle| obstacle.code());
    assert_eq!(code_found.err(), Some(code), "{name}: {lines:?}");
}

#[test]
fn whatever_means_something_else_stays_rows() {
    let rows: [(&[&str], &str); 18] = [
        (&[], "no_password"),
        (&["reply Session-Timeout = 60"], "no_password"),
        (&["check User-Password := pw"], "user_password"),
        (&["check Cleartext-Password == pw"], "comparison"),
        (
            &[PASSWORD, "check Cleartext-Password := px"],
            "several_passwords",
        ),
        (
            &["check MD5-Password := 8f4047e3233b39e4444e1aef240e80aa"],
            "password_kind",
        ),
        (&["check Crypt-Password := abJnggxhB/yWI"], "password_kind"),
        (
            &[PASSWORD, "check Calling-Station-Id == 00:11:22:33:44:55"],
            "comparison",
        ),
        (&[PASSWORD, "group 1 local"], "comparison"),
        (&[PASSWORD, "check Login-Time := Al0800-1800"], "limit"),
        (&[PASSWORD, "check Max-Daily-Session := 3600"], "limit"),
        (&[PASSWORD, "check Auth-Type := Accept"], "auth_type"),
        (&[PASSWORD, "check User-Profile := gold"], "comparison"),
        (
            &[PASSWORD, "reply Reply-Message = Hello"],
            "reply_attribute",
        ),
        (
            &[PASSWORD, "reply Framed-IP-Address = 255.255.255.254"],
            "value",
        ),
        (&[PASSWORD, "reply Mikrotik-Rate-Limit = fast"], "value"),
        (
            &[PASSWORD, "reply Framed-Pool = `%{NAS-Identifier}`"],
            "expansion",
        ),
        (&[PASSWORD, "reply Nothing-Like-This = 1"], "unreadable_row"),
    ];
    for (lines, code) in rows {
        check_kept("ana", lines, code);
    }
    check_kept("o=27brien", &[PASSWORD], "name");
    check_kept("zoë", &[PASSWORD], "name");
}
