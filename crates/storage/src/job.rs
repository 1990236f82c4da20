//! Jobs: work that a transaction wants done beside it, taken in leases.
//!
//! A job has the id of the row that wants it, and is gone when it is done. Who takes it has it until
//! its lease runs out; then anybody may take it again. Jobs with one `order_key` run one after the
//! other, and so many of one lane run at a time as whoever takes them has room for.

use std::collections::HashMap;

use domain::id::{JobId, TenantId};
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, Value};
use serde::Serialize;
use uuid::Uuid;

use crate::bulk::{Insert, execute_in, execute_with};
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::store::Store;
use crate::write::Write;

mod list;

pub use list::{JobFilter, JobState, JobSummary};

/// For how long a job is whose that took it, unless it is extended.
pub(crate) const LEASE_SECONDS: i64 = 60;

/// Lanes that one look goes through.
const LANES_MAX: usize = 128;

const JOB: Insert<'static> = Insert {
    table: "job",
    columns: &[
        "id",
        "tenant",
        "kind",
        "lane",
        "order_key",
        "state",
        "due_at",
        "attempts",
    ],
    on_conflict: "",
};

/// Every lane with a job, each found with one search in the index.
const LANES: &str = "WITH RECURSIVE lane (id) AS (\
    SELECT * FROM (SELECT lane FROM job WHERE kind = $1 AND state <> 'buried' \
        ORDER BY lane LIMIT 1) AS first \
    UNION ALL \
    SELECT (SELECT j.lane FROM job j WHERE j.kind = $1 AND j.state <> 'buried' \
        AND lane.id < j.lane ORDER BY j.lane LIMIT 1) FROM lane WHERE lane.id IS NOT NULL) \
    SELECT id FROM lane WHERE id IS NOT NULL AND EXISTS (SELECT 1 FROM job d \
        WHERE d.kind = $1 AND d.lane = lane.id AND d.state <> 'buried' AND d.due_at <= $2)";

/// What is due in a lane, and not behind another job of its order.
const DUE: &str = "SELECT j.id FROM job j WHERE j.kind = $1 AND j.lane = $2 \
    AND j.state <> 'buried' AND j.due_at <= $3 AND NOT EXISTS (SELECT 1 FROM job e \
        WHERE e.order_key = j.order_key AND e.id < j.id AND e.state <> 'buried') \
    ORDER BY j.due_at, j.id LIMIT $4";

/// What a job is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    SessionCommand,
    Operation,
}

/// A job that is to be done as soon as may be.
pub(crate) struct NewJob {
    pub(crate) id: Uuid,
    pub(crate) tenant: TenantId,
    pub(crate) lane: Uuid,
    pub(crate) order_key: Uuid,
}

/// How many jobs may be taken.
#[derive(Clone, Debug, Default)]
pub struct JobRoom {
    /// In all.
    pub total: usize,
    /// Of a lane that is not in `lanes`.
    pub lane: usize,
    pub lanes: HashMap<Uuid, usize>,
    /// The lane that was served last: the one after it comes first.
    pub after: Option<Uuid>,
}

impl JobKind {
    pub const ALL: [Self; 2] = [Self::SessionCommand, Self::Operation];

    /// The name that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SessionCommand => "session_command",
            Self::Operation => "operation",
        }
    }
}

impl Store {
    /// Lets go what this store has taken, so that it is due at once.
    pub async fn job_release(&self) -> Result<u64, StoreError> {
        let write = self.write().await?;
        let update = "UPDATE job SET state = 'ready', lease_owner = NULL, due_at = $1 \
            WHERE lease_owner = $2";
        let values: [Value; 2] = [write.at().as_micros().into(), self.node().into()];
        let statement = write.dialect().statement(update, values);
        let result = write.connection().execute_raw(statement).await?;
        write.commit().await?;
        Ok(result.rows_affected())
    }

    /// Keeps what this store has taken of one kind for another while.
    pub async fn job_extend(&self, kind: JobKind) -> Result<(), StoreError> {
        let write = self.write().await?;
        let update = "UPDATE job SET due_at = $1 WHERE lease_owner = $2 AND kind = $3";
        let until = write.at().plus_seconds(LEASE_SECONDS);
        let values: [Value; 3] = [
            until.as_micros().into(),
            self.node().into(),
            kind.as_str().into(),
        ];
        let statement = write.dialect().statement(update, values);
        write.connection().execute_raw(statement).await?;
        write.commit().await
    }

    /// Waits until somebody in this process has added jobs.
    pub async fn job_added(&self) {
        self.job_wake().notified().await;
    }

    /// The lanes in which something is due and there is room for it, the next one first.
    pub(crate) async fn job_lanes(
        &self,
        kind: JobKind,
        room: &JobRoom,
        now: Timestamp,
    ) -> Result<Vec<Uuid>, StoreError> {
        let values: [Value; 2] = [kind.as_str().into(), now.as_micros().into()];
        let statement = self.dialect().statement(LANES, values);
        let rows = self.reader().query_all_raw(statement).await?;
        let lanes = rows.iter().map(|row| row.try_get_by_index(0));
        let mut lanes: Vec<Uuid> = lanes.collect::<Result<_, DbErr>>()?;
        lanes.retain(|lane| room.of(lane) != 0);
        let served = lanes.partition_point(|lane| Some(*lane) <= room.after);
        lanes.rotate_left(served);
        lanes.truncate(LANES_MAX);
        Ok(lanes)
    }
}

impl JobRoom {
    fn of(&self, lane: &Uuid) -> usize {
        self.lanes.get(lane).copied().unwrap_or(self.lane)
    }
}

/// Adds jobs.
pub(crate) async fn add(write: &Write, kind: JobKind, jobs: Vec<NewJob>) -> Result<(), DbErr> {
    let rows = jobs.into_iter().map(|job| {
        [
            job.id.into(),
            job.tenant.as_uuid().into(),
            kind.as_str().into(),
            job.lane.into(),
            job.order_key.into(),
            "ready".into(),
            write.at().as_micros().into(),
            0_i64.into(),
        ]
    });
    JOB.run(write.connection(), rows).await
}

/// Takes what is due in these lanes, as far as there is room, and says which lane came last.
pub(crate) async fn take(
    write: &Write,
    kind: JobKind,
    owner: Uuid,
    lanes: &[Uuid],
    room: &JobRoom,
) -> Result<(Vec<Uuid>, Option<Uuid>), DbErr> {
    let now = write.at().as_micros();
    let due = match write.dialect() {
        Dialect::Sqlite => DUE.to_owned(),
        Dialect::Postgres => format!("{DUE} FOR UPDATE OF j SKIP LOCKED"),
    };
    let mut taken = Vec::new();
    let mut last = room.after;
    for lane in lanes {
        let places = room.of(lane).min(room.total - taken.len());
        if places == 0 {
            break;
        }
        let places = i64::try_from(places).unwrap_or(i64::MAX);
        let values: [Value; 4] = [
            kind.as_str().into(),
            (*lane).into(),
            now.into(),
            places.into(),
        ];
        let statement = write.dialect().statement(due.as_str(), values);
        let rows = write.connection().query_all_raw(statement).await?;
        let ids = rows.iter().map(|row| row.try_get_by_index(0));
        taken.extend(ids.collect::<Result<Vec<Uuid>, DbErr>>()?);
        last = Some(*lane);
    }
    let until = write.at().plus_seconds(LEASE_SECONDS).as_micros();
    let owner = write.dialect().id_literal(owner);
    let head = format!(
        "UPDATE job SET state = 'leased', lease_owner = {owner}, due_at = {until}, \
         attempts = attempts + 1 WHERE id IN"
    );
    execute_in(write.connection(), &head, &values(&taken)).await?;
    Ok((taken, last))
}

/// Lets go what was taken, to be taken again at an instant.
pub(crate) async fn put_back(
    write: &Write,
    owner: Uuid,
    jobs: &[(Uuid, Timestamp)],
) -> Result<(), DbErr> {
    let owner = write.dialect().id_literal(owner);
    let tail = format!(
        "UPDATE job SET state = 'ready', lease_owner = NULL, due_at = n.due_at FROM n \
         WHERE job.id = n.id AND job.lease_owner = {owner}"
    );
    let rows = jobs
        .iter()
        .map(|(id, at)| [(*id).into(), at.as_micros().into()]);
    execute_with(write.connection(), ["id", "due_at"], rows, &tail).await?;
    Ok(())
}

/// Ends what was taken and is done.
pub(crate) async fn finish(write: &Write, owner: Uuid, jobs: &[Uuid]) -> Result<(), DbErr> {
    let owner = write.dialect().id_literal(owner);
    let head = format!("DELETE FROM job WHERE lease_owner = {owner} AND id IN");
    execute_in(write.connection(), &head, &values(jobs)).await
}

/// Removes jobs that need not be done any more. Who does one at this moment finishes it.
pub(crate) async fn withdraw(write: &Write, jobs: &[Uuid]) -> Result<(), DbErr> {
    let now = write.at().as_micros();
    let head = format!("DELETE FROM job WHERE (lease_owner IS NULL OR due_at <= {now}) AND id IN");
    execute_in(write.connection(), &head, &values(jobs)).await
}

/// Puts aside what can never be done; it stays in the table, for people.
pub(crate) async fn bury(write: &Write, id: JobId, error: &str) -> Result<(), DbErr> {
    let update = "UPDATE job SET state = 'buried', lease_owner = NULL, last_error = $1 \
        WHERE id = $2";
    let values: [Value; 2] = [error.into(), id.as_uuid().into()];
    let statement = write.dialect().statement(update, values);
    write.connection().execute_raw(statement).await?;
    Ok(())
}

fn values(ids: &[Uuid]) -> Vec<Value> {
    ids.iter().map(|id| (*id).into()).collect()
}
