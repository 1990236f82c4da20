//! Plans: `/api/v1/plans`.

use axum::http::StatusCode;
use domain::id::PlanId;
use domain::name::Name;
use serde::Serialize;
use services::plan::impact;
use storage::error::Resource;
use storage::page::Page;
use storage::plan::{NewPlan, PlanSummary};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::{Body, Params};
use crate::caller::Caller;
use crate::listing::{ListParams, Listing, Shown};
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;
use crate::tagged::Tagged;
use body::{NewPlanBody, PlanPatchBody};
use impact_view::PlanImpactView;
use terms::PlanTermsView;

mod body;
mod impact_view;
pub(crate) mod rate;
mod schedule;
mod terms;
mod version;

/// A plan.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PlanView {
    #[schema(value_type = Uuid)]
    id: PlanId,
    name: String,
    #[serde(flatten)]
    terms: PlanTermsView,
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    #[schema(value_type = String, format = DateTime)]
    updated_at: String,
}

/// A plan after a change, or as it would be.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PlanChangedView {
    #[serde(flatten)]
    plan: PlanView,
    /// Whom it would touch; with `dry_run=true` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    impact: Option<PlanImpactView>,
}

impl From<PlanSummary> for PlanView {
    fn from(plan: PlanSummary) -> Self {
        Self {
            id: plan.id,
            name: plan.name.to_string(),
            created_at: plan.created_at.to_string(),
            updated_at: plan.updated_at.to_string(),
            terms: plan.into(),
        }
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, remove))
        .merge(version::routes())
        .merge(schedule::routes())
}

/// List the plans
///
/// By name.
#[utoipa::path(
    get, path = "/plans", tag = "plans", operation_id = "plan_list",
    params(ListParams), security(("token" = ["plans:read"])),
    responses((status = 200, description = "A page of plans", body = Listing<PlanView>)),
)]
async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Shown<PlanView>, Problem> {
    let limit = params.limit()?;
    let mut page = Page::first(limit + 1);
    page.after = params.after::<String>()?.and_then(|name| name.parse().ok());
    let plans = caller.store().plan_list(caller.tenant, &page).await?;
    let views = plans.into_iter().map(PlanView::from).collect();
    let listing = Listing::cut(views, limit, |plan: &PlanView| plan.name.clone());
    Ok(listing.shown(params))
}

/// Make a plan
///
/// What is absent is unlimited.
#[utoipa::path(
    post, path = "/plans", tag = "plans", operation_id = "plan_create",
    request_body = NewPlanBody, security(("token" = ["plans:write"])),
    responses(
        (status = 201, description = "The plan", body = PlanView),
        (status = 200, description = "What would be made", body = PlanView),
    ),
)]
async fn create(
    caller: Caller,
    Body(body): Body<NewPlanBody>,
) -> Result<Tagged<PlanView>, Problem> {
    let (name, terms) = body.resolve(&caller).await?;
    let new = NewPlan {
        tenant: caller.tenant,
        name,
        terms,
    };
    let plan = caller.store().plan_insert(new).await?;
    let revision = plan.updated_at;
    Ok(Tagged::made(caller.is_rehearsal, revision, plan.into()))
}

/// Show a plan
#[utoipa::path(
    get, path = "/plans/{plan}", tag = "plans", operation_id = "plan_show",
    params(("plan" = String, Path, description = "Id or name")),
    security(("token" = ["plans:read"])),
    responses((status = 200, description = "The plan", body = PlanView)),
)]
async fn show(caller: Caller, Path(plan): Path<String>) -> Result<Tagged<PlanView>, Problem> {
    let plan = find(&caller, &plan).await?;
    Ok(Tagged::ok(plan.updated_at, plan.into()))
}

/// Change a plan
///
/// For everyone who is on it: what routers can change in open sessions is changed there, and the
/// rest holds from the next session on. What is absent stays as it is, and `null` empties. Each change
/// makes a version. With `dry_run=true` the answer says whom it would touch.
#[utoipa::path(
    patch, path = "/plans/{plan}", tag = "plans", operation_id = "plan_update",
    params(("plan" = String, Path, description = "Id or name")),
    request_body = PlanPatchBody, security(("token" = ["plans:write"])),
    responses((status = 200, description = "The plan", body = PlanChangedView)),
)]
async fn update(
    caller: Caller,
    Path(plan): Path<String>,
    Body(body): Body<PlanPatchBody>,
) -> Result<Tagged<PlanChangedView>, Problem> {
    let before = find(&caller, &plan).await?;
    let patch = body.resolve(&caller, &before).await?;
    let store = caller.store();
    let after = store
        .plan_update(caller.tenant, &before.name, patch)
        .await?;
    changed(&caller, before, after).await
}

/// Remove a plan
///
/// Refused while a subscriber is on it, or while it applies at the limit of another plan.
#[utoipa::path(
    delete, path = "/plans/{plan}", tag = "plans", operation_id = "plan_remove",
    params(("plan" = String, Path, description = "Id or name")),
    security(("token" = ["plans:write"])),
    responses((status = 204, description = "It is gone")),
)]
async fn remove(caller: Caller, Path(plan): Path<String>) -> Result<StatusCode, Problem> {
    let name = caller.name_of(Resource::Plan, &plan).await?;
    caller.store().plan_delete(caller.tenant, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(caller: &Caller, raw: &str) -> Result<PlanSummary, Problem> {
    let name: Name = caller.name_of(Resource::Plan, raw).await?;
    let plan = caller.store().plan_find(caller.tenant, &name).await?;
    plan.ok_or_else(|| Problem::not_found("plan"))
}

/// The answer to a change; in a rehearsal with whom it would touch.
async fn changed(
    caller: &Caller,
    before: PlanSummary,
    after: PlanSummary,
) -> Result<Tagged<PlanChangedView>, Problem> {
    let revision = after.updated_at;
    let touched = match caller.is_rehearsal {
        true => Some(impact(caller.store(), caller.tenant, &before, &after.terms).await?),
        false => None,
    };
    let (before, plan) = (PlanView::from(before), PlanView::from(after));
    let impact = touched.map(|impact| PlanImpactView::new(impact, changed_fields(&before, &plan)));
    Ok(Tagged::ok(revision, PlanChangedView { plan, impact }))
}

/// The names of the fields that differ, but for the time of the change.
fn changed_fields(before: &PlanView, after: &PlanView) -> Vec<String> {
    let members = |plan: &PlanView| serde_json::to_value(plan).unwrap_or_default();
    let (before, after) = (members(before), members(after));
    let fields = after.as_object().into_iter().flatten();
    fields
        .filter(|(name, value)| name.as_str() != "updated_at" && before.get(name) != Some(value))
        .map(|(name, _)| name.clone())
        .collect()
}
