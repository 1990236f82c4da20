//! Which sessions each subscriber has open, in memory: read without locks, written by the journal
//! and by the drain of the spool.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use compact_str::CompactString;
use domain::access::Presence;
use domain::accounting::{SessionKey, SessionPlace};
use domain::id::{NasId, SubscriberId};
use domain::mac::Mac;
use papaya::HashMap;

/// One open session, as far as a new login must know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSession {
    pub key: SessionKey,
    pub nas: NasId,
    /// Where its records come from.
    pub nas_address: Option<IpAddr>,
    pub device: Option<Device>,
}

/// What tells one device of a subscriber from another: its MAC, or whatever the NAS sent as
/// Calling-Station-Id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    Mac(Mac),
    Other(CompactString),
}

impl OpenSession {
    /// What is kept of a session that is attached at `place`.
    pub fn of(key: SessionKey, nas: NasId, place: &SessionPlace) -> Self {
        let station = place.calling_station.as_deref();
        Self {
            key,
            nas,
            nas_address: place.nas_address,
            device: station.map(Device::from_calling_station),
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
}

/// The open sessions of this node's view.
#[derive(Debug, Default)]
pub struct SessionTable {
    by_subscriber: HashMap<SubscriberId, Arc<[OpenSession]>>,
    count: AtomicUsize,
    /// Held by who writes: what is written rests on what was read.
    turn: Mutex<()>,
}

impl SessionTable {
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a session as open; a known one is replaced, and keeps its device when a record does
    /// not name it.
    pub fn insert(&self, subscriber: SubscriberId, mut session: OpenSession) {
        let _turn = self.turn();
        let map = self.by_subscriber.pin();
        let known = map.get(&subscriber).map_or(&[][..], |sessions| sessions);
        let key = session.key;
        if session.device.is_none()
            && let Some(same) = known.iter().find(|other| other.key == key)
        {
            session.device.clone_from(&same.device);
        }
        if known.contains(&session) {
            return;
        }
        let others = known.iter().filter(|other| other.key != key).cloned();
        let sessions: Arc<[_]> = others.chain([session]).collect();
        self.add(sessions.len(), known.len());
        map.insert(subscriber, sessions);
    }

    pub fn remove(&self, subscriber: SubscriberId, key: SessionKey) {
        let _turn = self.turn();
        self.keep(subscriber, |session| session.key != key);
    }

    /// Forgets every session of a NAS that started anew, or of one router of it.
    pub fn remove_nas(&self, nas: NasId, source: Option<IpAddr>) {
        let is_gone = |session: &OpenSession| {
            session.nas == nas && (source.is_none() || session.nas_address == source)
        };
        let _turn = self.turn();
        let map = self.by_subscriber.pin();
        let affected: Vec<_> = map
            .iter()
            .filter(|(_, sessions)| sessions.iter().any(is_gone))
            .map(|(subscriber, _)| *subscriber)
            .collect();
        for subscriber in affected {
            self.keep(subscriber, |session| !is_gone(session));
        }
    }

    /// How many sessions the subscriber has open besides one of the same device.
    pub fn presence(&self, subscriber: SubscriberId, device: Option<&Device>) -> Presence {
        let map = self.by_subscriber.pin();
        let others = map.get(&subscriber).map_or(0, |sessions| {
            sessions
                .iter()
                .filter(|session| device.is_none() || session.device.as_ref() != device)
                .count()
        });
        Presence {
            other_sessions: u32::try_from(others).unwrap_or(u32::MAX),
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

    fn turn(&self) -> MutexGuard<'_, ()> {
        // Whoever panicked left whole entries behind.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, subscriber: SubscriberId, is_kept: impl Fn(&OpenSession) -> bool) {
        let map = self.by_subscriber.pin();
        let Some(known) = map.get(&subscriber) else {
            return;
        };
        let kept: Arc<[_]> = known
            .iter()
            .filter(|session| is_kept(session))
            .cloned()
            .collect();
        self.add(kept.len(), known.len());
        if kept.is_empty() {
            map.remove(&subscriber);
        } else {
            map.insert(subscriber, kept);
        }
    }

    fn add(&self, now: usize, before: usize) {
        self.count.fetch_add(now.wrapping_sub(before), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use domain::time::Timestamp;

    use super::*;

    fn subscriber() -> SubscriberId {
        SubscriberId::new(Timestamp::from_seconds(1), [1; 10])
    }

    fn nas(random: u8) -> NasId {
        NasId::new(Timestamp::from_seconds(1), [random; 10])
    }

    fn session(key: u8, nas_random: u8, station: &str) -> OpenSession {
        OpenSession {
            key: SessionKey([key; 16]),
            nas: nas(nas_random),
            nas_address: Some([192, 0, 2, nas_random].into()),
            device: Some(Device::from_calling_station(station)),
        }
    }

    fn others(table: &SessionTable, station: Option<&str>) -> u32 {
        let device = station.map(Device::from_calling_station);
        table.presence(subscriber(), device.as_ref()).other_sessions
    }

    #[test]
    fn the_same_device_is_not_another_session() {
        let table = SessionTable::new();
        table.insert(subscriber(), session(1, 1, "AA:BB:CC:DD:EE:01"));
        assert_eq!(others(&table, Some("aa-bb-cc-dd-ee-01")), 0);
        assert_eq!(others(&table, Some("aa-bb-cc-dd-ee-02")), 1);
        assert_eq!(others(&table, None), 1);
    }

    #[test]
    fn a_record_without_a_station_does_not_forget_the_device() {
        let table = SessionTable::new();
        table.insert(subscriber(), session(1, 1, "AA:BB:CC:DD:EE:01"));
        table.insert(
            subscriber(),
            OpenSession {
                device: None,
                ..session(1, 1, "")
            },
        );
        assert_eq!(others(&table, Some("AA:BB:CC:DD:EE:01")), 0);
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn sessions_come_and_go_once() {
        let table = SessionTable::new();
        table.insert(subscriber(), session(1, 1, "a"));
        table.insert(subscriber(), session(1, 1, "a"));
        table.insert(subscriber(), session(1, 1, "changed"));
        table.insert(subscriber(), session(2, 2, "b"));
        assert_eq!(table.len(), 2);
        table.remove(subscriber(), SessionKey([2; 16]));
        table.remove(subscriber(), SessionKey([2; 16]));
        assert_eq!((table.len(), others(&table, None)), (1, 1));
    }

    #[test]
    fn a_nas_that_restarts_has_no_sessions() {
        let table = SessionTable::new();
        table.insert(subscriber(), session(1, 1, "a"));
        table.insert(subscriber(), session(2, 2, "b"));
        table.remove_nas(nas(1), None);
        assert_eq!((table.len(), others(&table, None)), (1, 1));
        table.remove_nas(nas(2), None);
        assert!(table.is_empty());
    }

    #[test]
    fn a_router_of_a_prefix_that_restarts_leaves_the_others_alone() {
        let table = SessionTable::new();
        let neighbour = OpenSession {
            nas_address: Some([192, 0, 2, 99].into()),
            ..session(2, 1, "b")
        };
        table.insert(subscriber(), session(1, 1, "a"));
        table.insert(subscriber(), neighbour);
        table.remove_nas(nas(1), Some([192, 0, 2, 1].into()));
        assert_eq!((table.len(), others(&table, Some("b"))), (1, 0));
    }
}
