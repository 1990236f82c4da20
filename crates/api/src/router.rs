//! All routes, and the rooms that every request goes through.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use serde_json::Value as Json;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;

use crate::authorize::Rules;
use crate::body::BODY_BYTES_MAX;
use crate::problem::Problem;
use crate::state::{Api, ApiOptions};
use crate::{authenticate, authorize, openapi, pace, reference, repeat, request, resource};

/// The OpenAPI document.
pub fn document() -> Json {
    openapi::complete(operations().get_openapi())
}

/// Everything under `/api`.
pub fn router(options: ApiOptions) -> Router {
    let (routes, operations) = operations().split_for_parts();
    let document = openapi::complete(&operations);
    let rules = Rules::read(&document);
    let api = Api::new(options, rules, document.to_string());
    let routes = routes
        .route_layer(from_fn_with_state(api.clone(), repeat::once))
        .route_layer(from_fn_with_state(api.clone(), authorize::permit))
        .route_layer(from_fn_with_state(api.clone(), pace::keep))
        .route_layer(from_fn_with_state(api.clone(), authenticate::identify));
    Router::new()
        .route("/api/openapi.json", get(reference::document))
        .route("/api/docs/", get(reference::page))
        .route("/api/docs/{*file}", get(reference::asset))
        .merge(routes)
        .route("/api/{*path}", any(wrong_path))
        .method_not_allowed_fallback(wrong_method)
        .with_state(api)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(CatchPanicLayer::custom(|_| {
            Problem::internal().into_response()
        }))
        .layer(from_fn(request::name))
        .layer(CompressionLayer::new())
}

/// What there is, room by room.
fn operations() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(openapi::Base::openapi()).nest(
        "/api/v1",
        OpenApiRouter::new()
            .merge(resource::nas_group::routes())
            .merge(resource::customer::routes())
            .merge(resource::subscriber::routes())
            .merge(resource::search::routes())
            .merge(resource::nas::routes())
            .merge(resource::knock::routes())
            .merge(resource::garden::routes())
            .merge(resource::message::routes())
            .merge(resource::realm::routes())
            .merge(resource::plan::routes())
            .merge(resource::rows::routes())
            .merge(resource::sign_in::routes())
            .merge(resource::operator::routes())
            .merge(resource::token::routes())
            .merge(resource::tenant::routes())
            .merge(resource::audit::routes())
            .merge(resource::secret::routes())
            .merge(resource::operation::routes())
            .merge(resource::job::routes())
            .merge(resource::schedule::routes())
            .merge(resource::reconciler::routes())
            .merge(resource::bulk::routes())
            .merge(resource::import::routes())
            .merge(resource::export::routes())
            .merge(resource::event::routes())
            .merge(resource::webhook::routes())
            .merge(resource::session::routes())
            .merge(resource::usage::routes())
            .merge(resource::auth_log::routes())
            .merge(resource::inquiry::routes())
            .merge(resource::statistics::routes())
            .merge(resource::guard::routes())
            .merge(resource::settings::routes())
            .merge(resource::system::routes()),
    )
}

async fn wrong_path() -> Response {
    Problem::not_found("path").into_response()
}

async fn wrong_method() -> Response {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "this path does not take this method",
    )
    .into_response()
}
