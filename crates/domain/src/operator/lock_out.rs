//! Who is kept from guessing the passwords of operators, and for how long.

use crate::time::Timestamp;

/// Attempts are forgotten this long after the last one and after its lock.
pub const FORGOTTEN_AFTER_SECONDS: i64 = 3_600;

/// The first lock; each failure behind it doubles it.
const LOCK_SECONDS_MIN: i64 = 30;

/// What attempts are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counter {
    /// The operator whose password is tried.
    Operator,
    /// Where it is tried from.
    Address,
}

/// What is remembered of attempts that failed, or are under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Attempts {
    pub failures: u32,
    pub last_at: Timestamp,
    pub locked_until: Option<Timestamp>,
}

impl Counter {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Address => "address",
        }
    }

    /// Failures before the first lock. Behind one address there may be a whole office.
    const fn failures_free(self) -> u32 {
        match self {
            Self::Operator => 5,
            Self::Address => 20,
        }
    }

    const fn lock_seconds_max(self) -> i64 {
        match self {
            Self::Operator => 900,
            Self::Address => 3_600,
        }
    }
}

impl Attempts {
    /// Whether an attempt is refused without being looked at.
    pub fn are_refused(&self, now: Timestamp) -> bool {
        self.locked_until.is_some_and(|until| now < until)
    }

    /// One attempt more. It counts as failed until it is known to be good, so that attempts that are
    /// made at once are counted like those that come one after the other.
    #[must_use]
    pub fn and_one(&self, counter: Counter, now: Timestamp) -> Self {
        let quiet_since = self.locked_until.unwrap_or_default().max(self.last_at);
        let known = match now.seconds_since(quiet_since) {
            FORGOTTEN_AFTER_SECONDS.. => 0,
            _ => self.failures,
        };
        let failures = known.saturating_add(1);
        let locked_until = failures
            .checked_sub(counter.failures_free())
            .map(|beyond| now.plus_seconds(lock_seconds(counter, beyond)));
        Self {
            failures,
            last_at: now,
            locked_until,
        }
    }
}

fn lock_seconds(counter: Counter, beyond: u32) -> i64 {
    let doubled = 1_i64.checked_shl(beyond.min(32)).unwrap_or(i64::MAX);
    LOCK_SECONDS_MIN
        .saturating_mul(doubled)
        .min(counter.lock_seconds_max())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long the lock is after each of `count` failures, a second after the one before ended.
    fn locks(counter: Counter, count: usize) -> Vec<i64> {
        let mut now = Timestamp::from_seconds(1_000_000);
        let mut attempts = Attempts::default();
        let mut locks = Vec::new();
        for _ in 0..count {
            assert!(!attempts.are_refused(now));
            attempts = attempts.and_one(counter, now);
            let until = attempts.locked_until.unwrap_or(now);
            locks.push(until.seconds_since(now));
            now = until.plus_seconds(1);
        }
        locks
    }

    #[test]
    fn the_fifth_failure_locks_an_operator_and_each_next_one_longer() {
        let expected = [0, 0, 0, 0, 30, 60, 120, 240, 480, 900, 900];
        assert_eq!(locks(Counter::Operator, 11), expected);
    }

    #[test]
    fn an_address_has_more_attempts_and_waits_longer() {
        let locks = locks(Counter::Address, 60);
        assert!(locks[..19].iter().all(|lock| *lock == 0));
        assert_eq!(locks[19..22], [30, 60, 120]);
        assert_eq!(locks[59], 3_600);
    }

    #[test]
    fn a_lock_holds_until_its_end() {
        let start = Timestamp::from_seconds(1_000_000);
        let attempts = (0..5).fold(Attempts::default(), |attempts, _| {
            attempts.and_one(Counter::Operator, start)
        });
        assert!(attempts.are_refused(start.plus_seconds(29)));
        assert!(!attempts.are_refused(start.plus_seconds(30)));
    }

    #[test]
    fn failures_are_forgotten_an_hour_after_the_lock_and_not_before() {
        let start = Timestamp::from_seconds(1_000_000);
        let attempts = Attempts {
            failures: 9,
            last_at: start,
            locked_until: Some(start.plus_seconds(600)),
        };
        let soon = attempts.and_one(Counter::Operator, start.plus_seconds(4_199));
        assert_eq!(soon.failures, 10);
        let late = attempts.and_one(Counter::Operator, start.plus_seconds(4_200));
        assert_eq!((late.failures, late.locked_until), (1, None));
    }
}
