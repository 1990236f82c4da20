//! Realms: the part of a user name that says whose subscriber it is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

use crate::id::TenantId;

/// A realm of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm {
    pub tenant: TenantId,
    pub name: RealmName,
    pub handling: RealmHandling,
}

/// The name of a realm: 1 to 128 printable ASCII octets without `@`, `/` and `\\`, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RealmName(Box<str>);

/// Under which name a subscriber of a realm is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RealmHandling {
    /// Without the realm.
    Strip,
    /// With it, as it is sent.
    Keep,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RealmError {
    #[error(
        "'{raw}' is not a realm: write 1 to {} printable ASCII characters without @, / and \\",
        RealmName::LEN_MAX
    )]
    Name { raw: String },
    #[error("'{raw}' is not one of: strip, keep")]
    Handling { raw: String },
}

/// Cuts a name into the user and the realm: `user@realm`, `realm/user` or `realm\\user`. A name
/// without a realm, or with nothing on one side, is none of these.
pub fn split(name: &str) -> Option<(&str, &str)> {
    let parts = match name.rsplit_once('@') {
        Some(parts) => Some(parts),
        None => name
            .split_once(['/', '\\'])
            .map(|(realm, user)| (user, realm)),
    };
    parts.filter(|(user, realm)| !user.is_empty() && !realm.is_empty())
}

impl Realm {
    /// The name under which `user` of this realm is registered, whose whole name is `whole`.
    pub const fn registered<'n>(&self, whole: &'n str, user: &'n str) -> &'n str {
        match self.handling {
            RealmHandling::Strip => user,
            RealmHandling::Keep => whole,
        }
    }
}

impl RealmName {
    pub const LEN_MAX: usize = 128;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RealmName {
    type Err = RealmError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let is_plain =
            |octet: u8| octet.is_ascii_graphic() && !matches!(octet, b'@' | b'/' | b'\\');
        if (1..=Self::LEN_MAX).contains(&raw.len()) && raw.bytes().all(is_plain) {
            Ok(Self(raw.to_ascii_lowercase().into()))
        } else {
            Err(RealmError::Name {
                raw: raw.to_owned(),
            })
        }
    }
}

impl fmt::Display for RealmName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl Serialize for RealmName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl RealmHandling {
    pub const ALL: [Self; 2] = [Self::Strip, Self::Keep];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strip => "strip",
            Self::Keep => "keep",
        }
    }
}

impl FromStr for RealmHandling {
    type Err = RealmError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|one| one.as_str().eq_ignore_ascii_case(raw))
            .ok_or_else(|| RealmError::Handling {
                raw: raw.to_owned(),
            })
    }
}

impl fmt::Display for RealmHandling {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Option<(&str, &str)>) {
        assert_eq!(split(name), expected, "{name}");
    }

    #[test]
    fn a_realm_is_behind_an_at_or_before_a_slash() {
        check("ana@isp.example", Some(("ana", "isp.example")));
        check("isp.example/ana", Some(("ana", "isp.example")));
        check("isp\\ana", Some(("ana", "isp")));
        check("ana@home@isp", Some(("ana@home", "isp")));
        check("isp/ana@other", Some(("isp/ana", "other")));
        check("ana", None);
        check("ana@", None);
        check("@isp", None);
        check("/ana", None);
        check("isp/", None);
    }

    #[test]
    fn realm_names_are_folded_and_checked() {
        let name: RealmName = "ISP.Example".parse().expect("a good name");
        assert_eq!(name.as_str(), "isp.example");
        for wrong in ["", "a b", "a@b", "a/b", "a\\b", "é"] {
            assert!(wrong.parse::<RealmName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_realm_is_stripped_or_kept() {
        let realm = |handling| Realm {
            tenant: TenantId::DEFAULT,
            name: "isp".parse().expect("a good name"),
            handling,
        };
        let strip = realm(RealmHandling::Strip);
        let keep = realm(RealmHandling::Keep);
        assert_eq!(strip.registered("isp/ana", "ana"), "ana");
        assert_eq!(keep.registered("isp/ana", "ana"), "isp/ana");
    }
}
