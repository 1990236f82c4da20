//! What a `set` command does: rehearsed first, told field by field, then done.

use std::io;

use serde_json::Value;
use storage::error::UniqueField;
use storage::store::Store;

use super::context::{Context, Deed, DryRun};
use super::error::CliError;
use crate::client::Client;
use crate::output::{Record, show_value};

/// Changes with every change, so it is none by itself.
const TIME_OF_CHANGE: &str = "updated_at";

/// A thing that a command is about to change.
pub(crate) struct Change<R> {
    /// What it is called.
    pub(crate) what: String,
    /// How it stands.
    pub(crate) before: R,
    /// A field that gets a new value which is not shown.
    pub(crate) hidden: Option<&'static str>,
}

/// Where a change is made, and can be rehearsed.
pub(crate) trait Rehearse {
    /// The same, where nothing is changed.
    fn rehearsal(&self) -> Self;
}

/// The fields that differ, in order.
#[derive(Debug, Default)]
struct Differences(Vec<String>);

impl Rehearse for Store {
    fn rehearsal(&self) -> Self {
        self.rehearsal()
    }
}

impl Rehearse for Client {
    fn rehearsal(&self) -> Self {
        self.rehearsal()
    }
}

impl<R: Record> Change<R> {
    /// Has `update` change it, unless that is a dry run or would change nothing.
    pub(crate) async fn make<P: Rehearse>(
        self,
        context: &mut Context,
        dry_run: DryRun,
        place: &P,
        update: impl AsyncFn(&P) -> Result<R, CliError>,
    ) -> Result<(), CliError> {
        let rehearsed = update(&place.rehearsal()).await.map_err(of_set)?;
        let mut differences = Differences::between(&self.before, &rehearsed)?;
        differences
            .0
            .extend(self.hidden.map(|field| format!("{field} replaced")));
        let after = if differences.0.is_empty() {
            self.before
        } else if dry_run.is_dry {
            rehearsed
        } else {
            update(place).await.map_err(of_set)?
        };
        Ok(context.report(dry_run, &differences.deed(self.what), &after)?)
    }
}

/// The names of the fields that differ between two states of one thing.
pub(crate) fn differing_fields<R: Record>(before: &R, after: &R) -> Vec<String> {
    let (Ok(Value::Object(before)), Ok(Value::Object(after))) =
        (serde_json::to_value(before), serde_json::to_value(after))
    else {
        return Vec::new();
    };
    let differing = after.iter().filter(|(name, value)| {
        name.as_str() != TIME_OF_CHANGE && before.get(*name) != Some(value)
    });
    differing.map(|(name, _)| name.clone()).collect()
}

impl Differences {
    /// Compares two states of one thing.
    fn between<R: Record>(before: &R, after: &R) -> io::Result<Self> {
        let (Value::Object(before), Value::Object(after)) =
            (serde_json::to_value(before)?, serde_json::to_value(after)?)
        else {
            return Ok(Self::default());
        };
        let differing = after
            .iter()
            .filter(|(name, value)| {
                name.as_str() != TIME_OF_CHANGE && before.get(*name) != Some(value)
            })
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

    fn deed(&self, what: String) -> Deed<'static> {
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

/// The name that a `set` command gives comes from another option than that of `add`.
fn of_set(error: CliError) -> CliError {
    if let CliError::Answered { told, request } = error {
        let told = Box::new(of_set(*told));
        return CliError::Answered { told, request };
    }
    if let CliError::Conflict {
        what,
        field: field @ UniqueField::Name,
        ..
    } = error
    {
        return CliError::Conflict {
            option: "--rename",
            what,
            field,
        };
    }
    error
}
