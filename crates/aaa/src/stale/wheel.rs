//! Deadlines in seconds, in a ring of buckets: to move one costs nothing, and to find those that are
//! due costs as much as there are.
//!
//! A key is in one bucket. A deadline that moves leaves it there, and when the bucket's second has
//! come, the key goes to the bucket of its deadline.

use domain::accounting::SessionKey;
use foldhash::fast::RandomState;
use hashbrown::HashMap;

/// Buckets, one a second.
const BUCKETS: u64 = 1_024;

/// How long after a deadline it comes again, unless the key is forgotten or armed anew.
pub(super) const AGAIN: u32 = 60;

/// Deadlines of keys, each with something that its owner wants to know then.
#[derive(Debug)]
pub(super) struct Wheel<T> {
    buckets: Box<[Vec<SessionKey>]>,
    entries: HashMap<SessionKey, Entry<T>, RandomState>,
    /// The last second whose bucket was emptied.
    now: u64,
}

#[derive(Debug)]
struct Entry<T> {
    due: u64,
    /// The second of the bucket that has the key; any other place of it is an old one.
    bucket: u64,
    value: T,
}

impl<T> Default for Wheel<T> {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| Vec::new()).collect(),
            entries: HashMap::default(),
            now: 0,
        }
    }
}

impl<T: Copy> Wheel<T> {
    /// What is known of a key.
    pub(super) fn find_mut(&mut self, key: SessionKey) -> Option<&mut T> {
        self.entries.get_mut(&key).map(|entry| &mut entry.value)
    }

    /// Sets the deadline of a key, whatever it was before. What is past is due at once.
    pub(super) fn arm(&mut self, key: SessionKey, due: u64, value: T) {
        let due = due.max(self.now + 1);
        let bucket = due.min(self.now + BUCKETS - 1);
        match self.entries.get_mut(&key) {
            // The bucket that it is in comes before the deadline.
            Some(entry) if entry.bucket <= due => {
                entry.due = due;
                entry.value = value;
            }
            Some(_) | None => {
                self.entries.insert(key, Entry { due, bucket, value });
                self.bucket(bucket).push(key);
            }
        }
    }

    pub(super) fn forget(&mut self, key: SessionKey) {
        self.entries.remove(&key);
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Goes on to a second and gives what is due by then, at most about `limit`; the rest comes a
    /// second later.
    pub(super) fn advance(&mut self, to: u64, limit: usize) -> Vec<(SessionKey, T)> {
        let mut due = Vec::new();
        while self.now < to {
            self.now += 1;
            let now = self.now;
            let keys = std::mem::take(self.bucket(now));
            for key in keys {
                let Some(entry) = self.entries.get_mut(&key) else {
                    continue;
                };
                if entry.bucket != now {
                    continue;
                }
                entry.bucket = if now < entry.due {
                    entry.due.min(now + BUCKETS - 1)
                } else if due.len() < limit {
                    due.push((key, entry.value));
                    entry.due = now + u64::from(AGAIN);
                    entry.due
                } else {
                    now + 1
                };
                let bucket = entry.bucket;
                self.bucket(bucket).push(key);
            }
        }
        due
    }

    fn bucket(&mut self, second: u64) -> &mut Vec<SessionKey> {
        &mut self.buckets[(second % BUCKETS) as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const fn key(number: u8) -> SessionKey {
        SessionKey([number; 16])
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Arm { key: u8, after: u32 },
        Forget { key: u8 },
        Pass { seconds: u64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..8_u8, prop_oneof![1..10_u32, 1_000..1_050_u32, 1..5_000_u32])
                .prop_map(|(key, after)| Step::Arm { key, after }),
            1 => (0..8_u8).prop_map(|key| Step::Forget { key }),
            3 => prop_oneof![1..5_u64, 1..1_500_u64].prop_map(|seconds| Step::Pass { seconds }),
        ]
    }

    proptest! {
        #[test]
        fn each_deadline_comes_once_and_in_its_second(
            steps in prop::collection::vec(step(), 0..200),
        ) {
            let mut wheel = Wheel::default();
            let mut model = BTreeMap::<u8, u64>::new();
            let mut now = 0_u64;
            for step in steps {
                match step {
                    Step::Arm { key: number, after } => {
                        wheel.arm(key(number), now + u64::from(after), number);
                        model.insert(number, now + u64::from(after));
                    }
                    Step::Forget { key: number } => {
                        wheel.forget(key(number));
                        model.remove(&number);
                    }
                    Step::Pass { seconds } => {
                        for second in now + 1..=now + seconds {
                            let mut found: Vec<u8> =
                                wheel.advance(second, 100).into_iter().map(|(_, value)| value).collect();
                            found.sort_unstable();
                            let expected: Vec<u8> = model
                                .iter()
                                .filter(|(_, due)| **due == second)
                                .map(|(number, _)| *number)
                                .collect();
                            prop_assert_eq!(&found, &expected);
                            for number in expected {
                                wheel.forget(key(number));
                                model.remove(&number);
                            }
                        }
                        now += seconds;
                    }
                }
                prop_assert_eq!(wheel.len(), model.len());
            }
        }
    }

    #[test]
    fn what_nobody_took_care_of_comes_again() {
        let mut wheel = Wheel::default();
        wheel.arm(key(1), 10, 1_u8);
        assert_eq!(wheel.advance(10, 100).len(), 1);
        assert_eq!(wheel.advance(10 + u64::from(AGAIN) - 1, 100).len(), 0);
        assert_eq!(wheel.advance(10 + u64::from(AGAIN), 100).len(), 1);
    }

    #[test]
    fn more_than_the_limit_comes_a_second_later() {
        let mut wheel = Wheel::default();
        for number in 0..5 {
            wheel.arm(key(number), 3, number);
        }
        assert_eq!(wheel.advance(3, 2).len(), 2);
        assert_eq!(wheel.advance(4, 2).len(), 2);
        assert_eq!(wheel.advance(5, 2).len(), 1);
    }

    #[test]
    fn a_second_that_was_slept_through_is_made_up_for() {
        let mut wheel = Wheel::default();
        wheel.arm(key(1), 10, 1_u8);
        wheel.arm(key(2), 3_000, 2_u8);
        let due: Vec<u8> = wheel
            .advance(5_000, 1)
            .into_iter()
            .map(|(_, one)| one)
            .collect();
        assert_eq!(due, [1]);
        assert_eq!(wheel.advance(5_001, 1).len(), 1);
    }
}
