//! The devices that a subscriber is bound to.

use axum::Json;
use axum::http::StatusCode;
use domain::mac::Mac;
use serde::Serialize;
use storage::subscriber_device::{BoundDevice, DeviceEvent};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::named;
use crate::caller::Caller;
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;

/// All devices of a subscriber, at most 200.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DevicesView {
    /// The oldest first.
    items: Vec<DeviceView>,
    /// What happened to them, the newest first, at most 200.
    events: Vec<DeviceEventView>,
}

/// A device that is bound.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DeviceView {
    /// 12 hexadecimal digits.
    mac: String,
    /// It was made up by the device, as telephones do.
    is_private: bool,
    #[schema(format = DateTime)]
    bound_at: String,
}

/// What happened to a device.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DeviceEventView {
    #[schema(format = DateTime)]
    at: String,
    mac: String,
    /// bound or forgotten
    kind: String,
    /// Who did it: a login, or a person.
    actor: String,
}

impl From<BoundDevice> for DeviceView {
    fn from(device: BoundDevice) -> Self {
        Self {
            mac: device.mac.to_string(),
            is_private: device.mac.is_private(),
            bound_at: device.bound_at.to_string(),
        }
    }
}

impl From<DeviceEvent> for DeviceEventView {
    fn from(event: DeviceEvent) -> Self {
        Self {
            at: event.at.to_string(),
            mac: event.mac,
            kind: event.kind,
            actor: event.actor,
        }
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, forget_all))
        .routes(routes!(forget))
}

/// List the devices of a subscriber
#[utoipa::path(
    get, path = "/subscribers/{subscriber}/devices", tag = "subscribers",
    operation_id = "subscriber_device_list",
    params(("subscriber" = String, Path, description = "Id or user name")),
    security(("token" = ["subscribers:read"])),
    responses((status = 200, description = "The devices", body = DevicesView)),
)]
async fn list(
    caller: Caller,
    Path(subscriber): Path<String>,
) -> Result<Json<DevicesView>, Problem> {
    let username = named(&caller, &subscriber).await?;
    let (store, tenant) = (caller.store(), caller.tenant);
    let items = store.device_list(tenant, &username).await?;
    let events = store.device_event_list(tenant, &username).await?;
    Ok(Json(DevicesView {
        items: items.into_iter().map(DeviceView::from).collect(),
        events: events.into_iter().map(DeviceEventView::from).collect(),
    }))
}

/// Forget all devices of a subscriber
///
/// The next ones that log in are bound.
#[utoipa::path(
    delete, path = "/subscribers/{subscriber}/devices", tag = "subscribers",
    operation_id = "subscriber_device_forget_all",
    params(("subscriber" = String, Path, description = "Id or user name")),
    security(("token" = ["subscribers:write"])),
    responses((status = 204, description = "They are forgotten")),
)]
async fn forget_all(caller: Caller, Path(subscriber): Path<String>) -> Result<StatusCode, Problem> {
    forgotten(&caller, &subscriber, None).await
}

/// Forget a device of a subscriber
#[utoipa::path(
    delete, path = "/subscribers/{subscriber}/devices/{mac}", tag = "subscribers",
    operation_id = "subscriber_device_forget",
    params(
        ("subscriber" = String, Path, description = "Id or user name"),
        ("mac" = String, Path, description = "MAC address of the device"),
    ),
    security(("token" = ["subscribers:write"])),
    responses((status = 204, description = "It is forgotten")),
)]
async fn forget(
    caller: Caller,
    Path((subscriber, mac)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let mac: Mac = mac.parse().map_err(|_| Problem::not_found("device"))?;
    forgotten(&caller, &subscriber, Some(mac)).await
}

async fn forgotten(
    caller: &Caller,
    subscriber: &str,
    mac: Option<Mac>,
) -> Result<StatusCode, Problem> {
    let username = named(caller, subscriber).await?;
    let actor = caller.principal.actor.to_string();
    let store = caller.store();
    store
        .device_forget(caller.tenant, &username, mac, &actor)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
