//! Who is kept from guessing passwords: `/api/v1/locks`.

use axum::Json;
use domain::guard::GuardSubject;
use serde::{Deserialize, Serialize};
use storage::guard::{GuardFilter, GuardRow};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::{Body, Params};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::state::Api;

/// Those who are locked, the one that lasts longest first, at most a thousand.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct LocksView {
    items: Vec<LockView>,
}

/// Somebody whose attempts are refused for a while.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct LockView {
    #[schema(inline)]
    subject: SubjectView,
    /// User name, Calling-Station-Id or name of the router.
    name: String,
    #[schema(value_type = String, format = DateTime)]
    since: String,
    #[schema(value_type = String, format = DateTime)]
    until: String,
    /// How often it was locked without a longer pause between.
    strikes: u64,
}

/// By what failed attempts are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum SubjectView {
    User,
    Station,
    Nas,
}

#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct LockFilter {
    #[param(inline)]
    subject: Option<SubjectView>,
    name: Option<String>,
}

/// Whom to let go; everybody who is not left out.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ClearBody {
    #[schema(inline)]
    subject: Option<SubjectView>,
    name: Option<String>,
}

/// How many locks there were.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
struct ClearedView {
    cleared: u64,
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(clear))
}

/// List who is locked
#[utoipa::path(
    get, path = "/locks", tag = "logs", operation_id = "lock_list",
    params(LockFilter), security(("token" = ["logs:read"])),
    responses((status = 200, description = "Locks", body = LocksView)),
)]
async fn list(
    caller: Caller,
    Params(asked): Params<LockFilter>,
) -> Result<Json<LocksView>, Problem> {
    let filter = filter(&caller, asked.subject, asked.name);
    let locks = caller.store().guard_list(&filter).await?;
    Ok(Json(LocksView {
        items: locks.into_iter().map(LockView::from).collect(),
    }))
}

/// Let go who is locked
///
/// On every node, within a second.
#[utoipa::path(
    post, path = "/locks:clear", tag = "logs", operation_id = "lock_clear",
    request_body = ClearBody, security(("token" = ["logs:write"])),
    responses((status = 200, description = "How many there were, or are in a rehearsal", body = ClearedView)),
)]
async fn clear(caller: Caller, Body(body): Body<ClearBody>) -> Result<Json<ClearedView>, Problem> {
    let filter = filter(&caller, body.subject, body.name);
    let cleared = caller.store().guard_clear(&filter).await?;
    Ok(Json(ClearedView { cleared }))
}

fn filter(caller: &Caller, subject: Option<SubjectView>, name: Option<String>) -> GuardFilter {
    GuardFilter {
        tenant: Some(caller.tenant),
        subject: subject.map(|subject| match subject {
            SubjectView::User => GuardSubject::User,
            SubjectView::Station => GuardSubject::Station,
            SubjectView::Nas => GuardSubject::Nas,
        }),
        name,
    }
}

impl From<GuardRow> for LockView {
    fn from(row: GuardRow) -> Self {
        Self {
            subject: match row.subject {
                GuardSubject::User => SubjectView::User,
                GuardSubject::Station => SubjectView::Station,
                GuardSubject::Nas => SubjectView::Nas,
            },
            name: row.name,
            since: row.since.to_string(),
            until: row.until.to_string(),
            strikes: row.strikes,
        }
    }
}
