//! Decisions that wait for the log writer: each by itself, and those that are alike as one when
//! there are many.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::mem::{Discriminant, discriminant};

use domain::access::{Method, RejectReason, Trace};
use domain::auth_log::shorthand::TraceText;
use domain::auth_log::{AuthLogEntry, AuthOutcome};
use domain::id::{AuthId, NasId, SubscriberId, TenantId};
use domain::time::Timestamp;
use foldhash::quality::RandomState;

use crate::accounting::printable;

/// Entries of all workers of a node, each of about 250 octets.
const NODE_ENTRIES_MAX: usize = 262_144;

/// Entries of one worker, however many there are.
const ENTRIES_MAX: usize = 131_072;
const ENTRIES_MIN: usize = 16_384;

/// As many decisions have an entry of their own before any are counted together.
pub const SINGLE_MAX: usize = 1_024;

/// Entries for users that have no room of their own: one for each NAS, method and outcome.
const OTHERS_MAX: usize = 4_096;

/// Entries that lie together, so that a fold which grows is never copied.
const CHUNK: usize = 1_024;

/// A decision and what it was about, borrowed from the request.
#[derive(Clone, Copy, Debug)]
pub struct Conclusion<'a> {
    pub id: AuthId,
    pub at: Timestamp,
    pub tenant: TenantId,
    pub nas: NasId,
    pub subscriber: Option<SubscriberId>,
    pub user_name: &'a [u8],
    pub method: Method,
    pub outcome: AuthOutcome,
    pub trace: &'a Trace,
    pub calling_station: Option<&'a str>,
    pub called_station: Option<&'a str>,
}

/// The decisions of one worker since its log was last taken. The sum of all counts is the number
/// of decisions, less those that [`Fold::lost`] counts.
#[derive(Debug)]
pub struct Fold {
    single_max: usize,
    entries_max: usize,
    seeds: [RandomState; 2],
    /// In the order of their first decisions; all but the last that is used are full.
    chunks: Vec<Vec<AuthLogEntry>>,
    len: usize,
    tallies: HashMap<Likeness, Tally, foldhash::fast::RandomState>,
    others: Vec<AuthLogEntry>,
    other_places: HashMap<OtherKey, usize, foldhash::fast::RandomState>,
    lost: u64,
}

/// What decisions that are counted together have in common, as 128 bits under random seeds: equal
/// by chance once in more decisions than are ever made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Likeness([u64; 2]);

/// Decisions that came after the one that made the entry.
#[derive(Clone, Copy, Debug)]
struct Tally {
    place: usize,
    more: u64,
    last_at: Timestamp,
}

/// How a decision came out, without the values in the reason.
type OutcomeKind = Option<Discriminant<RejectReason>>;
type OtherKey = (NasId, Method, OutcomeKind);

/// The entries that one of so many workers may hold.
pub fn entries_max(workers: usize) -> usize {
    (NODE_ENTRIES_MAX / workers.max(1)).clamp(ENTRIES_MIN, ENTRIES_MAX)
}

impl Fold {
    pub fn new(entries_max: usize) -> Self {
        Self::with_limits(SINGLE_MAX, entries_max)
    }

    fn with_limits(single_max: usize, entries_max: usize) -> Self {
        Self {
            single_max: single_max.min(entries_max),
            entries_max,
            seeds: [RandomState::default(), RandomState::default()],
            chunks: Vec::new(),
            len: 0,
            tallies: HashMap::default(),
            others: Vec::new(),
            other_places: HashMap::default(),
            lost: 0,
        }
    }

    /// Takes a decision in.
    pub fn note(&mut self, conclusion: &Conclusion<'_>) {
        if self.len < self.single_max {
            return self.push(entry(conclusion));
        }
        let likeness = self.likeness(conclusion);
        if let Some(tally) = self.tallies.get_mut(&likeness) {
            tally.more += 1;
            tally.last_at = conclusion.at;
        } else if self.len < self.entries_max {
            let tally = Tally {
                place: self.len,
                more: 0,
                last_at: conclusion.at,
            };
            self.tallies.insert(likeness, tally);
            self.push(entry(conclusion));
        } else {
            self.note_other(conclusion);
        }
    }

    /// Gives out what is here and goes on with `spare`, which is empty.
    #[must_use]
    pub fn take(&mut self, spare: Self) -> Self {
        std::mem::replace(self, spare)
    }

    /// Writes what was counted into the entries; to be done away from the packet path.
    #[expect(
        clippy::iter_over_hash_type,
        reason = "each tally has an entry of its own"
    )]
    pub fn settle(&mut self) {
        for (_, tally) in self.tallies.drain() {
            let entry = &mut self.chunks[tally.place / CHUNK][tally.place % CHUNK];
            entry.count += tally.more;
            entry.last_at = tally.last_at;
        }
    }

    /// Makes it empty, to be used again. It keeps the room that it used this time.
    pub fn clear(&mut self) {
        self.tallies.clear();
        if self.len <= self.single_max {
            self.tallies.shrink_to_fit();
        }
        self.chunks.truncate(self.len.div_ceil(CHUNK));
        for chunk in &mut self.chunks {
            chunk.clear();
        }
        self.len = 0;
        self.others.clear();
        self.other_places.clear();
        self.lost = 0;
    }

    pub const fn is_empty(&self) -> bool {
        // There are others only when there is no room.
        self.len == 0
    }

    /// Entries that have a room of their own.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Decisions for which not even the entries for others had room.
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Every decision since it was empty; to be asked after [`Fold::settle`].
    pub fn decisions(&self) -> u64 {
        self.lost + self.entries().map(|entry| entry.count).sum::<u64>()
    }

    /// The entries, in the order of their first decisions, and behind them those for others. Their
    /// counts are right after [`Fold::settle`].
    pub fn entries(&self) -> impl Iterator<Item = &AuthLogEntry> {
        self.chunks.iter().flatten().chain(&self.others)
    }

    fn push(&mut self, entry: AuthLogEntry) {
        let chunk = self.len / CHUNK;
        if chunk == self.chunks.len() {
            self.chunks.push(Vec::new());
        }
        self.chunks[chunk].push(entry);
        self.len += 1;
    }

    fn note_other(&mut self, conclusion: &Conclusion<'_>) {
        let key = (
            conclusion.nas,
            conclusion.method,
            outcome_kind(conclusion.outcome),
        );
        if let Some(place) = self.other_places.get(&key) {
            let entry = &mut self.others[*place];
            entry.count += 1;
            entry.last_at = conclusion.at;
        } else if self.others.len() < OTHERS_MAX {
            self.other_places.insert(key, self.others.len());
            self.others.push(AuthLogEntry {
                subscriber: None,
                username: None,
                trace: TraceText::of(&Trace::new()),
                calling_station: None,
                called_station: None,
                ..entry(conclusion)
            });
        } else {
            self.lost += 1;
        }
    }

    fn likeness(&self, conclusion: &Conclusion<'_>) -> Likeness {
        Likeness(self.seeds.each_ref().map(|seed| {
            let mut hasher = seed.build_hasher();
            match conclusion.subscriber {
                Some(subscriber) => hasher.write_u128(subscriber.as_uuid().as_u128()),
                None => conclusion.user_name.hash(&mut hasher),
            }
            hasher.write_u128(conclusion.nas.as_uuid().as_u128());
            conclusion.method.hash(&mut hasher);
            outcome_kind(conclusion.outcome).hash(&mut hasher);
            conclusion.calling_station.hash(&mut hasher);
            hasher.finish()
        }))
    }
}

fn entry(conclusion: &Conclusion<'_>) -> AuthLogEntry {
    AuthLogEntry {
        id: conclusion.id,
        at: conclusion.at,
        tenant: conclusion.tenant,
        nas: conclusion.nas,
        subscriber: conclusion.subscriber,
        username: Some(printable(conclusion.user_name)),
        method: conclusion.method,
        outcome: conclusion.outcome,
        trace: TraceText::of(conclusion.trace),
        calling_station: conclusion.calling_station.map(Into::into),
        called_station: conclusion.called_station.map(Into::into),
        count: 1,
        last_at: conclusion.at,
    }
}

fn outcome_kind(outcome: AuthOutcome) -> OutcomeKind {
    match outcome {
        AuthOutcome::Accepted => None,
        AuthOutcome::Rejected(reason) => Some(discriminant(&reason)),
    }
}

#[cfg(test)]
mod tests;
