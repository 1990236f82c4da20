//! Realms: `/api/v1/realms`.

use axum::Json;
use axum::http::StatusCode;
use domain::realm::{Realm, RealmHandling, RealmName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::{Body, Fields, Params};
use crate::caller::Caller;
use crate::choice;
use crate::listing::{ListParams, Listing, Shown};
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;

/// The part of a user name that says whose subscriber it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RealmView {
    name: String,
    /// Whether subscribers are registered without the realm or with it.
    #[schema(schema_with = choice::realm_handling)]
    handling: RealmHandling,
}

/// A realm to be added.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRealmBody {
    #[schema(min_length = 1, max_length = 128)]
    name: String,
    /// Whether subscribers are registered without the realm or with it.
    #[schema(schema_with = choice::realm_handling)]
    handling: RealmHandling,
}

impl From<Realm> for RealmView {
    fn from(realm: Realm) -> Self {
        Self {
            name: realm.name.to_string(),
            handling: realm.handling,
        }
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(remove))
}

/// List the realms
///
/// By name.
#[utoipa::path(
    get, path = "/realms", tag = "policy", operation_id = "realm_list",
    params(ListParams), security(("token" = ["policy:read"])),
    responses((status = 200, description = "A page of realms", body = Listing<RealmView>)),
)]
async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Shown<RealmView>, Problem> {
    let limit = params.limit()?;
    let after: Option<String> = params.after()?;
    let realms = caller.store().realm_list(caller.tenant).await?;
    // There are few, and all of them are at hand.
    let views = realms.into_iter().map(RealmView::from);
    let rest = views.filter(|realm| after.as_ref().is_none_or(|after| *after < realm.name));
    let listing = Listing::cut(rest.collect(), limit, |realm: &RealmView| {
        realm.name.clone()
    });
    Ok(listing.shown(params))
}

/// Add a realm
///
/// Its name is unique among all providers of the installation.
#[utoipa::path(
    post, path = "/realms", tag = "policy", operation_id = "realm_create",
    request_body = NewRealmBody, security(("token" = ["policy:write"])),
    responses(
        (status = 201, description = "The realm", body = RealmView),
        (status = 200, description = "What would be added", body = RealmView),
    ),
)]
async fn create(
    caller: Caller,
    Body(body): Body<NewRealmBody>,
) -> Result<(StatusCode, Json<RealmView>), Problem> {
    let mut fields = Fields::default();
    let name: Option<RealmName> = fields.parse("name", &body.name);
    fields.check()?;
    let name = name.ok_or_else(Problem::internal)?;
    let store = caller.store();
    store
        .realm_insert(caller.tenant, &name, body.handling)
        .await?;
    let status = match caller.is_rehearsal {
        true => StatusCode::OK,
        false => StatusCode::CREATED,
    };
    let view = RealmView {
        name: name.to_string(),
        handling: body.handling,
    };
    Ok((status, Json(view)))
}

/// Remove a realm
///
/// Subscribers stay.
#[utoipa::path(
    delete, path = "/realms/{realm}", tag = "policy", operation_id = "realm_remove",
    params(("realm" = String, Path, description = "Its name")),
    security(("token" = ["policy:write"])),
    responses((status = 204, description = "It is gone")),
)]
async fn remove(caller: Caller, Path(realm): Path<String>) -> Result<StatusCode, Problem> {
    let name: RealmName = realm.parse().map_err(|_| Problem::not_found("realm"))?;
    caller.store().realm_delete(caller.tenant, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
