//! Login-Time as rlm_logintime of FreeRADIUS reads it.
//!
//! The minute at the end of a window is part of it, and a window that ends before it begins opens
//! twice on its own days: from midnight, and until midnight. What follows a day and is none is
//! passed over, and a part that says nothing opens nothing.

use super::{DAY_MINUTES, take_day, take_group};

/// Opens the minutes of a Login-Time.
pub(super) fn read(raw: &str, open: &mut [bool]) {
    for part in raw.split([',', '|']) {
        let hours_at = part.find(|char: char| char.is_ascii_digit());
        let (days, hours) = part.split_at(hours_at.unwrap_or(part.len()));
        if let Some((from, to)) = read_hours(hours) {
            for_each_day(days, |day| fill(day, from, to, open));
        }
    }
}

/// Days one after the other, up to what is none.
fn for_each_day(mut text: &str, mut visit: impl FnMut(u16)) {
    while let Some((first, rest)) = take(text) {
        let (last, rest) = match rest.strip_prefix('-') {
            Some(rest) => match take(rest) {
                Some(last) => last,
                // A range without an end is none, and nothing behind it is read.
                None => return,
            },
            None => (first, rest),
        };
        let days = match (first, last) {
            (Days::One(first), Days::One(last)) => {
                let count = (last + 7 - first) % 7;
                (0..=count).for_each(|ahead| visit((first + ahead) % 7));
                &[]
            }
            (Days::Group(days), Days::One(_)) | (_, Days::Group(days)) => days,
        };
        days.iter().copied().for_each(&mut visit);
        text = rest;
    }
}

#[derive(Clone, Copy)]
enum Days {
    One(u16),
    Group(&'static [u16]),
}

fn take(text: &str) -> Option<(Days, &str)> {
    if let Some((days, rest)) = take_group(text) {
        return Some((Days::Group(days), rest));
    }
    let (day, rest) = take_day(text)?;
    Some((Days::One(day), rest))
}

/// The first and the last minute of the day; all of it when nothing is written.
fn read_hours(text: &str) -> Option<(u16, u16)> {
    if text.is_empty() {
        return Some((0, DAY_MINUTES - 1));
    }
    let from = read_clock(text)?;
    match text.find('-') {
        None => Some((from, from)),
        Some(4) => Some((from, read_clock(text.get(5..)?)?)),
        Some(_) => None,
    }
}

/// Four digits, whatever is behind them.
fn read_clock(text: &str) -> Option<u16> {
    let digits = text.get(..4)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hour, minute) = digits.split_at(2);
    let minutes = hour.parse::<u16>().ok()? * 60 + minute.parse::<u16>().ok()?;
    Some(minutes.min(DAY_MINUTES - 1))
}

fn fill(day: u16, from: u16, to: u16, open: &mut [bool]) {
    let begin = usize::from(day * DAY_MINUTES);
    let day = &mut open[begin..begin + usize::from(DAY_MINUTES)];
    for (minute, is_open) in (0..).zip(day) {
        *is_open |= if from <= to {
            (from..=to).contains(&minute)
        } else {
            minute <= to || from <= minute
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::Windows;

    /// What is open, as plans write it, in which the minute at the end is not part.
    #[track_caller]
    fn check(raw: &str, expected: &str) {
        assert_eq!(Windows::of_login_time(raw).to_string(), expected, "{raw}");
    }

    #[test]
    fn windows_are_read_to_the_minute() {
        check("Mo0800-1800", "Mo0800-1801");
        check("Fr2200-0600", "Fr0000-0601,Fr2200-2400");
        check("Wk", "Wk");
        check("Al1200-1159", "Al");
        check("Any0000-2359", "Al");
        check("Fr0800-2400", "Fr0800-2400");
        check("Fr1300", "Fr1300-1301");
        check("Fr1400-1460", "Fr1400-1501");
        check("Fr2500-2600", "Fr2359-2400");
        check("wk0800-2000 , sa0900-1300", "Wk0800-2001");
    }

    #[test]
    fn days_are_read_up_to_what_is_none() {
        check("Fri", "Fr");
        check("Friday1000-1100", "Fr1000-1101");
        check("FrSa", "FrSa");
        check("Fr,,Sa", "FrSa");
        check("We-Su", "SuWeThFrSa");
        check("Fr-Sa-Su", "FrSa");
        check("Wk-Sa", "Wk");
        check("Sa-Wk", "Wk");
        check("Fr;Sa", "Fr");
        check("Never,Fr", "Fr");
        check("Fr 1400-1800", "Fr1400-1801");
    }

    #[test]
    fn what_cannot_be_read_opens_nothing() {
        for raw in [
            "",
            "Never",
            " Fr",
            "1100-1300",
            "Fr-",
            "Fr-Xx",
            "Wk-",
            "Fr1400-",
            "Fr1400-18",
            "Fr1400 -1800",
            "Fr14:00-18:00",
            "F",
            "Mé",
        ] {
            check(raw, "");
        }
    }
}
