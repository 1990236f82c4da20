//! A request from the datagram to the answer and its log entry, with 100,000 subscribers and as
//! many users of FreeRADIUS' tables in memory.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aaa::directory::Directory;
use aaa::engine::{Context, Effect, Engine, Moment, Received, Role};
use aaa::guard::{Guard, GuardOptions};
use aaa::inbox::Completion;
use aaa::limits::LimitTable;
use aaa::metrics::Metrics;
use aaa::session_table::SessionTable;
use criterion::measurement::Measurement;
use criterion::{Criterion, Throughput};
use domain::id::SubscriberId;
use domain::nas::NasSettings;
use domain::plan::PlanTerms;
use domain::subscriber::Subscriber;
use radius::attribute::{kind, microsoft};
use radius::password::{chap, mschap};
use rows::row::{GroupRows, Membership, Row, UserRows};

use crate::cpu_time::CpuTime;
use crate::registry::{MemoryRegistry, NOW, PASSWORD, address, nas, plan, subscriber};
use crate::request::Request;

#[path = "support/cpu_time.rs"]
mod cpu_time;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/support/registry.rs"]
mod registry;
#[path = "../tests/support/request.rs"]
mod request;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/engine/variant.rs"]
mod variant;

const SUBSCRIBERS: u32 = 100_000;
const SOURCE: &str = "192.0.2.1";
const PORTS: u16 = 8;
/// An identifier may be used again with another authenticator, and is then not a repetition.
const ROUNDS: u8 = 2;

/// Datagrams that a worker takes from its socket at a time.
const BATCH: usize = 64;

type Build = fn(Request, &str) -> Request;
type Name = fn(u32) -> String;

fn main() {
    let mut criterion = Criterion::default()
        .with_measurement(CpuTime)
        .configure_from_args();
    let directory = Arc::new(directory());
    let builds: [(&str, Build, Name); 6] = [
        ("authenticate/pap", pap, user_name),
        ("authenticate/chap", chap, user_name),
        ("authenticate/mschapv2", ms_chap_v2, user_name),
        ("authenticate/rows/pap", pap, row_user_name),
        ("authenticate/rows/mschapv2", ms_chap_v2, row_user_name),
        ("account/interim", interim, user_name),
    ];
    for (name, build, user_name) in builds {
        let datagrams = datagrams(build, user_name);
        let mut engine = engine(Arc::clone(&directory));
        let mut next = datagrams.iter().cycle();
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(1));
        group.bench_function("engine", |bencher| {
            bencher.iter_custom(|requests| {
                let started = CpuTime.start();
                let mut left = usize::try_from(requests).expect("a count fits");
                while 0 < left {
                    let count = left.min(BATCH);
                    serve(&mut engine, next.by_ref().take(count), count);
                    left -= count;
                }
                CpuTime.end(started)
            });
        });
        group.finish();
    }
    criterion.final_summary();
}

/// What a worker does with the datagrams of one batch.
fn serve<'a>(engine: &mut Engine, datagrams: impl Iterator<Item = &'a Datagram>, count: usize) {
    let now = Moment {
        instant: Instant::now(),
        timestamp: NOW,
    };
    for datagram in datagrams {
        let received = Received {
            listener: 0,
            role: datagram.role,
            peer: datagram.peer,
            local: None,
            waited: Duration::ZERO,
            octets: &datagram.octets,
        };
        engine.handle_datagram(&received, now);
    }
    while let Some(effect) = engine.poll_effect() {
        match effect {
            Effect::Store { ticket, .. } => {
                engine.handle_completion(Completion::Stored(ticket), now);
            }
            Effect::Verify { .. } | Effect::Claim { .. } => {}
        }
    }
    let outbox = engine.take_outbox();
    assert_eq!(outbox.len(), count, "every request is answered");
    engine.recycle(outbox);
    engine.handle_timeout(now.instant);
}

fn engine(directory: Arc<Directory>) -> Engine {
    let context = Context {
        directory,
        sessions: Arc::new(SessionTable::new()),
        limits: Arc::new(LimitTable::new(Arc::default())),
        metrics: Arc::new(Metrics::new()),
        reject_delay: Duration::ZERO,
        guard: Arc::new(Guard::new(GuardOptions::OFF, Instant::now())),
        conversations: Arc::default(),
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
        row_users: (0..SUBSCRIBERS)
            .map(|number| (row_user_name(number), row_user()))
            .collect::<BTreeMap<_, _>>()
            .into(),
        row_groups: BTreeMap::from([("gold".to_owned(), row_group())]).into(),
        ..MemoryRegistry::default()
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

/// Somebody whom FreeRADIUS' tables know.
fn row_user_name(number: u32) -> String {
    format!("rows{number:08}")
}

fn row_user() -> UserRows {
    UserRows {
        check: vec![row(1, "Cleartext-Password", PASSWORD)],
        reply: vec![row(1, "Framed-Pool", "home")],
        groups: vec![Membership {
            id: 1,
            group: "gold".to_owned(),
            priority: 1,
        }],
    }
}

fn row_group() -> GroupRows {
    GroupRows {
        check: Vec::new(),
        reply: vec![
            row(1, "Mikrotik-Rate-Limit", "25M/50M"),
            row(2, "Acct-Interim-Interval", "300"),
        ],
    }
}

fn row(id: i64, attribute: &str, value: &str) -> Row {
    Row {
        id,
        attribute: attribute.to_owned(),
        op: ":=".to_owned(),
        value: value.to_owned(),
    }
}

struct Datagram {
    role: Role,
    peer: SocketAddr,
    octets: Vec<u8>,
}

/// Requests of users who are far apart, from every port under every identifier.
fn datagrams(build: Build, user_name: Name) -> Vec<Datagram> {
    let mut datagrams = Vec::new();
    for round in 0..ROUNDS {
        for port in 0..PORTS {
            for identifier in 0..=u8::MAX {
                let number = u32::from(port) << 8 | u32::from(identifier);
                let user = user_name(number.wrapping_mul(2_654_435_761) % SUBSCRIBERS);
                let request = build(Request::access(&user).authenticator(round), &user)
                    .identifier(identifier)
                    .with(kind::CALLING_STATION_ID, b"02:00:5E:00:00:01")
                    .with(kind::CALLED_STATION_ID, b"service1")
                    // What tells the rounds apart where the authenticator is a signature.
                    .with(kind::NAS_PORT, &[0, 0, 0, round]);
                datagrams.push(Datagram {
                    role: request.role,
                    peer: SocketAddr::new(address(SOURCE), 50_000 + port),
                    octets: request.octets(),
                });
            }
        }
    }
    datagrams
}

fn pap(request: Request, _: &str) -> Request {
    request.pap(PASSWORD)
}

fn chap(request: Request, _: &str) -> Request {
    let response = chap::respond(1, &request.authenticator, PASSWORD.as_bytes());
    request.with(kind::CHAP_PASSWORD, &response)
}

fn ms_chap_v2(request: Request, user: &str) -> Request {
    let nt_hash = mschap::nt_hash(PASSWORD);
    let response = mschap::v2_respond(1, &[4; 16], &[5; 16], user.as_bytes(), &nt_hash);
    request
        .with_vendor(microsoft::MS_CHAP_CHALLENGE, &[4; 16])
        .with_vendor(microsoft::MS_CHAP2_RESPONSE, &response)
}

fn interim(_: Request, user: &str) -> Request {
    Request::accounting(3, "81000001")
        .with(kind::USER_NAME, user.as_bytes())
        .with(kind::FRAMED_IP_ADDRESS, &[100, 64, 0, 7])
        .with(kind::ACCT_SESSION_TIME, &[0, 0, 14, 16])
        .with(kind::ACCT_INPUT_OCTETS, &[1, 2, 3, 4])
        .with(kind::ACCT_OUTPUT_OCTETS, &[5, 6, 7, 8])
        .with(kind::NAS_PORT_ID, b"ether2")
}
