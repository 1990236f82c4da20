//! The journal's commit: many accounting records in one transaction.
//!
//! The rows that the records speak of are loaded once, [`domain::session::SessionSlot`] applies the
//! records in memory in their order, and the final states are written in a few statements. The
//! outcome is what it would be if each record had been applied alone.

use domain::accounting::{AccountingRecord, NasRestart, Origin, SessionRecord};
use domain::limit::{LimitNews, Meter};
use domain::session::{ClosedSession, Session, SessionOutcome};
use domain::time::Timestamp;
use domain::usage::UsageAmount;

use crate::column::stored_count;
use crate::connection::JournalConnection;
use crate::error::StoreError;
use crate::store::Store;
use crate::usage::Sums;
use crate::write::ATTEMPTS_MAX;

mod cells;
mod counts;
mod mark;
pub(crate) mod postgres;
mod slots;
pub(crate) mod sqlite;
pub(crate) mod traffic;

use counts::Counts;
use slots::Slots;
use traffic::Traffic;

/// How far back a closed session is looked for that a late record may belong to. Routers repeat
/// for minutes, and Acct-Delay-Time is believed up to a week; a bound keeps a year of history, and
/// its partitions, out of the way.
const CLOSED_SECONDS: i64 = 90 * 86_400;

/// What one record did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordOutcome {
    Session {
        outcome: SessionOutcome,
        /// Whether a session is open under this key after the record.
        is_open: bool,
    },
    NasRestart {
        /// How many sessions it ended.
        closed: u64,
    },
    /// It was stored before, and nothing changed now.
    StoredBefore,
}

/// What a commit did.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Committed {
    /// Of each record.
    pub outcomes: Vec<RecordOutcome>,
    /// The counters of limits that something was added to, as they are now.
    pub counted: Vec<LimitNews>,
    /// Sessions that began or ended, in the order of their records.
    pub turns: Vec<SessionTurn>,
}

/// A session that began or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionTurn {
    Began(Session),
    Ended(ClosedSession),
}

impl Store {
    /// Applies the records in their order, all or none, and returns the outcome of each. When this
    /// returns, they are durable.
    pub async fn accounting_commit(
        &self,
        records: &[AccountingRecord],
    ) -> Result<Vec<RecordOutcome>, StoreError> {
        let committed = self.commit(None, records, &[]).await?;
        Ok(committed.outcomes)
    }

    /// The same for numbered records, each of which is applied once, however often it is given: a
    /// commit that nobody saw the end of may be repeated, also later and in other parts, as long
    /// as the numbers of a source come in their order.
    ///
    /// What a record adds to the usage is added to its meters too: each meter has the index of its
    /// record, and they come in the order of the records.
    pub async fn accounting_commit_numbered(
        &self,
        origin: Origin,
        records: &[AccountingRecord],
        meters: &[(usize, Meter)],
    ) -> Result<Committed, StoreError> {
        self.commit(Some(origin), records, meters).await
    }

    async fn commit(
        &self,
        origin: Option<Origin>,
        records: &[AccountingRecord],
        meters: &[(usize, Meter)],
    ) -> Result<Committed, StoreError> {
        if records.is_empty() {
            return Ok(Committed::default());
        }
        let closed_since = self.now().plus_seconds(-CLOSED_SECONDS);
        let batch = Batch::new(origin, records, meters, closed_since);
        match self.journal() {
            JournalConnection::Sqlite(writer) => {
                let turn = self.turn_to_write().await?;
                sqlite::commit(writer, self, turn, batch).await
            }
            JournalConnection::Postgres(journal) => {
                let mut attempt = 1;
                loop {
                    match journal.commit(self, &batch).await {
                        Err(error) if error.is_lost_race() && attempt < ATTEMPTS_MAX => {
                            attempt += 1;
                        }
                        result => return result,
                    }
                }
            }
        }
    }
}

/// Records that are stored together.
#[derive(Debug)]
struct Batch {
    origin: Option<Origin>,
    parts: Vec<Part>,
    /// By the index of the record.
    meters: Vec<(usize, Meter)>,
    /// Closed sessions that ended before are not looked for.
    closed_since: Timestamp,
}

#[derive(Debug)]
enum Part {
    Sessions(Vec<SessionRecord>),
    Restart(NasRestart),
}

/// A part of a batch that is applied at once.
#[derive(Clone, Copy, Debug)]
enum Segment<'a> {
    Sessions(&'a [SessionRecord]),
    Restart(&'a NasRestart),
}

impl Batch {
    /// Session records are cut at the restarts between them.
    fn new(
        origin: Option<Origin>,
        records: &[AccountingRecord],
        meters: &[(usize, Meter)],
        closed_since: Timestamp,
    ) -> Self {
        let mut parts = Vec::new();
        for record in records {
            match (record, parts.last_mut()) {
                (AccountingRecord::NasRestart(restart), _) => parts.push(Part::Restart(*restart)),
                (AccountingRecord::Session(record), Some(Part::Sessions(sessions))) => {
                    sessions.push(bounded(record));
                }
                (AccountingRecord::Session(record), Some(Part::Restart(_)) | None) => {
                    let mut sessions = Vec::with_capacity(records.len());
                    sessions.push(bounded(record));
                    parts.push(Part::Sessions(sessions));
                }
            }
        }
        Self {
            origin,
            parts,
            meters: meters.to_vec(),
            closed_since,
        }
    }

    /// Where the usage of a record is counted.
    fn meters_of(&self, record: usize) -> impl Iterator<Item = &Meter> {
        let first = self.meters.partition_point(|(of, _)| *of < record);
        let theirs = self.meters[first..]
            .iter()
            .take_while(move |(of, _)| *of == record);
        theirs.map(|(_, meter)| meter)
    }

    fn len(&self) -> usize {
        let len = |part: &Part| match part {
            Part::Sessions(records) => records.len(),
            Part::Restart(_) => 1,
        };
        self.parts.iter().map(len).sum()
    }

    /// What is left without the first `known` records.
    fn segments(&self, known: usize) -> impl Iterator<Item = Segment<'_>> {
        let mut known = known;
        self.parts.iter().filter_map(move |part| match part {
            Part::Sessions(records) => {
                let (skipped, rest) = records.split_at(known.min(records.len()));
                known -= skipped.len();
                (!rest.is_empty()).then_some(Segment::Sessions(rest))
            }
            Part::Restart(_) if 0 < known => {
                known -= 1;
                None
            }
            Part::Restart(restart) => Some(Segment::Restart(restart)),
        })
    }

    /// The records, when no router restarted between them.
    fn sessions_alone(&self) -> Option<&[SessionRecord]> {
        match self.parts.as_slice() {
            [Part::Sessions(records)] => Some(records),
            _ => None,
        }
    }
}

/// What records add to: the hours of users, those of routers and plans, and the counters of limits.
#[derive(Debug, Default)]
struct Additions {
    usage: Sums,
    traffic: Traffic,
    counts: Counts,
}

/// Applies records between two restarts to what was loaded for them.
fn apply(
    store: &Store,
    batch: &Batch,
    slots: &mut Slots<'_>,
    records: &[SessionRecord],
    committed: &mut Committed,
    additions: &mut Additions,
) {
    for record in records {
        let (applied, is_open) = slots.apply(record, store.new_id());
        if !applied.usage.is_zero() {
            let (usage, counts) = (&mut additions.usage, &mut additions.counts);
            usage.add(record.tenant, &record.username, record.at, applied.usage);
            let plan = slots.find_plan(record.key);
            additions.traffic.add(record, plan, applied.usage);
            // Nothing of a plan is used in a walled garden; the counter begins all the same, so that
            // it does not begin with the hours of these sessions later.
            let is_walled = record.terms.is_some_and(|terms| terms.is_walled());
            let counted = if is_walled {
                UsageAmount::default()
            } else {
                applied.usage
            };
            // Every record before this one has its outcome.
            for meter in batch.meters_of(committed.outcomes.len()) {
                counts.add(meter, record, counted);
            }
        }
        slots.note_turns(record, &applied, &mut committed.turns);
        committed.outcomes.push(RecordOutcome::Session {
            outcome: applied.outcome,
            is_open,
        });
    }
}

/// The session record with counters that fit the database, so that what is applied is what is
/// stored.
fn bounded(record: &SessionRecord) -> SessionRecord {
    let mut record = record.clone();
    for counter in [
        &mut record.total.upload_bytes,
        &mut record.total.download_bytes,
        &mut record.total.session_seconds,
    ] {
        *counter = stored_count(*counter).unsigned_abs();
    }
    record
}
