//! What a subscriber has bought beyond the quotas of their plan.

use axum::Json;
use axum::extract::State;
use domain::id::TopUpId;
use domain::limit::TopUpMeasure;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use services::top_up::{self, Order, TopUpError, Until, VALID_SECONDS_MAX, is_reference};
use storage::top_up::TopUpSummary;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::named;
use crate::body::{Body, Fields};
use crate::caller::Caller;
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;

/// Top-ups of a subscriber, the newest first, at most 1000.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct TopUpsView {
    items: Vec<TopUpView>,
}

/// What was bought, and what is used of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct TopUpView {
    #[schema(value_type = Uuid)]
    id: TopUpId,
    /// data or time
    measure: &'static str,
    /// Octets, or seconds.
    amount: u64,
    used: u64,
    /// What may still be used of it now.
    left: u64,
    #[schema(format = DateTime)]
    ends_at: Option<String>,
    /// The number of the purchase.
    reference: Option<String>,
    granted_by: String,
    #[schema(format = DateTime)]
    granted_at: String,
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
    revoked_by: Option<String>,
}

/// A purchase to be granted.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TopUpBody {
    /// Octets.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 9223372036854775807_i64)]
    data_bytes: Option<u64>,
    /// Seconds online.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 3153600000_i64)]
    time_seconds: Option<u64>,
    /// How long it may be used; until it is used up without it.
    #[serde(default)]
    valid: Option<ValidBody>,
    /// The number of the purchase: it is granted once under it.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64)]
    reference: Option<String>,
}

/// How long a top-up may be used.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum ValidBody {
    /// From now on.
    Seconds(u64),
    /// Until an instant.
    Until(String),
    /// For as long as the quota of the plan runs.
    Period(bool),
}

impl TopUpView {
    fn new(summary: TopUpSummary, now: Timestamp) -> Self {
        let top_up = summary.top_up;
        let left = match summary.revoked_at {
            Some(_) => 0,
            None => top_up.left(now),
        };
        Self {
            id: top_up.id,
            measure: top_up.measure.as_str(),
            amount: top_up.amount,
            used: top_up.used,
            left,
            ends_at: top_up.ends_at.map(|at| at.to_string()),
            reference: summary.reference,
            granted_by: summary.actor,
            granted_at: summary.created_at.to_string(),
            revoked_at: summary.revoked_at.map(|at| at.to_string()),
            revoked_by: summary.revoked_by,
        }
    }
}

fn shown(top_ups: Vec<TopUpSummary>, now: Timestamp) -> Json<TopUpsView> {
    let items = top_ups.into_iter().map(|one| TopUpView::new(one, now));
    Json(TopUpsView {
        items: items.collect(),
    })
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, grant))
        .routes(routes!(revoke))
}

/// List the top-ups of a subscriber
#[utoipa::path(
    get, path = "/subscribers/{subscriber}/top-ups", tag = "subscribers",
    operation_id = "subscriber_top_up_list",
    params(("subscriber" = String, Path, description = "Id or user name")),
    security(("token" = ["subscribers:read"])),
    responses((status = 200, description = "The top-ups", body = TopUpsView)),
)]
async fn list(
    caller: Caller,
    State(api): State<Api>,
    Path(subscriber): Path<String>,
) -> Result<Json<TopUpsView>, Problem> {
    let username = named(&caller, &subscriber).await?;
    let top_ups = caller.store().top_up_list(caller.tenant, &username).await?;
    Ok(shown(top_ups, api.now()))
}

/// Grant volume or time beyond the quotas of the plan
///
/// Granted again under the same reference, it changes nothing and answers what was granted.
#[utoipa::path(
    post, path = "/subscribers/{subscriber}/top-ups", tag = "subscribers",
    operation_id = "subscriber_top_up_grant",
    params(("subscriber" = String, Path, description = "Id or user name")),
    request_body = TopUpBody, security(("token" = ["subscribers:write"])),
    responses((status = 200, description = "What is granted", body = TopUpsView)),
)]
async fn grant(
    caller: Caller,
    State(api): State<Api>,
    Path(subscriber): Path<String>,
    Body(body): Body<TopUpBody>,
) -> Result<Json<TopUpsView>, Problem> {
    let username = named(&caller, &subscriber).await?;
    let now = api.now();
    let mut fields = Fields::default();
    let order = body.order(&mut fields, caller.principal.actor.to_string());
    fields.check()?;
    let purchase = top_up::grant(caller.store(), caller.tenant, &username, order, now).await;
    let purchase = purchase.map_err(|error| {
        let told = error.to_string();
        match error {
            TopUpError::NotLimited(TopUpMeasure::Data) => Problem::field("data_bytes", told),
            TopUpError::NotLimited(TopUpMeasure::Time) => Problem::field("time_seconds", told),
            TopUpError::NoPeriod => Problem::field("valid", told),
            TopUpError::OtherReference => Problem::field("reference", told),
            TopUpError::TooMany => Problem::field("subscriber", told),
            TopUpError::Store(error) => error.into(),
        }
    })?;
    Ok(shown(purchase.top_ups, now))
}

impl TopUpBody {
    fn order(self, fields: &mut Fields, actor: String) -> Order {
        let mut amounts = Vec::new();
        let mut add = |field: &str, measure, amount: Option<u64>, most: u64| match amount {
            Some(amount) if (1..=most).contains(&amount) => amounts.push((measure, amount)),
            Some(_) => fields.wrong(field, format!("this is 1 to {most}")),
            None => {}
        };
        let most = i64::MAX.unsigned_abs();
        add("data_bytes", TopUpMeasure::Data, self.data_bytes, most);
        let (measure, most) = (TopUpMeasure::Time, VALID_SECONDS_MAX);
        add("time_seconds", measure, self.time_seconds, most);
        if self.data_bytes.is_none() && self.time_seconds.is_none() {
            fields.wrong("data_bytes", "give data_bytes, time_seconds, or both");
        }
        if self
            .reference
            .as_deref()
            .is_some_and(|raw| !is_reference(raw))
        {
            fields.wrong("reference", "this has 1 to 64 printable ASCII characters");
        }
        let until = match self.valid {
            None | Some(ValidBody::Period(false)) => Until::UsedUp,
            Some(ValidBody::Period(true)) => Until::Period,
            Some(ValidBody::Seconds(seconds @ 1..=VALID_SECONDS_MAX)) => Until::Seconds(seconds),
            Some(ValidBody::Seconds(_)) => {
                let told = format!("this is 1 to {VALID_SECONDS_MAX} seconds");
                fields.wrong("valid.seconds", told);
                Until::UsedUp
            }
            Some(ValidBody::Until(raw)) => fields
                .parse("valid.until", &raw)
                .map_or(Until::UsedUp, Until::At),
        };
        Order {
            amounts,
            until,
            reference: self.reference,
            actor,
        }
    }
}

/// Take back what is left of a top-up
#[utoipa::path(
    post, path = "/subscribers/{subscriber}/top-ups/{top_up}/revoke", tag = "subscribers",
    operation_id = "subscriber_top_up_revoke",
    params(
        ("subscriber" = String, Path, description = "Id or user name"),
        ("top_up" = String, Path, description = "Id"),
    ),
    security(("token" = ["subscribers:write"])),
    responses((status = 200, description = "The top-up", body = TopUpView)),
)]
async fn revoke(
    caller: Caller,
    State(api): State<Api>,
    Path((subscriber, top_up)): Path<(String, String)>,
) -> Result<Json<TopUpView>, Problem> {
    let username = named(&caller, &subscriber).await?;
    let id: TopUpId = top_up.parse().map_err(|_| Problem::not_found("top-up"))?;
    let actor = caller.principal.actor.to_string();
    let store = caller.store();
    let revoked = store
        .top_up_revoke(caller.tenant, &username, id, &actor)
        .await?;
    Ok(Json(TopUpView::new(revoked, api.now())))
}
