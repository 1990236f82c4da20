//! Jobs as people see them, and what they may do about those that do not get on.

use std::str::FromStr;

use domain::id::{JobId, TenantId};
use domain::operation::OperationState;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, QueryResult, Value};
use serde::Serialize;

use super::JobKind;
use crate::column::{Row, loaded_count};
use crate::deed::Deed;
use crate::error::{Resource, StoreError};
use crate::operation;
use crate::page::Page;
use crate::query::Query;
use crate::store::Store;
use crate::write::Write;

const TABLE: &str = "job";

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It is due, or will be.
    Ready,
    /// Somebody is at it.
    Leased,
    /// It can never be done, and stays for people to look at.
    Buried,
}

/// A text that names no state or kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JobTextError(&'static str);

/// Which jobs to list; everything that is set must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct JobFilter {
    pub kind: Option<JobKind>,
    pub state: Option<JobState>,
}

/// A job as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JobSummary {
    /// The id of what wants it done.
    pub id: JobId,
    pub kind: JobKind,
    pub state: JobState,
    /// When it may be taken, or taken again.
    pub due_at: Timestamp,
    pub attempts: u64,
    pub last_error: Option<String>,
    /// When it was wanted.
    pub created_at: Timestamp,
}

impl JobState {
    pub const ALL: [Self; 3] = [Self::Ready, Self::Leased, Self::Buried];

    /// The name that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Buried => "buried",
        }
    }
}

impl FromStr for JobState {
    type Err = JobTextError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == raw);
        found.ok_or(JobTextError("a state of jobs is ready, leased or buried"))
    }
}

impl FromStr for JobKind {
    type Err = JobTextError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == raw);
        found.ok_or(JobTextError(
            "a kind of jobs is session_command or operation",
        ))
    }
}

impl Store {
    /// Jobs of a tenant, the newest first; a page ends before `page.after`.
    pub async fn job_list(
        &self,
        tenant: TenantId,
        filter: &JobFilter,
        page: &Page<JobId>,
    ) -> Result<Vec<JobSummary>, StoreError> {
        let mut query = Query::new(self.dialect(), "SELECT * FROM job");
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

    /// The job with this id, if the tenant has it.
    pub async fn job_find(
        &self,
        tenant: TenantId,
        id: JobId,
    ) -> Result<Option<JobSummary>, StoreError> {
        let sql = "SELECT * FROM job WHERE id = $1 AND tenant = $2";
        let values = [id.as_uuid().into(), tenant.as_uuid().into()];
        let statement = self.dialect().statement(sql, values);
        let row = self.reader().query_one_raw(statement).await?;
        row.as_ref().map(read).transpose()
    }

    /// Makes a job due now, also one that was put aside. One that somebody is at is refused.
    pub async fn job_retry(&self, tenant: TenantId, id: JobId) -> Result<JobSummary, StoreError> {
        let mut write = self.write().await?;
        let before = idle(&write, tenant, id).await?;
        let sql = "UPDATE job SET state = 'ready', due_at = $2, attempts = 0, last_error = NULL \
            WHERE id = $1";
        let values: [Value; 2] = [id.as_uuid().into(), write.at().as_micros().into()];
        let statement = write.dialect().statement(sql, values);
        write.connection().execute_raw(statement).await?;
        let after = locked(&write, tenant, id).await?;
        let named = (id.as_uuid(), after.kind.as_str());
        write.record(Deed::changed(
            (tenant, Resource::Job),
            named,
            &before,
            &after,
        ));
        write.commit().await?;
        match after.kind {
            JobKind::SessionCommand => self.job_wake().notify_one(),
            JobKind::Operation => self.operation_wake().notify_one(),
        }
        Ok(after)
    }

    /// Removes a job that need not be done any more, and ends what wanted it. One that somebody is at
    /// is refused.
    pub async fn job_discard(&self, tenant: TenantId, id: JobId) -> Result<JobSummary, StoreError> {
        let mut write = self.write().await?;
        let before = idle(&write, tenant, id).await?;
        match before.kind {
            JobKind::Operation => {
                operation::end_by_job(&mut write, id, OperationState::Cancelled).await?;
            }
            JobKind::SessionCommand => {
                let sql = "UPDATE session_command SET state = 'failed', verdict = 'superseded', \
                    settled_at = $2 WHERE id = $1 AND settled_at IS NULL";
                let values: [Value; 2] = [id.as_uuid().into(), write.at().as_micros().into()];
                let statement = write.dialect().statement(sql, values);
                write.connection().execute_raw(statement).await?;
            }
        }
        let sql = "DELETE FROM job WHERE id = $1";
        let statement = write.dialect().statement(sql, [id.as_uuid().into()]);
        write.connection().execute_raw(statement).await?;
        let named = (id.as_uuid(), before.kind.as_str());
        write.record(Deed::removed((tenant, Resource::Job), named, &before));
        write.commit().await?;
        Ok(before)
    }
}

/// The job, kept from others until the transaction ends; refused while somebody is at it.
async fn idle(write: &Write, tenant: TenantId, id: JobId) -> Result<JobSummary, StoreError> {
    let job = locked(write, tenant, id).await?;
    match job.state {
        JobState::Leased if write.at() < job.due_at => Err(StoreError::WrongState {
            what: Resource::Job,
            name: id.to_string(),
            state: "being carried out",
            remedy: "wait until it is done, or until its lease runs out",
        }),
        JobState::Ready | JobState::Leased | JobState::Buried => Ok(job),
    }
}

async fn locked(write: &Write, tenant: TenantId, id: JobId) -> Result<JobSummary, StoreError> {
    let lock = write.dialect().row_lock();
    let sql = format!("SELECT * FROM job WHERE id = $1 AND tenant = $2{lock}");
    let values = [id.as_uuid().into(), tenant.as_uuid().into()];
    let statement = write.dialect().statement(sql, values);
    match write.connection().query_one_raw(statement).await? {
        Some(row) => read(&row),
        None => Err(StoreError::NotFound {
            what: Resource::Job,
            name: id.to_string(),
        }),
    }
}

fn read(result: &QueryResult) -> Result<JobSummary, StoreError> {
    let row = Row::new(TABLE, result)?;
    let (kind, state): (String, String) = (row.raw("kind")?, row.raw("state")?);
    let id: JobId = row.id();
    Ok(JobSummary {
        id,
        kind: row.name().parse("kind", &kind)?,
        state: row.name().parse("state", &state)?,
        due_at: row.time("due_at")?,
        attempts: loaded_count(row.raw("attempts")?),
        last_error: row.raw("last_error")?,
        created_at: id.made_at(),
    })
}
