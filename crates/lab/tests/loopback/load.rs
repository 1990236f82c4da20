//! Loads: what is sent, counted and reported, and that they end.

use std::collections::BTreeSet;
use std::net::{Ipv6Addr, UdpSocket};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use domain::secret::Secret;
use lab::credentials::Credentials;
use lab::fault::{Faults, Rate};
use lab::load::ledger::Ledger;
use lab::load::options::{Limit, LoadOptions, Pace, Verify};
use lab::load::report::{Ended, LoadReport};
use lab::load::{run, run_until};
use lab::request::Event;

use crate::responder::{Responder, Treatment, ana, secret};

fn options(responder: &Responder) -> LoadOptions {
    LoadOptions {
        outstanding: 16,
        ports: 2,
        limit: Limit::Requests(200),
        timeout: Duration::from_millis(60),
        transmissions_max: 50,
        silence_max: Duration::from_secs(2),
        sessions: 20,
        ..LoadOptions::new(responder.auth, responder.acct, secret(), vec![ana()])
    }
}

fn load(treat: fn(u64) -> Treatment, change: impl FnOnce(&mut LoadOptions)) -> LoadReport {
    let responder = Responder::start(treat);
    let mut options = options(&responder);
    change(&mut options);
    run(&options).expect("the load runs")
}

#[test]
fn every_kind_is_answered() {
    for (mix, accounting) in [
        ("pap", false),
        ("chap", false),
        ("mschapv1", false),
        ("mschapv2", false),
        ("accounting", true),
    ] {
        let report = load(
            |_| Treatment::Answer,
            |options| options.mix = mix.parse().unwrap(),
        );
        let counts = report.counts;
        assert_eq!(
            (counts.requests, counts.answers),
            (200, 200),
            "{mix}: {report}"
        );
        let expected = if accounting { (0, 200) } else { (200, 0) };
        let actual = (counts.accepts, counts.accounting_responses);
        assert_eq!(actual, expected, "{mix}: {report}");
        assert_eq!(report.exchanges.len(), 1);
        assert!(0.0 < report.cpu_seconds, "{mix}: {report}");
        assert_eq!(report.exchanges[0].exchange.name(), mix);
        assert_eq!((report.ended, report.latency.count), (Ended::Requests, 200));
    }
}

#[test]
fn load_runs_over_ipv6() {
    let responder = Responder::start_on(Ipv6Addr::LOCALHOST.into(), |_| Treatment::Answer);
    let report = run(&options(&responder)).unwrap();
    assert_eq!(report.counts.answers, 200, "{report}");
}

#[test]
fn threads_share_a_mixed_load() {
    let report = load(
        |_| Treatment::Answer,
        |options| {
            options.mix = "pap=40,chap=20,mschapv2=20,accounting=20".parse().unwrap();
            options.threads = 2;
            options.limit = Limit::Requests(401);
            options.ledger = true;
        },
    );
    assert_eq!((report.counts.answers, report.exchanges.len()), (401, 4));
    let sessions = report.ledger.unwrap().sessions;
    let ids: BTreeSet<_> = sessions.iter().map(|session| &session.session_id).collect();
    assert_eq!(ids.len(), sessions.len());
}

#[test]
fn wrong_passwords_are_rejects() {
    let report = load(
        |_| Treatment::Answer,
        |options| {
            options.users = vec![ana(), Credentials::new("bob", "x").unwrap()];
        },
    );
    let counts = report.counts;
    assert_eq!(counts.accepts + counts.rejects, 200);
    assert!(50 < counts.rejects && counts.rejects < 150, "{report}");
}

#[test]
fn lost_requests_are_sent_again() {
    let report = load(
        |count| {
            if count % 3 == 0 {
                Treatment::Ignore
            } else {
                Treatment::Answer
            }
        },
        |_| {},
    );
    assert_eq!((report.counts.answers, report.counts.lost), (200, 0));
    assert!(50 < report.counts.retransmits, "{report}");
}

#[test]
fn second_answers_are_duplicates() {
    let report = load(|_| Treatment::AnswerTwice, |_| {});
    assert_eq!(report.counts.answers, 200);
    assert!(100 < report.counts.duplicates, "{report}");
    assert_eq!(report.counts.bad_authenticators, 0, "{report}");
}

#[test]
fn bad_answers_are_counted_by_what_is_wrong() {
    let count = |treat, mix: &str| {
        let report = load(treat, |options| {
            options.limit = Limit::Requests(10);
            options.transmissions_max = 2;
            options.timeout = Duration::from_millis(10);
            options.mix = mix.parse().unwrap();
        });
        assert_eq!(
            (report.counts.answers, report.counts.lost),
            (0, 10),
            "{report}"
        );
        report.counts
    };
    assert!(10 <= count(|_| Treatment::Forge, "pap").bad_authenticators);
    assert!(10 <= count(|_| Treatment::OmitMessageAuthenticator, "pap").bad_authenticators);
    assert!(10 <= count(|_| Treatment::SpoilProof, "mschapv2").bad_proofs);
    assert!(10 <= count(|_| Treatment::WrongCode, "pap").unexpected);
    assert!(10 <= count(|_| Treatment::Garbage, "accounting").malformed);
}

#[test]
fn sample_believes_what_it_does_not_verify() {
    let count = |treat: fn(u64) -> Treatment| {
        let report = load(treat, |options| {
            options.verify = Verify::Sample;
            options.limit = Limit::Requests(64);
            options.outstanding = 64;
            options.timeout = Duration::from_secs(1);
            options.transmissions_max = 1;
        });
        assert_eq!(report.counts.answers + report.counts.lost, 64, "{report}");
        report.counts
    };
    assert_eq!(count(|_| Treatment::Answer).accepts, 64);
    assert_eq!(count(|_| Treatment::Forge).answers, 0);
    // The 17th is verified, and so are all that follow one that was refused.
    let counts = count(|number| honest_at_first(number, Treatment::Forge));
    assert_eq!((counts.answers, counts.bad_authenticators), (16, 48));
    let counts = count(|number| honest_at_first(number, Treatment::WrongCode));
    assert_eq!((counts.answers, counts.unexpected), (1, 63));
}

fn honest_at_first(number: u64, then: Treatment) -> Treatment {
    if number == 0 { Treatment::Answer } else { then }
}

#[test]
fn forged_answer_does_not_stop_the_right_one() {
    let report = load(|_| Treatment::ForgeAndAnswer, |_| {});
    assert_eq!(report.counts.answers, 200);
    assert!(200 <= report.counts.bad_authenticators, "{report}");
}

#[track_caller]
fn check_silence(report: &LoadReport, begin: Instant) {
    assert_eq!(report.ended, Ended::Silence, "{report}");
    assert_eq!(report.counts.answers, 0);
    assert!(0 < report.counts.lost);
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn silent_server_ends_the_run() {
    let begin = Instant::now();
    let report = load(
        |_| Treatment::Answer,
        |options| {
            options.secret = Secret::from("other");
            options.limit = Limit::Duration(Duration::from_secs(600));
            options.silence_max = Duration::from_millis(200);
        },
    );
    check_silence(&report, begin);
}

#[test]
fn closed_port_ends_the_run() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = socket.local_addr().unwrap();
    drop(socket);
    let begin = Instant::now();
    let options = LoadOptions {
        limit: Limit::Duration(Duration::from_secs(600)),
        silence_max: Duration::from_millis(200),
        timeout: Duration::from_millis(30),
        ..LoadOptions::new(server, server, secret(), vec![ana()])
    };
    let report = run(&options).unwrap();
    check_silence(&report, begin);
    assert!(0 < report.counts.port_closed, "{report}");
}

#[test]
fn time_and_caller_end_the_run() {
    let begin = Instant::now();
    let report = load(
        |_| Treatment::Answer,
        |options| options.limit = Limit::Duration(Duration::from_millis(50)),
    );
    assert_eq!(report.ended, Ended::Duration);
    assert_eq!(report.counts.answers, report.counts.requests);
    let responder = Responder::honest();
    let options = LoadOptions {
        limit: Limit::Duration(Duration::from_secs(600)),
        ..options(&responder)
    };
    let report = run_until(&options, &AtomicBool::new(true)).unwrap();
    assert_eq!(report.ended, Ended::Stopped);
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn server_that_stalls_gets_no_shorter_run_for_it() {
    let report = load(
        |number| {
            if number < 20 {
                Treatment::Answer
            } else {
                Treatment::Ignore
            }
        },
        |options| {
            options.limit = Limit::Duration(Duration::from_millis(200));
            options.timeout = Duration::from_millis(20);
            options.transmissions_max = 2;
        },
    );
    assert_eq!(report.ended, Ended::Duration);
    assert!(0 < report.counts.lost, "{report}");
    assert!(0.2 <= report.elapsed_seconds, "{report}");
}

#[test]
fn rate_sets_when_requests_are_sent() {
    let report = load(
        |_| Treatment::Answer,
        |options| {
            options.pace = Pace::PerSecond(2_000);
            options.limit = Limit::Requests(201);
            options.threads = 2;
        },
    );
    assert_eq!((report.counts.answers, report.counts.unsent), (201, 0));
    assert!(0.1 <= report.elapsed_seconds, "{report}");
}

/// A load of 1,000 requests a second of which only one may be under way, for 20 ms on average.
fn congested(limit: Limit) -> LoadReport {
    load(
        |_| Treatment::Answer,
        |options| {
            options.pace = Pace::PerSecond(1_000);
            options.limit = limit;
            options.timeout = Duration::from_secs(1);
            options.faults.delay = Duration::from_millis(20);
            (options.outstanding, options.ports) = (1, 1);
        },
    )
}

#[test]
fn latency_counts_from_when_a_request_was_due() {
    let report = congested(Limit::Requests(50));
    assert_eq!((report.counts.answers, report.counts.unsent), (50, 0));
    assert!(45 <= report.counts.late, "{report}");
    // The last was due after 49 ms, and waited for all the others.
    let waited_us = report.latency.max_us + 49_000;
    assert!(
        report.elapsed_seconds * 1e6 <= waited_us as f64 * 1.01,
        "{report}"
    );
    assert!(200_000 < report.latency.p50_us, "{report}");
}

#[test]
fn requests_that_were_due_and_not_sent_are_told() {
    let report = congested(Limit::Duration(Duration::from_millis(100)));
    let counts = report.counts;
    assert!(50 < counts.unsent, "{report}");
    assert!(100 <= counts.requests + counts.unsent, "{report}");
    assert_eq!(counts.answers, counts.requests, "{report}");
}

#[test]
fn quiet_moments_of_a_slow_load_are_no_silence() {
    let report = load(
        |_| Treatment::Answer,
        |options| {
            options.pace = Pace::PerSecond(4);
            options.limit = Limit::Requests(3);
            options.silence_max = Duration::from_millis(200);
            options.timeout = Duration::from_millis(10);
        },
    );
    assert_eq!((report.ended, report.counts.answers), (Ended::Requests, 3));
}

#[test]
fn ledger_agrees_with_the_server() {
    let responder = Responder::start(|count| {
        if count % 5 == 0 {
            Treatment::Ignore
        } else {
            Treatment::Answer
        }
    });
    let options = LoadOptions {
        mix: "accounting".parse().unwrap(),
        ledger: true,
        transmissions_max: 1,
        timeout: Duration::from_millis(20),
        ..options(&responder)
    };
    let report = run(&options).unwrap();
    assert!(0 < report.counts.lost);
    let acknowledged = check_ledger(report.ledger.as_ref().unwrap(), &responder);
    assert_eq!(acknowledged, report.counts.accounting_responses);
}

/// Compares a ledger with what the server has understood; gives the records that were acknowledged.
#[track_caller]
fn check_ledger(ledger: &Ledger, responder: &Responder) -> u64 {
    let records = responder.records();
    assert_eq!(ledger.omitted, 0);
    let mut acknowledged = 0;
    for session in &ledger.sessions {
        let of_session = |status_type| {
            records
                .iter()
                .filter(|record| record.session_id == session.session_id)
                .filter(move |record| record.status_type == status_type)
        };
        let known = &session.acknowledged;
        assert!(usize::from(known.start) <= of_session(1).count());
        assert!(known.interims as usize <= of_session(3).count());
        assert!(usize::from(known.stop) <= of_session(2).count());
        let octets = [1, 3, 2]
            .into_iter()
            .flat_map(of_session)
            .map(|record| record.output_octets)
            .max()
            .unwrap_or(0);
        assert!(known.output_octets <= octets);
        assert!(octets <= session.attempted.output_octets);
        assert!(!known.stop || session.attempted.event == Event::Stop);
        acknowledged += u64::from(known.start) + u64::from(known.interims) + u64::from(known.stop);
    }
    acknowledged
}

#[test]
fn everything_comes_through_a_bad_line_and_the_books_agree() {
    let responder = Responder::honest();
    let rate = |share| Rate::new(share).expect("a share");
    let options = LoadOptions {
        mix: "pap=1,accounting=3".parse().unwrap(),
        ledger: true,
        faults: Faults {
            loss: rate(0.1),
            duplication: rate(0.1),
            reordering: rate(0.1),
            delay: Duration::from_millis(20),
        },
        ..options(&responder)
    };
    let report = run(&options).unwrap();
    let counts = report.counts;
    assert_eq!((counts.answers, counts.lost), (200, 0), "{report}");
    for count in [
        counts.line_lost,
        counts.line_doubled,
        counts.line_held,
        counts.retransmits,
        counts.duplicates,
    ] {
        assert!(0 < count, "{report}");
    }
    let acknowledged = check_ledger(report.ledger.as_ref().unwrap(), &responder);
    assert_eq!(acknowledged, counts.accounting_responses);
}

#[test]
fn report_serializes_with_stable_names() {
    let report = load(
        |_| Treatment::Answer,
        |options| {
            options.mix = "accounting".parse().unwrap();
            options.run = Some("r1".into());
            options.ledger = true;
        },
    );
    let json = serde_json::to_value(&report).unwrap();
    for key in [
        "run",
        "seed",
        "ended",
        "elapsed_seconds",
        "cpu_seconds",
        "throughput_per_second",
        "counts",
        "latency",
        "exchanges",
        "ledger",
    ] {
        assert!(json.get(key).is_some(), "no {key} in {json}");
    }
    assert_eq!(json["ended"], "requests");
    assert_eq!(json["counts"]["accounting_responses"], 200);
    assert_eq!(json["exchanges"][0]["exchange"], "accounting");
    assert!(json["latency"]["p999_us"].is_u64());
    let session = &json["ledger"]["sessions"][0];
    assert_eq!(session["session_id"], "r1000001");
    assert_eq!(session["acknowledged"]["start"], true);
    assert!(session["attempted"]["output_octets"].is_u64());
    let table = report.to_string();
    assert!(
        table.contains("p99.9 us") && table.contains("accounting"),
        "{table}"
    );
}
