//! What was decided, and why: `/api/v1/auth-log`.

use axum::Json;
use domain::id::AuthId;
use domain::mac::Mac;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use storage::auth_log::list::{AuthLogFilter, AuthLogPlace, AuthLogRow};
use storage::error::Resource;
use storage::page::Page;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::session::notations;
use crate::body::{Fields, Params};
use crate::caller::Caller;
use crate::listing::{ListParams, Listing, Shown};
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;

/// A decision about a login, or several that came out alike.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AuthDecisionView {
    #[schema(value_type = String, format = DateTime)]
    at: String,
    /// When the last of them was made.
    #[schema(value_type = String, format = DateTime)]
    last_at: String,
    /// Decisions that the entry stands for.
    count: u64,
    /// `null` when it stands for several users.
    user_name: Option<String>,
    /// Name of the router, or its id when nothing else is known of it.
    nas: String,
    method: String,
    #[schema(inline)]
    outcome: OutcomeView,
    /// The code of the reason; `null` when it was accepted.
    reason: Option<String>,
    explanation: String,
    /// The rules that it went through, in words.
    trace: Vec<String>,
    calling_station: Option<String>,
    called_station: Option<String>,
    id: Uuid,
}

/// How a login came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OutcomeView {
    Accepted,
    Rejected,
}

#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct LogFilter {
    /// Only about this user name, as it was sent, in any case.
    user: Option<String>,
    /// Only at this router, by id or name.
    nas: Option<String>,
    #[param(inline)]
    outcome: Option<OutcomeView>,
    /// Only refused for this reason, by its code.
    reason: Option<String>,
    /// Only from this device, in any notation.
    mac: Option<String>,
    #[serde(rename = "at.gte")]
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<String>,
    /// At this time at the latest.
    #[serde(rename = "at.lte")]
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<String>,
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
}

/// List decisions about logins
///
/// What was stored last first. A page looks at a part of the log only, so one may be short or empty
/// while others follow: go on as long as there is a `next_page_token`.
#[utoipa::path(
    get, path = "/auth-log", tag = "logs", operation_id = "auth_log_list",
    params(ListParams, LogFilter), security(("token" = ["logs:read"])),
    responses((status = 200, description = "A page of decisions", body = Listing<AuthDecisionView>)),
)]
async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
    Params(asked): Params<LogFilter>,
) -> Result<Shown<AuthDecisionView>, Problem> {
    let mut page = Page::first(params.limit()?);
    page.after = params.after::<AuthLogPlace>()?;
    let filter = asked.filter(&caller).await?;
    let found = caller
        .store()
        .auth_log_page(caller.tenant, &filter, &page)
        .await?;
    let listing = Listing {
        items: found.rows.into_iter().map(AuthDecisionView::from).collect(),
        next_page_token: found.next.as_ref().map(crate::listing::token),
        total: None,
    };
    Ok(listing.shown(params))
}

/// Show a decision
#[utoipa::path(
    get, path = "/auth-log/{decision}", tag = "logs", operation_id = "auth_log_show",
    params(("decision" = Uuid, Path, description = "Id, as sessions name it in auth_id")),
    security(("token" = ["logs:read"])),
    responses((status = 200, description = "The decision", body = AuthDecisionView)),
)]
async fn show(
    caller: Caller,
    Path(decision): Path<Uuid>,
) -> Result<Json<AuthDecisionView>, Problem> {
    let id = AuthId::from_uuid(decision);
    let found = caller.store().auth_log_find(caller.tenant, id).await?;
    let found = found.ok_or_else(|| Problem::not_found("decision in the log"))?;
    Ok(Json(found.into()))
}

impl LogFilter {
    async fn filter(&self, caller: &Caller) -> Result<AuthLogFilter, Problem> {
        let mut fields = Fields::default();
        let mac = self.mac.as_deref();
        let mac = mac.and_then(|raw| fields.parse::<Mac>("mac", raw));
        let mut at = |field: &str, raw: &Option<String>| {
            raw.as_deref()
                .and_then(|raw| fields.parse::<Timestamp>(field, raw))
        };
        let (since, until) = (at("at.gte", &self.since), at("at.lte", &self.until));
        if self.reason.is_some() && self.outcome == Some(OutcomeView::Accepted) {
            fields.wrong("reason", "what was accepted has none: leave outcome out");
        }
        fields.check()?;
        Ok(AuthLogFilter {
            usernames: self.user.iter().cloned().collect(),
            nas: match &self.nas {
                Some(raw) => {
                    let name = caller.name_of(Resource::Nas, raw).await;
                    Some(name.map_err(|problem| problem.named_by("nas"))?)
                }
                None => None,
            },
            is_accepted: self.outcome.map(|outcome| outcome == OutcomeView::Accepted),
            reason: self.reason.clone(),
            calling_stations: mac.map(notations).unwrap_or_default(),
            since,
            until,
        })
    }
}

impl From<AuthLogRow> for AuthDecisionView {
    fn from(row: AuthLogRow) -> Self {
        let (outcome, reason, explanation) = match &row.reason {
            None => (OutcomeView::Accepted, None, "granted".to_owned()),
            Some(reason) => (
                OutcomeView::Rejected,
                Some(reason.code().to_owned()),
                reason.to_string(),
            ),
        };
        Self {
            at: row.at.to_string(),
            last_at: row.last_at.to_string(),
            count: row.count,
            user_name: row.username,
            nas: row.nas,
            method: row.method.to_string(),
            outcome,
            reason,
            explanation,
            trace: row.trace.iter().map(ToString::to_string).collect(),
            calling_station: row.calling_station.map(|text| text.to_string()),
            called_station: row.called_station.map(|text| text.to_string()),
            id: row.id.as_uuid(),
        }
    }
}
