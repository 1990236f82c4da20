//! Keeps guessers back: who fails too often is refused for a while, longer each time. Only attempts
//! that were compared and failed are counted.
//!
//! A device that the subscriber was accepted with before, or that is online, is never kept from
//! trying: with the right password it comes in.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::guard::{GuardKey, GuardLock, GuardSubject};
use domain::id::{NasId, SubscriberId};
use domain::mac::Mac;
use domain::time::Timestamp;
use foldhash::fast::RandomState;
use papaya::HashMap;

use crate::engine::Moment;
use crate::metrics::{Count, Metrics};
use familiar::Familiar;

mod familiar;
pub mod keeper;

/// Subjects with failed attempts; the one that came first goes when there is one more.
pub const SUBJECTS_MAX: usize = 65_536;

/// How long the first lock lasts; each next one lasts twice as long.
const LOCK_FIRST: Duration = Duration::from_secs(5);

/// A lock of a router does not last longer: many are behind it.
const NAS_LOCK_MAX: Duration = Duration::from_secs(30);

/// After so long without a lock the next one is a first one again.
const PARDON: Duration = Duration::from_secs(900);

/// What an operator chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardOptions {
    /// Failed attempts in five minutes that a subscriber may have; 0 is any number.
    pub user_failures: u32,
    /// The same of a device.
    pub station_failures: u32,
    /// Failed attempts in a minute that may come through one router; 0 is any number.
    pub nas_failures: u32,
    /// How long a lock may last.
    pub lock_max: Duration,
}

impl GuardOptions {
    /// Nobody is ever kept back.
    pub const OFF: Self = Self {
        user_failures: 0,
        station_failures: 0,
        nas_failures: 0,
        lock_max: LOCK_FIRST,
    };

    const fn failures_of(&self, subject: GuardSubject) -> u32 {
        match subject {
            GuardSubject::User => self.user_failures,
            GuardSubject::Station => self.station_failures,
            GuardSubject::Nas => self.nas_failures,
        }
    }

    fn lock_max_of(&self, subject: GuardSubject) -> Duration {
        match subject {
            GuardSubject::User | GuardSubject::Station => self.lock_max,
            GuardSubject::Nas => self.lock_max.min(NAS_LOCK_MAX),
        }
    }

    const fn is_off(&self) -> bool {
        self.user_failures == 0 && self.station_failures == 0 && self.nas_failures == 0
    }
}

/// One attempt, by all that it is counted by.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Who it claims to be, if there is such a subscriber.
    pub user: Option<Claimed<'a>>,
    pub station: Option<Station<'a>>,
    pub nas: (NasId, &'a str),
}

/// Who an attempt claims to be.
#[derive(Clone, Copy, Debug)]
pub struct Claimed<'a> {
    pub id: SubscriberId,
    pub name: &'a str,
    /// Another one after every change of the subscriber, who begins anew then: the password may be
    /// one that was tried before.
    pub version: usize,
}

/// A Calling-Station-Id, compared as [`crate::session_table::Device`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Station<'a> {
    Mac(Mac),
    Other(&'a str),
}

/// What is known of failed attempts; read without locks.
#[derive(Debug)]
pub struct Guard {
    options: GuardOptions,
    begun: Instant,
    hasher: RandomState,
    subjects: HashMap<u64, Arc<Subject>, RandomState>,
    /// In the order in which they came.
    order: Mutex<VecDeque<u64>>,
    /// Until when anybody is locked, in milliseconds of this guard.
    locked_until: AtomicU64,
    familiar: Familiar,
}

/// Somebody with failed attempts.
#[derive(Debug)]
struct Subject {
    key: GuardKey,
    /// In milliseconds of the guard.
    locked_until: AtomicU64,
    record: Mutex<Record>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Record {
    /// Failed attempts, which fade.
    level: f64,
    failed_at: u64,
    locked_at: u64,
    since: Timestamp,
    strikes: u32,
}

impl<'a> Station<'a> {
    pub fn of(calling_station: &'a str) -> Self {
        match Mac::from_wire(calling_station.as_bytes()) {
            Some(mac) => Self::Mac(mac),
            None => Self::Other(calling_station),
        }
    }
}

impl Guard {
    pub fn new(options: GuardOptions, begun: Instant) -> Self {
        let hasher = RandomState::default();
        Self {
            options,
            begun,
            subjects: HashMap::with_hasher(hasher.clone()),
            hasher,
            order: Mutex::default(),
            locked_until: AtomicU64::new(0),
            familiar: if options.is_off() {
                Familiar::none()
            } else {
                Familiar::new()
            },
        }
    }

    /// Whether anybody is locked; if not, nobody need be looked for.
    pub fn is_any_locked(&self, now: Instant) -> bool {
        self.millis(now) < self.locked_until.load(Relaxed)
    }

    /// Whether anybody was ever locked.
    pub fn has_locked(&self) -> bool {
        0 < self.locked_until.load(Relaxed)
    }

    /// By what an attempt is refused now, if it is.
    pub fn find_lock(&self, attempt: &Attempt<'_>, now: Instant) -> Option<GuardSubject> {
        let found = self.find_lock_among(&GuardSubject::ALL, attempt, now);
        found.filter(|_| !self.is_familiar(attempt))
    }

    /// The same for a device that logs in as itself: no password is guessed there, so nobody else
    /// who guessed one keeps it back, and only what it sent itself does.
    pub fn find_device_lock(&self, attempt: &Attempt<'_>, now: Instant) -> Option<GuardSubject> {
        self.find_lock_among(&[GuardSubject::Station], attempt, now)
    }

    fn find_lock_among(
        &self,
        subjects: &[GuardSubject],
        attempt: &Attempt<'_>,
        now: Instant,
    ) -> Option<GuardSubject> {
        if !self.is_any_locked(now) {
            return None;
        }
        let now = self.millis(now);
        let known = self.subjects.pin();
        let is_locked = |fingerprint: u64| {
            let subject = known.get(&fingerprint);
            subject.is_some_and(|subject| now < subject.locked_until.load(Relaxed))
        };
        let mut subjects = subjects.iter().copied();
        subjects.find(|subject| self.fingerprint(*subject, attempt).is_some_and(is_locked))
    }

    /// An attempt was compared and failed.
    pub fn fail(&self, attempt: &Attempt<'_>, now: Moment, metrics: &Metrics) {
        for subject in GuardSubject::ALL {
            if self.options.failures_of(subject) == 0 {
                continue;
            }
            let Some(fingerprint) = self.fingerprint(subject, attempt) else {
                continue;
            };
            let known = self.subjects.pin().get(&fingerprint).map(Arc::clone);
            let known =
                known.unwrap_or_else(|| self.add(fingerprint, key_of(subject, attempt), metrics));
            if self.count(&known, subject, now) {
                metrics.count(Count::GuardLocked);
            }
        }
    }

    /// An attempt was right: the subscriber and the device are in good standing again.
    pub fn succeed(&self, attempt: &Attempt<'_>) {
        if self.options.is_off() {
            return;
        }
        if let (Some(user), Some(station)) = (attempt.user, attempt.station) {
            self.familiar.remember(self.hash((user.id, station)));
        }
        for subject in [GuardSubject::User, GuardSubject::Station] {
            if let Some(fingerprint) = self.fingerprint(subject, attempt)
                && let Some(subject) = self.subjects.pin().get(&fingerprint)
            {
                subject.pardon();
            }
        }
    }

    /// Unlocks a subject, as an operator wants it.
    pub fn clear(&self, key: &GuardKey) {
        let subjects = self.subjects.pin();
        for subject in subjects.values().filter(|subject| subject.key == *key) {
            subject.pardon();
        }
    }

    /// Who is locked now.
    pub fn locks(&self, now: Moment) -> Vec<GuardLock> {
        if !self.is_any_locked(now.instant) {
            return Vec::new();
        }
        let millis = self.millis(now.instant);
        let subjects = self.subjects.pin();
        let locked = subjects.values().filter_map(|subject| {
            let left = subject.locked_until.load(Relaxed).checked_sub(millis)?;
            let record = *subject.record();
            (0 < left).then(|| GuardLock {
                key: subject.key.clone(),
                since: record.since,
                until: Timestamp::from_micros(
                    now.timestamp.as_micros() + i64::try_from(left).unwrap_or(0) * 1_000,
                ),
                strikes: record.strikes,
            })
        });
        let mut locks: Vec<GuardLock> = locked.collect();
        // A subscriber who was changed while they were locked is somebody else here, but one row to
        // those who look.
        locks.sort_by(|a, b| a.key.cmp(&b.key).then(b.until.cmp(&a.until)));
        locks.dedup_by(|later, earlier| later.key == earlier.key);
        locks
    }

    fn is_familiar(&self, attempt: &Attempt<'_>) -> bool {
        let (Some(user), Some(station)) = (attempt.user, attempt.station) else {
            return false;
        };
        self.familiar.knows(self.hash((user.id, station)))
    }

    fn add(&self, fingerprint: u64, key: GuardKey, metrics: &Metrics) -> Arc<Subject> {
        let subject = Arc::new(Subject {
            key,
            locked_until: AtomicU64::new(0),
            record: Mutex::default(),
        });
        let mut order = self.order();
        let subjects = self.subjects.pin();
        if subjects.insert(fingerprint, Arc::clone(&subject)).is_none() {
            order.push_back(fingerprint);
        }
        if SUBJECTS_MAX < order.len()
            && let Some(oldest) = order.pop_front()
        {
            subjects.remove(&oldest);
            metrics.count(Count::GuardForgotten);
        }
        subject
    }

    /// Counts a failure; says whether the subject is locked for it.
    fn count(&self, known: &Subject, subject: GuardSubject, now: Moment) -> bool {
        let millis = self.millis(now.instant);
        let allowed = f64::from(self.options.failures_of(subject));
        let mut record = known.record();
        let passed = millis.saturating_sub(record.failed_at);
        let faded = passed as f64 * allowed / window(subject).as_millis() as f64;
        record.level = (record.level - faded).max(0.0) + 1.0;
        record.failed_at = millis;
        if record.level <= allowed {
            return false;
        }
        record.level = allowed;
        let since_lock = millis.saturating_sub(record.locked_at);
        let is_pardoned = u128::from(since_lock) >= PARDON.as_millis();
        record.strikes = if is_pardoned { 1 } else { record.strikes + 1 };
        let doublings = (record.strikes - 1).min(16);
        let lock = (LOCK_FIRST * (1 << doublings)).min(self.options.lock_max_of(subject));
        let until = millis + u64::try_from(lock.as_millis()).unwrap_or(u64::MAX);
        record.locked_at = until;
        record.since = now.timestamp;
        known.locked_until.store(until, Relaxed);
        self.locked_until.fetch_max(until, Relaxed);
        true
    }

    fn fingerprint(&self, subject: GuardSubject, attempt: &Attempt<'_>) -> Option<u64> {
        match subject {
            GuardSubject::User => attempt
                .user
                .map(|user| self.hash((0_u8, user.id, user.version))),
            GuardSubject::Station => attempt.station.map(|device| self.hash((1_u8, device))),
            GuardSubject::Nas => Some(self.hash((2_u8, attempt.nas.0))),
        }
    }

    fn hash(&self, value: impl Hash) -> u64 {
        self.hasher.hash_one(value)
    }

    fn millis(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.begun);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn order(&self) -> MutexGuard<'_, VecDeque<u64>> {
        // Whoever panicked left whole entries behind.
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subject {
    fn pardon(&self) {
        *self.record() = Record::default();
        self.locked_until.store(0, Relaxed);
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a failed attempt is counted.
const fn window(subject: GuardSubject) -> Duration {
    match subject {
        GuardSubject::User | GuardSubject::Station => Duration::from_secs(300),
        GuardSubject::Nas => Duration::from_secs(60),
    }
}

fn key_of(subject: GuardSubject, attempt: &Attempt<'_>) -> GuardKey {
    let name = match subject {
        GuardSubject::User => attempt.user.map(|user| user.name.to_owned()),
        GuardSubject::Station => attempt.station.map(|station| match station {
            Station::Mac(mac) => mac.to_string(),
            Station::Other(text) => text.to_owned(),
        }),
        GuardSubject::Nas => Some(attempt.nas.1.to_owned()),
    };
    GuardKey {
        subject,
        name: name.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
