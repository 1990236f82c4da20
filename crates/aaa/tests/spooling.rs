//! Accounting through an outage of the database: in order, once, and nothing that was acknowledged
//! is missing.

#[path = "support/followers.rs"]
mod followers;
#[path = "support/spool.rs"]
mod spool;

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aaa::directory::Directory;
use aaa::follow::{Follow, Followers};
use aaa::metrics::{Count, Metrics};
use aaa::port::{AccountingStore, Committed, PortError, Stored};
use aaa::session_table::SessionTable;
use aaa::spooling::Spooling;
use domain::accounting::{
    AccountingRecord, NasRestart, Origin, SessionEvent, SessionKey, SessionPlace, SessionRecord,
    SourceId,
};
use domain::id::{NasId, SubscriberId, TenantId};
use domain::limit::Meter;
use domain::session::SessionOutcome;
use domain::time::Timestamp;
use domain::usage::UsageAmount;

use crate::followers::followers;
use crate::spool::MemorySpool;

/// Virtual time; whatever takes longer never ends.
const PATIENCE: Duration = Duration::from_secs(600);
const ROOM: u64 = 100_000;
const LANES: usize = 2;

/// How the database behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Works,
    Away,
    Hangs,
    /// The commit succeeds, and nobody hears of it.
    StoresInSilence,
    /// Refuses what contains the record of this number.
    Refuses(u64),
    RefusesAll,
}

/// A database that keeps the uptimes of the records that it stored.
struct Database {
    mood: Mutex<Mood>,
    stored: Mutex<Vec<u64>>,
    marks: Mutex<HashMap<SourceId, u64>>,
    latency: Duration,
}

impl Database {
    fn new() -> Self {
        Self {
            mood: Mutex::new(Mood::Works),
            stored: Mutex::default(),
            marks: Mutex::default(),
            latency: Duration::from_millis(1),
        }
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().expect("nobody panicked") = mood;
    }

    fn stored(&self) -> Vec<u64> {
        self.stored.lock().expect("nobody panicked").clone()
    }

    fn apply(&self, origin: Origin, records: &[AccountingRecord]) -> Committed {
        let mut marks = self.marks.lock().expect("nobody panicked");
        let mark = marks.entry(origin.source).or_default();
        let mut stored = self.stored.lock().expect("nobody panicked");
        let numbers = origin.first..;
        let outcomes = numbers.zip(records).map(|(number, record)| {
            if number <= *mark {
                return Stored::Before;
            }
            *mark = number;
            stored.push(uptime(record));
            outcome(record)
        });
        Committed {
            stored: outcomes.collect(),
            ..Committed::default()
        }
    }
}

impl AccountingStore for Database {
    fn lanes(&self) -> usize {
        LANES
    }

    async fn commit(
        &self,
        origin: Origin,
        records: &[AccountingRecord],
        _: &[(usize, Meter)],
    ) -> Result<Committed, PortError> {
        let mood = *self.mood.lock().expect("nobody panicked");
        tokio::time::sleep(self.latency).await;
        let refusal = || PortError::new("store", "a value does not fit");
        match mood {
            Mood::Works => Ok(self.apply(origin, records)),
            Mood::Away => Err(PortError::outage("store", "nobody listens")),
            Mood::Hangs => std::future::pending().await,
            Mood::StoresInSilence => {
                self.apply(origin, records);
                std::future::pending().await
            }
            Mood::Refuses(number) if records.iter().any(|record| uptime(record) == number) => {
                Err(refusal())
            }
            Mood::Refuses(_) => Ok(self.apply(origin, records)),
            Mood::RefusesAll => Err(refusal()),
        }
    }
}

struct Fixture {
    database: Arc<Database>,
    spool: Arc<MemorySpool>,
    sessions: Arc<SessionTable>,
    metrics: Arc<Metrics>,
    spooling: Spooling<Database, MemorySpool>,
}

impl Fixture {
    fn new() -> Self {
        let spool = MemorySpool::with_room(ROOM);
        Self::over(1, Arc::new(Database::new()), Arc::new(spool))
    }

    /// The `run`th start of the program.
    fn over(run: u8, database: Arc<Database>, spool: Arc<MemorySpool>) -> Self {
        let (sessions, metrics) = (Arc::<SessionTable>::default(), Arc::<Metrics>::default());
        Self {
            spooling: Spooling::new(
                sources(run),
                Arc::clone(&database),
                Arc::clone(&spool),
                Followers {
                    sessions: Follow {
                        directory: Arc::new(Directory::new([1; 32])),
                        sessions: Arc::clone(&sessions),
                        metrics: Arc::clone(&metrics),
                    },
                    ..followers()
                },
            ),
            database,
            spool,
            sessions,
            metrics,
        }
    }

    /// Kills the program and starts it anew; what is in memory is gone.
    fn restart(self) -> Self {
        Self::over(2, self.database, self.spool)
    }

    async fn commit(&self, numbers: impl IntoIterator<Item = u64>) -> Result<(), PortError> {
        let records: Vec<_> = numbers.into_iter().map(interim).collect();
        self.spooling.commit(0, &records).await
    }

    #[track_caller]
    fn is_spooling(&self) -> bool {
        self.spooling.state().is_spooling()
    }

    /// Runs the drain until the condition holds.
    async fn drain_until(&self, is_done: impl Fn() -> bool) {
        let waiting = async {
            while !is_done() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            () = self.spooling.run() => panic!("nobody has finished it"),
            end = tokio::time::timeout(PATIENCE, waiting) => end.expect("it happens"),
        }
    }

    async fn drain(&self) {
        self.drain_until(|| !self.is_spooling()).await;
    }
}

/// A source for each lane of a start of the program.
fn sources(run: u8) -> Vec<SourceId> {
    let lanes = 0..u8::try_from(LANES).expect("a few lanes");
    lanes.map(|lane| SourceId([run * 16 + lane; 16])).collect()
}

fn interim(uptime: u64) -> AccountingRecord {
    session(SessionEvent::Interim, uptime)
}

fn session(event: SessionEvent, uptime: u64) -> AccountingRecord {
    AccountingRecord::Session(SessionRecord {
        event,
        tenant: TenantId::DEFAULT,
        nas: nas(),
        key: SessionKey([7; 16]),
        auth: None,
        terms: None,
        subscriber: Some(SubscriberId::from_bytes([8; 16])),
        username: "ana".into(),
        at: Timestamp::from_seconds(1_800_000_000),
        total: UsageAmount {
            session_seconds: uptime,
            ..UsageAmount::default()
        },
        terminate_cause: None,
        place: SessionPlace::default(),
    })
}

fn nas_restart() -> AccountingRecord {
    AccountingRecord::NasRestart(NasRestart {
        tenant: TenantId::DEFAULT,
        nas: nas(),
        source: None,
        at: Timestamp::from_seconds(1_800_000_000),
    })
}

fn nas() -> NasId {
    NasId::from_bytes([9; 16])
}

fn uptime(record: &AccountingRecord) -> u64 {
    match record {
        AccountingRecord::Session(record) => record.total.session_seconds,
        AccountingRecord::NasRestart(_) => 0,
    }
}

fn outcome(record: &AccountingRecord) -> Stored {
    match record {
        AccountingRecord::Session(record) => Stored::Session {
            outcome: SessionOutcome::Updated,
            is_open: record.event != SessionEvent::Stop,
        },
        AccountingRecord::NasRestart(_) => Stored::NasRestart { closed: 1 },
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_bridged_in_order() {
    let fixture = Fixture::new();
    fixture.commit([1]).await.expect("it is stored");
    fixture.database.set(Mood::Away);
    for number in 2..=5 {
        fixture.commit([number]).await.expect("it is spooled");
    }
    assert_eq!(fixture.database.stored(), [1]);
    assert!(fixture.is_spooling());
    assert_eq!(fixture.spooling.state().depth(), 4);
    fixture.database.set(Mood::Works);
    // The database is back, but what is in the spool comes first.
    fixture.commit([6]).await.expect("it is spooled");
    assert_eq!(fixture.database.stored(), [1]);
    fixture.drain().await;
    fixture.commit([7]).await.expect("it is stored");
    assert_eq!(fixture.database.stored(), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(fixture.spooling.state().depth(), 0);
    let count = |count| fixture.metrics.value(count);
    assert_eq!(count(Count::SpoolAdded), 5);
    assert_eq!(count(Count::SpoolDrained), 5);
    assert_eq!(count(Count::JournalRecord), 2);
}

#[tokio::test(start_paused = true)]
async fn a_database_that_hangs_is_taken_for_absent() {
    let fixture = Fixture::new();
    fixture.database.set(Mood::Hangs);
    let begun = tokio::time::Instant::now();
    fixture.commit([1]).await.expect("it is spooled");
    assert!(begun.elapsed() < Duration::from_secs(5));
    let begun = tokio::time::Instant::now();
    fixture.commit([2]).await.expect("it is spooled");
    assert!(begun.elapsed() < Duration::from_millis(100));
    fixture.database.set(Mood::Works);
    fixture.drain().await;
    assert_eq!(fixture.database.stored(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_nobody_saw_the_end_of_is_not_repeated() {
    let fixture = Fixture::new();
    fixture.database.set(Mood::StoresInSilence);
    fixture.commit([1, 2]).await.expect("it is spooled");
    fixture.commit([3]).await.expect("it is spooled");
    fixture.database.set(Mood::Works);
    fixture.drain().await;
    assert_eq!(fixture.database.stored(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_commit_and_removal_stores_nothing_twice() {
    let fixture = Fixture::new();
    fixture.database.set(Mood::Away);
    fixture.commit([1, 2]).await.expect("it is spooled");
    fixture.commit([3]).await.expect("it is spooled");
    fixture.database.set(Mood::Works);
    fixture.spool.is_stuck.store(true, Relaxed);
    let is_stored = || fixture.database.stored().len() == 3;
    fixture.drain_until(is_stored).await;
    assert_eq!(
        fixture.spool.parcels.lock().expect("nobody panicked").len(),
        2
    );
    let fixture = fixture.restart();
    fixture.spool.is_stuck.store(false, Relaxed);
    fixture.commit([4]).await.expect("it is spooled");
    fixture.drain().await;
    fixture.commit([5]).await.expect("it is stored");
    assert_eq!(fixture.database.stored(), [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_full_spool_acknowledges_nothing() {
    let spool = Arc::new(MemorySpool::with_room(2));
    let fixture = Fixture::over(1, Arc::new(Database::new()), spool);
    fixture.database.set(Mood::Away);
    fixture.commit([1, 2, 3]).await.expect_err("it has no room");
    assert!(!fixture.is_spooling());
    fixture.commit([4, 5]).await.expect("it has room");
    fixture.commit([6]).await.expect_err("it is full");
    assert_eq!(fixture.metrics.value(Count::SpoolFailure), 2);
    fixture.database.set(Mood::Works);
    fixture.drain().await;
    fixture.commit([7]).await.expect("it is stored");
    assert_eq!(fixture.database.stored(), [4, 5, 7]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_record_is_not_spooled_and_does_not_hold_up_a_drain() {
    let fixture = Fixture::new();
    fixture.database.set(Mood::Refuses(1));
    fixture.commit([1]).await.expect_err("it is refused");
    assert!(!fixture.is_spooling());
    fixture.database.set(Mood::Away);
    fixture.commit(2..=20).await.expect("it is spooled");
    fixture.commit([21]).await.expect("it is spooled");
    fixture.database.set(Mood::Refuses(13));
    fixture.drain().await;
    let expected: Vec<u64> = (2..=21).filter(|number| *number != 13).collect();
    assert_eq!(fixture.database.stored(), expected);
    let aside = fixture.spool.aside.lock().expect("nobody panicked").clone();
    assert_eq!(aside, [interim(13)]);
    assert_eq!(fixture.metrics.value(Count::SpoolSetAside), 1);
}

#[tokio::test(start_paused = true)]
async fn a_database_that_refuses_everything_does_not_empty_the_spool() {
    let fixture = Fixture::new();
    fixture.database.set(Mood::Away);
    fixture.commit(1..=1_000).await.expect("it is spooled");
    fixture.database.set(Mood::RefusesAll);
    let attempts = || fixture.metrics.value(Count::JournalFailure) > 200;
    fixture.drain_until(attempts).await;
    fixture.database.set(Mood::Works);
    fixture.drain().await;
    let aside = fixture.spool.aside.lock().expect("nobody panicked").len();
    assert!(aside <= 32, "{aside} were set aside");
    assert!(1_000 <= fixture.database.stored().len() + aside);
}

#[tokio::test(start_paused = true)]
async fn a_drain_comes_to_its_end_under_load() {
    const BATCH: u64 = 1_024;
    let fixture = Fixture::new();
    fixture.database.set(Mood::Away);
    let mut next = 1;
    while next < 50_000 {
        fixture
            .commit(next..next + BATCH)
            .await
            .expect("it is spooled");
        next += BATCH;
    }
    fixture.database.set(Mood::Works);
    let load = async {
        let mut batches = 0;
        while fixture.is_spooling() {
            fixture
                .commit(next..next + BATCH)
                .await
                .expect("it is taken");
            next += BATCH;
            batches += 1;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        batches
    };
    let batches = tokio::select! {
        () = fixture.spooling.run() => panic!("nobody has finished it"),
        batches = tokio::time::timeout(PATIENCE, load) => batches.expect("it catches up"),
    };
    assert!(batches < 500, "it took {batches} batches");
    assert_eq!(fixture.database.stored(), (1..next).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn the_session_table_follows_what_is_spooled_and_what_was_left() {
    let fixture = Fixture::new();
    let spooling = &fixture.spooling;
    fixture.database.set(Mood::Away);
    let rows = [
        (session(SessionEvent::Start, 0), 1),
        (session(SessionEvent::Stop, 9), 0),
        (session(SessionEvent::Interim, 5), 1),
        (nas_restart(), 0),
        (session(SessionEvent::Start, 0), 1),
    ];
    for (record, open) in rows {
        let done = spooling.commit(0, std::slice::from_ref(&record)).await;
        done.expect("it is spooled");
        assert_eq!(fixture.sessions.len(), open, "{record:?}");
    }
    let fixture = fixture.restart();
    assert_eq!(fixture.sessions.len(), 0);
    fixture.database.set(Mood::Works);
    fixture.drain().await;
    assert_eq!(fixture.sessions.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_when_there_will_be_no_more_records() {
    let fixture = Fixture::new();
    fixture.database.set(Mood::Hangs);
    fixture.commit([1]).await.expect("it is spooled");
    fixture.spooling.finish();
    fixture.spooling.run().await;
    assert_eq!(fixture.spooling.state().depth(), 1);
}

#[tokio::test(start_paused = true)]
async fn lanes_do_not_wait_for_each_other_and_are_drained_in_their_order() {
    let fixture = Fixture::new();
    let commit = async |lane, numbers: std::ops::RangeInclusive<u64>| {
        let records: Vec<_> = numbers.map(interim).collect();
        let done = fixture.spooling.commit(lane, &records).await;
        done.expect("it is taken");
    };
    let begun = tokio::time::Instant::now();
    tokio::join!(commit(0, 1..=1), commit(1, 101..=101));
    assert!(begun.elapsed() < 2 * fixture.database.latency);
    fixture.database.set(Mood::StoresInSilence);
    tokio::join!(commit(0, 2..=3), commit(1, 102..=103));
    // The database is back, but what is in the spool comes first, also that of the other lane.
    fixture.database.set(Mood::Works);
    commit(1, 104..=104).await;
    commit(0, 4..=4).await;
    commit(1, 105..=105).await;
    assert_eq!(fixture.spooling.state().depth(), 7);
    fixture.drain().await;
    tokio::join!(commit(0, 5..=5), commit(1, 106..=106));
    let stored = fixture.database.stored();
    let of_lane = |numbers: std::ops::Range<u64>| -> Vec<u64> {
        let of_lane = stored.iter().filter(|number| numbers.contains(number));
        of_lane.copied().collect()
    };
    assert_eq!(of_lane(1..100), (1..=5).collect::<Vec<_>>());
    assert_eq!(of_lane(100..200), (101..=106).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn nothing_passes_a_restart_in_the_spool() {
    let fixture = Fixture::new();
    fixture.database.set(Mood::Away);
    let commit = async |lane, record: AccountingRecord| {
        let done = fixture.spooling.commit(lane, &[record]).await;
        done.expect("it is spooled");
    };
    commit(0, interim(1)).await;
    commit(1, interim(101)).await;
    commit(0, interim(2)).await;
    // Its number is 0 here.
    commit(0, nas_restart()).await;
    commit(1, interim(102)).await;
    commit(0, interim(3)).await;
    fixture.database.set(Mood::Works);
    fixture.drain().await;
    let stored = fixture.database.stored();
    let mut parts = stored.split(|number| *number == 0).map(|part| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part
    });
    assert_eq!(parts.next(), Some(vec![1, 2, 101]));
    assert_eq!(parts.next(), Some(vec![3, 102]));
    assert_eq!(parts.next(), None);
}
