//! One's own second factor: `/api/v1/session/second-factor`.

use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};
use domain::secret::Secret;
use serde::{Deserialize, Serialize};
use services::operator::second_factor;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{IdentityView, prove, with_headers};
use crate::body::Body;
use crate::caller::Caller;
use crate::cookie::Session;
use crate::problem::Problem;
use crate::secret_text::SecretText;
use crate::state::{Api, Peer};

/// One's own password, as a proof.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProofBody {
    #[schema(value_type = String, format = Password, max_length = 256)]
    password: SecretText,
}

/// A secret for a device that makes codes; it is shown once.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ProposedSecretView {
    /// In base 32, to be typed.
    #[schema(value_type = String)]
    secret: SecretText,
    /// To be shown as a picture.
    #[schema(value_type = String)]
    url: SecretText,
}

/// A code of the device.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeBody {
    #[schema(value_type = String, max_length = 64)]
    code: SecretText,
}

/// Codes for when the device is lost; each works once. They are shown once.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RecoveryCodesView {
    #[schema(value_type = Vec<String>)]
    recovery_codes: Vec<SecretText>,
}

/// What there is of a second factor.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SecondFactorView {
    is_in_force: bool,
    recovery_codes_left: u64,
}

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(show, propose, confirm))
        .routes(routes!(disable))
        .routes(routes!(renew))
}

/// Show what there is of one's own second factor
#[utoipa::path(
    get, path = "/session/second-factor", tag = "session", operation_id = "second_factor_show",
    security(("token" = [])),
    responses(
        (status = 200, description = "What there is of it", body = SecondFactorView),
        (status = 404, description = "A token asks, which has no session", body = Problem,
            content_type = "application/problem+json"),
    ),
)]
async fn show(caller: Caller, session: Session) -> Result<Json<SecondFactorView>, Problem> {
    let operator = &session.signed_in.operator;
    let left = caller.store().operator_recovery_left(operator.id).await?;
    Ok(Json(SecondFactorView {
        is_in_force: operator.has_second_factor,
        recovery_codes_left: left,
    }))
}

/// Get a secret for a device
///
/// It holds once its first code was sent to `PUT /session/second-factor`.
#[utoipa::path(
    post, path = "/session/second-factor", tag = "session",
    operation_id = "second_factor_propose",
    request_body = ProofBody, security(("token" = [])),
    responses(
        (status = 200, description = "The secret", body = ProposedSecretView),
        (status = 404, description = "A token asks, which has no session", body = Problem,
            content_type = "application/problem+json"),
    ),
)]
async fn propose(
    State(api): State<Api>,
    caller: Caller,
    session: Session,
    peer: Option<Extension<Peer>>,
    Body(body): Body<ProofBody>,
) -> Result<Response, Problem> {
    let operator = &session.signed_in.operator;
    let password = body.password.to_secret();
    prove(&api, operator, &password, peer.map(|peer| peer.0)).await?;
    let proposed = second_factor::propose(caller.store(), operator).await?;
    let view = ProposedSecretView {
        secret: SecretText::from(&proposed.secret),
        url: SecretText::from(&proposed.url),
    };
    Ok(with_headers(view, []))
}

/// Put the second factor in force
///
/// With a first code of the device that got the secret.
#[utoipa::path(
    put, path = "/session/second-factor", tag = "session", operation_id = "second_factor_confirm",
    request_body = CodeBody, security(("token" = [])),
    responses(
        (status = 200, description = "In force; keep these", body = RecoveryCodesView),
        (status = 404, description = "A token asks, which has no session", body = Problem,
            content_type = "application/problem+json"),
    ),
)]
async fn confirm(
    State(api): State<Api>,
    caller: Caller,
    session: Session,
    Body(body): Body<CodeBody>,
) -> Result<Response, Problem> {
    let operator = &session.signed_in.operator;
    let codes =
        second_factor::confirm(caller.store(), operator, &body.code.to_secret(), api.now()).await?;
    Ok(with_headers(shown(&codes), []))
}

/// Take one's own second factor away
///
/// All other sessions of the operator end.
#[utoipa::path(
    post, path = "/session/second-factor/disable", tag = "session",
    operation_id = "second_factor_disable",
    request_body = ProofBody, security(("token" = [])),
    responses(
        (status = 200, description = "Who asks, as before", body = IdentityView),
        (status = 404, description = "A token asks, which has no session", body = Problem,
            content_type = "application/problem+json"),
    ),
)]
async fn disable(
    State(api): State<Api>,
    caller: Caller,
    session: Session,
    peer: Option<Extension<Peer>>,
    Body(body): Body<ProofBody>,
) -> Result<Response, Problem> {
    let operator = &session.signed_in.operator;
    let password = body.password.to_secret();
    prove(&api, operator, &password, peer.map(|peer| peer.0)).await?;
    let kept = session.signed_in.session.id;
    let operator = second_factor::disable(caller.store(), operator, kept).await?;
    let view = IdentityView::of_operator(&operator, Some(&session));
    Ok(with_headers(view, []))
}

/// Get other recovery codes
///
/// Those before hold no longer.
#[utoipa::path(
    post, path = "/session/second-factor/recovery-codes", tag = "session",
    operation_id = "recovery_codes_renew",
    request_body = ProofBody, security(("token" = [])),
    responses(
        (status = 200, description = "Keep these", body = RecoveryCodesView),
        (status = 404, description = "A token asks, which has no session", body = Problem,
            content_type = "application/problem+json"),
    ),
)]
async fn renew(
    State(api): State<Api>,
    caller: Caller,
    session: Session,
    peer: Option<Extension<Peer>>,
    Body(body): Body<ProofBody>,
) -> Result<Response, Problem> {
    let operator = &session.signed_in.operator;
    let password = body.password.to_secret();
    prove(&api, operator, &password, peer.map(|peer| peer.0)).await?;
    let codes = second_factor::renew_recovery_codes(caller.store(), operator).await?;
    Ok(with_headers(shown(&codes), []))
}

fn shown(codes: &[Secret]) -> RecoveryCodesView {
    RecoveryCodesView {
        recovery_codes: codes.iter().map(SecretText::from).collect(),
    }
}
