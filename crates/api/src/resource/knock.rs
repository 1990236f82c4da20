//! Who speaks RADIUS to us and is not registered: `/api/v1/knocks`.

use std::net::IpAddr;

use axum::extract::Path;
use domain::id::TenantId;
use domain::nas::Vendor;
use serde::{Deserialize, Serialize};
use storage::auth_log::KnockRow;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::nas::body::NewNasBody;
use super::nas::{self, NasSecretView};
use crate::body::{Body, Params, given};
use crate::caller::Caller;
use crate::choice;
use crate::listing::{ListParams, Listing, Shown};
use crate::problem::Problem;
use crate::state::Api;
use crate::tagged::Tagged;

/// More are not remembered.
const KNOCKS_MAX: u32 = 1_000;

/// An address that speaks RADIUS to us and is no router's.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct KnockView {
    address: String,
    packets: u64,
    #[schema(value_type = String, format = DateTime)]
    first_at: String,
    #[schema(value_type = String, format = DateTime)]
    last_at: String,
}

/// What to make of an address that knocks.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AdoptBody {
    /// What to call the router.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// Made when absent.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 128)]
    secret: Option<String>,
    /// `mikrotik` when absent.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, schema_with = choice::vendor)]
    vendor: Option<Vendor>,
}

impl From<KnockRow> for KnockView {
    fn from(knock: KnockRow) -> Self {
        Self {
            address: knock.source.to_string(),
            packets: knock.packets,
            first_at: knock.first_at.to_string(),
            last_at: knock.last_at.to_string(),
        }
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(adopt))
}

/// List who knocks
///
/// Addresses that send RADIUS and are not registered, who knocked last first.
#[utoipa::path(
    get, path = "/knocks", tag = "nas", operation_id = "knock_list",
    params(ListParams), security(("token" = ["nas:read"])),
    responses((status = 200, description = "Who knocks", body = Listing<KnockView>)),
)]
async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Shown<KnockView>, Problem> {
    let limit = params.limit()?;
    let after: Option<String> = params.after()?;
    let knocks = knocks(&caller).await?.into_iter().map(KnockView::from);
    // The list is short, and all of it is at hand.
    let mut knocks = knocks.peekable();
    if let Some(after) = after {
        while knocks.next_if(|knock| knock.address != after).is_some() {}
        knocks.next();
    }
    let rest = knocks.take(limit as usize + 1).collect();
    let listing = Listing::cut(rest, limit, |knock: &KnockView| knock.address.clone());
    Ok(listing.shown(params))
}

/// Register an address that knocks
///
/// As a router with one address. Without a secret a strong one is made, which this answer shows and
/// no other.
#[utoipa::path(
    post, path = "/knocks/{address}/adopt", tag = "nas", operation_id = "knock_adopt",
    params(("address" = String, Path, description = "The address as the list shows it")),
    request_body = AdoptBody, security(("token" = ["nas:write"])),
    responses(
        (status = 201, description = "The router", body = NasSecretView),
        (status = 200, description = "What would be made", body = NasSecretView),
    ),
)]
async fn adopt(
    caller: Caller,
    Path(address): Path<String>,
    Body(body): Body<AdoptBody>,
) -> Result<Tagged<NasSecretView>, Problem> {
    let absent = || Problem::not_found("address that knocks");
    let address: IpAddr = address.parse().map_err(|_| absent())?;
    let knocks = knocks(&caller).await?;
    if !knocks.iter().any(|knock| knock.source == address) {
        return Err(absent());
    }
    let body = NewNasBody::adopted(address, (body.name, body.secret, body.vendor));
    nas::insert(&caller, body).await
}

/// Nobody knows whose they will be, so they are shown to the first tenant, who runs the machine.
async fn knocks(caller: &Caller) -> Result<Vec<KnockRow>, Problem> {
    if caller.tenant != TenantId::DEFAULT {
        return Ok(Vec::new());
    }
    Ok(caller.store().knock_list(KNOCKS_MAX).await?)
}
