//! A login from the datagram to the answer and its log entry, with 100,000 subscribers in memory.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aaa::directory::Directory;
use aaa::engine::{Context, Engine, Moment, Received, Role};
use aaa::metrics::Metrics;
use aaa::session_table::SessionTable;
use criterion::{Criterion, Throughput};
use domain::id::SubscriberId;
use domain::nas::NasSettings;
use domain::plan::PlanTerms;
use domain::subscriber::Subscriber;
use radius::attribute::kind;
use radius::password::chap;

use crate::registry::{MemoryRegistry, NOW, PASSWORD, address, nas, plan, subscriber};
use crate::request::Request;

#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/support/registry.rs"]
mod registry;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/support/request.rs"]
mod request;

const SUBSCRIBERS: u32 = 100_000;
const SOURCE: &str = "192.0.2.1";
const PORTS: u16 = 8;
/// An identifier may be used again with another authenticator, and is then not a repetition.
const ROUNDS: u8 = 2;

type Proof = fn(Request) -> Request;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let directory = Arc::new(directory());
    let mut group = criterion.benchmark_group("authenticate");
    group.throughput(Throughput::Elements(1));
    let proofs: [(&str, Proof); 2] = [("pap", pap), ("chap", chap)];
    for (name, proof) in proofs {
        let datagrams = datagrams(proof);
        let mut engine = engine(Arc::clone(&directory));
        let mut next = datagrams.iter().cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let (peer, octets) = next.next().expect("a cycle has no end");
                serve(&mut engine, *peer, octets)
            });
        });
    }
    group.finish();
    criterion.final_summary();
}

/// What a worker does with one datagram; gives the length of the answer.
fn serve(engine: &mut Engine, peer: SocketAddr, octets: &[u8]) -> usize {
    let now = Moment {
        instant: Instant::now(),
        timestamp: NOW,
    };
    let received = Received {
        listener: 0,
        role: Role::Authentication,
        peer,
        local: None,
        waited: Duration::ZERO,
        octets,
    };
    engine.handle_datagram(&received, now);
    while let Some(effect) = engine.poll_effect() {
        drop(effect);
    }
    let outbox = engine.take_outbox();
    let length = outbox.first().map_or(0, |outgoing| outgoing.octets.len());
    assert!(0 < length, "every login is answered");
    engine.recycle(outbox);
    engine.handle_timeout(now.instant);
    length
}

fn engine(directory: Arc<Directory>) -> Engine {
    let context = Context {
        directory,
        sessions: Arc::new(SessionTable::new()),
        metrics: Arc::new(Metrics::new()),
        reject_delay: Duration::ZERO,
    };
    Engine::new(context, [7; 32], 0)
}

fn directory() -> Directory {
    let registry = MemoryRegistry {
        nas: vec![nas(1, SOURCE, NasSettings::default())].into(),
        plans: vec![plan(1, "25M/50M", PlanTerms::default())].into(),
        subscribers: (0..SUBSCRIBERS)
            .map(|number| Subscriber {
                id: subscriber_id(number),
                ..subscriber(1, &user_name(number))
            })
            .collect::<Vec<_>>()
            .into(),
    };
    let directory = Directory::new([1; 32]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without drivers");
    runtime
        .block_on(directory.load(&registry))
        .expect("memory does not fail");
    directory
}

fn subscriber_id(number: u32) -> SubscriberId {
    let mut random = [0; 10];
    random[6..].copy_from_slice(&number.to_be_bytes());
    SubscriberId::new(NOW, random)
}

fn user_name(number: u32) -> String {
    format!("bench{number:08}")
}

/// Logins of users who are far apart, from every port under every identifier.
fn datagrams(proof: Proof) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut datagrams = Vec::new();
    for round in 0..ROUNDS {
        for port in 0..PORTS {
            for identifier in 0..=u8::MAX {
                let number = u32::from(port) << 8 | u32::from(identifier);
                let user = number.wrapping_mul(2_654_435_761) % SUBSCRIBERS;
                let request = Request::access(user_name(user))
                    .identifier(identifier)
                    .authenticator(round)
                    .with(kind::CALLING_STATION_ID, b"02:00:5E:00:00:01")
                    .with(kind::CALLED_STATION_ID, b"service1");
                let peer = SocketAddr::new(address(SOURCE), 50_000 + port);
                datagrams.push((peer, proof(request).octets()));
            }
        }
    }
    datagrams
}

fn pap(request: Request) -> Request {
    request.pap(PASSWORD)
}

fn chap(request: Request) -> Request {
    let response = chap::respond(1, &request.authenticator, PASSWORD.as_bytes());
    request.with(kind::CHAP_PASSWORD, &response)
}
