//! Plans as the interface has them, and as commands show them.

use std::fmt;

use domain::limit::{Measure, Period, Quota, QuotaError, Quotas, Validity, ValidityStart};
use domain::plan::change::ChangeNote;
use domain::rate_limit::{RateLimit, RateLimitError};
use domain::session_policy::SessionPolicy;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::PlanRecord;
use crate::cli::rate::Rate;

/// A plan as it is answered.
#[derive(Deserialize)]
#[serde(try_from = "Members")]
pub(super) struct PlanAnswer(pub(super) PlanRecord);

/// What a plan is made of.
#[derive(Deserialize)]
struct Members {
    id: String,
    name: String,
    rate: Option<Rate>,
    session_timeout_seconds: Option<u32>,
    idle_timeout_seconds: Option<u32>,
    interim_seconds: u32,
    pool: Option<String>,
    session_limit: Option<u16>,
    session_policy: SessionPolicy,
    quotas: Vec<QuotaAmount>,
    windows: Option<String>,
    validity: Option<PlanValidity>,
    resets: Option<String>,
    at_limit: Option<PlanAtLimit>,
    grace_days: u16,
    after_expiry: String,
    garden: Option<String>,
    device_limit: Option<u8>,
    private_device_limit: Option<u8>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// What is sent of a plan: what is absent stays as it is, and `null` empties.
#[derive(Default, Serialize)]
pub(super) struct PlanBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rate: Option<Option<Rate>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) session_timeout_seconds: Option<Option<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) idle_timeout_seconds: Option<Option<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) interim_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pool: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) session_limit: Option<Option<u16>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) session_policy: Option<SessionPolicy>,
    #[serde(flatten)]
    pub(super) limits: LimitsBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) grace_days: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) after_expiry: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) garden: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) device_limit: Option<Option<u8>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) private_device_limit: Option<Option<u8>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

/// What is sent of the limits of a plan.
#[derive(Default, Serialize)]
pub(super) struct LimitsBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quotas: Option<Vec<QuotaAmount>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) windows: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) validity: Option<Option<PlanValidity>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resets: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at_limit: Option<PlanAtLimit>,
}

/// How much may be used in a period.
#[derive(Serialize, Deserialize)]
pub(super) struct QuotaAmount {
    measure: String,
    period: String,
    amount: u64,
}

/// How long a plan lasts for a subscriber.
#[derive(Serialize, Deserialize)]
pub(super) struct PlanValidity {
    seconds: u32,
    from: PlanValidityFrom,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PlanValidityFrom {
    Purchase,
    FirstUse,
}

/// What happens when a quota is used up.
#[derive(Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub(super) enum PlanAtLimit {
    Block,
    Throttle { rate: Rate },
    Plan { plan: String },
}

/// What a plan of a newer server has, and this program does not know.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswerError {
    #[error("a speed is none")]
    Rate(#[from] RateLimitError),
    #[error("quotas are none")]
    Quota(#[from] QuotaError),
    #[error("'{0}' is not known here")]
    Unknown(String),
}

impl TryFrom<Members> for PlanAnswer {
    type Error = AnswerError;

    fn try_from(plan: Members) -> Result<Self, Self::Error> {
        let quotas: Result<Vec<Quota>, AnswerError> =
            plan.quotas.into_iter().map(TryFrom::try_from).collect();
        let quotas = Quotas::new(quotas?)?;
        let at_limit = plan.at_limit.map(PlanAtLimit::shown).transpose()?;
        let (seconds, from) = plan
            .validity
            .map(|PlanValidity { seconds, from }| (seconds, from.into()))
            .unzip();
        Ok(Self(PlanRecord {
            name: plan.name,
            rate: plan.rate.map(RateLimit::try_from).transpose()?,
            session_timeout_seconds: plan.session_timeout_seconds,
            idle_timeout_seconds: plan.idle_timeout_seconds,
            interim_seconds: plan.interim_seconds,
            pool: plan.pool,
            session_limit: plan.session_limit,
            session_policy: plan.session_policy,
            quota: (!quotas.is_empty()).then_some(quotas),
            window: plan.windows,
            validity_seconds: seconds,
            validity_from: from,
            resets: plan.resets,
            at_limit,
            grace_days: plan.grace_days,
            after_expiry: plan.after_expiry,
            garden: plan.garden,
            device_limit: plan.device_limit,
            private_device_limit: plan.private_device_limit,
            created_at: Some(plan.created_at),
            updated_at: Some(plan.updated_at),
            id: Some(plan.id),
        }))
    }
}

impl From<Quota> for QuotaAmount {
    fn from(quota: Quota) -> Self {
        Self {
            measure: quota.measure.as_str().to_owned(),
            period: quota.period.as_str().to_owned(),
            amount: quota.amount(),
        }
    }
}

impl TryFrom<QuotaAmount> for Quota {
    type Error = AnswerError;

    fn try_from(quota: QuotaAmount) -> Result<Self, Self::Error> {
        let QuotaAmount {
            measure,
            period,
            amount,
        } = quota;
        let measure = Measure::find(&measure).ok_or(AnswerError::Unknown(measure))?;
        let period = Period::find(&period).ok_or(AnswerError::Unknown(period))?;
        Ok(Self::new(measure, period, amount))
    }
}

impl From<Validity> for PlanValidity {
    fn from(validity: Validity) -> Self {
        Self {
            seconds: validity.as_seconds(),
            from: match validity.start {
                ValidityStart::Purchase => PlanValidityFrom::Purchase,
                ValidityStart::FirstUse => PlanValidityFrom::FirstUse,
            },
        }
    }
}

impl From<PlanValidityFrom> for ValidityStart {
    fn from(from: PlanValidityFrom) -> Self {
        match from {
            PlanValidityFrom::Purchase => Self::Purchase,
            PlanValidityFrom::FirstUse => Self::FirstUse,
        }
    }
}

impl PlanAtLimit {
    /// As the option `--at-limit` takes it.
    fn shown(self) -> Result<String, RateLimitError> {
        Ok(match self {
            Self::Block => "block".to_owned(),
            Self::Throttle { rate } => format!("throttle:{}", RateLimit::try_from(rate)?),
            Self::Plan { plan } => format!("plan:{plan}"),
        })
    }
}

/// The text of an option, as it is sent.
pub(super) fn text(value: Option<Option<impl fmt::Display>>) -> Option<Option<String>> {
    value.map(|value| value.map(|value| value.to_string()))
}

/// A note, as it is sent.
pub(super) fn note(note: Option<&ChangeNote>) -> Option<String> {
    note.map(ToString::to_string)
}
