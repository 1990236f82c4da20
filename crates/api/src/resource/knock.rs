//! Who speaks RADIUS to us and is not registered: `/api/v1/knocks`.

use domain::id::TenantId;
use serde::Serialize;
use storage::auth_log::KnockRow;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::Params;
use crate::caller::Caller;
use crate::listing::{ListParams, Listing, Shown};
use crate::problem::Problem;
use crate::state::Api;

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
    OpenApiRouter::new().routes(routes!(list))
}

/// List who knocks
///
/// Addresses that send RADIUS and are not registered, who knocked last first. One that is yours is
/// registered with `POST /nas`, and is not in this list any more.
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

/// Nobody knows whose they will be, so they are shown to the first tenant, who runs the machine.
async fn knocks(caller: &Caller) -> Result<Vec<KnockRow>, Problem> {
    if caller.tenant != TenantId::DEFAULT {
        return Ok(Vec::new());
    }
    Ok(caller.store().knock_list(KNOCKS_MAX).await?)
}
