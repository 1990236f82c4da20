//! `kill -9` under accounting load: every acknowledged record is there afterwards, none twice.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use lab::load::ledger::{Ledger, LedgerSession};
use lab::load::options::Limit;
use lab::load::report::LoadReport;
use lab::request::Event;
use serde_json::Value;
use testkit::database::DatabaseKind;
use testkit::server::Server;

use crate::site::{ANA, Site, accounting_load, on_both_databases};

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

#[track_caller]
pub(crate) fn assert_ledger_is_stored(site: &Site, report: &LoadReport) {
    let Ledger { sessions, omitted } = report.ledger.as_ref().expect("a ledger was asked for");
    assert_eq!(*omitted, 0);
    let mut stored: HashMap<String, Vec<Value>> = HashMap::new();
    for row in site.sessions() {
        let id = row["session_id"]
            .as_str()
            .expect("a session has an id")
            .to_owned();
        stored.entry(id).or_default().push(row);
    }
    let mut acknowledged = 0;
    for session in sessions {
        let rows = stored
            .get(&session.session_id)
            .map_or(&[][..], Vec::as_slice);
        check(session, rows);
        acknowledged += u64::from(session.acknowledged.interims)
            + u64::from(session.acknowledged.start)
            + u64::from(session.acknowledged.stop);
    }
    assert!(
        RECORDS / 2 < acknowledged,
        "only {acknowledged} records were acknowledged"
    );
    assert!(
        report.counts.lost > 0,
        "the server was not ended in full flight: {report}"
    );
    // Usage is rolled up in the same transactions: it is neither less nor more.
    let usage = site.program.json(&["usage", ANA.0]);
    let buckets = usage.as_array().expect("a list");
    let rows: Vec<&Value> = stored.values().flatten().collect();
    for key in ["upload_bytes", "download_bytes", "session_seconds"] {
        let used: u64 = buckets
            .iter()
            .filter_map(|bucket| bucket[key].as_u64())
            .sum();
        let counted: u64 = rows.iter().filter_map(|row| row[key].as_u64()).sum();
        assert_eq!(used, counted, "{key}");
    }
}

#[track_caller]
fn check(session: &LedgerSession, rows: &[Value]) {
    let LedgerSession {
        acknowledged,
        attempted,
        ..
    } = session;
    assert!(rows.len() <= 1, "stored twice: {session:?} {rows:?}");
    let is_acknowledged = acknowledged.start || acknowledged.stop || acknowledged.interims != 0;
    let Some(row) = rows.first() else {
        assert!(!is_acknowledged, "lost: {session:?}");
        return;
    };
    let counters = [
        (
            "upload_bytes",
            acknowledged.input_octets,
            attempted.input_octets,
        ),
        (
            "download_bytes",
            acknowledged.output_octets,
            attempted.output_octets,
        ),
    ];
    for (key, least, most) in counters {
        let value = row[key].as_u64().expect("a number");
        assert!((least..=most).contains(&value), "{key}: {session:?} {row}");
    }
    if acknowledged.stop {
        assert_eq!(row["state"], "closed", "{session:?}");
    } else if attempted.event != Event::Stop {
        assert_eq!(row["state"], "open", "{session:?}");
    }
}
