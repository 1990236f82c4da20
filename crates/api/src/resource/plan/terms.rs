//! What a plan grants, as it goes over the wire.

use domain::limit::{
    AtLimit, Limits, Measure, Period, Quota, QuotaError, Quotas, Validity, ValidityError,
    ValidityStart,
};
use domain::plan::access::{AfterExpiry, DeviceLimit, GraceDays};
use domain::plan::{InterimInterval, PoolName, SessionLimit, TimeoutSeconds};
use domain::session_policy::SessionPolicy;
use serde::{Deserialize, Serialize};
use storage::plan::PlanSummary;
use utoipa::ToSchema;

use super::rate::Rate;
use crate::choice;

/// What a plan grants.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PlanTermsView {
    /// `null` is unlimited.
    rate: Option<Rate>,
    #[schema(value_type = Option<u32>)]
    session_timeout_seconds: Option<TimeoutSeconds>,
    #[schema(value_type = Option<u32>)]
    idle_timeout_seconds: Option<TimeoutSeconds>,
    /// How often routers report usage.
    #[schema(value_type = u32)]
    interim_seconds: InterimInterval,
    /// Address pool on the router.
    #[schema(value_type = Option<String>)]
    pool: Option<PoolName>,
    /// Sessions that one subscriber may have at once.
    #[schema(value_type = Option<u16>)]
    session_limit: Option<SessionLimit>,
    /// What happens to one more.
    #[schema(schema_with = choice::session_policy)]
    session_policy: SessionPolicy,
    quotas: Vec<QuotaAmount>,
    /// When somebody may be online, in the provider's time zone: `Wk0800-1800,Sa,Su0900-1700`.
    windows: Option<String>,
    validity: Option<PlanValidity>,
    /// When days, weeks and months of quotas begin; `null` without quotas.
    resets: Option<String>,
    /// What happens when a quota is used up; `null` without quotas.
    at_limit: Option<PlanAtLimit>,
    /// Days that access goes on after a subscriber's expiry.
    #[schema(value_type = u16)]
    grace_days: GraceDays,
    #[schema(schema_with = choice::after_expiry)]
    after_expiry: AfterExpiry,
    /// Name of the walled garden of this plan; without one, that of the provider.
    garden: Option<String>,
    #[schema(value_type = Option<u8>)]
    device_limit: Option<DeviceLimit>,
    #[schema(value_type = Option<u8>)]
    private_device_limit: Option<DeviceLimit>,
}

/// How much may be used in each period.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuotaAmount {
    /// `traffic` is both directions.
    #[serde(with = "measure")]
    #[schema(schema_with = choice::measure)]
    measure: Measure,
    /// `24h`, `7d` and `30d` are the last of them at any time.
    #[serde(with = "period")]
    #[schema(schema_with = choice::period)]
    period: Period,
    /// Octets; for `time`, seconds.
    #[schema(minimum = 1, maximum = 9_223_372_036_854_775_807_i64)]
    amount: u64,
}

/// How long a plan lasts for a subscriber.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanValidity {
    #[schema(minimum = 60, maximum = 3_153_600_000_i64)]
    seconds: u64,
    from: PlanValidityFrom,
}

/// What validity begins with.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PlanValidityFrom {
    Purchase,
    FirstUse,
}

/// What happens when a quota is used up, until it begins anew.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum PlanAtLimit {
    /// Nobody is let in.
    Block,
    /// Another speed.
    Throttle { rate: Rate },
    /// The terms of another plan, by id or name.
    Plan { plan: String },
}

impl From<PlanSummary> for PlanTermsView {
    fn from(plan: PlanSummary) -> Self {
        let terms = plan.terms;
        let limits = terms.limits.map(|limits| *limits).unwrap_or_default();
        let has_quota = !limits.quotas.is_empty();
        let other = plan.plan_at_limit.map(|name| name.to_string());
        Self {
            rate: terms.rate.map(Rate::from),
            session_timeout_seconds: terms.session_timeout_seconds,
            idle_timeout_seconds: terms.idle_timeout_seconds,
            interim_seconds: terms.interim,
            pool: terms.pool,
            session_limit: terms.session_limit,
            session_policy: terms.session_policy,
            at_limit: has_quota.then(|| PlanAtLimit::new(limits.at_limit, other)),
            resets: has_quota.then(|| limits.resets.to_string()),
            quotas: quotas(&limits),
            windows: limits.windows.map(|windows| windows.to_string()),
            validity: limits.validity.map(PlanValidity::from),
            grace_days: terms.access.grace_days,
            after_expiry: terms.access.after_expiry,
            garden: plan.garden_name.map(|name| name.to_string()),
            device_limit: terms.access.device_limit,
            private_device_limit: terms.access.private_device_limit,
        }
    }
}

fn quotas(limits: &Limits) -> Vec<QuotaAmount> {
    limits.quotas.iter().map(QuotaAmount::from).collect()
}

impl From<Quota> for QuotaAmount {
    fn from(quota: Quota) -> Self {
        Self {
            measure: quota.measure,
            period: quota.period,
            amount: quota.amount(),
        }
    }
}

impl QuotaAmount {
    /// Quotas as the domain has them.
    pub(super) fn all(quotas: &[Self]) -> Result<Quotas, QuotaError> {
        let quotas = quotas.iter().map(|quota| match quota.amount {
            0 => Err(QuotaError::Zero),
            amount => Ok(Quota::new(quota.measure, quota.period, amount)),
        });
        Quotas::new(quotas.collect::<Result<_, _>>()?)
    }
}

impl From<Validity> for PlanValidity {
    fn from(validity: Validity) -> Self {
        Self {
            seconds: validity.as_seconds().into(),
            from: match validity.start {
                ValidityStart::Purchase => PlanValidityFrom::Purchase,
                ValidityStart::FirstUse => PlanValidityFrom::FirstUse,
            },
        }
    }
}

impl TryFrom<PlanValidity> for Validity {
    type Error = ValidityError;

    fn try_from(validity: PlanValidity) -> Result<Self, Self::Error> {
        let start = match validity.from {
            PlanValidityFrom::Purchase => ValidityStart::Purchase,
            PlanValidityFrom::FirstUse => ValidityStart::FirstUse,
        };
        Self::new(validity.seconds, start)
    }
}

impl PlanAtLimit {
    /// With the name of the other plan, or its id when it has none any more.
    pub(super) fn new(at_limit: AtLimit, name: Option<String>) -> Self {
        match at_limit {
            AtLimit::Block => Self::Block,
            AtLimit::Throttle(rate) => Self::Throttle { rate: rate.into() },
            AtLimit::Plan(id) => Self::Plan {
                plan: name.unwrap_or_else(|| id.to_string()),
            },
        }
    }
}

/// A measure by its name.
mod measure {
    use domain::limit::Measure;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(
        measure: &Measure,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(measure.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Measure, D::Error> {
        let name = String::deserialize(deserializer)?;
        Measure::find(&name)
            .ok_or_else(|| de::Error::custom("a measure is traffic, upload, download or time"))
    }
}

/// A period by its name.
mod period {
    use domain::limit::Period;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(
        period: &Period,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(period.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Period, D::Error> {
        let name = String::deserialize(deserializer)?;
        Period::find(&name).ok_or_else(|| {
            let names = "session, hour, day, week, month, total, 24h, 7d or 30d";
            de::Error::custom(format_args!("a period is {names}"))
        })
    }
}
