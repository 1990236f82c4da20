//! The routers and groups that a subscriber may log in at.

use axum::Json;
use domain::name::Name;
use domain::subscriber::binding::NasBinding;
use serde::{Deserialize, Serialize};
use storage::error::{Resource, StoreError};
use storage::subscriber_binding::{BindingNames, NewBinding};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::named;
use crate::body::{Body, Fields};
use crate::caller::Caller;
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;

/// Where a subscriber may log in. With nothing in it, everywhere.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct BindingView {
    /// Names of routers, also of those that were removed.
    nas: Vec<String>,
    /// Names of groups of routers.
    nas_groups: Vec<String>,
}

/// Where a subscriber is to log in, in place of what was said before.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BindingBody {
    /// Names of routers.
    #[serde(default)]
    #[schema(max_items = 64)]
    nas: Vec<String>,
    /// Names of groups of routers.
    #[serde(default)]
    #[schema(max_items = 64)]
    nas_groups: Vec<String>,
}

impl From<BindingNames> for BindingView {
    fn from(names: BindingNames) -> Self {
        Self {
            nas: names.nas,
            nas_groups: names.groups,
        }
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(show, set))
}

/// Show where a subscriber may log in
#[utoipa::path(
    get, path = "/subscribers/{subscriber}/binding", tag = "subscribers",
    operation_id = "subscriber_binding_show",
    params(("subscriber" = String, Path, description = "Id or user name")),
    security(("token" = ["subscribers:read"])),
    responses((status = 200, description = "The routers and groups", body = BindingView)),
)]
async fn show(
    caller: Caller,
    Path(subscriber): Path<String>,
) -> Result<Json<BindingView>, Problem> {
    let username = named(&caller, &subscriber).await?;
    let (store, tenant) = (caller.store(), caller.tenant);
    let found = store.subscriber_find(tenant, &username).await?;
    found.ok_or_else(|| Problem::not_found("subscriber"))?;
    let binding = store.subscriber_binding_find(tenant, &username).await?;
    Ok(Json(binding.into()))
}

/// Say where a subscriber may log in
#[utoipa::path(
    put, path = "/subscribers/{subscriber}/binding", tag = "subscribers",
    operation_id = "subscriber_binding_set",
    params(("subscriber" = String, Path, description = "Id or user name")),
    request_body = BindingBody, security(("token" = ["subscribers:write"])),
    responses((status = 200, description = "The routers and groups", body = BindingView)),
)]
async fn set(
    caller: Caller,
    Path(subscriber): Path<String>,
    Body(body): Body<BindingBody>,
) -> Result<Json<BindingView>, Problem> {
    let username = named(&caller, &subscriber).await?;
    let mut fields = Fields::default();
    if NasBinding::ENTRIES_MAX < body.nas.len() + body.nas_groups.len() {
        fields.wrong("nas", "at most 64 routers and groups are named");
    }
    let nas: Vec<Option<Name>> = body
        .nas
        .iter()
        .map(|raw| fields.parse("nas", raw))
        .collect();
    let groups = body.nas_groups.iter();
    let groups: Vec<Option<Name>> = groups.map(|raw| fields.parse("nas_groups", raw)).collect();
    fields.check()?;
    let binding = NewBinding {
        nas: nas.into_iter().flatten().collect(),
        groups: groups.into_iter().flatten().collect(),
    };
    let store = caller.store();
    let bound = store
        .subscriber_bind(caller.tenant, &username, &binding)
        .await;
    Ok(Json(bound.map_err(refusal)?.into()))
}

/// A router or group that there is not is a wrong field, and not a wrong path.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what is not about names is told as everywhere"
)]
fn refusal(error: StoreError) -> Problem {
    let told = error.to_string();
    match error {
        StoreError::NotFound {
            what: Resource::Nas,
            ..
        } => Problem::field("nas", told),
        StoreError::NotFound {
            what: Resource::NasGroup,
            ..
        } => Problem::field("nas_groups", told),
        error => error.into(),
    }
}
