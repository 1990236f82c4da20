//! The weighing: what the limits leave at an instant.

use std::fmt;
use std::num::NonZeroU64;

use super::top_up::{self, Left};
use super::window::Look;
use super::{
    AtLimit, LimitUsage, Limits, Manner, Measure, Period, PeriodCounted, Quota, TopUp, TopUpMeasure,
};
use crate::time::Timestamp;
use crate::usage::UsageAmount;

/// What the limits are weighed against.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    pub usage: &'a LimitUsage,
    /// When the subscriber was added, or begins.
    pub purchased_at: Timestamp,
    /// What the session has used; nothing at a login.
    pub session: UsageAmount,
    /// What was bought beyond the quotas.
    pub top_ups: &'a [TopUp],
}

/// What is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// How long a session that goes on may still last; for ever when absent. Never 0.
    pub seconds_left: Option<u32>,
    pub volume_left: VolumeLeft,
    /// A quota that is used up, when that is no reason to refuse.
    pub crossing: Option<Crossing>,
    /// When it is over, unless it is never.
    pub valid_until: Option<Timestamp>,
    /// Seconds until the window closes, unless it does not.
    pub window_seconds: Option<u32>,
}

/// Bytes that a session may still move; any number when absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct VolumeLeft {
    pub traffic: Option<NonZeroU64>,
    pub upload: Option<NonZeroU64>,
    pub download: Option<NonZeroU64>,
}

/// A quota that is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// Bytes, or seconds.
    pub amount: u64,
    pub measure: Measure,
    pub period: Period,
    pub resets_at: ResetAt,
}

/// The second in which a quota resets, or never; up to the year 2106.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResetAt(u32);

/// Why nobody is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    QuotaUsedUp(Crossing),
    OutsideHours { opens_at: Timestamp },
    NoLongerValid { ended_at: Timestamp },
}

/// Weighs all limits at one instant.
pub fn evaluate(
    limits: &Limits,
    standing: &Standing<'_>,
    now: Timestamp,
) -> Result<Allowance, Refusal> {
    let valid_until = weigh_validity(limits, standing, now)?;
    let window_seconds = weigh_windows(limits, now)?;
    let validity_seconds = valid_until.map(|until| seconds_between(now, until));
    let mut allowance = Allowance {
        seconds_left: least(validity_seconds, window_seconds),
        volume_left: VolumeLeft::default(),
        crossing: None,
        valid_until,
        window_seconds,
    };
    for quota in limits.quotas.iter() {
        weigh_quota(&mut allowance, limits, standing, quota, now);
    }
    let Some(crossing) = allowance.crossing else {
        return Ok(allowance);
    };
    match limits.at_limit {
        AtLimit::Block => Err(Refusal::QuotaUsedUp(crossing)),
        AtLimit::Throttle(_) | AtLimit::Plan(_) => {
            // What is left of other quotas ends in the same way; the reset ends it.
            let reset_seconds = crossing.resets_at.find().map(|at| seconds_between(now, at));
            Ok(Allowance {
                seconds_left: least(least(validity_seconds, window_seconds), reset_seconds),
                volume_left: VolumeLeft::default(),
                ..allowance
            })
        }
    }
}

fn weigh_validity(
    limits: &Limits,
    standing: &Standing<'_>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Refusal> {
    let Some(validity) = limits.validity else {
        return Ok(None);
    };
    let ended_at = validity.ends_at(standing.purchased_at, standing.usage, now);
    if ended_at.seconds_since(now) <= 0 {
        return Err(Refusal::NoLongerValid { ended_at });
    }
    Ok(Some(ended_at))
}

fn weigh_windows(limits: &Limits, now: Timestamp) -> Result<Option<u32>, Refusal> {
    let Some(windows) = &limits.windows else {
        return Ok(None);
    };
    let until = match windows.look(&limits.zone, now) {
        Look::Open { until: None } => return Ok(None),
        Look::Open { until: Some(until) } => until,
        Look::Closed { until } => return Err(Refusal::OutsideHours { opens_at: until }),
    };
    let from = match limits.manner {
        Manner::Native => now,
        Manner::FreeRadius => Timestamp::from_seconds(now.as_seconds().div_euclid(60) * 60),
    };
    if until.seconds_since(from) < 1 {
        let opens_at = match windows.look(&limits.zone, until) {
            Look::Closed { until } => until,
            Look::Open { .. } => until,
        };
        return Err(Refusal::OutsideHours { opens_at });
    }
    Ok(Some(seconds_between(from, until)))
}

fn weigh_quota(
    allowance: &mut Allowance,
    limits: &Limits,
    standing: &Standing<'_>,
    quota: Quota,
    now: Timestamp,
) {
    let span = limits.resets.span(quota.period, &limits.zone, now);
    let used = match (PeriodCounted::of(quota.period), span) {
        (Some(period), Some(span)) => standing.usage.used(period, span),
        _ => standing.session,
    };
    let own = quota.amount().saturating_sub(quota.measure.of(used));
    let bought = match (quota.period, TopUpMeasure::of(quota.measure)) {
        (Period::Session, _) | (_, None) => Left::default(),
        (_, Some(measure)) => top_up::left(standing.top_ups, measure, now),
    };
    let left = NonZeroU64::new(own.saturating_add(bought.amount));
    let resets_at = match (quota.period, span) {
        (Period::Session | Period::Total, _) | (_, None) => ResetAt::NEVER,
        // The oldest hour leaves a rolling window then.
        (_, Some(span)) => ResetAt::at(span.ends_at),
    };
    let Some(left) = left else {
        let crossing = Crossing {
            amount: quota.amount(),
            measure: quota.measure,
            period: quota.period,
            resets_at,
        };
        // Of several the one that lasts longest.
        if allowance
            .crossing
            .is_none_or(|known| known.resets_at < resets_at)
        {
            allowance.crossing = Some(crossing);
        }
        return;
    };
    // What is told is right until something that was bought ends.
    let until = bought.until.map(|until| seconds_between(now, until));
    allowance.seconds_left = least(allowance.seconds_left, until);
    let volume_left = &mut allowance.volume_left;
    match quota.measure {
        Measure::Traffic => volume_left.traffic = least(volume_left.traffic, Some(left)),
        Measure::Upload => volume_left.upload = least(volume_left.upload, Some(left)),
        Measure::Download => volume_left.download = least(volume_left.download, Some(left)),
        Measure::Time => {
            let left = left.get();
            let seconds = match (limits.manner, resets_at.find()) {
                (Manner::FreeRadius, Some(reset)) => {
                    let until_reset = u64::from(seconds_between(now, reset));
                    if until_reset <= left {
                        until_reset.saturating_add(quota.amount())
                    } else {
                        left
                    }
                }
                (Manner::Native, _) | (Manner::FreeRadius, None) => left,
            };
            let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
            allowance.seconds_left = least(allowance.seconds_left, Some(seconds));
        }
    }
}

/// Whole seconds, at least 1: a session that is let in lasts for a moment.
fn seconds_between(now: Timestamp, then: Timestamp) -> u32 {
    let seconds = then.seconds_since(now).max(1);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

fn least<T: Ord>(left: Option<T>, right: Option<T>) -> Option<T> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}

impl ResetAt {
    pub const NEVER: Self = Self(u32::MAX);

    /// The second of an instant.
    pub fn at(instant: Timestamp) -> Self {
        Self(u32::try_from(instant.as_seconds()).unwrap_or(u32::MAX))
    }

    /// The instant, unless it never comes.
    pub fn find(self) -> Option<Timestamp> {
        (self != Self::NEVER).then(|| Timestamp::from_seconds(self.0.into()))
    }
}

/// The quota, and when it resets.
impl fmt::Display for Crossing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            amount,
            measure,
            period,
            resets_at,
        } = self;
        let measure = measure.as_str();
        write!(formatter, "the {measure} quota of ")?;
        match self.measure {
            Measure::Traffic | Measure::Upload | Measure::Download => {
                write!(formatter, "{}B", super::ByteAmount(*amount))?;
            }
            Measure::Time => write!(formatter, "{}", super::DurationAmount(*amount))?,
        }
        match period {
            Period::Session => formatter.write_str(" for a session")?,
            Period::Hour => formatter.write_str(" for an hour")?,
            Period::Day | Period::Week | Period::Month => {
                write!(formatter, " for a {}", period.as_str())?;
            }
            Period::Total => formatter.write_str(" in total")?,
            Period::Last24Hours | Period::Last7Days | Period::Last30Days => {
                write!(formatter, " for the last {}", period.as_str())?;
            }
        }
        formatter.write_str(" is used up")?;
        match resets_at.find() {
            Some(at) => write!(formatter, " and resets at {at}"),
            None => Ok(()),
        }
    }
}
