//! Versions of plans: `/api/v1/plans/{plan}/versions`.

use domain::plan::change::ChangeNote;
use serde::{Deserialize, Serialize};
use storage::page::Page;
use storage::plan::version::PlanVersion;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{PlanChangedView, PlanView, changed, changed_fields, find};
use crate::body::{Body, Fields, Params, given};
use crate::caller::Caller;
use crate::listing::{ListParams, Listing, Shown};
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;
use crate::tagged::Tagged;

/// A plan as one change left it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PlanVersionView {
    /// From 1.
    #[schema(minimum = 1)]
    number: i64,
    #[schema(value_type = String, format = DateTime)]
    at: String,
    /// Who changed it.
    actor: String,
    note: Option<String>,
    /// The fields that became others; none in the first version.
    changed: Vec<String>,
    /// As the change left it.
    after: PlanView,
    /// As it was before; `null` in the oldest version that is kept.
    before: Option<PlanView>,
}

/// Which version to go back to.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RevertBody {
    #[schema(minimum = 1)]
    version: i64,
    /// Why, to be kept with the version that this makes.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 500)]
    note: Option<String>,
}

impl From<PlanVersion> for PlanVersionView {
    fn from(version: PlanVersion) -> Self {
        let after = PlanView::from(version.plan);
        let before = version.before.map(PlanView::from);
        let changed = before
            .as_ref()
            .map(|before| changed_fields(before, &after))
            .unwrap_or_default();
        Self {
            number: version.number,
            at: version.at.to_string(),
            actor: version.actor.to_string(),
            note: version.note.map(|note| note.to_string()),
            changed: changed
                .into_iter()
                .filter(|field| field != "created_at")
                .collect(),
            after,
            before,
        }
    }
}

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(revert))
}

/// List the versions of a plan
///
/// The newest first. Each change of a plan makes one; the last thousand are kept.
#[utoipa::path(
    get, path = "/plans/{plan}/versions", tag = "plans", operation_id = "plan_version_list",
    params(("plan" = String, Path, description = "Id or name"), ListParams),
    security(("token" = ["plans:read"])),
    responses((status = 200, description = "A page of versions", body = Listing<PlanVersionView>)),
)]
async fn list(
    caller: Caller,
    Path(plan): Path<String>,
    Params(params): Params<ListParams>,
) -> Result<Shown<PlanVersionView>, Problem> {
    let plan = find(&caller, &plan).await?;
    let limit = params.limit()?;
    let mut page = Page::first(limit + 1);
    page.after = params.after::<i64>()?;
    let store = caller.store();
    let versions = store
        .plan_version_list(caller.tenant, plan.id, &page)
        .await?;
    let views = versions.into_iter().map(PlanVersionView::from).collect();
    let listing = Listing::cut(views, limit, |version: &PlanVersionView| version.number);
    Ok(listing.shown(params))
}

/// Go back to a version of a plan
///
/// The plan gets the terms that it had then, under the name that it has now. This makes a version like
/// any other change. With `dry_run=true` the answer says whom it would touch.
#[utoipa::path(
    post, path = "/plans/{plan}/revert", tag = "plans", operation_id = "plan_revert",
    params(("plan" = String, Path, description = "Id or name")),
    request_body = RevertBody, security(("token" = ["plans:write"])),
    responses((status = 200, description = "The plan", body = PlanChangedView)),
)]
async fn revert(
    caller: Caller,
    Path(plan): Path<String>,
    Body(body): Body<RevertBody>,
) -> Result<Tagged<PlanChangedView>, Problem> {
    let before = find(&caller, &plan).await?;
    let mut fields = Fields::default();
    let note: Option<ChangeNote> = match &body.note {
        Some(note) => fields.parse("note", note),
        None => None,
    };
    fields.check()?;
    let store = caller.store();
    let after = store
        .plan_revert(caller.tenant, &before.name, body.version, note)
        .await?;
    changed(&caller, before, after).await
}
