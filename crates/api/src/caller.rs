//! Who asks for what, for a handler: the principal, the store on their behalf, and the conditions of
//! the request.

use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use domain::id::TenantId;
use domain::time::Timestamp;
use storage::act::{Act, Claim};
use storage::error::Resource;
use storage::store::Store;
use uuid::Uuid;

use crate::principal::Principal;
use crate::problem::Problem;
use crate::request::RequestId;
use crate::state::Api;

/// The one who asks, and how.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    pub(crate) tenant: TenantId,
    /// Nothing is to be changed, only shown.
    pub(crate) is_rehearsal: bool,
    store: Store,
    lasting: Store,
}

impl Caller {
    /// The store on behalf of the caller. Changes are undone when it is a rehearsal.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The store on behalf of the caller, for what stays also when it is a rehearsal: the record of
    /// a rehearsal that takes its time.
    pub(crate) fn lasting_store(&self) -> &Store {
        &self.lasting
    }

    /// The name of the thing that a path names by its id or its name.
    pub(crate) async fn name_of<N: FromStr>(
        &self,
        what: Resource,
        raw: &str,
    ) -> Result<N, Problem> {
        let name = self.find_name(what, raw).await?;
        name.ok_or_else(|| Problem::not_found(&what.to_string()))
    }

    /// The same for a thing that a body names; none for what cannot be one.
    pub(crate) async fn find_name<N: FromStr>(
        &self,
        what: Resource,
        raw: &str,
    ) -> Result<Option<N>, Problem> {
        if let Ok(id) = Uuid::try_parse(raw)
            && let Some(name) = self.store.name_of(self.tenant, what, id).await?
        {
            return Ok(name.parse().ok());
        }
        Ok(raw.parse().ok())
    }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let principal = parts.extensions.get::<Principal>().cloned();
        let principal = principal.ok_or_else(|| Problem::unauthenticated("this needs a token"))?;
        let request = parts.extensions.get::<RequestId>().map(|id| id.0);
        let act = Act {
            actor: principal.actor.clone(),
            request,
            revision: find_revision(parts)?,
            claim: parts.extensions.get::<Claim>().cloned(),
        };
        let is_rehearsal = is_rehearsal(parts)?;
        let store = api.store()?.acting(act);
        Ok(Self {
            tenant: principal.tenant,
            store: if is_rehearsal {
                store.rehearsal()
            } else {
                store.clone()
            },
            lasting: store,
            principal,
            is_rehearsal,
        })
    }
}

/// Whether nothing is to be changed, only shown; for those who are not known yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rehearsal(pub(crate) bool);

impl FromRequestParts<Api> for Rehearsal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _api: &Api) -> Result<Self, Problem> {
        is_rehearsal(parts).map(Self)
    }
}

/// `dry_run=true` in the query.
pub(crate) fn is_rehearsal(parts: &Parts) -> Result<bool, Problem> {
    let query = parts.uri.query().unwrap_or_default();
    let found = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "dry_run");
    match found.as_ref().map(|(_, value)| value.as_ref()) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Problem::bad_request("dry_run is true or false")),
    }
}

/// The instant that an `If-Match` names, as `ETag` gave it.
fn find_revision(parts: &Parts) -> Result<Option<Timestamp>, Problem> {
    let Some(value) = parts.headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let micros = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let micros = micros.and_then(|micros| micros.parse().ok());
    let micros = micros.ok_or_else(|| {
        Problem::bad_request("If-Match is an ETag as it was given, in its quotes, or *")
    })?;
    Ok(Some(Timestamp::from_micros(micros)))
}
