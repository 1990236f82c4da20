//! While the database is away routers are authenticated from memory and their accounting is
//! spooled; afterwards all goes on, and the database has everything.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use radius::attribute::kind;
use radius::code::Code;
use testkit::database::DatabaseKind;
use testkit::process;
use testkit::server::Server;

use crate::crash::{assert_ledger_is_stored, load_until};
use crate::site::{ANA, Site};
use crate::wire::{Request, Router};

const PATIENCE: Duration = Duration::from_secs(30);
/// What one outage may log.
const LINES_MAX: usize = 25;

#[test]
fn logins_go_on_while_the_database_is_away() {
    let site = Site::furnished(DatabaseKind::Postgres);
    let server = site.program.serve();
    let router = Router::new();
    let lines_before = server.log().len();
    set_connections(&site, Connections::Refused);
    let deadline = Instant::now() + PATIENCE;
    while server.http("/readyz").status != 503 {
        assert!(Instant::now() < deadline, "it says that it is ready");
    }
    assert_eq!(server.http("/healthz").status, 200);
    for identifier in 0..50 {
        let reply = router.reply(server.auth, &Request::pap(identifier, ANA.0, ANA.1));
        assert_eq!(reply.code, Code::AccessAccept);
    }
    let start = [
        (kind::ACCT_STATUS_TYPE, &[0, 0, 0, 1][..]),
        (kind::ACCT_SESSION_ID, b"outage-1"),
        (kind::USER_NAME, b"ana"),
    ];
    let start = Request::accounting(100, &start);
    let reply = router.ask(server.acct, &start, PATIENCE);
    assert!(reply.is_some(), "accounting is spooled and acknowledged");
    assert_eq!(server.metric("lastmile_spool_depth"), 1);
    assert_eq!(server.metric("lastmile_sessions_open"), 1);
    let ready = server.http("/readyz");
    assert!(
        ready.body.contains(r#""accounting":"spooling""#),
        "{ready:?}"
    );
    set_connections(&site, Connections::Allowed);
    wait_until_drained(&server);
    let deadline = Instant::now() + PATIENCE;
    while server.metric("lastmile_radius_auth_log_written_total") < 50 {
        assert!(Instant::now() < deadline, "the log of the outage is lost");
    }
    assert_eq!(server.metric("lastmile_radius_auth_log_lost_total"), 0);
    assert_eq!(site.sessions_in("open").len(), 1);
    site.command("plan set home --rate 30M/60M");
    let mut identifier = 0_u8;
    let has_rate = |identifier| {
        let reply = router.reply(server.auth, &Request::pap(identifier, ANA.0, ANA.1));
        reply.rate().as_deref() == Some("30M/60M")
    };
    while !has_rate(identifier) {
        identifier = identifier.wrapping_add(1);
        assert!(Instant::now() < deadline, "changes are not followed again");
    }
    let ready = server.http("/readyz");
    assert_eq!(ready.status, 200);
    assert!(ready.body.contains(r#""accounting":"direct""#), "{ready:?}");
    let log = server.terminate().log;
    let lines = &log[lines_before..];
    assert!(
        lines.len() <= LINES_MAX,
        "{} lines: {:#?}",
        lines.len(),
        &lines[..LINES_MAX]
    );
}

#[test]
fn an_outage_under_load_loses_nothing() {
    let site = Site::furnished(DatabaseKind::Postgres);
    let report = load_until(site.program.serve(), |server| {
        for _ in 0..2 {
            interrupt(&site, &server);
            set_connections(&site, Connections::Allowed);
            wait_until_drained(&server);
        }
        drop(server.kill());
    });
    let server = site.program.serve();
    assert_ledger_is_stored(&site, &report);
    assert_eq!(server.metric("lastmile_spool_depth"), 0);
}

#[test]
fn a_crash_during_an_outage_loses_nothing() {
    let site = Site::furnished(DatabaseKind::Postgres);
    let report = load_until(site.program.serve(), |server| {
        interrupt(&site, &server);
        drop(server.kill());
    });
    set_connections(&site, Connections::Allowed);
    let server = site.program.serve();
    assert_eq!(server.metric("lastmile_spool_depth"), 0);
    assert_ledger_is_stored(&site, &report);
    let open = site.sessions_in("open").len();
    let open = u64::try_from(open).expect("a few");
    assert_eq!(server.metric("lastmile_sessions_open"), open);
}

#[test]
fn a_database_that_hangs_under_load_is_bridged() {
    let site = Site::furnished(DatabaseKind::Postgres);
    let report = load_until(site.program.serve(), |server| {
        let before = server.metric(SPOOLED);
        let hold = "BEGIN; LOCK TABLE session_open IN ACCESS EXCLUSIVE MODE; \
                    SELECT pg_sleep(8); COMMIT";
        let mut command = Command::new("psql");
        command.arg(site.database.url());
        command.args(["-v", "ON_ERROR_STOP=1", "-c", hold]);
        thread::scope(|scope| {
            let held = scope.spawn(|| process::run(&mut command, b"", PATIENCE));
            wait_until_spooled(&server, before + SPOOLED_MIN);
            let outcome = held.join().expect("it does not panic");
            assert!(outcome.is_success(), "{outcome:?}");
        });
        wait_until_drained(&server);
        drop(server.kill());
    });
    site.program.serve();
    assert_ledger_is_stored(&site, &report);
}

const SPOOLED: &str = "lastmile_radius_spool_records_total";
/// Records that an outage must last for.
const SPOOLED_MIN: u64 = 500;

/// Takes the database away and waits until accounting is spooled.
fn interrupt(site: &Site, server: &Server) {
    let before = server.metric(SPOOLED);
    set_connections(site, Connections::Refused);
    wait_until_spooled(server, before + SPOOLED_MIN);
}

fn wait_until_spooled(server: &Server, records: u64) {
    let deadline = Instant::now() + PATIENCE;
    while server.metric(SPOOLED) < records {
        assert!(Instant::now() < deadline, "nothing is spooled");
    }
}

pub(crate) fn wait_until_drained(server: &Server) {
    let deadline = Instant::now() + PATIENCE;
    let is_spooling = || server.http("/readyz").body.contains("spooling");
    while is_spooling() {
        assert!(Instant::now() < deadline, "the spool is not drained");
    }
    assert_eq!(server.metric("lastmile_spool_depth"), 0);
}

/// Whether a database lets anybody in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connections {
    Allowed,
    Refused,
}

/// Switches one database of the shared server off, as far as its users can tell, and on again.
pub(crate) fn set_connections(site: &Site, connections: Connections) {
    let url = site.database.url();
    let (server, name) = url.rsplit_once('/').expect("a URL names a database");
    let is_allowed = connections == Connections::Allowed;
    let alter = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {is_allowed}");
    let end = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}'"
    );
    let mut command = Command::new("psql");
    command.arg(format!("{server}/postgres"));
    command.args(["-v", "ON_ERROR_STOP=1", "-c", &alter]);
    if connections == Connections::Refused {
        command.args(["-c", &end]);
    }
    let outcome = process::run(&mut command, b"", PATIENCE);
    assert!(outcome.is_success(), "{outcome:?}");
}

#[test]
fn a_stop_while_the_database_is_away_comes_to_an_end() {
    let site = Site::furnished(DatabaseKind::Postgres);
    let server = site.program.serve();
    let router = Router::new();
    set_connections(&site, Connections::Refused);
    for number in 0..100 {
        let start = [
            (kind::ACCT_STATUS_TYPE, &[0, 0, 0, 1][..]),
            (kind::ACCT_SESSION_ID, &[b's', number]),
            (kind::USER_NAME, b"ana"),
        ];
        router.send(server.acct, &Request::accounting(number, &start));
        router.send(server.auth, &Request::pap(number, ANA.0, "wrong"));
    }
    router.reply(server.acct, &Request::status(200));
    let begun = Instant::now();
    let ending = server.terminate();
    assert_eq!(ending.code, Some(0), "{:#?}", ending.log);
    assert!(begun.elapsed() < PATIENCE, "it took {:?}", begun.elapsed());
    set_connections(&site, Connections::Allowed);
    assert_eq!(site.sessions().len(), 0);
    // The next start stores what was acknowledged before it serves.
    let server = site.program.serve();
    assert_eq!(site.sessions().len(), 100);
    assert_eq!(server.metric("lastmile_spool_depth"), 0);
}
