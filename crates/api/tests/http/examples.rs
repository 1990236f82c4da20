//! One good request for every mutation, and what has to be there before it. A new mutation without one
//! fails the tests; it belongs in the room of its noun.

use serde_json::Value as Json;

use crate::fixture::{Ask, World};
use crate::operations::{self, Operation};

mod customers;
mod nas;
mod nas_groups;
mod people;
mod plans;
mod policy;
mod rows;
pub(crate) mod sessions;
mod subscribers;
mod webhooks;
pub(crate) mod work;

/// A request that succeeds.
pub(crate) struct Example {
    pub(crate) operation: &'static str,
    /// What is sent before, under the name by which its answer is called.
    pub(crate) before: Vec<(&'static str, Step)>,
    pub(crate) path: Vec<(&'static str, &'static str)>,
    pub(crate) body: Option<Json>,
}

/// A request before an example.
pub(crate) struct Step {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) body: Option<Json>,
}

/// Mutations for which not everything holds, and why.
pub(crate) const EXEMPT: [(&str, &str); 13] = [
    ("sign_in", BROWSER),
    ("sign_out", BROWSER),
    ("session_password_set", BROWSER),
    ("session_end", BROWSER),
    ("operator_session_end", BROWSER),
    ("second_factor_propose", BROWSER),
    ("second_factor_confirm", BROWSER),
    ("second_factor_disable", BROWSER),
    ("recovery_codes_renew", BROWSER),
    (
        "secret_reveal",
        "what it shows is made by the tests of secrets",
    ),
    ("row_lint", "it only looks"),
    (
        "subscriber_import",
        "its body is a file: the room `files` tries it",
    ),
    (
        "explain",
        "it changes nothing: it has a body because a password is no parameter",
    ),
];

const BROWSER: &str = "it is about a session with a cookie, which the tests of sign-in have";

/// Puts there what no request can.
pub(crate) async fn furnish(world: &World) {
    work::furnish(&world.store).await;
    sessions::furnish(&world.store).await;
    world.populate().await;
}

pub(crate) fn all() -> Vec<Example> {
    [
        nas_groups::all(),
        nas::all(),
        plans::all(),
        policy::all(),
        rows::all(),
        people::all(),
        sessions::all(),
        webhooks::all(),
        work::all(),
        customers::all(),
        subscribers::all(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Requests that look at what no mutation names.
pub(crate) fn looks() -> Vec<Example> {
    sessions::looks()
}

pub(crate) fn example(operation: &'static str) -> Example {
    Example {
        operation,
        before: Vec::new(),
        path: Vec::new(),
        body: None,
    }
}

pub(crate) fn post(path: &str, body: Json) -> Step {
    Step {
        method: "POST",
        path: path.to_owned(),
        body: Some(body),
    }
}

pub(crate) fn put(path: &str, body: Json) -> Step {
    Step {
        method: "PUT",
        ..post(path, body)
    }
}

impl Example {
    /// Sends what has to be there before, and gives what its answers are called.
    pub(crate) async fn prepare(&self, world: &World) -> Vec<(String, Json)> {
        let mut values: Vec<(String, Json)> = Vec::new();
        for (name, step) in &self.before {
            let path = filled(&step.path, &values);
            let body = step.body.as_ref().map(|body| filled_json(body, &values));
            let ask = Ask::new(step.method.parse().unwrap(), &path).with_body(body);
            let answer = world.send(ask).await;
            let (status, json) = (answer.status, answer.json);
            assert!(
                status.is_success(),
                "{path} before {}: {json}",
                self.operation
            );
            values.push(((*name).to_owned(), json));
        }
        values
    }

    /// The request itself.
    pub(crate) fn ask(&self, values: &[(String, Json)]) -> Ask {
        let path = self.path_of(&operations::named(self.operation), values);
        let body = self.body.as_ref().map(|body| filled_json(body, values));
        Ask::new(operations::named(self.operation).method, &path).with_body(body)
    }

    /// The path of an operation, with the parameters of this example.
    pub(crate) fn path_of(&self, operation: &Operation, values: &[(String, Json)]) -> String {
        operation.path_with(|name| {
            let found = self.path.iter().find(|(known, _)| *known == name);
            let (_, value) = found.unwrap_or_else(|| panic!("{} of {}", name, operation.id));
            filled(value, values)
        })
    }

    /// The same with nothing where the first parameter names something.
    pub(crate) fn path_without(
        &self,
        operation: &Operation,
        values: &[(String, Json)],
        absent: &str,
    ) -> String {
        let first = operation.parameters()[0].to_owned();
        operation.path_with(|name| {
            let found = self.path.iter().find(|(known, _)| *known == name);
            let (_, value) = found.unwrap_or_else(|| panic!("{} of {}", name, operation.id));
            if name == first {
                absent.to_owned()
            } else {
                filled(value, values)
            }
        })
    }

    /// Whether the body names something that was made before.
    pub(crate) fn has_reference(&self) -> bool {
        let text = self.body.as_ref().map(ToString::to_string);
        text.is_some_and(|text| text.contains(".id>"))
    }

    pub(crate) fn after(mut self, name: &'static str, step: Step) -> Self {
        self.before.push((name, step));
        self
    }

    pub(crate) fn at(mut self, parameter: &'static str, value: &'static str) -> Self {
        self.path.push((parameter, value));
        self
    }

    pub(crate) fn body(mut self, body: Json) -> Self {
        self.body = Some(body);
        self
    }
}

fn filled_json(body: &Json, values: &[(String, Json)]) -> Json {
    serde_json::from_str(&filled(&body.to_string(), values)).unwrap()
}

/// `<name.member>` stands for a member of the answer that is called so, `<name.items.0.id>` for one
/// that lies deeper.
fn filled(text: &str, values: &[(String, Json)]) -> String {
    let mut text = text.to_owned();
    for (name, answer) in values {
        for (path, value) in leaves(answer) {
            text = text.replace(&format!("<{name}{path}>"), &value);
        }
    }
    text
}

/// The values of an answer, each with the way to it.
fn leaves(answer: &Json) -> Vec<(String, String)> {
    let deeper = |key: String, value: &Json| {
        let below = leaves(value).into_iter();
        let below = below.map(move |(path, value)| (format!(".{key}{path}"), value));
        below.collect::<Vec<_>>()
    };
    match answer {
        Json::Object(members) => members
            .iter()
            .flat_map(|(name, value)| deeper(name.clone(), value))
            .collect(),
        Json::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(index, value)| deeper(index.to_string(), value))
            .collect(),
        Json::String(text) => vec![(String::new(), text.clone())],
        Json::Null | Json::Bool(_) | Json::Number(_) => vec![(String::new(), answer.to_string())],
    }
}
