//! How long a plan is valid for a subscriber, and from when.

use std::str::FromStr;

use serde::Serialize;

use super::LimitUsage;
use crate::time::Timestamp;

/// A length of validity and its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Validity {
    seconds: u32,
    pub start: ValidityStart,
}

/// What validity begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum ValidityStart {
    /// When the subscriber was added.
    #[default]
    Purchase,
    /// The first accepted login, or the first session.
    FirstUse,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValidityError {
    #[error("a validity of {seconds} s is outside 60 s to 36500 days")]
    Range { seconds: u64 },
    #[error("'{raw}' is not the beginning of a validity: write purchase or first-use")]
    Start { raw: String },
}

impl Validity {
    const SECONDS_MIN: u64 = 60;
    const SECONDS_MAX: u64 = 36_500 * 86_400;

    pub fn new(seconds: u64, start: ValidityStart) -> Result<Self, ValidityError> {
        if !(Self::SECONDS_MIN..=Self::SECONDS_MAX).contains(&seconds) {
            return Err(ValidityError::Range { seconds });
        }
        let seconds = u32::try_from(seconds).map_err(|_| ValidityError::Range { seconds })?;
        Ok(Self { seconds, start })
    }

    /// Any number of seconds from the first use, as rows of FreeRADIUS may say.
    pub const fn from_first_use(seconds: u32) -> Self {
        Self {
            seconds,
            start: ValidityStart::FirstUse,
        }
    }

    pub const fn as_seconds(self) -> u32 {
        self.seconds
    }

    /// The first instant at which it has ended. Before the first use it would begin now.
    pub fn ends_at(self, purchased_at: Timestamp, usage: &LimitUsage, now: Timestamp) -> Timestamp {
        let begin = match self.start {
            ValidityStart::Purchase => purchased_at,
            ValidityStart::FirstUse => usage.first_use.unwrap_or(now),
        };
        begin.plus_seconds(self.seconds.into())
    }
}

impl ValidityStart {
    const ALL: [Self; 2] = [Self::Purchase, Self::FirstUse];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Purchase => "purchase",
            Self::FirstUse => "first-use",
        }
    }
}

impl FromStr for ValidityStart {
    type Err = ValidityError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|start| start.as_str() == raw);
        named.ok_or_else(|| ValidityError::Start {
            raw: raw.to_owned(),
        })
    }
}
