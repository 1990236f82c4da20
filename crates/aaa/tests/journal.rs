//! The journal as a value on a clock that stands: what is committed together, in which order, and
//! what is refused when too much comes.

#[path = "support/followers.rs"]
mod followers;
#[path = "support/spool.rs"]
mod spool;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aaa::duplicate::{DuplicateCache, Fingerprint, Key, Lookup, Ticket};
use aaa::inbox;
use aaa::journal::{self, BATCH, Entry, Journal, QUEUE, RESERVE, Sender};
use aaa::port::{AccountingStore, Committed, PortError, Stored};
use aaa::spooling::Spooling;
use domain::accounting::{
    AccountingRecord, NasRestart, Origin, SessionEvent, SessionKey, SessionPlace, SessionRecord,
    SourceId,
};
use domain::id::{NasId, TenantId};
use domain::limit::Meter;
use domain::session::SessionOutcome;
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use crate::followers::followers;
use crate::spool::MemorySpool;

/// An even number, because timers go by whole milliseconds.
const LATENCY: Duration = Duration::from_millis(6);
const KEYS: u8 = 16;

/// A commit that was begun: which records, in their order of arrival, and when.
#[derive(Clone, Debug)]
struct Commit {
    numbers: Vec<u64>,
    begun: tokio::time::Instant,
    ended: tokio::time::Instant,
}

/// A database that takes its time.
struct Database {
    lanes: usize,
    commits: Mutex<Vec<Commit>>,
}

impl Database {
    fn commits(&self) -> Vec<Commit> {
        self.commits.lock().expect("nobody panicked").clone()
    }

    fn sizes(&self) -> Vec<usize> {
        let commits = self.commits();
        commits.iter().map(|commit| commit.numbers.len()).collect()
    }
}

impl AccountingStore for Database {
    fn lanes(&self) -> usize {
        self.lanes
    }

    async fn commit(
        &self,
        _: Origin,
        records: &[AccountingRecord],
        _: &[(usize, Meter)],
    ) -> Result<Committed, PortError> {
        let begun = tokio::time::Instant::now();
        tokio::time::sleep(LATENCY).await;
        let commit = Commit {
            numbers: records.iter().map(number).collect(),
            begun,
            ended: tokio::time::Instant::now(),
        };
        self.commits.lock().expect("nobody panicked").push(commit);
        Ok(Committed {
            stored: records.iter().map(outcome).collect(),
            ..Committed::default()
        })
    }
}

/// The runtime, a journal that waits to be run, and what feeds it.
struct Fixture {
    runtime: Runtime,
    database: Arc<Database>,
    queue: Sender,
    journal: Journal<Database, MemorySpool>,
}

impl Fixture {
    fn new(lanes: usize) -> Self {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build();
        let database = Arc::new(Database {
            lanes,
            commits: Mutex::default(),
        });
        let (queue, receiver): (Sender, mpsc::Receiver<Entry>) = journal::channel();
        let sources = (1..).take(lanes).map(|lane| SourceId([lane; 16]));
        let spooling = Spooling::new(
            sources.collect(),
            Arc::clone(&database),
            Arc::new(MemorySpool::with_room(1_000)),
            followers(),
        );
        let (outlet, _) = inbox::channel().expect("the system has room");
        Self {
            runtime: runtime.expect("a runtime is built"),
            database,
            queue,
            journal: Journal {
                store: Arc::new(spooling),
                queue: receiver,
                outlets: vec![outlet],
            },
        }
    }

    fn offer(&self, record: AccountingRecord) -> bool {
        offer(&self.queue, record)
    }

    /// Commits what is queued to its end.
    fn finish(self) -> Arc<Database> {
        drop(self.queue);
        self.runtime.block_on(self.journal.run());
        self.database
    }
}

fn offer(queue: &Sender, record: AccountingRecord) -> bool {
    let entry = Entry {
        record,
        ticket: ticket(),
        worker: 0,
    };
    queue.offer(entry).is_ok()
}

fn ticket() -> Ticket {
    let key = Key {
        listener: 0,
        peer: ([192, 0, 2, 1], 1_813).into(),
        local: None,
        identifier: 0,
    };
    let fingerprint = Fingerprint {
        authenticator: [0; 16],
        length: 20,
    };
    let mut cache = DuplicateCache::new(1, 0);
    let Lookup::New(ticket) = cache.admit(key, fingerprint, Instant::now()) else {
        panic!("the cache was empty");
    };
    ticket
}

/// A record that is known by its number.
fn session(event: SessionEvent, key: u8, number: u64) -> AccountingRecord {
    AccountingRecord::Session(SessionRecord {
        event,
        tenant: TenantId::DEFAULT,
        nas: nas(),
        key: SessionKey([key; 16]),
        auth: None,
        terms: None,
        subscriber: None,
        username: "ana".into(),
        at: Timestamp::from_micros(number.cast_signed()),
        total: UsageAmount::default(),
        terminate_cause: None,
        place: SessionPlace::default(),
    })
}

fn restart(number: u64) -> AccountingRecord {
    AccountingRecord::NasRestart(NasRestart {
        tenant: TenantId::DEFAULT,
        nas: nas(),
        source: None,
        at: Timestamp::from_micros(number.cast_signed()),
    })
}

fn nas() -> NasId {
    NasId::from_bytes([9; 16])
}

fn number(record: &AccountingRecord) -> u64 {
    let at = match record {
        AccountingRecord::Session(record) => record.at,
        AccountingRecord::NasRestart(restart) => restart.at,
    };
    at.as_micros().unsigned_abs()
}

const fn outcome(record: &AccountingRecord) -> Stored {
    match record {
        AccountingRecord::Session(_) => Stored::Session {
            outcome: SessionOutcome::Updated,
            is_open: true,
        },
        AccountingRecord::NasRestart(_) => Stored::NasRestart { closed: 0 },
    }
}

#[test]
fn a_record_on_its_own_is_committed_at_once() {
    let fixture = Fixture::new(1);
    let queue = fixture.queue.clone();
    let database = Arc::clone(&fixture.database);
    let feed = async move {
        for number in 0..3 {
            let offered = tokio::time::Instant::now();
            assert!(offer(&queue, session(SessionEvent::Start, 1, number)));
            tokio::time::sleep(10 * LATENCY).await;
            let commits = database.commits();
            let last = commits.last().expect("it was committed");
            assert_eq!(
                (last.begun, last.numbers.as_slice()),
                (offered, &[number][..])
            );
        }
    };
    drop(fixture.queue);
    let run = async { tokio::join!(fixture.journal.run(), feed) };
    fixture.runtime.block_on(run);
}

#[test]
fn what_comes_during_a_commit_is_the_next_one() {
    let fixture = Fixture::new(1);
    let queue = fixture.queue.clone();
    let feed = async move {
        offer(&queue, session(SessionEvent::Start, 1, 0));
        tokio::time::sleep(LATENCY / 2).await;
        for number in 1..=100 {
            offer(&queue, session(SessionEvent::Interim, 1, number));
        }
        // Those who were answered ask again, one by one.
        tokio::time::sleep(LATENCY / 2 + LATENCY).await;
        for number in 101..=200 {
            offer(&queue, session(SessionEvent::Interim, 1, number));
            tokio::task::yield_now().await;
        }
    };
    drop(fixture.queue);
    let run = async { tokio::join!(fixture.journal.run(), feed) };
    fixture.runtime.block_on(run);
    let sizes = fixture.database.sizes();
    assert_eq!(sizes[..2], [1, 100]);
    assert!(75 <= sizes[2], "{sizes:?}");
}

#[test]
fn a_batch_has_a_limit() {
    let fixture = Fixture::new(1);
    for number in 0..3_000 {
        assert!(fixture.offer(session(SessionEvent::Start, 1, number)));
    }
    let sizes = fixture.finish().sizes();
    assert_eq!(sizes, [BATCH, BATCH, 3_000 - 2 * BATCH]);
}

#[test]
fn interims_are_refused_before_starts_and_stops() {
    let fixture = Fixture::new(1);
    let mut taken = 0;
    while fixture.offer(session(SessionEvent::Interim, 1, 0)) {
        taken += 1;
    }
    assert_eq!(taken, QUEUE - RESERVE);
    let rest = [
        session(SessionEvent::Start, 1, 0),
        session(SessionEvent::Stop, 1, 0),
        restart(0),
    ];
    for record in rest.iter().cycle().take(RESERVE) {
        assert!(fixture.offer(record.clone()));
    }
    for record in &rest {
        assert!(!fixture.offer(record.clone()), "{record:?}");
    }
    assert!(!fixture.offer(session(SessionEvent::Interim, 1, 0)));
}

/// Records of any key, and now and then a restart.
fn any_records() -> impl Strategy<Value = Vec<AccountingRecord>> {
    let any_kind = prop_oneof![12 => (0..KEYS).prop_map(Some), 1 => Just(None)];
    prop::collection::vec(any_kind, 1..400).prop_map(|kinds| {
        let record = |(number, kind)| match kind {
            Some(key) => session(SessionEvent::Interim, key, number),
            None => restart(number),
        };
        (0..).zip(kinds).map(record).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn lanes_keep_the_order_of_sessions_and_restarts(records in any_records(), lanes in 1..5_usize) {
        let fixture = Fixture::new(lanes);
        for record in &records {
            prop_assert!(fixture.offer(record.clone()));
        }
        let commits = fixture.finish().commits();
        let mut numbers: Vec<u64> = commits.iter().flat_map(|one| one.numbers.clone()).collect();
        numbers.sort_unstable();
        prop_assert_eq!(numbers, (0..records.len() as u64).collect::<Vec<_>>());
        for key in 0..KEYS {
            let of_key: Vec<u64> = commits
                .iter()
                .flat_map(|one| &one.numbers)
                .filter(|number| is_of_key(&records[**number as usize], key))
                .copied()
                .collect();
            prop_assert!(of_key.is_sorted(), "key {key}: {of_key:?}");
        }
        for (index, commit) in commits.iter().enumerate() {
            let restarts = commit.numbers.iter().filter(|one| is_restart(&records[**one as usize]));
            for restart in restarts {
                let others = commits.iter().enumerate().filter(|(other, _)| *other != index);
                for (_, other) in others {
                    let is_before = other.numbers.iter().all(|one| one < restart);
                    let is_after = other.numbers.iter().all(|one| restart < one);
                    prop_assert!(
                        is_before && other.ended <= commit.begun
                            || is_after && commit.ended <= other.begun
                    );
                }
            }
        }
    }
}

fn is_of_key(record: &AccountingRecord, key: u8) -> bool {
    match record {
        AccountingRecord::Session(record) => record.key == SessionKey([key; 16]),
        AccountingRecord::NasRestart(_) => false,
    }
}

const fn is_restart(record: &AccountingRecord) -> bool {
    matches!(record, AccountingRecord::NasRestart(_))
}
