//! What the program does again and again: `/api/v1/schedules`.
//!
//! Schedules are those of the installation, so they belong to its first tenant; to others they are
//! absent.

use axum::Json;
use domain::id::{ScheduleRunId, TenantId};
use domain::schedule::{MissedPolicy, RunState, Trigger};
use serde::Serialize;
use storage::page::Page;
use storage::schedule::{Schedule, ScheduleRun};
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
use crate::tagged::Tagged;

/// Something that the program does again and again.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ScheduleView {
    name: String,
    purpose: String,
    every_seconds: u32,
    /// What becomes of runs that were due while the program was off: `skip` or `run_once`.
    #[schema(value_type = String)]
    missed: MissedPolicy,
    is_paused: bool,
    is_running: bool,
    #[schema(value_type = String, format = DateTime)]
    next_at: String,
    /// Since when somebody wants a run.
    #[schema(value_type = Option<String>, format = DateTime)]
    asked_at: Option<String>,
    last_run: Option<ScheduleRunView>,
    #[schema(value_type = String, format = DateTime)]
    updated_at: String,
}

/// One run.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ScheduleRunView {
    #[schema(value_type = Uuid)]
    id: ScheduleRunId,
    /// Why it began: `timer`, `missed` or `asked`.
    #[schema(value_type = String)]
    trigger: Trigger,
    /// `running`, `succeeded`, `failed`, `lost` when whoever ran it was gone, or `skipped`.
    #[schema(value_type = String)]
    state: RunState,
    /// Which node ran it.
    node: Uuid,
    #[schema(value_type = String, format = DateTime)]
    due_at: String,
    #[schema(value_type = String, format = DateTime)]
    started_at: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<String>,
    /// What was done.
    report: Option<String>,
    error: Option<String>,
}

impl From<Schedule> for ScheduleView {
    fn from(schedule: Schedule) -> Self {
        Self {
            name: schedule.name,
            purpose: schedule.purpose,
            every_seconds: schedule.every_seconds,
            missed: schedule.missed,
            is_paused: schedule.is_paused,
            is_running: schedule.is_running,
            next_at: schedule.next_at.to_string(),
            asked_at: schedule.asked_at.map(|at| at.to_string()),
            last_run: schedule.last.map(ScheduleRunView::from),
            updated_at: schedule.updated_at.to_string(),
        }
    }
}

impl From<ScheduleRun> for ScheduleRunView {
    fn from(run: ScheduleRun) -> Self {
        Self {
            id: run.id,
            trigger: run.trigger,
            state: run.state,
            node: run.node,
            due_at: run.due_at.to_string(),
            started_at: run.started_at.to_string(),
            ended_at: run.ended_at.map(|at| at.to_string()),
            report: run.report,
            error: run.error,
        }
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(runs))
        .routes(routes!(run))
        .routes(routes!(pause))
        .routes(routes!(resume))
}

/// List schedules
///
/// By name; all of them.
#[utoipa::path(
    get, path = "/schedules", tag = "schedules", operation_id = "schedule_list",
    security(("token" = ["jobs:read"])),
    responses((status = 200, description = "All schedules", body = Listing<ScheduleView>)),
)]
async fn list(caller: Caller) -> Result<Json<Listing<ScheduleView>>, Problem> {
    let schedules = match caller.tenant == TenantId::DEFAULT {
        true => caller.store().schedule_list().await?,
        false => Vec::new(),
    };
    Ok(Json(Listing {
        items: schedules.into_iter().map(ScheduleView::from).collect(),
        next_page_token: None,
        total: None,
    }))
}

/// Show a schedule
#[utoipa::path(
    get, path = "/schedules/{schedule}", tag = "schedules", operation_id = "schedule_show",
    params(("schedule" = String, Path, description = "Name")),
    security(("token" = ["jobs:read"])),
    responses((status = 200, description = "The schedule", body = ScheduleView)),
)]
async fn show(caller: Caller, Path(name): Path<String>) -> Result<Tagged<ScheduleView>, Problem> {
    let schedule = found(&caller, &name).await?;
    Ok(Tagged::ok(schedule.updated_at, schedule.into()))
}

/// List the runs of a schedule
///
/// The newest first; the last hundred are kept.
#[utoipa::path(
    get, path = "/schedules/{schedule}/runs", tag = "schedules", operation_id = "schedule_runs",
    params(ListParams, ("schedule" = String, Path, description = "Name")),
    security(("token" = ["jobs:read"])),
    responses((status = 200, description = "A page of runs", body = Listing<ScheduleRunView>)),
)]
async fn runs(
    caller: Caller,
    Path(name): Path<String>,
    Params(params): Params<ListParams>,
) -> Result<Shown<ScheduleRunView>, Problem> {
    let schedule = found(&caller, &name).await?;
    let limit = params.limit()?;
    let mut page = Page::first(limit + 1);
    page.after = params.after::<ScheduleRunId>()?;
    let runs = caller.store().schedule_runs(&schedule.name, &page).await?;
    let views = runs.into_iter().map(ScheduleRunView::from).collect();
    let listing = Listing::cut(views, limit, |run: &ScheduleRunView| run.id);
    Ok(listing.shown(params))
}

/// Run a schedule now
///
/// A server with the role worker begins it within a second, also if it is paused.
#[utoipa::path(
    post, path = "/schedules/{schedule}/run", tag = "schedules", operation_id = "schedule_run",
    params(("schedule" = String, Path, description = "Name")),
    security(("token" = ["jobs:write"])),
    responses((status = 200, description = "The schedule", body = ScheduleView)),
)]
async fn run(caller: Caller, Path(name): Path<String>) -> Result<Tagged<ScheduleView>, Problem> {
    let name = found(&caller, &name).await?.name;
    let schedule = caller.store().schedule_ask(caller.tenant, &name).await?;
    Ok(Tagged::ok(schedule.updated_at, schedule.into()))
}

/// Pause a schedule
#[utoipa::path(
    post, path = "/schedules/{schedule}/pause", tag = "schedules",
    operation_id = "schedule_pause",
    params(("schedule" = String, Path, description = "Name")),
    security(("token" = ["jobs:write"])),
    responses((status = 200, description = "The schedule", body = ScheduleView)),
)]
async fn pause(caller: Caller, Path(name): Path<String>) -> Result<Tagged<ScheduleView>, Problem> {
    let name = found(&caller, &name).await?.name;
    let schedule = caller.store().schedule_pause(caller.tenant, &name).await?;
    Ok(Tagged::ok(schedule.updated_at, schedule.into()))
}

/// Resume a schedule
///
/// Its next run is due now, if one would have been due meanwhile.
#[utoipa::path(
    post, path = "/schedules/{schedule}/resume", tag = "schedules",
    operation_id = "schedule_resume",
    params(("schedule" = String, Path, description = "Name")),
    security(("token" = ["jobs:write"])),
    responses((status = 200, description = "The schedule", body = ScheduleView)),
)]
async fn resume(caller: Caller, Path(name): Path<String>) -> Result<Tagged<ScheduleView>, Problem> {
    let name = found(&caller, &name).await?.name;
    let schedule = caller.store().schedule_resume(caller.tenant, &name).await?;
    Ok(Tagged::ok(schedule.updated_at, schedule.into()))
}

async fn found(caller: &Caller, name: &str) -> Result<Schedule, Problem> {
    let found = match caller.tenant == TenantId::DEFAULT && !name.contains('\0') {
        true => caller.store().schedule_find(name).await?,
        false => None,
    };
    found.ok_or_else(|| Problem::not_found("schedule"))
}
