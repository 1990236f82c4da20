//! The rules that a decision went through.

use std::fmt;

use arrayvec::ArrayVec;

use super::{Method, RejectReason};
use crate::subscriber::state::AccessState;
use crate::time::Timestamp;

/// The rules that a decision went through, in order.
pub type Trace = ArrayVec<TraceStep, { TraceStep::STEPS_MAX }>;

/// One rule and how it came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceStep {
    SubscriberFound,
    SubscriberActive,
    NotExpired,
    NoExpiry,
    PasswordVerified { method: Method },
    NasIdentifierMatches,
    WithinSessionLimit { open: u32, limit: u16 },
    NoSessionLimit,
    SessionTimeoutUntilExpiry { seconds: u32 },
    Granted,
    Refused(RejectReason),
    InGrace { until: Timestamp },
    Walled { state: AccessState },
    NasAllowed,
    DeviceBound,
    DeviceNew { limit: u8 },
    DeviceLogin,
}

impl TraceStep {
    pub const STEPS_MAX: usize = 14;
}

impl fmt::Display for TraceStep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SubscriberFound => formatter.write_str("the subscriber exists"),
            Self::SubscriberActive => formatter.write_str("the subscriber is active"),
            Self::NotExpired => formatter.write_str("the expiry is in the future"),
            Self::NoExpiry => formatter.write_str("no expiry is set"),
            Self::PasswordVerified { method } => {
                write!(formatter, "the {method} password is right")
            }
            Self::NasIdentifierMatches => formatter.write_str("NAS-Identifier matches"),
            Self::WithinSessionLimit { open, limit } => {
                write!(
                    formatter,
                    "{open} other sessions are open, {limit} are allowed"
                )
            }
            Self::NoSessionLimit => formatter.write_str("the plan has no session limit"),
            Self::SessionTimeoutUntilExpiry { seconds } => {
                write!(
                    formatter,
                    "the session ends with the subscriber's expiry in {seconds} s"
                )
            }
            Self::Granted => formatter.write_str("granted"),
            Self::Refused(reason) => write!(formatter, "refused: {reason}"),
            Self::InGrace { until } => {
                write!(
                    formatter,
                    "the expiry is past, and grace lasts until {until}"
                )
            }
            Self::Walled { state } => {
                write!(formatter, "the subscriber is {state}: walled garden only")
            }
            Self::NasAllowed => formatter.write_str("the subscriber may use this NAS"),
            Self::DeviceBound => formatter.write_str("the device is bound to the subscriber"),
            Self::DeviceLogin => {
                formatter.write_str("the user name is the MAC address of a registered device")
            }
            Self::DeviceNew { limit } => {
                write!(formatter, "the device is new and fits into {limit}")
            }
        }
    }
}
