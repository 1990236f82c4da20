//! `kill -9` under accounting load: every acknowledged record is there afterwards, none twice.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use lab::load::options::Limit;
use lab::load::report::LoadReport;
use testkit::database::DatabaseKind;
use testkit::server::Server;

use crate::books;
use crate::site::{Site, accounting_load, on_both_databases};

on_both_databases!(
    no_acknowledged_record_is_lost_by_a_crash,
    a_stop_under_load_stores_what_it_acknowledged
);

/// Records that must be committed before the server is ended, so that it ends in full flight.
const RECORDS: u64 = 1_000;

fn no_acknowledged_record_is_lost_by_a_crash(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let server = site.program.serve();
    let report = load_until(server, |server| drop(server.kill()));
    let server = site.program.serve();
    assert_ledger_is_stored(&site, &report);
    // What was open is open still, and can go on.
    let open = site.sessions_in("open").len();
    assert_eq!(
        server.metric("lastmile_sessions_open"),
        u64::try_from(open).expect("a few")
    );
    let report = load_until(server, |server| drop(server.kill()));
    site.program.serve();
    assert_ledger_is_stored(&site, &report);
}

fn a_stop_under_load_stores_what_it_acknowledged(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let server = site.program.serve();
    let report = load_until(server, |server| {
        let ending = server.terminate();
        assert_eq!(ending.code, Some(0), "{:#?}", ending.log);
    });
    assert_ledger_is_stored(&site, &report);
}

/// Loads a server with accounting, ends it in the middle, and gives the client's account of it.
pub(crate) fn load_until(server: Server, end: impl FnOnce(Server)) -> LoadReport {
    let mut options = accounting_load(&server);
    options.limit = Limit::Duration(Duration::from_secs(60));
    options.sessions = 200;
    options.outstanding = 64;
    options.ports = 4;
    options.timeout = Duration::from_millis(300);
    options.silence_max = Duration::from_secs(20);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let load = scope.spawn(|| lab::load::run_until(&options, &stop));
        let deadline = Instant::now() + Duration::from_secs(30);
        while server.metric("lastmile_radius_journal_records_total") < RECORDS {
            assert!(
                Instant::now() < deadline,
                "{RECORDS} records are not stored in time"
            );
        }
        end(server);
        stop.store(true, SeqCst);
        let report = load.join().expect("the load does not panic");
        report.expect("the load runs")
    })
}

/// The books of a load that was cut off in the middle.
#[track_caller]
pub(crate) fn assert_ledger_is_stored(site: &Site, report: &LoadReport) {
    let acknowledged = books::acknowledged(report);
    assert!(
        RECORDS / 2 < acknowledged,
        "only {acknowledged} records were acknowledged"
    );
    assert!(
        report.counts.lost > 0,
        "the server was not ended in full flight: {report}"
    );
    books::assert_stored(site, report);
}
