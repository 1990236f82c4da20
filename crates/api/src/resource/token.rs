//! Keys with which programs ask: `/api/v1/tokens`.

use axum::extract::State;
use axum::http::StatusCode;
use domain::id::ApiKeyId;
use domain::name::Name;
use domain::permission::Role;
use domain::time::Timestamp;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use services::api_key::{self, Draft};
use storage::api_key::{ApiKeyPatch, ApiKeySummary};
use storage::error::Resource;
use storage::page::Page;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::operator::{find_role, read_scopes};
use crate::body::{Body, Fields, Params, present};
use crate::caller::Caller;
use crate::listing::{ListParams, Listing, Shown};
use crate::path::Path;
use crate::problem::Problem;
use crate::secret_text::SecretText;
use crate::state::Api;
use crate::tagged::Tagged;

/// Networks that one token names at most.
const NETWORKS_MAX: usize = 64;

/// The longest time for which an old token holds beside a new one: thirty days.
const OVERLAP_SECONDS_MAX: u32 = 30 * 86_400;

const OVERLAP_SECONDS_DEFAULT: u32 = 86_400;

/// What a program shows instead of a password, without the text itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct TokenView {
    #[schema(value_type = Uuid)]
    id: ApiKeyId,
    name: String,
    /// How it begins, to tell it from others.
    hint: String,
    #[schema(value_type = Option<String>)]
    role: Option<&'static str>,
    /// What is permitted beside what the role permits.
    scopes: Vec<String>,
    /// Where it may be used from; from everywhere when there is none.
    networks: Vec<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<String>,
    /// How long the text before the last rotation holds.
    #[schema(value_type = Option<String>, format = DateTime)]
    old_until: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    used_at: Option<String>,
    used_from: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    #[schema(value_type = String, format = DateTime)]
    updated_at: String,
}

/// A token with its text, which is shown once.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FreshTokenView {
    /// `null` in a rehearsal.
    #[schema(value_type = Option<String>)]
    token: Option<SecretText>,
    #[serde(flatten)]
    shown: TokenView,
}

/// A token to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTokenBody {
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// owner, admin, billing, support, installer or read_only.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, required = false)]
    role: Option<Option<String>>,
    /// What is permitted beside what the role permits.
    #[serde(default)]
    #[schema(required = false, max_items = 64)]
    scopes: Vec<String>,
    /// Addresses and networks from which it may be used.
    #[serde(default)]
    #[schema(required = false, max_items = 64)]
    networks: Vec<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    expires_at: Option<Option<String>>,
}

/// What to change of a token.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenPatchBody {
    #[serde(default)]
    #[schema(required = false, min_length = 1, max_length = 64)]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, required = false)]
    role: Option<Option<String>>,
    #[serde(default)]
    #[schema(required = false, max_items = 64)]
    scopes: Option<Vec<String>>,
    #[serde(default)]
    #[schema(required = false, max_items = 64)]
    networks: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    expires_at: Option<Option<String>>,
}

/// How a token is to be replaced.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenRotationBody {
    /// How long the old text holds beside the new one; a day unless said otherwise.
    #[serde(default)]
    #[schema(required = false, maximum = 2_592_000)]
    overlap_seconds: Option<u32>,
}

impl From<ApiKeySummary> for TokenView {
    fn from(key: ApiKeySummary) -> Self {
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            id: key.id,
            name: key.name.to_string(),
            hint: key.hint,
            role: key.role.map(Role::as_str),
            scopes: key.scopes.iter().map(|scope| scope.to_string()).collect(),
            networks: key.networks.iter().map(ToString::to_string).collect(),
            expires_at: text(key.expires_at),
            old_until: text(key.old_until),
            used_at: text(key.used_at),
            used_from: key.used_from,
            created_at: key.created_at.to_string(),
            updated_at: key.updated_at.to_string(),
        }
    }
}

impl FreshTokenView {
    fn new(fresh: api_key::WithText, is_rehearsal: bool) -> Self {
        Self {
            token: (!is_rehearsal).then(|| SecretText::from(&fresh.text)),
            shown: fresh.key.into(),
        }
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, change, revoke))
        .routes(routes!(rotate))
}

/// List the tokens
///
/// By name, without what they are.
#[utoipa::path(
    get, path = "/tokens", tag = "tokens", operation_id = "token_list",
    params(ListParams), security(("token" = ["keys:read"])),
    responses((status = 200, description = "A page of tokens", body = Listing<TokenView>)),
)]
async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Shown<TokenView>, Problem> {
    let limit = params.limit()?;
    let mut page = Page::first(limit + 1);
    page.after = params.after::<String>()?.and_then(|name| name.parse().ok());
    let keys = caller.store().api_key_list(caller.tenant, &page).await?;
    let views = keys.into_iter().map(TokenView::from).collect();
    let listing = Listing::cut(views, limit, |token: &TokenView| token.name.clone());
    Ok(listing.shown(params))
}

/// Make a token
///
/// It permits no more than who asks may do, and is shown this once.
#[utoipa::path(
    post, path = "/tokens", tag = "tokens", operation_id = "token_create",
    request_body = NewTokenBody, security(("token" = ["keys:write"])),
    responses(
        (status = 201, description = "The token", body = FreshTokenView),
        (status = 200, description = "What would be made", body = FreshTokenView),
    ),
)]
async fn create(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<NewTokenBody>,
) -> Result<Tagged<FreshTokenView>, Problem> {
    let mut fields = Fields::default();
    let name: Option<Name> = fields.parse("name", &body.name);
    let role = find_role(&mut fields, body.role.flatten().as_deref());
    let scopes = read_scopes(&mut fields, &body.scopes);
    let networks = read_networks(&mut fields, &body.networks);
    let expires_at = body.expires_at.flatten();
    let expires_at = expires_at.and_then(|raw| read_expiry(&mut fields, &raw, api.now()));
    if role.is_none() && body.scopes.is_empty() {
        fields.wrong(
            "scopes",
            "name a role or scopes: a token without any permits nothing",
        );
    }
    fields.check()?;
    let draft = Draft {
        tenant: caller.tenant,
        name: name.ok_or_else(Problem::internal)?,
        role,
        scopes,
        networks,
        expires_at,
    };
    let fresh = api_key::create(caller.store(), &caller.principal.scopes, draft).await?;
    let revision = fresh.key.updated_at;
    let view = FreshTokenView::new(fresh, caller.is_rehearsal);
    Ok(Tagged::made(caller.is_rehearsal, revision, view))
}

/// Show a token
#[utoipa::path(
    get, path = "/tokens/{token}", tag = "tokens", operation_id = "token_show",
    params(("token" = String, Path, description = "Id or name")),
    security(("token" = ["keys:read"])),
    responses((status = 200, description = "The token", body = TokenView)),
)]
async fn show(caller: Caller, Path(token): Path<String>) -> Result<Tagged<TokenView>, Problem> {
    let name: Name = caller.name_of(Resource::ApiKey, &token).await?;
    let key = caller.store().api_key_named(caller.tenant, &name).await?;
    let key = key.ok_or_else(|| Problem::not_found("token"))?;
    Ok(Tagged::ok(key.updated_at, key.into()))
}

/// Change a token
///
/// Its text stays.
#[utoipa::path(
    patch, path = "/tokens/{token}", tag = "tokens", operation_id = "token_change",
    params(("token" = String, Path, description = "Id or name")),
    request_body = TokenPatchBody, security(("token" = ["keys:write"])),
    responses((status = 200, description = "The token", body = TokenView)),
)]
async fn change(
    State(api): State<Api>,
    caller: Caller,
    Path(token): Path<String>,
    Body(body): Body<TokenPatchBody>,
) -> Result<Tagged<TokenView>, Problem> {
    let name: Name = caller.name_of(Resource::ApiKey, &token).await?;
    let mut fields = Fields::default();
    let patch = ApiKeyPatch {
        name: body.name.as_ref().and_then(|raw| fields.parse("name", raw)),
        role: body
            .role
            .map(|role| find_role(&mut fields, role.as_deref())),
        scopes: body.scopes.map(|scopes| read_scopes(&mut fields, &scopes)),
        networks: body
            .networks
            .map(|networks| read_networks(&mut fields, &networks)),
        expires_at: body
            .expires_at
            .map(|expiry| expiry.and_then(|raw| read_expiry(&mut fields, &raw, api.now()))),
    };
    fields.check()?;
    let by = &caller.principal.scopes;
    let of = (caller.tenant, &name);
    let key = api_key::update(caller.store(), by, of, patch).await?;
    Ok(Tagged::ok(key.updated_at, key.into()))
}

/// Replace a token's text
///
/// The old one holds beside it for a while, so that programs can be given the new one in peace.
#[utoipa::path(
    post, path = "/tokens/{token}/rotate", tag = "tokens", operation_id = "token_rotate",
    params(("token" = String, Path, description = "Id or name")),
    request_body = TokenRotationBody, security(("token" = ["keys:write"])),
    responses((status = 200, description = "The token", body = FreshTokenView)),
)]
async fn rotate(
    caller: Caller,
    Path(token): Path<String>,
    Body(body): Body<TokenRotationBody>,
) -> Result<Tagged<FreshTokenView>, Problem> {
    let name: Name = caller.name_of(Resource::ApiKey, &token).await?;
    let overlap = body.overlap_seconds.unwrap_or(OVERLAP_SECONDS_DEFAULT);
    if OVERLAP_SECONDS_MAX < overlap {
        let detail = format!("an old token holds {OVERLAP_SECONDS_MAX} s at most");
        return Err(Problem::field("overlap_seconds", detail));
    }
    let by = &caller.principal.scopes;
    let of = (caller.tenant, &name);
    let fresh = api_key::rotate(caller.store(), by, of, overlap).await?;
    let revision = fresh.key.updated_at;
    let view = FreshTokenView::new(fresh, caller.is_rehearsal);
    Ok(Tagged::ok(revision, view))
}

/// Revoke a token
///
/// At once and for good.
#[utoipa::path(
    delete, path = "/tokens/{token}", tag = "tokens", operation_id = "token_revoke",
    params(("token" = String, Path, description = "Id or name")),
    security(("token" = ["keys:write"])),
    responses((status = 204, description = "Revoked")),
)]
async fn revoke(caller: Caller, Path(token): Path<String>) -> Result<StatusCode, Problem> {
    let name: Name = caller.name_of(Resource::ApiKey, &token).await?;
    let store = caller.store();
    store.api_key_delete(caller.tenant, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Networks, or single addresses.
fn read_networks(fields: &mut Fields, raw: &[String]) -> Vec<IpNet> {
    if NETWORKS_MAX < raw.len() {
        fields.wrong("networks", format!("at most {NETWORKS_MAX} are kept"));
    }
    let mut networks = Vec::new();
    for (index, raw) in raw.iter().enumerate() {
        let address = || raw.parse().map(|address: std::net::IpAddr| address.into());
        match raw.parse::<IpNet>().or_else(|_| address()) {
            Ok(network) => networks.push(network.trunc()),
            Err(_) => fields.wrong(
                &format!("networks.{index}"),
                "write an address or a network: 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32",
            ),
        }
    }
    networks
}

/// An end that is yet to come.
fn read_expiry(fields: &mut Fields, raw: &str, now: Timestamp) -> Option<Timestamp> {
    let expiry: Timestamp = fields.parse("expires_at", raw)?;
    if expiry <= now {
        fields.wrong(
            "expires_at",
            "this is over already: name a time that is yet to come",
        );
    }
    Some(expiry)
}
