//! Usage: how much a user moved, as differences of session counters.

use serde::Serialize;

use crate::time::Timestamp;

/// Volume in bytes and time in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
pub struct UsageAmount {
    pub upload_bytes: u64,
    pub download_bytes: u64,
    pub session_seconds: u64,
}

impl UsageAmount {
    pub const fn is_zero(&self) -> bool {
        self.upload_bytes == 0 && self.download_bytes == 0 && self.session_seconds == 0
    }

    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            upload_bytes: self.upload_bytes.saturating_add(other.upload_bytes),
            download_bytes: self.download_bytes.saturating_add(other.download_bytes),
            session_seconds: self.session_seconds.saturating_add(other.session_seconds),
        }
    }

    /// What `self` has more than `earlier`, counter by counter, never negative.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            upload_bytes: self.upload_bytes.saturating_sub(earlier.upload_bytes),
            download_bytes: self.download_bytes.saturating_sub(earlier.download_bytes),
            session_seconds: self.session_seconds.saturating_sub(earlier.session_seconds),
        }
    }

    /// The greater of each counter.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            upload_bytes: self.upload_bytes.max(other.upload_bytes),
            download_bytes: self.download_bytes.max(other.download_bytes),
            session_seconds: self.session_seconds.max(other.session_seconds),
        }
    }
}

/// A user's usage in one hour or one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UsageBucket {
    pub starts_at: Timestamp,
    #[serde(flatten)]
    pub amount: UsageAmount,
}
