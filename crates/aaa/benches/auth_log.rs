//! What a decision costs the packet path in the authentication log: with an entry of its own, and
//! counted with others like it among 100,000 users.

use aaa::auth_log::fold::{Conclusion, Fold, SINGLE_MAX, entries_max};
use criterion::{Criterion, Throughput};
use domain::access::{Method, Trace, TraceStep};
use domain::auth_log::AuthOutcome;
use domain::id::{AuthId, NasId, SubscriberId, TenantId};
use domain::time::Timestamp;

const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
const SUBSCRIBERS: u64 = 100_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("authentication log");
    group.throughput(Throughput::Elements(1));
    let trace = trace();
    let mut fold = Fold::new(entries_max(1));
    let mut number = 0_u64;
    group.bench_function("single", |bencher| {
        bencher.iter(|| {
            note(&mut fold, &trace, number);
            number += 1;
            if SINGLE_MAX <= fold.len() {
                fold.clear();
            }
        });
    });
    for number in 0..2 * SUBSCRIBERS {
        note(&mut fold, &trace, number);
    }
    group.bench_function("folded", |bencher| {
        bencher.iter(|| {
            note(&mut fold, &trace, number);
            number += 1;
        });
    });
    group.finish();
    criterion.final_summary();
}

/// A login of users who are far apart.
fn note(fold: &mut Fold, trace: &Trace, number: u64) {
    let user = number.wrapping_mul(2_654_435_761) % SUBSCRIBERS;
    let mut subscriber = [0; 10];
    subscriber[2..].copy_from_slice(&user.to_be_bytes());
    fold.note(&Conclusion {
        id: AuthId::from_bytes(u128::from(number).to_be_bytes()),
        at: START,
        tenant: TenantId::DEFAULT,
        nas: NasId::new(START, [1; 10]),
        subscriber: Some(SubscriberId::new(START, subscriber)),
        user_name: b"bench00000001",
        method: Method::Pap,
        outcome: AuthOutcome::Accepted,
        trace,
        calling_station: Some("02:00:5E:00:00:01"),
        called_station: Some("service1"),
    });
}

fn trace() -> Trace {
    let method = Method::Pap;
    [
        TraceStep::SubscriberFound,
        TraceStep::PasswordVerified { method },
        TraceStep::SubscriberActive,
        TraceStep::NoExpiry,
        TraceStep::NoSessionLimit,
        TraceStep::Granted,
    ]
    .into_iter()
    .collect()
}
