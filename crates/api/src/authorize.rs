//! Whether they may: each operation names its scope in the OpenAPI document, and that is the rule.
//!
//! An operation that names none is refused to everybody, so none is open by having been forgotten.

use std::collections::HashMap;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::permission::Scope;
use serde_json::Value as Json;

use crate::principal::Principal;
use crate::problem::Problem;
use crate::state::Api;

/// What an operation needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Nothing: sign-in.
    Public,
    /// Somebody, whoever it is.
    Anybody,
    Scope(Scope),
}

/// What every operation needs, by its path and method.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules(HashMap<String, HashMap<Method, Rule>>);

impl Rules {
    /// Reads the rules out of the document.
    pub(crate) fn read(document: &Json) -> Self {
        let mut rules: HashMap<String, HashMap<Method, Rule>> = HashMap::new();
        let paths = document.get("paths").and_then(Json::as_object);
        for (path, item) in paths.into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes());
                if let (Ok(method), Some(rule)) = (method, find_rule(operation)) {
                    rules.entry(path.clone()).or_default().insert(method, rule);
                }
            }
        }
        Self(rules)
    }

    fn find(&self, path: &str, method: &Method) -> Option<Rule> {
        // HEAD is GET without its body.
        let method = if method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        self.0.get(path)?.get(method).copied()
    }
}

/// `security: []` is public; `[{"token": []}]` is anybody; `[{"token": ["plans:read"]}]` a scope.
fn find_rule(operation: &Json) -> Option<Rule> {
    let security = operation.get("security")?.as_array()?;
    let Some(first) = security.first() else {
        return Some(Rule::Public);
    };
    let scopes = first.get("token")?.as_array()?;
    match scopes.as_slice() {
        [] => Some(Rule::Anybody),
        [scope] => scope.as_str()?.parse().ok().map(Rule::Scope),
        _ => None,
    }
}

pub(crate) async fn permit(State(api): State<Api>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>();
    let rule = path.and_then(|path| api.rules().find(path.as_str(), request.method()));
    let principal = request.extensions().get::<Principal>();
    match (rule, principal) {
        (Some(Rule::Public), _) | (Some(Rule::Anybody), Some(_)) => next.run(request).await,
        (Some(Rule::Scope(scope)), Some(principal)) if principal.scopes.permit(scope) => {
            next.run(request).await
        }
        (Some(Rule::Scope(scope)), Some(_)) => {
            Problem::forbidden(format!("this needs the scope {scope}")).into_response()
        }
        (Some(_) | None, None) => {
            Problem::unauthenticated("send a token as Authorization: Bearer TOKEN").into_response()
        }
        (None, Some(_)) => Problem::forbidden("nobody may do this").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_operation_without_a_readable_rule_has_none() {
        let rule = |security: Json| find_rule(&json!({ "security": security }));
        assert_eq!(rule(json!([])), Some(Rule::Public));
        assert_eq!(rule(json!([{ "token": [] }])), Some(Rule::Anybody));
        let read = "plans:read".parse().map(Rule::Scope).ok();
        assert_eq!(rule(json!([{ "token": ["plans:read"] }])), read);
        assert_eq!(rule(json!([{ "token": ["plans:burn"] }])), None);
        assert_eq!(rule(json!([{ "token": ["plans:read", "nas:read"] }])), None);
        assert_eq!(find_rule(&json!({})), None);
    }
}
