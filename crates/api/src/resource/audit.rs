//! Who did what: `/api/v1/audit`.

use axum::Json;
use domain::actor::ActorKind;
use serde::Serialize;
use serde_json::Value as AnyJson;
use storage::audit::{AuditEntry, Verified};
use storage::page::Page;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use self::params::AuditParams;
use crate::body::Params;
use crate::caller::Caller;
use crate::listing::{Listing, Shown};
use crate::problem::Problem;
use crate::state::Api;

mod params;

/// One line of the audit log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct AuditView {
    /// Its place in the log; none is skipped.
    seq: i64,
    #[schema(value_type = String, format = DateTime)]
    at: String,
    actor: ActorView,
    /// The id of the request that did it.
    request_id: Option<Uuid>,
    action: String,
    resource: String,
    resource_id: Option<Uuid>,
    resource_name: String,
    /// The thing as it was, without secrets.
    #[schema(value_type = Option<Object>)]
    before: Option<AnyJson>,
    /// The thing as it became, without secrets.
    #[schema(value_type = Option<Object>)]
    after: Option<AnyJson>,
}

/// Who did it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ActorView {
    /// `system`, `command_line`, `operator` or `api_key`.
    #[schema(value_type = String)]
    kind: ActorKind,
    id: Option<Uuid>,
    name: String,
}

/// What a look at the whole log came to.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct VerifiedView {
    /// Lines that are as they were written.
    lines: i64,
    /// The first line that is not, or is missing; `null` when all are as they were written.
    broken_at: Option<i64>,
}

impl From<AuditEntry> for AuditView {
    fn from(entry: AuditEntry) -> Self {
        Self {
            seq: entry.seq,
            at: entry.at.to_string(),
            actor: ActorView {
                kind: entry.actor.kind,
                id: entry.actor.id,
                name: entry.actor.name,
            },
            request_id: entry.request,
            action: entry.action,
            resource: entry.resource,
            resource_id: entry.resource_id,
            resource_name: entry.resource_name,
            before: entry.before,
            after: entry.after,
        }
    }
}

impl From<Verified> for VerifiedView {
    fn from(verified: Verified) -> Self {
        Self {
            lines: verified.lines,
            broken_at: verified.broken_at,
        }
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(verify))
}

/// List what was done
///
/// The newest first.
#[utoipa::path(
    get, path = "/audit", tag = "audit", operation_id = "audit_list",
    params(AuditParams), security(("token" = ["audit:read"])),
    responses((status = 200, description = "A page of the log", body = Listing<AuditView>)),
)]
async fn list(
    caller: Caller,
    Params(params): Params<AuditParams>,
) -> Result<Shown<AuditView>, Problem> {
    let filter = params.filter()?;
    let list = params.list();
    let limit = list.limit()?;
    let mut page = Page::first(limit + 1);
    page.after = list.after::<i64>()?;
    let store = caller.store();
    let entries = store.audit_list(caller.tenant, &filter, &page).await?;
    let views = entries.into_iter().map(AuditView::from).collect();
    let listing = Listing::cut(views, limit, |line: &AuditView| line.seq);
    Ok(listing.shown(list))
}

/// Verify the log
///
/// Goes through all of it: each line carries a hash of itself and the line before.
#[utoipa::path(
    get, path = "/audit/verify", tag = "audit", operation_id = "audit_verify",
    security(("token" = ["audit:read"])),
    responses((status = 200, description = "What it came to", body = VerifiedView)),
)]
async fn verify(caller: Caller) -> Result<Json<VerifiedView>, Problem> {
    let verified = caller.store().audit_verify(caller.tenant).await?;
    Ok(Json(verified.into()))
}
