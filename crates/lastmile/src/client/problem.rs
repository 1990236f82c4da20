//! A refusal of the interface (RFC 9457), as it came back.

use std::fmt;

use serde::Deserialize;

use super::Answer;

/// What was refused, and why.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) detail: String,
    #[serde(default)]
    pub(crate) errors: Vec<FieldProblem>,
    /// Under which the server has it in its log.
    pub(crate) request_id: Option<String>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct FieldProblem {
    pub(crate) field: String,
    pub(crate) detail: String,
}

impl Problem {
    /// Reads an answer as a problem, if it is one.
    pub(super) fn read(answer: &Answer) -> Option<Self> {
        serde_json::from_slice(&answer.body).ok()
    }

    pub(crate) fn is_not_found(&self) -> bool {
        self.code == "not_found"
    }

    /// The kind of thing that is not there, as [`storage::error::Resource`] calls it.
    pub(crate) fn absent(&self) -> Option<&str> {
        self.detail.strip_prefix("there is no such ")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.detail)
    }
}
