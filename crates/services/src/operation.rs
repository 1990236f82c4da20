//! Long work: taken in with all of its rows, and carried out part by part by whichever worker is
//! free.

use domain::id::OperationId;
use storage::error::StoreError;
use storage::operation::{NewOperation, Operation};
use storage::store::Store;

use crate::bulk::{ATOMIC_MAX, Change};

pub mod worker;

/// Rows that one transaction does.
const PART_ROWS: usize = 100;

/// Takes rows in, part by part, until it has all of them.
pub struct Intake {
    store: Store,
    pub operation: Operation,
    rows: Vec<Change>,
    part_rows: usize,
    next: i64,
}

/// Makes an operation of rows that are all there.
pub async fn queue(
    store: &Store,
    new: NewOperation,
    changes: impl IntoIterator<Item = Change>,
) -> Result<Operation, StoreError> {
    let unit = store.unit().await?;
    let mut intake = Intake::begin(unit.store(), new).await?;
    for change in changes {
        intake.push(change).await?;
    }
    let operation = intake.finish().await?;
    unit.commit().await?;
    store.operation_wake_up();
    Ok(operation)
}

impl Intake {
    /// Makes an operation without rows.
    pub async fn begin(store: &Store, new: NewOperation) -> Result<Self, StoreError> {
        Ok(Self {
            operation: store.operation_insert(new).await?,
            store: store.clone(),
            rows: Vec::new(),
            part_rows: match new.is_atomic {
                true => ATOMIC_MAX,
                false => PART_ROWS,
            },
            next: 0,
        })
    }

    /// Adds a row.
    pub async fn push(&mut self, change: Change) -> Result<(), StoreError> {
        self.rows.push(change);
        match self.rows.len() < self.part_rows {
            true => Ok(()),
            false => self.store_part().await,
        }
    }

    /// Says that there are no more rows, so that somebody carries them out.
    pub async fn finish(mut self) -> Result<Operation, StoreError> {
        if !self.rows.is_empty() {
            self.store_part().await?;
        }
        self.store.operation_queue(self.operation.id).await
    }

    /// Says why the rows cannot be taken in.
    pub async fn refuse(self, error: &str) -> Result<(), StoreError> {
        self.store.operation_refuse(self.operation.id, error).await
    }

    /// Under which id it is watched.
    pub const fn id(&self) -> OperationId {
        self.operation.id
    }

    async fn store_part(&mut self) -> Result<(), StoreError> {
        let rows = serde_json::to_vec(&self.rows).expect("rows are made of texts and numbers");
        let count = self.rows.len() as u64;
        self.store
            .operation_part_add(self.operation.id, self.next, (&rows, count))
            .await?;
        self.rows.clear();
        self.next += 1;
        Ok(())
    }
}
