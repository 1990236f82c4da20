//! Operations: long work in parts, how far it has come, and what became of each row.

use domain::actor::Actor;
use domain::event::EventKind;
use domain::id::{JobId, OperationId, TenantId};
use domain::operation::{OperationKind, OperationState};
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, QueryResult, Value};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::bulk::{Insert, execute_in};
use crate::column::{Row, loaded_count, stored_count, stored_text};
use crate::deed::{Deed, NewEvent};
use crate::error::{Resource, StoreError};
use crate::job::{self, JobKind, NewJob};
use crate::page::Page;
use crate::query::Query;
use crate::seal::OPERATION_PART;
use crate::store::Store;
use crate::write::Write;

mod result;
mod work;

pub use work::{Advance, Part, Progress};

pub(crate) const TABLE: &str = "operation";

/// Operations that a tenant has under way at most.
const UNDER_WAY_MAX: i64 = 100;

/// Operations that one transaction forgets.
const FORGOTTEN_MAX: u32 = 20;

const INSERT: Insert<'static> = Insert {
    table: TABLE,
    columns: &[
        "id",
        "tenant",
        "kind",
        "state",
        "is_dry_run",
        "is_atomic",
        "actor_kind",
        "actor_id",
        "actor_name",
        "request",
        "total",
        "done",
        "failed",
        "created_at",
    ],
    on_conflict: "",
};

const PART: Insert<'static> = Insert {
    table: "operation_part",
    columns: &["operation", "number", "row_count", "sealed"],
    on_conflict: "",
};

/// An operation to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewOperation {
    pub tenant: TenantId,
    pub kind: OperationKind,
    /// Everything is checked, and nothing stays.
    pub is_dry_run: bool,
    /// All rows or none.
    pub is_atomic: bool,
}

/// An operation as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Operation {
    pub id: OperationId,
    #[serde(skip)]
    pub tenant: TenantId,
    pub kind: OperationKind,
    pub state: OperationState,
    pub is_dry_run: bool,
    pub is_atomic: bool,
    pub actor: Actor,
    pub request: Option<Uuid>,
    /// Rows in all, as far as they have been taken in.
    pub total: u64,
    /// Rows that were looked at, those that failed too.
    pub done: u64,
    pub failed: u64,
    /// Why it could not go on.
    pub error: Option<String>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
}

/// Which operations to list; everything that is set must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct OperationFilter {
    pub kind: Option<OperationKind>,
    pub state: Option<OperationState>,
}

impl Store {
    /// Makes an operation that takes in its rows.
    pub async fn operation_insert(&self, new: NewOperation) -> Result<Operation, StoreError> {
        let mut write = self.write().await?;
        check_room(&write, new.tenant).await?;
        let act = self.act();
        let operation = Operation {
            id: self.new_id(),
            tenant: new.tenant,
            kind: new.kind,
            state: OperationState::Receiving,
            is_dry_run: new.is_dry_run,
            is_atomic: new.is_atomic,
            actor: act
                .as_ref()
                .map_or_else(|| Actor::system("lastmile"), |act| act.actor.clone()),
            request: act.and_then(|act| act.request),
            total: 0,
            done: 0,
            failed: 0,
            error: None,
            created_at: write.at(),
            started_at: None,
            finished_at: None,
        };
        INSERT.run(write.connection(), [values(&operation)]).await?;
        let named = (operation.id.as_uuid(), operation.kind.as_str());
        write.record(Deed::created(
            (new.tenant, Resource::Operation),
            named,
            &operation,
        ));
        write.commit().await?;
        Ok(operation)
    }

    /// Gives an operation that takes in its rows one more part. Parts are numbered from 0.
    pub async fn operation_part_add(
        &self,
        id: OperationId,
        number: i64,
        (rows, count): (&[u8], u64),
    ) -> Result<(), StoreError> {
        let sealed = OPERATION_PART.seal(self.keys(), id.as_uuid(), rows);
        let write = self.write().await?;
        let sql = "UPDATE operation SET total = total + $2 WHERE id = $1 AND state = 'receiving'";
        let values: [Value; 2] = [id.as_uuid().into(), stored_count(count).into()];
        let statement = write.dialect().statement(sql, values);
        let updated = write.connection().execute_raw(statement).await?;
        if updated.rows_affected() == 0 {
            return Err(not_receiving(id));
        }
        let row = [
            id.as_uuid().into(),
            number.into(),
            stored_count(count).into(),
            sealed.into(),
        ];
        PART.run(write.connection(), [row]).await?;
        write.commit().await
    }

    /// Says that an operation has all of its rows, so that a worker carries it out.
    pub async fn operation_queue(&self, id: OperationId) -> Result<Operation, StoreError> {
        let write = self.write().await?;
        let sql = "UPDATE operation SET state = 'queued' WHERE id = $1 AND state = 'receiving'";
        let statement = write.dialect().statement(sql, [id.as_uuid().into()]);
        let updated = write.connection().execute_raw(statement).await?;
        if updated.rows_affected() == 0 {
            return Err(not_receiving(id));
        }
        let operation = found(&write, id).await?;
        let job = NewJob {
            id: id.as_uuid(),
            tenant: operation.tenant,
            lane: operation.tenant.as_uuid(),
            // One after the other, in the order in which they were asked for.
            order_key: operation.tenant.as_uuid(),
        };
        job::add(&write, JobKind::Operation, vec![job]).await?;
        write.commit().await?;
        self.operation_wake_up();
        Ok(operation)
    }

    /// Calls an operation off. What was done stays done, and the part under way is undone.
    pub async fn operation_cancel(
        &self,
        tenant: TenantId,
        id: OperationId,
    ) -> Result<Operation, StoreError> {
        let mut write = self.write().await?;
        let before = locked(&write, id).await?;
        let before = before.filter(|operation| operation.tenant == tenant);
        let before = before.ok_or_else(|| not_found(id))?;
        if before.state.is_over() {
            return Err(StoreError::WrongState {
                what: Resource::Operation,
                name: id.to_string(),
                state: before.state.as_str(),
                remedy: "there is nothing left to call off",
            });
        }
        end(&mut write, &before, OperationState::Cancelled, None).await?;
        let after = found(&write, id).await?;
        let named = (id.as_uuid(), after.kind.as_str());
        write.record(Deed::changed(
            (tenant, Resource::Operation),
            named,
            &before,
            &after,
        ));
        write.commit().await?;
        Ok(after)
    }

    /// The operation with this id, if the tenant has it.
    pub async fn operation_find(
        &self,
        tenant: TenantId,
        id: OperationId,
    ) -> Result<Option<Operation>, StoreError> {
        let sql = "SELECT * FROM operation WHERE id = $1 AND tenant = $2";
        let values = [id.as_uuid().into(), tenant.as_uuid().into()];
        let statement = self.dialect().statement(sql, values);
        let row = self.reader().query_one_raw(statement).await?;
        row.as_ref().map(read).transpose()
    }

    /// Operations of a tenant, the newest first; a page ends before `page.after`.
    pub async fn operation_list(
        &self,
        tenant: TenantId,
        filter: &OperationFilter,
        page: &Page<OperationId>,
    ) -> Result<Vec<Operation>, StoreError> {
        let mut query = Query::new(self.dialect(), "SELECT * FROM operation");
        query.and("tenant = ?", [tenant.as_uuid().into()]);
        if let Some(kind) = filter.kind {
            query.and("kind = ?", [kind.as_str().into()]);
        }
        if let Some(state) = filter.state {
            query.and("state = ?", [state.as_str().into()]);
        }
        if let Some(before) = page.after {
            query.and("id < ?", [before.as_uuid().into()]);
        }
        query.end(&format!("ORDER BY id DESC LIMIT {}", page.limit()));
        let rows = query.all(self.reader()).await?;
        rows.iter().map(read).collect()
    }

    /// Gives up operations whose rows stopped coming before an instant, and says how many.
    pub async fn operation_give_up(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut write = self.write().await?;
        let sql = format!(
            "SELECT * FROM operation WHERE state = 'receiving' AND finished_at IS NULL \
            AND created_at < $1 ORDER BY created_at LIMIT {FORGOTTEN_MAX}"
        );
        let statement = write.dialect().statement(sql, [before.as_micros().into()]);
        let rows = write.connection().query_all_raw(statement).await?;
        let mut count = 0;
        for row in &rows {
            let error = "its rows stopped coming: send them again";
            let operation = read(row)?;
            end(&mut write, &operation, OperationState::Failed, Some(error)).await?;
            count += 1;
        }
        write.commit().await?;
        Ok(count)
    }

    /// Ends an operation that cannot take in its rows.
    pub async fn operation_refuse(&self, id: OperationId, error: &str) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let operation = locked(&write, id).await?;
        if let Some(operation) = operation.filter(|operation| !operation.state.is_over()) {
            end(&mut write, &operation, OperationState::Failed, Some(error)).await?;
        }
        write.commit().await
    }

    /// Forgets operations that were over before an instant, a few at a time, and says how many.
    pub async fn operation_prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let write = self.write().await?;
            let sql = format!(
                "SELECT id FROM operation WHERE finished_at IS NOT NULL AND finished_at < $1 \
                ORDER BY finished_at LIMIT {FORGOTTEN_MAX}"
            );
            let statement = write.dialect().statement(sql, [before.as_micros().into()]);
            let rows = write.connection().query_all_raw(statement).await?;
            let mut ids: Vec<Value> = Vec::with_capacity(rows.len());
            for row in &rows {
                ids.push(row.try_get_by_index::<Uuid>(0)?.into());
            }
            for head in [
                "DELETE FROM operation_result WHERE operation IN",
                "DELETE FROM operation WHERE id IN",
            ] {
                execute_in(write.connection(), head, &ids).await?;
            }
            write.commit().await?;
            removed += ids.len() as u64;
            if ids.len() < FORGOTTEN_MAX as usize {
                return Ok(removed);
            }
        }
    }
}

/// Ends the operation that wants a job.
pub(crate) async fn end_by_job(
    write: &mut Write,
    id: JobId,
    state: OperationState,
) -> Result<(), StoreError> {
    let operation = locked(write, OperationId::from_uuid(id.as_uuid())).await?;
    match operation {
        Some(operation) if !operation.state.is_over() => end(write, &operation, state, None).await,
        Some(_) | None => Ok(()),
    }
}

/// Ends an operation: nothing of what was to be done stays.
async fn end(
    write: &mut Write,
    operation: &Operation,
    state: OperationState,
    error: Option<&str>,
) -> Result<(), StoreError> {
    let id = operation.id.as_uuid();
    let sql = "UPDATE operation SET state = $2, error = $3, finished_at = $4 WHERE id = $1";
    let values: [Value; 4] = [
        id.into(),
        state.as_str().into(),
        error.map(stored_text).into(),
        write.at().as_micros().into(),
    ];
    let statement = write.dialect().statement(sql, values);
    write.connection().execute_raw(statement).await?;
    for sql in [
        "DELETE FROM operation_part WHERE operation = $1",
        "DELETE FROM job WHERE id = $1",
    ] {
        let statement = write.dialect().statement(sql, [id.into()]);
        write.connection().execute_raw(statement).await?;
    }
    tell(
        write,
        EventKind::OperationFinished,
        &Operation {
            state,
            error: error.map(ToOwned::to_owned),
            finished_at: Some(write.at()),
            ..operation.clone()
        },
    );
    Ok(())
}

/// Tells how far an operation has come.
fn tell(write: &mut Write, kind: EventKind, operation: &Operation) {
    let event = NewEvent {
        kind,
        resource: Some(operation.id.as_uuid()),
        data: json!({
            "id": operation.id,
            "kind": operation.kind,
            "state": operation.state,
            "total": operation.total,
            "done": operation.done,
            "failed": operation.failed,
            "error": operation.error,
        }),
    };
    write.tell(operation.tenant, event);
}

/// Refuses one operation more than a tenant may have under way.
async fn check_room(write: &Write, tenant: TenantId) -> Result<(), StoreError> {
    let sql = "SELECT COUNT(*) FROM operation WHERE finished_at IS NULL \
        AND state IN ('receiving', 'queued', 'running') AND tenant = $1";
    let statement = write.dialect().statement(sql, [tenant.as_uuid().into()]);
    let row = write.connection().query_one_raw(statement).await?;
    let count: i64 = match row {
        Some(row) => row.try_get_by_index(0)?,
        None => 0,
    };
    if count < UNDER_WAY_MAX {
        return Ok(());
    }
    Err(StoreError::TooMany {
        what: "operations under way",
        name: tenant.to_string(),
        count: usize::try_from(count + 1).unwrap_or(usize::MAX),
        max: usize::try_from(UNDER_WAY_MAX).unwrap_or(usize::MAX),
    })
}

/// The operation, kept from other writers until the transaction ends.
async fn locked(write: &Write, id: OperationId) -> Result<Option<Operation>, StoreError> {
    let lock = write.dialect().row_lock();
    let sql = format!("SELECT * FROM operation WHERE id = $1{lock}");
    let statement = write.dialect().statement(sql, [id.as_uuid().into()]);
    let row = write.connection().query_one_raw(statement).await?;
    row.as_ref().map(read).transpose()
}

async fn found(write: &Write, id: OperationId) -> Result<Operation, StoreError> {
    let operation = locked(write, id).await?;
    operation.ok_or_else(|| not_found(id))
}

fn not_found(id: OperationId) -> StoreError {
    StoreError::NotFound {
        what: Resource::Operation,
        name: id.to_string(),
    }
}

fn not_receiving(id: OperationId) -> StoreError {
    StoreError::WrongState {
        what: Resource::Operation,
        name: id.to_string(),
        state: "not taking in rows",
        remedy: "start a new one",
    }
}

fn read(result: &QueryResult) -> Result<Operation, StoreError> {
    let row = Row::new(TABLE, result)?;
    let text = |column| -> Result<String, StoreError> { Ok(row.raw(column)?) };
    let time = |column| -> Result<Option<Timestamp>, StoreError> {
        let stored: Option<i64> = row.raw(column)?;
        Ok(stored.map(Timestamp::from_micros))
    };
    let is = |column| -> Result<bool, StoreError> { Ok(row.raw::<i64>(column)? != 0) };
    Ok(Operation {
        id: row.id(),
        tenant: row.id_of("tenant")?,
        kind: row.name().parse("kind", &text("kind")?)?,
        state: row.name().parse("state", &text("state")?)?,
        is_dry_run: is("is_dry_run")?,
        is_atomic: is("is_atomic")?,
        actor: Actor {
            kind: row.name().parse("actor_kind", &text("actor_kind")?)?,
            id: row.raw("actor_id")?,
            name: text("actor_name")?,
        },
        request: row.raw("request")?,
        total: loaded_count(row.raw("total")?),
        done: loaded_count(row.raw("done")?),
        failed: loaded_count(row.raw("failed")?),
        error: row.raw("error")?,
        created_at: row.time("created_at")?,
        started_at: time("started_at")?,
        finished_at: time("finished_at")?,
    })
}

fn values(operation: &Operation) -> [Value; 14] {
    [
        operation.id.as_uuid().into(),
        operation.tenant.as_uuid().into(),
        operation.kind.as_str().into(),
        operation.state.as_str().into(),
        i64::from(operation.is_dry_run).into(),
        i64::from(operation.is_atomic).into(),
        operation.actor.kind.as_str().into(),
        operation.actor.id.into(),
        stored_text(&operation.actor.name).into(),
        operation.request.into(),
        stored_count(operation.total).into(),
        stored_count(operation.done).into(),
        stored_count(operation.failed).into(),
        operation.created_at.as_micros().into(),
    ]
}
