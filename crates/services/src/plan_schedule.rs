//! Makes the changes of plans whose time has come.

use std::time::Duration;

use domain::plan::change::ChangeState;
use storage::error::StoreError;
use storage::plan::schedule::PlanChange;
use storage::store::Store;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

/// How often it is asked what is due.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Wait before the database is tried again.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Works until it is dropped. What became due while nobody worked is made now, in its order.
pub async fn run(store: Store) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(problem) = make_due(&store).await {
            warn!(
                error = &problem as &dyn std::error::Error,
                "Scheduled changes of plans wait for the database"
            );
            tokio::time::sleep(STORE_PAUSE).await;
        }
    }
}

/// Makes what is due, one change after the other, and says how many were settled.
pub async fn make_due(store: &Store) -> Result<usize, StoreError> {
    let mut settled = 0;
    while let Some(change) = store.plan_change_run().await? {
        tell(&change);
        settled += 1;
    }
    Ok(settled)
}

fn tell(change: &PlanChange) {
    let PlanChange { id, plan_name, .. } = change;
    match (change.state, &change.error) {
        (ChangeState::Failed, problem) => warn!(
            change.id = %id,
            plan.name = %plan_name,
            problem = problem.as_deref().unwrap_or_default(),
            "Plan {plan_name} could not be changed as it was scheduled, and is as it was"
        ),
        (ChangeState::Pending | ChangeState::Applied | ChangeState::Cancelled, _) => info!(
            change.id = %id,
            plan.name = %plan_name,
            plan.version = change.version,
            "Changed plan {plan_name} as it was scheduled"
        ),
    }
}
