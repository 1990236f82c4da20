//! The one call that shows a stored secret: `/api/v1/secrets/reveal`.

use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use storage::error::Resource;
use storage::secret::SecretOf;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::body::Body;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::secret_text::SecretText;
use crate::state::Api;

const REASON_CHARS_MAX: usize = 500;

/// Which secret is to be shown, and why.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevealBody {
    kind: SecretKind,
    /// Id or name of whose it is.
    #[schema(min_length = 1, max_length = 253)]
    id: String,
    /// What it is needed for; the audit log keeps it.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// What kind of secret it is.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SecretKind {
    /// What a router and we share.
    NasSecret,
    /// What a subscriber logs in with.
    SubscriberPassword,
}

/// A secret, shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RevealedView {
    kind: SecretKind,
    id: Uuid,
    name: String,
    /// `null` in a rehearsal, of which the audit log has no line.
    #[schema(value_type = Option<String>)]
    secret: Option<SecretText>,
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(reveal))
}

/// Show a secret
///
/// With a line in the audit log that says who asked and why.
#[utoipa::path(
    post, path = "/secrets/reveal", tag = "secrets", operation_id = "secret_reveal",
    request_body = RevealBody, security(("token" = ["secrets:reveal"])),
    responses(
        (status = 200, description = "The secret", body = RevealedView),
        (status = 404, description = "There is no such thing", body = Problem,
            content_type = "application/problem+json"),
    ),
)]
async fn reveal(caller: Caller, Body(body): Body<RevealBody>) -> Result<Response, Problem> {
    let reason = body.reason.trim();
    if reason.is_empty() || REASON_CHARS_MAX < reason.chars().count() {
        let detail = format!("say what it is needed for, in 1 to {REASON_CHARS_MAX} characters");
        return Err(Problem::field("reason", detail));
    }
    let of = match body.kind {
        SecretKind::NasSecret => SecretOf::Nas(caller.name_of(Resource::Nas, &body.id).await?),
        SecretKind::SubscriberPassword => {
            SecretOf::Subscriber(caller.name_of(Resource::Subscriber, &body.id).await?)
        }
    };
    let store = caller.store();
    let revealed = store.secret_reveal(caller.tenant, &of, reason).await?;
    let view = RevealedView {
        kind: body.kind,
        id: revealed.id,
        name: revealed.name,
        secret: revealed.secret.as_ref().map(SecretText::from),
    };
    let mut response = Json(view).into_response();
    let store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, store);
    Ok(response)
}
