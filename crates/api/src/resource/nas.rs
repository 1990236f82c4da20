//! Routers: `/api/v1/nas`.

use axum::http::StatusCode;
use domain::id::NasId;
use domain::name::Name;
use domain::nas::{
    MacAuthentication, MessageAuthenticatorPolicy, NasSharing, OctetView, Vendor, show_source,
};
use domain::secret::Secret;
use serde::{Deserialize, Serialize};
use services::nas_secret;
use storage::error::Resource;
use storage::nas::{NasActivity, NasFilter, NasPatch, NasSummary};
use storage::page::Page;
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
use crate::tagged::Tagged;
use body::{NasPatchBody, NewNasBody};

mod body;

/// A router, without its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct NasView {
    #[schema(value_type = Uuid)]
    id: NasId,
    name: String,
    /// Where its packets come from: an address, or a prefix for several routers.
    address: String,
    #[schema(schema_with = choice::vendor)]
    vendor: Vendor,
    /// Requests with another NAS-Identifier are refused.
    identifier: Option<String>,
    #[schema(schema_with = choice::message_authenticator)]
    message_authenticator: MessageAuthenticatorPolicy,
    #[schema(schema_with = choice::octet_view)]
    octet_view: OctetView,
    /// UDP port of its CoA server.
    coa_port: u16,
    #[schema(schema_with = choice::mac_authentication)]
    mac_authentication: MacAuthentication,
    #[schema(schema_with = choice::sharing)]
    sharing: NasSharing,
    /// How it is told which session is meant; the usual way of its vendor when absent.
    coa_identity: Option<String>,
    /// Names of the groups that it is in.
    groups: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    #[schema(value_type = String, format = DateTime)]
    updated_at: String,
}

/// A router and what is heard of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct NasDetailView {
    #[serde(flatten)]
    nas: NasView,
    open_sessions: u64,
    /// When something was last heard of a session that is open there.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_report_at: Option<String>,
}

/// A router in the answer that shows its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct NasSecretView {
    #[serde(flatten)]
    nas: NasView,
    /// Shown this once, and only if it was made here.
    secret: Option<String>,
}

/// Which routers to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct NasFilterParams {
    #[serde(default)]
    #[param(schema_with = choice::vendor)]
    vendor: Option<Vendor>,
    /// Id or name of a group that they are in.
    #[serde(default)]
    group: Option<String>,
    /// Part of the name or of the address.
    #[serde(default)]
    q: Option<String>,
}

/// Another secret for a router.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SecretBody {
    /// Made when absent.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 128)]
    secret: Option<String>,
}

impl From<NasSummary> for NasView {
    fn from(nas: NasSummary) -> Self {
        let settings = nas.settings;
        Self {
            id: nas.id,
            name: nas.name.to_string(),
            address: show_source(nas.source),
            vendor: settings.vendor,
            identifier: settings.identifier,
            message_authenticator: settings.message_authenticator,
            octet_view: settings.octet_view,
            coa_port: settings.coa_port,
            mac_authentication: settings.mac_authentication,
            sharing: settings.sharing,
            coa_identity: settings.coa_identity.map(|identity| identity.to_string()),
            groups: nas.groups,
            created_at: nas.created_at.to_string(),
            updated_at: nas.updated_at.to_string(),
        }
    }
}

impl NasDetailView {
    fn new(nas: NasSummary, activity: NasActivity) -> Self {
        Self {
            nas: nas.into(),
            open_sessions: activity.open_sessions,
            last_report_at: activity.last_report_at.map(|at| at.to_string()),
        }
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, remove))
        .routes(routes!(rotate_secret))
}

/// List the routers
///
/// By name, without their secrets.
#[utoipa::path(
    get, path = "/nas", tag = "nas", operation_id = "nas_list",
    params(ListParams, NasFilterParams), security(("token" = ["nas:read"])),
    responses((status = 200, description = "A page of routers", body = Listing<NasView>)),
)]
async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
    Params(filter): Params<NasFilterParams>,
) -> Result<Shown<NasView>, Problem> {
    let limit = params.limit()?;
    let mut page = Page::first(limit + 1);
    page.after = params.after::<String>()?.and_then(|name| name.parse().ok());
    let group = match &filter.group {
        Some(group) => {
            let name: Name = caller.name_of(Resource::NasGroup, group).await?;
            let found = caller.store().nas_group_find(caller.tenant, &name).await?;
            let found = found.ok_or_else(|| Problem::not_found("NAS group"))?;
            Some(found.id)
        }
        None => None,
    };
    let filter = NasFilter {
        vendor: filter.vendor,
        group,
        text: filter.q.filter(|text| !text.is_empty()),
    };
    let store = caller.store();
    let routers = store.nas_list(caller.tenant, &filter, &page).await?;
    let views = routers.into_iter().map(NasView::from).collect();
    let listing = Listing::cut(views, limit, |nas: &NasView| nas.name.clone());
    Ok(listing.shown(params))
}

/// Register a router
///
/// It is served within a second, and knocks no more. Without a secret a strong one is made, which this answer shows and
/// no other.
#[utoipa::path(
    post, path = "/nas", tag = "nas", operation_id = "nas_create",
    request_body = NewNasBody, security(("token" = ["nas:write"])),
    responses(
        (status = 201, description = "The router", body = NasSecretView),
        (status = 200, description = "What would be made", body = NasSecretView),
    ),
)]
async fn create(
    caller: Caller,
    Body(body): Body<NewNasBody>,
) -> Result<Tagged<NasSecretView>, Problem> {
    let (new, made) = body.resolve(caller.tenant)?;
    let nas = caller.store().nas_insert(new).await?;
    let revision = nas.updated_at;
    let view = NasSecretView {
        nas: nas.into(),
        secret: made.filter(|_| !caller.is_rehearsal),
    };
    Ok(Tagged::made(caller.is_rehearsal, revision, view))
}

/// Show a router
#[utoipa::path(
    get, path = "/nas/{nas}", tag = "nas", operation_id = "nas_show",
    params(("nas" = String, Path, description = "Id or name")),
    security(("token" = ["nas:read"])),
    responses((status = 200, description = "The router", body = NasDetailView)),
)]
async fn show(caller: Caller, Path(nas): Path<String>) -> Result<Tagged<NasDetailView>, Problem> {
    let nas = find(&caller, &nas).await?;
    let activity = caller.store().nas_activity(nas.id).await?;
    Ok(Tagged::ok(
        nas.updated_at,
        NasDetailView::new(nas, activity),
    ))
}

/// Change a router
///
/// What is absent stays as it is, and `null` empties.
#[utoipa::path(
    patch, path = "/nas/{nas}", tag = "nas", operation_id = "nas_update",
    params(("nas" = String, Path, description = "Id or name")),
    request_body = NasPatchBody, security(("token" = ["nas:write"])),
    responses((status = 200, description = "The router", body = NasView)),
)]
async fn update(
    caller: Caller,
    Path(nas): Path<String>,
    Body(body): Body<NasPatchBody>,
) -> Result<Tagged<NasView>, Problem> {
    let name: Name = caller.name_of(Resource::Nas, &nas).await?;
    let patch = body.resolve()?;
    let nas = caller
        .store()
        .nas_update(caller.tenant, &name, patch)
        .await?;
    Ok(Tagged::ok(nas.updated_at, nas.into()))
}

/// Remove a router
///
/// Its packets are not answered any more; its sessions stay in the books.
#[utoipa::path(
    delete, path = "/nas/{nas}", tag = "nas", operation_id = "nas_remove",
    params(("nas" = String, Path, description = "Id or name")),
    security(("token" = ["nas:write"])),
    responses((status = 204, description = "It is gone")),
)]
async fn remove(caller: Caller, Path(nas): Path<String>) -> Result<StatusCode, Problem> {
    let name = caller.name_of(Resource::Nas, &nas).await?;
    caller.store().nas_delete(caller.tenant, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a router another secret
///
/// Without one a strong one is made, which this answer shows and no other. The router is not
/// understood until it has it too.
#[utoipa::path(
    post, path = "/nas/{nas}/rotate-secret", tag = "nas", operation_id = "nas_rotate_secret",
    params(("nas" = String, Path, description = "Id or name")),
    request_body = SecretBody, security(("token" = ["nas:write"])),
    responses((status = 200, description = "The router", body = NasSecretView)),
)]
async fn rotate_secret(
    caller: Caller,
    Path(nas): Path<String>,
    Body(body): Body<SecretBody>,
) -> Result<Tagged<NasSecretView>, Problem> {
    let name: Name = caller.name_of(Resource::Nas, &nas).await?;
    let mut fields = Fields::default();
    let chosen = chosen_secret(&mut fields, body.secret.as_deref());
    fields.check()?;
    let (secret, made) = chosen.unwrap_or_else(made_secret);
    let patch = NasPatch {
        secret: Some(secret),
        ..NasPatch::default()
    };
    let store = caller.store();
    let nas = store.nas_update(caller.tenant, &name, patch).await?;
    let revision = nas.updated_at;
    let view = NasSecretView {
        nas: nas.into(),
        secret: made.filter(|_| !caller.is_rehearsal),
    };
    Ok(Tagged::ok(revision, view))
}

async fn find(caller: &Caller, raw: &str) -> Result<NasSummary, Problem> {
    let name: Name = caller.name_of(Resource::Nas, raw).await?;
    let nas = caller.store().nas_find(caller.tenant, &name).await?;
    nas.ok_or_else(|| Problem::not_found("NAS"))
}

/// A secret that was sent; it is not shown again.
fn chosen_secret(fields: &mut Fields, raw: Option<&str>) -> Option<(Secret, Option<String>)> {
    let secret = fields.take("secret", raw, nas_secret::check);
    secret.map(|secret| (secret, None))
}

/// A secret that is made here, with its text.
fn made_secret() -> (Secret, Option<String>) {
    let secret = nas_secret::generate();
    let text = String::from_utf8_lossy(secret.expose()).into_owned();
    (secret, Some(text))
}
