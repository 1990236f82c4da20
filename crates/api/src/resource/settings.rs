//! What a tenant has set for all of its subscribers: `/api/v1/settings`.

use axum::Json;
use domain::limit::Zone;
use domain::message::Language;
use domain::name::Name;
use serde::{Deserialize, Serialize};
use storage::error::Resource;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::Body;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::state::Api;

/// What holds for all subscribers.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct SettingsView {
    /// In which days, weeks and months of quotas begin, and hours of plans are read.
    time_zone: String,
    /// In which subscribers are told how their accounts stand.
    language: String,
    /// The walled garden of plans that name none.
    default_garden: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TimeZoneBody {
    /// A name of the time zone database: `Africa/Nairobi`.
    #[schema(max_length = 64)]
    time_zone: String,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LanguageBody {
    /// A tag of BCP 47: `en`, `sw`.
    #[schema(max_length = 35)]
    language: String,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DefaultGardenBody {
    /// Id or name; `null` for none.
    #[schema(max_length = 64)]
    garden: Option<String>,
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(set_time_zone))
        .routes(routes!(set_language))
        .routes(routes!(set_default_garden))
}

/// Show the settings
#[utoipa::path(
    get, path = "/settings", tag = "settings", operation_id = "settings_show",
    security(("token" = ["settings:read"])),
    responses((status = 200, description = "The settings", body = SettingsView)),
)]
async fn show(caller: Caller) -> Result<Json<SettingsView>, Problem> {
    Ok(Json(view(&caller).await?))
}

/// Set the time zone
#[utoipa::path(
    put, path = "/settings/time-zone", tag = "settings", operation_id = "settings_set_time_zone",
    request_body = TimeZoneBody, security(("token" = ["settings:write"])),
    responses((status = 200, description = "The settings", body = SettingsView)),
)]
async fn set_time_zone(
    caller: Caller,
    Body(body): Body<TimeZoneBody>,
) -> Result<Json<SettingsView>, Problem> {
    let zone = body.time_zone.parse::<Zone>();
    let zone = zone.map_err(|error| Problem::field("time_zone", error.to_string()))?;
    caller.store().tenant_set_zone(caller.tenant, &zone).await?;
    let time_zone = zone.to_string();
    let settings = view(&caller).await?;
    Ok(Json(SettingsView {
        time_zone,
        ..settings
    }))
}

/// Set the language of what subscribers are told
#[utoipa::path(
    put, path = "/settings/language", tag = "settings", operation_id = "settings_set_language",
    request_body = LanguageBody, security(("token" = ["settings:write"])),
    responses((status = 200, description = "The settings", body = SettingsView)),
)]
async fn set_language(
    caller: Caller,
    Body(body): Body<LanguageBody>,
) -> Result<Json<SettingsView>, Problem> {
    let language = body.language.parse::<Language>();
    let language = language.map_err(|error| Problem::field("language", error.to_string()))?;
    let store = caller.store();
    store.tenant_set_language(caller.tenant, &language).await?;
    let settings = view(&caller).await?;
    Ok(Json(SettingsView {
        language: language.as_str().to_owned(),
        ..settings
    }))
}

/// Set the walled garden of plans that name none
#[utoipa::path(
    put, path = "/settings/default-garden", tag = "settings",
    operation_id = "settings_set_default_garden",
    request_body = DefaultGardenBody, security(("token" = ["settings:write"])),
    responses((status = 200, description = "The settings", body = SettingsView)),
)]
async fn set_default_garden(
    caller: Caller,
    Body(body): Body<DefaultGardenBody>,
) -> Result<Json<SettingsView>, Problem> {
    let garden: Option<Name> = match &body.garden {
        Some(raw) => {
            let name = caller.name_of(Resource::Garden, raw).await;
            Some(name.map_err(|problem| problem.named_by("garden"))?)
        }
        None => None,
    };
    let store = caller.store();
    let set = store
        .garden_set_default(caller.tenant, garden.as_ref())
        .await;
    set.map_err(|error| Problem::from(error).named_by("garden"))?;
    let settings = view(&caller).await?;
    let default_garden = match garden {
        Some(name) => store
            .garden_find(caller.tenant, &name)
            .await?
            .map(|garden| garden.name),
        None => None,
    };
    Ok(Json(SettingsView {
        default_garden: default_garden.map(|name| name.to_string()),
        ..settings
    }))
}

async fn view(caller: &Caller) -> Result<SettingsView, Problem> {
    let policy = caller.store().tenant_policy(caller.tenant).await?;
    let default = policy.garden;
    let garden = policy
        .gardens
        .iter()
        .find(|garden| Some(garden.id) == default);
    Ok(SettingsView {
        time_zone: policy.time_zone.to_string(),
        language: policy.language.as_str().to_owned(),
        default_garden: garden.map(|garden| garden.name.to_string()),
    })
}
