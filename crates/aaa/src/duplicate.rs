//! Duplicate detection and remembered replies (RFC 5080 §2.2.2), one cache for each worker.
//!
//! The key is the receiving socket, the sender and the identifier; a request is the same request
//! when its authenticator and length are the same too. Entries live for [`LIFETIME`] and their
//! buffers are used again.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use foldhash::quality::RandomState;
use hashbrown::HashTable;

/// How long a reply is remembered: RFC 5080 §2.2.2 says 5 to 30 seconds.
pub const LIFETIME: Duration = Duration::from_secs(10);

/// Requests remembered by one worker: those of 512 sockets of routers, which have 256 identifiers
/// each, in some 50 MB. When all are under way, new requests are dropped.
pub const ENTRIES_MAX: usize = 131_072;

/// What identifies a request from one sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub listener: u8,
    pub peer: SocketAddr,
    /// The address that the request came to, when the socket has several.
    pub local: Option<IpAddr>,
    pub identifier: u8,
}

/// In three steps, where the derived one takes a dozen.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(bits_of(self.peer.ip()));
        state.write_u128(self.local.map_or(0, bits_of));
        let [high, low] = self.peer.port().to_be_bytes();
        let rest = [high, low, self.listener, self.identifier];
        state.write_u32(u32::from_be_bytes(rest));
    }
}

fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// A request's content, as far as it tells one request from the next under the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    pub authenticator: [u8; 16],
    pub length: usize,
}

/// Names one remembered request; it stops matching once the entry is used for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    epoch: u32,
    index: u32,
    generation: u32,
}

/// What the cache knows of an arriving request.
#[derive(Debug)]
pub enum Lookup<'a> {
    /// Not seen before: it is remembered now as under way.
    New(Ticket),
    /// The same request is still under way.
    InProgress,
    /// It was answered with these octets.
    Answered(&'a [u8]),
    /// Every entry is under way.
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    InProgress,
    Answered,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    fingerprint: Fingerprint,
    state: State,
    generation: u32,
    reply: Vec<u8>,
}

/// The requests of the last seconds and their replies.
#[derive(Debug)]
pub struct DuplicateCache {
    /// Where in `entries` each key is.
    by_key: HashTable<u32>,
    /// Seeded anew in each process, so that nobody can choose senders that collide.
    hasher: RandomState,
    entries: Vec<Entry>,
    free: Vec<u32>,
    deadlines: VecDeque<(Instant, Ticket)>,
    entries_max: usize,
    epoch: u32,
}

impl DuplicateCache {
    /// An empty cache. `epoch` tells its tickets from those of a cache that it replaces.
    pub fn new(entries_max: usize, epoch: u32) -> Self {
        Self {
            epoch,
            by_key: HashTable::new(),
            hasher: RandomState::default(),
            entries: Vec::new(),
            free: Vec::new(),
            deadlines: VecDeque::new(),
            entries_max: entries_max.min(ENTRIES_MAX),
        }
    }

    /// Looks a verified request up and remembers it when it is new.
    pub fn admit(&mut self, key: Key, fingerprint: Fingerprint, now: Instant) -> Lookup<'_> {
        if let Some(index) = self.find(&key) {
            let entry = &self.entries[index as usize];
            if entry.fingerprint != fingerprint {
                // The sender uses the identifier for its next request: the old one is given up.
                return Lookup::New(self.renew(index, fingerprint, now));
            }
            return match entry.state {
                State::Answered => Lookup::Answered(&self.entries[index as usize].reply),
                State::InProgress | State::Free => Lookup::InProgress,
            };
        }
        match self.take_entry(key, fingerprint) {
            Some(index) => Lookup::New(self.renew(index, fingerprint, now)),
            None => Lookup::Full,
        }
    }

    /// Keeps the reply without giving it out yet: it waits for a commit or a delay.
    pub fn prepare(&mut self, ticket: Ticket, reply: &[u8]) {
        if let Some(entry) = self.entry_mut(ticket) {
            entry.reply.clear();
            entry.reply.extend_from_slice(reply);
        }
    }

    /// Marks a request as answered by its prepared reply, and gives the reply and who waits for
    /// it. `None` when the sender has moved on.
    pub fn answer(&mut self, ticket: Ticket) -> Option<(Key, &[u8])> {
        let entry = self.entry_mut(ticket)?;
        entry.state = State::Answered;
        Some((entry.key, &entry.reply))
    }

    /// Who waits for the reply, while the request is under way.
    pub fn find_key(&self, ticket: Ticket) -> Option<Key> {
        let entry = self.entries.get(ticket.index as usize)?;
        is_under_way(entry, ticket, self.epoch).then_some(entry.key)
    }

    /// Whether the ticket is from this cache, not from one that it replaced.
    pub const fn has_issued(&self, ticket: Ticket) -> bool {
        ticket.epoch == self.epoch
    }

    /// Forgets a request that will not be answered, so that a retransmission is tried again.
    pub fn abandon(&mut self, ticket: Ticket) {
        if let Some(key) = self.find_key(ticket) {
            self.release(key, ticket.index);
        }
    }

    /// Forgets what is too old. Requests under way for so long have lost their sender.
    pub fn expire(&mut self, now: Instant) {
        while let Some(&(deadline, ticket)) = self.deadlines.front() {
            if now < deadline {
                break;
            }
            self.deadlines.pop_front();
            let entry = &self.entries[ticket.index as usize];
            if entry.generation == ticket.generation && entry.state != State::Free {
                self.release(entry.key, ticket.index);
            }
        }
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.front().map(|(deadline, _)| *deadline)
    }

    /// Remembered requests.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    fn take_entry(&mut self, key: Key, fingerprint: Fingerprint) -> Option<u32> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.entries.len() < self.entries_max => {
                self.entries.push(Entry {
                    key,
                    fingerprint,
                    state: State::Free,
                    generation: 0,
                    reply: Vec::new(),
                });
                u32::try_from(self.entries.len() - 1).expect("ENTRIES_MAX fits")
            }
            None => self.evict_answered()?,
        };
        self.entries[index as usize].key = key;
        let Self {
            by_key,
            hasher,
            entries,
            ..
        } = self;
        by_key.insert_unique(hasher.hash_one(key), index, |index| {
            hasher.hash_one(entries[*index as usize].key)
        });
        Some(index)
    }

    fn find(&self, key: &Key) -> Option<u32> {
        let is_theirs = |index: &u32| self.entries[*index as usize].key == *key;
        let hash = self.hasher.hash_one(key);
        self.by_key.find(hash, is_theirs).copied()
    }

    /// Frees the oldest answered entry before its time. Looks at a bounded number of entries.
    fn evict_answered(&mut self) -> Option<u32> {
        const LOOKS_MAX: usize = 64;
        for _ in 0..LOOKS_MAX.min(self.deadlines.len()) {
            let (deadline, ticket) = self.deadlines.pop_front()?;
            let entry = &self.entries[ticket.index as usize];
            if entry.generation != ticket.generation {
                continue;
            }
            match entry.state {
                State::Answered => {
                    self.release(entry.key, ticket.index);
                    return self.free.pop();
                }
                State::InProgress => self.deadlines.push_back((deadline, ticket)),
                State::Free => {}
            }
        }
        None
    }

    fn renew(&mut self, index: u32, fingerprint: Fingerprint, now: Instant) -> Ticket {
        let entry = &mut self.entries[index as usize];
        entry.generation = entry.generation.wrapping_add(1);
        entry.fingerprint = fingerprint;
        entry.state = State::InProgress;
        entry.reply.clear();
        let ticket = Ticket {
            epoch: self.epoch,
            index,
            generation: entry.generation,
        };
        self.drop_stale_deadlines();
        self.deadlines.push_back((now + LIFETIME, ticket));
        ticket
    }

    /// A sender that cycles through its identifiers leaves deadlines of entries used again behind;
    /// they go as soon as they reach the front, and all at once when they are the majority.
    fn drop_stale_deadlines(&mut self) {
        if self.deadlines.len() < 2 * self.entries.len() + 64 {
            return;
        }
        let entries = &self.entries;
        self.deadlines
            .retain(|(_, ticket)| entries[ticket.index as usize].generation == ticket.generation);
    }

    fn release(&mut self, key: Key, index: u32) {
        let hash = self.hasher.hash_one(key);
        if let Ok(place) = self.by_key.find_entry(hash, |known| *known == index) {
            place.remove();
        }
        self.entries[index as usize].state = State::Free;
        self.free.push(index);
    }

    fn entry_mut(&mut self, ticket: Ticket) -> Option<&mut Entry> {
        let epoch = self.epoch;
        let entry = self.entries.get_mut(ticket.index as usize)?;
        is_under_way(entry, ticket, epoch).then_some(entry)
    }
}

fn is_under_way(entry: &Entry, ticket: Ticket, epoch: u32) -> bool {
    ticket.epoch == epoch
        && ticket.generation == entry.generation
        && entry.state == State::InProgress
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(port: u16, identifier: u8) -> Key {
        Key {
            listener: 0,
            peer: SocketAddr::from(([192, 0, 2, 1], port)),
            local: None,
            identifier,
        }
    }

    fn print(seed: u8) -> Fingerprint {
        Fingerprint {
            authenticator: [seed; 16],
            length: 40,
        }
    }

    #[track_caller]
    fn admit_new(cache: &mut DuplicateCache, key: Key, seed: u8, now: Instant) -> Ticket {
        match cache.admit(key, print(seed), now) {
            Lookup::New(ticket) => ticket,
            other @ (Lookup::InProgress | Lookup::Answered(_) | Lookup::Full) => {
                panic!("expected a new request, found {other:?}")
            }
        }
    }

    fn answer(cache: &mut DuplicateCache, ticket: Ticket, reply: &[u8]) {
        cache.prepare(ticket, reply);
        assert!(cache.answer(ticket).is_some());
    }

    #[test]
    fn a_retransmission_gets_the_same_octets() {
        let now = Instant::now();
        let mut cache = DuplicateCache::new(16, 0);
        let ticket = admit_new(&mut cache, key(1, 7), 1, now);
        assert!(matches!(
            cache.admit(key(1, 7), print(1), now),
            Lookup::InProgress
        ));
        answer(&mut cache, ticket, b"reply");
        assert!(matches!(
            cache.admit(key(1, 7), print(1), now),
            Lookup::Answered(b"reply")
        ));
    }

    #[test]
    fn another_sender_or_listener_is_another_request() {
        let now = Instant::now();
        let mut cache = DuplicateCache::new(16, 0);
        admit_new(&mut cache, key(1, 7), 1, now);
        admit_new(&mut cache, key(2, 7), 1, now);
        admit_new(&mut cache, key(1, 8), 1, now);
        admit_new(
            &mut cache,
            Key {
                listener: 1,
                ..key(1, 7)
            },
            1,
            now,
        );
        assert_eq!(cache.len(), 4);
    }

    #[test]
    fn a_new_authenticator_gives_the_old_request_up() {
        let now = Instant::now();
        let mut cache = DuplicateCache::new(16, 0);
        let old = admit_new(&mut cache, key(1, 7), 1, now);
        let new = admit_new(&mut cache, key(1, 7), 2, now);
        assert!(cache.answer(old).is_none());
        answer(&mut cache, new, b"new");
        assert!(matches!(
            cache.admit(key(1, 7), print(2), now),
            Lookup::Answered(b"new")
        ));
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn replies_are_forgotten_after_their_lifetime() {
        let now = Instant::now();
        let mut cache = DuplicateCache::new(16, 0);
        let ticket = admit_new(&mut cache, key(1, 7), 1, now);
        answer(&mut cache, ticket, b"reply");
        cache.expire(now + LIFETIME - Duration::from_millis(1));
        assert_eq!(cache.len(), 1);
        cache.expire(now + LIFETIME);
        assert!(cache.is_empty());
        admit_new(&mut cache, key(1, 7), 1, now + LIFETIME);
    }

    #[test]
    fn an_abandoned_request_is_tried_again() {
        let now = Instant::now();
        let mut cache = DuplicateCache::new(16, 0);
        let ticket = admit_new(&mut cache, key(1, 7), 1, now);
        cache.abandon(ticket);
        admit_new(&mut cache, key(1, 7), 1, now);
    }

    #[test]
    fn a_full_cache_gives_up_answered_requests_first() {
        let now = Instant::now();
        let mut cache = DuplicateCache::new(2, 0);
        let first = admit_new(&mut cache, key(1, 1), 1, now);
        admit_new(&mut cache, key(1, 2), 1, now);
        assert!(matches!(
            cache.admit(key(1, 3), print(1), now),
            Lookup::Full
        ));
        answer(&mut cache, first, b"reply");
        admit_new(&mut cache, key(1, 3), 1, now);
        assert_eq!(cache.len(), 2);
    }

    #[test]
    fn memory_stays_bounded_when_identifiers_cycle() {
        let now = Instant::now();
        let mut cache = DuplicateCache::new(1_024, 0);
        for round in 0..200_u32 {
            for identifier in 0..=255 {
                let seed = u8::try_from(round).expect("fewer than 256 rounds");
                let ticket = admit_new(&mut cache, key(1, identifier), seed, now);
                answer(&mut cache, ticket, b"reply");
            }
        }
        assert_eq!(cache.len(), 256);
        assert!(cache.deadlines.len() <= 2 * 256 + 64 + 1);
    }
}
