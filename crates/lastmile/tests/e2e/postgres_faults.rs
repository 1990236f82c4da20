//! PostgreSQL stops, dies, hangs and comes back under load: logins go on, and accounting reaches
//! it once.

use std::time::{Duration, Instant};

use testkit::cluster::{Cluster, Stop};
use testkit::server::Server;

use crate::books;
use crate::site::Site;
use crate::traffic::{Traffic, beside};

/// How long anything may take that the server does by itself.
const PATIENCE: Duration = Duration::from_secs(30);
const SPOOLED: &str = "lastmile_radius_spool_records_total";
/// Records that a fault must last for.
const SPOOLED_MIN: u64 = 300;

#[test]
fn a_postgresql_that_stops_and_starts_costs_nothing() {
    let cluster = Cluster::start();
    let site = Site::on_cluster(&cluster);
    let server = site.program.serve();
    let traffic = beside(server.auth, server.acct, || {
        for stop in [Stop::Fast, Stop::Immediate, Stop::Killed, Stop::Fast] {
            let before = server.metric(SPOOLED);
            cluster.stop(stop);
            wait_until(&server, "accounting is spooled", || {
                before + SPOOLED_MIN <= server.metric(SPOOLED)
            });
            assert_eq!(server.http("/readyz").status, 503);
            cluster.start_again();
            wait_until_drained(&server);
        }
    });
    assert_nothing_failed(&site, server, &traffic);
}

#[test]
fn a_crash_of_the_server_while_postgresql_is_away_costs_nothing() {
    let cluster = Cluster::start();
    let mut site = Site::on_cluster(&cluster);
    site.keep_ports();
    let mut server = site.program.serve();
    let (auth, acct) = (server.auth, server.acct);
    let mut last = None;
    let traffic = beside(auth, acct, || {
        for stop in [Stop::Immediate, Stop::Killed] {
            let before = server.metric(SPOOLED);
            cluster.stop(stop);
            wait_until(&server, "accounting is spooled", || {
                before + SPOOLED_MIN <= server.metric(SPOOLED)
            });
            drop(server.kill());
            cluster.start_again();
            server = site.program.serve();
            wait_until_drained(&server);
        }
        last = Some(server);
    });
    let server = last.expect("the load was beside the rounds");
    // Logins fail while no server is there, and only then.
    assert_eq!(traffic.logins.rejected, 0, "{:?}", traffic.logins);
    drop(server.kill());
    books::assert_settled(&site, &traffic.accounting);
}

#[test]
fn a_postgresql_that_hangs_is_bridged_and_found_again() {
    let cluster = Cluster::start();
    let site = Site::on_cluster(&cluster);
    let server = site.program.serve();
    let traffic = beside(server.auth, server.acct, || {
        for _ in 0..2 {
            let before = server.metric(SPOOLED);
            cluster.hold();
            wait_until(&server, "accounting is spooled", || {
                before + SPOOLED_MIN <= server.metric(SPOOLED)
            });
            let ready = server.http("/readyz");
            assert_eq!(ready.status, 503, "{ready:?}");
            cluster.release();
            wait_until_drained(&server);
        }
    });
    assert_nothing_failed(&site, server, &traffic);
}

/// No login failed, and the books agree after a last crash.
#[track_caller]
pub(crate) fn assert_nothing_failed(site: &Site, server: Server, traffic: &Traffic) {
    traffic.logins.assert_none_failed();
    drop(server.kill());
    books::assert_settled(site, &traffic.accounting);
}

#[track_caller]
pub(crate) fn wait_until(server: &Server, what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(
            Instant::now() < deadline,
            "waited in vain until {what}: {:?} {:#?}",
            server.http("/readyz"),
            server.log()
        );
    }
}

/// Until the database has everything and gets what is new.
#[track_caller]
pub(crate) fn wait_until_drained(server: &Server) {
    wait_until(server, "the spool is drained", || {
        let ready = server.http("/readyz");
        ready.status == 200 && ready.body.contains(r#""accounting":"direct""#)
    });
}
