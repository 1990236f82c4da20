//! Quotas: how much of what in which period.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::{ByteAmount, DurationAmount};
use crate::usage::UsageAmount;

/// What a quota counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Measure {
    /// Bytes in both directions.
    Traffic,
    /// Bytes from the subscriber.
    Upload,
    /// Bytes to the subscriber.
    Download,
    /// Seconds online.
    Time,
}

/// How long a quota lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Period {
    /// Each session alone.
    Session,
    Hour,
    Day,
    Week,
    Month,
    /// As long as the subscriber exists.
    Total,
    /// The last 24 hours, at any time.
    Last24Hours,
    Last7Days,
    Last30Days,
}

/// An amount that may be used in each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    pub measure: Measure,
    pub period: Period,
    /// Bytes, or seconds; 0 lets nobody in, and is said by FreeRADIUS' rows alone.
    amount: u64,
}

/// The quotas of a plan: one at most for each measure and period.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Quotas(Box<[Quota]>);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    #[error(
        "'{raw}' is not a quota: write AMOUNT/PERIOD (50G/month), with 'upload:' or 'download:' before it for one direction, or 'time:' for time (time:2h/day)"
    )]
    Malformed { raw: String },
    #[error(
        "'{raw}' is not a period of a quota: write session, hour, day, week, month or total, or 24h, 7d or 30d for the last of them at any time"
    )]
    Period { raw: String },
    #[error("'{raw}' is not an amount of data: write bytes or k, M, G, T (50G)")]
    Bytes { raw: String },
    #[error("'{raw}' is not an amount of time: write seconds or d, h, m, s (2h, 1h30m)")]
    Duration { raw: String },
    #[error("a quota of 0 lets nobody in: disable the subscribers, or write 1 or more")]
    Zero,
    #[error("'{quota}' comes after another quota of the same kind and period: write one of them")]
    Twice { quota: String },
}

impl Measure {
    pub const ALL: [Self; 4] = [Self::Traffic, Self::Upload, Self::Download, Self::Time];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Traffic => "traffic",
            Self::Upload => "upload",
            Self::Download => "download",
            Self::Time => "time",
        }
    }

    /// The measure of this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// How much of it there is in `used`.
    pub const fn of(self, used: UsageAmount) -> u64 {
        match self {
            Self::Traffic => used.upload_bytes.saturating_add(used.download_bytes),
            Self::Upload => used.upload_bytes,
            Self::Download => used.download_bytes,
            Self::Time => used.session_seconds,
        }
    }
}

impl Period {
    pub const ALL: [Self; 9] = [
        Self::Session,
        Self::Hour,
        Self::Day,
        Self::Week,
        Self::Month,
        Self::Total,
        Self::Last24Hours,
        Self::Last7Days,
        Self::Last30Days,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Total => "total",
            Self::Last24Hours => "24h",
            Self::Last7Days => "7d",
            Self::Last30Days => "30d",
        }
    }

    /// How many hours a rolling window goes back; `None` for a period that begins and ends.
    pub const fn rolling_hours(self) -> Option<i64> {
        match self {
            Self::Last24Hours => Some(24),
            Self::Last7Days => Some(7 * 24),
            Self::Last30Days => Some(30 * 24),
            Self::Session | Self::Hour | Self::Day | Self::Week | Self::Month | Self::Total => None,
        }
    }

    /// The period of this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }
}

impl Quota {
    pub const fn new(measure: Measure, period: Period, amount: u64) -> Self {
        Self {
            measure,
            period,
            amount,
        }
    }

    /// Bytes, or seconds.
    pub const fn amount(self) -> u64 {
        self.amount
    }
}

impl FromStr for Quota {
    type Err = QuotaError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let malformed = || QuotaError::Malformed {
            raw: raw.to_owned(),
        };
        let (amount, period) = raw.split_once('/').ok_or_else(malformed)?;
        let period = Period::find(period).ok_or_else(|| QuotaError::Period {
            raw: period.to_owned(),
        })?;
        let (measure, amount) = match amount.split_once(':') {
            Some((measure, amount)) => (Measure::find(measure).ok_or_else(malformed)?, amount),
            None => (Measure::Traffic, amount),
        };
        let parsed = match measure {
            Measure::Time => DurationAmount::parse(amount).map(|amount| amount.0),
            Measure::Traffic | Measure::Upload | Measure::Download => {
                ByteAmount::parse(amount).map(|amount| amount.0)
            }
        };
        let raw = amount.to_owned();
        let parsed = parsed.ok_or(match measure {
            Measure::Time => QuotaError::Duration { raw },
            Measure::Traffic | Measure::Upload | Measure::Download => QuotaError::Bytes { raw },
        })?;
        match parsed {
            0 => Err(QuotaError::Zero),
            amount => Ok(Self::new(measure, period, amount)),
        }
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period = self.period.as_str();
        let amount = self.amount;
        match self.measure {
            Measure::Traffic => write!(formatter, "{}/{period}", ByteAmount(amount)),
            Measure::Upload | Measure::Download => {
                let measure = self.measure.as_str();
                write!(formatter, "{measure}:{}/{period}", ByteAmount(amount))
            }
            Measure::Time => write!(formatter, "time:{}/{period}", DurationAmount(amount)),
        }
    }
}

impl Quotas {
    pub fn new(quotas: Vec<Quota>) -> Result<Self, QuotaError> {
        for (index, quota) in quotas.iter().enumerate() {
            let is_same =
                |other: &Quota| (other.measure, other.period) == (quota.measure, quota.period);
            if quotas[..index].iter().any(is_same) {
                return Err(QuotaError::Twice {
                    quota: quota.to_string(),
                });
            }
        }
        Ok(Self(quotas.into()))
    }

    /// The least of each measure and period.
    pub fn least(all: impl IntoIterator<Item = Quota>) -> Self {
        let mut least: Vec<Quota> = Vec::new();
        for quota in all {
            let kind = (quota.measure, quota.period);
            let known = least
                .iter_mut()
                .find(|known| (known.measure, known.period) == kind);
            match known {
                Some(known) => known.amount = known.amount.min(quota.amount),
                None => least.push(quota),
            }
        }
        Self(least.into())
    }

    pub fn iter(&self) -> impl Iterator<Item = Quota> {
        self.0.iter().copied()
    }

    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a quota lasts for this period.
    pub fn has(&self, period: Period) -> bool {
        self.0.iter().any(|quota| quota.period == period)
    }
}

/// Quotas with commas between them.
impl FromStr for Quotas {
    type Err = QuotaError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let quotas = raw.split(',').map(|quota| quota.trim().parse());
        Self::new(quotas.collect::<Result<_, _>>()?)
    }
}

impl fmt::Display for Quotas {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, quota) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(formatter, "{comma}{quota}")?;
        }
        Ok(())
    }
}

impl Serialize for Quotas {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
