//! The client's side of a transaction: identifiers and when to send again.

use std::time::Duration;

/// The identifiers of one source port towards one server: each pairs one request with its reply (RFC 2865 §3).
///
/// They go round, so that one which has just been released rests as long as possible before it is used again.
#[derive(Clone, Debug, Default)]
pub struct IdentifierPool {
    taken: [u64; 4],
    taken_count: u16,
    next: u8,
}

impl IdentifierPool {
    /// Identifiers in all.
    pub const SIZE: usize = 256;

    /// A pool with nothing taken.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes an identifier, or `None` when all 256 are waiting for replies: the caller opens another port.
    pub fn acquire(&mut self) -> Option<u8> {
        let first = self.next;
        let identifier = (0..=u8::MAX)
            .map(|step| first.wrapping_add(step))
            .find(|number| !self.is_taken(*number))?;
        self.taken[Self::word(identifier)] |= Self::bit(identifier);
        self.taken_count += 1;
        self.next = identifier.wrapping_add(1);
        Some(identifier)
    }

    /// Gives an identifier back; one that is not taken is left alone.
    pub fn release(&mut self, identifier: u8) {
        if self.is_taken(identifier) {
            self.taken[Self::word(identifier)] &= !Self::bit(identifier);
            self.taken_count -= 1;
        }
    }

    /// Whether a request with this identifier is waiting.
    #[must_use]
    pub const fn is_taken(&self, identifier: u8) -> bool {
        self.taken[Self::word(identifier)] & Self::bit(identifier) != 0
    }

    /// Identifiers that are taken.
    #[must_use]
    pub fn taken_count(&self) -> usize {
        usize::from(self.taken_count)
    }

    const fn word(identifier: u8) -> usize {
        (identifier >> 6) as usize
    }

    const fn bit(identifier: u8) -> u64 {
        1 << (identifier & 63)
    }
}

/// When a request is sent again and when it is given up (RFC 5080 §2.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// IRT: how long the first transmission waits for its reply.
    pub initial: Duration,
    /// MRT: how long any later transmission waits at most; `None` for no limit.
    pub interval_max: Option<Duration>,
    /// MRC: how often the request is sent in all; `None` for no limit.
    pub transmissions_max: Option<u32>,
    /// MRD: how long the exchange lasts at most; `None` for no limit.
    pub duration_max: Option<Duration>,
}

impl Schedule {
    /// The values that RFC 5080 §2.2.1 recommends: 2 s, at most 16 s, 5 times, 30 s.
    pub const RECOMMENDED: Self = Self {
        initial: Duration::from_secs(2),
        interval_max: Some(Duration::from_secs(16)),
        transmissions_max: Some(5),
        duration_max: Some(Duration::from_secs(30)),
    };
}

impl Default for Schedule {
    fn default() -> Self {
        Self::RECOMMENDED
    }
}

/// One request's way through its [`Schedule`].
#[derive(Clone, Debug)]
pub struct Retransmission {
    schedule: Schedule,
    transmissions: u32,
    interval: Duration,
    deadline: Duration,
}

/// What to do now; all times count from the first transmission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send the request, byte for byte the same each time, and ask again at `until`.
    Send { until: Duration },
    /// Nothing yet; ask again at `until`.
    Wait { until: Duration },
    /// No reply came in time.
    GiveUp,
}

impl Retransmission {
    /// A request that has not been sent yet.
    #[must_use]
    pub const fn new(schedule: Schedule) -> Self {
        Self {
            schedule,
            transmissions: 0,
            interval: Duration::ZERO,
            deadline: Duration::ZERO,
        }
    }

    /// What to do when `elapsed` has passed since the first transmission (zero for the first call).
    ///
    /// `jitter` is a fresh random number from -0.1 to 0.1 (RAND in RFC 5080 §2.2.1); others are clamped to that.
    pub fn poll(&mut self, elapsed: Duration, jitter: f64) -> Step {
        if self.transmissions > 0 && elapsed < self.deadline {
            return Step::Wait {
                until: self.deadline,
            };
        }
        let is_used_up = self
            .schedule
            .transmissions_max
            .is_some_and(|max| max <= self.transmissions);
        let is_late = self.schedule.duration_max.is_some_and(|max| max <= elapsed);
        if is_used_up || is_late {
            return Step::GiveUp;
        }
        self.interval = self.next_interval(jitter);
        self.transmissions = self.transmissions.saturating_add(1);
        let until = elapsed.saturating_add(self.interval);
        self.deadline = self
            .schedule
            .duration_max
            .map_or(until, |max| until.min(max));
        Step::Send {
            until: self.deadline,
        }
    }

    /// How often the request has been sent.
    #[must_use]
    pub const fn transmissions(&self) -> u32 {
        self.transmissions
    }

    fn next_interval(&self, jitter: f64) -> Duration {
        let jitter = if jitter.is_nan() {
            0.0
        } else {
            jitter.clamp(-0.1, 0.1)
        };
        let interval = if self.transmissions == 0 {
            scale(self.schedule.initial, 1.0 + jitter)
        } else {
            scale(self.interval, 2.0 + jitter)
        };
        match self.schedule.interval_max {
            Some(max) if max < interval => scale(max, 1.0 + jitter),
            Some(_) | None => interval,
        }
    }
}

fn scale(duration: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pool_hands_out_each_identifier_once() {
        let mut pool = IdentifierPool::new();
        let taken: Vec<u8> = std::iter::from_fn(|| pool.acquire()).collect();
        assert_eq!(taken, (0..=u8::MAX).collect::<Vec<_>>());
        assert_eq!(
            (pool.taken_count(), pool.acquire()),
            (IdentifierPool::SIZE, None)
        );
        pool.release(77);
        pool.release(77);
        assert_eq!(pool.taken_count(), 255);
        assert_eq!((pool.acquire(), pool.acquire()), (Some(77), None));
    }

    #[test]
    fn pool_lets_a_released_identifier_rest() {
        let mut pool = IdentifierPool::new();
        let first = pool.acquire().unwrap();
        pool.release(first);
        let rest: Vec<u8> = std::iter::from_fn(|| pool.acquire()).collect();
        assert_eq!((rest.len(), rest.last()), (256, Some(&first)));
    }

    /// Polls at each deadline and checks when the request was sent and given up, in milliseconds.
    #[track_caller]
    fn check(schedule: Schedule, jitter: f64, sent: &[u64], given_up: u64) {
        let mut retransmission = Retransmission::new(schedule);
        let (mut now, mut actual) = (Duration::ZERO, Vec::new());
        while let Step::Send { until } = retransmission.poll(now, jitter) {
            actual.push(now.as_millis());
            assert_eq!(retransmission.poll(now, jitter), Step::Wait { until });
            now = until;
        }
        assert_eq!(
            actual,
            sent.iter()
                .map(|sent| u128::from(*sent))
                .collect::<Vec<_>>()
        );
        assert_eq!(now.as_millis(), u128::from(given_up));
        assert_eq!(
            usize::try_from(retransmission.transmissions()),
            Ok(sent.len())
        );
        assert_eq!(retransmission.poll(now, jitter), Step::GiveUp);
    }

    #[test]
    fn recommended_schedule_doubles_until_30_seconds() {
        check(Schedule::RECOMMENDED, 0.0, &[0, 2000, 6000, 14_000], 30_000);
        check(
            Schedule::RECOMMENDED,
            -0.1,
            &[0, 1800, 5220, 11_718, 24_064],
            30_000,
        );
        check(Schedule::RECOMMENDED, 0.1, &[0, 2200, 6820, 16_522], 30_000);
    }

    #[test]
    fn interval_is_limited_before_jitter() {
        let interval_max = Some(Duration::from_secs(3));
        let schedule = Schedule {
            interval_max,
            duration_max: None,
            ..Schedule::RECOMMENDED
        };
        check(schedule, 0.0, &[0, 2000, 5000, 8000, 11_000], 14_000);
        check(schedule, 0.1, &[0, 2200, 5500, 8800, 12_100], 15_400);
    }

    #[test]
    fn jitter_beyond_the_rfc_is_clamped() {
        let schedule = Schedule {
            transmissions_max: Some(1),
            ..Schedule::RECOMMENDED
        };
        check(schedule, 7.0, &[0], 2200);
        check(schedule, -7.0, &[0], 1800);
        check(schedule, f64::NAN, &[0], 2000);
    }

    #[test]
    fn late_poll_counts_from_the_transmission_itself() {
        let mut retransmission = Retransmission::new(Schedule::RECOMMENDED);
        let seconds = Duration::from_secs;
        assert_eq!(
            retransmission.poll(seconds(0), 0.0),
            Step::Send { until: seconds(2) }
        );
        assert_eq!(
            retransmission.poll(seconds(5), 0.0),
            Step::Send { until: seconds(9) }
        );
        assert_eq!(retransmission.poll(seconds(40), 0.0), Step::GiveUp);
    }

    #[test]
    fn huge_times_saturate() {
        let schedule = Schedule {
            initial: Duration::MAX,
            interval_max: None,
            transmissions_max: None,
            duration_max: None,
        };
        let mut retransmission = Retransmission::new(schedule);
        assert_eq!(
            retransmission.poll(Duration::MAX, 0.1),
            Step::Send {
                until: Duration::MAX
            }
        );
        assert_eq!(
            retransmission.poll(Duration::MAX, 0.1),
            Step::Send {
                until: Duration::MAX
            }
        );
    }
}
