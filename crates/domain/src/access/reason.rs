//! Why access is refused: a name for scripts, a sentence for operators, and what the subscriber is
//! told.

use std::fmt;

use super::Method;
use crate::credential::HashScheme;
use crate::limit::{Crossing, Measure};
use crate::time::Timestamp;

/// Why access was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectReason {
    UnknownUser,
    MalformedUserName,
    Disabled,
    Expired { at: Timestamp },
    WrongPassword { method: Method },
    MethodNeedsCleartext { method: Method, stored: HashScheme },
    MalformedCredential { method: Method },
    UnsupportedMethod { method: Method },
    NoCredential,
    NasIdentifierDiffers,
    SessionLimit { open: u32, limit: u16 },
    PlanMissing,
    QuotaUsedUp(Crossing),
    OutsideHours { opens_at: Timestamp },
    NoLongerValid { ended_at: Timestamp },
}

impl RejectReason {
    /// A stable name for logs, metrics and scripts.
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::MalformedUserName => "malformed_user_name",
            Self::Disabled => "disabled",
            Self::Expired { .. } => "expired",
            Self::WrongPassword { .. } => "wrong_password",
            Self::MethodNeedsCleartext { .. } => "method_needs_cleartext",
            Self::MalformedCredential { .. } => "malformed_credential",
            Self::UnsupportedMethod { .. } => "unsupported_method",
            Self::NoCredential => "no_credential",
            Self::NasIdentifierDiffers => "nas_identifier_differs",
            Self::SessionLimit { .. } => "session_limit",
            Self::PlanMissing => "plan_missing",
            Self::QuotaUsedUp(_) => "quota_used_up",
            Self::OutsideHours { .. } => "outside_hours",
            Self::NoLongerValid { .. } => "no_longer_valid",
        }
    }

    /// What the subscriber may be told in Reply-Message: nothing that helps to guess.
    pub const fn reply_message(self) -> &'static str {
        match self {
            Self::Disabled => "Your account is disabled",
            Self::Expired { .. } => "Your account has expired",
            Self::SessionLimit { .. } => "You are already logged in",
            Self::QuotaUsedUp(crossing) => match crossing.measure {
                Measure::Traffic | Measure::Upload | Measure::Download => {
                    "Your data volume is used up"
                }
                Measure::Time => "Your online time is used up",
            },
            Self::OutsideHours { .. } => "Your plan does not cover this time",
            Self::NoLongerValid { .. } => "Your plan has ended",
            Self::UnknownUser
            | Self::MalformedUserName
            | Self::WrongPassword { .. }
            | Self::MethodNeedsCleartext { .. }
            | Self::MalformedCredential { .. }
            | Self::UnsupportedMethod { .. }
            | Self::NoCredential
            | Self::NasIdentifierDiffers
            | Self::PlanMissing => "Access denied",
        }
    }
}

/// The sentence an operator reads.
impl fmt::Display for RejectReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownUser => formatter.write_str("there is no subscriber of this name"),
            Self::MalformedUserName => {
                formatter.write_str("the user name is empty, too long or not printable ASCII")
            }
            Self::Disabled => formatter.write_str("the subscriber is disabled"),
            Self::Expired { at } => write!(formatter, "the subscriber expired at {at}"),
            Self::WrongPassword { method } => write!(formatter, "the {method} password is wrong"),
            Self::MethodNeedsCleartext { method, stored } => write!(
                formatter,
                "{method} needs the password itself, but only its {stored} hash is stored"
            ),
            Self::MalformedCredential { method } => {
                write!(formatter, "the {method} attributes are malformed")
            }
            Self::UnsupportedMethod { method } => {
                write!(formatter, "{method} is not spoken by this server")
            }
            Self::NoCredential => formatter.write_str("the request carries no password"),
            Self::NasIdentifierDiffers => {
                formatter.write_str("NAS-Identifier is not the one registered for this NAS")
            }
            Self::SessionLimit { open, limit } => {
                write!(
                    formatter,
                    "{open} other sessions are open and the plan allows {limit}"
                )
            }
            Self::PlanMissing => formatter.write_str("the subscriber's plan is not known here yet"),
            Self::QuotaUsedUp(crossing) => write!(formatter, "{crossing}"),
            Self::OutsideHours { opens_at } => {
                write!(formatter, "the plan's hours begin again at {opens_at}")
            }
            Self::NoLongerValid { ended_at } => {
                write!(formatter, "the plan's validity ended at {ended_at}")
            }
        }
    }
}
