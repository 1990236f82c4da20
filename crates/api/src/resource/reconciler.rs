//! What converges, and how it stands: `/api/v1/reconcilers`.
//!
//! It is the installation that converges, so this belongs to its first tenant; to others it is
//! absent.

use axum::Json;
use axum::extract::State;
use domain::id::TenantId;
use serde::Serialize;
use services::reconcile::SILENCE_SECONDS;
use storage::reconciler::ReconcilerStatus;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::caller::Caller;
use crate::listing::Listing;
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;

/// How something that converges stands on a node.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ReconcilerView {
    name: String,
    node: Uuid,
    /// How many things were not as they should be when it was last looked at.
    drift: u64,
    #[schema(value_type = String, format = DateTime)]
    looked_at: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    succeeded_at: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    failed_at: Option<String>,
    /// Why the last failure failed.
    error: Option<String>,
    /// Since when somebody wants it looked at.
    #[schema(value_type = Option<String>, format = DateTime)]
    asked_at: Option<String>,
}

impl From<ReconcilerStatus> for ReconcilerView {
    fn from(status: ReconcilerStatus) -> Self {
        Self {
            name: status.name,
            node: status.node,
            drift: status.drift,
            looked_at: status.looked_at.to_string(),
            succeeded_at: status.succeeded_at.map(|at| at.to_string()),
            failed_at: status.failed_at.map(|at| at.to_string()),
            error: status.error,
            asked_at: status.asked_at.map(|at| at.to_string()),
        }
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(run))
}

/// List what converges
///
/// By name and node, of nodes that said something in the last minute.
#[utoipa::path(
    get, path = "/reconcilers", tag = "reconcilers", operation_id = "reconciler_list",
    security(("token" = ["jobs:read"])),
    responses((status = 200, description = "All of them", body = Listing<ReconcilerView>)),
)]
async fn list(
    caller: Caller,
    State(api): State<Api>,
) -> Result<Json<Listing<ReconcilerView>>, Problem> {
    let since = api.now().plus_seconds(-SILENCE_SECONDS);
    let found = match caller.tenant == TenantId::DEFAULT {
        true => caller.store().reconciler_list(since).await?,
        false => Vec::new(),
    };
    Ok(Json(listing(found)))
}

/// Have every node look at something now
#[utoipa::path(
    post, path = "/reconcilers/{reconciler}/run", tag = "reconcilers",
    operation_id = "reconciler_run",
    params(("reconciler" = String, Path, description = "Name")),
    security(("token" = ["jobs:write"])),
    responses((status = 200, description = "How it stood", body = Listing<ReconcilerView>)),
)]
async fn run(
    caller: Caller,
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<Listing<ReconcilerView>>, Problem> {
    if caller.tenant != TenantId::DEFAULT || name.contains('\0') {
        return Err(Problem::not_found("reconciler"));
    }
    let since = api.now().plus_seconds(-SILENCE_SECONDS);
    let asked = caller
        .store()
        .reconciler_ask((caller.tenant, since), &name)
        .await?;
    Ok(Json(listing(asked)))
}

fn listing(found: Vec<ReconcilerStatus>) -> Listing<ReconcilerView> {
    Listing {
        items: found.into_iter().map(ReconcilerView::from).collect(),
        next_page_token: None,
        total: None,
    }
}
