//! What one row does, to subscribers, routers and plans.

use std::collections::HashMap;

use domain::customer::CustomerNumber;
use domain::id::{PlanId, TenantId};
use domain::name::{Name, Username};
use domain::operation::{RowOutcome, RowProblem, RowResult};
use domain::subscriber::SubscriberStatus;
use domain::subscriber::state::{Cause, StateChange};
use storage::error::StoreError;
use storage::store::Store;
use storage::subscriber::{NewSubscriber, SubscriberSummary};
use storage::subscriber_import::ImportError;

use super::{Change, SubscriberAction, Target, problem_of};
use crate::subscriber_row::{Column, SubscriberRow};

/// Does rows to one tenant in one transaction.
pub(super) struct Hand<'s> {
    store: &'s Store,
    tenant: TenantId,
    plans: HashMap<String, PlanId>,
}

/// Why a row is not done: it is its own fault, or that of the database, which ends all of it.
pub(super) enum Failure {
    Row(RowProblem),
    Store(StoreError),
}

impl<'s> Hand<'s> {
    pub(super) fn new(store: &'s Store, tenant: TenantId) -> Self {
        Self {
            store,
            tenant,
            plans: HashMap::new(),
        }
    }
}

impl Hand<'_> {
    /// Adds many with few statements, if all rows are new subscribers and none of them is wrong.
    pub(super) async fn create_all(
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

    /// Does one row.
    pub(super) async fn one(&mut self, target: &Target) -> Result<RowOutcome, Failure> {
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
            Target::RemoveCustomer(number) => {
                let number = number.trim().parse::<CustomerNumber>();
                let number = number.map_err(|error| invalid("number", error))?;
                self.store.customer_delete(self.tenant, &number).await?;
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
    let parsed = raw.trim().parse::<Name>();
    parsed.map_err(|error| invalid("name", error))
}

fn invalid(field: &str, error: impl std::fmt::Display) -> RowProblem {
    RowProblem {
        code: "invalid".to_owned(),
        field: Some(field.to_owned()),
        detail: error.to_string(),
    }
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
