//! What a `set` command changes, told field by field.

use std::io;

use serde::Serialize;
use serde_json::Value;

use super::context::Deed;
use crate::output::show_value;

/// The fields that differ, in order.
#[derive(Debug, Default)]
pub(crate) struct Changes(Vec<String>);

impl Changes {
    /// Compares two states of one thing.
    pub(crate) fn between<R: Serialize>(before: &R, after: &R) -> io::Result<Self> {
        let (Value::Object(before), Value::Object(after)) =
            (serde_json::to_value(before)?, serde_json::to_value(after)?)
        else {
            return Ok(Self::default());
        };
        let differing = after
            .iter()
            .filter(|(name, value)| before.get(*name) != Some(value))
            .map(|(name, value)| {
                let old = before.get(name).unwrap_or(&Value::Null);
                format!(
                    "{} {} -> {}",
                    name.replace('_', " "),
                    show_value(name, old),
                    show_value(name, value)
                )
            });
        Ok(Self(differing.collect()))
    }

    /// Adds a field whose values are not shown.
    pub(crate) fn with_hidden<T>(mut self, field: &str, new: Option<&T>) -> Self {
        self.0.extend(new.map(|_| format!("{field} replaced")));
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The deed that a `set` command reports.
    pub(crate) fn deed(&self, what: String) -> Deed<'static> {
        if self.0.is_empty() {
            Deed {
                what,
                verb: "left",
                details: " as it is".to_owned(),
            }
        } else {
            Deed {
                what,
                verb: "changed",
                details: format!(": {}", self.0.join(", ")),
            }
        }
    }
}
