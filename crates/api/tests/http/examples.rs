//! One good request for every mutation, and what has to be there before it. A new mutation without one
//! fails the tests.

use serde_json::{Value as Json, json};

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
pub(crate) const EXEMPT: [(&str, &str); 0] = [];

pub(crate) fn all() -> Vec<Example> {
    [nas_groups()].into_iter().flatten().collect()
}

fn nas_groups() -> Vec<Example> {
    vec![
        example("nas_group_create").body(json!({ "name": "of-create" })),
        example("nas_group_remove")
            .after("group", post("/api/v1/nas-groups", json!({ "name": "of-remove" })))
            .at("group", "<group.id>"),
    ]
}

fn example(operation: &'static str) -> Example {
    Example {
        operation,
        before: Vec::new(),
        path: Vec::new(),
        body: None,
    }
}

fn post(path: &str, body: Json) -> Step {
    Step {
        method: "POST",
        path: path.to_owned(),
        body: Some(body),
    }
}

impl Example {
    fn after(mut self, name: &'static str, step: Step) -> Self {
        self.before.push((name, step));
        self
    }

    fn at(mut self, parameter: &'static str, value: &'static str) -> Self {
        self.path.push((parameter, value));
        self
    }

    fn body(mut self, body: Json) -> Self {
        self.body = Some(body);
        self
    }
}
