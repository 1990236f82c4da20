//! Instants: microseconds since 1970-01-01 UTC, as they are stored.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_HOUR: i64 = 3_600;
const SECONDS_PER_DAY: i64 = 86_400;

/// An instant in microseconds UTC. Arithmetic saturates; it never wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{raw}' is not a time: write a date (2026-12-31) or a date and time with zone (2026-12-31T18:00:00Z)"
)]
pub struct TimestampError {
    raw: String,
}

impl Timestamp {
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded towards the past.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(MICROS_PER_SECOND)
    }

    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(
            self.0
                .saturating_add(seconds.saturating_mul(MICROS_PER_SECOND)),
        )
    }

    /// Whole seconds from `earlier` to `self`; negative when `earlier` is later.
    pub const fn seconds_since(self, earlier: Self) -> i64 {
        self.0
            .saturating_sub(earlier.0)
            .div_euclid(MICROS_PER_SECOND)
    }

    /// The full hour (UTC) that this instant is in.
    #[must_use]
    pub const fn hour_start(self) -> Self {
        let seconds = self.as_seconds();
        Self::from_seconds(seconds - seconds.rem_euclid(SECONDS_PER_HOUR))
    }

    /// The midnight (UTC) that begins the day of this instant.
    #[must_use]
    pub const fn day_start(self) -> Self {
        let seconds = self.as_seconds();
        Self::from_seconds(seconds - seconds.rem_euclid(SECONDS_PER_DAY))
    }
}

/// RFC 3339 in UTC, with as many decimals as the value has.
impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(timestamp) => fmt::Display::fmt(&timestamp, formatter),
            Err(_) => write!(formatter, "{} us", self.0),
        }
    }
}

/// A date means its first instant in UTC; a date and time must carry its zone.
impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        if let Ok(timestamp) = raw.parse::<jiff::Timestamp>() {
            return Ok(Self(timestamp.as_microsecond()));
        }
        // A civil time without its zone would be read as a date; ten characters are a date alone.
        raw.get(..10)
            .filter(|date| date.len() == raw.len())
            .unwrap_or_default()
            .parse::<jiff::civil::Date>()
            .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC))
            .map(|zoned| Self(zoned.timestamp().as_microsecond()))
            .map_err(|_| TimestampError {
                raw: raw.to_owned(),
            })
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = String::deserialize(deserializer)?;
        raw.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, expected_micros: Option<i64>) {
        let actual = raw.parse::<Timestamp>().ok().map(Timestamp::as_micros);
        assert_eq!(actual, expected_micros, "{raw}");
    }

    #[test]
    fn timestamp_reads_dates_and_instants_with_zone() {
        check("1970-01-01", Some(0));
        check("1970-01-02", Some(86_400_000_000));
        check("1970-01-01T00:00:01Z", Some(1_000_000));
        check("1970-01-01T03:00:00+03:00", Some(0));
        check("1970-01-01T00:00:00.000001Z", Some(1));
    }

    #[test]
    fn timestamp_refuses_what_has_no_zone_or_no_meaning() {
        check("1970-01-01T00:00:01", None);
        check("tomorrow", None);
        check("", None);
    }

    #[test]
    fn hours_and_days_begin_before_the_instant_also_before_1970() {
        let before = Timestamp::from_seconds(-1);
        assert_eq!(before.hour_start(), Timestamp::from_seconds(-3_600));
        assert_eq!(before.day_start(), Timestamp::from_seconds(-86_400));
        let after = Timestamp::from_seconds(90_061);
        assert_eq!(after.hour_start(), Timestamp::from_seconds(90_000));
        assert_eq!(after.day_start(), Timestamp::from_seconds(86_400));
    }

    #[test]
    fn arithmetic_saturates() {
        let end = Timestamp::from_micros(i64::MAX);
        assert_eq!(end.plus_seconds(1), end);
        assert_eq!(Timestamp::from_seconds(i64::MAX), end);
    }
}
