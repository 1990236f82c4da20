//! Users with hours and counters in their rows: before they have used anything, and after.

use std::slice;

use testkit::database::Database;
use testkit::freeradius;
use testkit::oracle::case::{Case, Membership, Method, Question, Row, Table};
use testkit::oracle::contest::{Round, sentinel};
use testkit::peer::radclient::{self, Kind};
use testkit::server::Server;

use crate::site::Site;

testkit::test_on_both_databases!(limits_are_weighed_alike);

/// What a user has used: seconds, and octets in each direction.
type Used = (u32, u32);

const NOTHING: Used = (0, 0);

/// Rows of a user: a table letter (`c`heck, `r`eply, `g`roup check), attribute, operator, value.
type Rows = &'static [[&'static str; 4]];

const USERS: &[(&str, Rows, Used)] = &[
    (
        "hour-§",
        &[["c", "Max-Hourly-Session", ":=", "600"]],
        (599, 7),
    ),
    (
        "day-§",
        &[["c", "Max-Daily-Session", ":=", "3600"]],
        (100, 7),
    ),
    (
        "day-used-§",
        &[["c", "Max-Daily-Session", ":=", "60"]],
        (60, 7),
    ),
    (
        "Day-Other-§",
        &[["c", "Max-Daily-Session", ":=", "60"]],
        (61, 7),
    ),
    (
        "week-§",
        &[["c", "Max-Weekly-Session", ":=", "7200"]],
        (50, 7),
    ),
    (
        "month-§",
        &[["c", "Max-Monthly-Session", "+=", "5000"]],
        (70, 0),
    ),
    (
        "all-§",
        &[["c", "Max-All-Session", ":=", "3600"]],
        (3_599, 0),
    ),
    (
        "all-used-§",
        &[["c", "Max-All-Session", ":=", "3600"]],
        (3_600, 0),
    ),
    (
        "octets-§",
        &[["c", "Max-Monthly-Traffic", ":=", "100000"]],
        (1, 40_000),
    ),
    (
        "octets-used-§",
        &[["c", "Max-Monthly-Traffic", ":=", "100000"]],
        (1, 50_000),
    ),
    (
        "octets-day-§",
        &[["c", "Max-Daily-Octets", ":=", "9"]],
        (1, 4),
    ),
    (
        "octets-week-§",
        &[["c", "Max-Weekly-Octets", ":=", "9"]],
        (1, 5),
    ),
    (
        "octets-all-§",
        &[["c", "Max-All-Octets", ":=", "4000000000"]],
        (1, 1_000_000_000),
    ),
    (
        "period-§",
        &[["c", "Access-Period", ":=", "3600"]],
        (100, 0),
    ),
    (
        "period-over-§",
        &[["c", "Access-Period", ":=", "100"]],
        (101, 0),
    ),
    (
        "after-§",
        &[["c", "Expire-After", ":=", "3600"]],
        (3_700, 0),
    ),
    (
        "hours-§",
        &[["c", "Login-Time", ":=", "Su-Sa0000-2259"]],
        NOTHING,
    ),
    ("never-§", &[["c", "Login-Time", ":=", "Never"]], NOTHING),
    (
        "compared-§",
        &[["c", "Max-Daily-Session", "==", "3600"]],
        (10, 0),
    ),
    (
        "group-§",
        &[["g", "Max-All-Session", ":=", "3600"]],
        (600, 0),
    ),
    (
        "lower-§",
        &[
            ["c", "Max-All-Session", ":=", "3600"],
            ["c", "Max-All-Octets", ":=", "5000"],
            ["r", "Session-Timeout", ":=", "50"],
            ["r", "Mikrotik-Total-Limit", ":=", "60"],
        ],
        (10, 10),
    ),
    (
        "higher-§",
        &[
            ["c", "Max-All-Session", ":=", "3600"],
            ["c", "Max-All-Octets", ":=", "5000"],
            ["r", "Session-Timeout", ":=", "50000"],
            ["r", "Mikrotik-Total-Limit", ":=", "60000"],
        ],
        (10, 10),
    ),
    (
        "several-§",
        &[
            ["c", "Max-Daily-Session", ":=", "3600"],
            ["c", "Max-Monthly-Session", ":=", "2000"],
            ["c", "Max-All-Session", ":=", "2500"],
            ["c", "Login-Time", ":=", "Al"],
        ],
        (1_000, 0),
    ),
    (
        "first-§",
        &[
            ["c", "Max-All-Session", ":=", "3600"],
            ["c", "Max-All-Session", ":=", "10"],
            ["g", "Max-All-Session", "=", "20"],
        ],
        (15, 0),
    ),
];

async fn limits_are_weighed_alike(database: Database) {
    let site = Site::new(database);
    let reference = site.reference();
    let ours = site.serve("compatible");
    let contest = site.contest(&reference, &ours);
    let cases: Vec<Case> = (1..)
        .zip(USERS)
        .map(|(number, user)| case(number, user.0, user.1))
        .collect();
    check(&contest.play(&cases).await);
    for (case, (user, _, used)) in cases.iter().zip(USERS) {
        report(&ours, &case.text(user), *used);
    }
    // A sentinel of its own is known at once.
    let known = sentinel(0);
    for statement in testkit::oracle::case::inserts(slice::from_ref(&known)) {
        site.database.execute(&statement).await;
    }
    let round = contest.ask(&known, &cases);
    check(&round);
    assert!(
        (5..cases.len() - 5).contains(&round.accepted),
        "{} of {} are accepted",
        round.accepted,
        cases.len()
    );
}

#[track_caller]
fn check(round: &Round) {
    let shown: String = round.differences.iter().map(ToString::to_string).collect();
    assert!(round.differences.is_empty(), "{shown}");
    assert_eq!(round.unanswered, 0, "FreeRADIUS answers everything");
}

fn case(number: u64, user: &str, rows: Rows) -> Case {
    let group = "limits-§";
    let password = [["c", "Cleartext-Password", ":=", "pw"]];
    let rows = password
        .iter()
        .chain(rows)
        .map(|[place, attribute, op, value]| {
            let (table, owner) = match *place {
                "c" => (Table::Check, user),
                "r" => (Table::Reply, user),
                _ => (Table::GroupCheck, group),
            };
            Row {
                table,
                owner: owner.to_owned(),
                attribute: (*attribute).to_owned(),
                op: (*op).to_owned(),
                value: (*value).to_owned(),
            }
        });
    Case {
        number,
        rows: rows.collect(),
        memberships: vec![Membership {
            user: user.to_owned(),
            group: group.to_owned(),
            priority: 1,
        }],
        questions: vec![Question {
            user: user.to_owned(),
            method: Method::Pap,
            password: "pw".to_owned(),
            attributes: vec!["NAS-Port = 50".to_owned()],
        }],
    }
}

/// Reports a session that has ended.
#[track_caller]
fn report(server: &Server, user: &str, (seconds, octets): Used) {
    let (user, session) = (format!("\"{user}\""), format!("\"session-{user}\""));
    let (seconds, octets) = (seconds.to_string(), octets.to_string());
    let attributes = [
        ("User-Name", user.as_str()),
        ("Acct-Session-Id", &session),
        ("Acct-Status-Type", "Stop"),
        ("Acct-Session-Time", &seconds),
        ("Acct-Input-Octets", &octets),
        ("Acct-Output-Octets", &octets),
    ];
    let secret = freeradius::SECRET;
    let answer = radclient::ask(server.acct, secret, Kind::Accounting, &attributes);
    assert_eq!(answer.expect("an answer").code, "Accounting-Response");
}
