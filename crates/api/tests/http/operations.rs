//! The operations of the document, one by one.

use axum::http::Method;
use serde_json::Value as Json;

/// One operation as the document describes it.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: Method,
    /// With its parameters in braces.
    pub(crate) path: String,
    /// `None` when it is open to everybody; no scope when somebody is enough.
    pub(crate) security: Option<Vec<String>>,
}

/// All operations, in the order of the document.
pub(crate) fn all() -> Vec<Operation> {
    let document = api::router::document();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("there are paths") {
        for (method, operation) in item.as_object().expect("a path has operations") {
            operations.push(Operation {
                id: operation["operationId"].as_str().expect(path).to_owned(),
                method: method.to_uppercase().parse().expect("it is a method"),
                path: path.clone(),
                security: scopes(&operation["security"]),
            });
        }
    }
    operations
}

/// The operation of this name.
#[track_caller]
pub(crate) fn named(id: &str) -> Operation {
    let found = all().into_iter().find(|operation| operation.id == id);
    found.unwrap_or_else(|| panic!("{id} is no operation"))
}

/// The scopes that an operation names; the document says `security: []` for none at all.
fn scopes(security: &Json) -> Option<Vec<String>> {
    let who = security.as_array();
    assert!(who.is_some(), "every operation says who may");
    let first = who?.first()?;
    let scopes = first["token"].as_array();
    assert!(scopes.is_some(), "a token is what is asked for");
    let scopes = scopes?;
    Some(
        scopes
            .iter()
            .filter_map(Json::as_str)
            .map(Into::into)
            .collect(),
    )
}

impl Operation {
    pub(crate) fn is_mutation(&self) -> bool {
        !matches!(self.method, Method::GET | Method::HEAD)
    }

    /// The names of its parameters, in order.
    pub(crate) fn parameters(&self) -> Vec<&str> {
        let parts = self.path.split_inclusive(['{', '}']);
        parts.filter_map(|part| part.strip_suffix('}')).collect()
    }

    /// The path with every parameter named by `value`.
    pub(crate) fn path_with(&self, value: impl Fn(&str) -> String) -> String {
        let mut path = String::new();
        for part in self.path.split_inclusive(['{', '}']) {
            match part.strip_suffix('}') {
                Some(name) => path.push_str(&value(name)),
                None => path.push_str(part.trim_end_matches('{')),
            }
        }
        path
    }
}
