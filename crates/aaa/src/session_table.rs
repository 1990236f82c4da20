//! Which sessions each subscriber has open, in memory: read without locks, written by the journal.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use compact_str::CompactString;
use domain::access::Presence;
use domain::accounting::SessionKey;
use domain::id::{NasId, SubscriberId};
use domain::mac::Mac;
use papaya::HashMap;

/// One open session, as far as a new login must know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSession {
    pub key: SessionKey,
    pub nas: NasId,
    pub device: Option<Device>,
}

/// What tells one device of a subscriber from another: its MAC, or whatever the NAS sent as
/// Calling-Station-Id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    Mac(Mac),
    Other(CompactString),
}

impl Device {
    pub fn from_calling_station(station: &str) -> Self {
        match Mac::from_wire(station.as_bytes()) {
            Some(mac) => Self::Mac(mac),
            None => Self::Other(station.into()),
        }
    }
}

/// The open sessions of this node's view. One writer at a time: the journal.
#[derive(Debug, Default)]
pub struct SessionTable {
    by_subscriber: HashMap<SubscriberId, Arc<[OpenSession]>>,
    count: AtomicUsize,
}

impl SessionTable {
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a session as open; a known one is replaced.
    pub fn insert(&self, subscriber: SubscriberId, session: OpenSession) {
        let map = self.by_subscriber.pin();
        let known = map.get(&subscriber).map_or(&[][..], |sessions| sessions);
        if known.contains(&session) {
            return;
        }
        let key = session.key;
        let others = known.iter().filter(|other| other.key != key).cloned();
        let sessions: Arc<[_]> = others.chain([session]).collect();
        self.add(sessions.len(), known.len());
        map.insert(subscriber, sessions);
    }

    pub fn remove(&self, subscriber: SubscriberId, key: SessionKey) {
        self.keep(subscriber, |session| session.key != key);
    }

    /// Forgets every session of a NAS that started anew.
    pub fn remove_nas(&self, nas: NasId) {
        let map = self.by_subscriber.pin();
        let affected: Vec<_> = map
            .iter()
            .filter(|(_, sessions)| sessions.iter().any(|session| session.nas == nas))
            .map(|(subscriber, _)| *subscriber)
            .collect();
        for subscriber in affected {
            self.keep(subscriber, |session| session.nas != nas);
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

    /// Open sessions of known subscribers.
    pub fn len(&self) -> usize {
        self.count.load(Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
        table.remove_nas(nas(1));
        assert_eq!((table.len(), others(&table, None)), (1, 1));
        table.remove_nas(nas(2));
        assert!(table.is_empty());
    }
}
