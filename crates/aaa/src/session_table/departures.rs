//! Sessions that end while all of them are read again: what was read of them may be older than
//! their end.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::accounting::SessionKey;
use domain::id::SubscriberId;

/// Sessions that are remembered.
const SESSIONS_MAX: usize = 65_536;

/// What has ended since [`Self::watch`].
#[derive(Debug, Default)]
pub(super) struct Departures {
    is_watching: AtomicBool,
    gone: Mutex<Vec<(SessionKey, SubscriberId)>>,
}

/// More sessions ended than are remembered: read all of them again.
#[derive(Debug)]
pub struct TooMany;

impl Departures {
    /// Begins to remember.
    pub(super) fn watch(&self) {
        let mut gone = self.gone();
        gone.clear();
        self.is_watching.store(true, Relaxed);
    }

    pub(super) fn note(&self, subscriber: SubscriberId, key: SessionKey) {
        if !self.is_watching.load(Relaxed) {
            return;
        }
        let mut gone = self.gone();
        // One on top says that they were too many.
        if gone.len() <= SESSIONS_MAX {
            gone.push((key, subscriber));
        }
    }

    /// What has ended since, and is remembered no more.
    pub(super) fn take(&self) -> Result<Vec<(SessionKey, SubscriberId)>, TooMany> {
        let mut gone = self.gone();
        self.is_watching.store(false, Relaxed);
        let gone = std::mem::take(&mut *gone);
        if SESSIONS_MAX < gone.len() {
            return Err(TooMany);
        }
        Ok(gone)
    }

    fn gone(&self) -> MutexGuard<'_, Vec<(SessionKey, SubscriberId)>> {
        // Whoever panicked left whole entries behind.
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(departures: &Departures, number: u8) {
        departures.note(
            SubscriberId::from_bytes([number; 16]),
            SessionKey([number; 16]),
        );
    }

    #[test]
    fn what_ends_is_remembered_only_while_somebody_watches() {
        let departures = Departures::default();
        note(&departures, 1);
        departures.watch();
        note(&departures, 2);
        let gone = departures.take().expect("one is not too many");
        assert_eq!(
            gone,
            [(SessionKey([2; 16]), SubscriberId::from_bytes([2; 16]))]
        );
        note(&departures, 3);
        assert_eq!(departures.take().expect("nobody watched"), []);
    }

    #[test]
    fn too_many_are_not_taken_for_all() {
        let departures = Departures::default();
        departures.watch();
        (0..=SESSIONS_MAX + 5).for_each(|_| note(&departures, 1));
        assert!(departures.take().is_err());
        assert_eq!(departures.take().expect("nothing since"), []);
    }
}
