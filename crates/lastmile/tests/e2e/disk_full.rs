//! A disk that is full: nothing unrecorded is acknowledged, logins go on, the operator is told
//! why, and it is over when there is room again.

use std::cell::Cell;

use radius::attribute::kind;
use radius::code::Code;
use testkit::cluster::{Cluster, Stop};
use testkit::server::Server;
use testkit::small_disk::SmallDisk;

use crate::postgres_faults::{assert_nothing_failed, wait_until, wait_until_drained};
use crate::site::{ANA, Site};
use crate::traffic::beside;
use crate::wire::{Request, Router};

const DISK_MIB: u32 = 96;
const REFUSED: &str = r#"lastmile_radius_dropped_total{reason="journal_failed"}"#;
const SPOOLED: &str = "lastmile_radius_spool_records_total";
/// Records that a full disk must last for.
const RECORDS_MIN: u64 = 200;
/// What one full disk may log: that and why, and that it is over.
const LINES_MAX: usize = 16;

#[test]
fn a_full_disk_of_sqlite_is_told_and_survived() {
    let disk = SmallDisk::new(DISK_MIB);
    let site = Site::on_small_disk(&disk);
    let server = site.program.serve();
    let traffic = beside(server.auth, server.acct, || {
        for _ in 0..2 {
            wait_for_more(&server, "lastmile_radius_journal_records_total");
            check_refusal(&server, &disk);
            wait_for_more(&server, "lastmile_radius_journal_records_total");
            wait_until_drained(&server);
        }
    });
    assert_nothing_failed(&site, server, &traffic);
}

#[test]
fn a_full_disk_of_the_spool_is_told_and_survived() {
    let cluster = Cluster::start();
    let disk = SmallDisk::new(DISK_MIB);
    let site = Site::on_cluster_and_small_disk(&cluster, &disk);
    let server = site.program.serve();
    let traffic = beside(server.auth, server.acct, || {
        cluster.stop(Stop::Fast);
        wait_for_more(&server, SPOOLED);
        check_refusal(&server, &disk);
        wait_for_more(&server, SPOOLED);
        // The database is back before the disk has room.
        disk.fill();
        wait_for_more(&server, REFUSED);
        cluster.start_again();
        wait_for_more(&server, "lastmile_radius_spool_records_drained_total");
        disk.free();
        wait_until_drained(&server);
    });
    assert_nothing_failed(&site, server, &traffic);
}

#[test]
fn a_full_disk_of_postgresql_is_bridged_by_the_spool() {
    let disk = SmallDisk::new(DISK_MIB);
    let cluster = Cluster::start_on(&disk);
    let site = Site::on_cluster(&cluster);
    let server = site.program.serve();
    let traffic = beside(server.auth, server.acct, || {
        wait_for_more(&server, "lastmile_radius_journal_records_total");
        disk.fill();
        wait_for_more(&server, SPOOLED);
        wait_until(&server, "readiness tells of the full disk", || {
            let ready = server.http("/readyz");
            ready.status == 503 && ready.body.contains("free some space")
        });
        disk.free();
        wait_until_drained(&server);
    });
    assert_eq!(server.metric(REFUSED), 0);
    assert_nothing_failed(&site, server, &traffic);
}

#[test]
fn a_server_that_starts_on_a_full_disk_answers_logins() {
    let disk = SmallDisk::new(DISK_MIB);
    let site = Site::on_small_disk(&disk);
    let server = site.program.serve();
    let router = Router::new();
    let record = |identifier: u8, event: u8, session: &str| {
        let attributes = [
            (kind::ACCT_STATUS_TYPE, &[0, 0, 0, event][..]),
            (kind::ACCT_SESSION_ID, session.as_bytes()),
            (kind::USER_NAME, b"ana"),
        ];
        Request::accounting(identifier, &attributes)
    };
    router.reply(server.acct, &record(1, 1, "full-1"));
    disk.fill();
    drop(server.kill());
    let server = site.program.serve();
    let reply = router.reply(server.auth, &Request::pap(2, ANA.0, ANA.1));
    assert_eq!(reply.code, Code::AccessAccept);
    let stop = record(3, 2, "full-1");
    // Others take what room the journal of the database still has.
    let number = Cell::new(3_u8);
    wait_until(&server, "accounting is refused", || {
        let next = number.get().wrapping_add(1);
        number.set(next);
        router.send(server.acct, &record(next, 1, &format!("full-{next}")));
        0 < server.metric(REFUSED)
    });
    assert_eq!(server.http("/readyz").status, 503);
    drop(server.kill());
    // After a stop in order, nothing of the journal is there, and its room is gone.
    disk.free();
    server_stops(&site);
    assert!(!site.sessions_in("open").is_empty());
    server_stops(&site);
    disk.fill();
    for outcome in [
        site.program.serve_to_end(),
        site.program.cli(&["nas", "list"]),
    ] {
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        assert!(
            outcome.stderr.contains("is full: free some space"),
            "{outcome:?}"
        );
    }
    disk.free();
    let server = site.program.serve();
    router.reply(server.acct, &stop);
    assert_eq!(site.sessions_in("closed").len(), 1);
}

/// A start and a stop in order, after which the journal is folded into the file.
#[track_caller]
fn server_stops(site: &Site) {
    let ending = site.program.serve().terminate();
    assert_eq!(ending.code, Some(0), "{:#?}", ending.log);
}

/// Fills the disk, holds the server to what it owes its operator, and gives the room back.
#[track_caller]
fn check_refusal(server: &Server, disk: &SmallDisk) {
    let lines_before = server.log().len();
    disk.fill();
    wait_for_more(server, REFUSED);
    let ready = server.http("/readyz");
    assert_eq!(ready.status, 503, "{ready:?}");
    let place = disk.path().display().to_string();
    for needle in [&place, "free some space", r#""accounting":"refused""#] {
        assert!(ready.body.contains(needle), "{needle} in {ready:?}");
    }
    assert_eq!(server.metric("lastmile_disk_free_bytes"), 0);
    assert_eq!(server.http("/healthz").status, 200);
    disk.free();
    wait_until(server, "accounting is acknowledged again", || {
        !server.http("/readyz").body.contains("refused")
    });
    let log = server.log();
    let lines = &log[lines_before..];
    let is_told = |line: &&String| line.contains("free some space");
    assert!(lines.iter().any(|line| is_told(&line)), "{lines:#?}");
    assert!(lines.len() <= LINES_MAX, "{lines:#?}");
}

#[track_caller]
fn wait_for_more(server: &Server, counter: &str) {
    let before = server.metric(counter);
    wait_until(server, counter, || {
        before + RECORDS_MIN <= server.metric(counter)
    });
}
