//! Storms: everybody returns once, in order, and reports what happens to its session.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use lab::fault::{Faults, Rate};
use lab::load::options::LoadOptions;
use lab::load::report::Ended;
use lab::request::Event;
use lab::storm::options::{Shape, Stops, StormOptions};
use lab::storm::report::{Phase, StormReport};
use lab::storm::run_until;

use crate::responder::{CLASS, Recorded, Responder, Treatment, ana, secret};

const SUBSCRIBERS: usize = 60;

fn options(responder: &Responder) -> StormOptions {
    let users = vec![ana(); SUBSCRIBERS];
    let mut options = StormOptions::new(LoadOptions {
        timeout: Duration::from_millis(60),
        transmissions_max: 50,
        ledger: true,
        run: Some("st".into()),
        ..LoadOptions::new(responder.auth, responder.acct, secret(), users)
    });
    options.span = Duration::from_millis(100);
    options
}

fn run(options: &StormOptions) -> StormReport {
    run_until(options, &AtomicBool::new(false)).expect("the storm runs")
}

/// The distinct records of each session, in the order of their totals.
fn by_session(responder: &Responder) -> BTreeMap<String, Vec<(u64, u32)>> {
    let mut sessions: BTreeMap<String, Vec<(u64, u32)>> = BTreeMap::new();
    for record in responder.records() {
        let Recorded {
            status_type,
            session_id,
            output_octets,
            class,
            ..
        } = record;
        assert_eq!(class.as_deref(), Some(CLASS), "{session_id}");
        let records = sessions.entry(session_id).or_default();
        records.push((output_octets, status_type));
    }
    for records in sessions.values_mut() {
        records.sort_unstable();
        records.dedup();
    }
    sessions
}

#[track_caller]
fn check_phases(report: &StormReport, expected: &[(Phase, u64)]) {
    let actual: Vec<_> = report
        .exchanges
        .iter()
        .map(|exchange| (exchange.exchange, exchange.answers))
        .collect();
    assert_eq!(actual, expected, "{report}");
}

#[test]
fn everybody_logs_in_and_starts_once() {
    let responder = Responder::honest();
    let mut options = options(&responder);
    options.routers = 3;
    options.load.source = Some([127, 0, 0, 5].into());
    let begin = Instant::now();
    let report = run(&options);
    assert!(report.is_complete(), "{report}");
    assert_eq!(report.ended, Ended::Requests);
    let everybody = SUBSCRIBERS as u64;
    check_phases(
        &report,
        &[
            (Phase::Login, everybody),
            (Phase::Record(Event::Start), everybody),
        ],
    );
    // The last login is due when all but a sixtieth's square root of the time has passed.
    assert!(0.08 < report.returned_after_seconds, "{report}");
    assert!(report.elapsed_seconds <= begin.elapsed().as_secs_f64());
    let sessions = by_session(&responder);
    assert_eq!(sessions.len(), SUBSCRIBERS);
    assert!(sessions.values().all(|records| records == &[(0, 1)]));
}

#[test]
fn rounds_follow_until_the_stop() {
    let responder = Responder::honest();
    let mut options = options(&responder);
    options.shape = Shape::Even;
    options.span = Duration::from_millis(30);
    options.load.interims = 2;
    options.stops = Stops::Each;
    let report = run(&options);
    let everybody = SUBSCRIBERS as u64;
    check_phases(
        &report,
        &[
            (Phase::Login, everybody),
            (Phase::Record(Event::Start), everybody),
            (Phase::Record(Event::Interim), 2 * everybody),
            (Phase::Record(Event::Stop), everybody),
        ],
    );
    let ledger = report.ledger.expect("a ledger was asked for");
    let sessions = by_session(&responder);
    assert_eq!(ledger.sessions.len(), sessions.len());
    for session in ledger.sessions {
        let records = &sessions[&session.session_id];
        let types: Vec<u32> = records
            .iter()
            .map(|(_, status_type)| *status_type)
            .collect();
        assert_eq!(types, [1, 3, 3, 2], "{session:?}");
        let (octets, _) = records[3];
        assert_eq!(session.acknowledged.output_octets, octets);
    }
}

#[test]
fn storm_gets_everybody_in_over_a_bad_line() {
    let responder = Responder::honest();
    let mut options = options(&responder);
    let rate = |share| Rate::new(share).expect("a share");
    options.load.faults = Faults {
        loss: rate(0.1),
        duplication: rate(0.1),
        reordering: rate(0.1),
        delay: Duration::from_millis(10),
    };
    let report = run(&options);
    assert!(report.is_complete(), "{report}");
    assert!(0 < report.counts.retransmits, "{report}");
    assert_eq!(by_session(&responder).len(), SUBSCRIBERS);
}

#[test]
fn whoever_is_rejected_stays_outside() {
    let responder = Responder::honest();
    let mut options = options(&responder);
    let stranger = lab::credentials::Credentials::new("bob", "x").expect("a valid login");
    options.load.users[7] = stranger;
    options.stops = Stops::Each;
    options.span = Duration::from_millis(20);
    let report = run(&options);
    assert!(!report.is_complete());
    let others = SUBSCRIBERS as u64 - 1;
    assert_eq!((report.returned, report.counts.rejects), (others, 1));
    assert_eq!(by_session(&responder).len(), SUBSCRIBERS - 1);
}

#[test]
fn caller_and_silence_end_a_storm() {
    let responder = Responder::start(|_| Treatment::Ignore);
    let mut options = options(&responder);
    options.load.silence_max = Duration::from_millis(150);
    let report = run(&options);
    assert_eq!((report.ended, report.returned), (Ended::Silence, 0));
    let responder = Responder::honest();
    let mut options = self::options(&responder);
    options.span = Duration::from_secs(600);
    let report = run_until(&options, &AtomicBool::new(true)).expect("the storm runs");
    assert_eq!(report.ended, Ended::Stopped);
}

#[test]
fn report_serializes_with_stable_names() {
    let responder = Responder::honest();
    let report = run(&options(&responder));
    let json = serde_json::to_value(&report).expect("a report is JSON");
    for key in [
        "run",
        "seed",
        "ended",
        "subscribers",
        "routers",
        "returned",
        "returned_after_seconds",
        "elapsed_seconds",
        "cpu_seconds",
        "counts",
        "exchanges",
        "ledger",
    ] {
        assert!(json.get(key).is_some(), "no {key} in {json}");
    }
    assert_eq!(json["exchanges"][0]["exchange"], "login");
    assert_eq!(json["exchanges"][1]["exchange"], "start");
    assert!(json["exchanges"][1]["latency"]["p99_us"].is_u64());
    let table = report.to_string();
    assert!(
        table.starts_with("60 of 60 subscribers are back"),
        "{table}"
    );
}
