//! A plan: what a subscriber on it gets.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::id::{PlanId, TenantId};
use crate::limit::Limits;
use crate::name::Name;
use crate::rate_limit::RateLimit;
use crate::session_policy::SessionPolicy;
use access::PlanAccess;

pub mod access;
pub mod change;

/// A plan as it is sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub id: PlanId,
    pub tenant: TenantId,
    pub name: Name,
    pub terms: PlanTerms,
}

/// What a plan grants. Times are in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Default)]
pub struct PlanTerms {
    /// No limit means that the router applies none.
    pub rate: Option<RateLimit>,
    /// Session-Timeout (RFC 2865 §5.27).
    pub session_timeout_seconds: Option<TimeoutSeconds>,
    /// Idle-Timeout (RFC 2865 §5.28).
    pub idle_timeout_seconds: Option<TimeoutSeconds>,
    pub interim: InterimInterval,
    /// Name of an address pool on the router (Framed-Pool, RFC 2869 §5.18).
    pub pool: Option<PoolName>,
    /// How many sessions one subscriber may have open at once.
    pub session_limit: Option<SessionLimit>,
    /// What happens to one more.
    pub session_policy: SessionPolicy,
    /// Quotas, hours and validity; most plans have none.
    pub limits: Option<Box<Limits>>,
    #[serde(flatten)]
    pub access: PlanAccess,
}

/// A timeout of 1 second to 21,474,720 seconds, the most that RouterOS takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct TimeoutSeconds(u32);

/// Acct-Interim-Interval in seconds: at least 60 (RFC 2869 §5.16), 300 unless the plan says
/// otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct InterimInterval(u32);

/// A number of concurrent sessions, 1 to 1,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct SessionLimit(u16);

/// A pool name of 1 to 63 printable ASCII octets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct PoolName(Box<str>);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermError {
    #[error("{seconds} s is outside 1 to {} s", TimeoutSeconds::MAX)]
    Timeout { seconds: u32 },
    #[error(
        "{seconds} s is outside {} to {} s: routers that report more often overload themselves and us",
        InterimInterval::MIN,
        InterimInterval::MAX
    )]
    Interim { seconds: u32 },
    #[error("{sessions} sessions is outside 1 to {}", SessionLimit::MAX)]
    SessionLimit { sessions: u16 },
    #[error("a pool name has 1 to 63 printable ASCII characters without spaces")]
    PoolName,
}

impl TimeoutSeconds {
    pub const MAX: u32 = 21_474_720;

    pub const fn new(seconds: u32) -> Result<Self, TermError> {
        if seconds == 0 || Self::MAX < seconds {
            return Err(TermError::Timeout { seconds });
        }
        Ok(Self(seconds))
    }

    pub const fn as_seconds(self) -> u32 {
        self.0
    }
}

impl InterimInterval {
    pub const MIN: u32 = 60;
    pub const MAX: u32 = 86_400;
    pub const DEFAULT: Self = Self(300);

    pub const fn new(seconds: u32) -> Result<Self, TermError> {
        if seconds < Self::MIN || Self::MAX < seconds {
            return Err(TermError::Interim { seconds });
        }
        Ok(Self(seconds))
    }

    pub const fn as_seconds(self) -> u32 {
        self.0
    }
}

impl Default for InterimInterval {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl SessionLimit {
    pub const MAX: u16 = 1_000;

    pub const fn new(sessions: u16) -> Result<Self, TermError> {
        if sessions == 0 || Self::MAX < sessions {
            return Err(TermError::SessionLimit { sessions });
        }
        Ok(Self(sessions))
    }

    pub const fn as_sessions(self) -> u16 {
        self.0
    }
}

impl PoolName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PoolName {
    type Err = TermError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let is_valid =
            (1..=63).contains(&raw.len()) && raw.bytes().all(|byte| byte.is_ascii_graphic());
        if is_valid {
            Ok(Self(raw.into()))
        } else {
            Err(TermError::PoolName)
        }
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_refuse_values_outside_their_range() {
        assert!(TimeoutSeconds::new(0).is_err());
        assert!(TimeoutSeconds::new(21_474_721).is_err());
        assert!(InterimInterval::new(59).is_err());
        assert!(SessionLimit::new(0).is_err());
        assert!("pool one".parse::<PoolName>().is_err());
        assert!("".parse::<PoolName>().is_err());
    }

    #[test]
    fn terms_accept_their_bounds() {
        assert!(TimeoutSeconds::new(1).is_ok());
        assert!(TimeoutSeconds::new(TimeoutSeconds::MAX).is_ok());
        assert!(InterimInterval::new(60).is_ok());
        assert!(SessionLimit::new(1_000).is_ok());
    }
}
