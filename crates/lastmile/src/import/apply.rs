//! Making it so, in transactions of a few hundred users. What is done stays done: after an
//! interruption the same import finds it here and goes on behind it.

use domain::id::PlanId;
use domain::tenant::RowObedience;
use storage::error::StoreError;
use storage::plan::NewPlan;
use storage::store::Store;
use storage::subscriber_import::ImportError;

use super::TENANT;
use super::survey::{Draft, Survey};

/// Users in one transaction: other writers wait for it.
const BATCH_USERS: usize = 500;

/// Why an import stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "somebody else has added the same meanwhile: run the same command again, and it goes on behind what is done"
    )]
    Meanwhile(#[source] ImportError),
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Applied {
    pub(crate) routers: usize,
    pub(crate) plans: usize,
    pub(crate) subscribers: usize,
    pub(crate) row_groups: usize,
    pub(crate) row_users: usize,
}

/// Makes what was surveyed. `progress` is told how many users are done.
pub(crate) async fn apply(
    store: &Store,
    survey: Survey,
    progress: impl Fn(usize),
) -> Result<Applied, ApplyError> {
    let mut applied = Applied::default();
    for router in survey.routers.new {
        store.nas_insert(router).await?;
        applied.routers += 1;
    }
    let mut plans: Vec<PlanId> = Vec::with_capacity(survey.plans.len());
    for plan in survey.plans {
        let id = match plan.known {
            Some(id) => id,
            None => {
                applied.plans += 1;
                let new = NewPlan {
                    tenant: TENANT,
                    name: plan.name,
                    terms: plan.terms,
                };
                store.plan_insert(new).await?.id
            }
        };
        plans.push(id);
    }
    // Before there is a row, so that none of them is obeyed in another way for a moment.
    if !survey.row_users.is_empty() || !survey.row_groups.is_empty() {
        store
            .tenant_set_rows(TENANT, RowObedience::Compatible)
            .await?;
    }
    for groups in survey.row_groups.chunks(BATCH_USERS) {
        applied.row_groups += store.row_import_groups(groups).await?;
    }
    for users in survey.row_users.chunks(BATCH_USERS) {
        applied.row_users += store.row_import_users(users).await?;
        progress(applied.row_users);
    }
    for drafts in survey.drafts.chunks(BATCH_USERS) {
        let subscriber = |draft: &Draft| draft.subscriber(plans[draft.plan()]);
        let rows = drafts.iter().map(subscriber).collect();
        let imported = store.subscriber_import(TENANT, rows, |_| {}).await;
        applied.subscribers += match imported {
            Ok(report) => report.inserted,
            Err(ImportError::Store(error)) => return Err(error.into()),
            Err(error @ (ImportError::Taken { .. } | ImportError::Repeated { .. })) => {
                return Err(ApplyError::Meanwhile(error));
            }
        };
        progress(applied.row_users + applied.subscribers);
    }
    Ok(applied)
}
