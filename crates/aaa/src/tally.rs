//! What one worker counts, added up before the others see it: a counter that several cores write
//! for each packet is memory that they wait for each other for.

use std::sync::Arc;

use crate::metrics::{Count, Drop, Metrics};

/// Counts that are not in the metrics yet.
#[derive(Debug)]
pub(crate) struct Tally {
    metrics: Arc<Metrics>,
    drops: [u64; Drop::ALL.len()],
    counts: [u64; Count::ALL.len()],
    is_published: bool,
}

impl Tally {
    pub(crate) const fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            drops: [0; Drop::ALL.len()],
            counts: [0; Count::ALL.len()],
            is_published: true,
        }
    }

    pub(crate) const fn count(&mut self, count: Count) {
        self.add(count, 1);
    }

    pub(crate) const fn add(&mut self, count: Count, amount: u64) {
        self.counts[count as usize] += amount;
        self.is_published = false;
    }

    pub(crate) const fn count_drop(&mut self, drop: Drop) {
        self.drops[drop as usize] += 1;
        self.is_published = false;
    }

    /// Moves the counts into the metrics.
    pub(crate) fn publish(&mut self) {
        if self.is_published {
            return;
        }
        for (drop, amount) in Drop::ALL.into_iter().zip(&mut self.drops) {
            if 0 < *amount {
                self.metrics.add_drops(drop, std::mem::take(amount));
            }
        }
        for (count, amount) in Count::ALL.into_iter().zip(&mut self.counts) {
            if 0 < *amount {
                self.metrics.add(count, std::mem::take(amount));
            }
        }
        self.is_published = true;
    }
}

/// Also what was counted before a panic reaches the metrics.
impl std::ops::Drop for Tally {
    fn drop(&mut self) {
        self.publish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_published_once() {
        let metrics = Arc::new(Metrics::new());
        let mut tally = Tally::new(Arc::clone(&metrics));
        tally.count(Count::AccessRequest);
        tally.add(Count::AccessRequest, 2);
        tally.count_drop(Drop::Malformed);
        assert_eq!(metrics.value(Count::AccessRequest), 0);
        tally.publish();
        tally.publish();
        tally.count_drop(Drop::Malformed);
        drop(tally);
        let seen = (
            metrics.value(Count::AccessRequest),
            metrics.drops(Drop::Malformed),
        );
        assert_eq!(seen, (3, 2));
    }
}
