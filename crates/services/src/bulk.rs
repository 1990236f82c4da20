//! The same thing done to many: each row can fail by itself, or all of them hold together.

use std::collections::HashMap;

use domain::id::{PlanId, TenantId};
use domain::name::{Name, Username};
use domain::operation::{RowOutcome, RowProblem, RowResult};
use domain::subscriber::SubscriberStatus;
use domain::subscriber::state::{Cause, StateChange};
use serde::{Deserialize, Serialize};
use storage::error::StoreError;
use storage::page::Page;
use storage::store::Store;
use storage::subscriber::{NewSubscriber, SubscriberFilter, SubscriberSummary};
use storage::subscriber_import::ImportError;

use crate::subscriber_row::{Column, SubscriberRow};

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

/// Does rows to one tenant in one transaction.
struct Hand<'s> {
    store: &'s Store,
    tenant: TenantId,
    plans: HashMap<String, PlanId>,
}

/// Why a row is not done: it is its own fault, or that of the database, which ends all of it.
enum Failure {
    Row(RowProblem),
    Store(StoreError),
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
    let mut hand = Hand {
        store,
        tenant,
        plans: HashMap::new(),
    };
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

/// User names that a filter means now, in their order.
pub async fn select(
    store: &Store,
    tenant: TenantId,
    filter: &SubscriberFilter,
) -> Result<Vec<Username>, StoreError> {
    let mut found: Vec<Username> = Vec::new();
    let mut page = Page::first(Page::<()>::LIMIT_MAX);
    loop {
        let rows = store.subscriber_list(tenant, filter, &page).await?;
        let is_last = rows.len() < page.limit() as usize;
        page.after = rows.last().map(|row| row.username.clone());
        found.extend(rows.into_iter().map(|row| row.username));
        if SELECTED_MAX < found.len() {
            return Err(StoreError::TooMany {
                what: "subscribers that the filter means",
                name: "bulk".to_owned(),
                count: found.len(),
                max: SELECTED_MAX,
            });
        }
        if is_last {
            return Ok(found);
        }
    }
}

impl Target {
    /// The name that it is about, as it is written.
    pub fn name(&self) -> &str {
        match self {
            Self::Subscriber(_, row) => row.name(),
            Self::RemoveNas(name) | Self::RemovePlan(name) => name,
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

impl Hand<'_> {
    /// Adds many with few statements, if all rows are new subscribers and none of them is wrong.
    async fn create_all(
        &mut self,
        changes: &[Change],
    ) -> Result<Option<Vec<RowResult>>, StoreError> {
        let mut new: Vec<NewSubscriber> = Vec::with_capacity(changes.len());
        for change in changes {
            let Target::Subscriber(SubscriberAction::Create, row) = &change.what else {
                return Ok(None);
            };
            match self.new_subscriber(row).await {
                Ok(subscriber) => new.push(subscriber),
                Err(Failure::Row(_)) => return Ok(None),
                Err(Failure::Store(error)) => return Err(error),
            }
        }
        let created = |change: &Change| RowResult {
            row: change.row,
            name: change.what.name().to_owned(),
            outcome: RowOutcome::Created,
            problem: None,
        };
        match self.store.subscriber_import(self.tenant, new, |_| {}).await {
            Ok(_) => Ok(Some(changes.iter().map(created).collect())),
            Err(ImportError::Taken { .. } | ImportError::Repeated { .. }) => Ok(None),
            Err(ImportError::Store(error)) => match problem_of(&error) {
                Some(_) => Ok(None),
                None => Err(error),
            },
        }
    }

    async fn one(&mut self, target: &Target) -> Result<RowOutcome, Failure> {
        match target {
            Target::Subscriber(action, row) => self.subscriber(*action, row).await,
            Target::RemoveNas(name) => {
                let name = parsed_name(name)?;
                self.store.nas_delete(self.tenant, &name).await?;
                Ok(RowOutcome::Removed)
            }
            Target::RemovePlan(name) => {
                let name = parsed_name(name)?;
                self.store.plan_delete(self.tenant, &name).await?;
                Ok(RowOutcome::Removed)
            }
            Target::Unreadable(problem) => Err(Failure::Row(problem.clone())),
        }
    }

    async fn subscriber(
        &mut self,
        action: SubscriberAction,
        row: &SubscriberRow,
    ) -> Result<RowOutcome, Failure> {
        let username = row.username()?;
        if let Some(step) = action.step() {
            let before = self.known(&username).await?;
            return self.step(&username, (step, before.status)).await;
        }
        match action {
            SubscriberAction::Create => {
                let new = self.new_subscriber(row).await?;
                self.store.subscriber_insert(new).await?;
                Ok(RowOutcome::Created)
            }
            SubscriberAction::Delete => {
                self.store.subscriber_delete(self.tenant, &username).await?;
                Ok(RowOutcome::Removed)
            }
            SubscriberAction::Put => {
                let known = self.store.subscriber_find(self.tenant, &username).await?;
                match known {
                    Some(_) => self.change(&username, row).await,
                    None => {
                        let new = self.new_subscriber(row).await?;
                        self.store.subscriber_insert(new).await?;
                        Ok(RowOutcome::Created)
                    }
                }
            }
            SubscriberAction::Change
            | SubscriberAction::Activate
            | SubscriberAction::SuspendWalled
            | SubscriberAction::SuspendHard
            | SubscriberAction::Restore
            | SubscriberAction::Disable
            | SubscriberAction::Enable => self.change(&username, row).await,
        }
    }

    /// Changes what the row has, and then how the account stands.
    async fn change(
        &mut self,
        username: &Username,
        row: &SubscriberRow,
    ) -> Result<RowOutcome, Failure> {
        let plan = match row.plan()? {
            Some(name) => Some(self.plan(&name).await?),
            None => None,
        };
        let patch = row.patch(plan)?;
        let status = row.status()?;
        if status.is_none() && !row.has_terms() {
            return Err(Failure::Row(RowProblem {
                code: "invalid".to_owned(),
                field: None,
                detail: "nothing is to change: name a field".to_owned(),
            }));
        }
        let mut outcome = RowOutcome::Unchanged;
        if row.has_terms() {
            self.store
                .subscriber_update(self.tenant, username, patch)
                .await?;
            outcome = RowOutcome::Changed;
        }
        if let Some(wanted) = status {
            let before = self.known(username).await?;
            if let Some(step) = step_to(wanted, before.status)? {
                self.step(username, (step, before.status)).await?;
                outcome = RowOutcome::Changed;
            }
        }
        Ok(outcome)
    }

    async fn step(
        &self,
        username: &Username,
        (step, before): (StateChange, SubscriberStatus),
    ) -> Result<RowOutcome, Failure> {
        let after = self
            .store
            .subscriber_transition(self.tenant, username, step, Cause::Operator)
            .await?;
        Ok(match after.status == before {
            true => RowOutcome::Unchanged,
            false => RowOutcome::Changed,
        })
    }

    async fn known(&self, username: &Username) -> Result<SubscriberSummary, Failure> {
        let known = self.store.subscriber_find(self.tenant, username).await?;
        known.ok_or_else(|| {
            Failure::Row(RowProblem {
                code: "not_found".to_owned(),
                field: Some(Column::Username.as_str().to_owned()),
                detail: format!("there is no subscriber '{username}'"),
            })
        })
    }

    async fn new_subscriber(&mut self, row: &SubscriberRow) -> Result<NewSubscriber, Failure> {
        let name = row.required_plan()?;
        let plan = self.plan(&name).await?;
        Ok(row.new_subscriber(self.tenant, plan)?)
    }

    /// The plan of a name, looked up once.
    async fn plan(&mut self, name: &Name) -> Result<PlanId, Failure> {
        if let Some(id) = self.plans.get(name.key()) {
            return Ok(*id);
        }
        let found = self.store.plan_find(self.tenant, name).await?;
        let found = found.ok_or_else(|| {
            Failure::Row(RowProblem {
                code: "not_found".to_owned(),
                field: Some(Column::Plan.as_str().to_owned()),
                detail: format!("there is no plan '{name}': GET /api/v1/plans shows them"),
            })
        })?;
        self.plans.insert(name.key().to_owned(), found.id);
        Ok(found.id)
    }
}

/// The step that leads from one status to another.
fn step_to(
    wanted: SubscriberStatus,
    now: SubscriberStatus,
) -> Result<Option<StateChange>, RowProblem> {
    if wanted == now {
        return Ok(None);
    }
    match (wanted, now) {
        (SubscriberStatus::Active, SubscriberStatus::Pending) => Ok(Some(StateChange::Activate)),
        (SubscriberStatus::Active, SubscriberStatus::Disabled) => Ok(Some(StateChange::Enable)),
        (SubscriberStatus::Active, _) => Ok(Some(StateChange::Restore)),
        (SubscriberStatus::Disabled, _) => Ok(Some(StateChange::Disable)),
        (SubscriberStatus::SuspendedWalled, _) => Ok(Some(StateChange::SuspendWalled)),
        (SubscriberStatus::SuspendedHard, _) => Ok(Some(StateChange::SuspendHard)),
        (SubscriberStatus::Pending, _) => {
            Err(Column::Status.wrong("only a new subscriber is pending"))
        }
    }
}

fn parsed_name(raw: &str) -> Result<Name, RowProblem> {
    raw.trim().parse::<Name>().map_err(|error| RowProblem {
        code: "invalid".to_owned(),
        field: Some("name".to_owned()),
        detail: error.to_string(),
    })
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
        | StoreError::NotPending { .. } => ("wrong_state", None),
        StoreError::Garden(_) => ("invalid", Some("garden")),
        StoreError::LastOwner { .. }
        | StoreError::SecondFactor { .. }
        | StoreError::HouseTenant
        | StoreError::OnlyHashed { .. } => ("wrong_state", None),
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

impl From<RowProblem> for Failure {
    fn from(problem: RowProblem) -> Self {
        Self::Row(problem)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
