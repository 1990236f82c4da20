//! When a quota was reached, by the usage of hours.

use crate::limit::{Measure, Span};
use crate::time::Timestamp;
use crate::usage::{UsageAmount, UsageBucket};

/// The hour in which the usage since the beginning of a span reached an amount. The hours come in
/// their order; what was moved in an hour that the span begins in counts whole.
pub fn reached_at(
    hours: &[UsageBucket],
    span: Span,
    measure: Measure,
    amount: u64,
) -> Option<Timestamp> {
    let begin = span.starts_at.hour_start();
    let mut used = UsageAmount::default();
    let within = hours
        .iter()
        .filter(|hour| begin <= hour.starts_at && hour.starts_at < span.ends_at);
    for hour in within {
        used = used.plus(hour.amount);
        if amount <= measure.of(used) {
            return Some(hour.starts_at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(number: i64, download_bytes: u64) -> UsageBucket {
        UsageBucket {
            starts_at: Timestamp::from_seconds(number * 3_600),
            amount: UsageAmount {
                download_bytes,
                session_seconds: 600,
                ..UsageAmount::default()
            },
        }
    }

    #[track_caller]
    fn check(measure: Measure, amount: u64, expected: Option<i64>) {
        let hours = [
            hour(1, 900),
            hour(9, 10),
            hour(11, 40),
            hour(12, 50),
            hour(20, 900),
        ];
        let span = Span {
            starts_at: Timestamp::from_seconds(9 * 3_600 + 1_800),
            ends_at: Timestamp::from_seconds(15 * 3_600),
        };
        let found = reached_at(&hours, span, measure, amount);
        let expected = expected.map(|hour| Timestamp::from_seconds(hour * 3_600));
        assert_eq!(found, expected, "{measure:?} {amount}");
    }

    #[test]
    fn a_quota_is_reached_in_the_hour_that_fills_it() {
        check(Measure::Traffic, 10, Some(9));
        check(Measure::Traffic, 50, Some(11));
        check(Measure::Download, 51, Some(12));
        check(Measure::Traffic, 101, None);
        check(Measure::Upload, 1, None);
        check(Measure::Time, 1_200, Some(11));
    }
}
