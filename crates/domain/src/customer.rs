//! A customer: who pays, how they are reached, and what is known about them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub mod contact;
pub mod field;

/// How a customer stands to the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomerState {
    /// Not a customer yet.
    Lead,
    #[default]
    Active,
    /// Not a customer any more.
    Closed,
}

/// What a customer is called in letters and invoices: 1 to 32 printable ASCII characters without
/// spaces, in upper case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct CustomerNumber(String);

/// A word that customers are sorted by: 1 to 32 lower-case letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Tag(String);

/// What something is called, in 1 to 200 characters of one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Title(String);

/// What somebody wrote down about a customer, in 1 to 4,000 characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NoteText(String);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CustomerError {
    #[error("'{raw}' is not one of: lead, active, closed")]
    State { raw: String },
    #[error(
        "a customer number has 1 to {} printable ASCII characters without spaces",
        CustomerNumber::LEN_MAX
    )]
    Number,
    #[error("a tag has 1 to {} letters a-z, digits, - and _", Tag::LEN_MAX)]
    Tag,
    #[error(
        "this has 1 to {} characters in one line, without a space at either end",
        Title::CHARS_MAX
    )]
    Title,
    #[error("a note has 1 to {} characters", NoteText::CHARS_MAX)]
    Note,
}

impl CustomerState {
    pub const ALL: [Self; 3] = [Self::Lead, Self::Active, Self::Closed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lead => "lead",
            Self::Active => "active",
            Self::Closed => "closed",
        }
    }
}

impl FromStr for CustomerState {
    type Err = CustomerError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == raw);
        found.ok_or_else(|| CustomerError::State {
            raw: raw.chars().take(64).collect(),
        })
    }
}

impl fmt::Display for CustomerState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl CustomerNumber {
    pub const LEN_MAX: usize = 32;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CustomerNumber {
    type Err = CustomerError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let is_plain = raw.bytes().all(|octet| octet.is_ascii_graphic());
        if !is_plain || !(1..=Self::LEN_MAX).contains(&raw.len()) {
            return Err(CustomerError::Number);
        }
        Ok(Self(raw.to_ascii_uppercase()))
    }
}

impl fmt::Display for CustomerNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl Tag {
    pub const LEN_MAX: usize = 32;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = CustomerError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let lower = raw.to_ascii_lowercase();
        let is_plain = |octet: u8| {
            octet.is_ascii_lowercase() || octet.is_ascii_digit() || matches!(octet, b'-' | b'_')
        };
        if !(1..=Self::LEN_MAX).contains(&lower.len()) || !lower.bytes().all(is_plain) {
            return Err(CustomerError::Tag);
        }
        Ok(Self(lower))
    }
}

impl Title {
    pub const CHARS_MAX: usize = 200;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Title {
    type Err = CustomerError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let chars = raw.chars().count();
        let is_line = raw.trim() == raw && !raw.chars().any(char::is_control);
        if !is_line || !(1..=Self::CHARS_MAX).contains(&chars) {
            return Err(CustomerError::Title);
        }
        Ok(Self(raw.to_owned()))
    }
}

impl fmt::Display for Title {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl NoteText {
    pub const CHARS_MAX: usize = 4_000;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NoteText {
    type Err = CustomerError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let text = raw.trim();
        let is_text = |letter: char| !letter.is_control() || matches!(letter, '\n' | '\t');
        if text.is_empty() || Self::CHARS_MAX < text.chars().count() || !text.chars().all(is_text) {
            return Err(CustomerError::Note);
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_survive_their_text() {
        for state in CustomerState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!("gone".parse::<CustomerState>().is_err());
    }

    #[test]
    fn numbers_are_compared_without_case() {
        let number = "c-0007".parse::<CustomerNumber>();
        assert_eq!(number.as_ref().map(CustomerNumber::as_str), Ok("C-0007"));
        for wrong in ["", "a b", "é", "0123456789012345678901234567890123"] {
            assert_eq!(wrong.parse::<CustomerNumber>(), Err(CustomerError::Number));
        }
    }

    #[test]
    fn tags_are_plain_words() {
        assert_eq!("VIP".parse::<Tag>().as_ref().map(Tag::as_str), Ok("vip"));
        for wrong in ["", "two words", "a,b", "ü"] {
            assert_eq!(wrong.parse::<Tag>(), Err(CustomerError::Tag));
        }
    }

    #[test]
    fn titles_and_notes_are_text() {
        assert!("Ana Paz".parse::<Title>().is_ok());
        for wrong in ["", " a", "a\nb"] {
            assert_eq!(wrong.parse::<Title>(), Err(CustomerError::Title));
        }
        let note = " called,\nno answer ".parse::<NoteText>();
        assert_eq!(
            note.as_ref().map(NoteText::as_str),
            Ok("called,\nno answer")
        );
        for wrong in ["", " \n", "a\0"] {
            assert_eq!(wrong.parse::<NoteText>(), Err(CustomerError::Note));
        }
    }
}
