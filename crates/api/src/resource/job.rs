//! Work beside the transactions that wanted it: `/api/v1/jobs`.

use axum::Json;
use axum::http::StatusCode;
use domain::id::JobId;
use serde::{Deserialize, Serialize};
use storage::job::{JobFilter, JobKind, JobState, JobSummary};
use storage::page::Page;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::operation::parsed;
use crate::body::Params;
use crate::caller::Caller;
use crate::listing::{ListParams, Listing, Shown};
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;

/// Work that is to be done beside the transaction that wanted it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct JobView {
    /// The id of what wants it done: a session command, an operation.
    #[schema(value_type = Uuid)]
    id: JobId,
    /// `session_command` or `operation`.
    kind: String,
    /// `ready`, `leased` while somebody is at it, or `buried`: it can never be done as it is.
    state: String,
    /// When it may be taken, or taken again.
    #[schema(value_type = String, format = DateTime)]
    due_at: String,
    attempts: u64,
    last_error: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
}

#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct FilterParams {
    /// Only in this state.
    #[serde(default)]
    #[param(pattern = "^(ready|leased|buried)$")]
    state: Option<String>,
    /// Only of this kind.
    #[serde(default)]
    #[param(pattern = "^(session_command|operation)$")]
    kind: Option<String>,
}

impl From<JobSummary> for JobView {
    fn from(job: JobSummary) -> Self {
        Self {
            id: job.id,
            kind: job.kind.as_str().to_owned(),
            state: job.state.as_str().to_owned(),
            due_at: job.due_at.to_string(),
            attempts: job.attempts,
            last_error: job.last_error,
            created_at: job.created_at.to_string(),
        }
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, discard))
        .routes(routes!(retry))
}

/// List jobs
///
/// The newest first. A job is gone when it is done.
#[utoipa::path(
    get, path = "/jobs", tag = "jobs", operation_id = "job_list",
    params(ListParams, FilterParams), security(("token" = ["jobs:read"])),
    responses((status = 200, description = "A page of jobs", body = Listing<JobView>)),
)]
async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
    Params(filter): Params<FilterParams>,
) -> Result<Shown<JobView>, Problem> {
    let limit = params.limit()?;
    let mut page = Page::first(limit + 1);
    page.after = params.after::<JobId>()?;
    let filter = JobFilter {
        state: parsed(
            filter.state.as_deref(),
            "state",
            &JobState::ALL.map(JobState::as_str),
        )?,
        kind: parsed(
            filter.kind.as_deref(),
            "kind",
            &JobKind::ALL.map(JobKind::as_str),
        )?,
    };
    let jobs = caller
        .store()
        .job_list(caller.tenant, &filter, &page)
        .await?;
    let views = jobs.into_iter().map(JobView::from).collect();
    let listing = Listing::cut(views, limit, |job: &JobView| job.id);
    Ok(listing.shown(params))
}

/// Show a job
#[utoipa::path(
    get, path = "/jobs/{job}", tag = "jobs", operation_id = "job_show",
    params(("job" = Uuid, Path, description = "Id")),
    security(("token" = ["jobs:read"])),
    responses((status = 200, description = "The job", body = JobView)),
)]
async fn show(caller: Caller, Path(id): Path<String>) -> Result<Json<JobView>, Problem> {
    let found = caller
        .store()
        .job_find(caller.tenant, parsed_id(&id)?)
        .await?;
    let found = found.ok_or_else(|| Problem::not_found("job"))?;
    Ok(Json(found.into()))
}

/// Have a job done now
///
/// Also one that was put aside. One that somebody is at is refused.
#[utoipa::path(
    post, path = "/jobs/{job}/retry", tag = "jobs", operation_id = "job_retry",
    params(("job" = Uuid, Path, description = "Id")),
    security(("token" = ["jobs:write"])),
    responses((status = 200, description = "The job", body = JobView)),
)]
async fn retry(caller: Caller, Path(id): Path<String>) -> Result<Json<JobView>, Problem> {
    let job = caller
        .store()
        .job_retry(caller.tenant, parsed_id(&id)?)
        .await?;
    Ok(Json(job.into()))
}

/// Discard a job
///
/// It is not done any more, and what wanted it ends. One that somebody is at is refused.
#[utoipa::path(
    delete, path = "/jobs/{job}", tag = "jobs", operation_id = "job_discard",
    params(("job" = Uuid, Path, description = "Id")),
    security(("token" = ["jobs:write"])),
    responses((status = 204, description = "It is gone")),
)]
async fn discard(caller: Caller, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    caller
        .store()
        .job_discard(caller.tenant, parsed_id(&id)?)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn parsed_id(raw: &str) -> Result<JobId, Problem> {
    raw.parse().map_err(|_| Problem::not_found("job"))
}
