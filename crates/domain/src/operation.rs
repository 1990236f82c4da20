//! Operations: long work that somebody asked for, done in pieces that can be watched and called off.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How far an operation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    /// What it works on is still being taken in.
    Receiving,
    /// It waits for a worker.
    Queued,
    Running,
    /// Every row was looked at; some of them may have failed.
    Succeeded,
    /// It could not go on.
    Failed,
    /// Somebody called it off.
    Cancelled,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    SubscriberBulk,
    SubscriberImport,
    NasBulk,
    PlanBulk,
    CustomerBulk,
}

/// What became of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowOutcome {
    Created,
    Changed,
    Removed,
    /// It was already as it is wanted.
    Unchanged,
    Failed,
    /// It would have gone well, and was undone because another row did not.
    Undone,
}

/// Which field of a row is wrong, why, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowProblem {
    /// Stable, for programs: `not_found`.
    pub code: String,
    pub field: Option<String>,
    pub detail: String,
}

/// What became of one row, to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowResult {
    /// Its place among the rows that were given, from 1; the line of a file.
    pub row: u64,
    /// The user name or the name that it is about, if it could be read.
    pub name: String,
    pub outcome: RowOutcome,
    pub problem: Option<RowProblem>,
}

/// A text that names no state, kind or outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} has no such name")]
pub struct OperationTextError(&'static str);

impl OperationState {
    pub const ALL: [Self; 6] = [
        Self::Receiving,
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more happens.
    pub const fn is_over(self) -> bool {
        match self {
            Self::Receiving | Self::Queued | Self::Running => false,
            Self::Succeeded | Self::Failed | Self::Cancelled => true,
        }
    }
}

impl OperationKind {
    pub const ALL: [Self; 5] = [
        Self::SubscriberBulk,
        Self::SubscriberImport,
        Self::NasBulk,
        Self::PlanBulk,
        Self::CustomerBulk,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SubscriberBulk => "subscriber_bulk",
            Self::SubscriberImport => "subscriber_import",
            Self::NasBulk => "nas_bulk",
            Self::PlanBulk => "plan_bulk",
            Self::CustomerBulk => "customer_bulk",
        }
    }
}

impl RowOutcome {
    const ALL: [Self; 6] = [
        Self::Created,
        Self::Changed,
        Self::Removed,
        Self::Unchanged,
        Self::Failed,
        Self::Undone,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
            Self::Undone => "undone",
        }
    }
}

impl RowResult {
    pub fn is_failed(&self) -> bool {
        self.outcome == RowOutcome::Failed
    }
}

impl FromStr for OperationState {
    type Err = OperationTextError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == raw);
        found.ok_or(OperationTextError("a state of operations"))
    }
}

impl FromStr for OperationKind {
    type Err = OperationTextError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == raw);
        found.ok_or(OperationTextError("a kind of operations"))
    }
}

impl FromStr for RowOutcome {
    type Err = OperationTextError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == raw);
        found.ok_or(OperationTextError("an outcome of rows"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_survives_its_text() {
        for state in OperationState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        for kind in OperationKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        for outcome in RowOutcome::ALL {
            assert_eq!(outcome.as_str().parse(), Ok(outcome));
        }
        assert!("done".parse::<OperationState>().is_err());
    }
}
