//! One good request for every mutation, and what has to be there before it. A new mutation without one
//! fails the tests; it belongs in the room of its noun.

use serde_json::Value as Json;

mod customers;
mod nas_groups;
mod subscribers;

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
    [nas_groups::all(), customers::all(), subscribers::all()].into_iter().flatten().collect()
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

impl Example {
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
