//! What becomes of one login more than a subscriber may have sessions, and terms of their own.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::plan::{PlanTerms, SessionLimit};

/// What happens when one more device logs in than may be online at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum SessionPolicy {
    /// The new one is refused.
    #[default]
    RejectNew,
    /// The new one is accepted, and the session that began first has to end.
    ReplaceOldest,
}

/// What a subscriber has instead of what the plan says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Default)]
pub struct SessionTerms {
    pub session_limit: Option<SessionLimit>,
    pub session_policy: Option<SessionPolicy>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{raw}' is not a session policy: write reject-new or replace-oldest")]
pub struct SessionPolicyError {
    raw: String,
}

impl SessionPolicy {
    pub const ALL: [Self; 2] = [Self::RejectNew, Self::ReplaceOldest];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RejectNew => "reject_new",
            Self::ReplaceOldest => "replace_oldest",
        }
    }
}

impl SessionTerms {
    /// How many sessions may be open at once, if that is limited, on a plan of these terms.
    pub fn limit_on(self, plan: &PlanTerms) -> Option<SessionLimit> {
        self.session_limit.or(plan.session_limit)
    }

    /// What happens to one more, on a plan of these terms.
    pub fn policy_on(self, plan: &PlanTerms) -> SessionPolicy {
        self.session_policy.unwrap_or(plan.session_policy)
    }
}

impl fmt::Display for SessionPolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Takes the name with hyphens, as people write it, and with underscores, as it is stored.
impl FromStr for SessionPolicy {
    type Err = SessionPolicyError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let name = raw.to_ascii_lowercase().replace('-', "_");
        Self::ALL
            .into_iter()
            .find(|policy| policy.as_str() == name)
            .ok_or_else(|| SessionPolicyError {
                raw: raw.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_as_people_and_as_databases_write_them() {
        for policy in [SessionPolicy::RejectNew, SessionPolicy::ReplaceOldest] {
            let stored = policy.as_str();
            assert_eq!(stored.parse(), Ok(policy));
            assert_eq!(stored.replace('_', "-").parse(), Ok(policy));
        }
        assert!("replace".parse::<SessionPolicy>().is_err());
    }

    #[test]
    fn what_a_subscriber_has_goes_before_the_plan() {
        let plan = PlanTerms {
            session_limit: SessionLimit::new(1).ok(),
            session_policy: SessionPolicy::ReplaceOldest,
            ..PlanTerms::default()
        };
        let none = SessionTerms::default();
        assert_eq!(none.limit_on(&plan), plan.session_limit);
        assert_eq!(none.policy_on(&plan), SessionPolicy::ReplaceOldest);
        let own = SessionTerms {
            session_limit: SessionLimit::new(3).ok(),
            session_policy: Some(SessionPolicy::RejectNew),
        };
        assert_eq!(own.limit_on(&plan), own.session_limit);
        assert_eq!(own.policy_on(&plan), SessionPolicy::RejectNew);
    }
}
