//! Top-ups: volume and time that were bought beyond a plan's quotas. They are used when the quotas
//! are used up, what ends first before the rest.

use std::fmt;

use serde::Serialize;

use super::{Measure, Period, Quotas};
use crate::id::TopUpId;
use crate::time::Timestamp;
use crate::usage::UsageAmount;

/// What a top-up adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TopUpMeasure {
    /// Bytes in both directions.
    Data,
    /// Seconds online.
    Time,
}

/// A purchase, and what is used of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct TopUp {
    pub id: TopUpId,
    pub measure: TopUpMeasure,
    /// Bytes, or seconds.
    pub amount: u64,
    pub used: u64,
    /// What is left of it then is lost; until it is used up when absent.
    pub ends_at: Option<Timestamp>,
}

/// What quotas allow in one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Allowed {
    traffic: Option<u64>,
    seconds: Option<u64>,
}

/// What was used beyond quotas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Beyond {
    pub bytes: u64,
    pub seconds: u64,
}

/// What top-ups have left, and until when all of that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Left {
    pub(super) amount: u64,
    pub(super) until: Option<Timestamp>,
}

impl TopUpMeasure {
    const ALL: [Self; 2] = [Self::Data, Self::Time];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Time => "time",
        }
    }

    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// What adds to a quota of this measure. Nothing adds to those of one direction: beside them it
    /// could not be said whose bytes were bought.
    pub const fn of(measure: Measure) -> Option<Self> {
        match measure {
            Measure::Traffic => Some(Self::Data),
            Measure::Upload | Measure::Download => None,
            Measure::Time => Some(Self::Time),
        }
    }
}

impl fmt::Display for TopUpMeasure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl TopUp {
    /// What may still be used of it.
    pub fn left(&self, now: Timestamp) -> u64 {
        match self.ends_at {
            Some(end) if end <= now => 0,
            Some(_) | None => self.amount.saturating_sub(self.used),
        }
    }
}

/// What top-ups of a measure have left.
pub(super) fn left(top_ups: &[TopUp], measure: TopUpMeasure, now: Timestamp) -> Left {
    let mut sum = Left::default();
    for top_up in top_ups.iter().filter(|one| one.measure == measure) {
        let left = top_up.left(now);
        if left == 0 {
            continue;
        }
        sum.amount = sum.amount.saturating_add(left);
        sum.until = [sum.until, top_up.ends_at].into_iter().flatten().min();
    }
    sum
}

/// Takes what was used beyond the quotas from the top-ups, from what ends first before the rest.
/// Returns the places of those that changed.
pub fn consume(top_ups: &mut [TopUp], beyond: Beyond, now: Timestamp) -> Vec<usize> {
    let mut order: Vec<usize> = (0..top_ups.len()).collect();
    order.sort_by_key(|place| {
        let top_up = &top_ups[*place];
        (top_up.ends_at.is_none(), top_up.ends_at, top_up.id)
    });
    let Beyond {
        mut bytes,
        mut seconds,
    } = beyond;
    order.retain(|place| {
        let top_up = &mut top_ups[*place];
        let due = match top_up.measure {
            TopUpMeasure::Data => &mut bytes,
            TopUpMeasure::Time => &mut seconds,
        };
        let part = top_up.left(now).min(*due);
        top_up.used += part;
        *due -= part;
        0 < part
    });
    order
}

impl Allowed {
    /// What quotas allow in periods of this kind.
    pub fn of(quotas: &Quotas, period: Period) -> Self {
        let mut allowed = Self::default();
        for quota in quotas.iter().filter(|quota| quota.period == period) {
            match TopUpMeasure::of(quota.measure) {
                Some(TopUpMeasure::Data) => allowed.traffic = Some(quota.amount()),
                Some(TopUpMeasure::Time) => allowed.seconds = Some(quota.amount()),
                None => {}
            }
        }
        allowed
    }

    /// How much of what was added to a period went beyond.
    pub fn beyond(self, before: UsageAmount, after: UsageAmount) -> Beyond {
        let over = |allowed: Option<u64>, measure: Measure| {
            allowed.map_or(0, |amount| {
                let over = |used| measure.of(used).saturating_sub(amount);
                over(after).saturating_sub(over(before))
            })
        };
        Beyond {
            bytes: over(self.traffic, Measure::Traffic),
            seconds: over(self.seconds, Measure::Time),
        }
    }
}

impl Beyond {
    pub const fn is_nothing(self) -> bool {
        self.bytes == 0 && self.seconds == 0
    }

    /// What goes beyond several quotas at once is taken from the top-ups once.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.max(other.bytes),
            seconds: self.seconds.max(other.seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn top_up(number: u8, measure: TopUpMeasure, amount: u64, ends_in: Option<i64>) -> TopUp {
        TopUp {
            id: TopUpId::from_bytes([number; 16]),
            measure,
            amount,
            used: 0,
            ends_at: ends_in.map(|seconds| NOW.plus_seconds(seconds)),
        }
    }

    #[test]
    fn what_ends_first_is_used_first() {
        let mut all = [
            top_up(1, TopUpMeasure::Data, 10, None),
            top_up(2, TopUpMeasure::Data, 10, Some(60)),
            top_up(3, TopUpMeasure::Time, 10, None),
            top_up(4, TopUpMeasure::Data, 10, Some(0)),
            top_up(5, TopUpMeasure::Data, 10, Some(30)),
        ];
        let beyond = Beyond {
            bytes: 23,
            seconds: 4,
        };
        let changed = consume(&mut all, beyond, NOW);
        assert_eq!(all.map(|one| one.used), [3, 10, 4, 0, 10]);
        assert_eq!(changed, [4, 1, 0, 2]);
        let rest = left(&all, TopUpMeasure::Data, NOW);
        let expected = Left {
            amount: 7,
            until: None,
        };
        assert_eq!(rest, expected);
        consume(&mut all, beyond, NOW);
        assert_eq!(all.map(|one| one.used), [10, 10, 8, 0, 10]);
    }

    #[test]
    fn all_of_it_is_there_until_the_first_end() {
        let all = [
            top_up(1, TopUpMeasure::Data, 10, Some(60)),
            top_up(2, TopUpMeasure::Data, 10, Some(30)),
        ];
        let rest = left(&all, TopUpMeasure::Data, NOW);
        let until = Some(NOW.plus_seconds(30));
        assert_eq!(rest, Left { amount: 20, until });
        let later = left(&all, TopUpMeasure::Data, NOW.plus_seconds(30));
        assert_eq!(later.amount, 10);
    }

    #[test]
    fn beyond_several_quotas_is_beyond_once() {
        let quotas: Quotas = "10/day,upload:5/day,time:60/day,100/month"
            .parse()
            .expect("quotas");
        let used = |upload_bytes, download_bytes, session_seconds| UsageAmount {
            upload_bytes,
            download_bytes,
            session_seconds,
        };
        let day = Allowed::of(&quotas, Period::Day);
        let beyond = day.beyond(used(4, 0, 50), used(8, 4, 70));
        assert_eq!((beyond.bytes, beyond.seconds), (2, 10));
        let month = Allowed::of(&quotas, Period::Month);
        let over = month.beyond(used(50, 49, 0), used(60, 50, 0));
        assert_eq!(over.or(beyond).bytes, 10);
        assert!(
            Allowed::default()
                .beyond(used(0, 0, 0), used(9, 9, 9))
                .is_nothing()
        );
    }
}
