//! Time zones, and the instants at which days, weeks and months of a quota begin.

use std::fmt;
use std::str::FromStr;

use jiff::ToSpan;
use jiff::civil::{Date, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Serialize, Serializer};

use super::Period;
use crate::time::Timestamp;

/// The first and last day for which periods are computed: years 1970 to 9000.
const EARLIEST: Timestamp = Timestamp::from_seconds(0);
const LATEST: Timestamp = Timestamp::from_seconds(221_845_219_200);

const HOUR_SECONDS: i64 = 3_600;

/// A time zone of the IANA database, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{raw}' is not a time zone: write a name of the IANA database (Africa/Nairobi, UTC)")]
pub struct ZoneError {
    raw: String,
}

/// When periods begin: the time of day, the day of the month and the weekday. Hours begin with the
/// minute of the time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Resets {
    /// 1 to 31; the last day in months that are shorter.
    day_of_month: u8,
    weekday: Weekday,
    minute_of_day: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{raw}' does not say when periods begin: write a day of the month, a weekday and a time of day, or some of them (15 mon 06:00)"
)]
pub struct ResetsError {
    raw: String,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// From one instant up to another, which is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
}

impl Span {
    /// All of time.
    pub const EVER: Self = Self {
        starts_at: Timestamp::from_micros(0),
        ends_at: Timestamp::from_micros(i64::MAX),
    };

    pub fn contains(&self, at: Timestamp) -> bool {
        self.starts_at <= at && at < self.ends_at
    }
}

impl Zone {
    pub fn as_str(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// An instant for people, in this zone, to the minute.
    pub fn show(&self, at: Timestamp) -> String {
        let local = jiff_timestamp(at).to_zoned(self.0.clone());
        local.strftime("%-d %b %Y %H:%M %Z").to_string()
    }

    pub(super) const fn time_zone(&self) -> &TimeZone {
        &self.0
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl FromStr for Zone {
    type Err = ZoneError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        // Carried in the program, so that every node reads the same rules, whatever its system has.
        let found = TimeZoneDatabase::bundled().get(raw);
        let named = found.ok().filter(|zone| zone.iana_name().is_some());
        named.map(Self).ok_or_else(|| ZoneError {
            raw: raw.to_owned(),
        })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Weekday {
    pub(super) const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Monday => "mon",
            Self::Tuesday => "tue",
            Self::Wednesday => "wed",
            Self::Thursday => "thu",
            Self::Friday => "fri",
            Self::Saturday => "sat",
            Self::Sunday => "sun",
        }
    }
}

impl Resets {
    /// Hours, days, weeks and months as FreeRADIUS counts them: weeks begin on Sunday.
    pub const FREERADIUS: Self = Self {
        day_of_month: 1,
        weekday: Weekday::Sunday,
        minute_of_day: 0,
    };

    /// The span of a period that holds `at`. Spans of one kind follow each other without gaps and
    /// without overlapping, but those of rolling windows. A session has no span of its own.
    pub fn span(self, period: Period, zone: &Zone, at: Timestamp) -> Option<Span> {
        let at = at.clamp(EARLIEST, LATEST);
        let zone = zone.time_zone();
        let today = zone.to_datetime(jiff_timestamp(at)).date();
        match period {
            Period::Session => None,
            Period::Total => Some(Span::EVER),
            Period::Last24Hours | Period::Last7Days | Period::Last30Days => {
                Some(rolling(period.rolling_hours()?, at))
            }
            Period::Hour => Some(self.hour(zone, at)),
            Period::Day => Some(span_around(at, |days| self.begin_day(zone, today, days))),
            Period::Week => Some(span_around(at, |weeks| {
                let back =
                    (today.weekday().to_monday_zero_offset() - self.weekday as i8).rem_euclid(7);
                let days = weeks.saturating_mul(7).saturating_sub(back.into());
                self.begin_day(zone, today, days)
            })),
            Period::Month => Some(span_around(at, |months| {
                let first = today.first_of_month();
                let month = first.saturating_add(months.months());
                let day = i64::from(self.day_of_month.min(month.days_in_month().unsigned_abs()));
                self.begin_day(zone, month, day - 1)
            })),
        }
    }

    /// An hour on local clocks, which begins with the minute of the resets. Where clocks are changed
    /// within one, it is cut there.
    fn hour(self, zone: &TimeZone, at: Timestamp) -> Span {
        let offset = i64::from(zone.to_offset(jiff_timestamp(at)).seconds());
        let minute = i64::from(self.minute_of_day % 60) * 60;
        let into = (at.as_seconds() + offset - minute).rem_euclid(HOUR_SECONDS);
        let begin = Timestamp::from_seconds(at.as_seconds() - into);
        let end = begin.plus_seconds(HOUR_SECONDS);
        let instant = |at: jiff::Timestamp| Timestamp::from_micros(at.as_microsecond());
        // What comes before the next microsecond comes no later than now.
        let now = Timestamp::from_micros(at.as_micros() + 1);
        let before = zone.preceding(jiff_timestamp(now)).next();
        let after = zone.following(jiff_timestamp(at)).next();
        Span {
            starts_at: before.map_or(begin, |change| begin.max(instant(change.timestamp()))),
            ends_at: after.map_or(end, |change| end.min(instant(change.timestamp()))),
        }
    }

    /// The instant at which the day `days` after `date` begins.
    fn begin_day(self, zone: &TimeZone, date: Date, days: i64) -> Timestamp {
        let date = date.saturating_add(days.days());
        let [hour, minute] = [self.minute_of_day / 60, self.minute_of_day % 60]
            .map(|part| i8::try_from(part).unwrap_or(0));
        let begin = date.to_datetime(Time::constant(hour, minute, 0, 0));
        let instant = zone.to_timestamp(begin);
        instant.map_or(Timestamp::from_micros(i64::MAX), |instant| {
            Timestamp::from_micros(instant.as_microsecond())
        })
    }
}

/// The hours that hold all of the last `hours`, and this hour. They are those in which usage is
/// kept, so what was used in them is known.
fn rolling(hours: i64, at: Timestamp) -> Span {
    let this_hour = at.as_seconds().div_euclid(HOUR_SECONDS) * HOUR_SECONDS;
    Span {
        starts_at: Timestamp::from_seconds(this_hour - hours * HOUR_SECONDS),
        ends_at: Timestamp::from_seconds(this_hour + HOUR_SECONDS),
    }
}

/// The two neighbours among instants, numbered in order and about right for 0, that `at` is
/// between. Some may be the same: a zone that moved across the date line left a day out.
fn span_around(at: Timestamp, begin: impl Fn(i64) -> Timestamp) -> Span {
    let mut number = 1;
    while at < begin(number) {
        number -= 1;
    }
    let starts_at = begin(number);
    let mut ends_at = starts_at;
    while ends_at <= at {
        number += 1;
        ends_at = begin(number);
    }
    Span { starts_at, ends_at }
}

pub(super) fn jiff_timestamp(at: Timestamp) -> jiff::Timestamp {
    let at = at.clamp(EARLIEST, LATEST);
    jiff::Timestamp::from_microsecond(at.as_micros()).expect("years 1970 to 9000 are in its range")
}

impl Default for Resets {
    fn default() -> Self {
        Self {
            day_of_month: 1,
            weekday: Weekday::Monday,
            minute_of_day: 0,
        }
    }
}

/// Reads `15`, `mon`, `06:00`, in any order; what is left out is as by default.
impl FromStr for Resets {
    type Err = ResetsError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let refuse = || ResetsError {
            raw: raw.to_owned(),
        };
        let (mut day_of_month, mut weekday, mut minute_of_day) = (None, None, None);
        for word in raw.split([' ', ',']).filter(|word| !word.is_empty()) {
            let is_twice = if let Some((hour, minute)) = word.split_once(':') {
                let minutes = minutes_of(hour, minute).ok_or_else(refuse)?;
                minute_of_day.replace(minutes).is_some()
            } else if let Some(named) = find_weekday(word) {
                weekday.replace(named).is_some()
            } else {
                let day = word.parse().ok().filter(|day| (1..=31).contains(day));
                day_of_month.replace(day.ok_or_else(refuse)?).is_some()
            };
            if is_twice {
                return Err(refuse());
            }
        }
        if (day_of_month, weekday, minute_of_day) == (None, None, None) {
            return Err(refuse());
        }
        let usual = Self::default();
        Ok(Self {
            day_of_month: day_of_month.unwrap_or(usual.day_of_month),
            weekday: weekday.unwrap_or(usual.weekday),
            minute_of_day: minute_of_day.unwrap_or(usual.minute_of_day),
        })
    }
}

fn find_weekday(word: &str) -> Option<Weekday> {
    let named = |day: &Weekday| day.as_str().eq_ignore_ascii_case(word);
    Weekday::ALL.into_iter().find(named)
}

fn minutes_of(hour: &str, minute: &str) -> Option<u16> {
    let is_clock = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_clock(hour) || !is_clock(minute) {
        return None;
    }
    let [hour, minute] = [hour, minute].map(|text| text.parse::<u16>().unwrap_or(u16::MAX));
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

impl fmt::Display for Resets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            day_of_month,
            weekday,
            minute_of_day,
        } = self;
        let (hour, minute) = (minute_of_day / 60, minute_of_day % 60);
        write!(
            formatter,
            "{day_of_month} {} {hour:02}:{minute:02}",
            weekday.as_str()
        )
    }
}

impl Serialize for Resets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
