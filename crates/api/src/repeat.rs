//! Whether it was asked before: a mutation with an `Idempotency-Key` is carried out once, and its
//! answer is given again for 24 hours.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, Response as Reply, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use storage::act::Claim;
use storage::idempotency::Claimed;
use storage::store::Store;

use crate::body::{BODY_BYTES_MAX, too_large};
use crate::principal::Principal;
use crate::problem::Problem;
use crate::state::Api;

pub(crate) const HEADER: &str = "idempotency-key";
pub(crate) const KEY_LEN_MAX: usize = 255;

/// Tells that an answer was given before.
const REPLAYED: &str = "idempotent-replayed";

/// The most octets of an answer that is kept.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    kind: Option<String>,
    etag: Option<String>,
    location: Option<String>,
    body: String,
}

pub(crate) async fn once(State(api): State<Api>, request: Request, next: Next) -> Response {
    let is_mutation = !matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let principal = request.extensions().get::<Principal>().cloned();
    let key = request.headers().get(HEADER).cloned();
    let (Some(key), Some(principal), true) = (key, principal, is_mutation) else {
        return next.run(request).await;
    };
    match carry_out(&api, &key, &principal, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn carry_out(
    api: &Api,
    key: &HeaderValue,
    principal: &Principal,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let claim = Claim {
        tenant: principal.tenant,
        caller: principal.id(),
        key: checked_key(key)?,
    };
    let (mut parts, body) = request.into_parts();
    // A rehearsal changes nothing, so there is nothing to be repeated.
    if crate::caller::is_rehearsal(&parts)? {
        return Ok(next.run(Request::from_parts(parts, body)).await);
    }
    let octets = to_bytes(body, BODY_BYTES_MAX)
        .await
        .map_err(|_| too_large())?;
    let mut hash = Sha256::new();
    for part in [parts.method.as_str(), &parts.uri.to_string()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(&octets);
    let fingerprint: [u8; 32] = hash.finalize().into();
    let store = api.store()?;
    match store.idempotency_claim(&claim, &fingerprint).await? {
        Claimed::Before { status, answer } => return again(status, &answer),
        Claimed::Otherwise => {
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "this Idempotency-Key was sent with another request; use a new one",
            ));
        }
        Claimed::UnderWay => {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "idempotency_under_way",
                "the same request is being carried out; ask again in a moment",
            ));
        }
        Claimed::Done => {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "idempotency_answer_lost",
                "the request was carried out, and its answer is lost; look at what it was about",
            ));
        }
        Claimed::Now => {}
    }
    parts.extensions.insert(claim.clone());
    let response = next
        .run(Request::from_parts(parts, Body::from(octets)))
        .await;
    keep(&store, &claim, response).await
}

fn checked_key(key: &HeaderValue) -> Result<String, Problem> {
    let text = key.to_str().unwrap_or_default();
    if text.is_empty() || KEY_LEN_MAX < text.len() {
        return Err(Problem::bad_request(format!(
            "Idempotency-Key has 1 to {KEY_LEN_MAX} visible characters"
        )));
    }
    Ok(text.to_owned())
}

/// Keeps an answer. What failed here or was refused is let go, so that it can be tried again.
async fn keep(store: &Store, claim: &Claim, response: Response) -> Result<Response, Problem> {
    if !response.status().is_success() {
        store.idempotency_release(claim).await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let octets = to_bytes(body, ANSWER_BYTES_MAX)
        .await
        .map_err(|_| Problem::internal())?;
    let text = |name: header::HeaderName| {
        let value = parts.headers.get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    let kept = Kept {
        kind: text(header::CONTENT_TYPE),
        etag: text(header::ETAG),
        location: text(header::LOCATION),
        body: String::from_utf8_lossy(&octets).into_owned(),
    };
    let kept = serde_json::to_vec(&kept).expect("an answer is made of texts");
    let status = parts.status.as_u16();
    store.idempotency_answer(claim, (status, &kept)).await?;
    Ok(Reply::from_parts(parts, Body::from(octets)))
}

fn again(status: u16, answer: &[u8]) -> Result<Response, Problem> {
    let kept: Kept = serde_json::from_slice(answer).map_err(|_| Problem::internal())?;
    let status = StatusCode::from_u16(status).map_err(|_| Problem::internal())?;
    let mut response = (status, kept.body).into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    let given = [
        (header::CONTENT_TYPE, kept.kind),
        (header::ETAG, kept.etag),
        (header::LOCATION, kept.location),
    ];
    for (name, value) in given {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            headers.insert(name, value);
        }
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}
