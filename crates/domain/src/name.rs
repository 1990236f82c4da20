//! Names: what subscribers log in with, and what operators call their routers and plans.

use std::fmt;
use std::str::FromStr;

use compact_str::CompactString;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The name a subscriber logs in with: 1 to 253 printable ASCII octets (RFC 2865 §5.1), stored in
/// lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Username(CompactString);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsernameError {
    #[error(
        "a user name is empty: write 1 to {} printable characters",
        Username::LEN_MAX
    )]
    Empty,
    #[error(
        "a user name of {len} octets is too long: at most {} fit in User-Name",
        Username::LEN_MAX
    )]
    TooLong { len: usize },
    #[error(
        "a user name has a space, a control character or a letter outside ASCII at octet {at}: use printable ASCII without spaces"
    )]
    BadByte { at: usize },
}

impl Username {
    pub const LEN_MAX: usize = 253;

    /// Folds a name as it came from the wire, without allocating for names up to 24 octets.
    pub fn from_wire(raw: &[u8]) -> Result<Self, UsernameError> {
        if raw.is_empty() {
            return Err(UsernameError::Empty);
        }
        if Self::LEN_MAX < raw.len() {
            return Err(UsernameError::TooLong { len: raw.len() });
        }
        if let Some(at) = raw.iter().position(|byte| !byte.is_ascii_graphic()) {
            return Err(UsernameError::BadByte { at });
        }
        let mut folded = CompactString::from_utf8(raw).map_err(|error| {
            let at = error.valid_up_to();
            UsernameError::BadByte { at }
        })?;
        folded.make_ascii_lowercase();
        Ok(Self(folded))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Username {
    type Err = UsernameError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        Self::from_wire(raw.as_bytes())
    }
}

impl fmt::Display for Username {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl Serialize for Username {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Username {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// What an operator calls a router or a plan: 1 to 64 characters, shown as written, compared
/// without regard to case.
#[derive(Clone, Debug)]
pub struct Name {
    shown: CompactString,
    key: CompactString,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a name is empty: write 1 to {} characters", Name::CHARS_MAX)]
    Empty,
    #[error(
        "a name of {chars} characters is too long: at most {} are kept",
        Name::CHARS_MAX
    )]
    TooLong { chars: usize },
    #[error(
        "a name has a control character at character {at}: use letters, digits, spaces and punctuation"
    )]
    Control { at: usize },
    #[error("a name begins or ends with a space: remove it")]
    OuterSpace,
}

impl Name {
    pub const CHARS_MAX: usize = 64;

    /// The name as the operator wrote it.
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// The folded form that is unique in a tenant.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let chars = raw.chars().count();
        if chars == 0 {
            return Err(NameError::Empty);
        }
        if Self::CHARS_MAX < chars {
            return Err(NameError::TooLong { chars });
        }
        if let Some(at) = raw.chars().position(char::is_control) {
            return Err(NameError::Control { at });
        }
        if raw.trim() != raw {
            return Err(NameError::OuterSpace);
        }
        Ok(Self {
            shown: raw.into(),
            key: raw.to_lowercase().into(),
        })
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Name {}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.shown)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, expected: Result<&str, UsernameError>) {
        let actual = raw.parse::<Username>();
        assert_eq!(
            actual.as_ref().map(Username::as_str),
            expected.as_ref().copied()
        );
    }

    #[test]
    fn username_folds_case() {
        check("Ana.Paz", Ok("ana.paz"));
        check("ANA@Example.NET", Ok("ana@example.net"));
    }

    #[test]
    fn username_rejects_what_no_router_sends_intact() {
        check("", Err(UsernameError::Empty));
        check("ana paz", Err(UsernameError::BadByte { at: 3 }));
        check("ana\0", Err(UsernameError::BadByte { at: 3 }));
        check("josé", Err(UsernameError::BadByte { at: 3 }));
        check(&"a".repeat(254), Err(UsernameError::TooLong { len: 254 }));
    }

    #[test]
    fn username_from_the_wire_may_be_any_octets() {
        let actual = Username::from_wire(&[b'a', 0xff]);
        assert_eq!(actual, Err(UsernameError::BadByte { at: 1 }));
    }

    #[track_caller]
    fn check_name(raw: &str, expected: Result<&str, NameError>) {
        let actual = raw.parse::<Name>();
        assert_eq!(actual.as_ref().map(Name::key), expected.as_ref().copied());
    }

    #[test]
    fn name_keeps_its_case_and_compares_without() {
        check_name("Home 50", Ok("home 50"));
        assert_eq!("POP-1".parse::<Name>(), "pop-1".parse::<Name>());
    }

    #[test]
    fn name_rejects_what_cannot_be_typed_again() {
        check_name("", Err(NameError::Empty));
        check_name(" a", Err(NameError::OuterSpace));
        check_name("a\tb", Err(NameError::Control { at: 1 }));
        check_name(&"é".repeat(65), Err(NameError::TooLong { chars: 65 }));
    }
}
