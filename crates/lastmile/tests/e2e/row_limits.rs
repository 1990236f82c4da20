//! Hours and counters that a panel writes into the tables of FreeRADIUS, through the real program.

use std::time::{Duration, Instant};

use testkit::database::DatabaseKind;
use testkit::peer::Answer;
use testkit::peer::radclient::{self, Kind};
use testkit::server::Server;

use crate::rows::write;
use crate::site::{SECRET, Site, on_both_databases};

on_both_databases!(
    counters_of_rows_are_told_counted_and_obeyed,
    hours_of_rows_are_obeyed,
    a_period_runs_from_the_first_session,
);

/// When what should happen almost at once is given up.
const PATIENCE: Duration = Duration::from_secs(15);
/// Letters that accounting folds.
const CLEO: &str = "Cleo";

/// A site with a user of rows, where it is about noon.
fn site(kind: DatabaseKind) -> Site {
    let site = Site::furnished(kind);
    site.command(&format!("tenant set --time-zone {}", noon_zone()));
    write(
        &site,
        "INSERT INTO radcheck (username, attribute, op, value)
            VALUES ('Cleo', 'Cleartext-Password', ':=', 'cleo-pass-word-9')",
    );
    site
}

/// A zone whose clocks show 12:00 to 12:59 now, so that no day ends while a test runs.
#[expect(
    clippy::disallowed_methods,
    reason = "the server goes by the clock of the machine"
)]
fn noon_zone() -> String {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH);
    let hour = since.expect("it is after 1970").as_secs() / 3_600 % 24;
    // Their sign is the other way round.
    match 12 - hour.cast_signed() {
        0 => "UTC".to_owned(),
        east @ 1.. => format!("Etc/GMT-{east}"),
        west => format!("Etc/GMT+{}", -west),
    }
}

#[track_caller]
fn check_row(site: &Site, attribute: &str, value: &str) {
    let sql = format!(
        "DELETE FROM radcheck WHERE username = '{CLEO}' AND attribute = '{attribute}';
        INSERT INTO radcheck (username, attribute, op, value)
            VALUES ('{CLEO}', '{attribute}', ':=', '{value}')"
    );
    write(site, &sql);
}

#[track_caller]
fn login(server: &Server) -> Answer {
    let attributes = [
        ("User-Name", "\"Cleo\""),
        ("User-Password", "\"cleo-pass-word-9\""),
    ];
    radclient::ask(server.auth, SECRET, Kind::Access, &attributes).expect("an answer")
}

#[track_caller]
fn await_login(server: &Server, is_expected: impl Fn(&Answer) -> bool) -> Answer {
    let begun = Instant::now();
    loop {
        let answer = login(server);
        if is_expected(&answer) {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "{answer:?}");
    }
}

fn timeout(answer: &Answer) -> Option<u64> {
    answer.find("Session-Timeout")?.parse().ok()
}

#[track_caller]
fn report(server: &Server, status: &str, seconds: u64, octets: u64) {
    let low = (octets & 0xffff_ffff).to_string();
    let high = (octets >> 32).to_string();
    let seconds = seconds.to_string();
    let attributes = [
        ("User-Name", "\"Cleo\""),
        ("Acct-Session-Id", "\"91000001\""),
        ("Acct-Status-Type", status),
        ("Acct-Session-Time", &seconds),
        ("Acct-Output-Octets", &low),
        ("Acct-Output-Gigawords", &high),
    ];
    let answer = radclient::ask(server.acct, SECRET, Kind::Accounting, &attributes);
    assert_eq!(answer.expect("an answer").code, "Accounting-Response");
}

fn limits(answer: &Answer) -> [Option<&str>; 3] {
    let names = [
        "Session-Timeout",
        "Mikrotik-Total-Limit",
        "Mikrotik-Total-Limit-Gigawords",
    ];
    names.map(|name| answer.find(name))
}

fn counters_of_rows_are_told_counted_and_obeyed(kind: DatabaseKind) {
    let site = site(kind);
    let server = site.program.serve();
    check_row(&site, "Max-Daily-Session", "600");
    check_row(&site, "Max-Monthly-Traffic", "6000000000");
    let first = await_login(&server, |answer| limits(answer)[1].is_some());
    assert_eq!(
        limits(&first),
        [Some("600"), Some("1705032704"), Some("1")],
        "{first:?}"
    );
    report(&server, "Start", 0, 0);
    // Twice, and one that comes late: counted once.
    for (seconds, octets) in [(400, 5_000_000_000), (400, 5_000_000_000), (200, 7)] {
        report(&server, "Interim-Update", seconds, octets);
    }
    let second = login(&server);
    assert_eq!(
        limits(&second),
        [Some("200"), Some("1000000000"), None],
        "{second:?}"
    );
    let crossed = || server.metric("lastmile_radius_limits_crossed_total");
    assert_eq!(crossed(), 0);
    report(&server, "Interim-Update", 600, 5_500_000_000);
    assert_eq!(crossed(), 1);
    let daily = "Your maximum daily usage time has been reached";
    let refused = login(&server);
    assert_eq!(refused.find("Reply-Message"), Some(daily), "{refused:?}");
    report(&server, "Stop", 600, 5_500_000_000);
    server.terminate();
    // A restart forgets nothing, and neither does a change of the rows.
    let server = site.program.serve();
    assert_eq!(login(&server).find("Reply-Message"), Some(daily));
    check_row(&site, "Max-Daily-Session", "3600");
    let more = await_login(&server, |answer| answer.code == "Access-Accept");
    assert_eq!(
        limits(&more),
        [Some("3000"), Some("500000000"), None],
        "{more:?}"
    );
    check_row(&site, "Max-Monthly-Traffic", "5500000000");
    let monthly = "Your maximum monthly usage time has been reached";
    await_login(&server, |answer| {
        answer.find("Reply-Message") == Some(monthly)
    });
    site.until_logged("the time quota of 10m for a day is used up");
}

fn hours_of_rows_are_obeyed(kind: DatabaseKind) {
    let site = site(kind);
    let server = site.program.serve();
    check_row(&site, "Login-Time", "Al0000-1359");
    let open = await_login(&server, |answer| timeout(answer).is_some());
    // It is between 12:00 and 13:00, and the minute at the end is part of the window.
    let left = timeout(&open).expect("a number");
    assert!((3_600..=7_200).contains(&left), "{open:?}");
    assert_eq!(left % 60, 0, "{open:?}");
    check_row(&site, "Login-Time", "Al1400-1159");
    let closed = |answer: &Answer| {
        answer.find("Reply-Message") == Some("Your plan does not cover this time")
    };
    await_login(&server, closed);
    check_row(&site, "Login-Time", "Any");
    let always = await_login(&server, |answer| answer.code == "Access-Accept");
    assert_eq!(timeout(&always), None, "{always:?}");
    check_row(&site, "Login-Time", "Never");
    await_login(&server, closed);
    let findings = site.program.cli(&["rows", "lint"]);
    let never = "these are no times of the week";
    assert!(findings.stdout.contains(never), "{findings:?}");
}

fn a_period_runs_from_the_first_session(kind: DatabaseKind) {
    let site = site(kind);
    let server = site.program.serve();
    check_row(&site, "Access-Period", "3600");
    let first = await_login(&server, |answer| timeout(answer).is_some());
    assert_eq!(timeout(&first), Some(3_600), "{first:?}");
    // Nothing runs before there is a session.
    assert_eq!(timeout(&login(&server)), Some(3_600));
    report(&server, "Interim-Update", 3_000, 0);
    let begun = Instant::now();
    let second = await_login(&server, |answer| timeout(answer) < Some(3_600));
    let left = 600 - begun.elapsed().as_secs();
    assert!(
        timeout(&second).expect("a number").abs_diff(left) <= 1,
        "{second:?}"
    );
    server.terminate();
    let server = site.program.serve();
    let third = login(&server);
    assert!(timeout(&third).is_some_and(|left| left <= 600), "{third:?}");
    check_row(&site, "Access-Period", "3000");
    let over = "Your maximum never usage time has been reached";
    await_login(&server, |answer| answer.find("Reply-Message") == Some(over));
}
