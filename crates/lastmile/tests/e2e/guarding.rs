//! Guessing, as foreign clients do it, and letting go.

use std::time::{Duration, Instant};

use testkit::database::DatabaseKind;
use testkit::peer::radclient::{self, Kind};
use testkit::server::Server;

use crate::site::{ANA, SECRET, Site, on_both_databases};

on_both_databases!(a_guesser_is_kept_back_and_let_go);

const PATIENCE: Duration = Duration::from_secs(20);

const GUESSER: &str = "02-00-00-00-00-01";
const HOME: &str = "02-00-00-00-00-02";

fn log_in(server: &Server, password: &str, station: &str) -> bool {
    let attributes = [
        ("User-Name", ANA.0),
        ("User-Password", password),
        ("Calling-Station-Id", station),
    ];
    let answer = radclient::ask(server.auth, SECRET, Kind::Access, &attributes);
    answer.expect("radclient believes the answer").code == "Access-Accept"
}

/// Guesses until somebody is locked, and for longer each time.
fn guess_until_listed(site: &Site, server: &Server) {
    await_that("a lock is listed", || {
        assert!(!log_in(server, "guess", GUESSER));
        let rows = site.program.json(&["guard", "list", "--subject", "user"]);
        rows[0]["name"] == ANA.0 && rows[0]["subject"] == "user"
    });
}

fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what} after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn a_guesser_is_kept_back_and_let_go(kind: DatabaseKind) {
    let mut site = Site::furnished(kind);
    site.set("LASTMILE_AAA__GUARD__USER_FAILURES", "3");
    let server = site.program.serve();
    assert!(log_in(&server, ANA.1, HOME));
    guess_until_listed(&site, &server);
    await_that("the right guess comes too late", || {
        log_in(&server, "guess", GUESSER);
        assert!(!log_in(&server, ANA.1, GUESSER));
        let rejected = site.command("log auth --rejected --limit 50 --output json");
        rejected.contains("too_many_attempts")
    });
    assert!(log_in(&server, ANA.1, HOME), "the subscriber comes in");
    guess_until_listed(&site, &server);
    await_that("the server lets go", || {
        // Whoever was pardoned a moment ago is no longer shown, and cannot be let go.
        log_in(&server, "guess", GUESSER);
        site.command("guard clear --subject user --name ana");
        let log = server.log().join("\n");
        log.contains("Unlocked user ana, as an operator asked")
    });
    await_that("the guesser comes in", || {
        site.command("guard clear");
        log_in(&server, ANA.1, GUESSER)
    });
    assert_ne!(server.metric("lastmile_radius_guard_locks_total"), 0);
    assert_ne!(server.metric("lastmile_radius_guard_refusals_total"), 0);
}
