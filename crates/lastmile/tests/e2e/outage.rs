//! While the database is away routers are authenticated from memory; afterwards all goes on.

use std::process::Command;
use std::time::{Duration, Instant};

use radius::attribute::kind;
use radius::code::Code;
use testkit::database::DatabaseKind;
use testkit::process;

use crate::site::{ANA, Site};
use crate::wire::{Request, Router};

const PATIENCE: Duration = Duration::from_secs(30);
/// What one outage may log.
const LINES_MAX: usize = 20;

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
    // Nothing is acknowledged that is not stored.
    let start = [
        (kind::ACCT_STATUS_TYPE, &[0, 0, 0, 1][..]),
        (kind::ACCT_SESSION_ID, b"outage-1"),
        (kind::USER_NAME, b"ana"),
    ];
    let start = Request::accounting(100, &start);
    let reply = router.ask(server.acct, &start, Duration::from_secs(1));
    assert_eq!(reply, None);
    set_connections(&site, Connections::Allowed);
    let deadline = Instant::now() + PATIENCE;
    while router
        .ask(server.acct, &start, Duration::from_millis(500))
        .is_none()
    {
        assert!(
            Instant::now() < deadline,
            "accounting is not answered again"
        );
    }
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
    assert_eq!(server.http("/readyz").status, 200);
    let log = server.terminate().log;
    let lines = &log[lines_before..];
    assert!(
        lines.len() <= LINES_MAX,
        "{} lines: {:#?}",
        lines.len(),
        &lines[..LINES_MAX]
    );
}

/// Whether a database lets anybody in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Connections {
    Allowed,
    Refused,
}

/// Switches one database of the shared server off, as far as its users can tell, and on again.
fn set_connections(site: &Site, connections: Connections) {
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
    assert_eq!(site.sessions().len(), 0, "nothing was acknowledged");
}
