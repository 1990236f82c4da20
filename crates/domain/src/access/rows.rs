//! The decision about a name that FreeRADIUS' tables know: what their rows came to, the proof, and
//! the limits that they carry.

use std::fmt;

use super::{
    AccessRequest, Method, NasIdentifierCheck, Presence, RejectReason, Trace, TraceStep,
    check_proof,
};
use crate::limit::{self, LimitUsage, Limits, Period, Standing, VolumeLeft};
use crate::time::Timestamp;
use crate::usage::UsageAmount;

/// Steps of a trace that rows may take, so that those after them have room.
const STEPS_MAX: usize = 6;

/// A table of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowTable {
    Check,
    Reply,
    GroupCheck,
    GroupReply,
    UserGroup,
}

/// One row. Packed, so that reasons and steps are not larger for it: a log keeps many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(Rust, packed(4))]
pub struct RowPlace {
    pub table: RowTable,
    pub id: i64,
}

/// Whose rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowOwner {
    /// The user's own.
    User,
    /// Those of the user's group of this place, counted from 1 in the order of priority.
    Group(u16),
    /// Those of the group of this place of the user's profile.
    Profile(u16),
}

/// One thing that happened on the way through the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowStep {
    Matched(RowOwner),
    Differs(RowPlace),
}

/// What the rows came to.
#[derive(Clone, Copy, Debug)]
pub struct RowProfile<'a> {
    pub steps: &'a [RowStep],
    pub outcome: RowOutcome,
    pub limits: Option<RowLimits<'a>>,
}

/// Hours and counters of rows, and what was used of them.
#[derive(Clone, Copy, Debug)]
pub struct RowLimits<'a> {
    pub limits: &'a Limits,
    pub usage: &'a LimitUsage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOutcome {
    /// No check of the user's and of no group of theirs matches.
    NothingMatches,
    /// A row cannot be obeyed.
    Failed(RowPlace),
    /// In strict mode: a check of the user does not match, and no group is asked.
    Differs(RowPlace),
    Terms(RowTerms),
}

/// What rows that match demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowTerms {
    pub entrance: RowEntrance,
    pub expires_at: Option<Timestamp>,
    pub session_limit: Option<u16>,
}

/// How somebody gets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowEntrance {
    /// With a password.
    Password,
    /// With a password, but the rows have none that answers this method.
    NoPassword { method: Method },
    /// `Auth-Type := Accept`.
    Always,
    /// `Auth-Type := Reject`.
    Never,
    /// An Auth-Type that this server does not have.
    Unknown,
}

/// What was decided, and by which rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowDecision {
    pub verdict: Result<RowGrants, RejectReason>,
    pub trace: Trace,
}

/// What comes on top of the attributes that the rows reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowGrants {
    /// Until the login expires, or a limit is reached. Never 0.
    pub seconds_left: Option<u32>,
    /// Bytes that may still be moved.
    pub volume_left: VolumeLeft,
}

/// Decides about one request.
pub fn decide(
    profile: &RowProfile<'_>,
    request: AccessRequest<'_>,
    presence: Presence,
    now: Timestamp,
) -> RowDecision {
    let mut trace = Trace::new();
    trace.push(TraceStep::RowsFound);
    let steps = profile.steps.iter().take(STEPS_MAX);
    trace.extend(steps.map(|step| match *step {
        RowStep::Matched(owner) => TraceStep::RowsMatch(owner),
        RowStep::Differs(place) => TraceStep::RowDiffers(place),
    }));
    let verdict = judge(&mut trace, profile, request, presence, now);
    trace.push(match verdict {
        Ok(_) => TraceStep::Granted,
        Err(reason) => TraceStep::Refused(reason),
    });
    RowDecision { verdict, trace }
}

fn judge(
    trace: &mut Trace,
    profile: &RowProfile<'_>,
    request: AccessRequest<'_>,
    presence: Presence,
    now: Timestamp,
) -> Result<RowGrants, RejectReason> {
    let terms = match profile.outcome {
        RowOutcome::NothingMatches => return Err(RejectReason::RowsDoNotMatch),
        RowOutcome::Failed(place) => return Err(place.failed()),
        RowOutcome::Differs(place) => return Err(place.differs()),
        RowOutcome::Terms(terms) => terms,
    };
    match terms.entrance {
        RowEntrance::Password => check_proof(trace, request.proof)?,
        RowEntrance::NoPassword { method } => {
            return Err(RejectReason::RowsPassword { method });
        }
        RowEntrance::Always => trace.push(TraceStep::RowsAcceptAlways),
        RowEntrance::Never => return Err(RejectReason::RowsReject),
        RowEntrance::Unknown => return Err(RejectReason::RowsAuthType),
    }
    match request.nas_identifier {
        NasIdentifierCheck::NotRequired => {}
        NasIdentifierCheck::Matches => trace.push(TraceStep::NasIdentifierMatches),
        NasIdentifierCheck::Differs => return Err(RejectReason::NasIdentifierDiffers),
    }
    let seconds_left = seconds_left(trace, terms.expires_at, now)?;
    let grants = match profile.limits {
        Some(limits) => weigh(trace, limits, seconds_left, now)?,
        None => RowGrants {
            seconds_left,
            volume_left: VolumeLeft::default(),
        },
    };
    if let Some(limit) = terms.session_limit {
        let open = presence.other_sessions;
        if u32::from(limit) <= open {
            return Err(RejectReason::SessionLimit { open, limit });
        }
        trace.push(TraceStep::WithinSessionLimit { open, limit });
    }
    Ok(grants)
}

/// Weighs hours and counters, in the order in which FreeRADIUS does.
fn weigh(
    trace: &mut Trace,
    RowLimits { limits, usage }: RowLimits<'_>,
    seconds_left: Option<u32>,
    now: Timestamp,
) -> Result<RowGrants, RejectReason> {
    let standing = Standing {
        usage,
        // Rows count from the first use alone.
        purchased_at: now,
        session: UsageAmount::default(),
        top_ups: &[],
    };
    let allowance = limit::evaluate(limits, &standing, now)?;
    if let Some(until) = allowance.valid_until {
        trace.push(TraceStep::StillValid { until });
    }
    if let Some(seconds) = allowance.window_seconds {
        trace.push(TraceStep::HoursOpen { seconds });
    }
    if !limits.quotas.is_empty() {
        trace.push(TraceStep::WithinQuotas);
    }
    let ends = [seconds_left, allowance.seconds_left];
    Ok(RowGrants {
        seconds_left: ends.into_iter().flatten().min(),
        volume_left: allowance.volume_left,
    })
}

fn seconds_left(
    trace: &mut Trace,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<u32>, RejectReason> {
    let Some(at) = expires_at else {
        return Ok(None);
    };
    let left = at.seconds_since(now);
    if left <= 0 {
        return Err(RejectReason::Expired { at });
    }
    trace.push(TraceStep::NotExpired);
    Ok(Some(u32::try_from(left).unwrap_or(u32::MAX)))
}

/// What rlm_sqlcounter says when a counter is used up, by which panels know it.
pub const fn counter_message(reason: RejectReason) -> Option<&'static str> {
    let period = if let RejectReason::QuotaUsedUp(crossing) = reason {
        crossing.period
    } else if let RejectReason::NoLongerValid { .. } = reason {
        Period::Total
    } else {
        return None;
    };
    Some(match period {
        Period::Hour => "Your maximum hourly usage time has been reached",
        Period::Day => "Your maximum daily usage time has been reached",
        Period::Week => "Your maximum weekly usage time has been reached",
        Period::Month => "Your maximum monthly usage time has been reached",
        Period::Session
        | Period::Total
        | Period::Last24Hours
        | Period::Last7Days
        | Period::Last30Days => "Your maximum never usage time has been reached",
    })
}

impl RowTable {
    pub const ALL: [Self; 5] = [
        Self::Check,
        Self::Reply,
        Self::GroupCheck,
        Self::GroupReply,
        Self::UserGroup,
    ];

    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Check => "radcheck",
            Self::Reply => "radreply",
            Self::GroupCheck => "radgroupcheck",
            Self::GroupReply => "radgroupreply",
            Self::UserGroup => "radusergroup",
        }
    }
}

impl RowPlace {
    /// Refused, because the row cannot be obeyed.
    const fn failed(self) -> RejectReason {
        RejectReason::RowFailed(self)
    }

    /// Refused, because the row does not match the request.
    const fn differs(self) -> RejectReason {
        RejectReason::RowDiffers(self)
    }
}

impl fmt::Display for RowPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, id } = *self;
        write!(formatter, "row {id} of {}", table.as_str())
    }
}

impl fmt::Display for RowOwner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => formatter.write_str("the user"),
            Self::Group(place) => write!(formatter, "group {place} of the user"),
            Self::Profile(place) => write!(formatter, "group {place} of the profile"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Proof, RequestingDevice, RequestingNas};
    use crate::id::NasId;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const VERIFIED: Proof = Proof::Verified {
        method: Method::Pap,
    };
    const WRONG: Proof = Proof::Mismatch {
        method: Method::Pap,
    };
    const OPEN: RowTerms = RowTerms {
        entrance: RowEntrance::Password,
        expires_at: None,
        session_limit: None,
    };
    const PLACE: RowPlace = RowPlace {
        table: RowTable::Check,
        id: 7,
    };

    #[track_caller]
    fn check(outcome: RowOutcome, proof: Proof, expected: Result<Option<u32>, RejectReason>) {
        let steps = [RowStep::Differs(PLACE); 40];
        let profile = RowProfile {
            steps: &steps,
            outcome,
            limits: None,
        };
        let presence = Presence { other_sessions: 2 };
        let nas_identifier = NasIdentifierCheck::Matches;
        let request = AccessRequest {
            proof,
            nas_identifier,
            nas: RequestingNas {
                id: NasId::from_bytes([7; 16]),
                groups: &[],
            },
            device: RequestingDevice::new(None),
        };
        let decision = decide(&profile, request, presence, NOW);
        let actual = decision.verdict.map(|grants| grants.seconds_left);
        assert_eq!(actual, expected);
        let last = match expected {
            Ok(_) => TraceStep::Granted,
            Err(reason) => TraceStep::Refused(reason),
        };
        assert_eq!(decision.trace.first(), Some(&TraceStep::RowsFound));
        assert_eq!(decision.trace.last(), Some(&last), "there is always room");
    }

    fn with_entrance(entrance: RowEntrance) -> RowOutcome {
        RowOutcome::Terms(RowTerms { entrance, ..OPEN })
    }

    #[test]
    fn rows_that_do_not_match_or_cannot_be_obeyed_refuse() {
        let nothing = RejectReason::RowsDoNotMatch;
        check(RowOutcome::NothingMatches, VERIFIED, Err(nothing));
        check(RowOutcome::Failed(PLACE), VERIFIED, Err(PLACE.failed()));
        check(RowOutcome::Differs(PLACE), VERIFIED, Err(PLACE.differs()));
    }

    #[test]
    fn the_password_decides_unless_the_rows_do() {
        let wrong = RejectReason::WrongPassword {
            method: Method::Pap,
        };
        check(with_entrance(RowEntrance::Password), VERIFIED, Ok(None));
        check(with_entrance(RowEntrance::Password), WRONG, Err(wrong));
        check(with_entrance(RowEntrance::Always), WRONG, Ok(None));
        let never = with_entrance(RowEntrance::Never);
        check(never, VERIFIED, Err(RejectReason::RowsReject));
        let method = Method::Chap;
        let none = with_entrance(RowEntrance::NoPassword { method });
        check(none, WRONG, Err(RejectReason::RowsPassword { method }));
        let unknown = with_entrance(RowEntrance::Unknown);
        check(unknown, VERIFIED, Err(RejectReason::RowsAuthType));
    }

    #[test]
    fn limits_of_rows_hold() {
        let until = |seconds| {
            let expires_at = Some(NOW.plus_seconds(seconds));
            RowOutcome::Terms(RowTerms { expires_at, ..OPEN })
        };
        check(until(60), VERIFIED, Ok(Some(60)));
        let at = NOW;
        check(until(0), VERIFIED, Err(RejectReason::Expired { at }));
        let at_once = |limit| {
            let session_limit = Some(limit);
            RowOutcome::Terms(RowTerms {
                session_limit,
                ..OPEN
            })
        };
        check(at_once(3), VERIFIED, Ok(None));
        let full = RejectReason::SessionLimit { open: 2, limit: 2 };
        check(at_once(2), VERIFIED, Err(full));
    }
}
