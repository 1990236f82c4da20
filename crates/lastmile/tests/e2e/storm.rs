//! A reconnect storm: after a power cut everybody logs in and starts a session, and nobody is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use domain::secret::Secret;
use lab::credentials::Credentials;
use lab::load::options::{LoadOptions, REQUESTS_PER_PORT};
use lab::request::Event;
use lab::storm::options::StormOptions;
use lab::storm::report::{Phase, StormReport};
use testkit::database::DatabaseKind;
use testkit::server::Server;

use crate::site::{SECRET, Site, on_both_databases};

on_both_databases!(fifty_thousand_subscribers_return_and_none_is_lost);

const SUBSCRIBERS: usize = 50_000;
/// A third of what a storm may take, so that the suite does not take long.
const SPAN: Duration = Duration::from_secs(20);
const ROUTERS: usize = 8;
const PORTS_OF_EACH: usize = 4;
/// How much later than it was due an answer may come, but for one in a hundred.
const P99_US_MAX: u64 = 50_000;
/// The same on a machine so busy with other things that requests were not even sent in time.
const P99_STARVED_US_MAX: u64 = 1_000_000;
/// One request in so many may be sent late on a machine that is not.
const LATE_ONE_IN: u64 = 1_000;
/// How long entries of the log may take to be stored after the last login.
const LOG_TIME: Duration = Duration::from_secs(30);

fn fifty_thousand_subscribers_return_and_none_is_lost(kind: DatabaseKind) {
    let site = Site::empty(kind);
    site.command(&format!(
        "nas add pop --address 127.0.0.0/24 --secret {SECRET}"
    ));
    site.command("plan add home --rate 25M/50M");
    let mut sheet = "username,password,plan\n".to_owned();
    for (name, password) in (0..SUBSCRIBERS).map(login) {
        writeln!(sheet, "{name},{password},home").expect("it is a String");
    }
    let path = site.write("all.csv", &sheet).display().to_string();
    site.command(&format!("subscriber import {path}"));
    let server = site.program.serve();
    let report = storm(&server);
    let everybody = SUBSCRIBERS as u64;
    assert!(report.is_complete(), "{report}");
    let counts = report.counts;
    assert_eq!((counts.lost, counts.unsent), (0, 0), "{report}");
    let is_starved = counts.requests < counts.late * LATE_ONE_IN;
    let p99_us_max = if is_starved {
        P99_STARVED_US_MAX
    } else {
        P99_US_MAX
    };
    for phase in [Phase::Login, Phase::Record(Event::Start)] {
        let exchange = report.find(phase).expect("everybody did it");
        assert_eq!(exchange.answers, everybody, "{report}");
        assert!(exchange.latency.p99_us < p99_us_max, "{report}");
    }
    assert_eq!(server.metric("lastmile_sessions_open"), everybody);
    check_sessions(&site, &report);
    check_log(&site);
}

fn login(number: usize) -> (String, String) {
    (format!("user{number:05}"), format!("secret-{number}"))
}

fn storm(server: &Server) -> StormReport {
    let users = (0..SUBSCRIBERS).map(login);
    let users =
        users.map(|(name, password)| Credentials::new(&name, &password).expect("a valid login"));
    let secret = Secret::from(SECRET);
    let mut load = LoadOptions::new(server.auth, server.acct, secret, users.collect());
    load.source = Some([127, 0, 0, 11].into());
    load.ports = ROUTERS * PORTS_OF_EACH;
    load.outstanding = load.ports * REQUESTS_PER_PORT;
    load.ledger = true;
    let mut options = StormOptions::new(load);
    options.span = SPAN;
    options.routers = ROUTERS;
    lab::storm::run_until(&options, &AtomicBool::new(false)).expect("the storm runs")
}

/// Each session that was acknowledged is open, once, and is its subscriber's.
#[track_caller]
fn check_sessions(site: &Site, report: &StormReport) {
    let ledger = report.ledger.as_ref().expect("a ledger was asked for");
    let acknowledged: BTreeMap<&str, &str> = ledger
        .sessions
        .iter()
        .filter(|session| session.acknowledged.start)
        .map(|session| (session.session_id.as_str(), session.user_name.as_str()))
        .collect();
    assert_eq!(acknowledged.len(), SUBSCRIBERS);
    let rows = site.sessions();
    assert_eq!(rows.len(), SUBSCRIBERS);
    let mut stored = BTreeMap::new();
    for row in &rows {
        assert_eq!(row["state"], "open", "{row}");
        assert_eq!(row["upload_bytes"], 0, "{row}");
        let text = |key: &str| row[key].as_str().expect("it is a text");
        stored.insert(text("session_id"), text("user_name"));
    }
    assert!(
        stored == acknowledged,
        "other sessions than those of the ledger"
    );
    let subscribers: BTreeSet<&str> = stored.into_values().collect();
    assert_eq!(subscribers.len(), SUBSCRIBERS);
}

/// The log has one login of everybody.
#[track_caller]
fn check_log(site: &Site) {
    let deadline = Instant::now() + LOG_TIME;
    loop {
        let entries = site.program.json(&["log", "auth", "--accepted"]);
        let entries = entries.as_array().expect("a list");
        let users: BTreeSet<&str> = entries
            .iter()
            .filter_map(|entry| entry["user_name"].as_str())
            .collect();
        if users.len() == SUBSCRIBERS {
            assert_eq!(entries.len(), SUBSCRIBERS);
            return;
        }
        let logged = users.len();
        assert!(Instant::now() < deadline, "only {logged} logins are logged");
    }
}
