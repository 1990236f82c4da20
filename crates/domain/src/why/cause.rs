//! One cause, and how causes are ranked.

use serde::Serialize;

use crate::time::Timestamp;

/// How much a cause explains, the most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// With this nobody comes in now.
    Refuses,
    /// This kept them out when they last tried, or ended their session.
    Likely,
    /// They come in, and get less than they expect.
    Hinders,
    /// This happened, and may be over.
    Lately,
    /// This may have to do with it.
    Perhaps,
    /// This is how things are.
    Remark,
}

/// Something that explains, and what would help.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// A stable name for scripts; that of a refusal is the code of its reason.
    pub code: String,
    pub weight: Weight,
    pub sentence: String,
    pub remedy: Option<String>,
    /// Since when it has been so, or when it happened.
    pub since: Option<Timestamp>,
    /// When it is over by itself.
    pub until: Option<Timestamp>,
    /// The router that it is about.
    pub nas: Option<String>,
}

/// Causes in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Causes(Vec<Cause>);

impl Cause {
    pub(super) fn new(code: &str, weight: Weight, sentence: String) -> Self {
        Self {
            code: code.to_owned(),
            weight,
            sentence,
            remedy: None,
            since: None,
            until: None,
            nas: None,
        }
    }
}

impl Causes {
    pub(super) fn push(&mut self, cause: Cause) {
        self.0.push(cause);
    }

    pub(super) fn extend(&mut self, causes: impl IntoIterator<Item = Cause>) {
        self.0.extend(causes);
    }

    /// By weight; of one weight, what was found first.
    pub(super) fn ranked(mut self) -> Vec<Cause> {
        self.0.sort_by_key(|cause| cause.weight);
        self.0
    }
}
