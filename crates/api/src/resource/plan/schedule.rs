//! Changes of plans that are to be made later: `/api/v1/plans/{plan}/scheduled-changes`.

use axum::extract::State;
use axum::http::StatusCode;
use domain::id::{Id, PlanChangeId};
use domain::plan::change::ChangeState;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use services::plan::{self, ScheduleError};
use storage::page::Page;
use storage::plan::PlanSummary;
use storage::plan::schedule::{NewPlanChange, PlanChange, PlanChangeFilter};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::body::PlanPatchBody;
use super::find;
use crate::body::{Body, Fields, Params, given};
use crate::caller::Caller;
use crate::choice;
use crate::listing::{ListParams, Listing, Shown};
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;
use crate::tagged::Tagged;

/// A change of a plan that is to be made at an instant, or was.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ScheduledChangeView {
    #[schema(value_type = Uuid)]
    id: PlanChangeId,
    /// Name of the plan.
    plan: String,
    #[schema(value_type = String, format = DateTime)]
    at: String,
    patch: PlanPatchBody,
    note: Option<String>,
    #[schema(schema_with = choice::change_state)]
    state: ChangeState,
    /// Who wants it.
    actor: String,
    /// The version of the plan that it made; `null` also when the plan was so already.
    version: Option<i64>,
    /// Why the plan could not be changed so.
    error: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    #[schema(value_type = String, format = DateTime)]
    updated_at: String,
    /// When it was made, failed or was cancelled.
    #[schema(value_type = Option<String>, format = DateTime)]
    settled_at: Option<String>,
}

/// A change to be made later.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ScheduleBody {
    /// When; in the future.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    patch: PlanPatchBody,
    /// Why, to be kept with the version that it makes.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 500)]
    note: Option<String>,
}

/// Which changes to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct ScheduleParams {
    #[serde(default)]
    #[param(schema_with = choice::change_state)]
    state: Option<ChangeStateParam>,
}

/// A state by its name.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
struct ChangeStateParam(ChangeState);

impl TryFrom<String> for ChangeStateParam {
    type Error = domain::plan::change::ChangeStateError;

    fn try_from(raw: String) -> Result<Self, Self::Error> {
        raw.parse().map(Self)
    }
}

impl From<PlanChange> for ScheduledChangeView {
    fn from(change: PlanChange) -> Self {
        Self {
            id: change.id,
            plan: change.plan_name.to_string(),
            at: change.due_at.to_string(),
            patch: PlanPatchBody::from(&change.patch),
            note: change.patch.note.map(|note| note.to_string()),
            state: change.state,
            actor: change.actor.to_string(),
            version: change.version,
            error: change.error,
            created_at: change.created_at.to_string(),
            updated_at: change.updated_at.to_string(),
            settled_at: change.settled_at.map(|at| at.to_string()),
        }
    }
}

impl From<ScheduleError> for Problem {
    fn from(error: ScheduleError) -> Self {
        match error {
            ScheduleError::Past { .. } | ScheduleError::Far { .. } => {
                Self::field("at", error.to_string())
            }
            ScheduleError::Store(problem) => problem.into(),
        }
    }
}

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, cancel))
        .routes(routes!(list_all))
}

/// List the scheduled changes of a plan
///
/// Who was asked for last comes first, those that are done too.
#[utoipa::path(
    get, path = "/plans/{plan}/scheduled-changes", tag = "plans",
    operation_id = "plan_scheduled_change_list",
    params(("plan" = String, Path, description = "Id or name"), ListParams, ScheduleParams),
    security(("token" = ["plans:read"])),
    responses((status = 200, description = "A page of changes", body = Listing<ScheduledChangeView>)),
)]
async fn list(
    caller: Caller,
    Path(plan): Path<String>,
    Params(params): Params<ListParams>,
    Params(filter): Params<ScheduleParams>,
) -> Result<Shown<ScheduledChangeView>, Problem> {
    let plan = find(&caller, &plan).await?;
    page(&caller, Some(&plan), params, &filter).await
}

/// List the scheduled changes of all plans
#[utoipa::path(
    get, path = "/scheduled-plan-changes", tag = "plans", operation_id = "scheduled_change_list",
    params(ListParams, ScheduleParams), security(("token" = ["plans:read"])),
    responses((status = 200, description = "A page of changes", body = Listing<ScheduledChangeView>)),
)]
async fn list_all(
    caller: Caller,
    Params(params): Params<ListParams>,
    Params(filter): Params<ScheduleParams>,
) -> Result<Shown<ScheduledChangeView>, Problem> {
    page(&caller, None, params, &filter).await
}

/// Change a plan later
///
/// The change is made within a second of its time, once, and also when the program was off then. It is
/// tried out now, so that what cannot be done is told at once.
#[utoipa::path(
    post, path = "/plans/{plan}/scheduled-changes", tag = "plans",
    operation_id = "plan_scheduled_change_create",
    params(("plan" = String, Path, description = "Id or name")),
    request_body = ScheduleBody, security(("token" = ["plans:write"])),
    responses(
        (status = 201, description = "The change", body = ScheduledChangeView),
        (status = 200, description = "What would be scheduled", body = ScheduledChangeView),
    ),
)]
async fn create(
    State(api): State<Api>,
    caller: Caller,
    Path(plan): Path<String>,
    Body(body): Body<ScheduleBody>,
) -> Result<Tagged<ScheduledChangeView>, Problem> {
    let plan = find(&caller, &plan).await?;
    let mut patch = body.patch.resolve(&caller, &plan).await?;
    let mut fields = Fields::default();
    if let Some(note) = &body.note {
        patch.note = fields.parse("note", note);
    }
    fields.check()?;
    let new = NewPlanChange {
        due_at: body.at,
        patch,
    };
    let named = (caller.tenant, &plan.name);
    let change = plan::schedule(caller.store(), named, new, api.now()).await?;
    let revision = change.updated_at;
    Ok(Tagged::made(caller.is_rehearsal, revision, change.into()))
}

/// Show a scheduled change
#[utoipa::path(
    get, path = "/plans/{plan}/scheduled-changes/{change}", tag = "plans",
    operation_id = "plan_scheduled_change_show",
    params(
        ("plan" = String, Path, description = "Id or name"),
        ("change" = Uuid, Path, description = "Id of the change"),
    ),
    security(("token" = ["plans:read"])),
    responses((status = 200, description = "The change", body = ScheduledChangeView)),
)]
async fn show(
    caller: Caller,
    Path((plan, change)): Path<(String, String)>,
) -> Result<Tagged<ScheduledChangeView>, Problem> {
    let change = find_change(&caller, &plan, &change).await?;
    Ok(Tagged::ok(change.updated_at, change.into()))
}

/// Cancel a scheduled change
///
/// Refused when it is not pending any more.
#[utoipa::path(
    delete, path = "/plans/{plan}/scheduled-changes/{change}", tag = "plans",
    operation_id = "plan_scheduled_change_cancel",
    params(
        ("plan" = String, Path, description = "Id or name"),
        ("change" = Uuid, Path, description = "Id of the change"),
    ),
    security(("token" = ["plans:write"])),
    responses((status = 200, description = "The change", body = ScheduledChangeView)),
)]
async fn cancel(
    caller: Caller,
    Path((plan, change)): Path<(String, String)>,
) -> Result<Tagged<ScheduledChangeView>, Problem> {
    let change = find_change(&caller, &plan, &change).await?;
    let store = caller.store();
    let change = store.plan_change_cancel(caller.tenant, change.id).await?;
    Ok(Tagged {
        status: StatusCode::OK,
        revision: change.updated_at,
        view: change.into(),
    })
}

async fn find_change(caller: &Caller, plan: &str, raw: &str) -> Result<PlanChange, Problem> {
    let absent = || Problem::not_found("scheduled change");
    let plan = find(caller, plan).await?;
    let id = Uuid::try_parse(raw).map_err(|_| absent())?;
    let store = caller.store();
    let change = store
        .plan_change_find(caller.tenant, Id::from_uuid(id))
        .await?;
    change
        .filter(|change| change.plan == plan.id)
        .ok_or_else(absent)
}

async fn page(
    caller: &Caller,
    plan: Option<&PlanSummary>,
    params: ListParams,
    filter: &ScheduleParams,
) -> Result<Shown<ScheduledChangeView>, Problem> {
    let limit = params.limit()?;
    let mut page = Page::first(limit + 1);
    page.after = params.after::<Uuid>()?.map(Id::from_uuid);
    let filter = PlanChangeFilter {
        plan: plan.map(|plan| plan.id),
        state: filter.state.map(|state| state.0),
    };
    let store = caller.store();
    let changes = store.plan_change_list(caller.tenant, filter, &page).await?;
    let views = changes.into_iter().map(ScheduledChangeView::from).collect();
    let key = |change: &ScheduledChangeView| change.id.as_uuid();
    Ok(Listing::cut(views, limit, key).shown(params))
}
