//! Walled gardens: `/api/v1/gardens`.

use axum::Json;
use axum::http::StatusCode;
use domain::garden::{GardenError, GardenTerms};
use domain::id::GardenId;
use domain::name::Name;
use domain::plan::TimeoutSeconds;
use domain::rate_limit::RateLimit;
use serde::{Deserialize, Serialize};
use storage::error::Resource;
use storage::garden::{GardenPatch, GardenSummary};
use storage::page::Page;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::plan::rate::Rate;
use crate::body::{Body, Fields, Params, given, present};
use crate::caller::Caller;
use crate::listing::{ListParams, Listing, Shown};
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;
use crate::tagged::Tagged;

const TIMEOUT: &str = "session_timeout_seconds";

/// What a suspended subscriber may reach.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct GardenView {
    #[schema(value_type = Uuid)]
    id: GardenId,
    name: String,
    /// Addresses that reach nothing but the garden.
    pool: Option<String>,
    /// The router's list of addresses, or filter.
    address_list: Option<String>,
    rate: Option<Rate>,
    /// Where routers that can do so send the browser.
    redirect: Option<String>,
    session_timeout_seconds: u32,
    /// Whether plans that name no garden use it.
    is_default: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    #[schema(value_type = String, format = DateTime)]
    updated_at: String,
}

/// A garden to be made; it has a pool or an address list.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewGardenBody {
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    #[serde(default)]
    #[schema(min_length = 1, max_length = 63, pattern = "^[!-~]+$")]
    pool: Option<String>,
    #[serde(default)]
    #[schema(min_length = 1, max_length = 63, pattern = "^[!-~]+$")]
    address_list: Option<String>,
    #[serde(default)]
    rate: Option<Rate>,
    #[serde(default)]
    #[schema(max_length = 200, pattern = "^https?://[0-9A-Za-z][!-~]*$")]
    redirect: Option<String>,
    /// 300 when absent.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = u32, required = false, minimum = 1, maximum = 21_474_720)]
    session_timeout_seconds: Option<u32>,
}

/// What to change of a garden.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct GardenPatchBody {
    #[serde(deserialize_with = "given")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 64)]
    name: Option<String>,
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 63, pattern = "^[!-~]+$")]
    pool: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 63, pattern = "^[!-~]+$")]
    address_list: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<Rate>)]
    rate: Option<Option<Rate>>,
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 200,
        pattern = "^https?://[0-9A-Za-z][!-~]*$")]
    redirect: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    #[schema(value_type = u32, required = false, minimum = 1, maximum = 21_474_720)]
    session_timeout_seconds: Option<u32>,
}

/// The garden of plans that name none.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DefaultGarden {
    /// Id or name; `null` is none.
    #[schema(required = true)]
    garden: Option<String>,
}

impl From<GardenSummary> for GardenView {
    fn from(garden: GardenSummary) -> Self {
        let terms = garden.terms;
        Self {
            id: garden.id,
            name: garden.name.to_string(),
            pool: terms.pool.map(|pool| pool.to_string()),
            address_list: terms.address_list.map(|list| list.to_string()),
            rate: terms.rate.map(Rate::from),
            redirect: terms.redirect.map(|redirect| redirect.to_string()),
            session_timeout_seconds: terms.session_timeout_seconds.as_seconds(),
            is_default: garden.is_default,
            created_at: garden.created_at.to_string(),
            updated_at: garden.updated_at.to_string(),
        }
    }
}

impl NewGardenBody {
    fn resolve(self) -> Result<(Name, GardenTerms), Problem> {
        let mut fields = Fields::default();
        let name = fields.parse("name", &self.name);
        let seconds = self
            .session_timeout_seconds
            .unwrap_or(GardenTerms::SESSION_TIMEOUT_DEFAULT_SECONDS);
        let timeout = fields.take(TIMEOUT, Some(seconds), TimeoutSeconds::new);
        let pool = fields.take("pool", self.pool, |pool: String| pool.parse());
        let list = self.address_list;
        let address_list = fields.take("address_list", list, |list: String| list.parse());
        let rate = fields.take("rate", self.rate, RateLimit::try_from);
        let redirect = fields.take("redirect", self.redirect, |url: String| url.parse());
        fields.check()?;
        let (Some(name), Some(session_timeout_seconds)) = (name, timeout) else {
            return Err(Problem::internal());
        };
        let terms = GardenTerms {
            pool,
            address_list,
            rate,
            redirect,
            session_timeout_seconds,
        };
        let fence = |problem: GardenError| Problem::field("address_list", problem.to_string());
        terms.check().map_err(fence)?;
        Ok((name, terms))
    }
}

impl GardenPatchBody {
    fn resolve(self) -> Result<GardenPatch, Problem> {
        let mut fields = Fields::default();
        let patch = GardenPatch {
            name: fields.take("name", self.name, |name: String| name.parse()),
            pool: fields.take_nested("pool", self.pool, |pool: String| pool.parse()),
            address_list: fields.take_nested("address_list", self.address_list, |list: String| {
                list.parse()
            }),
            rate: fields.take_nested("rate", self.rate, RateLimit::try_from),
            redirect: fields.take_nested("redirect", self.redirect, |url: String| url.parse()),
            session_timeout_seconds: fields.take(
                TIMEOUT,
                self.session_timeout_seconds,
                TimeoutSeconds::new,
            ),
        };
        fields.check()?;
        Ok(patch)
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, remove))
        .routes(routes!(show_default, set_default))
}

/// List the walled gardens
///
/// By name.
#[utoipa::path(
    get, path = "/gardens", tag = "policy", operation_id = "garden_list",
    params(ListParams), security(("token" = ["policy:read"])),
    responses((status = 200, description = "A page of gardens", body = Listing<GardenView>)),
)]
async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Shown<GardenView>, Problem> {
    let limit = params.limit()?;
    let mut page = Page::first(limit + 1);
    page.after = params.after::<String>()?.and_then(|name| name.parse().ok());
    let gardens = caller.store().garden_list(caller.tenant, &page).await?;
    let views = gardens.into_iter().map(GardenView::from).collect();
    let listing = Listing::cut(views, limit, |garden: &GardenView| garden.name.clone());
    Ok(listing.shown(params))
}

/// Make a walled garden
///
/// The first one is that of the plans that name none.
#[utoipa::path(
    post, path = "/gardens", tag = "policy", operation_id = "garden_create",
    request_body = NewGardenBody, security(("token" = ["policy:write"])),
    responses(
        (status = 201, description = "The garden", body = GardenView),
        (status = 200, description = "What would be made", body = GardenView),
    ),
)]
async fn create(
    caller: Caller,
    Body(body): Body<NewGardenBody>,
) -> Result<Tagged<GardenView>, Problem> {
    let (name, terms) = body.resolve()?;
    let store = caller.store();
    let garden = store.garden_insert(caller.tenant, name, terms).await?;
    let revision = garden.updated_at;
    Ok(Tagged::made(caller.is_rehearsal, revision, garden.into()))
}

/// Show a walled garden
#[utoipa::path(
    get, path = "/gardens/{garden}", tag = "policy", operation_id = "garden_show",
    params(("garden" = String, Path, description = "Id or name")),
    security(("token" = ["policy:read"])),
    responses((status = 200, description = "The garden", body = GardenView)),
)]
async fn show(caller: Caller, Path(garden): Path<String>) -> Result<Tagged<GardenView>, Problem> {
    let name: Name = caller.name_of(Resource::Garden, &garden).await?;
    let garden = caller.store().garden_find(caller.tenant, &name).await?;
    let garden = garden.ok_or_else(|| Problem::not_found("walled garden"))?;
    Ok(Tagged::ok(garden.updated_at, garden.into()))
}

/// Change a walled garden
///
/// For everyone who is sent there. What is absent stays as it is, and `null` empties.
#[utoipa::path(
    patch, path = "/gardens/{garden}", tag = "policy", operation_id = "garden_update",
    params(("garden" = String, Path, description = "Id or name")),
    request_body = GardenPatchBody, security(("token" = ["policy:write"])),
    responses((status = 200, description = "The garden", body = GardenView)),
)]
async fn update(
    caller: Caller,
    Path(garden): Path<String>,
    Body(body): Body<GardenPatchBody>,
) -> Result<Tagged<GardenView>, Problem> {
    let name: Name = caller.name_of(Resource::Garden, &garden).await?;
    let patch = body.resolve()?;
    let store = caller.store();
    let garden = store.garden_update(caller.tenant, &name, patch).await?;
    Ok(Tagged::ok(garden.updated_at, garden.into()))
}

/// Remove a walled garden
///
/// Refused while a plan names it.
#[utoipa::path(
    delete, path = "/gardens/{garden}", tag = "policy", operation_id = "garden_remove",
    params(("garden" = String, Path, description = "Id or name")),
    security(("token" = ["policy:write"])),
    responses((status = 204, description = "It is gone")),
)]
async fn remove(caller: Caller, Path(garden): Path<String>) -> Result<StatusCode, Problem> {
    let name = caller.name_of(Resource::Garden, &garden).await?;
    caller.store().garden_delete(caller.tenant, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Show the garden of plans that name none
#[utoipa::path(
    get, path = "/policy/default-garden", tag = "policy", operation_id = "default_garden_show",
    security(("token" = ["policy:read"])),
    responses((status = 200, description = "Its name", body = DefaultGarden)),
)]
async fn show_default(caller: Caller) -> Result<Json<DefaultGarden>, Problem> {
    let policy = caller.store().tenant_policy(caller.tenant).await?;
    let mut gardens = policy.gardens.iter();
    let found = gardens.find(|garden| Some(garden.id) == policy.garden);
    let garden = found.map(|garden| garden.name.to_string());
    Ok(Json(DefaultGarden { garden }))
}

/// Set the garden of plans that name none
#[utoipa::path(
    put, path = "/policy/default-garden", tag = "policy", operation_id = "default_garden_set",
    request_body = DefaultGarden, security(("token" = ["policy:write"])),
    responses((status = 200, description = "Its name", body = DefaultGarden)),
)]
async fn set_default(
    caller: Caller,
    Body(body): Body<DefaultGarden>,
) -> Result<Json<DefaultGarden>, Problem> {
    let name: Option<Name> = match &body.garden {
        Some(raw) => {
            let absent = || Problem::field("garden", format!("there is no walled garden '{raw}'"));
            let name: Option<Name> = caller.find_name(Resource::Garden, raw).await?;
            let name = name.ok_or_else(absent)?;
            let found = caller.store().garden_find(caller.tenant, &name).await?;
            Some(found.ok_or_else(absent)?.name)
        }
        None => None,
    };
    let store = caller.store();
    store
        .garden_set_default(caller.tenant, name.as_ref())
        .await?;
    let garden = name.map(|name| name.to_string());
    Ok(Json(DefaultGarden { garden }))
}
