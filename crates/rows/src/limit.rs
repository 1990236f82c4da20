//! Limits that rows carry: expiry, hours, sessions, and the counters of rlm_sqlcounter.

/// A limit, with the value of its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowLimit {
    /// `Expiration`: seconds since 1970 UTC.
    Expiration(u32),
    /// `Login-Time`: the UUCP time string, as written.
    LoginTime(Box<str>),
    /// `Simultaneous-Use`: at most as many sessions.
    SimultaneousUse(u32),
    /// A counter: at most so much of it in the period.
    Counter(Counter, u64),
}

/// What a counter counts, and over which period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Counter {
    /// What is counted.
    pub unit: CounterUnit,
    /// Since when.
    pub period: CounterPeriod,
}

/// What a counter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CounterUnit {
    /// Seconds on line.
    Seconds,
    /// Octets in both directions.
    Octets,
    /// Octets in both directions, the limit being in units of 2²⁰.
    Mebibytes,
}

/// The period of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CounterPeriod {
    /// The hour.
    Hour,
    /// The day.
    Day,
    /// The week.
    Week,
    /// The month.
    Month,
    /// For ever.
    Total,
    /// Seconds of the calendar since the first login (`Access-Period`, `Expire-After`).
    SinceFirstLogin,
}

/// Which limit an attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LimitKind {
    Expiration,
    LoginTime,
    SimultaneousUse,
    Counter(Counter),
}

impl LimitKind {
    /// The limit of that attribute, by the name in the dictionary.
    pub(crate) fn of_attribute(name: &str) -> Option<Self> {
        let (unit, period) = match name {
            "Expiration" => return Some(Self::Expiration),
            "Login-Time" => return Some(Self::LoginTime),
            "Simultaneous-Use" => return Some(Self::SimultaneousUse),
            "Max-Hourly-Session" => (CounterUnit::Seconds, CounterPeriod::Hour),
            "Max-Daily-Session" => (CounterUnit::Seconds, CounterPeriod::Day),
            "Max-Weekly-Session" => (CounterUnit::Seconds, CounterPeriod::Week),
            "Max-Monthly-Session" => (CounterUnit::Seconds, CounterPeriod::Month),
            "Max-All-Session" => (CounterUnit::Seconds, CounterPeriod::Total),
            "Max-Daily-Octets" | "Max-Daily-Traffic" => (CounterUnit::Octets, CounterPeriod::Day),
            "Max-Weekly-Octets" | "Max-Weekly-Traffic" => {
                (CounterUnit::Octets, CounterPeriod::Week)
            }
            "Max-Monthly-Octets" | "Max-Monthly-Traffic" => {
                (CounterUnit::Octets, CounterPeriod::Month)
            }
            "Max-All-Octets" | "Max-All-Traffic" | "Max-Total-Octets" => {
                (CounterUnit::Octets, CounterPeriod::Total)
            }
            "Max-All-MB" => (CounterUnit::Mebibytes, CounterPeriod::Total),
            "Expire-After" | "Access-Period" => {
                (CounterUnit::Seconds, CounterPeriod::SinceFirstLogin)
            }
            _ => return None,
        };
        Some(Self::Counter(Counter { unit, period }))
    }

    /// The limit with the octets of its row; `None` when they are not of its size.
    pub(crate) fn with_value(self, octets: &[u8]) -> Option<RowLimit> {
        Some(match self {
            Self::Expiration => RowLimit::Expiration(number(octets)?.try_into().ok()?),
            Self::LoginTime => RowLimit::LoginTime(String::from_utf8_lossy(octets).into()),
            Self::SimultaneousUse => RowLimit::SimultaneousUse(number(octets)?.try_into().ok()?),
            Self::Counter(counter) => RowLimit::Counter(counter, number(octets)?),
        })
    }
}

fn number(octets: &[u8]) -> Option<u64> {
    match *octets {
        [a, b, c, d] => Some(u64::from(u32::from_be_bytes([a, b, c, d]))),
        [a, b, c, d, e, f, g, h] => Some(u64::from_be_bytes([a, b, c, d, e, f, g, h])),
        _ => None,
    }
}
