//! The rules that a decision went through.

use std::fmt;

use arrayvec::ArrayVec;

use super::rows::{RowOwner, RowPlace};
use super::{Method, RejectReason};
use crate::limit::{Measure, Period, ResetAt};
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
    PasswordVerified {
        method: Method,
    },
    NasIdentifierMatches,
    WithinSessionLimit {
        open: u32,
        limit: u16,
    },
    NoSessionLimit,
    SessionTimeoutUntilExpiry {
        seconds: u32,
    },
    Granted,
    Refused(RejectReason),
    RowsFound,
    RowsMatch(RowOwner),
    RowDiffers(RowPlace),
    RowsAcceptAlways,
    ReplacesOldest {
        open: u32,
        limit: u16,
    },
    StillValid {
        until: Timestamp,
    },
    /// The plan's window closes in so many seconds.
    HoursOpen {
        seconds: u32,
    },
    WithinQuotas,
    /// A quota is used up, and another speed applies.
    Throttled {
        measure: Measure,
        period: Period,
        resets_at: ResetAt,
    },
    /// A quota is used up, and another plan applies.
    MovedToPlan {
        measure: Measure,
        period: Period,
        resets_at: ResetAt,
    },
    SessionTimeoutByLimits {
        seconds: u32,
    },
    InGrace {
        until: Timestamp,
    },
    Walled {
        state: AccessState,
    },
    NasAllowed,
    DeviceBound,
    DeviceNew {
        limit: u8,
    },
    DeviceLogin,
}

impl TraceStep {
    pub const STEPS_MAX: usize = 20;
}

impl fmt::Display for TraceStep {
    #[expect(clippy::too_many_lines, reason = "a table: one sentence for each rule")]
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
            Self::RowsFound => formatter.write_str("the name has rows"),
            Self::RowsMatch(owner) => write!(formatter, "the rows of {owner} match"),
            Self::RowDiffers(place) => write!(formatter, "{place} does not match the request"),
            Self::RowsAcceptAlways => {
                formatter.write_str("the rows say Auth-Type := Accept: no password is asked for")
            }
            Self::ReplacesOldest { open, limit } => write!(
                formatter,
                "{open} other sessions are open, {limit} are allowed, and this one takes the place of the oldest"
            ),
            Self::StillValid { until } => write!(formatter, "the plan is valid until {until}"),
            Self::HoursOpen { seconds } => {
                write!(formatter, "the plan's hours go on for {seconds} s")
            }
            Self::WithinQuotas => formatter.write_str("no quota is used up"),
            Self::Throttled {
                measure,
                period,
                resets_at,
            } => {
                write_used_up(formatter, *measure, *period, *resets_at)?;
                formatter.write_str("; the plan's speed at the limit applies")
            }
            Self::MovedToPlan {
                measure,
                period,
                resets_at,
            } => {
                write_used_up(formatter, *measure, *period, *resets_at)?;
                formatter.write_str("; the plan's other plan applies")
            }
            Self::SessionTimeoutByLimits { seconds } => {
                write!(
                    formatter,
                    "the session ends with what the plan's limits leave, in {seconds} s"
                )
            }
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

fn write_used_up(
    formatter: &mut fmt::Formatter<'_>,
    measure: Measure,
    period: Period,
    resets_at: ResetAt,
) -> fmt::Result {
    let (measure, period) = (measure.as_str(), period.as_str());
    write!(formatter, "the {measure} quota ({period}) is used up")?;
    match resets_at.find() {
        Some(at) => write!(formatter, " until {at}"),
        None => Ok(()),
    }
}
