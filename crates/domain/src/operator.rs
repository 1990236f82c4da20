//! People who work with the program: how they stand, and the rules of their passwords and sessions.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

pub mod lock_out;
pub mod password;
pub mod session;

/// Whether somebody may sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatorStatus {
    Active,
    /// Is refused, and has no sessions.
    Disabled,
}

/// A text that names no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the status of an operator is active or disabled")]
pub struct OperatorStatusError;

impl OperatorStatus {
    pub const ALL: [Self; 2] = [Self::Active, Self::Disabled];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

impl fmt::Display for OperatorStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for OperatorStatus {
    type Err = OperatorStatusError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == raw);
        found.ok_or(OperatorStatusError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_survive_their_text() {
        for status in OperatorStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        assert!("asleep".parse::<OperatorStatus>().is_err());
    }
}
