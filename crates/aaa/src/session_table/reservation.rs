//! Places that are held for devices that were let in, until their sessions are heard of.

use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::id::{NasId, SubscriberId};
use domain::time::Timestamp;
use foldhash::fast::RandomState;

use super::{Device, OpenSession};

/// How long a place is held: longer than a router takes from Access-Accept to its Start.
pub const RESERVED_FOR: Duration = Duration::from_secs(30);

/// Subscribers whose decisions wait for each other: about as many at a time as there are workers.
const SHARDS: usize = 1_024;

/// Places in one shard. The oldest goes when there is one more, and with it only the certainty that
/// two devices that log in at the same moment are counted.
const SHARD_PLACES: usize = 64;

/// A router's clock of a session, counted back from its records, may be off by so much.
const START_MARGIN_SECONDS: i64 = 5;

/// One place.
#[derive(Clone, Debug)]
pub(super) struct Reservation {
    pub(super) subscriber: SubscriberId,
    pub(super) device: Option<Device>,
    pub(super) nas: NasId,
    /// When it was let in, by both clocks.
    pub(super) at: Timestamp,
    pub(super) until: Instant,
    /// Another login took its place before its session was heard of.
    pub(super) is_replaced: bool,
}

/// What a session that begins learns of the place that was held for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reserved {
    pub(super) is_replaced: bool,
}

#[derive(Debug)]
pub(super) struct Reservations {
    shards: Box<[Mutex<Vec<Reservation>>]>,
    hasher: RandomState,
}

/// The places of some subscribers, while nobody else looks at them.
pub(super) type Shard<'t> = MutexGuard<'t, Vec<Reservation>>;

impl Default for Reservations {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::default(),
        }
    }
}

impl Reservation {
    /// Whether two logins are those of one device. Of a router that names no devices, a login is
    /// taken for the one before it that is tried again.
    pub(super) fn is_of(&self, device: Option<&Device>, nas: NasId) -> bool {
        match (&self.device, device) {
            (Some(known), Some(device)) => known == device,
            (None, None) => self.nas == nas,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// Whether it was held for this session, and not for one of the same device after it.
    fn is_for(&self, subscriber: SubscriberId, session: &OpenSession) -> bool {
        self.subscriber == subscriber
            && self.at <= session.started_at.plus_seconds(START_MARGIN_SECONDS)
            && self.is_of(session.device.as_ref(), session.nas)
    }
}

impl Reservations {
    /// Waits, for as long as a decision takes, until nobody else decides about the subscriber.
    pub(super) fn lock(&self, subscriber: SubscriberId) -> Shard<'_> {
        let hash = self.hasher.hash_one(subscriber);
        let shard = &self.shards[hash as usize % SHARDS];
        // Whoever panicked left whole entries behind.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives up the place that was held for a session which has begun.
pub(super) fn release(
    shard: &mut Shard<'_>,
    subscriber: SubscriberId,
    session: &OpenSession,
) -> Option<Reserved> {
    let is_for = |held: &Reservation| held.is_for(subscriber, session);
    let index = shard.iter().position(is_for)?;
    let held = shard.remove(index);
    Some(Reserved {
        is_replaced: held.is_replaced,
    })
}

/// Holds a place, in that of the same device if there is one. Says whether another one had to go
/// that was still held.
#[must_use]
pub(super) fn hold(shard: &mut Shard<'_>, reservation: Reservation, now: Instant) -> bool {
    shard.retain(|held| {
        let is_the_same = held.subscriber == reservation.subscriber
            && held.is_of(reservation.device.as_ref(), reservation.nas);
        now < held.until && !is_the_same
    });
    let is_full = SHARD_PLACES <= shard.len();
    if is_full {
        shard.remove(0);
    }
    shard.push(reservation);
    is_full
}
