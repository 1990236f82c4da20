//! Headers by which browsers keep pages of others away from ours, on every answer.

use std::sync::Arc;

use api::state::Peer;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use super::shown::Shown;

/// What is below it is about people and must not stay in a cache.
const API: &str = "/api/";

/// Pages load nothing from elsewhere, run nothing that is written into them, and are in no frame.
/// Styles may be in pages, because the reference page of the API has them there.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; font-src 'self' data:; connect-src 'self'; object-src 'none'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);

/// A year of HTTPS only, for browsers that have seen a certificate that somebody vouches for.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// On every answer, unless it says otherwise itself. A referrer within the site stays, because
/// without one browsers hide the origin of a form, which protects it from forgery.
const ALWAYS: [(HeaderName, HeaderValue); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Adds what the answer does not have.
pub(super) async fn add(State(shown): State<Arc<Shown>>, request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with(API);
    let is_encrypted = request
        .extensions()
        .get::<Peer>()
        .is_some_and(|peer| peer.is_encrypted);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        add_one(headers, name, value);
    }
    if is_api {
        add_one(headers, CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if is_encrypted && shown.is_vouched_for() {
        add_one(headers, STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
    }
    response
}

fn add_one(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    headers.entry(name).or_insert(value);
}
