//! Everything outside of a node but the registry, in memory.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use aaa::port::{
    AccountingStore, AuthLogStore, ChangeFeed, Clock, Committed, LimitQuestion, LimitRow,
    LimitStore, PortError, Stored,
};
use domain::accounting::{AccountingRecord, Origin, SessionEvent, SessionRecord};
use domain::auth_log::{AuthLogEntry, Knock};
use domain::change::Change;
use domain::id::SubscriberId;
use domain::limit::{LimitNews, Meter};
use domain::session::SessionOutcome;
use domain::time::Timestamp;
use tokio::sync::{Semaphore, mpsc};

use crate::registry::NOW;

/// The Acct-Session-Id that the store does not take.
pub(crate) const REFUSED: &str = "refused";

pub(crate) struct TestClock {
    begun: Instant,
    pub(crate) panics: Panics,
}

impl TestClock {
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            panics: Panics::default(),
        }
    }
}

impl Clock for TestClock {
    fn timestamp(&self) -> Timestamp {
        let micros = i64::try_from(self.begun.elapsed().as_micros()).expect("a short test");
        Timestamp::from_micros(NOW.as_micros() + micros)
    }

    fn instant(&self) -> Instant {
        self.panics.perhaps();
        Instant::now()
    }
}

/// How often something that is used from now on panics first.
#[derive(Debug, Default)]
pub(crate) struct Panics(AtomicUsize);

impl Panics {
    pub(crate) fn once(&self) {
        self.0.store(1, Relaxed);
    }

    fn perhaps(&self) {
        if self.0.swap(0, Relaxed) != 0 {
            std::panic::resume_unwind(Box::new("as the test wants it"));
        }
    }
}

/// Accounting in memory behind a gate.
pub(crate) struct MemoryStore {
    pub(crate) batches: Mutex<Vec<Vec<AccountingRecord>>>,
    pub(crate) gate: Semaphore,
    pub(crate) is_away: AtomicBool,
    pub(crate) is_failing: AtomicBool,
    pub(crate) failures: AtomicUsize,
}

impl MemoryStore {
    pub(crate) fn sessions(&self) -> Vec<SessionRecord> {
        let batches = self.batches.lock().expect("nobody panicked");
        let records = batches.iter().flatten();
        records
            .filter_map(|record| match record {
                AccountingRecord::Session(record) => Some(record.clone()),
                AccountingRecord::NasRestart(_) => None,
            })
            .collect()
    }
}

impl AccountingStore for MemoryStore {
    fn lanes(&self) -> usize {
        1
    }

    async fn commit(
        &self,
        _origin: Origin,
        records: &[AccountingRecord],
        _meters: &[(usize, Meter)],
    ) -> Result<Committed, PortError> {
        let _open = self.gate.acquire().await.expect("the gate stays");
        let is_refused = |record: &AccountingRecord| match record {
            AccountingRecord::Session(record) => record.place.acct_session_id == REFUSED,
            AccountingRecord::NasRestart(_) => false,
        };
        if self.is_away.load(Relaxed) {
            return Err(PortError::outage("commit accounting", "nobody listens"));
        }
        if self.is_failing.load(Relaxed) || records.iter().any(is_refused) {
            self.failures.fetch_add(1, Relaxed);
            return Err(PortError::new("commit accounting", "a value does not fit"));
        }
        let mut batches = self.batches.lock().expect("nobody panicked");
        batches.push(records.to_vec());
        Ok(Committed {
            stored: records.iter().map(stored).collect(),
            ..Committed::default()
        })
    }
}

/// Nobody has used anything.
impl LimitStore for MemoryStore {
    async fn limit_page(
        &self,
        _after: Option<LimitNews>,
        _limit: u32,
    ) -> Result<Vec<LimitRow>, PortError> {
        Ok(Vec::new())
    }

    async fn limit_since(
        &self,
        _since: Timestamp,
        _limit: u32,
    ) -> Result<Vec<LimitRow>, PortError> {
        Ok(Vec::new())
    }

    async fn limit_sums(&self, _questions: &[LimitQuestion]) -> Result<Vec<LimitNews>, PortError> {
        Ok(Vec::new())
    }

    async fn limit_note_first_use(
        &self,
        _uses: &[(SubscriberId, Timestamp)],
    ) -> Result<(), PortError> {
        Ok(())
    }
}

fn stored(record: &AccountingRecord) -> Stored {
    match record {
        AccountingRecord::Session(record) => Stored::Session {
            outcome: match record.event {
                SessionEvent::Start => SessionOutcome::Opened,
                SessionEvent::Interim => SessionOutcome::Updated,
                SessionEvent::Stop => SessionOutcome::Closed,
            },
            is_open: record.event != SessionEvent::Stop,
        },
        AccountingRecord::NasRestart(_) => Stored::NasRestart { closed: 0 },
    }
}

#[derive(Default)]
pub(crate) struct MemoryLog {
    pub(crate) entries: Mutex<Vec<AuthLogEntry>>,
    pub(crate) knocks: Mutex<Vec<Knock>>,
    pub(crate) panics: Panics,
}

impl AuthLogStore for MemoryLog {
    async fn append(&self, entries: &[&AuthLogEntry], knocks: &[Knock]) -> Result<(), PortError> {
        self.panics.perhaps();
        let mut all = self.entries.lock().expect("nobody panicked");
        all.extend(entries.iter().copied().cloned());
        let mut noted = self.knocks.lock().expect("nobody panicked");
        noted.extend_from_slice(knocks);
        Ok(())
    }
}

pub(crate) struct MemoryFeed {
    pub(crate) changes: mpsc::Receiver<Result<Vec<Change>, PortError>>,
    /// After what was read is lost.
    pub(crate) panics: Arc<Panics>,
}

impl ChangeFeed for MemoryFeed {
    async fn next(&mut self) -> Result<Vec<Change>, PortError> {
        match self.changes.recv().await {
            Some(changes) => {
                self.panics.perhaps();
                changes
            }
            None => std::future::pending().await,
        }
    }
}
