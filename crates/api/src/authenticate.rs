//! Who asks: what a request shows becomes a principal, or the request ends here.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::actor::{Actor, ActorKind};
use domain::id::TenantId;
use domain::permission::{Access, Area, Scope};
use services::api_key::{self, Shown};
use services::operator::session;
use storage::operator::OperatorSummary;
use storage::store::Store;
use storage::tenant::TenantReference;
use uuid::Uuid;

use crate::cookie::{self, Session};
use crate::event::socket;
use crate::principal::Principal;
use crate::problem::Problem;
use crate::secret_text::SecretText;
use crate::state::{Api, Peer};

/// Names the tenant that the provider of the installation acts for.
const TENANT_HEADER: &str = "lastmile-tenant";

/// What somebody may ask who has to change the password first.
const OWN_SESSION: &str = "/api/v1/session";

/// Puts the principal of a request beside it. A request that shows nothing goes on without one, and
/// is refused where one is needed.
pub(crate) async fn identify(State(api): State<Api>, request: Request, next: Next) -> Response {
    // The program itself may have put one there.
    if request.extensions().get::<Principal>().is_some() {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    match find(&api, &mut parts).await {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(problem) => problem.into_response(),
    }
}

/// Whether who asked may still ask as then: the key was not revoked, the session not ended, and what
/// they may is the same. While the database is away nothing speaks against it.
pub(crate) async fn holds(api: &Api, asked: &Parts) -> bool {
    let (mut again, ()) = Request::new(()).into_parts();
    again.method.clone_from(&asked.method);
    again.uri.clone_from(&asked.uri);
    again.headers.clone_from(&asked.headers);
    if let Some(peer) = asked.extensions.get::<Peer>() {
        again.extensions.insert(*peer);
    }
    match find(api, &mut again).await {
        Ok(()) => again.extensions.get::<Principal>() == asked.extensions.get::<Principal>(),
        Err(problem) => StatusCode::SERVICE_UNAVAILABLE.as_u16() == problem.status,
    }
}

/// Looks for a token, and without one for the cookie of a browser.
async fn find(api: &Api, parts: &mut Parts) -> Result<(), Problem> {
    let from = parts.extensions.get::<Peer>().map(|peer| peer.address);
    let headers = &parts.headers;
    let principal = if let Some(token) = bearer(headers)? {
        of_key(api, &token, from).await?
    } else if let Some(token) = cookie::token_of(headers) {
        let Some(session) = of_cookie(api, parts, token).await? else {
            return Ok(());
        };
        let principal = of_operator(&session.signed_in.operator);
        parts.extensions.insert(session);
        principal
    } else {
        return Ok(());
    };
    let principal = acting_for(api, &parts.headers, principal).await?;
    parts.extensions.insert(principal);
    Ok(())
}

fn bearer(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        // Where a browser cannot set headers.
        return Ok(socket::find_token(headers).map(ToOwned::to_owned));
    };
    let text = value.to_str().unwrap_or_default();
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            Ok(Some(token.trim().to_owned()))
        }
        Some(_) | None => Err(Problem::unauthenticated(
            "send the token as Authorization: Bearer TOKEN",
        )),
    }
}

async fn of_key(api: &Api, token: &str, from: Option<IpAddr>) -> Result<Principal, Problem> {
    let store = api.store()?;
    match api_key::recognise(&store, token, from, api.now()).await? {
        Shown::Good(key) => Ok(Principal {
            tenant: key.tenant,
            scopes: key.permitted(),
            actor: Actor {
                kind: ActorKind::ApiKey,
                id: Some(key.id.as_uuid()),
                name: key.name.to_string(),
            },
        }),
        Shown::Unknown => Err(Problem::unauthenticated(
            "the token is unknown, has expired or was revoked",
        )),
        Shown::WrongNetwork => Err(Problem::forbidden(
            "the token may not be used from this address",
        )),
    }
}

/// The session of a cookie. One that is over is as none: who signs in again needs no token for it.
async fn of_cookie(
    api: &Api,
    parts: &Parts,
    token: SecretText,
) -> Result<Option<Session>, Problem> {
    let store = api.store()?;
    let Some(signed_in) = session::recognise(&store, token.expose()).await? else {
        return Ok(None);
    };
    let rest = parts.uri.path().strip_prefix(OWN_SESSION);
    let is_own = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    // Who signs in anew has no page that knows the session.
    if !is_sign_in(parts) {
        cookie::check(&parts.method, &parts.headers, &token)?;
    }
    if signed_in.operator.must_change_password && !is_own {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "password_change_required",
            "this password was for one sign-in: change it with PUT /api/v1/session/password",
        ));
    }
    Ok(Some(Session::new(signed_in, token)))
}

fn is_sign_in(parts: &Parts) -> bool {
    parts.method == Method::POST && parts.uri.path() == OWN_SESSION
}

fn of_operator(operator: &OperatorSummary) -> Principal {
    Principal {
        tenant: operator.tenant,
        scopes: operator.permitted(),
        actor: actor(operator),
    }
}

/// An operator as the audit log names it.
fn actor(operator: &OperatorSummary) -> Actor {
    Actor {
        kind: ActorKind::Operator,
        id: Some(operator.id.as_uuid()),
        name: operator.name.to_string(),
    }
}

/// Who may change tenants may act for each of them. Everybody else hears what is heard of a tenant
/// that there is not.
async fn acting_for(
    api: &Api,
    headers: &HeaderMap,
    principal: Principal,
) -> Result<Principal, Problem> {
    let Some(value) = headers.get(TENANT_HEADER) else {
        return Ok(principal);
    };
    let found = referred(&api.store()?, value.to_str().unwrap_or_default()).await?;
    let is_of_house = principal.tenant == TenantId::DEFAULT
        && principal
            .scopes
            .permit(Scope::To(Area::Tenants, Access::Write));
    match found {
        Some(tenant) if is_of_house || tenant == principal.tenant => Ok(Principal {
            tenant,
            ..principal
        }),
        Some(_) | None => Err(Problem::not_found("tenant")),
    }
}

/// The tenant with this id or name.
async fn referred(store: &Store, raw: &str) -> Result<Option<TenantId>, Problem> {
    let by_id = Uuid::try_parse(raw).map(|id| TenantReference::Id(TenantId::from_uuid(id)));
    let by_name = || raw.parse().map(TenantReference::Name);
    let Ok(reference) = by_id.or_else(|_| by_name()) else {
        return Ok(None);
    };
    let found = store.tenant_referred(&reference).await?;
    Ok(found.map(|tenant| tenant.id))
}
