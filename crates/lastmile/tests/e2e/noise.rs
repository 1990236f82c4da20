//! Noise on every port, half of it well signed, stops nothing.

use std::time::{Duration, Instant};

use radius::attribute::kind;
use radius::code::Code;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use testkit::database::DatabaseKind;

use crate::site::{ANA, Site, on_both_databases};
use crate::wire::{Request, Router};

on_both_databases!(noise_stops_nothing);

const SEED: u64 = 20_261_120;
const ROUNDS: usize = 100;
/// Few enough between two answers that no buffer overflows.
const DATAGRAMS_A_ROUND: usize = 40;
const ATTRIBUTES_MAX: usize = 12;
/// How long a commit may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

fn noise_stops_nothing(database: DatabaseKind) {
    let mut site = Site::furnished(database);
    site.set("LASTMILE_RADIUS__WORKERS", "2");
    let server = site.program.serve();
    let mut random = StdRng::seed_from_u64(SEED);
    for _ in 0..ROUNDS {
        // A new port each time: replies to noise are nobody's business.
        let router = Router::new();
        for _ in 0..DATAGRAMS_A_ROUND {
            let request = draw(&mut random);
            let port = if random.random() {
                server.auth
            } else {
                server.acct
            };
            router.send(port, &request);
        }
        let listener = Router::new();
        for port in [server.auth, server.acct] {
            listener.reply(port, &Request::status(1));
        }
    }
    let reply = Router::new().reply(server.auth, &Request::pap(1, ANA.0, ANA.1));
    assert_eq!(reply.code, Code::AccessAccept);
    // What was recorded is committed a moment later.
    let deadline = Instant::now() + PATIENCE;
    while server.metric("lastmile_radius_journal_records_total") == 0 {
        assert!(Instant::now() < deadline, "some is recorded");
    }
    let metrics = server.metrics();
    assert_eq!(metrics["lastmile_radius_worker_restarts_total"], 0);
    assert_ne!(
        metrics["lastmile_radius_access_rejects_total"], 0,
        "some is rejected"
    );
    // Whatever was recorded can be shown.
    assert!(!site.sessions().is_empty());
    site.command("log auth --output json");
    let ending = server.terminate();
    assert_eq!(ending.code, Some(0));
    let panics: Vec<_> = ending
        .log
        .iter()
        .filter(|line| line.contains("panic"))
        .collect();
    assert!(panics.is_empty(), "{panics:?}");
}

/// Octets of any kind, or a request that is signed as it should be and says anything.
fn draw(random: &mut StdRng) -> Request {
    let identifier = random.random();
    let attributes = draw_attributes(random);
    let borrowed: Vec<(u8, &[u8])> = attributes
        .iter()
        .map(|(kind, value)| (*kind, value.as_slice()))
        .collect();
    match random.random_range(0..6) {
        0 => Request::raw(draw_octets(random, 400)),
        1 => {
            let octets = draw_octets(random, 100);
            Request::unsigned(random.random_range(1..50), identifier, &octets)
        }
        2 | 3 => Request::access(identifier, &borrowed),
        _ => Request::accounting(identifier, &borrowed),
    }
}

fn draw_attributes(random: &mut StdRng) -> Vec<(u8, Vec<u8>)> {
    // Kinds that the server reads come more often than by chance.
    const READ: [u8; 12] = [
        kind::USER_NAME,
        kind::USER_PASSWORD,
        kind::CHAP_PASSWORD,
        kind::VENDOR_SPECIFIC,
        kind::ACCT_STATUS_TYPE,
        kind::ACCT_SESSION_ID,
        kind::ACCT_DELAY_TIME,
        kind::ACCT_INPUT_OCTETS,
        kind::CLASS,
        kind::PROXY_STATE,
        kind::EAP_MESSAGE,
        kind::FRAMED_IPV6_PREFIX,
    ];
    let count = random.random_range(0..ATTRIBUTES_MAX);
    let mut attributes: Vec<(u8, Vec<u8>)> = Vec::new();
    for _ in 0..count {
        let chosen = if random.random() {
            READ[random.random_range(0..READ.len())]
        } else {
            random.random_range(1..=255)
        };
        // The signature is added by whoever sends it.
        if chosen != kind::MESSAGE_AUTHENTICATOR {
            attributes.push((chosen, draw_octets(random, 60)));
        }
    }
    if random.random() {
        let status = random.random_range(0..10);
        attributes.push((kind::ACCT_STATUS_TYPE, vec![0, 0, 0, status]));
        attributes.push((
            kind::ACCT_SESSION_ID,
            vec![random.random_range(b'a'..=b'f')],
        ));
        attributes.push((kind::USER_NAME, ANA.0.into()));
        attributes.push((kind::ACCT_INPUT_GIGAWORDS, draw_octets(random, 5)));
    }
    attributes
}

fn draw_octets(random: &mut StdRng, count_max: usize) -> Vec<u8> {
    let count = random.random_range(0..=count_max);
    (0..count).map(|_| random.random()).collect()
}
