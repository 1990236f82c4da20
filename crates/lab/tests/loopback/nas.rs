//! Lives of a subscriber: what the server hears and what the report says.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::secret::Secret;
use domain::time::Timestamp;
use lab::credentials::Credentials;
use lab::fault::{Faults, Rate};
use lab::method::Method;
use lab::nas::event::{NasEvent, NasRequest};
use lab::nas::{
    Announcement, Announcements, NasOptions, NasOutcome, NasReport, announce, run, run_observed,
};

use crate::responder::{CLASS, Recorded, Responder, Treatment, ana, hasty, persistent, secret};

const START: u32 = 1;
const STOP: u32 = 2;
const INTERIM: u32 = 3;
const ON: u32 = 7;
const OFF: u32 = 8;

fn options(responder: &Responder) -> NasOptions {
    NasOptions {
        seed: Some(3),
        ..NasOptions::new(responder.auth, responder.acct, secret(), ana())
    }
}

fn status_types(records: &[Recorded]) -> Vec<u32> {
    records.iter().map(|record| record.status_type).collect()
}

#[test]
fn life_goes_from_login_to_stop() {
    for method in Method::ALL {
        let responder = Responder::honest();
        let options = NasOptions {
            method,
            started_at: Some(Timestamp::from_seconds(1_800_000_000)),
            ..options(&responder)
        };
        let report = run(&options).unwrap();
        assert!(report.is_completed(), "{report}");
        let records = responder.records();
        assert_eq!(
            status_types(&records),
            [START, INTERIM, INTERIM, INTERIM, STOP]
        );
        for (number, record) in (0_u64..).zip(&records) {
            assert_eq!(record.session_id, report.session_id);
            assert_eq!(record.class.as_deref(), Some(CLASS));
            assert_eq!(record.framed_address, Some(vec![10, 20, 30, 40]));
            assert_eq!(record.input_octets, number * (300 << 20));
            assert_eq!(record.output_octets, number * (3 << 30));
        }
        assert!(u64::from(u32::MAX) < records[4].output_octets);
    }
}

#[test]
fn rejected_user_has_no_session() {
    let responder = Responder::honest();
    let options = NasOptions {
        user: Credentials::new("bob", "rosa").unwrap(),
        ..options(&responder)
    };
    let report = run(&options).unwrap();
    assert_eq!(report.outcome, NasOutcome::Rejected);
    assert_eq!(responder.records(), []);
    assert!(
        report
            .to_string()
            .contains("Reply-Message = \"wrong password\"")
    );
}

#[test]
fn router_announces_its_start_and_end() {
    let responder = Responder::honest();
    let options = NasOptions {
        announcements: Announcements::OnAndOff,
        interims: 0,
        ..options(&responder)
    };
    assert!(run(&options).unwrap().is_completed());
    assert!(announce(&options, Announcement::On).unwrap().is_completed());
    assert_eq!(
        status_types(&responder.records()),
        [ON, START, STOP, OFF, ON]
    );
}

#[test]
fn wrong_secret_and_silence_end_unanswered() {
    let responder = Responder::honest();
    let options = NasOptions {
        secret: Secret::from("other"),
        schedule: hasty(),
        ..options(&responder)
    };
    let report = run(&options).unwrap();
    assert_eq!(report.outcome, NasOutcome::Unanswered);
    let expected = NasEvent::Unanswered {
        request: NasRequest::Access,
        transmissions: 3,
    };
    assert_eq!(report.events.last(), Some(&expected));
}

#[test]
fn forged_replies_are_discarded_and_told() {
    let responder = Responder::start(|_| Treatment::ForgeAndAnswer);
    let report = run(&options(&responder)).unwrap();
    assert!(report.is_completed(), "{report}");
    let discarded = |event: &&NasEvent| matches!(event, NasEvent::Discarded { .. });
    assert_eq!(report.events.iter().filter(discarded).count(), 6);
}

#[test]
fn observer_sees_what_the_report_keeps() {
    let responder = Responder::honest();
    let mut seen = Vec::new();
    let options = options(&responder);
    let report = run_observed(&options, &mut |event| seen.push(event.clone())).unwrap();
    assert_eq!(seen, report.events);
}

fn live_badly(responder: &Responder, seed: u64) -> NasReport {
    let rate = |share| Rate::new(share).expect("a share");
    let options = NasOptions {
        faults: Faults {
            loss: rate(0.2),
            duplication: rate(0.2),
            reordering: rate(0.2),
            delay: Duration::from_millis(10),
        },
        schedule: persistent(),
        seed: Some(seed),
        ..options(responder)
    };
    run(&options).expect("the life runs")
}

#[test]
fn life_survives_a_bad_line() {
    let mut disturbances = 0;
    for seed in 0..4 {
        let responder = Responder::honest();
        let report = live_badly(&responder, seed);
        assert!(report.is_completed(), "seed {seed}: {report}");
        let octets = |step: u64| step * (3 << 30);
        let expected = BTreeSet::from([
            (START, 0),
            (INTERIM, octets(1)),
            (INTERIM, octets(2)),
            (INTERIM, octets(3)),
            (STOP, octets(4)),
        ]);
        let records = responder.records();
        let actual = records
            .iter()
            .map(|record| (record.status_type, record.output_octets));
        assert_eq!(actual.collect::<BTreeSet<_>>(), expected);
        let disturbed = |event: &&NasEvent| matches!(event, NasEvent::Disturbed { .. });
        disturbances += report.events.iter().filter(disturbed).count();
    }
    assert!(0 < disturbances);
}
