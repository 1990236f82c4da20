//! The last events of a tenant in memory, and who wants which of them.
//!
//! Readers with the same topics share a group: events are sorted out once for all of them, and
//! nobody is woken for what is not wanted.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use domain::event::Topics;
use storage::event::ToldEvent;
use tokio::sync::watch;

/// One event as it is told, written down once for everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub seq: i64,
    /// As the catalogue names it.
    pub kind: Box<str>,
    /// One line of JSON.
    pub json: Bytes,
}

/// How much of a tenant is kept in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct RingLimits {
    pub(super) events: usize,
    pub(super) bytes: usize,
}

/// What happened last in a tenant.
#[derive(Debug)]
pub(super) struct Ring {
    limits: RingLimits,
    events: VecDeque<Arc<Told>>,
    bytes: usize,
    /// Every event behind this number and up to `seen` is here.
    floor: i64,
    seen: i64,
    groups: HashMap<Topics, Arc<Group>>,
}

/// Readers who want the same.
#[derive(Debug)]
pub(super) struct Group {
    topics: Topics,
    state: Mutex<Sorted>,
    /// Changes when there is something for them.
    news: watch::Sender<i64>,
}

/// What is there for a group.
#[derive(Debug)]
struct Sorted {
    events: VecDeque<Arc<Told>>,
    floor: i64,
    seen: i64,
    has_ended: bool,
}

/// What a reader gets who has come to some position.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Events(Vec<Arc<Told>>),
    /// There is nothing for the reader up to this number.
    Nothing(i64),
    /// What comes next is not in memory any more.
    Behind,
    /// The numbers of the tenant began anew.
    Ended,
}

impl From<ToldEvent> for Told {
    fn from(event: ToldEvent) -> Self {
        Self {
            seq: event.seq,
            kind: event.kind.into(),
            json: event.json.into(),
        }
    }
}

impl Ring {
    /// An empty one of a tenant whose last event has this number.
    pub(super) fn new(last: i64, limits: RingLimits) -> Self {
        Self {
            limits,
            events: VecDeque::new(),
            bytes: 0,
            floor: last,
            seen: last,
            groups: HashMap::new(),
        }
    }

    /// The number of the last event that is known.
    pub(super) const fn seen(&self) -> i64 {
        self.seen
    }

    /// Adds the next events, in their order, and wakes those who want them.
    pub(super) fn publish(&mut self, page: &[Arc<Told>]) {
        let Some(last) = page.last() else {
            return;
        };
        self.seen = last.seq;
        for event in page {
            self.bytes += weight(event);
            self.events.push_back(Arc::clone(event));
        }
        while self.limits.events < self.events.len() || self.limits.bytes < self.bytes {
            let Some(oldest) = self.events.pop_front() else {
                break;
            };
            self.bytes -= weight(&oldest);
            self.floor = oldest.seq;
        }
        // A page has few kinds, so each topic is compared with few.
        let mut kinds: Vec<&str> = Vec::new();
        let mut places = Vec::with_capacity(page.len());
        for event in page {
            let known = kinds.iter().position(|kind| **kind == *event.kind);
            places.push(known.unwrap_or_else(|| {
                kinds.push(&event.kind);
                kinds.len() - 1
            }));
        }
        #[expect(
            clippy::iter_over_hash_type,
            reason = "each is served by itself, in any order"
        )]
        for group in self.groups.values() {
            let wanted: Vec<bool> = kinds
                .iter()
                .map(|kind| group.topics.matches(kind))
                .collect();
            let events = page.iter().zip(&places);
            let events = events.filter(|(_, place)| wanted.get(**place) == Some(&true));
            let events = events.map(|(event, _)| Arc::clone(event));
            group.add(events, self.floor, self.seen);
        }
    }

    /// The group of these topics; with what is in memory, if it is new.
    pub(super) fn join(&mut self, topics: &Topics) -> Arc<Group> {
        let (events, floor, seen) = (&self.events, self.floor, self.seen);
        let group = self.groups.entry(topics.clone()).or_insert_with(|| {
            let wanted = events.iter().filter(|event| topics.matches(&event.kind));
            let sorted = Sorted {
                events: wanted.cloned().collect(),
                floor,
                seen,
                has_ended: false,
            };
            Arc::new(Group {
                topics: topics.clone(),
                state: Mutex::new(sorted),
                news: watch::Sender::new(seen),
            })
        });
        Arc::clone(group)
    }

    /// A reader goes; says whether it was the last one.
    pub(super) fn leave(&mut self, group: &Arc<Group>) -> bool {
        // One is here, one is the reader's own.
        if Arc::strong_count(group) <= 2
            && let Some(known) = self.groups.get(&group.topics)
            && Arc::ptr_eq(known, group)
        {
            self.groups.remove(&group.topics);
        }
        self.groups.is_empty()
    }

    /// Sends everybody away, because the numbers began anew.
    pub(super) fn end(&self) {
        #[expect(
            clippy::iter_over_hash_type,
            reason = "each is served by itself, in any order"
        )]
        for group in self.groups.values() {
            group.sorted().has_ended = true;
            group.news.send_replace(i64::MIN);
        }
    }
}

impl Group {
    /// What tells a reader that there is something new.
    pub(super) fn news(&self) -> watch::Receiver<i64> {
        self.news.subscribe()
    }

    pub(super) const fn topics(&self) -> &Topics {
        &self.topics
    }

    /// The events behind a position, at most `limit`.
    pub(super) fn take(&self, position: i64, limit: usize) -> Taken {
        let sorted = self.sorted();
        if sorted.has_ended {
            return Taken::Ended;
        }
        if position < sorted.floor {
            return Taken::Behind;
        }
        let begin = sorted.events.partition_point(|event| event.seq <= position);
        if begin == sorted.events.len() {
            return Taken::Nothing(sorted.seen.max(position));
        }
        Taken::Events(
            sorted
                .events
                .iter()
                .skip(begin)
                .take(limit)
                .cloned()
                .collect(),
        )
    }

    fn add(&self, events: impl Iterator<Item = Arc<Told>>, floor: i64, seen: i64) {
        let mut sorted = self.sorted();
        let before = sorted.events.len();
        sorted.events.extend(events);
        let has_news = before < sorted.events.len();
        let gone = sorted.events.partition_point(|event| event.seq <= floor);
        sorted.events.drain(..gone);
        sorted.floor = floor;
        sorted.seen = seen;
        drop(sorted);
        if has_news {
            self.news.send_replace(seen);
        }
    }

    fn sorted(&self) -> MutexGuard<'_, Sorted> {
        // Whoever panicked left whole entries behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an event takes in memory, about.
fn weight(event: &Told) -> usize {
    event.json.len() + event.kind.len() + 128
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: RingLimits = RingLimits {
        events: 4,
        bytes: 1 << 20,
    };

    fn event(seq: i64, kind: &str) -> Arc<Told> {
        Arc::new(Told {
            seq,
            kind: kind.into(),
            json: Bytes::from(format!("{seq}")),
        })
    }

    fn seqs(taken: &Taken) -> Vec<i64> {
        match taken {
            Taken::Events(events) => events.iter().map(|event| event.seq).collect(),
            Taken::Nothing(_) | Taken::Behind | Taken::Ended => Vec::new(),
        }
    }

    #[test]
    fn a_group_gets_what_it_wants_once_and_in_order() {
        let mut ring = Ring::new(10, LIMITS);
        let plans = ring.join(&"plan.*".parse().unwrap());
        let mut news = plans.news();
        ring.publish(&[event(11, "plan.created"), event(12, "nas.created")]);
        assert!(news.has_changed().unwrap());
        news.mark_unchanged();
        assert_eq!(seqs(&plans.take(10, 8)), [11]);
        assert_eq!(plans.take(11, 8), Taken::Nothing(12));
        ring.publish(&[event(13, "nas.created")]);
        assert!(!news.has_changed().unwrap(), "nobody is woken for nothing");
        assert_eq!(plans.take(11, 8), Taken::Nothing(13));
        // Whoever comes later finds what is in memory.
        let all = ring.join(&Topics::everything());
        assert_eq!(seqs(&all.take(10, 2)), [11, 12]);
        assert_eq!(seqs(&all.take(12, 2)), [13]);
    }

    #[test]
    fn who_is_further_back_than_memory_is_behind() {
        let mut ring = Ring::new(0, LIMITS);
        let all = ring.join(&Topics::everything());
        let none = ring.join(&"plan.*".parse().unwrap());
        let page: Vec<_> = (1..=6).map(|seq| event(seq, "nas.created")).collect();
        ring.publish(&page);
        assert_eq!(all.take(1, 8), Taken::Behind);
        assert_eq!(seqs(&all.take(2, 8)), [3, 4, 5, 6]);
        assert_eq!(none.take(1, 8), Taken::Behind);
        assert_eq!(none.take(2, 8), Taken::Nothing(6));
    }

    #[test]
    fn memory_is_bounded_by_octets_too() {
        let mut ring = Ring::new(
            0,
            RingLimits {
                events: 100,
                bytes: 1_000,
            },
        );
        let all = ring.join(&Topics::everything());
        for seq in 1..=50 {
            ring.publish(&[event(seq, "nas.created")]);
        }
        assert!(ring.bytes <= 1_000 && !ring.events.is_empty());
        assert_eq!(all.sorted().events.len(), ring.events.len());
    }

    #[test]
    fn groups_go_with_their_last_reader() {
        let mut ring = Ring::new(0, LIMITS);
        let topics = Topics::everything();
        let (one, other) = (ring.join(&topics), ring.join(&topics));
        assert!(!ring.leave(&one));
        drop(one);
        assert!(ring.leave(&other));
    }
}
