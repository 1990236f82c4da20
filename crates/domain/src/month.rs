//! Calendar months in UTC: what history is cut into.

use std::fmt;
use std::str::FromStr;

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::time::Timestamp;

const FIRST_YEAR: i16 = 1_970;
/// The calendar ends in 9999, and a month has an end.
const LAST_YEAR: i16 = 9_998;

/// A month from January 1970 to December 9998. It is written `2026-11`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    first_day: Date,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{raw}' is not a month: write a year and a month (2026-11)")]
pub struct MonthError {
    raw: String,
}

impl Month {
    /// The month that an instant is in, or nothing before 1970 and after 9998.
    pub fn containing(at: Timestamp) -> Option<Self> {
        let at = jiff::Timestamp::from_microsecond(at.as_micros()).ok()?;
        Self::beginning(at.to_zoned(TimeZone::UTC).date().first_of_month())
    }

    /// Its first instant.
    pub fn start(self) -> Timestamp {
        midnight(self.first_day)
    }

    /// The first instant after it.
    pub fn end(self) -> Timestamp {
        midnight(self.first_day.saturating_add(1.month()))
    }

    /// The month that many months later, or nothing after 9998.
    pub fn plus(self, months: u16) -> Option<Self> {
        let later = self.first_day.checked_add(i64::from(months).months());
        later.ok().and_then(Self::beginning)
    }

    fn beginning(first_day: Date) -> Option<Self> {
        (FIRST_YEAR..=LAST_YEAR)
            .contains(&first_day.year())
            .then_some(Self { first_day })
    }
}

fn midnight(day: Date) -> Timestamp {
    let zoned = day
        .to_zoned(TimeZone::UTC)
        .expect("every day up to 9999-01-01 begins at midnight UTC");
    Timestamp::from_micros(zoned.timestamp().as_microsecond())
}

impl fmt::Display for Month {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month) = (self.first_day.year(), self.first_day.month());
        write!(formatter, "{year:04}-{month:02}")
    }
}

impl FromStr for Month {
    type Err = MonthError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        // The month is as the date of its first day has it, so that a date is no month.
        let day = format!("{raw}-01");
        day.parse::<Date>()
            .ok()
            .filter(|_| raw.len() == "2026-11".len())
            .and_then(Self::beginning)
            .ok_or_else(|| MonthError {
                raw: raw.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(instant: &str, expected: &str) {
        let at: Timestamp = instant.parse().expect("the instant is one");
        let month = Month::containing(at);
        assert_eq!(month.map(|month| month.to_string()), Some(expected.into()));
    }

    #[test]
    fn a_month_begins_and_ends_at_midnight_utc() {
        check("1970-01-01T00:00:00Z", "1970-01");
        check("2026-11-30T23:59:59.999999Z", "2026-11");
        check("2026-12-01T00:00:00Z", "2026-12");
        check("2028-02-29T12:00:00Z", "2028-02");
        check("2100-02-28T23:59:59Z", "2100-02");
        check("2100-03-01T00:00:00Z", "2100-03");
        check("9998-12-31T00:00:00Z", "9998-12");
    }

    #[test]
    fn months_are_those_of_the_calendar() {
        for year in [1970, 1999, 2000, 2026, 2028, 2100, 2400, 9998] {
            for month in 1..=12 {
                let text = format!("{year:04}-{month:02}");
                let parsed: Month = text.parse().expect("the month is one");
                assert_eq!(parsed.to_string(), text);
                let first: Timestamp = format!("{text}-01").parse().expect("the day is one");
                assert_eq!(parsed.start(), first, "{text}");
                assert_eq!(Month::containing(first), Some(parsed));
                let last = Timestamp::from_micros(parsed.end().as_micros() - 1);
                assert_eq!(Month::containing(last), Some(parsed), "{text}");
            }
        }
    }

    #[test]
    fn what_is_outside_the_calendar_is_no_month() {
        for micros in [-1, i64::MIN, i64::MAX] {
            assert_eq!(Month::containing(Timestamp::from_micros(micros)), None);
        }
        for raw in [
            "", "2026", "2026-13", "2026-00", "1969-12", "9999-01", "26-11", "2026-1", "+026-11",
        ] {
            assert!(raw.parse::<Month>().is_err(), "{raw}");
        }
    }

    #[test]
    fn months_follow_each_other() {
        let november: Month = "2026-11".parse().expect("the month is one");
        assert_eq!(november.plus(3), "2027-02".parse().ok());
        let last: Month = "9998-12".parse().expect("the month is one");
        assert_eq!(last.plus(1), None);
    }
}
