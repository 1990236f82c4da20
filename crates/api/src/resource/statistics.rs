//! What dashboards show: `/api/v1/statistics/…`. Everything is read from sums that are kept while
//! things happen, or from indexes; nothing reads raw history.

use axum::Json;
use axum::extract::State;
use domain::id::NasId;
use domain::name::Name;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use storage::error::Resource;
use storage::statistic::Range;
use storage::statistic::gauge::{SessionsBy, SessionsOf};
use storage::statistic::top::KEPT;
use storage::statistic::traffic::{TrafficBy, TrafficOf};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::session::find_plan;
use super::usage::{AmountView, BucketView};
use crate::body::{Fields, Params};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::series::{Series, SeriesParams, StepParam};
use crate::state::Api;

const DAY_SECONDS: i64 = 86_400;

/// Days whose hours are summed up for every plan or router.
const SHARES_DAYS_MAX: i64 = 31;
const SHARES_DEFAULT: u32 = 10;
const SHARES_MAX: u32 = 1_000;

/// Days of which the users are told who moved most.
const TOP_DAYS_MAX: i64 = 31;
const TOP_MAX: u32 = 100;

const EXPIRING_DAYS_DEFAULT: u32 = 7;
const EXPIRING_DAYS_MAX: u32 = 31;

/// What was moved, step by step, oldest first. Steps in which nothing was moved are left out.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct TrafficView {
    #[schema(inline)]
    step: StepParam,
    #[schema(value_type = String, format = DateTime)]
    from: String,
    #[schema(value_type = String, format = DateTime)]
    until: String,
    buckets: Vec<BucketView>,
    total: AmountView,
}

/// What each plan or router moved, the most first.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct TrafficSharesView {
    shares: Vec<TrafficShareView>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct TrafficShareView {
    id: Uuid,
    name: String,
    #[serde(flatten)]
    amount: AmountView,
}

/// How logins came out, step by step, oldest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct AuthenticationsView {
    #[schema(inline)]
    step: StepParam,
    #[schema(value_type = String, format = DateTime)]
    from: String,
    #[schema(value_type = String, format = DateTime)]
    until: String,
    accepted: u64,
    rejected: u64,
    steps: Vec<AuthStepView>,
}

/// Logins of one step that came out alike.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct AuthStepView {
    #[schema(value_type = String, format = DateTime)]
    starts_at: String,
    /// `accepted` or `rejected`.
    outcome: &'static str,
    /// The code of the reason; `null` when they were accepted.
    reason: Option<String>,
    count: u64,
}

/// How many sessions were open, step by step, oldest first, and how many are now.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct SessionCountsView {
    #[schema(inline)]
    step: StepParam,
    #[schema(value_type = String, format = DateTime)]
    from: String,
    #[schema(value_type = String, format = DateTime)]
    until: String,
    /// All of the tenant's, at this moment.
    open_now: u64,
    /// Looked at once a minute; steps in which nobody looked are left out.
    steps: Vec<SessionStepView>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct SessionStepView {
    #[schema(value_type = String, format = DateTime)]
    starts_at: String,
    average: u64,
    peak: u64,
}

/// How many sessions each plan or router has open at this moment, the most first.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct SessionSharesView {
    shares: Vec<SessionShareView>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct SessionShareView {
    /// `null` for sessions of those who are on no plan.
    id: Option<Uuid>,
    name: Option<String>,
    open: u64,
}

/// Who moved most on these days.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct TopUsersView {
    /// Whole days of UTC.
    #[schema(value_type = String, format = DateTime)]
    from: String,
    #[schema(value_type = String, format = DateTime)]
    until: String,
    users: Vec<TopUserView>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct TopUserView {
    user_name: String,
    #[serde(flatten)]
    amount: AmountView,
}

/// How many subscribers are in each state.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct SubscriberStatesView {
    /// When it was looked, once a minute; `null` before the first look.
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<String>,
    total: u64,
    states: Vec<SubscriberStateView>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct SubscriberStateView {
    state: &'static str,
    count: u64,
}

/// Active accounts that end soon, the first first.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct ExpiringView {
    /// All of them, also those that are not listed.
    count: u64,
    subscribers: Vec<ExpiringSubscriberView>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct ExpiringSubscriberView {
    id: Uuid,
    username: String,
    plan: String,
    #[schema(value_type = String, format = DateTime)]
    expires_at: String,
}

/// By what something is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ByParam {
    Plan,
    Nas,
}

#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct OfParams {
    /// Only of this plan, by id or name.
    plan: Option<String>,
    /// Only of this router, by id or name.
    nas: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct NasParams {
    /// Only at this router, by id or name.
    nas: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct SharesParams {
    #[param(inline)]
    by: ByParam,
    #[param(minimum = 1, maximum = 1000, default = 10)]
    limit: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct TopParams {
    /// The first day; today without it. At most 31 days.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<String>,
    /// The end, whose day is part of it; today without it.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<String>,
    #[param(minimum = 1, maximum = 100, default = 10)]
    limit: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct ExpiringParams {
    /// How many days are soon.
    #[param(minimum = 1, maximum = 31, default = 7)]
    days: Option<u32>,
    #[param(minimum = 1, maximum = 1000, default = 10)]
    limit: Option<u32>,
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(traffic))
        .routes(routes!(traffic_shares))
        .routes(routes!(authentications))
        .routes(routes!(session_counts))
        .routes(routes!(session_shares))
        .routes(routes!(top_users))
        .routes(routes!(subscriber_states))
        .routes(routes!(expiring))
}

/// Show what was moved
///
/// By everybody, on a plan, or at a router.
#[utoipa::path(
    get, path = "/statistics/traffic", tag = "statistics", operation_id = "statistics_traffic",
    params(SeriesParams, OfParams), security(("token" = ["statistics:read"])),
    responses((status = 200, description = "Traffic", body = TrafficView)),
)]
async fn traffic(
    State(api): State<Api>,
    caller: Caller,
    Params(series): Params<SeriesParams>,
    Params(of): Params<OfParams>,
) -> Result<Json<TrafficView>, Problem> {
    let Series { step, range } = series.series(api.now())?;
    let of = match (of.plan, of.nas) {
        (None, None) => TrafficOf::Tenant,
        (Some(plan), None) => TrafficOf::Plan(find_plan(&caller, &plan).await?),
        (None, Some(nas)) => TrafficOf::Nas(find_nas(&caller, &nas).await?),
        (Some(_), Some(_)) => return Err(one_of_them()),
    };
    let store = caller.store();
    let buckets = store.traffic_list(caller.tenant, of, step.step(), range);
    let buckets = buckets.await?;
    let amounts = buckets.iter().map(|bucket| bucket.amount);
    let total = amounts.fold(Default::default(), domain::usage::UsageAmount::plus);
    Ok(Json(TrafficView {
        step,
        from: range.from.to_string(),
        until: range.until.to_string(),
        buckets: buckets.into_iter().map(BucketView::from).collect(),
        total: total.into(),
    }))
}

/// Show what each plan or router moved
///
/// On 31 days at most.
#[utoipa::path(
    get, path = "/statistics/traffic/shares", tag = "statistics",
    operation_id = "statistics_traffic_shares",
    params(SeriesParams, SharesParams), security(("token" = ["statistics:read"])),
    responses((status = 200, description = "Traffic", body = TrafficSharesView)),
)]
async fn traffic_shares(
    State(api): State<Api>,
    caller: Caller,
    Params(series): Params<SeriesParams>,
    Params(params): Params<SharesParams>,
) -> Result<Json<TrafficSharesView>, Problem> {
    let range = series.series(api.now())?.range;
    // The first day is whole.
    if (SHARES_DAYS_MAX + 1) * DAY_SECONDS < range.until.seconds_since(range.from) {
        let most = format!("there are {SHARES_DAYS_MAX} days at most");
        return Err(Problem::field("from", most));
    }
    let limit = limit(params.limit, SHARES_MAX)?;
    let by = match params.by {
        ByParam::Plan => TrafficBy::Plan,
        ByParam::Nas => TrafficBy::Nas,
    };
    let store = caller.store();
    let shares = store
        .traffic_shares(caller.tenant, by, range, limit)
        .await?;
    let view = |share: storage::statistic::traffic::TrafficShare| TrafficShareView {
        id: share.id,
        name: share.name,
        amount: share.amount.into(),
    };
    Ok(Json(TrafficSharesView {
        shares: shares.into_iter().map(view).collect(),
    }))
}

/// Show how logins came out
#[utoipa::path(
    get, path = "/statistics/authentications", tag = "statistics",
    operation_id = "statistics_authentications",
    params(SeriesParams, NasParams), security(("token" = ["statistics:read"])),
    responses((status = 200, description = "Logins", body = AuthenticationsView)),
)]
async fn authentications(
    State(api): State<Api>,
    caller: Caller,
    Params(series): Params<SeriesParams>,
    Params(params): Params<NasParams>,
) -> Result<Json<AuthenticationsView>, Problem> {
    let Series { step, range } = series.series(api.now())?;
    let nas = match params.nas {
        Some(nas) => Some(find_nas(&caller, &nas).await?),
        None => None,
    };
    let store = caller.store();
    let counts = store.auth_counts(caller.tenant, nas, step.step(), range);
    let counts = counts.await?;
    let sum = |is_accepted: bool| {
        let alike = counts
            .iter()
            .filter(|count| count.reason.is_none() == is_accepted);
        alike.fold(0_u64, |sum, count| sum.saturating_add(count.count))
    };
    Ok(Json(AuthenticationsView {
        step,
        from: range.from.to_string(),
        until: range.until.to_string(),
        accepted: sum(true),
        rejected: sum(false),
        steps: counts
            .iter()
            .map(|count| AuthStepView {
                starts_at: count.starts_at.to_string(),
                outcome: match count.reason {
                    None => "accepted",
                    Some(_) => "rejected",
                },
                reason: count.reason.clone(),
                count: count.count,
            })
            .collect(),
    }))
}

/// Show how many sessions were open
#[utoipa::path(
    get, path = "/statistics/sessions", tag = "statistics", operation_id = "statistics_sessions",
    params(SeriesParams, OfParams), security(("token" = ["statistics:read"])),
    responses((status = 200, description = "Open sessions", body = SessionCountsView)),
)]
async fn session_counts(
    State(api): State<Api>,
    caller: Caller,
    Params(series): Params<SeriesParams>,
    Params(of): Params<OfParams>,
) -> Result<Json<SessionCountsView>, Problem> {
    let Series { step, range } = series.series(api.now())?;
    let of = match (of.plan, of.nas) {
        (None, None) => SessionsOf::Tenant,
        (Some(plan), None) => SessionsOf::Plan(find_plan(&caller, &plan).await?),
        (None, Some(nas)) => SessionsOf::Nas(find_nas(&caller, &nas).await?),
        (Some(_), Some(_)) => return Err(one_of_them()),
    };
    let (store, tenant) = (caller.store(), caller.tenant);
    let steps = store.session_counts(tenant, of, step.step(), range).await?;
    let view = |step: storage::statistic::gauge::GaugeStep| SessionStepView {
        starts_at: step.starts_at.to_string(),
        average: step.average,
        peak: step.peak,
    };
    Ok(Json(SessionCountsView {
        step,
        from: range.from.to_string(),
        until: range.until.to_string(),
        open_now: store.session_count(tenant).await?,
        steps: steps.into_iter().map(view).collect(),
    }))
}

/// Show how many sessions each plan or router has
#[utoipa::path(
    get, path = "/statistics/sessions/shares", tag = "statistics",
    operation_id = "statistics_session_shares",
    params(SharesParams), security(("token" = ["statistics:read"])),
    responses((status = 200, description = "Open sessions", body = SessionSharesView)),
)]
async fn session_shares(
    caller: Caller,
    Params(params): Params<SharesParams>,
) -> Result<Json<SessionSharesView>, Problem> {
    let limit = limit(params.limit, SHARES_MAX)?;
    let by = match params.by {
        ByParam::Plan => SessionsBy::Plan,
        ByParam::Nas => SessionsBy::Nas,
    };
    let shares = caller.store().session_shares(caller.tenant, by, limit);
    let view = |share: storage::statistic::gauge::SessionCount| SessionShareView {
        id: share.id,
        name: share.name,
        open: share.open,
    };
    Ok(Json(SessionSharesView {
        shares: shares.await?.into_iter().map(view).collect(),
    }))
}

/// Show who moved most
///
/// Of each day those are known who moved most on it, some minutes after they did. Over several days
/// it is everything that such a user moved on all of them.
#[utoipa::path(
    get, path = "/statistics/top-users", tag = "statistics", operation_id = "statistics_top_users",
    params(TopParams), security(("token" = ["statistics:read"])),
    responses((status = 200, description = "Users, the most first", body = TopUsersView)),
)]
async fn top_users(
    State(api): State<Api>,
    caller: Caller,
    Params(params): Params<TopParams>,
) -> Result<Json<TopUsersView>, Problem> {
    let days = params.days(api.now())?;
    let limit = limit(params.limit, TOP_MAX)?;
    let limit = usize::try_from(limit).unwrap_or(KEPT);
    let users = caller.store().usage_top(caller.tenant, days, limit).await?;
    let view = |user: storage::statistic::top::TopUser| TopUserView {
        user_name: user.username,
        amount: user.amount.into(),
    };
    Ok(Json(TopUsersView {
        from: days.from.to_string(),
        until: days.until.to_string(),
        users: users.into_iter().map(view).collect(),
    }))
}

/// Show how many subscribers are in each state
#[utoipa::path(
    get, path = "/statistics/subscribers", tag = "statistics",
    operation_id = "statistics_subscribers", security(("token" = ["statistics:read"])),
    responses((status = 200, description = "Subscribers", body = SubscriberStatesView)),
)]
async fn subscriber_states(caller: Caller) -> Result<Json<SubscriberStatesView>, Problem> {
    let counts = caller.store().subscriber_states(caller.tenant).await?;
    let view = |count: &storage::statistic::gauge::StateCount| SubscriberStateView {
        state: count.state.as_str(),
        count: count.count,
    };
    Ok(Json(SubscriberStatesView {
        at: counts
            .iter()
            .map(|count| count.at)
            .max()
            .map(|at| at.to_string()),
        total: counts.iter().map(|count| count.count).sum(),
        states: counts.iter().map(view).collect(),
    }))
}

/// List the accounts that end soon
#[utoipa::path(
    get, path = "/statistics/expiring", tag = "statistics", operation_id = "statistics_expiring",
    params(ExpiringParams), security(("token" = ["statistics:read"])),
    responses((status = 200, description = "Accounts", body = ExpiringView)),
)]
async fn expiring(
    State(api): State<Api>,
    caller: Caller,
    Params(params): Params<ExpiringParams>,
) -> Result<Json<ExpiringView>, Problem> {
    let limit = limit(params.limit, SHARES_MAX)?;
    let days = params.days.unwrap_or(EXPIRING_DAYS_DEFAULT);
    if days == 0 || EXPIRING_DAYS_MAX < days {
        return Err(Problem::field(
            "days",
            format!("these are 1 to {EXPIRING_DAYS_MAX}"),
        ));
    }
    let from = api.now();
    let until = from.plus_seconds(i64::from(days) * DAY_SECONDS);
    let range = Range { from, until };
    let found = caller
        .store()
        .subscriber_expiring(caller.tenant, range, limit);
    let (count, subscribers) = found.await?;
    let view = |one: storage::statistic::expiring::Expiring| ExpiringSubscriberView {
        id: one.id.as_uuid(),
        username: one.username,
        plan: one.plan,
        expires_at: one.expires_at.to_string(),
    };
    Ok(Json(ExpiringView {
        count,
        subscribers: subscribers.into_iter().map(view).collect(),
    }))
}

impl TopParams {
    /// Whole days.
    fn days(&self, now: Timestamp) -> Result<Range, Problem> {
        let mut fields = Fields::default();
        let mut at = |field: &str, raw: &Option<String>| {
            raw.as_deref()
                .and_then(|raw| fields.parse::<Timestamp>(field, raw))
        };
        let (from, until) = (at("from", &self.from), at("until", &self.until));
        let until = until.unwrap_or(now);
        let from = from.unwrap_or(until).day_start();
        let until = until.day_start().plus_seconds(DAY_SECONDS);
        if until <= from {
            fields.wrong("until", "the end is before the beginning");
        } else if TOP_DAYS_MAX * DAY_SECONDS < until.seconds_since(from) {
            fields.wrong("from", format!("there are {TOP_DAYS_MAX} days at most"));
        }
        fields.check()?;
        Ok(Range { from, until })
    }
}

/// The router that the parameter `nas` names by its id or its name.
async fn find_nas(caller: &Caller, raw: &str) -> Result<NasId, Problem> {
    let name = caller.name_of::<Name>(Resource::Nas, raw).await;
    let name = name.map_err(|problem| problem.named_by("nas"))?;
    let nas = caller.store().nas_find(caller.tenant, &name).await?;
    let absent = || Problem::not_found("NAS").named_by("nas");
    Ok(nas.ok_or_else(absent)?.id)
}

fn one_of_them() -> Problem {
    Problem::field("nas", "plan says already of what: give one of them")
}

fn limit(asked: Option<u32>, most: u32) -> Result<u32, Problem> {
    match asked.unwrap_or(SHARES_DEFAULT) {
        limit if 1 <= limit && limit <= most => Ok(limit),
        _ => Err(Problem::field("limit", format!("it is 1 to {most}"))),
    }
}
