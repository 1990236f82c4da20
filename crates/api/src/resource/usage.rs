//! What a subscriber has used, and what is left: `/api/v1/subscribers/{subscriber}/usage`.

use axum::Json;
use axum::extract::State;
use domain::name::Username;
use domain::usage::{UsageAmount, UsageBucket};
use serde::{Deserialize, Serialize};
use services::usage::{self, QuotaLeft, TopUpLeft};
use storage::error::Resource;
use storage::usage::UsageGrain;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::Params;
use crate::caller::Caller;
use crate::path::Path;
use crate::problem::Problem;
use crate::series::{SeriesParams, StepParam};
use crate::state::Api;

/// Steps of the longest series.
const STEPS_MAX: u32 = 93 * 24;

/// What was moved, as the subscriber sees it, and how long somebody was online.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct AmountView {
    upload_bytes: u64,
    download_bytes: u64,
    session_seconds: u64,
}

/// The same of one step.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct BucketView {
    #[schema(value_type = String, format = DateTime)]
    starts_at: String,
    #[serde(flatten)]
    amount: AmountView,
}

/// What somebody has used, and what is left.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct UsageView {
    user_name: String,
    #[schema(inline)]
    step: StepParam,
    /// In which zone days begin.
    time_zone: String,
    #[schema(value_type = String, format = DateTime)]
    from: String,
    #[schema(value_type = String, format = DateTime)]
    until: String,
    /// Oldest first; steps in which nothing was used are left out.
    buckets: Vec<BucketView>,
    total: AmountView,
    /// Those of the plan, in the zone of the tenant, at this moment.
    quotas: Vec<QuotaView>,
    top_ups: Vec<TopUpView>,
}

/// What is left of a quota.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct QuotaView {
    /// `traffic`, `upload`, `download` in bytes, or `time` in seconds.
    measure: &'static str,
    /// `hour`, `day`, `week`, `month`, `total`, `24h`, `7d` or `30d`.
    period: &'static str,
    amount: u64,
    used: u64,
    left: u64,
    #[schema(value_type = Option<String>, format = DateTime)]
    resets_at: Option<String>,
}

/// What is left of what was bought beyond the quotas.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct TopUpView {
    /// `data` in bytes, or `time` in seconds.
    measure: &'static str,
    left: u64,
    #[schema(value_type = Option<String>, format = DateTime)]
    ends_at: Option<String>,
}

/// Which days are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ZoneParam {
    #[default]
    Utc,
    Tenant,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct DaysParams {
    /// Whether days begin at midnight UTC or in the tenant's zone. Days in the tenant's zone reach
    /// back as far as hours are kept.
    #[param(inline)]
    #[serde(default)]
    zone: ZoneParam,
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(show))
}

/// Show what a subscriber has used, and what is left
#[utoipa::path(
    get, path = "/subscribers/{subscriber}/usage", tag = "usage", operation_id = "usage_show",
    params(
        ("subscriber" = String, Path, description = "Id or user name"),
        SeriesParams, DaysParams,
    ),
    security(("token" = ["usage:read"])),
    responses((status = 200, description = "What was used", body = UsageView)),
)]
async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path(subscriber): Path<String>,
    Params(series): Params<SeriesParams>,
    Params(days): Params<DaysParams>,
) -> Result<Json<UsageView>, Problem> {
    let now = api.now();
    let series = series.series(now)?;
    let (store, tenant) = (caller.store(), caller.tenant);
    let username: Username = caller.name_of(Resource::Subscriber, &subscriber).await?;
    let subscriber = store.subscriber_find(tenant, &username).await?;
    let subscriber = subscriber.ok_or_else(|| Problem::not_found("subscriber"))?;
    let zone = match days.zone {
        ZoneParam::Utc => domain::limit::Zone::default(),
        ZoneParam::Tenant => {
            let found = store.tenant_find(tenant).await?;
            found.map(|tenant| tenant.time_zone).unwrap_or_default()
        }
    };
    let (from, until) = (series.range.from, series.range.until);
    let mut buckets = match (series.step, days.zone) {
        (StepParam::Day, ZoneParam::Tenant) => {
            let range = (from, until);
            usage::days_of_zone(store, (tenant, &username), &zone, range).await?
        }
        (step, _) => {
            let grain = match step {
                StepParam::Hour => UsageGrain::Hour,
                StepParam::Day => UsageGrain::Day,
            };
            let buckets = store.usage_list(tenant, &username, grain, from, until, STEPS_MAX);
            buckets.await?
        }
    };
    buckets.reverse();
    let total = buckets.iter().map(|bucket| bucket.amount);
    let total = total.fold(UsageAmount::default(), UsageAmount::plus);
    let quotas = usage::quotas_left(store, tenant, &subscriber, now).await?;
    let top_ups = usage::top_ups_left(store, tenant, &username, now).await?;
    Ok(Json(UsageView {
        user_name: username.to_string(),
        step: series.step,
        time_zone: zone.to_string(),
        from: from.to_string(),
        until: until.to_string(),
        buckets: buckets.into_iter().map(BucketView::from).collect(),
        total: total.into(),
        quotas: quotas.into_iter().map(QuotaView::from).collect(),
        top_ups: top_ups.into_iter().map(TopUpView::from).collect(),
    }))
}

impl From<UsageAmount> for AmountView {
    fn from(amount: UsageAmount) -> Self {
        Self {
            upload_bytes: amount.upload_bytes,
            download_bytes: amount.download_bytes,
            session_seconds: amount.session_seconds,
        }
    }
}

impl From<UsageBucket> for BucketView {
    fn from(bucket: UsageBucket) -> Self {
        Self {
            starts_at: bucket.starts_at.to_string(),
            amount: bucket.amount.into(),
        }
    }
}

impl From<QuotaLeft> for QuotaView {
    fn from(quota: QuotaLeft) -> Self {
        Self {
            measure: quota.measure.as_str(),
            period: quota.period.as_str(),
            amount: quota.amount,
            used: quota.used,
            left: quota.left,
            resets_at: quota.resets_at.map(|at| at.to_string()),
        }
    }
}

impl From<TopUpLeft> for TopUpView {
    fn from(top_up: TopUpLeft) -> Self {
        Self {
            measure: top_up.measure.as_str(),
            left: top_up.left,
            ends_at: top_up.ends_at.map(|at| at.to_string()),
        }
    }
}
