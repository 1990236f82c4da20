//! What scripts rely on, as a new operator walks through it.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use lab::load::options::Limit;
use serde_json::{Value, json};
use testkit::server::Server;

use crate::site::{SECRET, Site, accounting_load, on_both_databases};
use crate::wire::PATIENCE;
use testkit::database::DatabaseKind;

on_both_databases!(
    commands_work_beside_a_server_under_load,
    a_new_operator_gets_a_subscriber_online,
    the_first_start_says_what_to_do_next
);

fn a_new_operator_gets_a_subscriber_online(kind: DatabaseKind) {
    let site = Site::empty(kind);
    let server = site.program.serve();
    let identity = "--identifier edge-1 --coa-port 3799 --vendor mikrotik";
    site.command(&format!(
        "nas add pop-1 --address 127.0.0.1 --secret {SECRET} {identity}"
    ));
    site.command("plan add home-25 --rate 25M/50M");
    site.command("subscriber add Ana --password first-pass --plan home-25");
    let sheet = "username,password,plan\nben,second-pass,home-25\ncay,third-pass,home-25\n";
    let sheet = site.write("more.csv", sheet);
    site.command(&format!("subscriber import {}", sheet.display()));
    await_metric(&server, "lastmile_directory_subscribers", 3);
    for (user, password) in [
        ("ana", "first-pass"),
        ("ben", "second-pass"),
        ("cay", "third-pass"),
    ] {
        for method in ["pap", "chap", "mschapv2"] {
            let report = login(&site, &server, user, password, method);
            assert_eq!(report["outcome"], "accepted", "{user} {method}: {report}");
            let attributes = report["attributes"].as_array().expect("a list");
            let is_rate = |found: &&Value| found["name"] == "Mikrotik-Rate-Limit";
            let rate = attributes.iter().find(is_rate).expect("a rate");
            assert_eq!(rate["value"], "\"25M/50M\"", "{user} {method}: {report}");
        }
    }
    site.command("subscriber disable ben");
    assert_eventually_outcome(&site, &server, "rejected");
    site.command("subscriber enable ben");
    assert_eventually_outcome(&site, &server, "accepted");
    live_one_life(&site, &server);
    check_records(&site);
    assert_eq!(server.terminate().code, Some(0));
}

fn the_first_start_says_what_to_do_next(kind: DatabaseKind) {
    let site = Site::empty(kind);
    let log = site.program.serve().terminate().log.join("\n");
    for next in ["nas add", "plan add", "subscriber add"] {
        assert_eq!(log.matches(next).count(), 1, "{next} once in: {log}");
    }
    let log = site.program.serve().terminate().log.join("\n");
    assert!(!log.contains("nas add"), "a second start repeats it: {log}");
}

fn commands_work_beside_a_server_under_load(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let server = site.program.serve();
    let mut options = accounting_load(&server);
    options.limit = Limit::Duration(PATIENCE);
    let stop = AtomicBool::new(false);
    let report = thread::scope(|scope| {
        let load = scope.spawn(|| lab::load::run_until(&options, &stop));
        for number in 0..10 {
            site.command(&format!(
                "subscriber add u{number} --password pass-word --plan home"
            ));
            site.command(&format!("subscriber set u{number} --expires 2040-01-01"));
            site.command("session list --limit 10");
            site.command("usage ana");
        }
        stop.store(true, SeqCst);
        let report = load.join().expect("the load does not panic");
        report.expect("the load runs")
    });
    assert!(report.counts.accounting_responses > 100, "{report}");
    assert_eq!(report.counts.lost, 0, "{report}");
    await_metric(&server, "lastmile_directory_subscribers", 13);
}

/// A session of three interims that crosses 4 GiB, by the simulator that ships.
fn live_one_life(site: &Site, server: &Server) {
    let (auth, acct) = (server.auth, server.acct);
    let who = "--user ana --password first-pass --method chap";
    site.command(&format!("lab nas --auth {auth} --acct {acct} {who}"));
}

fn check_records(site: &Site) {
    assert_eq!(site.sessions_in("open"), [json!(null); 0]);
    let sessions = site.sessions();
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    let session = &sessions[0];
    assert_eq!(session["user_name"], "ana");
    assert_eq!(session["nas"], "pop-1");
    assert_eq!(session["state"], "closed");
    assert_eq!(session["terminate_cause"], "User-Request");
    for key in ["session_id", "started_at", "stopped_at"] {
        assert!(session[key].is_string(), "{key} in {session}");
    }
    let download = session["download_bytes"].as_u64().expect("a number");
    assert!(1 << 32 < download, "gigawords are counted: {session}");
    let id = session["session_id"].as_str().expect("text");
    let shown = site.program.json(&["session", "show", id]);
    assert_eq!(shown["download_bytes"], download);
    let usage = site.program.json(&["usage", "ana"]);
    let rows = usage.as_array().expect("a list");
    let total = |key: &str| rows.iter().filter_map(|row| row[key].as_u64()).sum::<u64>();
    assert_eq!(total("download_bytes"), download, "{usage}");
    assert_eq!(
        total("upload_bytes"),
        session["upload_bytes"].as_u64().expect("a number")
    );
    check_log(site);
}

/// The log is written a moment after the reply.
fn check_log(site: &Site) {
    let tries_max = 200;
    let mut rejected = Value::Null;
    for _ in 0..tries_max {
        rejected = site
            .program
            .json(&["log", "auth", "--user", "ben", "--rejected"]);
        if rejected.as_array().is_some_and(|rows| !rows.is_empty()) {
            break;
        }
    }
    let row = &rejected[0];
    assert_eq!(row["outcome"], "rejected", "{rejected}");
    assert_eq!(row["nas"], "pop-1", "{rejected}");
    assert_eq!(row["reason"], "disabled", "{rejected}");
    assert!(
        row["trace"]
            .as_array()
            .is_some_and(|trace| !trace.is_empty()),
        "{rejected}"
    );
    let accepted = site
        .program
        .json(&["log", "auth", "--user", "ana", "--accepted"]);
    assert!(
        accepted.as_array().is_some_and(|rows| 3 <= rows.len()),
        "{accepted}"
    );
}

/// Commands are in force a moment after they ended.
#[track_caller]
fn await_metric(server: &Server, name: &str, expected: u64) {
    let tries_max = 1_000;
    let is_seen = (0..tries_max).any(|_| server.metric(name) == expected);
    assert!(is_seen, "{name} is not {expected}");
}

/// A change is in force a moment after the command that made it.
#[track_caller]
fn assert_eventually_outcome(site: &Site, server: &Server, expected: &str) {
    let tries_max = 100;
    let is_seen = (0..tries_max)
        .any(|_| login(site, server, "ben", "second-pass", "pap")["outcome"] == expected);
    assert!(is_seen, "ben is not {expected}");
}

/// The report of `test-auth`, which fails when the login does.
#[track_caller]
fn login(site: &Site, server: &Server, user: &str, password: &str, method: &str) -> Value {
    let address = server.auth.to_string();
    let outcome = site.program.cli(&[
        "test-auth",
        user,
        password,
        "--method",
        method,
        "--server",
        &address,
        "--output",
        "json",
    ]);
    let report: Value = serde_json::from_str(&outcome.stdout)
        .unwrap_or_else(|error| panic!("{error}: {outcome:?}"));
    let expected = if report["outcome"] == "accepted" {
        Some(0)
    } else {
        Some(1)
    };
    assert_eq!(outcome.code, expected, "{outcome:?}");
    report
}
