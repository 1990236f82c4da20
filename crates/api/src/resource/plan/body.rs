//! What is sent about a plan.

use domain::id::{GardenId, PlanId};
use domain::limit::{AtLimit, Limits};
use domain::name::Name;
use domain::plan::access::{AfterExpiry, DeviceLimit, GraceDays, PlanAccess};
use domain::plan::{InterimInterval, PlanTerms, SessionLimit, TimeoutSeconds};
use domain::rate_limit::RateLimit;
use domain::session_policy::SessionPolicy;
use serde::{Deserialize, Serialize};
use storage::error::Resource;
use storage::plan::limits::LimitsPatch;
use storage::plan::{AccessPatch, PlanPatch, PlanSummary};
use utoipa::ToSchema;

use super::rate::Rate;
use super::terms::{PlanAtLimit, PlanValidity, QuotaAmount};
use crate::body::{Fields, given, present};
use crate::caller::Caller;
use crate::choice;
use crate::problem::Problem;

/// A plan to be made. What is absent is unlimited.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPlanBody {
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    #[serde(default)]
    rate: Option<Rate>,
    #[serde(default)]
    #[schema(minimum = 1, maximum = 21_474_720)]
    session_timeout_seconds: Option<u32>,
    #[serde(default)]
    #[schema(minimum = 1, maximum = 21_474_720)]
    idle_timeout_seconds: Option<u32>,
    /// 300 when absent.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = u32, required = false, minimum = 60, maximum = 86_400)]
    interim_seconds: Option<u32>,
    #[serde(default)]
    #[schema(min_length = 1, max_length = 63, pattern = "^[!-~]+$")]
    pool: Option<String>,
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000)]
    session_limit: Option<u16>,
    /// `reject_new` when absent.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, schema_with = choice::session_policy)]
    session_policy: Option<SessionPolicy>,
    /// One for each measure and period at most.
    #[serde(default)]
    #[schema(max_items = 36)]
    quotas: Vec<QuotaAmount>,
    /// `Wk0800-1800,Sa,Su0900-1700`, in the provider's time zone.
    #[serde(default)]
    windows: Option<String>,
    #[serde(default)]
    validity: Option<PlanValidity>,
    /// Day of the month, weekday and time of day: `15 mon 06:00`. Needs a quota.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false)]
    resets: Option<String>,
    /// Needs a quota; `block` when absent.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = PlanAtLimit, required = false)]
    at_limit: Option<PlanAtLimit>,
    #[serde(default)]
    #[schema(maximum = 365)]
    grace_days: u16,
    /// `hard` when absent.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, schema_with = choice::after_expiry)]
    after_expiry: Option<String>,
    /// Id or name of a walled garden.
    #[serde(default)]
    garden: Option<String>,
    #[serde(default)]
    #[schema(maximum = 100)]
    device_limit: Option<u8>,
    #[serde(default)]
    #[schema(maximum = 100)]
    private_device_limit: Option<u8>,
}

/// What to change of a plan: what is absent stays as it is, and `null` empties.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PlanPatchBody {
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 64)]
    name: Option<String>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Rate>)]
    rate: Option<Option<Rate>>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 21_474_720)]
    session_timeout_seconds: Option<Option<u32>>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 21_474_720)]
    idle_timeout_seconds: Option<Option<u32>>,
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u32, required = false, minimum = 60, maximum = 86_400)]
    interim_seconds: Option<u32>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 63, pattern = "^[!-~]+$")]
    pool: Option<Option<String>>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u16>, minimum = 1, maximum = 1_000)]
    session_limit: Option<Option<u16>>,
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(required = false, schema_with = choice::session_policy)]
    session_policy: Option<SessionPolicy>,
    /// In place of those that it has; `[]` is none.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<QuotaAmount>, required = false, max_items = 36)]
    quotas: Option<Vec<QuotaAmount>>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    windows: Option<Option<String>>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<PlanValidity>)]
    validity: Option<Option<PlanValidity>>,
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    resets: Option<String>,
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = PlanAtLimit, required = false)]
    at_limit: Option<PlanAtLimit>,
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u16, required = false, maximum = 365)]
    grace_days: Option<u16>,
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(required = false, schema_with = choice::after_expiry)]
    after_expiry: Option<String>,
    /// Id or name of a walled garden; `null` is that of the provider.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    garden: Option<Option<String>>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u8>, maximum = 100)]
    device_limit: Option<Option<u8>>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u8>, maximum = 100)]
    private_device_limit: Option<Option<u8>>,
    /// Why, to be kept with the version.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 500)]
    note: Option<String>,
}

/// The plan that is changed, for what depends on it.
struct Known {
    id: Option<PlanId>,
    has_quota: bool,
}

impl NewPlanBody {
    pub(super) async fn resolve(self, caller: &Caller) -> Result<(Name, PlanTerms), Problem> {
        let body = PlanPatchBody {
            name: Some(self.name),
            rate: Some(self.rate),
            session_timeout_seconds: Some(self.session_timeout_seconds),
            idle_timeout_seconds: Some(self.idle_timeout_seconds),
            interim_seconds: self.interim_seconds,
            pool: Some(self.pool),
            session_limit: Some(self.session_limit),
            session_policy: self.session_policy,
            quotas: Some(self.quotas),
            windows: Some(self.windows),
            validity: Some(self.validity),
            resets: self.resets,
            at_limit: self.at_limit,
            grace_days: Some(self.grace_days),
            after_expiry: self.after_expiry,
            garden: Some(self.garden),
            device_limit: Some(self.device_limit),
            private_device_limit: Some(self.private_device_limit),
            note: None,
        };
        let nothing = Known {
            id: None,
            has_quota: false,
        };
        let patch = body.resolve_for(caller, nothing).await?;
        let name = patch.name.clone().ok_or_else(Problem::internal)?;
        Ok((name, terms(patch)))
    }
}

impl PlanPatchBody {
    /// The change of this plan.
    pub(super) async fn resolve(
        self,
        caller: &Caller,
        plan: &PlanSummary,
    ) -> Result<PlanPatch, Problem> {
        let limits = plan.terms.limits.as_deref();
        let known = Known {
            id: Some(plan.id),
            has_quota: limits.is_some_and(|limits| !limits.quotas.is_empty()),
        };
        self.resolve_for(caller, known).await
    }

    async fn resolve_for(self, caller: &Caller, known: Known) -> Result<PlanPatch, Problem> {
        let mut fields = Fields::default();
        self.check_quota(&mut fields, known.has_quota);
        let garden = self.find_garden(caller, &mut fields).await?;
        let at_limit = self.find_at_limit(caller, &mut fields, &known).await?;
        let patch = self.patch(&mut fields);
        fields.check()?;
        Ok(PlanPatch {
            limits: LimitsPatch {
                at_limit,
                ..patch.limits
            },
            access: AccessPatch {
                garden,
                ..patch.access
            },
            ..patch
        })
    }

    /// What says more about quotas needs one.
    fn check_quota(&self, fields: &mut Fields, has_quota: bool) {
        let has_quota = match &self.quotas {
            Some(quotas) => !quotas.is_empty(),
            None => has_quota,
        };
        let named = [
            ("resets", self.resets.is_some()),
            ("at_limit", self.at_limit.is_some()),
        ];
        for (field, _) in named.iter().filter(|(_, is_named)| *is_named && !has_quota) {
            fields.wrong(field, "the plan has no quota: give one in quotas");
        }
    }

    async fn find_garden(
        &self,
        caller: &Caller,
        fields: &mut Fields,
    ) -> Result<Option<Option<GardenId>>, Problem> {
        let Some(Some(raw)) = &self.garden else {
            return Ok(self.garden.as_ref().map(|_| None));
        };
        let name: Option<Name> = caller.find_name(Resource::Garden, raw).await?;
        if let Some(name) = name
            && let Some(garden) = caller.store().garden_find(caller.tenant, &name).await?
        {
            return Ok(Some(Some(garden.id)));
        }
        fields.wrong("garden", format!("there is no walled garden '{raw}'"));
        Ok(None)
    }

    async fn find_at_limit(
        &self,
        caller: &Caller,
        fields: &mut Fields,
        known: &Known,
    ) -> Result<Option<AtLimit>, Problem> {
        let raw = match &self.at_limit {
            None => return Ok(None),
            Some(PlanAtLimit::Block) => return Ok(Some(AtLimit::Block)),
            Some(PlanAtLimit::Throttle { rate }) => {
                let rate = fields.take("at_limit.rate", Some(*rate), RateLimit::try_from);
                return Ok(rate.map(AtLimit::Throttle));
            }
            Some(PlanAtLimit::Plan { plan }) => plan,
        };
        let name: Option<Name> = caller.find_name(Resource::Plan, raw).await?;
        let found = match name {
            Some(name) => caller.store().plan_find(caller.tenant, &name).await?,
            None => None,
        };
        let problem = match found {
            Some(other) if Some(other.id) == known.id => {
                "a plan cannot apply at its own limit: name another one".to_owned()
            }
            Some(other) => return Ok(Some(AtLimit::Plan(other.id))),
            None => format!("there is no plan '{raw}'"),
        };
        fields.wrong("at_limit.plan", problem);
        Ok(None)
    }

    /// Everything that needs nothing but the body.
    fn patch(self, fields: &mut Fields) -> PlanPatch {
        let timeout = TimeoutSeconds::new;
        let devices = |limit| DeviceLimit::new(limit).ok_or("a device limit is 0 to 100");
        let days = |days| GraceDays::new(days).ok_or("grace is 0 to 365 days");
        let quotas = |quotas: Vec<QuotaAmount>| QuotaAmount::all(&quotas);
        PlanPatch {
            name: fields.take("name", self.name, |name: String| name.parse()),
            rate: fields.take_nested("rate", self.rate, RateLimit::try_from),
            session_timeout_seconds: fields.take_nested(
                "session_timeout_seconds",
                self.session_timeout_seconds,
                timeout,
            ),
            idle_timeout_seconds: fields.take_nested(
                "idle_timeout_seconds",
                self.idle_timeout_seconds,
                timeout,
            ),
            interim: fields.take(
                "interim_seconds",
                self.interim_seconds,
                InterimInterval::new,
            ),
            pool: fields.take_nested("pool", self.pool, |pool: String| pool.parse()),
            session_limit: fields.take_nested(
                "session_limit",
                self.session_limit,
                SessionLimit::new,
            ),
            session_policy: self.session_policy,
            limits: LimitsPatch {
                quotas: fields
                    .take("quotas", self.quotas, quotas)
                    .map(|quotas| Some(quotas).filter(|quotas| !quotas.is_empty())),
                windows: fields.take_nested("windows", self.windows, |text: String| text.parse()),
                validity: fields.take_nested("validity", self.validity, TryFrom::try_from),
                resets: fields.take("resets", self.resets, |text: String| text.parse()),
                at_limit: None,
            },
            access: AccessPatch {
                grace_days: fields.take("grace_days", self.grace_days, days),
                after_expiry: fields.take("after_expiry", self.after_expiry, |text: String| {
                    text.parse::<AfterExpiry>()
                }),
                garden: None,
                device_limit: fields.take_nested("device_limit", self.device_limit, devices),
                private_device_limit: fields.take_nested(
                    "private_device_limit",
                    self.private_device_limit,
                    devices,
                ),
            },
            note: fields.take("note", self.note, |note: String| note.parse()),
        }
    }
}

/// A change as it was scheduled. Its note is shown beside it.
impl From<&PlanPatch> for PlanPatchBody {
    fn from(patch: &PlanPatch) -> Self {
        let (limits, access) = (&patch.limits, &patch.access);
        let seconds = |timeout: TimeoutSeconds| timeout.as_seconds();
        let devices = |limit: DeviceLimit| limit.as_devices();
        Self {
            name: patch.name.as_ref().map(ToString::to_string),
            rate: patch.rate.map(|rate| rate.map(Rate::from)),
            session_timeout_seconds: patch.session_timeout_seconds.map(|it| it.map(seconds)),
            idle_timeout_seconds: patch.idle_timeout_seconds.map(|it| it.map(seconds)),
            interim_seconds: patch.interim.map(InterimInterval::as_seconds),
            pool: text(&patch.pool),
            session_limit: patch
                .session_limit
                .map(|limit| limit.map(SessionLimit::as_sessions)),
            session_policy: patch.session_policy,
            quotas: limits.quotas.as_ref().map(|quotas| {
                let quotas = quotas.iter().flat_map(|quotas| quotas.iter());
                quotas.map(QuotaAmount::from).collect()
            }),
            windows: text(&limits.windows),
            validity: limits
                .validity
                .map(|validity| validity.map(PlanValidity::from)),
            resets: limits.resets.map(|resets| resets.to_string()),
            at_limit: limits
                .at_limit
                .map(|at_limit| PlanAtLimit::new(at_limit, None)),
            grace_days: access.grace_days.map(GraceDays::as_days),
            after_expiry: access.after_expiry.map(|after| after.to_string()),
            garden: access
                .garden
                .map(|garden| garden.map(|garden| garden.to_string())),
            device_limit: access.device_limit.map(|limit| limit.map(devices)),
            private_device_limit: access.private_device_limit.map(|limit| limit.map(devices)),
            note: None,
        }
    }
}

/// What a change makes of nothing.
fn terms(patch: PlanPatch) -> PlanTerms {
    let limits = Limits {
        quotas: patch.limits.quotas.flatten().unwrap_or_default(),
        windows: patch.limits.windows.flatten(),
        validity: patch.limits.validity.flatten(),
        resets: patch.limits.resets.unwrap_or_default(),
        at_limit: patch.limits.at_limit.unwrap_or_default(),
        ..Limits::default()
    };
    PlanTerms {
        rate: patch.rate.flatten(),
        session_timeout_seconds: patch.session_timeout_seconds.flatten(),
        idle_timeout_seconds: patch.idle_timeout_seconds.flatten(),
        interim: patch.interim.unwrap_or_default(),
        pool: patch.pool.flatten(),
        session_limit: patch.session_limit.flatten(),
        session_policy: patch.session_policy.unwrap_or_default(),
        limits: (!limits.is_empty()).then(|| Box::new(limits)),
        access: PlanAccess {
            grace_days: patch.access.grace_days.unwrap_or_default(),
            after_expiry: patch.access.after_expiry.unwrap_or_default(),
            garden: patch.access.garden.flatten(),
            device_limit: patch.access.device_limit.flatten(),
            private_device_limit: patch.access.private_device_limit.flatten(),
        },
    }
}

fn text<T: ToString>(value: &Option<Option<T>>) -> Option<Option<String>> {
    value
        .as_ref()
        .map(|value| value.as_ref().map(ToString::to_string))
}
