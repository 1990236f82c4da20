//! Limits of plans through the real program: counted once, told to the router, and obeyed at once.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use testkit::cluster::Cluster;
use testkit::database::{DatabaseKind, scratch};
use testkit::peer::Answer;
use testkit::peer::radclient::{self, Kind};
use testkit::server::{Program, Server};

use crate::site::{SECRET, Site, on_both_databases};

on_both_databases!(
    a_quota_is_told_counted_and_obeyed,
    a_plan_from_the_first_use_ends_to_the_second,
    a_plan_with_a_past_gets_a_quota,
    a_top_up_opens_a_used_up_quota,
    a_walled_session_uses_nothing_of_the_plan,
    a_subscriber_begins_later,
);

/// When what should happen at once is given up.
const PATIENCE: Duration = Duration::from_secs(15);
const LENA: (&str, &str) = ("lena", "lena-pass-word-7");

/// A furnished site with a subscriber on a plan with these options.
fn site(kind: DatabaseKind, options: &[&str]) -> Site {
    let site = Site::furnished(kind);
    add_lena(&site, options);
    site
}

fn add_lena(site: &Site, options: &[&str]) {
    let words = ["plan", "add", "fair", "--rate", "25M/50M"];
    site.program.done(&[&words, options].concat());
    let (user, password) = LENA;
    site.command(&format!(
        "subscriber add {user} --password {password} --plan fair"
    ));
}

#[track_caller]
fn login(server: SocketAddr) -> Answer {
    let (user, password) = (format!("\"{}\"", LENA.0), format!("\"{}\"", LENA.1));
    let attributes = [("User-Name", user.as_str()), ("User-Password", &password)];
    radclient::ask(server, SECRET, Kind::Access, &attributes).expect("an answer")
}

/// Logs in until the answer is as expected.
#[track_caller]
fn await_login(server: SocketAddr, is_expected: impl Fn(&Answer) -> bool) -> Answer {
    let begun = Instant::now();
    loop {
        let answer = login(server);
        if is_expected(&answer) {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "{answer:?}");
    }
}

fn is_rejected(answer: &Answer) -> bool {
    answer.code == "Access-Reject"
}

/// Reports the first session of the subscriber.
#[track_caller]
fn report(server: &Server, status: &str, seconds: u64, upload: u64, download: u64) {
    report_session(server, "\"81000007\"", status, seconds, [upload, download]);
}

#[track_caller]
fn report_session(
    server: &Server,
    session: &str,
    status: &str,
    seconds: u64,
    [upload, download]: [u64; 2],
) {
    let low = |octets: u64| (octets & 0xffff_ffff).to_string();
    let high = |octets: u64| (octets >> 32).to_string();
    let seconds = seconds.to_string();
    let values = [low(upload), high(upload), low(download), high(download)];
    let attributes = [
        ("User-Name", "\"lena\""),
        ("Acct-Session-Id", session),
        ("Acct-Status-Type", status),
        ("Acct-Session-Time", &seconds),
        ("Acct-Input-Octets", &values[0]),
        ("Acct-Input-Gigawords", &values[1]),
        ("Acct-Output-Octets", &values[2]),
        ("Acct-Output-Gigawords", &values[3]),
    ];
    let answer = radclient::ask(server.acct, SECRET, Kind::Accounting, &attributes);
    assert_eq!(answer.expect("an answer").code, "Accounting-Response");
}

/// Mikrotik-Total-Limit with its Gigawords.
fn total_limit(answer: &Answer) -> Option<u64> {
    let number = |name: &str| {
        answer
            .find(name)
            .map(|value| value.parse::<u64>().expect("a number"))
    };
    let low = number("Mikrotik-Total-Limit")?;
    Some((number("Mikrotik-Total-Limit-Gigawords").unwrap_or(0) << 32) + low)
}

fn a_quota_is_told_counted_and_obeyed(kind: DatabaseKind) {
    let site = site(kind, &["--quota", "10G/month"]);
    let server = site.program.serve();
    let fresh = login(server.auth);
    assert_eq!(total_limit(&fresh), Some(10_000_000_000), "{fresh:?}");
    report(&server, "Start", 0, 0, 0);
    report(&server, "Interim-Update", 60, 500_000_000, 9_000_000_000);
    // What the journal has committed counts for the next login, once, however often it comes.
    report(&server, "Interim-Update", 60, 500_000_000, 9_000_000_000);
    report(&server, "Interim-Update", 30, 100_000_000, 1_000_000_000);
    let later = login(server.auth);
    assert_eq!(total_limit(&later), Some(500_000_000), "{later:?}");
    assert_eq!(server.metric("lastmile_radius_limits_crossed_total"), 0);
    report(&server, "Interim-Update", 90, 500_000_000, 9_500_000_000);
    let refused = login(server.auth);
    assert!(is_rejected(&refused), "{refused:?}");
    let message = refused.find("Reply-Message").expect("it says why");
    assert!(message.contains("Your data volume is used up"), "{message}");
    assert_eq!(server.metric("lastmile_radius_limits_crossed_total"), 1);
    server.terminate();
    // A restart forgets nothing.
    let server = site.program.serve();
    assert!(is_rejected(&login(server.auth)));
    let set = ["plan", "set", "fair", "--at-limit", "throttle:1M/2M"];
    site.program.done(&set);
    let slow = await_login(server.auth, |answer| !is_rejected(answer));
    assert_eq!(slow.find("Mikrotik-Rate-Limit"), Some("1M/2M"), "{slow:?}");
    assert_eq!(total_limit(&slow), None, "{slow:?}");
    // A session that begins on the terms at the limit is not beyond it.
    report(&server, "Stop", 100, 500_000_000, 9_500_000_000);
    for status in ["Start", "Interim-Update"] {
        report_session(&server, "\"81000008\"", status, 1, [0, 0]);
    }
    assert_eq!(server.metric("lastmile_radius_limits_crossed_total"), 0);
    site.command("plan set fair --quota 20G/month");
    let more = await_login(server.auth, |answer| total_limit(answer).is_some());
    assert_eq!(total_limit(&more), Some(10_000_000_000), "{more:?}");
    assert_eq!(
        more.find("Mikrotik-Rate-Limit"),
        Some("25M/50M"),
        "{more:?}"
    );
    let log = site.command("log auth --user lena");
    let reason = "the traffic quota of 10GB for a month is used up and resets at";
    assert!(log.contains(reason), "{log}");
}

fn a_plan_from_the_first_use_ends_to_the_second(kind: DatabaseKind) {
    let site = site(kind, &["--validity", "1h", "--validity-from", "first-use"]);
    let server = site.program.serve();
    let begun = Instant::now();
    let first = login(server.auth);
    assert_eq!(first.find("Session-Timeout"), Some("3600"), "{first:?}");
    let timeout = |answer: &Answer| -> u64 {
        let value = answer.find("Session-Timeout");
        value.expect("a timeout").parse().expect("a number")
    };
    // The clock goes on, and nothing begins anew.
    let second = await_login(server.auth, |answer| timeout(answer) < 3_599);
    let elapsed = begun.elapsed().as_secs();
    assert!(
        timeout(&second).abs_diff(3_600 - elapsed) <= 1,
        "{second:?} after {elapsed} s"
    );
    server.terminate();
    let server = site.program.serve();
    let third = login(server.auth);
    let elapsed = begun.elapsed().as_secs();
    assert!(
        timeout(&third).abs_diff(3_600 - elapsed) <= 1,
        "{third:?} after {elapsed} s"
    );
    site.command("plan set fair --validity 60 --validity-from first-use");
    let ends = await_login(server.auth, |answer| {
        is_rejected(answer) || timeout(answer) <= 60
    });
    let elapsed = begun.elapsed().as_secs();
    assert!(
        is_rejected(&ends) || timeout(&ends).abs_diff(60 - elapsed.min(60)) <= 1,
        "{ends:?}"
    );
}

/// A quota that comes in the middle of a month begins with what was used before.
fn a_plan_with_a_past_gets_a_quota(kind: DatabaseKind) {
    let site = site(kind, &[]);
    let server = site.program.serve();
    report(&server, "Start", 0, 0, 0);
    report(&server, "Interim-Update", 60, 0, 3_000_000_000);
    // The subscriber was added in this hour, which counts when it is over: another one may have
    // had the name before. From the next report on all is counted.
    site.command("plan set fair --quota 5G/total");
    await_login(server.auth, |answer| total_limit(answer).is_some());
    report(&server, "Interim-Update", 120, 0, 7_000_000_000);
    let left = login(server.auth);
    assert_eq!(total_limit(&left), Some(1_000_000_000), "{left:?}");
}

fn a_top_up_opens_a_used_up_quota(kind: DatabaseKind) {
    let site = site(kind, &["--quota", "5G/month"]);
    let server = site.program.serve();
    report(&server, "Start", 0, 0, 0);
    report(&server, "Interim-Update", 60, 0, 5_000_000_000);
    assert!(is_rejected(&login(server.auth)));
    let top_up = "subscriber top-up lena --data 2G --valid 7d --reference INV-7";
    site.command(&format!("{top_up} --dry-run"));
    assert!(is_rejected(&login(server.auth)));
    site.command(top_up);
    let open = await_login(server.auth, |answer| !is_rejected(answer));
    assert_eq!(total_limit(&open), Some(2_000_000_000), "{open:?}");
    let seconds = open
        .find("Session-Timeout")
        .expect("it ends with the top-up");
    let seconds: u64 = seconds.parse().expect("a number");
    assert!((604_000..=604_800).contains(&seconds), "{open:?}");
    // The same purchase again is no other one.
    let again = site.program.cli(&top_up.split(' ').collect::<Vec<_>>());
    assert!(
        again.stderr.contains("nothing is granted again"),
        "{again:?}"
    );
    assert_eq!(total_limit(&login(server.auth)), Some(2_000_000_000));
    for _ in 0..2 {
        report(&server, "Interim-Update", 120, 0, 6_500_000_000);
    }
    let later = |answer: &Answer| total_limit(answer) == Some(500_000_000);
    await_login(server.auth, later);
    let listed = site.program.json(&["subscriber", "top-ups", "lena"]);
    let one = &listed[0];
    assert_eq!(one["used"], 1_500_000_000_u64, "{listed}");
    assert_eq!(one["standing"], "usable", "{listed}");
    assert_eq!(one["reference"], "INV-7", "{listed}");
    let by = one["granted_by"].as_str().expect("somebody");
    assert!(by.starts_with("command line, user "), "{listed}");
    server.terminate();
    // A restart forgets nothing.
    let server = site.program.serve();
    assert!(later(&login(server.auth)));
    let id = one["id"].as_str().expect("an id");
    site.program
        .done(&["subscriber", "revoke-top-up", "lena", id]);
    await_login(server.auth, is_rejected);
    let outcome = site
        .program
        .cli(&["subscriber", "top-up", "lena", "--time", "1h"]);
    assert!(
        outcome
            .stderr
            .contains("--time: the plan has no such quota"),
        "{outcome:?}"
    );
}

fn a_walled_session_uses_nothing_of_the_plan(kind: DatabaseKind) {
    let site = site(kind, &["--quota", "5G/month"]);
    site.command("garden add unpaid --address-list unpaid");
    site.command("subscriber suspend lena --walled");
    let server = site.program.serve();
    let walled = login(server.auth);
    let list = walled.find("Mikrotik-Address-List");
    assert_eq!(list, Some("unpaid"), "{walled:?}");
    let class = walled.find("Class").expect("a Class").to_owned();
    let report = |status: &str, octets: &str| {
        let attributes = [
            ("User-Name", "\"lena\""),
            ("Acct-Session-Id", "\"81000009\""),
            ("Acct-Status-Type", status),
            ("Acct-Session-Time", "60"),
            ("Acct-Output-Octets", octets),
            ("Acct-Output-Gigawords", "1"),
            ("Class", &class),
        ];
        let answer = radclient::ask(server.acct, SECRET, Kind::Accounting, &attributes);
        assert_eq!(answer.expect("an answer").code, "Accounting-Response");
    };
    report("Start", "0");
    report("Interim-Update", "1000000000");
    assert_eq!(server.metric("lastmile_radius_limits_crossed_total"), 0);
    report("Stop", "1000000001");
    site.command("subscriber restore lena");
    let own = await_login(server.auth, |answer| total_limit(answer).is_some());
    assert_eq!(total_limit(&own), Some(5_000_000_000), "{own:?}");
    // What is used then is all that counts.
    report_session(&server, "\"81000010\"", "Start", 0, [0, 0]);
    report_session(
        &server,
        "\"81000010\"",
        "Interim-Update",
        9,
        [0, 1_000_000_000],
    );
    assert_eq!(total_limit(&login(server.auth)), Some(4_000_000_000));
    let usage = site.program.json(&["usage", "lena"]);
    assert!(
        usage.to_string().contains("6294967297"),
        "the hours have it all: {usage}"
    );
}

fn a_subscriber_begins_later(kind: DatabaseKind) {
    let site = site(kind, &[]);
    let server = site.program.serve();
    site.command("subscriber set lena --starts 2099-01-01");
    let waiting = await_login(server.auth, is_rejected);
    let message = waiting.find("Reply-Message");
    assert_eq!(message, Some("Your plan has not begun yet"), "{waiting:?}");
    let shown = site.program.json(&["subscriber", "show", "lena"]);
    assert_eq!(shown["starts_at"], "2099-01-01T00:00:00Z");
    site.command("subscriber set lena --clear-starts");
    await_login(server.auth, |answer| !is_rejected(answer));
    site.until_logged("not_valid_yet");
}

/// What one node counts holds at the other one within seconds.
#[test]
fn nodes_share_what_is_used() {
    let cluster = Cluster::start();
    let site = Site::on_cluster(&cluster);
    add_lena(&site, &["--quota", "5G/month"]);
    let here = site.program.serve();
    // Another machine with the same keys.
    let other = scratch();
    let keys = "keyring";
    std::fs::copy(site.program.data_dir().join(keys), other.path().join(keys)).expect("keys");
    let there = Program::new(env!("CARGO_BIN_EXE_lastmile"), other.path())
        .with("LASTMILE_DATABASE__URL", site.database.url())
        .with("LASTMILE_RADIUS__REJECT_DELAY_MS", "0")
        .serve();
    assert_eq!(total_limit(&login(there.auth)), Some(5_000_000_000));
    report(&here, "Start", 0, 0, 0);
    report(&here, "Interim-Update", 60, 0, 4_999_999_999);
    let told = await_login(there.auth, |answer| total_limit(answer) == Some(1));
    assert_eq!(told.code, "Access-Accept");
    report(&there, "Stop", 61, 0, 5_000_000_000);
    assert!(is_rejected(&login(there.auth)));
    await_login(here.auth, is_rejected);
}

#[test]
fn options_of_limits_say_what_is_wrong() {
    let site = Site::furnished(DatabaseKind::Sqlite);
    let rows = [
        (
            &["--quota", "5G/year"][..],
            "'year' is not a period of a quota",
        ),
        (&["--quota", "0/day"], "lets nobody in"),
        (&["--window", "Xx0800-1800"], "are not times of the week"),
        (&["--validity", "5"], "outside 60 s"),
        (&["--at-limit", "block"], "the plan has no quota"),
        (&["--resets", "15"], "the plan has no quota"),
        (
            &["--quota", "5G/day", "--at-limit", "stop"],
            "write block, throttle:RATE or plan:NAME",
        ),
        (
            &["--quota", "5G/day", "--at-limit", "plan:none"],
            "there is no plan 'none'",
        ),
        (
            &["--quota", "5G/day", "--at-limit", "plan:home"],
            "its own limit",
        ),
    ];
    for (options, expected) in rows {
        let words = [&["plan", "set", "home"], options].concat();
        let outcome = site.program.cli(&words);
        assert!(
            outcome.stderr.contains(expected),
            "{options:?}: {}",
            outcome.stderr
        );
    }
    let zone = site.program.cli(&["tenant", "set", "--time-zone", "Mars"]);
    assert!(
        zone.stderr.contains("'Mars' is not a time zone"),
        "{}",
        zone.stderr
    );
    site.command("tenant set --time-zone Africa/Nairobi");
    let tenant = site.program.json(&["tenant", "show"]);
    assert_eq!(tenant["time_zone"], "Africa/Nairobi");
    let options = [
        "plan",
        "set",
        "home",
        "--quota",
        "50G/month,time:2h/day",
        "--resets",
        "15 06:00",
        "--window",
        "Wk0800-1800",
        "--validity",
        "30d",
        "--at-limit",
        "throttle:1M/1M",
    ];
    site.program.done(&options);
    let plan = site.program.json(&["plan", "show", "home"]);
    let expected = [
        ("quota", "50G/month,time:2h/day"),
        ("resets", "15 mon 06:00"),
        ("window", "Wk0800-1800"),
        ("validity_from", "purchase"),
        ("at_limit", "throttle:1M/1M"),
    ];
    for (field, value) in expected {
        assert_eq!(plan[field], value, "{field} in {plan}");
    }
    assert_eq!(plan["validity_seconds"], 2_592_000);
}
