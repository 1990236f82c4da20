//! Which sessions each subscriber has open, in memory: read without locks, written by the journal,
//! by the drain of the spool, and by a login that takes the place of another session.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use compact_str::CompactString;
use domain::accounting::{SessionKey, SessionPlace};
use domain::id::{NasId, SubscriberId};
use domain::mac::Mac;
use domain::time::Timestamp;
use papaya::{Compute, HashMap, Operation};

use crate::announcement::Announcements;
use crate::stale::vigil::Vigil;
use departures::Departures;
use reservation::Reservations;

mod admission;
mod departures;
mod reservation;

pub use admission::{Admission, Login};
pub use departures::TooMany;
pub use reservation::RESERVED_FOR;

/// How far what two records say of a session's beginning may differ.
const BEGINNING_MARGIN_SECONDS: i64 = 60;

/// One open session, as far as a new login must know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSession {
    pub key: SessionKey,
    pub nas: NasId,
    /// Where its records come from.
    pub nas_address: Option<IpAddr>,
    pub device: Option<Device>,
    pub started_at: Timestamp,
    /// Another one took its place: it has to end, and does not count any more.
    pub is_replaced: bool,
}

/// What tells one device of a subscriber from another: its MAC, or whatever the NAS sent as
/// Calling-Station-Id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    Mac(Mac),
    Other(CompactString),
}

/// Whether a record says when its session began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    Known,
    Unknown,
}

impl OpenSession {
    /// What is kept of a session that is attached at `place`.
    pub fn of(key: SessionKey, nas: NasId, place: &SessionPlace, started_at: Timestamp) -> Self {
        let station = place.calling_station.as_deref();
        Self {
            key,
            nas,
            nas_address: place.nas_address,
            device: station.map(Device::from_calling_station),
            started_at,
            is_replaced: false,
        }
    }

    /// Takes over what is known of the same session.
    fn learn(&mut self, known: &Self) {
        if self.device.is_none() {
            self.device.clone_from(&known.device);
        }
        // A later session may have the key of one that ended unheard.
        let is_the_same =
            self.started_at <= known.started_at.plus_seconds(BEGINNING_MARGIN_SECONDS);
        if is_the_same {
            self.started_at = self.started_at.min(known.started_at);
            self.is_replaced |= known.is_replaced;
        }
    }
}

impl Device {
    pub fn from_calling_station(station: &str) -> Self {
        match Mac::from_wire(station.as_bytes()) {
            Some(mac) => Self::Mac(mac),
            None => Self::Other(station.into()),
        }
    }

    /// Text that [`Self::from_calling_station`] reads as the same device.
    pub fn to_text(&self) -> CompactString {
        match self {
            Self::Mac(mac) => compact_str::format_compact!("{mac}"),
            Self::Other(station) => station.clone(),
        }
    }
}

/// The open sessions of this node's view, and the places that are held for those who are about to
/// begin one.
#[derive(Debug, Default)]
pub struct SessionTable {
    by_subscriber: HashMap<SubscriberId, Arc<[OpenSession]>>,
    count: AtomicUsize,
    reservations: Reservations,
    announcements: Announcements,
    departures: Departures,
    vigil: Vigil,
}

impl SessionTable {
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a session as open; a known one is replaced, and keeps its device when a record does
    /// not name it. The place that was held for it is free again.
    pub fn insert(&self, subscriber: SubscriberId, session: OpenSession) {
        self.put(subscriber, session, Beginning::Known);
    }

    /// The same for a session of which it is not known when it began.
    pub fn insert_begun(&self, subscriber: SubscriberId, session: OpenSession) {
        self.put(subscriber, session, Beginning::Unknown);
    }

    /// A session has come and gone, and the place that was held for it is free again.
    pub fn release(&self, subscriber: SubscriberId, session: &OpenSession) {
        let mut held = self.reservations.lock(subscriber);
        let _ = reservation::release(&mut held, subscriber, session);
    }

    pub fn remove(&self, subscriber: SubscriberId, key: SessionKey) {
        self.keep(subscriber, |session| session.key != key);
        self.departures.note(subscriber, key);
    }

    /// Begins to remember which sessions end: all of them are about to be read again, and what is
    /// read may be older than the end of one.
    pub fn watch_departures(&self) {
        self.departures.watch();
    }

    /// The sessions that have ended since, unless they were too many to remember.
    pub fn take_departures(&self) -> Result<Vec<(SessionKey, SubscriberId)>, TooMany> {
        self.departures.take()
    }

    /// Forgets every session of a NAS that started anew, or of one router of it.
    pub fn remove_nas(&self, nas: NasId, source: Option<IpAddr>) {
        let is_gone = |session: &OpenSession| {
            session.nas == nas && (source.is_none() || session.nas_address == source)
        };
        let map = self.by_subscriber.pin();
        let affected: Vec<_> = map
            .iter()
            .flat_map(|(subscriber, sessions)| {
                let gone = sessions.iter().filter(|session| is_gone(session));
                gone.map(|session| (*subscriber, session.key))
            })
            .collect();
        for (subscriber, key) in affected {
            self.remove(subscriber, key);
        }
    }

    /// Visits every session that is open from the beginning to the end, in no order.
    pub fn try_for_each<E>(
        &self,
        mut visit: impl FnMut(SubscriberId, &OpenSession) -> Result<(), E>,
    ) -> Result<(), E> {
        let map = self.by_subscriber.pin();
        map.iter().try_for_each(|(subscriber, sessions)| {
            let mut sessions = sessions.iter();
            sessions.try_for_each(|session| visit(*subscriber, session))
        })
    }

    /// Open sessions of known subscribers.
    pub fn len(&self) -> usize {
        self.count.load(Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the subscriber is online with this device.
    pub fn is_online(&self, subscriber: SubscriberId, device: &Device) -> bool {
        let map = self.by_subscriber.pin();
        let sessions = map.get(&subscriber);
        sessions.is_some_and(|sessions| {
            let mut devices = sessions.iter().map(|session| &session.device);
            devices.any(|online| online.as_ref() == Some(device))
        })
    }

    /// What is to be told outside of this node.
    pub const fn announcements(&self) -> &Announcements {
        &self.announcements
    }

    /// Who watches over sessions of which nothing is heard.
    pub const fn vigil(&self) -> &Vigil {
        &self.vigil
    }

    fn put(&self, subscriber: SubscriberId, mut session: OpenSession, beginning: Beginning) {
        let key = session.key;
        let mut held = self.reservations.lock(subscriber);
        let reserved = match beginning {
            Beginning::Known => reservation::release(&mut held, subscriber, &session),
            Beginning::Unknown => None,
        };
        session.is_replaced |= reserved.is_some_and(|reserved| reserved.is_replaced);
        self.update(subscriber, |known| {
            let mut session = session.clone();
            if let Some(same) = known.iter().find(|other| other.key == key) {
                if beginning == Beginning::Unknown {
                    session.started_at = same.started_at;
                }
                session.learn(same);
            }
            if known.contains(&session) {
                return None;
            }
            let others = known.iter().filter(|other| other.key != key).cloned();
            Some(others.chain([session]).collect())
        });
        if reserved.is_some_and(|reserved| reserved.is_replaced) {
            self.announcements.end(subscriber, &session);
        }
    }

    /// The subscriber's sessions at this moment.
    fn sessions(&self, subscriber: SubscriberId) -> Option<Arc<[OpenSession]>> {
        self.by_subscriber.pin().get(&subscriber).map(Arc::clone)
    }

    fn keep(&self, subscriber: SubscriberId, is_kept: impl Fn(&OpenSession) -> bool) {
        self.update(subscriber, |known| {
            if known.iter().all(&is_kept) {
                return None;
            }
            let kept = known.iter().filter(|session| is_kept(session));
            Some(kept.cloned().collect())
        });
    }

    /// Puts what `change` makes of a subscriber's sessions in their place, in one step: it is asked
    /// again when somebody else was faster.
    fn update(
        &self,
        subscriber: SubscriberId,
        change: impl Fn(&[OpenSession]) -> Option<Arc<[OpenSession]>>,
    ) {
        let map = self.by_subscriber.pin();
        let outcome = map.compute(subscriber, |entry| {
            let known = entry.map_or(&[][..], |(_, sessions)| sessions);
            match change(known) {
                None => Operation::Abort(()),
                Some(sessions) if !sessions.is_empty() => Operation::Insert(sessions),
                Some(_) if entry.is_some() => Operation::Remove,
                Some(_) => Operation::Abort(()),
            }
        });
        let (now, before) = match outcome {
            Compute::Inserted(_, new) => (new.len(), 0),
            Compute::Updated { old, new } => (new.1.len(), old.1.len()),
            Compute::Removed(_, old) => (0, old.len()),
            Compute::Aborted(()) => return,
        };
        self.count.fetch_add(now.wrapping_sub(before), Relaxed);
    }
}

#[cfg(test)]
mod tests;
