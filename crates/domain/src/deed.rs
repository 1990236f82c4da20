//! What was done to a thing: the verb that the audit log and events share.

use std::str::FromStr;

use serde::Serialize;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Created,
    Changed,
    Removed,
    /// A secret was shown.
    Revealed,
    /// Many were brought in at once.
    Imported,
    SignedIn,
    SignInFailed,
    SignedOut,
    /// Attempts to sign in are refused for a while.
    LockedOut,
    /// A new secret took the place of the one before.
    Rotated,
    /// It was tried out.
    Tested,
    /// What was sent before was sent again.
    Redelivered,
}

/// A text that names no action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no action has this name")]
pub struct ActionError;

impl Action {
    pub const ALL: [Self; 12] = [
        Self::Created,
        Self::Changed,
        Self::Removed,
        Self::Revealed,
        Self::Imported,
        Self::SignedIn,
        Self::SignInFailed,
        Self::SignedOut,
        Self::LockedOut,
        Self::Rotated,
        Self::Tested,
        Self::Redelivered,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Revealed => "revealed",
            Self::Imported => "imported",
            Self::SignedIn => "signed_in",
            Self::SignInFailed => "sign_in_failed",
            Self::SignedOut => "signed_out",
            Self::LockedOut => "locked_out",
            Self::Rotated => "rotated",
            Self::Tested => "tested",
            Self::Redelivered => "redelivered",
        }
    }
}

impl FromStr for Action {
    type Err = ActionError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|action| action.as_str() == raw);
        found.ok_or(ActionError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_survive_their_text() {
        for action in Action::ALL {
            assert_eq!(action.as_str().parse(), Ok(action));
        }
    }
}
