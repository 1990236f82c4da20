//! Devices that subscribers were accepted with, as fingerprints: a fixed amount of memory, written
//! without locks.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Fingerprints that there is room for; a newer one may take the place of an older one.
const PLACES: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Familiar(Box<[AtomicU64]>);

impl Familiar {
    pub(super) fn new() -> Self {
        Self((0..PLACES).map(|_| AtomicU64::new(0)).collect())
    }

    /// Knows nobody and remembers nobody.
    pub(super) fn none() -> Self {
        Self(Box::default())
    }

    pub(super) fn remember(&self, fingerprint: u64) {
        let Some([first, second]) = self.places(fingerprint) else {
            return;
        };
        let fingerprint = fingerprint.max(1);
        let known = first.load(Relaxed);
        if known == fingerprint {
            return;
        }
        // The newest is first, and the one before it second.
        first.store(fingerprint, Relaxed);
        second.store(known, Relaxed);
    }

    pub(super) fn knows(&self, fingerprint: u64) -> bool {
        let places = self.places(fingerprint);
        let fingerprint = fingerprint.max(1);
        places.is_some_and(|places| {
            let mut known = places.into_iter().map(|place| place.load(Relaxed));
            known.any(|known| known == fingerprint)
        })
    }

    /// The two places that a fingerprint may be in.
    fn places(&self, fingerprint: u64) -> Option<[&AtomicU64; 2]> {
        let (pairs, []) = self.0.as_chunks::<2>() else {
            return None;
        };
        let pair = (fingerprint >> 32) as usize;
        let [first, second] = pairs.get(pair.checked_rem(pairs.len())?)?;
        Some([first, second])
    }
}
