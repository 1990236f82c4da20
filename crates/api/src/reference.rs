//! The reference page: the document, to be read and tried in a browser, without anything from
//! elsewhere.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa_swagger_ui::Config;

use crate::problem::Problem;
use crate::state::Api;

const DOCUMENT: &str = "/api/openapi.json";

/// `GET /api/openapi.json`.
pub(crate) async fn document(State(api): State<Api>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, api.document().to_owned()).into_response()
}

/// `GET /api/docs/`.
pub(crate) async fn page() -> Response {
    file("index.html")
}

/// `GET /api/docs/FILE`.
pub(crate) async fn asset(Path(path): Path<String>) -> Response {
    file(&path)
}

fn file(path: &str) -> Response {
    let config = Config::from(DOCUMENT)
        .try_it_out_enabled(true)
        .persist_authorization(false);
    match utoipa_swagger_ui::serve(path, Arc::new(config)) {
        Ok(Some(file)) => {
            let kind = [(header::CONTENT_TYPE, file.content_type)];
            (StatusCode::OK, kind, file.bytes.into_owned()).into_response()
        }
        Ok(None) => Problem::not_found("page").into_response(),
        Err(_) => Problem::internal().into_response(),
    }
}
