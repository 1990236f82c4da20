//! The books: what was acknowledged beside what is stored.

use std::collections::HashMap;

use lab::load::ledger::{Ledger, LedgerSession};
use lab::load::report::LoadReport;
use lab::request::Event;
use serde_json::Value;

use crate::site::{ANA, Site};

/// Everything was answered in the end, so what is stored is what was sent, to the octet.
#[track_caller]
pub(crate) fn assert_settled(site: &Site, report: &LoadReport) {
    assert_eq!(report.counts.lost, 0, "given up: {report}");
    assert_eq!(report.counts.bad_authenticators, 0, "{report}");
    let Ledger { sessions, .. } = report.ledger.as_ref().expect("a ledger was asked for");
    for session in sessions {
        let LedgerSession {
            acknowledged,
            attempted,
            ..
        } = session;
        let answered = (acknowledged.input_octets, acknowledged.output_octets);
        let sent = (attempted.input_octets, attempted.output_octets);
        assert_eq!(answered, sent, "not answered: {session:?}");
    }
    assert_stored(site, report);
}

/// Every acknowledged record is stored, and nothing is that was not sent; what was sent and not
/// answered may be.
#[track_caller]
pub(crate) fn assert_stored(site: &Site, report: &LoadReport) {
    let Ledger { sessions, omitted } = report.ledger.as_ref().expect("a ledger was asked for");
    assert_eq!(*omitted, 0);
    assert!(!sessions.is_empty(), "nothing was sent: {report}");
    let mut stored: HashMap<String, Vec<Value>> = HashMap::new();
    for row in site.sessions() {
        let id = row["session_id"]
            .as_str()
            .expect("a session has an id")
            .to_owned();
        stored.entry(id).or_default().push(row);
    }
    for session in sessions {
        let rows = stored
            .get(&session.session_id)
            .map_or(&[][..], Vec::as_slice);
        check(session, rows);
    }
    assert_usage_is_of(site, stored.values().flatten());
}

/// How many records the server has acknowledged.
pub(crate) fn acknowledged(report: &LoadReport) -> u64 {
    let ledger = report.ledger.as_ref().expect("a ledger was asked for");
    let accounts = ledger.sessions.iter().map(|session| session.acknowledged);
    accounts
        .map(|account| {
            u64::from(account.interims) + u64::from(account.start) + u64::from(account.stop)
        })
        .sum()
}

/// Usage is rolled up in the same transactions: it is neither less nor more than the sessions.
#[track_caller]
fn assert_usage_is_of<'v>(site: &Site, rows: impl Iterator<Item = &'v Value>) {
    let rows: Vec<&Value> = rows.collect();
    let usage = site.program.json(&["usage", ANA.0]);
    let buckets = usage.as_array().expect("a list");
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
