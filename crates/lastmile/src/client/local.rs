//! The interface in this process, over the local database: without sockets, and for the user at the
//! machine, who may do everything.

use std::sync::Arc;
use std::time::Instant;

use api::principal::Principal;
use api::state::ApiOptions;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use domain::actor::Actor;
use domain::id::TenantId;
use domain::permission::{Scope, Scopes};
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use storage::store::Store;
use tower::ServiceExt as _;

use super::call::Call;
use super::error::ClientError;
use super::{ANSWER_BYTES_MAX, Answer, Answered};
use crate::app::App;
use crate::wiring::lint::RowLinter;

/// A command waits for each answer before it asks again, so this is no limit to it.
const REQUESTS_PER_SECOND: u32 = 1_000_000;

/// The interface over an open database.
#[derive(Clone)]
pub(crate) struct Local {
    router: Router,
    principal: Principal,
    base: Url,
}

impl Local {
    /// For `actor`, who is at the machine.
    pub(crate) fn new(app: &App, store: Store, actor: Actor) -> Self {
        let router = api::router::router(ApiOptions {
            store: Arc::new(move || Some(store.clone())),
            clock: Arc::clone(&app.clock),
            requests_per_second: REQUESTS_PER_SECOND,
            rows: Arc::new(RowLinter::new()),
        });
        Self {
            router,
            principal: Principal {
                tenant: TenantId::DEFAULT,
                actor,
                scopes: Scope::all().collect::<Scopes>(),
            },
            base: Url::parse("local:///").expect("this is an address"),
        }
    }

    pub(super) async fn carry_out(
        &self,
        call: &Call,
        watch: impl Fn(&Answered<'_>),
    ) -> Result<Answer, ClientError> {
        let url = call.url(&self.base);
        let begun = Instant::now();
        let outcome = self.answer(call, &url).await;
        watch(&Answered {
            method: call.method(),
            url: &url,
            begun,
            outcome: outcome.as_ref(),
        });
        outcome
    }

    async fn answer(&self, call: &Call, url: &Url) -> Result<Answer, ClientError> {
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let body = call.body();
        let has_body = body.is_some();
        let mut request = Request::new(body.map_or_else(Body::empty, Body::from));
        *request.method_mut() = call.method().clone();
        *request.uri_mut() = path.parse().expect("an address was made of it already");
        if has_body {
            let kind = HeaderValue::from_static("application/json");
            request.headers_mut().insert(CONTENT_TYPE, kind);
        }
        request.extensions_mut().insert(self.principal.clone());
        let Ok(response) = self.router.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, ANSWER_BYTES_MAX).await;
        let body = body.map_err(|_| ClientError::TooLarge {
            place: "this program".to_owned(),
            most: ANSWER_BYTES_MAX,
        })?;
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.into(),
        })
    }
}
