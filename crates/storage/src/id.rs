//! New ids: UUIDv7 whose order is the order of their making, also within a millisecond.

use std::sync::{Mutex, PoisonError};

use domain::id::Id;
use domain::time::Timestamp;

const MICROS_PER_MILLI: i64 = 1_000;
/// Ids that fit into one millisecond: the 12 bits of `rand_a` (RFC 9562 §6.2, method 1).
const PER_MILLI: u16 = 1 << 12;

/// Where new ids come from. The clock may stand or go back; ids still grow.
#[derive(Debug, Default)]
pub(crate) struct IdSource {
    last: Mutex<(i64, u16)>,
}

impl IdSource {
    pub(crate) fn next<Kind>(&self, now: Timestamp) -> Id<Kind> {
        let (millis, count) = self.advance(now.as_micros().div_euclid(MICROS_PER_MILLI));
        let mut random = rand::random::<[u8; 10]>();
        let [high, low] = count.to_be_bytes();
        random[0] = high;
        random[1] = low;
        Id::new(
            Timestamp::from_micros(millis.saturating_mul(MICROS_PER_MILLI)),
            random,
        )
    }

    fn advance(&self, now_millis: i64) -> (i64, u16) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = match *last {
            (millis, _) if millis < now_millis => (now_millis, 0),
            (millis, count) if count + 1 < PER_MILLI => (millis, count + 1),
            (millis, _) => (millis + 1, 0),
        };
        *last
    }
}

#[cfg(test)]
mod tests {
    use domain::id::SessionId;

    use super::*;

    #[test]
    fn ids_grow_while_the_clock_stands_and_when_it_goes_back() {
        let source = IdSource::default();
        let mut last: Option<SessionId> = None;
        for turn in 0..10_000 {
            let now = Timestamp::from_seconds(if turn < 9_000 { 1_000 } else { 900 });
            let id = source.next(now);
            assert!(last < Some(id));
            last = Some(id);
        }
    }
}
