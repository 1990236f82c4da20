//! A bad line: datagrams lost, doubled, overtaken and delayed, repeatably from a seed; no socket.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;
use serde::Serialize;

/// How often each thing goes wrong, in both directions; nothing does by default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// Datagrams that never arrive.
    pub loss: Rate,
    /// Datagrams that arrive twice.
    pub duplication: Rate,
    /// Datagrams that are held back until the next one has passed.
    pub reordering: Rate,
    /// The longest time that a datagram takes; each takes a random part of it.
    pub delay: Duration,
}

/// A share of all datagrams, from 0 to 0.9, so that a run always ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Rate(f64);

/// Why a number is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{raw}' is not a fault rate: write a share from 0 to 0.9, or 0% to 90%")]
pub struct RateError {
    raw: String,
}

impl Rate {
    /// The largest rate.
    pub const MAX: f64 = 0.9;

    /// Takes a share from 0 to 0.9.
    pub fn new(share: f64) -> Result<Self, RateError> {
        if (0.0..=Self::MAX).contains(&share) {
            Ok(Self(share))
        } else {
            let raw = share.to_string();
            Err(RateError { raw })
        }
    }

    /// The share.
    #[must_use]
    pub const fn share(self) -> f64 {
        self.0
    }
}

impl Faults {
    /// Whether nothing goes wrong.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let error = || RateError { raw: raw.into() };
        let share = match raw.strip_suffix('%') {
            Some(percent) => percent.parse::<f64>().map_err(|_| error())? / 100.0,
            None => raw.parse().map_err(|_| error())?,
        };
        Self::new(share).map_err(|_| error())
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}%", self.0 * 100.0)
    }
}

/// Datagrams that one direction of a bad line has on their way at most; more are lost.
const UNDER_WAY_MAX: usize = 65_536;

/// One direction of a bad line. At most one datagram is held back at a time.
#[derive(Debug)]
pub(crate) struct BadLine {
    faults: Faults,
    random: StdRng,
    held: Option<Vec<u8>>,
    /// Soonest first, with a number that keeps the order of those that arrive at once.
    under_way: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>>,
    number: u64,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Passage {
    /// It went through.
    Passed,
    /// It is gone.
    Lost,
    /// It went through twice.
    Doubled,
    /// It waits for the next one to overtake it.
    Held,
}

impl BadLine {
    pub(crate) const fn new(faults: Faults, random: StdRng) -> Self {
        Self {
            faults,
            random,
            held: None,
            under_way: BinaryHeap::new(),
            number: 0,
        }
    }

    /// Puts a datagram in; [`Self::pop`] gives what comes out.
    pub(crate) fn push(&mut self, datagram: &[u8], now: Instant) -> Passage {
        if UNDER_WAY_MAX <= self.under_way.len() || self.happens(self.faults.loss) {
            return Passage::Lost;
        }
        if self.held.is_none() && self.happens(self.faults.reordering) {
            self.held = Some(datagram.to_vec());
            return Passage::Held;
        }
        self.dispatch(datagram.to_vec(), now);
        let is_doubled = self.happens(self.faults.duplication);
        if is_doubled {
            self.dispatch(datagram.to_vec(), now);
        }
        if let Some(held) = self.held.take() {
            self.dispatch(held, now);
        }
        if is_doubled {
            Passage::Doubled
        } else {
            Passage::Passed
        }
    }

    /// The next datagram that has arrived.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Vec<u8>> {
        if now < self.next_arrival()? {
            return None;
        }
        let Reverse((_, _, datagram)) = self.under_way.pop()?;
        Some(datagram)
    }

    /// When the next datagram arrives, if one is under way.
    pub(crate) fn next_arrival(&self) -> Option<Instant> {
        self.under_way.peek().map(|Reverse((at, _, _))| *at)
    }

    fn dispatch(&mut self, datagram: Vec<u8>, now: Instant) {
        let delay = if self.faults.delay.is_zero() {
            Duration::ZERO
        } else {
            self.random.random_range(Duration::ZERO..=self.faults.delay)
        };
        self.number += 1;
        self.under_way
            .push(Reverse((now + delay, self.number, datagram)));
    }

    fn happens(&mut self, rate: Rate) -> bool {
        rate.share() > 0.0 && self.random.random_bool(rate.share())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[track_caller]
    fn check_rate(raw: &str, expected: Option<f64>) {
        assert_eq!(raw.parse::<Rate>().ok().map(Rate::share), expected, "{raw}");
    }

    #[test]
    fn rate_is_a_share_below_one() {
        check_rate("0", Some(0.0));
        check_rate("0.25", Some(0.25));
        check_rate("10%", Some(0.1));
        check_rate("90%", Some(0.9));
        check_rate("91%", None);
        check_rate("-0.1", None);
        check_rate("nan", None);
        check_rate("often", None);
    }

    fn line(loss: f64, duplication: f64, reordering: f64) -> BadLine {
        slow_line(loss, duplication, reordering, Duration::ZERO)
    }

    fn slow_line(loss: f64, duplication: f64, reordering: f64, delay: Duration) -> BadLine {
        let rate = |share| Rate::new(share).unwrap();
        let faults = Faults {
            loss: rate(loss),
            duplication: rate(duplication),
            reordering: rate(reordering),
            delay,
        };
        BadLine::new(faults, random::generator(Some(7)))
    }

    fn arrived(line: &mut BadLine, now: Instant) -> Vec<u8> {
        std::iter::from_fn(|| line.pop(now)).flatten().collect()
    }

    fn pass(line: &mut BadLine, count: u8) -> Vec<u8> {
        let now = Instant::now();
        for number in 0..count {
            line.push(&[number], now);
        }
        arrived(line, now)
    }

    #[test]
    fn good_line_changes_nothing() {
        assert_eq!(pass(&mut line(0.0, 0.0, 0.0), 5), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn lossy_line_loses_about_its_share() {
        let passed = pass(&mut line(0.5, 0.0, 0.0), 200).len();
        assert!((70..130).contains(&passed), "{passed}");
    }

    #[test]
    fn doubling_line_repeats_at_once() {
        let passed = pass(&mut line(0.0, 0.9, 0.0), 100);
        assert!((180..=200).contains(&passed.len()), "{}", passed.len());
        assert!(passed.is_sorted());
    }

    #[test]
    fn overtaken_datagram_comes_right_after_the_next() {
        let passed = pass(&mut line(0.0, 0.0, 0.5), 100);
        assert!(!passed.is_sorted());
        for (at, number) in passed.iter().enumerate() {
            assert!(at.abs_diff(usize::from(*number)) <= 1, "{passed:?}");
        }
    }

    #[test]
    fn slow_line_gives_everything_back_in_time_and_out_of_order() {
        let delay = Duration::from_millis(10);
        let mut line = slow_line(0.0, 0.0, 0.0, delay);
        let begin = Instant::now();
        for number in 0..100 {
            line.push(&[number], begin);
        }
        let mut passed = arrived(&mut line, begin + delay / 2);
        assert!((20..80).contains(&passed.len()), "{passed:?}");
        let next = line.next_arrival().unwrap();
        assert!(begin + delay / 2 < next && next <= begin + delay);
        passed.extend(arrived(&mut line, begin + delay));
        assert!(!passed.is_sorted());
        passed.sort_unstable();
        assert_eq!(passed, (0..100).collect::<Vec<u8>>());
        assert_eq!(line.next_arrival(), None);
    }

    #[test]
    fn line_that_is_full_loses() {
        let mut line = slow_line(0.0, 0.0, 0.0, Duration::from_secs(1));
        let now = Instant::now();
        for _ in 0..UNDER_WAY_MAX {
            assert_eq!(line.push(&[], now), Passage::Passed);
        }
        assert_eq!(line.push(&[], now), Passage::Lost);
    }

    #[test]
    fn same_seed_gives_the_same_line() {
        let passed = |line: &mut BadLine| pass(line, 100);
        assert_eq!(
            passed(&mut line(0.3, 0.3, 0.3)),
            passed(&mut line(0.3, 0.3, 0.3))
        );
    }
}
