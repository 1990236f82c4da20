//! A server that starts while its database is away: it serves from the directory snapshot, loses
//! nothing, and takes up the database when that is back.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use radius::attribute::kind;
use radius::code::Code;
use testkit::database::DatabaseKind;
use testkit::process::Outcome;
use testkit::server::Server;

use crate::outage::{Connections, set_connections, wait_until_drained};
use crate::site::{ANA, FAY, SECRET, Site, block_on};
use crate::wire::{Request, Router};

const PATIENCE: Duration = Duration::from_secs(60);

/// Access to a user that nobody knew before the outage.
const NEW: (&str, &str) = ("newcomer", "new-pass-word-4");

#[test]
fn a_crash_and_a_start_during_an_outage_lose_nothing() {
    let site = Site::furnished(DatabaseKind::Postgres);
    let server = site.program.serve();
    let router = Router::new();
    wait_for("the first snapshot", || {
        server.metric("lastmile_radius_snapshots_written_total") == 1
    });
    account(&router, &server, Event::Start, "before", 1);
    set_connections(&site, Connections::Refused);
    account(&router, &server, Event::Start, "outage", 2);
    assert_eq!(server.metric("lastmile_spool_depth"), 1);
    drop(server.kill());

    let server = site.program.serve();
    assert_is_offline(&server);
    assert_answers_from_snapshot(&server, &router);
    account(&router, &server, Event::Interim, "before", 13);
    account(&router, &server, Event::Stop, "outage", 14);
    account(&router, &server, Event::Start, "offline", 15);
    assert_eq!(server.metric("lastmile_spool_depth"), 4);
    drop(server.kill());

    let server = site.program.serve();
    assert_is_offline(&server);
    set_connections(&site, Connections::Allowed);
    wait_until_online(&server);
    wait_until_drained(&server);
    let stored = |state: &str| {
        let mut ids: Vec<_> = site
            .sessions_in(state)
            .iter()
            .map(|row| {
                row["session_id"]
                    .as_str()
                    .expect("a session has one")
                    .to_owned()
            })
            .collect();
        ids.sort();
        ids
    };
    assert_eq!(stored("open"), ["before", "offline"]);
    assert_eq!(stored("closed"), ["outage"]);
    let usage = site.program.json(&["usage", ANA.0]);
    let seconds = usage.as_array().expect("a list");
    let seconds: u64 = seconds
        .iter()
        .filter_map(|row| row["session_seconds"].as_u64())
        .sum();
    assert_eq!(seconds, 13 + 14);
    assert_follows_changes(&site, &server, &router);
    account(&router, &server, Event::Stop, "offline", 60);
    assert_eq!(stored("open"), ["before"]);
}

#[test]
fn an_orderly_stop_keeps_what_changed_last() {
    let site = Site::furnished(DatabaseKind::Postgres);
    let server = site.program.serve();
    let router = Router::new();
    // Not in the first snapshot.
    site.command(&format!(
        "subscriber add {} --password {} --plan home",
        NEW.0, NEW.1
    ));
    wait_until_accepted(&server, &router, NEW);
    account(&router, &server, Event::Start, "open", 200);
    set_connections(&site, Connections::Refused);
    assert_eq!(server.terminate().code, Some(0));

    let server = site.program.serve();
    assert_is_offline(&server);
    assert_eq!(server.metric("lastmile_directory_subscribers"), 4);
    assert_eq!(server.metric("lastmile_sessions_open"), 1);
    let reply = router.reply(server.auth, &Request::pap(201, NEW.0, NEW.1));
    assert_eq!(reply.code, Code::AccessAccept);
    account(&router, &server, Event::Stop, "open", 202);
    let ending = server.terminate();
    assert_eq!(ending.code, Some(0), "{:#?}", ending.log);

    let server = site.program.serve();
    assert_eq!(server.metric("lastmile_sessions_open"), 0);
    assert_eq!(server.metric("lastmile_spool_depth"), 1);
    set_connections(&site, Connections::Allowed);
    wait_until_online(&server);
    wait_until_drained(&server);
    assert_eq!(site.sessions_in("closed").len(), 1);
    assert_eq!(site.sessions_in("open").len(), 0);
}

#[test]
fn a_database_that_comes_back_as_another_is_not_taken() {
    let site = Site::furnished(DatabaseKind::Postgres);
    assert_eq!(site.program.serve().terminate().code, Some(0));
    let newer = "INSERT INTO schema_version (version, name, applied_at) VALUES (9999, 'later', 1)";
    block_on(site.database.execute(newer));
    set_connections(&site, Connections::Refused);
    let server = site.program.serve();
    assert_is_offline(&server);
    set_connections(&site, Connections::Allowed);
    wait_for("the newer schema is told", || {
        server.http("/readyz").body.contains("9999")
    });
    assert_answers_from_snapshot(&server, &Router::new());
    // An empty database must not empty the directory.
    block_on(
        site.database
            .execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public"),
    );
    wait_for("the empty database is told", || {
        server.http("/readyz").body.contains("is empty")
    });
    assert_answers_from_snapshot(&server, &Router::new());
    let log = server.terminate().log;
    let told = log.iter().filter(|line| line.contains("9999")).count();
    assert_eq!(told, 1, "{log:#?}");
}

#[test]
fn a_database_that_fails_while_it_is_loaded_is_bridged() {
    let site = Site::furnished(DatabaseKind::Postgres);
    assert_eq!(site.program.serve().terminate().code, Some(0));
    let rename = |from: &str, to: &str| {
        let sql = format!("ALTER TABLE {from} RENAME TO {to}");
        block_on(site.database.execute(&sql));
    };
    rename("subscriber", "mislaid");
    let server = site.program.serve();
    assert_is_offline(&server);
    let router = Router::new();
    assert_answers_from_snapshot(&server, &router);
    rename("mislaid", "subscriber");
    wait_until_online(&server);
    assert_follows_changes(&site, &server, &router);
}

#[test]
fn a_damaged_sqlite_file_does_not_keep_logins_out() {
    let site = Site::furnished(DatabaseKind::Sqlite);
    assert_eq!(site.program.serve().terminate().code, Some(0));
    let path = site.program.data_dir().join("lastmile.db");
    let good = fs::read(&path).expect("the database is there");
    fs::write(
        &path,
        "this is not a database, and long enough to be looked at",
    )
    .expect("it is ours");
    let server = site.program.serve();
    assert_is_offline(&server);
    let router = Router::new();
    assert_answers_from_snapshot(&server, &router);
    account(&router, &server, Event::Start, "offline", 100);
    let restored = site.program.data_dir().join("restored.db");
    fs::write(&restored, good).expect("the directory is writable");
    fs::rename(&restored, &path).expect("the directory is writable");
    wait_until_online(&server);
    wait_until_drained(&server);
    assert_eq!(site.sessions_in("open").len(), 1);
    assert_follows_changes(&site, &server, &router);
}

#[test]
fn without_a_usable_snapshot_the_start_fails_as_ever() {
    let site = Site::furnished(DatabaseKind::Postgres);
    set_connections(&site, Connections::Refused);
    let errors_of = |outcome: &Outcome| {
        let lines = outcome.stderr.lines();
        let errors = lines.filter(|line| line.starts_with("error: "));
        errors.map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let outcome = site.program.serve_to_end();
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert_eq!(errors_of(&outcome).len(), 1, "{outcome:?}");
    set_connections(&site, Connections::Allowed);
    assert_eq!(site.program.serve().terminate().code, Some(0));
    set_connections(&site, Connections::Refused);
    let path = site.program.data_dir().join("directory.snapshot");
    let mut octets = fs::read(&path).expect("it was written");
    octets[40] ^= 1;
    fs::write(&path, octets).expect("it is ours");
    let outcome = site.program.serve_to_end();
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(
        outcome.stderr.contains("directory.snapshot is damaged"),
        "{outcome:?}"
    );
    assert_eq!(errors_of(&outcome).len(), 1, "{outcome:?}");
}

#[test]
fn doctor_says_what_the_snapshot_is_worth() {
    let site = Site::furnished(DatabaseKind::Sqlite);
    let found = || {
        let outcome = site.program.cli(&["doctor", "--output", "json"]);
        let checks: serde_json::Value =
            serde_json::from_str(&outcome.stdout).expect("doctor writes JSON");
        let checks = checks.as_array().expect("a list");
        let check = checks
            .iter()
            .find(|check| check["check"] == "directory snapshot");
        let check = check.expect("it is looked at");
        let word = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
        (word("status"), word("found"))
    };
    assert_eq!(found().0, "ok");
    assert_eq!(site.program.serve().terminate().code, Some(0));
    let (status, text) = found();
    assert_eq!(status, "ok");
    assert!(text.contains("subscribers: 3"), "{text}");
    let path = site.program.data_dir().join("directory.snapshot");
    let octets = fs::read(&path).expect("it was written");
    fs::write(&path, &octets[..octets.len() - 1]).expect("it is ours");
    let (status, text) = found();
    assert_eq!(status, "warn");
    assert!(text.contains("damaged"), "{text}");
}

#[track_caller]
fn assert_is_offline(server: &Server) {
    assert_eq!(server.http("/healthz").status, 200);
    let ready = server.http("/readyz");
    assert_eq!(ready.status, 503, "{ready:?}");
    assert!(ready.body.contains(r#""status":"degraded""#), "{ready:?}");
    assert!(
        ready.body.contains(r#""directory":"snapshot""#),
        "{ready:?}"
    );
    assert_eq!(
        server.metric("lastmile_radius_directory_reloads_total"),
        0,
        "it was loaded from the database"
    );
    let log = server.log();
    let loud = log
        .iter()
        .find(|line| line.contains("from the directory snapshot of"));
    let loud = loud.unwrap_or_else(|| panic!("nothing is told: {log:#?}"));
    assert!(loud.contains(r#""level":"ERROR""#), "{loud}");
}

#[track_caller]
fn assert_answers_from_snapshot(server: &Server, router: &Router) {
    let cases = [
        (ANA.0, ANA.1, Code::AccessAccept),
        (ANA.0, "wrong", Code::AccessReject),
        (FAY.0, FAY.1, Code::AccessReject),
        (NEW.0, NEW.1, Code::AccessReject),
    ];
    for (identifier, (user, password, expected)) in (0..).zip(cases) {
        let reply = router.reply(server.auth, &Request::pap(identifier, user, password));
        assert_eq!(reply.code, expected, "{user}");
        let rate = (expected == Code::AccessAccept).then_some("25M/50M");
        assert_eq!(reply.rate().as_deref(), rate, "{user}");
    }
}

#[track_caller]
fn wait_until_online(server: &Server) {
    wait_for("the database is used again", || {
        let ready = server.http("/readyz");
        ready.status == 200 && ready.body.contains(r#""directory":"database""#)
    });
    assert_eq!(server.metric("lastmile_radius_directory_reloads_total"), 1);
}

/// What is changed from now on is in force, registered routers too.
#[track_caller]
fn assert_follows_changes(site: &Site, server: &Server, router: &Router) {
    site.command(&format!(
        "subscriber add {} --password {} --plan home",
        NEW.0, NEW.1
    ));
    wait_until_accepted(server, router, NEW);
    site.command(&format!(
        "nas add pop-2 --address 127.0.0.2 --secret {SECRET}"
    ));
    wait_for("the NAS is known", || {
        server.metric("lastmile_directory_nas") == 2
    });
    let other = Router::at([127, 0, 0, 2].into());
    let reply = other.reply(server.auth, &Request::pap(90, ANA.0, ANA.1));
    assert_eq!(reply.code, Code::AccessAccept);
}

#[track_caller]
fn wait_until_accepted(server: &Server, router: &Router, user: (&str, &str)) {
    let mut identifier = 100_u8;
    wait_for("the user is let in", || {
        identifier = identifier.wrapping_add(1);
        let reply = router.reply(server.auth, &Request::pap(identifier, user.0, user.1));
        reply.code == Code::AccessAccept
    });
}

#[derive(Clone, Copy)]
enum Event {
    Start = 1,
    Stop = 2,
    Interim = 3,
}

/// Reports a session of ana and waits until that is acknowledged; `number` is the uptime, and tells
/// requests apart.
#[track_caller]
fn account(router: &Router, server: &Server, event: Event, session: &str, number: u8) {
    let uptime = match event {
        Event::Start => 0,
        Event::Stop | Event::Interim => u32::from(number),
    };
    let attributes = [
        (kind::ACCT_STATUS_TYPE, &(event as u32).to_be_bytes()[..]),
        (kind::ACCT_SESSION_ID, session.as_bytes()),
        (kind::USER_NAME, ANA.0.as_bytes()),
        (kind::ACCT_SESSION_TIME, &uptime.to_be_bytes()),
    ];
    let request = Request::accounting(number, &attributes);
    let reply = router.ask(server.acct, &request, PATIENCE);
    assert!(reply.is_some(), "{session} is not acknowledged");
}

#[track_caller]
fn wait_for(what: &str, mut is_done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_done() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::yield_now();
    }
}
