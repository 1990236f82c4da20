//! Who is signed in, and with what: `/api/v1/session`.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use domain::actor::ActorKind;
use domain::id::{OperatorSessionId, TenantId};
use domain::permission::Role;
use serde::{Deserialize, Serialize};
use services::operator::sign_in::{self, Claimant, Outcome};
use services::operator::{self as people, OperatorError};
use storage::operator::OperatorSummary;
use storage::operator::session::OperatorSession;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::body::{Body, present};
use crate::caller::{Caller, Rehearsal};
use crate::cookie::{self, Session};
use crate::path::Path;
use crate::problem::Problem;
use crate::request::RequestId;
use crate::secret_text::SecretText;
use crate::state::{Api, Peer};

mod second_factor;

/// What somebody shows who wants to sign in.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignInBody {
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    #[schema(value_type = String, format = Password, max_length = 256)]
    password: SecretText,
    /// Of the second factor, or one of the recovery codes.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, required = false, max_length = 64)]
    code: Option<Option<SecretText>>,
}

/// Who asks.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct IdentityView {
    /// `operator` for somebody who is signed in, `api_key` for a token.
    #[schema(value_type = String)]
    kind: ActorKind,
    id: Option<Uuid>,
    name: String,
    #[schema(value_type = Uuid)]
    tenant: TenantId,
    /// Of an operator, if there is one.
    #[schema(value_type = Option<String>)]
    role: Option<&'static str>,
    /// All that is permitted.
    scopes: Vec<String>,
    /// Nothing else is permitted before.
    must_change_password: bool,
    has_second_factor: bool,
    /// Send it as `X-CSRF-Token` with every change.
    csrf_token: Option<String>,
    /// The session itself.
    session: Option<SignInView>,
}

/// A session of an operator.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SignInView {
    #[schema(value_type = Uuid)]
    id: OperatorSessionId,
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    #[schema(value_type = String, format = DateTime)]
    seen_at: String,
    /// When it ends if it is not used again.
    #[schema(value_type = String, format = DateTime)]
    ends_at: String,
    address: String,
    /// What the browser said about itself.
    agent: String,
}

/// Sessions of an operator; there are 20 at most.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SignInsView {
    pub(super) items: Vec<SignInView>,
}

/// The password that takes the place of one's own.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnPasswordBody {
    #[schema(value_type = String, format = Password, max_length = 256)]
    current_password: SecretText,
    /// 10 characters or more, and not among the first that are tried.
    #[schema(value_type = String, format = Password, min_length = 10, max_length = 256)]
    new_password: SecretText,
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(show, sign_in, sign_out))
        .routes(routes!(change_password))
        .routes(routes!(list))
        .routes(routes!(end))
        .merge(second_factor::routes())
}

impl From<OperatorSession> for SignInView {
    fn from(session: OperatorSession) -> Self {
        Self {
            id: session.id,
            created_at: session.created_at.to_string(),
            seen_at: session.seen_at.to_string(),
            ends_at: session.ends_at.to_string(),
            address: session.address,
            agent: session.agent,
        }
    }
}

impl IdentityView {
    fn of_operator(operator: &OperatorSummary, session: Option<&Session>) -> Self {
        Self {
            kind: ActorKind::Operator,
            id: Some(operator.id.as_uuid()),
            name: operator.name.to_string(),
            tenant: operator.tenant,
            role: operator.role.map(Role::as_str),
            scopes: scopes(operator.permitted().iter()),
            must_change_password: operator.must_change_password,
            has_second_factor: operator.has_second_factor,
            csrf_token: session.map(Session::csrf_token),
            session: session.map(|session| session.signed_in.session.clone().into()),
        }
    }
}

fn scopes(scopes: impl Iterator<Item = domain::permission::Scope>) -> Vec<String> {
    scopes.map(|scope| scope.to_string()).collect()
}

/// Sign in
///
/// Gives the browser a cookie. Whether the name, the password or the code was wrong, or whether there
/// were too many attempts, is not said.
#[utoipa::path(
    post, path = "/session", tag = "session", operation_id = "sign_in",
    request_body = SignInBody, security(),
    responses(
        (status = 200, description = "Signed in", body = IdentityView),
        (status = 401, description = "Something was wrong, or a code is needed too", body = Problem,
            content_type = "application/problem+json"),
        (status = 403, description = "The page that asks is not ours", body = Problem,
            content_type = "application/problem+json"),
    ),
)]
async fn sign_in(
    State(api): State<Api>,
    Rehearsal(is_rehearsal): Rehearsal,
    peer: Option<Extension<Peer>>,
    request: Option<Extension<RequestId>>,
    headers: HeaderMap,
    Body(body): Body<SignInBody>,
) -> Result<Response, Problem> {
    cookie::check_origin(&headers)?;
    let agent = headers.get(header::USER_AGENT);
    let agent = agent.and_then(|value| value.to_str().ok());
    let claimant = Claimant {
        // What cannot be a name is nobody's.
        name: body.name.parse().map_err(|_| refused())?,
        password: body.password.to_secret(),
        code: body.code.flatten().map(|code| code.to_secret()),
        address: peer.as_ref().map(|peer| peer.address),
        agent: agent.unwrap_or_default().to_owned(),
        request: request.map(|id| id.0.0),
    };
    let (store, passwords, now) = (api.store()?, api.passwords(), api.now());
    if is_rehearsal {
        let operator = sign_in::rehearse(&store, passwords, &claimant, now).await?;
        let operator = operator.ok_or_else(refused)?;
        return Ok(Json(IdentityView::of_operator(&operator, None)).into_response());
    }
    match sign_in::sign_in(&store, passwords, &claimant, now).await? {
        Outcome::Done { token, signed_in } => {
            let text = SecretText::from(&token.text);
            let cookie = cookie::set(&text, peer.map(|peer| peer.0))?;
            let session = Session::new(*signed_in, text);
            let view = IdentityView::of_operator(&session.signed_in.operator, Some(&session));
            Ok(with_headers(view, [(header::SET_COOKIE, cookie)]))
        }
        Outcome::CodeNeeded => Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "code_needed",
            "send the code of the second factor too, or a recovery code",
        )),
        Outcome::Refused => Err(refused()),
    }
}

/// What everybody hears who is not let in.
fn refused() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "sign_in_failed",
        "the name, the password or the code is wrong, or there were too many attempts: wait a moment \
            and try again",
    )
}

fn with_headers<const N: usize>(
    view: impl Serialize,
    headers: [(HeaderName, HeaderValue); N],
) -> Response {
    let mut response = Json(view).into_response();
    // What is about one's own session is no business of caches.
    let store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, store);
    response.headers_mut().extend(headers);
    response
}

/// Show who asks
#[utoipa::path(
    get, path = "/session", tag = "session", operation_id = "own_session_show",
    security(("token" = [])),
    responses((status = 200, description = "Who asks, and what they may do", body = IdentityView)),
)]
async fn show(caller: Caller, session: Option<Extension<Session>>) -> Response {
    let view = match session {
        Some(Extension(session)) => {
            IdentityView::of_operator(&session.signed_in.operator, Some(&session))
        }
        None => IdentityView {
            kind: caller.principal.actor.kind,
            id: caller.principal.actor.id,
            name: caller.principal.actor.name.clone(),
            tenant: caller.tenant,
            role: None,
            scopes: scopes(caller.principal.scopes.iter()),
            must_change_password: false,
            has_second_factor: false,
            csrf_token: None,
            session: None,
        },
    };
    with_headers(view, [])
}

/// Sign out
#[utoipa::path(
    delete, path = "/session", tag = "session", operation_id = "sign_out",
    security(("token" = [])),
    responses(
        (status = 204, description = "Signed out"),
        (status = 404, description = "A token asks, which has no session", body = Problem,
            content_type = "application/problem+json"),
    ),
)]
async fn sign_out(
    caller: Caller,
    session: Session,
    peer: Option<Extension<Peer>>,
) -> Result<Response, Problem> {
    let operator = &session.signed_in.operator;
    caller
        .store()
        .operator_session_end(
            operator.tenant,
            &operator.name,
            Some(session.signed_in.session.id),
        )
        .await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if !caller.is_rehearsal {
        let cookie = cookie::clear(peer.map(|peer| peer.0))?;
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Change one's own password
///
/// All other sessions of the operator end.
#[utoipa::path(
    put, path = "/session/password", tag = "session", operation_id = "session_password_set",
    request_body = OwnPasswordBody, security(("token" = [])),
    responses(
        (status = 200, description = "Who asks, as before", body = IdentityView),
        (status = 404, description = "A token asks, which has no session", body = Problem,
            content_type = "application/problem+json"),
    ),
)]
async fn change_password(
    State(api): State<Api>,
    caller: Caller,
    session: Session,
    peer: Option<Extension<Peer>>,
    Body(body): Body<OwnPasswordBody>,
) -> Result<Response, Problem> {
    let operator = &session.signed_in.operator;
    let old = body.current_password.to_secret();
    prove(&api, operator, &old, peer.map(|peer| peer.0)).await?;
    let new = body.new_password.to_secret();
    let passwords = (&old, &new);
    let changed = people::change_own_password(
        caller.store(),
        api.passwords(),
        operator,
        passwords,
        session.signed_in.session.id,
    );
    let operator = changed.await.map_err(of_new_password)?;
    let view = IdentityView::of_operator(&operator, Some(&session));
    Ok(with_headers(view, []))
}

/// Proves that somebody who is signed in knows the password, also in a rehearsal.
async fn prove(
    api: &Api,
    operator: &OperatorSummary,
    password: &domain::secret::Secret,
    peer: Option<Peer>,
) -> Result<(), Problem> {
    let from = (password, peer.map(|peer| peer.address));
    Ok(sign_in::prove_password(&api.store()?, api.passwords(), operator, from).await?)
}

fn of_new_password(error: OperatorError) -> Problem {
    match error {
        OperatorError::Weak(weakness) => Problem::field("new_password", weakness.to_string()),
        error @ OperatorError::SamePassword => Problem::field("new_password", error.to_string()),
        error @ (OperatorError::Store(_)
        | OperatorError::Hashing(_)
        | OperatorError::Beyond(_)
        | OperatorError::WrongPassword
        | OperatorError::WrongCode) => error.into(),
    }
}

/// List one's own sessions
#[utoipa::path(
    get, path = "/session/sign-ins", tag = "session", operation_id = "own_session_list",
    security(("token" = [])),
    responses(
        (status = 200, description = "All of them", body = SignInsView),
        (status = 404, description = "A token asks, which has no session", body = Problem,
            content_type = "application/problem+json"),
    ),
)]
async fn list(caller: Caller, session: Session) -> Result<Json<SignInsView>, Problem> {
    let operator = &session.signed_in.operator;
    let sessions = caller
        .store()
        .operator_session_list(operator.tenant, &operator.name)
        .await?;
    let items = sessions.into_iter().map(SignInView::from).collect();
    Ok(Json(SignInsView { items }))
}

/// End one of one's own sessions
#[utoipa::path(
    delete, path = "/session/sign-ins/{session}", tag = "session", operation_id = "session_end",
    params(("session" = Uuid, Path, description = "Id of the session")),
    security(("token" = [])),
    responses((status = 204, description = "It has ended")),
)]
async fn end(
    caller: Caller,
    session: Session,
    Path(ended): Path<String>,
) -> Result<StatusCode, Problem> {
    let ended = ended.parse().map_err(|_| Problem::not_found("session"))?;
    let operator = &session.signed_in.operator;
    caller
        .store()
        .operator_session_end(operator.tenant, &operator.name, Some(ended))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
