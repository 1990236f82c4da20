//! Accounting that is durable whether or not the database is there: in the database, or in the
//! spool until the database has it.
//!
//! Records come in lanes: those of one session in the same lane, one commit of a lane at a time.
//! Every record has a number in its lane, given in the order in which records come. The database
//! remembers in each commit how far the numbers of the lane have been stored, so a record that is
//! in the database and still in the spool, after a crash or after a commit whose end nobody saw, is
//! not stored twice.
//!
//! While the spool holds anything, new records of every lane go behind what it holds. So the
//! records of a session reach the database in the order in which they came. What ends sessions of
//! every lane, the restart of a router, comes while no other commit is under way.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use domain::accounting::{AccountingRecord, Origin, SourceId};
use tokio::sync::{Mutex, Notify, RwLock};
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::directory::Directory;
use crate::follow::{Notice, follow_spooled, follow_stored};
use crate::limits::LimitTable;
use crate::metrics::{Count, Metrics};
use crate::port::{AccountingStore, Clock, Committed, Parcel, PortError, Spool};
use crate::session_table::SessionTable;
use crate::trouble::Trouble;

/// How long a commit may take that a router waits for.
pub const COMMIT_PATIENCE: Duration = Duration::from_secs(3);

/// How long a commit may take that nobody waits for.
const DRAIN_PATIENCE: Duration = Duration::from_secs(60);

/// How long the node waits at its start for an old spool to be drained.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// Records that are taken from the spool at a time: several times what the journal brings at a
/// time, so that the spool becomes empty under full load too.
const DRAIN_BATCH: usize = 4_096;

/// With no more than this in a spool that is being drained, new records wait for the rest.
const DRAIN_REST: usize = 1_024;

/// How long new records let a drain go first that makes progress.
const DRAIN_TURN: Duration = Duration::from_millis(50);

/// Wait before the database is tried again; doubled each time up to the most.
const RETRY: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// Records that may be refused in a row before the database, and not they, is taken to be wrong.
const REFUSED_MAX: u32 = 16;

/// The way of accounting into the database.
#[derive(Debug)]
pub struct Spooling<A, S> {
    database: Arc<A>,
    spool: Arc<S>,
    followers: Followers,
    metrics: Arc<Metrics>,
    state: Arc<SpoolState>,
    lanes: Vec<Lane>,
    /// Held for reading while the place of records is decided, the database or the spool, and for
    /// writing by who lets them go to the database again.
    gate: RwLock<()>,
    /// Records that were spooled since the spool was last empty.
    spooled: AtomicU64,
    /// There is something to drain.
    filled: Notify,
    /// A part was drained.
    drained: Notify,
    /// There is no one left to bring records.
    finished: Notify,
    refused_in_a_row: AtomicU32,
}

/// What learns from accounting that is durable.
#[derive(Clone)]
pub struct Followers {
    pub sessions: Arc<SessionTable>,
    pub limits: Arc<LimitTable>,
    pub directory: Arc<Directory>,
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for Followers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Followers")
            .field("sessions", &self.sessions.len())
            .field("limits", &self.limits.len())
            .finish_non_exhaustive()
    }
}

/// One sequence of numbers.
#[derive(Debug)]
struct Lane {
    source: SourceId,
    /// The number of the next record; held while records are stored, which keeps their order.
    next: Mutex<u64>,
}

/// How the spool stands, for those who look at the node.
#[derive(Debug, Default)]
pub struct SpoolState {
    is_spooling: AtomicBool,
    is_draining: AtomicBool,
    depth: AtomicU64,
    /// The database does not store accounting.
    pub database: Trouble,
    /// Neither it nor the spool does, and nothing is acknowledged.
    pub refusal: Trouble,
}

impl SpoolState {
    /// Whether new records go to the spool.
    pub fn is_spooling(&self) -> bool {
        self.is_spooling.load(Relaxed)
    }

    /// Records in the spool.
    pub fn depth(&self) -> u64 {
        self.depth.load(Relaxed)
    }

    /// Whether the database takes what the spool holds.
    fn is_draining(&self) -> bool {
        self.is_draining.load(Relaxed)
    }
}

impl<A: AccountingStore, S: Spool> Spooling<A, S> {
    /// Numbers the records of each lane as those of one of the sources, which nobody has used
    /// before.
    pub fn new(
        sources: Vec<SourceId>,
        database: Arc<A>,
        spool: Arc<S>,
        followers: Followers,
        metrics: Arc<Metrics>,
    ) -> Self {
        let left = spool.depth();
        let state = SpoolState::default();
        state.is_spooling.store(0 < left, Relaxed);
        state.depth.store(left, Relaxed);
        Self {
            database,
            spool,
            followers,
            metrics,
            state: Arc::new(state),
            lanes: sources.into_iter().map(Lane::new).collect(),
            gate: RwLock::default(),
            spooled: AtomicU64::new(left),
            filled: Notify::new(),
            drained: Notify::new(),
            finished: Notify::new(),
            refused_in_a_row: AtomicU32::new(0),
        }
    }

    pub fn state(&self) -> Arc<SpoolState> {
        Arc::clone(&self.state)
    }

    /// How many commits may be under way at a time.
    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Makes all records durable or none, and brings the session table up to them.
    pub async fn commit(&self, lane: usize, records: &[AccountingRecord]) -> Result<(), PortError> {
        self.let_drain_go_first().await;
        let lane = &self.lanes[lane];
        let mut next = lane.next.lock().await;
        let _open = self.gate.read().await;
        let origin = Origin {
            source: lane.source,
            first: *next,
        };
        *next += records.len() as u64;
        if self.state.is_spooling() {
            return self.append(origin, records).await;
        }
        let committed = match self.store(origin, records, COMMIT_PATIENCE).await {
            Ok(committed) => committed,
            Err(problem) if problem.is_outage() => {
                self.append(origin, records).await?;
                let was_spooling = self.state.is_spooling.swap(true, Relaxed);
                self.filled.notify_one();
                if !was_spooling {
                    error!(
                        error = &problem as &dyn std::error::Error,
                        "The database does not store accounting; it is spooled on this machine and acknowledged"
                    );
                }
                return Ok(());
            }
            Err(problem) => return Err(problem),
        };
        self.state.refusal.end();
        self.metrics.count(Count::JournalBatch);
        self.metrics.add(Count::JournalRecord, records.len() as u64);
        self.follow(records, &committed, Notice::First);
        Ok(())
    }

    /// Drains what an earlier run of the program has left, for a limited time.
    pub(crate) async fn drain_at_start(&self) {
        if !self.state.is_spooling() {
            return;
        }
        let records = self.state.depth();
        warn!(
            records,
            "The spool holds {records} accounting records; they are stored first"
        );
        let emptied = timeout(START_PATIENCE, async {
            while self.state.is_spooling() {
                self.drain_some().await?;
            }
            Ok::<_, PortError>(())
        });
        match emptied.await {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => error!(
                error = &problem as &dyn std::error::Error,
                "The spool cannot be drained yet"
            ),
            Err(_) => info!("The spool is drained further while routers are served"),
        }
    }

    /// Drains the spool whenever it holds something, until [`Self::finish`] is called.
    pub async fn run(&self) {
        tokio::select! {
            () = self.drain_forever() => {}
            () = self.finished.notified() => {}
        }
    }

    /// Says that there will be no more records. What is in the spool stays there.
    pub fn finish(&self) {
        self.finished.notify_one();
    }

    async fn drain_forever(&self) {
        let mut wait = RETRY;
        loop {
            if !self.state.is_spooling() {
                self.filled.notified().await;
                continue;
            }
            if self.drain_some().await.is_ok() {
                wait = RETRY;
                continue;
            }
            self.state.is_draining.store(false, Relaxed);
            tokio::time::sleep(wait).await;
            wait = RETRY_MAX.min(2 * wait);
        }
    }

    /// Moves some records from the spool to the database; the last of them while no new ones come.
    async fn drain_some(&self) -> Result<(), PortError> {
        let parcels = self.peek().await?;
        let records: usize = parcels.iter().map(|parcel| parcel.records.len()).sum();
        if parcels.is_empty() || self.state.is_draining() && records <= DRAIN_REST {
            return self.drain_rest().await;
        }
        self.drain(&parcels, DRAIN_PATIENCE).await
    }

    /// Empties the spool while new records wait, and lets them go to the database again.
    async fn drain_rest(&self) -> Result<(), PortError> {
        let _closed = self.gate.write().await;
        loop {
            let parcels = self.peek().await?;
            if parcels.is_empty() {
                break;
            }
            self.drain(&parcels, COMMIT_PATIENCE).await?;
        }
        self.state.is_spooling.store(false, Relaxed);
        self.state.is_draining.store(false, Relaxed);
        let records = self.spooled.swap(0, Relaxed);
        info!(
            records,
            "Accounting goes to the database again; {records} spooled records were drained"
        );
        Ok(())
    }

    async fn drain(&self, parcels: &[Parcel], patience: Duration) -> Result<(), PortError> {
        let Some(last) = parcels.last() else {
            return Ok(());
        };
        for (origin, records) in sequences(parcels) {
            self.drain_numbered(origin, &records, patience).await?;
        }
        self.state.is_draining.store(true, Relaxed);
        self.spool_used(self.spool.remove(last.position).await)?;
        self.drained.notify_waiters();
        Ok(())
    }

    /// Stores records of the spool, in parts when they are not taken as a whole. A record that the
    /// database refuses by itself is set aside, because those behind it must not wait for ever.
    async fn drain_numbered(
        &self,
        origin: Origin,
        records: &[AccountingRecord],
        patience: Duration,
    ) -> Result<(), PortError> {
        let is_ours = self.lanes.iter().any(|lane| lane.source == origin.source);
        let notice = if is_ours {
            Notice::Second
        } else {
            Notice::First
        };
        let (mut from, mut size) = (0, records.len());
        while from < records.len() {
            let part = from..records.len().min(from + size);
            let origin = origin.plus(from as u64);
            let part_records = &records[part.clone()];
            match self.store(origin, part_records, patience).await {
                Ok(committed) => {
                    self.refused_in_a_row.store(0, Relaxed);
                    self.metrics.add(Count::SpoolDrained, part.len() as u64);
                    self.follow(part_records, &committed, notice);
                    (from, size) = (part.end, 2 * size);
                }
                Err(problem) if problem.is_outage() => return Err(problem),
                Err(_) if 1 < part.len() => size = part.len() / 2,
                Err(problem) => {
                    self.set_aside(origin, &part_records[0], problem).await?;
                    from = part.end;
                }
            }
        }
        Ok(())
    }

    async fn set_aside(
        &self,
        origin: Origin,
        record: &AccountingRecord,
        problem: PortError,
    ) -> Result<(), PortError> {
        if REFUSED_MAX <= self.refused_in_a_row.fetch_add(1, Relaxed) {
            return Err(problem);
        }
        self.spool_used(self.spool.set_aside(origin, record).await)?;
        self.metrics.count(Count::SpoolSetAside);
        error!(
            error = &problem as &dyn std::error::Error,
            "The database refuses an acknowledged accounting record; it was set aside in the spool"
        );
        Ok(())
    }

    async fn store(
        &self,
        origin: Origin,
        records: &[AccountingRecord],
        patience: Duration,
    ) -> Result<Committed, PortError> {
        let Followers {
            limits,
            directory,
            clock,
            ..
        } = &self.followers;
        let meters = limits.meters(directory, records, clock.timestamp());
        let commit = self.database.commit(origin, records, &meters);
        let committed = match timeout(patience, commit).await {
            Ok(committed) => committed,
            Err(late) => Err(PortError::outage("storing accounting in time", late)),
        };
        match &committed {
            Ok(_) => self.state.database.end(),
            Err(problem) => {
                self.metrics.count(Count::JournalFailure);
                if problem.is_outage() {
                    self.state.database.begin(problem);
                }
            }
        }
        committed
    }

    async fn append(&self, origin: Origin, records: &[AccountingRecord]) -> Result<(), PortError> {
        let appended = self.spool_used(self.spool.append(origin, records).await);
        if let Err(problem) = &appended {
            self.state.refusal.begin(problem);
        }
        appended?;
        self.state.refusal.end();
        self.spooled.fetch_add(records.len() as u64, Relaxed);
        self.metrics.add(Count::SpoolAdded, records.len() as u64);
        follow_spooled(&self.followers.sessions, records);
        Ok(())
    }

    async fn peek(&self) -> Result<Vec<Parcel>, PortError> {
        let parcels = self.spool.peek(DRAIN_BATCH).await;
        self.spool_used(parcels)
    }

    fn spool_used<T>(&self, result: Result<T, PortError>) -> Result<T, PortError> {
        if result.is_err() {
            self.metrics.count(Count::SpoolFailure);
        }
        self.state.depth.store(self.spool.depth(), Relaxed);
        result
    }

    fn follow(&self, records: &[AccountingRecord], committed: &Committed, notice: Notice) {
        let Followers {
            sessions,
            limits,
            directory,
            clock,
        } = &self.followers;
        let Committed { stored, counted } = committed;
        follow_stored(sessions, &self.metrics, records, stored, notice);
        limits.follow(directory, records, counted, clock.timestamp());
    }

    /// New records must not fill the spool faster than it is drained.
    async fn let_drain_go_first(&self) {
        if self.state.is_draining() {
            // Whoever is not called in time goes on.
            let _ = timeout(DRAIN_TURN, self.drained.notified()).await;
        }
    }
}

impl Lane {
    fn new(source: SourceId) -> Self {
        Self {
            source,
            next: Mutex::new(1),
        }
    }
}

/// One sequence after the other: the records of parcels of one lane whose numbers follow each
/// other. Sequences of different lanes may pass each other, but nothing passes the restart of a
/// router.
fn sequences(parcels: &[Parcel]) -> Vec<(Origin, Vec<AccountingRecord>)> {
    let mut joined: Vec<(Origin, Vec<AccountingRecord>)> = Vec::new();
    // Where those begin that nothing has to stay behind of.
    let mut open = 0;
    for parcel in parcels {
        let has_restart = parcel.records.iter().any(is_restart);
        let of_source = joined[open..]
            .iter()
            .rposition(|(origin, _)| origin.source == parcel.origin.source)
            .map(|place| open + place);
        let follows = of_source.filter(|place| {
            let (origin, records) = &joined[*place];
            let is_last = *place + 1 == joined.len();
            origin.plus(records.len() as u64) == parcel.origin && (is_last || !has_restart)
        });
        let place = match follows {
            Some(place) => {
                joined[place].1.extend_from_slice(&parcel.records);
                place
            }
            None => {
                joined.push((parcel.origin, parcel.records.clone()));
                joined.len() - 1
            }
        };
        if has_restart {
            open = place;
        }
    }
    joined
}

const fn is_restart(record: &AccountingRecord) -> bool {
    match record {
        AccountingRecord::NasRestart(_) => true,
        AccountingRecord::Session(_) => false,
    }
}
