//! Limits: how much, when and until when a subscriber may be online, and what happens at a limit.
//!
//! [`evaluate`] is the only place that weighs them, at a login and whenever usage is reported.
//! It reads no clock: the instant, and what was used until then, come in as arguments.

use serde::Serialize;

use crate::id::PlanId;
use crate::rate_limit::RateLimit;

mod allowance;
mod amount;
mod calendar;
mod local;
mod quota;
mod top_up;
mod usage;
mod validity;
mod window;

pub use allowance::{Allowance, Crossing, Refusal, ResetAt, Standing, VolumeLeft, evaluate};
pub use amount::{ByteAmount, DurationAmount};
pub use calendar::{Resets, ResetsError, Span, Weekday, Zone, ZoneError};
pub use quota::{Measure, Period, Quota, QuotaError, Quotas};
pub use top_up::{Allowed, Beyond, TopUp, TopUpMeasure, consume};
pub use usage::{Counter, LimitFact, LimitNews, LimitUsage, Meter, PERIODS_COUNTED, PeriodCounted};
pub use validity::{Validity, ValidityError, ValidityStart};
pub use window::{Windows, WindowsError};

/// Everything that limits a subscriber beside speed and sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Default)]
pub struct Limits {
    pub quotas: Quotas,
    /// When the subscriber may be online; at any time when absent.
    pub windows: Option<Windows>,
    pub validity: Option<Validity>,
    pub resets: Resets,
    pub at_limit: AtLimit,
    /// The tenant's; periods and windows are in its local time.
    pub zone: Zone,
    pub manner: Manner,
}

/// What happens when a quota is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum AtLimit {
    /// Nobody is let in until the quota resets.
    #[default]
    Block,
    /// Another speed until the quota resets.
    Throttle(RateLimit),
    /// The terms of another plan until the quota resets; that plan's own limits do not count.
    Plan(PlanId),
}

/// Whose rules settle what a plan leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Manner {
    /// Nothing is ever granted that is not left.
    #[default]
    Native,
    /// As FreeRADIUS does it: a session that lasts into the next period gets that period's time
    /// too (rlm_sqlcounter), and a window is open for as long as it was at the last full minute
    /// (rlm_logintime).
    FreeRadius,
}

impl AtLimit {
    /// The plan that applies, if another one does.
    pub const fn plan(self) -> Option<PlanId> {
        match self {
            Self::Plan(plan) => Some(plan),
            Self::Block | Self::Throttle(_) => None,
        }
    }
}

impl Limits {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        self.quotas.is_empty() && self.windows.is_none() && self.validity.is_none()
    }
}

#[cfg(test)]
mod tests;
