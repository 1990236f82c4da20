//! Carries operations out: takes one, does its parts, each in one transaction with what became of it.

use std::time::{Duration, Instant};

use domain::operation::RowResult;
use storage::act::Act;
use storage::error::StoreError;
use storage::operation::{Advance, Operation, Part, Progress};
use storage::store::Store;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::bulk::{self, Change};

/// How often it is looked for operations that another process has queued, or left behind.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Wait before the database is tried again.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// After each part, this many times as long as it took is left to others.
const REST: u32 = 1;

/// What follows a part.
enum Next {
    Part,
    /// Somebody called it off, or does it instead.
    Stop,
    /// It cannot go on.
    Fail(&'static str),
}

/// Works until it is dropped. A part that is under way then is undone, and done by whoever takes the
/// operation next.
pub async fn run(store: Store) {
    loop {
        let outcome = match store.operation_take().await {
            Ok(Some(operation)) => carry_out(&store, &operation).await,
            Ok(None) => {
                tokio::select! {
                    () = store.operation_queued() => {}
                    () = sleep(LOOK_EVERY) => {}
                }
                Ok(())
            }
            Err(problem) => Err(problem),
        };
        if let Err(problem) = outcome {
            warn!(
                error = &problem as &dyn std::error::Error,
                "Operations cannot be carried out for want of the database"
            );
            sleep(STORE_PAUSE).await;
        }
    }
}

/// Does what is left of an operation that was taken.
async fn carry_out(store: &Store, operation: &Operation) -> Result<(), StoreError> {
    let id = operation.id;
    let acting = store.acting(Act {
        request: operation.request,
        ..Act::of(operation.actor.clone())
    });
    while let Some(part) = store.operation_part(id).await? {
        let start = Instant::now();
        let next = match read(&part) {
            Some(changes) => do_part(&acting, operation, (part.number, &changes)).await?,
            None => Next::Fail("its rows are of another version of the program: start it again"),
        };
        match next {
            Next::Part => {}
            Next::Stop => return Ok(()),
            Next::Fail(error) => return store.operation_finish(id, Some(error)).await,
        }
        sleep(start.elapsed() * REST).await;
    }
    store.operation_finish(id, None).await?;
    info!(operation.id = %id, operation.kind = operation.kind.as_str(), "Carried out an operation");
    Ok(())
}

fn read(part: &Part) -> Option<Vec<Change>> {
    serde_json::from_slice(part.rows.expose()).ok()
}

/// Does one part, again if it loses against other writers.
async fn do_part(
    store: &Store,
    operation: &Operation,
    part: (i64, &[Change]),
) -> Result<Next, StoreError> {
    let mut attempt = 1;
    loop {
        match one_part(store, operation, part).await {
            Err(error) if error.is_lost_race() && attempt < bulk::ATTEMPTS_MAX => attempt += 1,
            outcome => return outcome,
        }
    }
}

/// Does one part and notes what became of it, in one transaction.
async fn one_part(
    store: &Store,
    operation: &Operation,
    (number, changes): (i64, &[Change]),
) -> Result<Next, StoreError> {
    let tenant = operation.tenant;
    let trial = match operation.is_dry_run {
        true => store.rehearsal(),
        false => store.clone(),
    };
    let unit = trial.unit().await?;
    let mut results = bulk::apply(unit.store(), tenant, changes).await?;
    let is_undone = operation.is_atomic && results.iter().any(RowResult::is_failed);
    if is_undone {
        bulk::undo(&mut results);
    }
    let progress = Progress {
        part: number,
        done: changes.len() as u64,
        results: &results,
    };
    let advance = match operation.is_dry_run || is_undone {
        // What was done is undone, and what became of it is kept.
        true => {
            drop(unit);
            store.operation_advance(operation.id, &progress).await?
        }
        false => {
            let advance = unit
                .store()
                .operation_advance(operation.id, &progress)
                .await?;
            if advance == Advance::On {
                unit.commit().await?;
            }
            advance
        }
    };
    Ok(match advance {
        Advance::Stop => Next::Stop,
        Advance::On if is_undone => Next::Fail("a row failed, so none of them was done"),
        Advance::On => Next::Part,
    })
}
