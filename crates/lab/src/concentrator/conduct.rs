//! What the simulated router makes of a Disconnect or CoA request.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How it behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conduct {
    /// It does what is asked, and says so.
    #[default]
    Obey,
    /// It refuses, with this Error-Cause or with none.
    Refuse(Option<u32>),
    /// It says nothing, and does nothing.
    Silent,
    /// It does what is asked, and says so later.
    Late(Duration),
    /// It says yes, and does nothing.
    Agree,
    /// It can be reached by nobody and reaches nobody for so long after its start.
    Away(Duration),
}

/// A text that is no conduct.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{raw}' is not a conduct: write obey, refuse, refuse=503, silent, late=2, agree or away=10 (seconds)"
)]
pub struct ConductError {
    raw: String,
}

impl FromStr for Conduct {
    type Err = ConductError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let refused = || ConductError { raw: raw.into() };
        let (word, value) = match raw.split_once('=') {
            Some((word, value)) => (word, Some(value.parse::<u32>().map_err(|_| refused())?)),
            None => (raw, None),
        };
        let seconds = |value: u32| Duration::from_secs(value.into());
        Ok(match (word, value) {
            ("obey", None) => Self::Obey,
            ("refuse", cause) => Self::Refuse(cause),
            ("silent", None) => Self::Silent,
            ("late", Some(value)) => Self::Late(seconds(value)),
            ("agree", None) => Self::Agree,
            ("away", Some(value)) => Self::Away(seconds(value)),
            _ => return Err(refused()),
        })
    }
}

impl fmt::Display for Conduct {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Obey => formatter.pad("obey"),
            Self::Refuse(None) => formatter.pad("refuse"),
            Self::Refuse(Some(cause)) => write!(formatter, "refuse={cause}"),
            Self::Silent => formatter.pad("silent"),
            Self::Late(after) => write!(formatter, "late={}", after.as_secs()),
            Self::Agree => formatter.pad("agree"),
            Self::Away(time) => write!(formatter, "away={}", time.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conduct_is_read_as_it_is_written() {
        for text in [
            "obey",
            "refuse",
            "refuse=503",
            "silent",
            "late=2",
            "agree",
            "away=10",
        ] {
            let conduct: Conduct = text.parse().expect("a conduct");
            assert_eq!(conduct.to_string(), text);
        }
        for text in ["", "late", "late=soon", "obey=1", "sulk"] {
            assert!(text.parse::<Conduct>().is_err(), "{text}");
        }
    }
}
