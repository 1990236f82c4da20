//! Who asks: what a request shows becomes a principal, or the request ends here.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::actor::{Actor, ActorKind};
use services::api_key::{self, Shown};

use crate::principal::Principal;
use crate::problem::Problem;
use crate::state::{Api, Peer};

/// Puts the principal of a request beside it. A request that shows nothing goes on without one, and
/// is refused where one is needed.
pub(crate) async fn identify(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    // The program itself may have put one there.
    if request.extensions().get::<Principal>().is_some() {
        return next.run(request).await;
    }
    let from = request.extensions().get::<Peer>().map(|peer| peer.address);
    let token = match bearer(request.headers()) {
        Ok(token) => token,
        Err(problem) => return problem.into_response(),
    };
    if let Some(token) = token {
        match of_key(&api, &token, from).await {
            Ok(principal) => request.extensions_mut().insert(principal),
            Err(problem) => return problem.into_response(),
        };
    }
    next.run(request).await
}

fn bearer(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
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
