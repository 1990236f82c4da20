//! The journal's commit on SQLite: sessions that start, go on and stop, many records at a time.

use criterion::{BenchmarkId, Criterion, Throughput};
use domain::accounting::{
    AccountingRecord, SessionEvent, SessionKey, SessionPlace, SessionRecord, TerminateCause,
};
use domain::id::{NasId, TenantId};
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use testkit::database::{Database, DatabaseKind, TestClock};
use tokio::runtime::Runtime;

const START: Timestamp = TestClock::START;
/// Start, three interims, stop.
const RECORDS_PER_LIFE: u64 = 5;
const INTERIM_SECONDS: u64 = 300;
const OCTETS: u64 = 1 << 30;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let runtime = Runtime::new().expect("threads can be started");
    let mut group = criterion.benchmark_group("journal batch on SQLite");
    for records in [1, 100, 1_000] {
        let database = runtime.block_on(Database::migrated(DatabaseKind::Sqlite));
        let store = runtime.block_on(database.store());
        let mut population = Population::new(records);
        group.throughput(Throughput::Elements(records));
        group.bench_function(BenchmarkId::from_parameter(records), |bencher| {
            bencher.iter_batched(
                || population.next_batch(),
                |batch| {
                    let outcomes = runtime.block_on(store.accounting_commit(&batch));
                    outcomes.expect("the disk takes it").len()
                },
                criterion::BatchSize::PerIteration,
            );
        });
        runtime.block_on(store.close());
    }
    group.finish();
    criterion.final_summary();
}

/// Sessions that live at a time; whoever stops is replaced. Each batch has one record of each.
struct Population {
    sessions: u64,
    born: u64,
    batches: u64,
}

impl Population {
    const fn new(sessions: u64) -> Self {
        Self {
            sessions,
            born: sessions,
            batches: 0,
        }
    }

    fn next_batch(&mut self) -> Vec<AccountingRecord> {
        let step = self.batches % RECORDS_PER_LIFE;
        if step == 0 && 0 < self.batches {
            self.born += self.sessions;
        }
        self.batches += 1;
        let first = self.born - self.sessions;
        (first..self.born)
            .map(|number| AccountingRecord::Session(record(number, step)))
            .collect()
    }
}

fn record(number: u64, step: u64) -> SessionRecord {
    let event = match step {
        0 => SessionEvent::Start,
        4 => SessionEvent::Stop,
        _ => SessionEvent::Interim,
    };
    let session_seconds = step * INTERIM_SECONDS;
    let mut key = [0; 16];
    // Keys are hashes, so they come in no order.
    key[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    key[8..].copy_from_slice(&number.to_be_bytes());
    SessionRecord {
        event,
        tenant: TenantId::DEFAULT,
        nas: NasId::new(START, [1; 10]),
        key: SessionKey(key),
        auth: None,
        terms: None,
        subscriber: None,
        username: format!("bench{:08}", number % 100_000).as_str().into(),
        at: START.plus_seconds(session_seconds.cast_signed()),
        total: UsageAmount {
            upload_bytes: step * OCTETS,
            download_bytes: step * OCTETS * 4,
            session_seconds,
        },
        terminate_cause: (event == SessionEvent::Stop).then_some(TerminateCause::Reported(1)),
        place: SessionPlace {
            acct_session_id: format!("{number:08x}").as_str().into(),
            ..SessionPlace::default()
        },
    }
}
