//! Carrying an operation out: taken in a lease, part by part, each part in one transaction.

use domain::event::EventKind;
use domain::id::OperationId;
use domain::operation::{OperationState, RowResult};
use domain::secret::Secret;
use sea_orm::{ConnectionTrait, Value};

use super::{Operation, end, found, locked, result, tell};
use crate::column::stored_count;
use crate::error::StoreError;
use crate::job::{self, JobKind, JobRoom, LEASE_SECONDS};
use crate::seal::OPERATION_PART;
use crate::store::Store;

/// A part that was begun so often and never ended is not begun again.
const ATTEMPTS_MAX: i64 = 5;

/// Progress is told once in this time.
const TOLD_EVERY_MICROS: i64 = 1_000_000;

/// Rows that are done in one transaction.
#[derive(Debug)]
pub struct Part {
    pub number: i64,
    /// As they were given to [`Store::operation_part_add`].
    pub rows: Secret,
}

/// What became of a part.
#[derive(Clone, Debug)]
pub struct Progress<'a> {
    pub part: i64,
    /// Rows that were looked at.
    pub done: u64,
    pub results: &'a [RowResult],
}

/// Whether what was done of a part counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advance {
    /// It does, and the next part comes.
    On,
    /// Somebody called the operation off, or does it instead: undo the part.
    Stop,
}

impl Store {
    /// Takes an operation that is due, until the lease runs out that every part renews.
    pub async fn operation_take(&self) -> Result<Option<Operation>, StoreError> {
        let room = JobRoom {
            total: 1,
            lane: 1,
            ..JobRoom::default()
        };
        let kind = JobKind::Operation;
        let lanes = self.job_lanes(kind, &room, self.now()).await?;
        if lanes.is_empty() {
            return Ok(None);
        }
        let mut write = self.write().await?;
        let (ids, _) = job::take(&write, kind, self.node(), &lanes, &room).await?;
        let Some(id) = ids.first().copied().map(OperationId::from_uuid) else {
            return Ok(None);
        };
        let operation = locked(&write, id).await?;
        let Some(operation) = operation.filter(|operation| !operation.state.is_over()) else {
            job::finish(&write, self.node(), &ids).await?;
            write.commit().await?;
            return Ok(None);
        };
        let sql = "SELECT attempts FROM job WHERE id = $1";
        let statement = write.dialect().statement(sql, [id.as_uuid().into()]);
        let row = write.connection().query_one_raw(statement).await?;
        let attempts: i64 = match row {
            Some(row) => row.try_get_by_index(0)?,
            None => 0,
        };
        if ATTEMPTS_MAX < attempts {
            let error = "a part was begun again and again, and never ended: see the program's log";
            end(&mut write, &operation, OperationState::Failed, Some(error)).await?;
            write.commit().await?;
            return Ok(None);
        }
        let operation = match operation.state {
            OperationState::Queued => {
                let sql = "UPDATE operation SET state = 'running', started_at = $2 WHERE id = $1";
                let values: [Value; 2] = [id.as_uuid().into(), write.at().as_micros().into()];
                let statement = write.dialect().statement(sql, values);
                write.connection().execute_raw(statement).await?;
                let operation = found(&write, id).await?;
                tell(&mut write, EventKind::OperationStarted, &operation);
                operation
            }
            OperationState::Receiving
            | OperationState::Running
            | OperationState::Succeeded
            | OperationState::Failed
            | OperationState::Cancelled => operation,
        };
        write.commit().await?;
        Ok(Some(operation))
    }

    /// The part of an operation that comes next.
    pub async fn operation_part(&self, id: OperationId) -> Result<Option<Part>, StoreError> {
        let sql = "SELECT number, sealed FROM operation_part WHERE operation = $1 \
            ORDER BY number LIMIT 1";
        let statement = self.dialect().statement(sql, [id.as_uuid().into()]);
        let Some(row) = self.reader().query_one_raw(statement).await? else {
            return Ok(None);
        };
        let sealed: Vec<u8> = row.try_get_by_index(1)?;
        Ok(Some(Part {
            number: row.try_get_by_index(0)?,
            rows: OPERATION_PART.unseal(self.keys(), id.as_uuid(), &sealed)?,
        }))
    }

    /// Notes what became of a part, in the transaction that does it when this store is one of a
    /// [`crate::unit::Unit`].
    pub async fn operation_advance(
        &self,
        id: OperationId,
        progress: &Progress<'_>,
    ) -> Result<Advance, StoreError> {
        let mut write = self.write().await?;
        let running = locked(&write, id).await?;
        let running = running.filter(|operation| operation.state == OperationState::Running);
        let Some(before) = running else {
            return Ok(Advance::Stop);
        };
        let sql = "UPDATE job SET due_at = $3, attempts = 1 WHERE id = $1 AND lease_owner = $2";
        let until = write.at().plus_seconds(LEASE_SECONDS).as_micros();
        let values: [Value; 3] = [id.as_uuid().into(), self.node().into(), until.into()];
        let statement = write.dialect().statement(sql, values);
        let extended = write.connection().execute_raw(statement).await?;
        let sql = "DELETE FROM operation_part WHERE operation = $1 AND number = $2";
        let values: [Value; 2] = [id.as_uuid().into(), progress.part.into()];
        let statement = write.dialect().statement(sql, values);
        let removed = write.connection().execute_raw(statement).await?;
        if extended.rows_affected() == 0 || removed.rows_affected() == 0 {
            return Ok(Advance::Stop);
        }
        result::add(&write, &before, progress.results).await?;
        let failed = progress.results.iter().filter(|result| result.is_failed());
        let sql = "UPDATE operation SET done = done + $2, failed = failed + $3 WHERE id = $1";
        let values: [Value; 3] = [
            id.as_uuid().into(),
            stored_count(progress.done).into(),
            stored_count(failed.count() as u64).into(),
        ];
        let statement = write.dialect().statement(sql, values);
        write.connection().execute_raw(statement).await?;
        let sql = "UPDATE operation SET told_at = $2 \
            WHERE id = $1 AND (told_at IS NULL OR told_at <= $3)";
        let now = write.at().as_micros();
        let values: [Value; 3] = [
            id.as_uuid().into(),
            now.into(),
            (now - TOLD_EVERY_MICROS).into(),
        ];
        let statement = write.dialect().statement(sql, values);
        let is_told = write.connection().execute_raw(statement).await?;
        if is_told.rows_affected() != 0 {
            let after = found(&write, id).await?;
            tell(&mut write, EventKind::OperationProgressed, &after);
        }
        write.commit().await?;
        Ok(Advance::On)
    }

    /// Ends an operation that has no part left, or that cannot go on for a reason.
    pub async fn operation_finish(
        &self,
        id: OperationId,
        error: Option<&str>,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let running = locked(&write, id).await?;
        let running = running.filter(|operation| operation.state == OperationState::Running);
        if let Some(operation) = running {
            let state = match error {
                Some(_) => OperationState::Failed,
                None => OperationState::Succeeded,
            };
            end(&mut write, &operation, state, error).await?;
        }
        write.commit().await
    }

    /// Says in this process that an operation was queued, once that is committed.
    pub fn operation_wake_up(&self) {
        self.operation_wake().notify_one();
    }

    /// Waits until somebody in this process has queued an operation.
    pub async fn operation_queued(&self) {
        self.operation_wake().notified().await;
    }
}
