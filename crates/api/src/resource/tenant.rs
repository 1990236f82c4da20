//! The providers of an installation: `/api/v1/tenants`.

use domain::id::TenantId;
use domain::limit::Zone;
use domain::name::Name;
use serde::{Deserialize, Serialize};
use storage::page::Page;
use storage::tenant::{NewTenant, TenantPatch, TenantReference, TenantSummary};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::body::{Body, Fields, Params};
use crate::caller::Caller;
use crate::listing::{ListParams, Listing, Shown};
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;
use crate::tagged::Tagged;

/// A provider.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct TenantView {
    #[schema(value_type = Uuid)]
    id: TenantId,
    name: String,
    /// In which days of quotas begin, and hours of plans are read.
    time_zone: String,
    /// Since when its operators and tokens are refused.
    #[schema(value_type = Option<String>, format = DateTime)]
    disabled_at: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    #[schema(value_type = String, format = DateTime)]
    updated_at: String,
}

/// A provider to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTenantBody {
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// Name in the IANA database; UTC unless said otherwise.
    #[serde(default)]
    #[schema(required = false)]
    time_zone: Option<String>,
}

/// What to change of a provider.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantPatchBody {
    #[serde(default)]
    #[schema(required = false, min_length = 1, max_length = 64)]
    name: Option<String>,
    #[serde(default)]
    #[schema(required = false)]
    time_zone: Option<String>,
    /// Whether its operators and tokens are refused. Its subscribers are served all the same.
    #[serde(default)]
    #[schema(required = false)]
    is_disabled: Option<bool>,
}

impl From<TenantSummary> for TenantView {
    fn from(tenant: TenantSummary) -> Self {
        Self {
            id: tenant.id,
            name: tenant.name.to_string(),
            time_zone: tenant.time_zone.to_string(),
            disabled_at: tenant.disabled_at.map(|at| at.to_string()),
            created_at: tenant.created_at.to_string(),
            updated_at: tenant.updated_at.to_string(),
        }
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, change))
}

/// List the tenants
///
/// By name. Who belongs to another provider than that of the installation sees that one alone. The
/// provider of the installation acts for another one with the header `Lastmile-Tenant: ID or name`.
#[utoipa::path(
    get, path = "/tenants", tag = "tenants", operation_id = "tenant_list",
    params(ListParams), security(("token" = ["tenants:read"])),
    responses((status = 200, description = "A page of tenants", body = Listing<TenantView>)),
)]
async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Shown<TenantView>, Problem> {
    let limit = params.limit()?;
    let mut page = Page::first(limit + 1);
    page.after = params.after::<String>()?.and_then(|name| name.parse().ok());
    let tenants = match is_of_house(&caller) {
        true => caller.store().tenant_list(&page).await?,
        false if page.after.is_some() => Vec::new(),
        false => Vec::from_iter(caller.store().tenant_find(caller.tenant).await?),
    };
    let views = tenants.into_iter().map(TenantView::from).collect();
    let listing = Listing::cut(views, limit, |tenant: &TenantView| tenant.name.clone());
    Ok(listing.shown(params))
}

/// Make a tenant
#[utoipa::path(
    post, path = "/tenants", tag = "tenants", operation_id = "tenant_create",
    request_body = NewTenantBody, security(("token" = ["tenants:write"])),
    responses(
        (status = 201, description = "The tenant", body = TenantView),
        (status = 200, description = "What would be made", body = TenantView),
    ),
)]
async fn create(
    caller: Caller,
    Body(body): Body<NewTenantBody>,
) -> Result<Tagged<TenantView>, Problem> {
    check_house(&caller)?;
    let mut fields = Fields::default();
    let name: Option<Name> = fields.parse("name", &body.name);
    let zone = body.time_zone.as_ref();
    let zone: Option<Zone> = zone.and_then(|raw| fields.parse("time_zone", raw));
    fields.check()?;
    let new = NewTenant {
        name: name.ok_or_else(Problem::internal)?,
        time_zone: zone.unwrap_or_default(),
    };
    let tenant = caller.store().tenant_insert(&new).await?;
    let revision = tenant.updated_at;
    Ok(Tagged::made(caller.is_rehearsal, revision, tenant.into()))
}

/// Show a tenant
#[utoipa::path(
    get, path = "/tenants/{tenant}", tag = "tenants", operation_id = "tenant_show",
    params(("tenant" = String, Path, description = "Id or name")),
    security(("token" = ["tenants:read"])),
    responses((status = 200, description = "The tenant", body = TenantView)),
)]
async fn show(caller: Caller, Path(tenant): Path<String>) -> Result<Tagged<TenantView>, Problem> {
    let tenant = meant(&caller, &tenant).await?;
    Ok(Tagged::ok(tenant.updated_at, tenant.into()))
}

/// Change a tenant
///
/// The operators and tokens of one that is disabled are refused at once.
#[utoipa::path(
    patch, path = "/tenants/{tenant}", tag = "tenants", operation_id = "tenant_change",
    params(("tenant" = String, Path, description = "Id or name")),
    request_body = TenantPatchBody, security(("token" = ["tenants:write"])),
    responses((status = 200, description = "The tenant", body = TenantView)),
)]
async fn change(
    caller: Caller,
    Path(tenant): Path<String>,
    Body(body): Body<TenantPatchBody>,
) -> Result<Tagged<TenantView>, Problem> {
    let tenant = meant(&caller, &tenant).await?;
    check_house(&caller)?;
    let mut fields = Fields::default();
    let patch = TenantPatch {
        name: body.name.as_ref().and_then(|raw| fields.parse("name", raw)),
        time_zone: body
            .time_zone
            .as_ref()
            .and_then(|raw| fields.parse("time_zone", raw)),
        is_disabled: body.is_disabled,
    };
    fields.check()?;
    let tenant = caller.store().tenant_update(tenant.id, &patch).await?;
    Ok(Tagged::ok(tenant.updated_at, tenant.into()))
}

/// The tenant that a path names, if who asks may know of it.
async fn meant(caller: &Caller, raw: &str) -> Result<TenantSummary, Problem> {
    let absent = || Problem::not_found("tenant");
    let reference = match Uuid::try_parse(raw) {
        Ok(id) => TenantReference::Id(TenantId::from_uuid(id)),
        Err(_) => TenantReference::Name(raw.parse().map_err(|_| absent())?),
    };
    let tenant = caller.store().tenant_referred(&reference).await?;
    tenant
        .filter(|tenant| is_of_house(caller) || tenant.id == caller.tenant)
        .ok_or_else(absent)
}

fn check_house(caller: &Caller) -> Result<(), Problem> {
    match is_of_house(caller) {
        true => Ok(()),
        false => Err(Problem::forbidden(
            "this is for the provider of the installation",
        )),
    }
}

/// Whether who asks belongs to the provider of the installation, and acts for no other.
fn is_of_house(caller: &Caller) -> bool {
    caller.tenant == TenantId::DEFAULT
}
