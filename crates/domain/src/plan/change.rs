//! Changes of a plan: what is noted about them, and how those stand that are to be made later.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// Why a plan is changed, in words: 1 to 500 characters, without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangeNote(Box<str>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a note has 1 to {} characters in one line", ChangeNote::CHARS_MAX)]
pub struct ChangeNoteError;

/// How a change stands that is to be made at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeState {
    /// Its time has not come.
    Pending,
    /// The plan is as it says.
    Applied,
    /// The plan could not be changed so, and is as it was.
    Failed,
    Cancelled,
}

/// A text that names no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a scheduled change is pending, applied, failed or cancelled")]
pub struct ChangeStateError;

impl ChangeNote {
    pub const CHARS_MAX: usize = 500;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ChangeNote {
    type Err = ChangeNoteError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let text = raw.trim();
        let is_long = Self::CHARS_MAX < text.chars().count();
        if text.is_empty() || is_long || text.chars().any(char::is_control) {
            return Err(ChangeNoteError);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for ChangeNote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl ChangeState {
    pub const ALL: [Self; 4] = [Self::Pending, Self::Applied, Self::Failed, Self::Cancelled];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Applied => "applied",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl FromStr for ChangeState {
    type Err = ChangeStateError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == raw);
        found.ok_or(ChangeStateError)
    }
}

impl fmt::Display for ChangeState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_one_line_of_bounded_length() {
        assert_eq!(
            " new price "
                .parse::<ChangeNote>()
                .expect("a note")
                .as_str(),
            "new price"
        );
        for raw in ["", "  ", "two\nlines", &"x".repeat(501)] {
            assert!(raw.parse::<ChangeNote>().is_err(), "{raw:?}");
        }
        assert!("é".repeat(500).parse::<ChangeNote>().is_ok());
    }

    #[test]
    fn states_survive_their_text() {
        for state in ChangeState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
    }
}
