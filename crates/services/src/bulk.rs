//! The same thing done to many: each row can fail by itself, or all of them hold together.

use domain::id::TenantId;
use domain::name::Username;
use domain::operation::{RowOutcome, RowProblem, RowResult};
use domain::subscriber::state::StateChange;
use serde::{Deserialize, Serialize};
use storage::error::StoreError;
use storage::listing::{LIMIT_MAX, ListFailure, ListQuery, MATCHES_MAX};
use storage::store::Store;

use crate::subscriber_row::{Column, SubscriberRow};
use hand::{Failure, Hand};

mod hand;

/// Rows that are done while whoever asks waits for them.
pub const AT_ONCE_MAX: usize = 100;

/// Rows that are done together or not at all.
pub const ATOMIC_MAX: usize = 1_000;

/// Subscribers that a filter may mean.
pub const SELECTED_MAX: usize = 200_000;

/// How often rows are tried that lose against other writers.
pub(crate) const ATTEMPTS_MAX: u32 = 4;

/// One row of what is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its place among all rows, from 1; the line of a file.
    pub row: u64,
    pub what: Target,
}

/// What is to be done, to what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    Subscriber(SubscriberAction, SubscriberRow),
    RemoveNas(String),
    RemovePlan(String),
    /// By number.
    RemoveCustomer(String),
    /// A row that could not be read.
    Unreadable(RowProblem),
}

/// What is done to a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriberAction {
    Create,
    Change,
    /// It is made, or changed if it is there.
    Put,
    Delete,
    Activate,
    SuspendWalled,
    SuspendHard,
    Restore,
    Disable,
    Enable,
}

/// Does rows in one transaction that it commits, or undoes when `is_atomic` and one of them failed.
pub async fn carry_out(
    store: &Store,
    tenant: TenantId,
    (changes, is_atomic): (&[Change], bool),
) -> Result<Vec<RowResult>, StoreError> {
    let mut attempt = 1;
    loop {
        match try_once(store, tenant, (changes, is_atomic)).await {
            Err(error) if error.is_lost_race() && attempt < ATTEMPTS_MAX => attempt += 1,
            outcome => return outcome,
        }
    }
}

async fn try_once(
    store: &Store,
    tenant: TenantId,
    (changes, is_atomic): (&[Change], bool),
) -> Result<Vec<RowResult>, StoreError> {
    let unit = store.unit().await?;
    let mut results = apply(unit.store(), tenant, changes).await?;
    match is_atomic && results.iter().any(RowResult::is_failed) {
        true => undo(&mut results),
        false => unit.commit().await?,
    }
    Ok(results)
}

/// What is said of rows that went well and were undone with the others.
pub(crate) fn undo(results: &mut [RowResult]) {
    for result in results.iter_mut().filter(|result| !result.is_failed()) {
        result.outcome = RowOutcome::Undone;
    }
}

/// Does rows in the transaction of this store.
pub(crate) async fn apply(
    store: &Store,
    tenant: TenantId,
    changes: &[Change],
) -> Result<Vec<RowResult>, StoreError> {
    let mut hand = Hand::new(store, tenant);
    if let Some(results) = hand.create_all(changes).await? {
        return Ok(results);
    }
    let mut results = Vec::with_capacity(changes.len());
    for change in changes {
        let (outcome, problem) = match hand.one(&change.what).await {
            Ok(outcome) => (outcome, None),
            Err(Failure::Row(problem)) => (RowOutcome::Failed, Some(problem)),
            Err(Failure::Store(error)) => match problem_of(&error) {
                Some(problem) => (RowOutcome::Failed, Some(problem)),
                None => return Err(error),
            },
        };
        results.push(RowResult {
            row: change.row,
            name: change.what.name().to_owned(),
            outcome,
            problem,
        });
    }
    Ok(results)
}

/// User names that a filter means now, in its order. A search that finds more than is looked at is
/// refused: nobody means a part of what they name.
pub async fn select(
    store: &Store,
    tenant: TenantId,
    filter: &ListQuery,
) -> Result<Vec<Username>, ListFailure> {
    let too_many = |count, max| StoreError::TooMany {
        what: "subscribers that the filter means",
        name: "bulk".to_owned(),
        count,
        max,
    };
    if filter.search.is_some() {
        let total = store.subscriber_total(tenant, filter).await?;
        if total.is_more {
            return Err(too_many(MATCHES_MAX + 1, MATCHES_MAX).into());
        }
    }
    let mut found: Vec<Username> = Vec::new();
    let mut query = ListQuery {
        limit: LIMIT_MAX,
        ..filter.clone()
    };
    loop {
        let page = store.subscriber_list(tenant, &query).await?;
        found.extend(page.rows.into_iter().map(|row| row.username));
        if SELECTED_MAX < found.len() {
            return Err(too_many(found.len(), SELECTED_MAX).into());
        }
        query.after = page.next;
        if query.after.is_none() {
            return Ok(found);
        }
    }
}

impl Target {
    /// The name that it is about, as it is written.
    pub fn name(&self) -> &str {
        match self {
            Self::Subscriber(_, row) => row.name(),
            Self::RemoveNas(name) | Self::RemovePlan(name) | Self::RemoveCustomer(name) => name,
            Self::Unreadable(_) => "",
        }
    }
}

impl SubscriberAction {
    /// The step of the account's state that it is.
    const fn step(self) -> Option<StateChange> {
        match self {
            Self::Create | Self::Change | Self::Put | Self::Delete => None,
            Self::Activate => Some(StateChange::Activate),
            Self::SuspendWalled => Some(StateChange::SuspendWalled),
            Self::SuspendHard => Some(StateChange::SuspendHard),
            Self::Restore => Some(StateChange::Restore),
            Self::Disable => Some(StateChange::Disable),
            Self::Enable => Some(StateChange::Enable),
        }
    }
}

/// What is told of an error that is the row's own fault; nothing when it ends all of it.
fn problem_of(error: &StoreError) -> Option<RowProblem> {
    let (code, field) = match error {
        StoreError::NotFound { .. } => ("not_found", None),
        StoreError::Conflict { field, .. } => (
            "taken",
            Some(Column::of(*field).map_or(field.as_str(), Column::as_str)),
        ),
        StoreError::Stale { .. } => ("stale", None),
        StoreError::InUse { .. } | StoreError::AppliesAtLimit { .. } => ("in_use", None),
        StoreError::Transition { .. }
        | StoreError::WrongState { .. }
        | StoreError::LastOwner { .. }
        | StoreError::SecondFactor { .. }
        | StoreError::HouseTenant
        | StoreError::OnlyHashed { .. } => ("wrong_state", None),
        StoreError::Garden(_) => ("invalid", Some("garden")),
        StoreError::TooMany { .. } => ("too_many", None),
        StoreError::Corrupt { .. } | StoreError::Sealed { .. } => ("unreadable", None),
        StoreError::Refused(_) if !error.is_outage() => ("refused", None),
        StoreError::Refused(_) | StoreError::Unavailable(_) => return None,
    };
    let source = std::error::Error::source(error);
    Some(RowProblem {
        code: code.to_owned(),
        field: field.map(ToOwned::to_owned),
        detail: match source {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    })
}
