//! When in the week a subscriber may be online.
//!
//! The text is that of Login-Time, which comes from UUCP: `Wk0800-1800,Sa,Su0900-1700`. A plan's
//! window that ends before it begins goes on into the next day, and the minute at its end is not
//! part of it. [`Windows::of_login_time`] reads the text as FreeRADIUS does instead.

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};

use super::Zone;
use super::calendar::jiff_timestamp;
use crate::time::Timestamp;

mod login_time;

const DAY_MINUTES: u16 = 1_440;
const WEEK_MINUTES: u16 = 7 * DAY_MINUTES;
const WEEK_SECONDS: i64 = 7 * 86_400;

/// 1970-01-01 was a Thursday, four days after the beginning of a week.
const EPOCH_IN_WEEK: i64 = 4 * 86_400;

/// Windows on the text; more are not written by hand.
const WINDOWS_MAX: usize = 64;

/// How many changes of the clock one look goes through: a week has one at most, as a rule.
const TRANSITIONS_MAX: usize = 16;

/// The names of days, as they are written.
const DAYS: [&str; 7] = ["Su", "Mo", "Tu", "We", "Th", "Fr", "Sa"];
const WEEKDAYS: [u16; 5] = [1, 2, 3, 4, 5];
const ALL_DAYS: [u16; 7] = [0, 1, 2, 3, 4, 5, 6];

/// The minutes of a week that are open; never none, unless a Login-Time says so.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Windows(
    /// Minutes since Sunday 00:00, from one up to another; sorted, apart from each other.
    Box<[(u16, u16)]>,
);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{raw}' are not times of the week: write days and hours (Wk0800-1800,Sa,Su0900-1700) with Su Mo Tu We Th Fr Sa, Wk for Monday to Friday, or Al for every day"
)]
pub struct WindowsError {
    raw: String,
}

/// How a look at the windows came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Open until this instant; for ever when absent.
    Open { until: Option<Timestamp> },
    /// Closed until this instant.
    Closed { until: Timestamp },
}

impl Windows {
    /// Reads Login-Time as FreeRADIUS does: what it cannot read opens nothing, so that no window may
    /// be left.
    pub fn of_login_time(raw: &str) -> Self {
        let mut open = vec![false; usize::from(WEEK_MINUTES)];
        login_time::read(raw, &mut open);
        Self::of_minutes(&open)
    }

    /// Whether it is never open.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn of_minutes(open: &[bool]) -> Self {
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for (minute, is_open) in (0..).zip(open) {
            match ranges.last_mut() {
                Some((_, end)) if *is_open && *end == minute => *end += 1,
                Some(_) | None if *is_open => ranges.push((minute, minute + 1)),
                Some(_) | None => {}
            }
        }
        Self(ranges.into())
    }

    /// Whether local clocks show an open minute.
    pub fn is_open(&self, zone: &Zone, at: Timestamp) -> bool {
        self.is_open_at(second_of_week(zone.time_zone(), at))
    }

    fn is_open_at(&self, second: i64) -> bool {
        let minute = second / 60;
        let holds = |&(from, to): &(u16, u16)| (i64::from(from)..i64::from(to)).contains(&minute);
        self.0.iter().any(holds)
    }

    /// Whether it is open at an instant, and until when that stays so. Clocks that are put back
    /// show minutes twice, and both are what they show.
    pub(super) fn look(&self, zone: &Zone, at: Timestamp) -> Look {
        let is_open = self.is_open(zone, at);
        let until = self.find_change(zone.time_zone(), at, is_open);
        match (is_open, until) {
            (true, until) => Look::Open { until },
            (false, Some(until)) => Look::Closed { until },
            // A zone that skips the only open minute of the next week shows it a week later.
            (false, None) => Look::Closed {
                until: at.plus_seconds(WEEK_SECONDS),
            },
        }
    }

    /// The first instant after `at` at which it is not as it is now.
    fn find_change(&self, zone: &TimeZone, at: Timestamp, is_open: bool) -> Option<Timestamp> {
        let horizon = at.plus_seconds(2 * WEEK_SECONDS);
        let mut from = at;
        let mut transitions = zone.following(jiff_timestamp(at)).take(TRANSITIONS_MAX);
        loop {
            // Clocks run evenly up to here.
            let next = transitions
                .next()
                .map(|transition| Timestamp::from_micros(transition.timestamp().as_microsecond()))
                .filter(|next| *next <= horizon);
            let second = second_of_week(zone, from);
            let begin = Timestamp::from_seconds(from.as_seconds());
            let change = self.seconds_to_change(second, is_open);
            let change = change.map(|seconds| begin.plus_seconds(seconds));
            let change = change.filter(|change| next.is_none_or(|next| *change < next));
            if change.is_some() {
                return change;
            }
            from = next?;
            if self.is_open_at(second_of_week(zone, from)) != is_open {
                return Some(from);
            }
        }
    }

    /// How long after a second of the week it changes on a clock that runs evenly.
    fn seconds_to_change(&self, second: i64, is_open: bool) -> Option<i64> {
        let edges = self.0.iter().flat_map(|&(from, to)| [from, to]);
        let ahead =
            edges.map(|edge| (i64::from(edge) * 60 - second - 1).rem_euclid(WEEK_SECONDS) + 1);
        ahead
            .filter(|ahead| {
                let then = (second + ahead).rem_euclid(WEEK_SECONDS);
                self.is_open_at(then) != is_open
            })
            .min()
    }
}

/// Seconds since Sunday 00:00 on local clocks.
fn second_of_week(zone: &TimeZone, at: Timestamp) -> i64 {
    let offset = zone.to_offset(jiff_timestamp(at)).seconds();
    (at.as_seconds() + i64::from(offset) + EPOCH_IN_WEEK).rem_euclid(WEEK_SECONDS)
}

/// Opens the minutes of one window.
fn read_part(part: &str, open: &mut [bool]) -> Option<()> {
    let hours_at = part.find(|char: char| char.is_ascii_digit());
    let (days, hours) = part.split_at(hours_at.unwrap_or(part.len()));
    let days = match days {
        "" if hours.is_empty() => return None,
        "" => ALL_DAYS.to_vec(),
        days => read_days(days)?,
    };
    let (from, to) = read_hours(hours)?;
    for day in days {
        let begin = day * DAY_MINUTES;
        let to = if from < to { to } else { to + DAY_MINUTES };
        for minute in from..to {
            open[usize::from((begin + minute) % WEEK_MINUTES)] = true;
        }
    }
    Some(())
}

/// Days in a row, `Mo-Fr` for all from one to another.
fn read_days(mut text: &str) -> Option<Vec<u16>> {
    let mut days = Vec::new();
    while !text.is_empty() {
        if let Some((span, rest)) = take_group(text) {
            days.extend_from_slice(span);
            text = rest;
            continue;
        }
        let (first, rest) = take_day(text)?;
        let (last, rest) = match rest.strip_prefix('-') {
            Some(rest) => take_day(rest)?,
            None => (first, rest),
        };
        let count = (last + 7 - first) % 7;
        days.extend((0..=count).map(|ahead| (first + ahead) % 7));
        text = rest;
    }
    Some(days)
}

fn take_group(text: &str) -> Option<(&'static [u16], &str)> {
    let groups: [(&str, &[u16]); 3] = [("wk", &WEEKDAYS), ("any", &ALL_DAYS), ("al", &ALL_DAYS)];
    groups.into_iter().find_map(|(name, days)| {
        let head = text.get(..name.len())?;
        head.eq_ignore_ascii_case(name)
            .then(|| (days, &text[name.len()..]))
    })
}

fn take_day(text: &str) -> Option<(u16, &str)> {
    let head = text.get(..2)?;
    let day = (0..)
        .zip(DAYS)
        .find(|(_, name)| name.eq_ignore_ascii_case(head));
    day.map(|(number, _)| (number, &text[2..]))
}

/// Minutes of the day, from one up to another. `24` is the end of the day.
fn read_hours(text: &str) -> Option<(u16, u16)> {
    if text.is_empty() {
        return Some((0, DAY_MINUTES));
    }
    let (from, to) = text.split_once('-')?;
    let (from, to) = (read_clock(from)?, read_clock(to)?);
    (from != to && from < DAY_MINUTES).then_some((from, to))
}

fn read_clock(text: &str) -> Option<u16> {
    if text.len() != 4 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hour, minute) = text.split_at(2);
    let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
    let minutes = hour * 60 + minute;
    (minute < 60 && minutes <= DAY_MINUTES).then_some(minutes)
}

impl FromStr for Windows {
    type Err = WindowsError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let mut open = vec![false; usize::from(WEEK_MINUTES)];
        let are_read = (0..).zip(raw.split([',', '|'])).all(|(count, part)| {
            count < WINDOWS_MAX && read_part(part.trim(), &mut open).is_some()
        });
        let windows = Self::of_minutes(&open);
        if are_read && !windows.0.is_empty() {
            return Ok(windows);
        }
        Err(WindowsError {
            raw: raw.to_owned(),
        })
    }
}

/// Days with the same hours together, in the order of their first day.
impl fmt::Display for Windows {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown: Vec<((u16, u16), Vec<u16>)> = Vec::new();
        for (from, to) in self.pieces() {
            let day = from / DAY_MINUTES;
            let hours = (from - day * DAY_MINUTES, to - day * DAY_MINUTES);
            match shown.iter_mut().find(|(known, _)| *known == hours) {
                Some((_, days)) => days.push(day),
                None => shown.push((hours, vec![day])),
            }
        }
        for (index, (hours, days)) in shown.iter().enumerate() {
            if 0 < index {
                formatter.write_str(",")?;
            }
            match days.as_slice() {
                days if days == ALL_DAYS => formatter.write_str("Al")?,
                days if days == WEEKDAYS => formatter.write_str("Wk")?,
                days => {
                    for day in days {
                        formatter.write_str(DAYS[usize::from(*day)])?;
                    }
                }
            }
            let (from, to) = *hours;
            if (from, to) != (0, DAY_MINUTES) {
                let clock = |minutes: u16| (minutes / 60, minutes % 60);
                let ((from, from_minute), (to, to_minute)) = (clock(from), clock(to));
                write!(formatter, "{from:02}{from_minute:02}-{to:02}{to_minute:02}")?;
            }
        }
        Ok(())
    }
}

impl Windows {
    /// The ranges, cut at midnight.
    fn pieces(&self) -> impl Iterator<Item = (u16, u16)> {
        self.0.iter().flat_map(|&(from, to)| {
            let days = from / DAY_MINUTES..to.div_ceil(DAY_MINUTES);
            days.map(move |day| {
                let begin = day * DAY_MINUTES;
                (from.max(begin), to.min(begin + DAY_MINUTES))
            })
        })
    }
}

impl Serialize for Windows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
