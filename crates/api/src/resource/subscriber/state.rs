//! How an account stands, changed as far as its state allows it.

use domain::subscriber::state::{Cause, StateChange};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::named;
use super::view::SubscriberView;
use crate::body::Body;
use crate::caller::Caller;
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;
use crate::tagged::Tagged;

/// How to suspend.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SuspendBody {
    manner: SuspendManner,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum SuspendManner {
    /// Let them into the walled garden only.
    Walled,
    /// Refuse every login.
    Hard,
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(activate))
        .routes(routes!(suspend))
        .routes(routes!(restore))
        .routes(routes!(disable))
        .routes(routes!(enable))
}

/// Let a pending subscriber log in from now on
#[utoipa::path(
    post, path = "/subscribers/{subscriber}/activate", tag = "subscribers",
    operation_id = "subscriber_activate",
    params(("subscriber" = String, Path, description = "Id or user name")),
    security(("token" = ["subscribers:write"])),
    responses((status = 200, description = "The subscriber", body = SubscriberView)),
)]
async fn activate(
    caller: Caller,
    Path(subscriber): Path<String>,
) -> Result<Tagged<SubscriberView>, Problem> {
    transition(&caller, &subscriber, StateChange::Activate).await
}

/// Suspend a subscriber until they are restored
#[utoipa::path(
    post, path = "/subscribers/{subscriber}/suspend", tag = "subscribers",
    operation_id = "subscriber_suspend",
    params(("subscriber" = String, Path, description = "Id or user name")),
    request_body = SuspendBody, security(("token" = ["subscribers:write"])),
    responses((status = 200, description = "The subscriber", body = SubscriberView)),
)]
async fn suspend(
    caller: Caller,
    Path(subscriber): Path<String>,
    Body(body): Body<SuspendBody>,
) -> Result<Tagged<SubscriberView>, Problem> {
    let change = match body.manner {
        SuspendManner::Walled => StateChange::SuspendWalled,
        SuspendManner::Hard => StateChange::SuspendHard,
    };
    transition(&caller, &subscriber, change).await
}

/// End a suspension
#[utoipa::path(
    post, path = "/subscribers/{subscriber}/restore", tag = "subscribers",
    operation_id = "subscriber_restore",
    params(("subscriber" = String, Path, description = "Id or user name")),
    security(("token" = ["subscribers:write"])),
    responses((status = 200, description = "The subscriber", body = SubscriberView)),
)]
async fn restore(
    caller: Caller,
    Path(subscriber): Path<String>,
) -> Result<Tagged<SubscriberView>, Problem> {
    transition(&caller, &subscriber, StateChange::Restore).await
}

/// Refuse every login of a subscriber, and keep their data
#[utoipa::path(
    post, path = "/subscribers/{subscriber}/disable", tag = "subscribers",
    operation_id = "subscriber_disable",
    params(("subscriber" = String, Path, description = "Id or user name")),
    security(("token" = ["subscribers:write"])),
    responses((status = 200, description = "The subscriber", body = SubscriberView)),
)]
async fn disable(
    caller: Caller,
    Path(subscriber): Path<String>,
) -> Result<Tagged<SubscriberView>, Problem> {
    transition(&caller, &subscriber, StateChange::Disable).await
}

/// Let a disabled subscriber log in again
#[utoipa::path(
    post, path = "/subscribers/{subscriber}/enable", tag = "subscribers",
    operation_id = "subscriber_enable",
    params(("subscriber" = String, Path, description = "Id or user name")),
    security(("token" = ["subscribers:write"])),
    responses((status = 200, description = "The subscriber", body = SubscriberView)),
)]
async fn enable(
    caller: Caller,
    Path(subscriber): Path<String>,
) -> Result<Tagged<SubscriberView>, Problem> {
    transition(&caller, &subscriber, StateChange::Enable).await
}

async fn transition(
    caller: &Caller,
    subscriber: &str,
    change: StateChange,
) -> Result<Tagged<SubscriberView>, Problem> {
    let username = named(caller, subscriber).await?;
    let (store, by) = (caller.store(), Cause::Operator);
    let changed = store.subscriber_transition(caller.tenant, &username, change, by);
    let changed = changed.await?;
    Ok(Tagged::ok(changed.updated_at, changed.into()))
}
