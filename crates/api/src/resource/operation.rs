//! Long work: `/api/v1/operations`.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::actor::Actor;
use domain::id::OperationId;
use domain::operation::{OperationKind, OperationState, RowProblem, RowResult};
use serde::{Deserialize, Serialize};
use storage::operation::{Operation, OperationFilter};
use storage::page::Page;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::body::Params;
use crate::caller::Caller;
use crate::listing::{ListParams, Listing, Shown};
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;

/// Long work that somebody asked for, done part by part.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OperationView {
    #[schema(value_type = Uuid)]
    id: OperationId,
    #[schema(value_type = String)]
    kind: OperationKind,
    /// `receiving`, `queued`, `running`, and in the end `succeeded`, `failed` or `cancelled`. It has
    /// succeeded when every row was looked at, also if some of them failed.
    #[schema(value_type = String)]
    state: OperationState,
    /// Everything is checked, and nothing changes.
    is_dry_run: bool,
    /// All rows or none.
    is_atomic: bool,
    actor: ActorView,
    /// Of the request that asked for it.
    request_id: Option<Uuid>,
    /// Rows in all.
    total: u64,
    /// Rows that were looked at, those that failed too.
    done: u64,
    failed: u64,
    /// Why it could not go on.
    error: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<String>,
}

/// Who did something.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ActorView {
    /// `system`, `command_line`, `operator` or `api_key`.
    kind: String,
    id: Option<Uuid>,
    name: String,
}

/// What became of one row.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RowResultView {
    /// Its place among the rows, from 1; of a file the line.
    row: u64,
    name: String,
    /// `created`, `changed`, `removed`, `unchanged`, `failed`, or `undone` because another row failed
    /// and all of them hold together.
    outcome: String,
    problem: Option<RowProblemView>,
}

/// Why a row failed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RowProblemView {
    /// What programs go by; it stays the same when the words change.
    code: String,
    field: Option<String>,
    detail: String,
}

#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct FilterParams {
    /// Only in this state.
    #[serde(default)]
    #[param(pattern = "^(receiving|queued|running|succeeded|failed|cancelled)$")]
    state: Option<String>,
    /// Only of this kind.
    #[serde(default)]
    #[param(pattern = "^(subscriber_bulk|subscriber_import|nas_bulk|plan_bulk|customer_bulk)$")]
    kind: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct ResultParams {
    /// Only rows that failed, or only those that did not.
    #[serde(default)]
    #[param(value_type = Option<bool>)]
    failed: Option<String>,
}

impl From<Operation> for OperationView {
    fn from(operation: Operation) -> Self {
        Self {
            id: operation.id,
            kind: operation.kind,
            state: operation.state,
            is_dry_run: operation.is_dry_run,
            is_atomic: operation.is_atomic,
            actor: operation.actor.into(),
            request_id: operation.request,
            total: operation.total,
            done: operation.done,
            failed: operation.failed,
            error: operation.error,
            created_at: operation.created_at.to_string(),
            started_at: operation.started_at.map(|at| at.to_string()),
            finished_at: operation.finished_at.map(|at| at.to_string()),
        }
    }
}

impl From<Actor> for ActorView {
    fn from(actor: Actor) -> Self {
        Self {
            kind: actor.kind.as_str().to_owned(),
            id: actor.id,
            name: actor.name,
        }
    }
}

impl From<RowResult> for RowResultView {
    fn from(result: RowResult) -> Self {
        Self {
            row: result.row,
            name: result.name,
            outcome: result.outcome.as_str().to_owned(),
            problem: result.problem.map(RowProblemView::from),
        }
    }
}

impl From<RowProblem> for RowProblemView {
    fn from(problem: RowProblem) -> Self {
        Self {
            code: problem.code,
            field: problem.field,
            detail: problem.detail,
        }
    }
}

impl OperationView {
    /// The answer that it was taken in, and where it is watched.
    pub(crate) fn accepted(operation: Operation) -> Response {
        let location = format!("/api/v1/operations/{}", operation.id);
        let view = Self::from(operation);
        let headers = [(header::LOCATION, location)];
        (StatusCode::ACCEPTED, headers, Json(view)).into_response()
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(results))
        .routes(routes!(cancel))
}

/// List operations
///
/// The newest first.
#[utoipa::path(
    get, path = "/operations", tag = "operations", operation_id = "operation_list",
    params(ListParams, FilterParams), security(("token" = ["jobs:read"])),
    responses((status = 200, description = "A page of operations", body = Listing<OperationView>)),
)]
async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
    Params(filter): Params<FilterParams>,
) -> Result<Shown<OperationView>, Problem> {
    let limit = params.limit()?;
    let mut page = Page::first(limit + 1);
    page.after = params.after::<OperationId>()?;
    let filter = OperationFilter {
        state: parsed(
            filter.state.as_deref(),
            "state",
            &OperationState::ALL.map(OperationState::as_str),
        )?,
        kind: parsed(
            filter.kind.as_deref(),
            "kind",
            &OperationKind::ALL.map(OperationKind::as_str),
        )?,
    };
    let store = caller.store();
    let found = store.operation_list(caller.tenant, &filter, &page).await?;
    let views = found.into_iter().map(OperationView::from).collect();
    let listing = Listing::cut(views, limit, |operation: &OperationView| operation.id);
    Ok(listing.shown(params))
}

/// A value that is one of a few words.
pub(crate) fn parsed<T: std::str::FromStr>(
    raw: Option<&str>,
    field: &str,
    known: &[&str],
) -> Result<Option<T>, Problem> {
    let wrong = |_| Problem::bad_request(format!("{field} is one of {}", known.join(", ")));
    raw.map(|raw| raw.parse().map_err(wrong)).transpose()
}

/// Show an operation
#[utoipa::path(
    get, path = "/operations/{operation}", tag = "operations", operation_id = "operation_show",
    params(("operation" = Uuid, Path, description = "Id")),
    security(("token" = ["jobs:read"])),
    responses((status = 200, description = "The operation", body = OperationView)),
)]
async fn show(caller: Caller, Path(id): Path<String>) -> Result<Json<OperationView>, Problem> {
    Ok(Json(found(&caller, &id).await?.into()))
}

/// List what became of the rows of an operation
///
/// By row. Of each sort, failed and not, 10,000 are kept.
#[utoipa::path(
    get, path = "/operations/{operation}/results", tag = "operations",
    operation_id = "operation_results",
    params(ListParams, ResultParams, ("operation" = Uuid, Path, description = "Id")),
    security(("token" = ["jobs:read"])),
    responses((status = 200, description = "A page of results", body = Listing<RowResultView>)),
)]
async fn results(
    caller: Caller,
    Path(id): Path<String>,
    Params(params): Params<ListParams>,
    Params(filter): Params<ResultParams>,
) -> Result<Shown<RowResultView>, Problem> {
    let operation = found(&caller, &id).await?;
    let limit = params.limit()?;
    let mut page = Page::first(limit + 1);
    page.after = params.after::<u64>()?;
    let is_failed = parsed(filter.failed.as_deref(), "failed", &["true", "false"])?;
    let results = caller
        .store()
        .operation_results(caller.tenant, operation.id, (&page, is_failed))
        .await?;
    let views = results.into_iter().map(RowResultView::from).collect();
    let listing = Listing::cut(views, limit, |result: &RowResultView| result.row);
    Ok(listing.shown(params))
}

/// Call an operation off
///
/// What was done stays done, and the part under way is undone.
#[utoipa::path(
    post, path = "/operations/{operation}/cancel", tag = "operations",
    operation_id = "operation_cancel",
    params(("operation" = Uuid, Path, description = "Id")),
    security(("token" = ["jobs:write"])),
    responses((status = 200, description = "The operation", body = OperationView)),
)]
async fn cancel(caller: Caller, Path(id): Path<String>) -> Result<Json<OperationView>, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found("operation"))?;
    let cancelled = caller.store().operation_cancel(caller.tenant, id).await?;
    Ok(Json(cancelled.into()))
}

async fn found(caller: &Caller, id: &str) -> Result<Operation, Problem> {
    let absent = || Problem::not_found("operation");
    let id = id.parse().map_err(|_| absent())?;
    let found = caller.store().operation_find(caller.tenant, id).await?;
    found.ok_or_else(absent)
}
