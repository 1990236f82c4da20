//! Who is kept from guessing passwords, and for how long.

use std::fmt;

use crate::time::Timestamp;

/// What failed attempts are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GuardSubject {
    /// The subscriber whose password is tried.
    User,
    /// The device that tries, by its Calling-Station-Id.
    Station,
    /// The router through which it is tried.
    Nas,
}

/// Somebody whose attempts are refused for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardLock {
    pub key: GuardKey,
    pub since: Timestamp,
    pub until: Timestamp,
    /// How often it was locked without a longer pause between.
    pub strikes: u32,
}

/// Names a subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GuardKey {
    pub subject: GuardSubject,
    /// User name, Calling-Station-Id or the name of the router.
    pub name: String,
}

impl GuardSubject {
    pub const ALL: [Self; 3] = [Self::User, Self::Station, Self::Nas];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Station => "station",
            Self::Nas => "nas",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    pub fn from_stored(stored: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|subject| subject.as_str() == stored)
    }
}

impl fmt::Display for GuardSubject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}
