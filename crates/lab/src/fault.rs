//! A bad line: datagrams lost, doubled and overtaken, repeatably from a seed; no socket.

use std::fmt;
use std::str::FromStr;

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

/// One direction of a bad line. At most one datagram is held back at a time.
#[derive(Debug)]
pub(crate) struct BadLine {
    faults: Faults,
    random: StdRng,
    held: Option<Vec<u8>>,
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
        }
    }

    /// Puts a datagram in; what comes out, in order, is appended to `out`: at most three.
    pub(crate) fn push(&mut self, datagram: &[u8], out: &mut Vec<Vec<u8>>) -> Passage {
        if self.happens(self.faults.loss) {
            return Passage::Lost;
        }
        if self.held.is_none() && self.happens(self.faults.reordering) {
            self.held = Some(datagram.to_vec());
            return Passage::Held;
        }
        out.push(datagram.to_vec());
        let is_doubled = self.happens(self.faults.duplication);
        if is_doubled {
            out.push(datagram.to_vec());
        }
        out.extend(self.held.take());
        if is_doubled {
            Passage::Doubled
        } else {
            Passage::Passed
        }
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
        let rate = |share| Rate::new(share).unwrap();
        let faults = Faults {
            loss: rate(loss),
            duplication: rate(duplication),
            reordering: rate(reordering),
        };
        BadLine::new(faults, random::generator(Some(7)))
    }

    fn pass(line: &mut BadLine, count: u8) -> Vec<u8> {
        let mut out = Vec::new();
        for number in 0..count {
            line.push(&[number], &mut out);
        }
        out.concat()
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
    fn same_seed_gives_the_same_line() {
        let passed = |line: &mut BadLine| pass(line, 100);
        assert_eq!(
            passed(&mut line(0.3, 0.3, 0.3)),
            passed(&mut line(0.3, 0.3, 0.3))
        );
    }
}
