//! Dates in the form FreeRADIUS prints, on the proleptic Gregorian calendar in UTC.

use std::fmt;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const SECONDS_PER_DAY: u64 = 86_400;

/// Writes `Sep 16 2009 21:47:44 UTC`.
pub(super) fn format(seconds: u32, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    let seconds = u64::from(seconds);
    let (year, month, day) = civil_from_days(seconds / SECONDS_PER_DAY);
    let month = MONTHS[month as usize - 1];
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    write!(
        formatter,
        "{month} {day:>2} {year} {hour:02}:{minute:02}:{second:02} UTC"
    )
}

/// Reads seconds since 1970, `Sep 16 2009 [21:47:44] [UTC]`, `16 Sep 2009 …` or `2009-09-16[T21:47:44Z]`.
pub(super) fn parse(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    let text = ["UTC", "GMT", "Z"]
        .iter()
        .find_map(|zone| text.strip_suffix(zone))
        .unwrap_or(text);
    let words = text
        .split([' ', 'T', ','])
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>();
    let ((year, month, day), time) = match words.as_slice() {
        [date, time @ ..] if date.contains('-') => (iso_date(date)?, time),
        [first, second, year, time @ ..] => (named_date(first, second, year)?, time),
        _ => return None,
    };
    let seconds = match time {
        [] => 0,
        [time] => time_of_day(time)?,
        _ => return None,
    };
    u32::try_from(days_from_civil(year, month, day)? * SECONDS_PER_DAY + seconds).ok()
}

fn iso_date(text: &str) -> Option<(u64, u64, u64)> {
    let mut parts = text.split('-').map(number);
    let date = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(date)
}

fn named_date(first: &str, second: &str, year: &str) -> Option<(u64, u64, u64)> {
    let month = |name: &str| {
        let short = name.get(..3)?;
        Some(
            MONTHS
                .iter()
                .position(|month| month.eq_ignore_ascii_case(short))? as u64
                + 1,
        )
    };
    let (month, day) = match month(first) {
        Some(month) => (month, number(second)?),
        None => (month(second)?, number(first)?),
    };
    Some((number(year)?, month, day))
}

fn time_of_day(text: &str) -> Option<u64> {
    let mut parts = text.split(':').map(number);
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    (hour < 24 && minute < 60 && second < 60 && parts.next().is_none())
        .then(|| hour * 3_600 + minute * 60 + second)
}

fn number(text: &str) -> Option<u64> {
    (text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// Days since 1970 of a date from 1970 on; the year is counted from March, so that the leap day is the last.
fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || day < 1 || days_in_month(year, month) < day {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year
            - 719_468,
    )
}

fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

const fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<u32>) {
        assert_eq!(parse(text), expected);
    }

    #[test]
    fn dates_are_read_in_every_form() {
        check("1253137664", Some(1_253_137_664));
        check("Sep 16 2009 21:47:44 UTC", Some(1_253_137_664));
        check("16 Sep 2009 21:47", Some(1_253_137_620));
        check("September 16, 2009", Some(1_253_059_200));
        check("2009-09-16T21:47:44Z", Some(1_253_137_664));
        check("2009-09-16 21:47:44", Some(1_253_137_664));
        check("Feb  7 2106 06:28:15 UTC", Some(u32::MAX));
        check("Feb 29 2000", Some(951_782_400));
    }

    #[test]
    fn impossible_dates_are_refused() {
        for text in [
            "",
            "tomorrow",
            "Feb 29 2001",
            "2009-13-01",
            "2009-09-16 24:00:00",
            "Feb 7 2106 06:28:16",
            "1969-01-01",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn printed_dates_are_read_back() {
        for seconds in (0..u32::MAX).step_by(86_399 * 31) {
            let printed = crate::value::Value::Date(seconds).to_string();
            assert_eq!(parse(&printed), Some(seconds), "{printed}");
        }
    }
}
