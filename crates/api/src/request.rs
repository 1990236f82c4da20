//! Every request has an id, and every answer bears it.

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::problem;

const HEADER: &str = "x-request-id";

/// The id of a request: the one it came with if it is a UUID, or a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(pub(crate) Uuid);

pub(crate) async fn name(mut request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(HEADER)
        .and_then(|value| value.to_str().ok());
    let id = given
        .and_then(|text| Uuid::try_parse(text).ok())
        .unwrap_or_else(|| uuid::Builder::from_random_bytes(rand::random()).into_uuid());
    request.extensions_mut().insert(RequestId(id));
    let text = id.to_string();
    let span = tracing::info_span!("request", id = %text);
    let response = next.run(request).instrument(span).await;
    let mut response = problem::written(response, &text);
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}
