//! Retransmissions and the reject delay, as routers experience them.

use std::time::{Duration, Instant};

use radius::attribute::kind;
use radius::code::Code;
use testkit::database::DatabaseKind;

use crate::site::{ANA, Site, on_both_databases};
use crate::wire::{PATIENCE, Request, Router};

on_both_databases!(
    a_retransmission_gets_the_same_octets,
    accounting_sent_again_under_a_new_identifier_counts_once,
    a_reject_is_held_back_and_delays_nobody_else,
);

const USER: (u8, &[u8]) = (kind::USER_NAME, b"ana");
const SESSION: (u8, &[u8]) = (kind::ACCT_SESSION_ID, b"dup-0001");
const START: (u8, &[u8]) = (kind::ACCT_STATUS_TYPE, &[0, 0, 0, 1]);
const STOP: (u8, &[u8]) = (kind::ACCT_STATUS_TYPE, &[0, 0, 0, 2]);
const INTERIM: (u8, &[u8]) = (kind::ACCT_STATUS_TYPE, &[0, 0, 0, 3]);
const UPLOAD: (u8, &[u8]) = (kind::ACCT_INPUT_OCTETS, &[0, 0, 0, 100]);

fn a_retransmission_gets_the_same_octets(database: DatabaseKind) {
    let site = Site::furnished(database);
    let server = site.program.serve();
    let router = Router::new();
    let answered = "lastmile_radius_duplicates_answered_total";
    let rows = [
        (
            server.auth,
            Request::pap(1, ANA.0, ANA.1),
            Code::AccessAccept,
        ),
        (
            server.auth,
            Request::pap(2, ANA.0, "wrong"),
            Code::AccessReject,
        ),
        (
            server.acct,
            Request::accounting(3, &[START, SESSION, USER]),
            Code::AccountingResponse,
        ),
    ];
    for (count, (port, request, code)) in (1..).zip(rows) {
        let first = router.reply(port, &request);
        assert_eq!(first.code, code);
        let second = router.reply(port, &request);
        assert_eq!(first.octets, second.octets, "{code}");
        assert_eq!(server.metric(answered), count, "{code}");
    }
    // A Class names its login, so one login has one Class; the next login has another.
    let class = |identifier| {
        let reply = router.reply(server.auth, &Request::pap(identifier, ANA.0, ANA.1));
        reply.find(kind::CLASS).map(<[u8]>::to_vec)
    };
    assert_ne!(class(4), class(5));
    assert_eq!(server.metric("lastmile_radius_journal_records_total"), 1);
    assert_eq!(site.sessions().len(), 1);
}

fn accounting_sent_again_under_a_new_identifier_counts_once(database: DatabaseKind) {
    let site = Site::furnished(database);
    let server = site.program.serve();
    let router = Router::new();
    let delays: [&[u8]; 3] = [&[0, 0, 0, 0], &[0, 0, 0, 5], &[0, 0, 0, 15]];
    let mut identifier = 0;
    for event in [START, INTERIM, STOP] {
        for delay in delays {
            identifier += 1;
            let delay = (kind::ACCT_DELAY_TIME, delay);
            let request = Request::accounting(identifier, &[event, SESSION, USER, UPLOAD, delay]);
            assert_eq!(
                router.reply(server.acct, &request).code,
                Code::AccountingResponse
            );
        }
    }
    // A Start and an Interim-Update that come after the Stop do not open it again.
    for event in [START, INTERIM] {
        identifier += 1;
        let late = (kind::ACCT_DELAY_TIME, &[0, 0, 0, 60][..]);
        let request = Request::accounting(identifier, &[event, SESSION, USER, UPLOAD, late]);
        assert_eq!(
            router.reply(server.acct, &request).code,
            Code::AccountingResponse
        );
    }
    let sessions = site.sessions();
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    assert_eq!(sessions[0]["state"], "closed");
    assert_eq!(sessions[0]["upload_bytes"], 100);
    let usage = site.program.json(&["usage", ANA.0]);
    let rows = usage.as_array().expect("a list");
    let uploaded: u64 = rows
        .iter()
        .filter_map(|row| row["upload_bytes"].as_u64())
        .sum();
    assert_eq!(uploaded, 100, "{usage}");
}

fn a_reject_is_held_back_and_delays_nobody_else(database: DatabaseKind) {
    const DELAY: Duration = Duration::from_millis(1_500);
    let mut site = Site::furnished(database);
    site.set("LASTMILE_RADIUS__REJECT_DELAY_MS", "1500");
    site.set("LASTMILE_RADIUS__WORKERS", "1");
    let server = site.program.serve();
    let (guesser, router) = (Router::new(), Router::new());
    let begun = Instant::now();
    let guess = Request::pap(1, ANA.0, "wrong");
    guesser.send(server.auth, &guess);
    // Sent again meanwhile, as routers do: one reject comes of it.
    guesser.send(server.auth, &guess);
    let logins: u8 = 50;
    for identifier in 0..logins {
        let reply = router.reply(server.auth, &Request::pap(identifier, ANA.0, ANA.1));
        assert_eq!(reply.code, Code::AccessAccept);
    }
    let elapsed = begun.elapsed();
    assert!(
        elapsed < DELAY,
        "{logins} logins took {elapsed:?} beside a reject"
    );
    let reply = guesser.late_reply(&guess);
    assert_eq!(reply.code, Code::AccessReject);
    assert!(
        DELAY <= begun.elapsed(),
        "the reject came after {:?}",
        begun.elapsed()
    );
    assert!(begun.elapsed() < PATIENCE);
    let in_progress = "lastmile_radius_dropped_total{reason=\"duplicate_in_progress\"}";
    assert_eq!(server.metric(in_progress), 1);
    assert_eq!(server.metric("lastmile_radius_access_rejects_total"), 1);
}
