//! Sessions at the same time: on one server, and on two that share a PostgreSQL.

use std::fs;
use std::time::{Duration, Instant};

use radius::attribute::kind;
use radius::code::Code;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::database::{DatabaseKind, scratch};
use testkit::peer::radclient::{self, Kind};
use testkit::server::Server;

use crate::site::{ANA, SAM, SECRET, Site, on_both_databases};
use crate::wire::{Request, Router};

on_both_databases!(
    a_second_device_is_refused_or_replaces_the_first,
    a_subscriber_has_terms_of_their_own,
);

/// Nodes find each other in seconds.
const PATIENCE: Duration = Duration::from_secs(40);

const ACCEPT: &str = "Access-Accept";
const REJECT: &str = "Access-Reject";

const FIRST: &str = "02-00-00-00-00-01";
const SECOND: &str = "02-00-00-00-00-02";

fn log_in(server: &Server, user: (&str, &str), station: &str) -> String {
    let attributes = [
        ("User-Name", user.0),
        ("User-Password", user.1),
        ("Calling-Station-Id", station),
    ];
    let answer = radclient::ask(server.auth, SECRET, Kind::Access, &attributes);
    answer.expect("radclient believes the answer").code
}

fn report(server: &Server, status: &str, session: &str, user: &str, station: &str) {
    let attributes = [
        ("Acct-Status-Type", status),
        ("Acct-Session-Id", session),
        ("User-Name", user),
        ("Calling-Station-Id", station),
    ];
    let answer = radclient::ask(server.acct, SECRET, Kind::Accounting, &attributes);
    let code = answer.expect("radclient believes the answer").code;
    assert_eq!(code, "Accounting-Response");
}

/// What is open, by its Acct-Session-Id, and why it has to end.
fn open(site: &Site) -> Vec<(String, Value)> {
    let sessions = site.sessions_in("open").into_iter();
    let mut open: Vec<_> = sessions
        .map(|session| {
            let id = session["session_id"].as_str().expect("a name").to_owned();
            (id, session["ending"].clone())
        })
        .collect();
    open.sort_by(|left, right| left.0.cmp(&right.0));
    open
}

fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what} after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn a_second_device_is_refused_or_replaces_the_first(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    site.command("plan set home --session-limit 1");
    let server = site.program.serve();
    assert_eq!(log_in(&server, ANA, FIRST), ACCEPT);
    assert_eq!(log_in(&server, ANA, SECOND), REJECT, "a place is held");
    assert_eq!(log_in(&server, ANA, FIRST), ACCEPT, "of the same device");
    report(&server, "Start", "one", ANA.0, FIRST);
    assert_eq!(log_in(&server, ANA, SECOND), REJECT);
    report(&server, "Stop", "one", ANA.0, FIRST);
    assert_eq!(log_in(&server, ANA, SECOND), ACCEPT);
    report(&server, "Start", "two", ANA.0, SECOND);
    site.command("plan set home --session-policy replace-oldest");
    await_that("the policy is in force", || {
        log_in(&server, ANA, FIRST) == ACCEPT
    });
    report(&server, "Start", "three", ANA.0, FIRST);
    let expected = [
        ("three".to_owned(), json!(null)),
        ("two".to_owned(), json!("replaced")),
    ];
    await_that("the old session is listed as replaced", || {
        open(&site) == expected
    });
    assert_eq!(server.metric("lastmile_radius_sessions_replaced_total"), 1);
    // After a restart it counts no more either.
    server.terminate();
    site.command("plan set home --session-policy reject-new");
    let server = site.program.serve();
    assert_eq!(log_in(&server, ANA, SECOND), REJECT);
    assert_eq!(log_in(&server, ANA, FIRST), ACCEPT);
    report(&server, "Stop", "three", ANA.0, FIRST);
    assert_eq!(server.metric("lastmile_sessions_open"), 1);
}

fn a_subscriber_has_terms_of_their_own(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    site.command("plan set home --session-limit 1");
    site.command("subscriber set sam --session-limit 2 --session-policy replace-oldest");
    let shown = site.program.json(&["subscriber", "show", "sam"]);
    assert_eq!(shown["session_limit"], 2);
    assert_eq!(shown["session_policy"], "replace_oldest");
    let server = site.program.serve();
    for station in [FIRST, SECOND] {
        assert_eq!(log_in(&server, SAM, station), ACCEPT);
        report(&server, "Start", station, SAM.0, station);
    }
    assert_eq!(log_in(&server, SAM, "02-00-00-00-00-03"), ACCEPT);
    await_that("the first one has to end", || {
        open(&site).contains(&(FIRST.to_owned(), json!("replaced")))
    });
    site.command("subscriber set sam --clear-session-limit --clear-session-policy");
    let shown = site.program.json(&["subscriber", "show", "sam"]);
    assert_eq!(shown["session_limit"], json!(null));
    assert_eq!(shown["session_policy"], json!(null));
}

/// Two servers on one database, each with a data directory of its own.
struct Pair {
    here: Server,
    there: Server,
    site: Site,
    _files: TempDir,
}

impl Pair {
    fn new() -> Self {
        let site = Site::furnished(DatabaseKind::Postgres);
        site.command("plan set home --session-limit 1");
        let files = scratch();
        let ring = site.program.data_dir().join("keyring");
        // Its permissions come along.
        fs::copy(ring, files.path().join("keyring")).expect("the key ring is ours");
        let other = testkit::server::Program::new(env!("CARGO_BIN_EXE_lastmile"), files.path())
            .with("LASTMILE_DATABASE__URL", site.database.url())
            .with("LASTMILE_RADIUS__REJECT_DELAY_MS", "0");
        Self {
            here: site.program.serve(),
            there: other.serve(),
            site,
            _files: files,
        }
    }
}

fn await_sessions(server: &Server, expected: u64) {
    let metric = "lastmile_sessions_open";
    await_that("the other node knows", || server.metric(metric) == expected);
}

/// What a counter says when nothing more comes, which is for several looks at the news.
fn await_quiet(server: &Server, metric: &str) -> u64 {
    let (mut last, mut looks) = (server.metric(metric), 0);
    await_that("the news come to an end", || {
        let now = server.metric(metric);
        looks = if now == last { looks + 1 } else { 0 };
        last = now;
        15 < looks
    });
    last
}

#[test]
fn two_nodes_count_each_others_sessions() {
    let pair = Pair::new();
    let Pair { here, there, .. } = &pair;
    assert_eq!(log_in(here, ANA, FIRST), ACCEPT);
    report(here, "Start", "one", ANA.0, FIRST);
    await_sessions(there, 1);
    assert_eq!(log_in(there, ANA, SECOND), REJECT);
    assert_eq!(log_in(there, ANA, FIRST), ACCEPT, "the device roams");
    // The session goes on at the other node and ends there.
    report(there, "Interim-Update", "one", ANA.0, FIRST);
    report(there, "Stop", "one", ANA.0, FIRST);
    await_sessions(here, 0);
    // By now they know of each other, so who was let in is told before the session begins.
    let news = "lastmile_radius_session_news_applied_total";
    let known = await_quiet(there, news);
    assert_eq!(log_in(here, SAM, FIRST), ACCEPT);
    await_that("the place is told", || known < there.metric(news));
    assert_eq!(log_in(there, SAM, SECOND), REJECT);
    // A router that restarts ends its sessions at both.
    report(here, "Start", "two", SAM.0, FIRST);
    await_sessions(there, 1);
    let router = Router::new();
    let on = 7_u32.to_be_bytes();
    let restart = Request::accounting(9, &[(kind::ACCT_STATUS_TYPE, &on)]);
    assert_eq!(
        router.reply(here.acct, &restart).code,
        Code::AccountingResponse
    );
    await_sessions(there, 0);
    assert_eq!(pair.site.sessions_in("open"), [json!(null); 0]);
}
