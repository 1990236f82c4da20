//! How an account stands: what is stored of it, what time makes of that, and who may change it.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::SubscriberStatus;
use crate::plan::access::GraceDays;
use crate::time::Timestamp;

/// How an account stands at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessState {
    Pending,
    Active,
    /// Past its expiry, and still let in.
    Grace,
    SuspendedWalled,
    SuspendedHard,
    /// Past its expiry and its grace.
    Expired,
    Disabled,
}

/// What can be done to how an account stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateChange {
    Activate,
    SuspendWalled,
    SuspendHard,
    /// Ends a suspension.
    Restore,
    Disable,
    Enable,
}

/// Who changes how an account stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A person decided so.
    Operator,
    /// Money came in.
    Payment,
    /// Money did not come in.
    Arrears,
}

/// Why an account cannot be changed so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{change} is not possible from the state {from}: {remedy}")]
pub struct TransitionError {
    pub from: AccessState,
    pub change: StateChange,
    pub remedy: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{raw}' is not one of: {accepted}")]
pub struct StateError {
    pub(super) raw: String,
    pub(super) accepted: &'static str,
}

impl AccessState {
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Active,
        Self::Grace,
        Self::SuspendedWalled,
        Self::SuspendedHard,
        Self::Expired,
        Self::Disabled,
    ];

    /// What a stored status means at `now`: an active account goes through grace to its end.
    pub fn at(
        status: SubscriberStatus,
        expires_at: Option<Timestamp>,
        grace: GraceDays,
        now: Timestamp,
    ) -> Self {
        match status {
            SubscriberStatus::Pending => Self::Pending,
            SubscriberStatus::SuspendedWalled => Self::SuspendedWalled,
            SubscriberStatus::SuspendedHard => Self::SuspendedHard,
            SubscriberStatus::Disabled => Self::Disabled,
            SubscriberStatus::Active => match expires_at {
                Some(at) if grace.after(at).seconds_since(now) <= 0 => Self::Expired,
                Some(at) if at.seconds_since(now) <= 0 => Self::Grace,
                Some(_) | None => Self::Active,
            },
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Grace => "grace",
            Self::SuspendedWalled => "suspended_walled",
            Self::SuspendedHard => "suspended_hard",
            Self::Expired => "expired",
            Self::Disabled => "disabled",
        }
    }

    /// What is to be stored after a change, or why it is not possible. A change that is made
    /// already changes nothing.
    pub const fn after(
        self,
        change: StateChange,
        by: Cause,
    ) -> Result<SubscriberStatus, TransitionError> {
        if !by.may(change) {
            return Err(self.refuse(change, "only an operator may do this"));
        }
        match change {
            StateChange::Activate => self.activated(),
            StateChange::Enable => self.enabled(),
            StateChange::Restore => self.restored(),
            StateChange::SuspendWalled => self.suspended_walled(by),
            StateChange::SuspendHard => self.suspended_hard(),
            StateChange::Disable => Ok(SubscriberStatus::Disabled),
        }
    }

    const fn activated(self) -> Result<SubscriberStatus, TransitionError> {
        match self {
            Self::Pending | Self::Active => Ok(SubscriberStatus::Active),
            Self::Grace
            | Self::Expired
            | Self::SuspendedWalled
            | Self::SuspendedHard
            | Self::Disabled => Err(self.refuse(StateChange::Activate, self.way_to_active())),
        }
    }

    const fn enabled(self) -> Result<SubscriberStatus, TransitionError> {
        match self {
            Self::Disabled | Self::Active => Ok(SubscriberStatus::Active),
            Self::Pending
            | Self::Grace
            | Self::Expired
            | Self::SuspendedWalled
            | Self::SuspendedHard => Err(self.refuse(StateChange::Enable, self.way_to_active())),
        }
    }

    const fn restored(self) -> Result<SubscriberStatus, TransitionError> {
        match self {
            Self::SuspendedWalled | Self::SuspendedHard | Self::Active => {
                Ok(SubscriberStatus::Active)
            }
            Self::Pending | Self::Grace | Self::Expired | Self::Disabled => {
                Err(self.refuse(StateChange::Restore, self.way_to_active()))
            }
        }
    }

    const fn suspended_walled(self, by: Cause) -> Result<SubscriberStatus, TransitionError> {
        let change = StateChange::SuspendWalled;
        match (self, by) {
            (Self::SuspendedHard, Cause::Arrears | Cause::Payment) => {
                Err(self.refuse(change, "what is owed does not loosen a suspension"))
            }
            (Self::SuspendedHard, Cause::Operator)
            | (Self::Active | Self::Grace | Self::SuspendedWalled | Self::Expired, _) => {
                Ok(SubscriberStatus::SuspendedWalled)
            }
            (Self::Pending | Self::Disabled, _) => Err(self.refuse(change, self.way_to_active())),
        }
    }

    const fn suspended_hard(self) -> Result<SubscriberStatus, TransitionError> {
        match self {
            Self::Active
            | Self::Grace
            | Self::SuspendedWalled
            | Self::SuspendedHard
            | Self::Expired => Ok(SubscriberStatus::SuspendedHard),
            Self::Pending | Self::Disabled => {
                Err(self.refuse(StateChange::SuspendHard, self.way_to_active()))
            }
        }
    }

    const fn refuse(self, change: StateChange, remedy: &'static str) -> TransitionError {
        TransitionError {
            from: self,
            change,
            remedy,
        }
    }

    const fn way_to_active(self) -> &'static str {
        match self {
            Self::Pending => "activate it first",
            Self::Active => "it is active",
            Self::Grace | Self::Expired => "give it a later expiry",
            Self::SuspendedWalled | Self::SuspendedHard => "restore it",
            Self::Disabled => "enable it first",
        }
    }
}

impl FromStr for AccessState {
    type Err = StateError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL
            .into_iter()
            .find(|one| one.as_str().eq_ignore_ascii_case(raw));
        found.ok_or_else(|| StateError {
            raw: raw.to_owned(),
            accepted: "pending, active, grace, suspended_walled, suspended_hard, expired, disabled",
        })
    }
}

impl fmt::Display for AccessState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl Cause {
    /// Money opens what it closed, and what nobody opened yet; a person may do everything.
    const fn may(self, change: StateChange) -> bool {
        match (self, change) {
            (Self::Operator, _)
            | (Self::Payment, StateChange::Activate | StateChange::Restore)
            | (Self::Arrears, StateChange::SuspendWalled | StateChange::SuspendHard) => true,
            (
                Self::Payment,
                StateChange::SuspendWalled
                | StateChange::SuspendHard
                | StateChange::Disable
                | StateChange::Enable,
            )
            | (
                Self::Arrears,
                StateChange::Activate
                | StateChange::Restore
                | StateChange::Disable
                | StateChange::Enable,
            ) => false,
        }
    }
}

impl fmt::Display for StateChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Activate => "to activate",
            Self::SuspendWalled => "to suspend into the walled garden",
            Self::SuspendHard => "to suspend",
            Self::Restore => "to restore",
            Self::Disable => "to disable",
            Self::Enable => "to enable",
        })
    }
}

#[cfg(test)]
mod tests;
