//! The append of the authentication log on SQLite, behind a history of other logins.

use criterion::{BenchmarkId, Criterion, Throughput};
use domain::access::{Method, Trace, TraceStep};
use domain::auth_log::shorthand::TraceText;
use domain::auth_log::{AuthLogEntry, AuthOutcome};
use domain::id::{AuthId, NasId, SubscriberId, TenantId};
use domain::time::Timestamp;
use testkit::database::{Database, DatabaseKind, TestClock};
use tokio::runtime::Runtime;

const START: Timestamp = TestClock::START;
const SUBSCRIBERS: u64 = 100_000;
const HISTORY: u64 = 300_000;
const CHUNK: u64 = 5_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let runtime = Runtime::new().expect("threads can be started");
    let database = runtime.block_on(Database::migrated(DatabaseKind::Sqlite));
    let store = runtime.block_on(database.store());
    let append = |entries: &[AuthLogEntry]| {
        let entries: Vec<&AuthLogEntry> = entries.iter().collect();
        let appended = runtime.block_on(store.auth_log_append(&entries, &[]));
        appended.expect("the disk takes it");
    };
    let mut number = 0;
    while number < HISTORY {
        append(&entries(&mut number, CHUNK));
    }
    let mut group = criterion.benchmark_group("authentication log on SQLite");
    for rows in [1, 100, 1_024] {
        group.throughput(Throughput::Elements(rows));
        group.bench_function(BenchmarkId::from_parameter(rows), |bencher| {
            bencher.iter_batched(
                || entries(&mut number, rows),
                |batch| append(&batch),
                criterion::BatchSize::PerIteration,
            );
        });
    }
    group.finish();
    criterion.final_summary();
}

/// The next logins: of users in no order, a hundred in a millisecond.
fn entries(number: &mut u64, count: u64) -> Vec<AuthLogEntry> {
    let first = *number;
    *number += count;
    (first..*number).map(entry).collect()
}

fn entry(number: u64) -> AuthLogEntry {
    let micros = i64::try_from(10 * number).expect("a few");
    let at = Timestamp::from_micros(START.as_micros() + micros);
    let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let user = scattered % SUBSCRIBERS;
    let mut random = [0; 10];
    random[2..].copy_from_slice(&scattered.to_be_bytes());
    let mut subscriber = [0; 10];
    subscriber[2..].copy_from_slice(&user.to_be_bytes());
    let trace: Trace = [
        TraceStep::SubscriberFound,
        TraceStep::PasswordVerified {
            method: Method::Pap,
        },
        TraceStep::SubscriberActive,
        TraceStep::NoExpiry,
        TraceStep::NoSessionLimit,
        TraceStep::Granted,
    ]
    .into_iter()
    .collect();
    AuthLogEntry {
        id: AuthId::new(at, random),
        at,
        tenant: TenantId::DEFAULT,
        nas: NasId::new(START, [1; 10]),
        subscriber: Some(SubscriberId::new(START, subscriber)),
        username: Some(format!("bench{user:08}").as_str().into()),
        method: Method::Pap,
        outcome: AuthOutcome::Accepted,
        trace: TraceText::of(&trace),
        calling_station: Some("02:00:5E:00:00:01".into()),
        called_station: Some("service1".into()),
        count: 1,
        last_at: at,
    }
}
