//! Schedules: what is due, which node runs it, and what became of its runs.

use domain::id::{ScheduleRunId, TenantId};
use domain::schedule::{Due, MissedPolicy, RunState, Timetable, Trigger};
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use serde::Serialize;
use uuid::Uuid;

use crate::bulk::Insert;
use crate::column::{Row, RowName, stored_text};
use crate::deed::Deed;
use crate::error::{Resource, StoreError};
use crate::page::Page;
use crate::query::Query;
use crate::store::Store;
use crate::write::Write;

/// For how long a run is whose that began it, unless it says that it goes on.
pub const LEASE_SECONDS: i64 = 60;

/// Runs of one schedule that are kept.
const RUNS_MAX: u32 = 100;

/// The most octets of a report or an error.
const TEXT_MAX: usize = 2_000;

const RUN_COLUMNS: &str =
    "id, schedule, triggered_by, state, node, due_at, started_at, ended_at, report, error";

const RUN: Insert<'static> = Insert {
    table: "schedule_run",
    columns: &[
        "id",
        "schedule",
        "triggered_by",
        "state",
        "node",
        "due_at",
        "started_at",
        "ended_at",
    ],
    on_conflict: "",
};

/// What the program does again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewSchedule {
    pub name: &'static str,
    /// What it is good for, in one sentence.
    pub purpose: &'static str,
    pub every_seconds: u32,
    pub missed: MissedPolicy,
}

/// A schedule as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Schedule {
    pub name: String,
    pub purpose: String,
    pub every_seconds: u32,
    pub missed: MissedPolicy,
    pub is_paused: bool,
    /// When it is due; now or before when somebody has asked for a run.
    pub next_at: Timestamp,
    pub asked_at: Option<Timestamp>,
    /// Whether a node is at it.
    pub is_running: bool,
    /// Its last run, also the one under way.
    pub last: Option<ScheduleRun>,
    pub updated_at: Timestamp,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScheduleRun {
    pub id: ScheduleRunId,
    pub schedule: String,
    pub trigger: Trigger,
    pub state: RunState,
    /// Which node ran it.
    pub node: Uuid,
    pub due_at: Timestamp,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// What was done.
    pub report: Option<String>,
    pub error: Option<String>,
}

/// A row of a schedule, as whoever may change it sees it.
struct Locked {
    timetable: Timetable,
    run: Option<Uuid>,
    is_leased: bool,
}

impl Store {
    /// Makes sure that these schedules are there, as this program knows them. A new one is due now.
    pub async fn schedule_declare(&self, schedules: &[NewSchedule]) -> Result<(), StoreError> {
        let write = self.write().await?;
        let now = write.at().as_micros();
        for new in schedules {
            let sql = "INSERT INTO schedule \
                (name, purpose, every_seconds, missed, is_paused, next_at, updated_at) \
                VALUES ($1, $2, $3, $4, 0, $5, $5) ON CONFLICT (name) DO UPDATE SET \
                purpose = excluded.purpose, every_seconds = excluded.every_seconds, \
                missed = excluded.missed";
            let values: [Value; 5] = [
                new.name.into(),
                new.purpose.into(),
                i64::from(new.every_seconds).into(),
                new.missed.as_str().into(),
                now.into(),
            ];
            let statement = write.dialect().statement(sql, values);
            write.connection().execute_raw(statement).await?;
        }
        write.commit().await
    }

    /// Names of schedules that are due, or wanted, and that nobody is at.
    pub async fn schedule_due(&self) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT name FROM schedule \
            WHERE (asked_at IS NOT NULL OR (is_paused = 0 AND next_at <= $1)) \
            AND (lease_until IS NULL OR lease_until <= $1) ORDER BY name";
        let now = self.now().as_micros();
        let statement = self.dialect().statement(sql, [now.into()]);
        let rows = self.reader().query_all_raw(statement).await?;
        let names = rows.iter().map(|row| row.try_get_by_index(0));
        Ok(names.collect::<Result<_, DbErr>>()?)
    }

    /// Begins a run, if it is due and nobody else has begun it. Runs that were missed are noted.
    pub async fn schedule_begin(&self, name: &str) -> Result<Option<ScheduleRun>, StoreError> {
        let write = self.write().await?;
        let Some(schedule) = lock(&write, name).await? else {
            return Ok(None);
        };
        if schedule.is_leased {
            return Ok(None);
        }
        if let Some(lost) = schedule.run {
            end_run(&write, lost, (RunState::Lost, None)).await?;
        }
        let timetable = schedule.timetable;
        let (trigger, state) = match timetable.due(write.at()) {
            Due::NotYet => return Ok(None),
            Due::Skip => (Trigger::Missed, RunState::Skipped),
            Due::Run(trigger) => (trigger, RunState::Running),
        };
        let run = ScheduleRun {
            id: self.new_id(),
            schedule: name.to_owned(),
            trigger,
            state,
            node: self.node(),
            due_at: timetable.next_at,
            started_at: write.at(),
            ended_at: (state == RunState::Skipped).then(|| write.at()),
            report: None,
            error: None,
        };
        RUN.run(write.connection(), [run_values(&run)]).await?;
        let is_running = state == RunState::Running;
        let until = write.at().plus_seconds(LEASE_SECONDS).as_micros();
        // One that was asked for early leaves the time of the next one as it is.
        let next = timetable.next_after(write.at());
        let sql = "UPDATE schedule SET run = $2, lease_owner = $3, lease_until = $4, \
            asked_at = NULL, next_at = $5 WHERE name = $1";
        let values: [Value; 5] = [
            name.into(),
            is_running.then(|| run.id.as_uuid()).into(),
            is_running.then(|| self.node()).into(),
            is_running.then_some(until).into(),
            next.as_micros().into(),
        ];
        let statement = write.dialect().statement(sql, values);
        write.connection().execute_raw(statement).await?;
        forget_runs(&write, name).await?;
        write.commit().await?;
        Ok(is_running.then_some(run))
    }

    /// Says that the runs of this store go on, and how many there are.
    pub async fn schedule_extend(&self) -> Result<u64, StoreError> {
        let write = self.write().await?;
        let until = write.at().plus_seconds(LEASE_SECONDS).as_micros();
        let sql = "UPDATE schedule SET lease_until = $2 WHERE lease_owner = $1";
        let values: [Value; 2] = [self.node().into(), until.into()];
        let statement = write.dialect().statement(sql, values);
        let extended = write.connection().execute_raw(statement).await?;
        write.commit().await?;
        Ok(extended.rows_affected())
    }

    /// Ends a run, with what it did or why it failed, and lets the schedule go.
    pub async fn schedule_end(
        &self,
        run: &ScheduleRun,
        outcome: Result<&str, &str>,
    ) -> Result<(), StoreError> {
        let write = self.write().await?;
        let ended = match outcome {
            Ok(report) => (RunState::Succeeded, Some(report)),
            Err(error) => (RunState::Failed, Some(error)),
        };
        end_run(&write, run.id.as_uuid(), ended).await?;
        let sql = "UPDATE schedule SET run = NULL, lease_owner = NULL, lease_until = NULL \
            WHERE name = $1 AND run = $2";
        let values: [Value; 2] = [run.schedule.as_str().into(), run.id.as_uuid().into()];
        let statement = write.dialect().statement(sql, values);
        write.connection().execute_raw(statement).await?;
        write.commit().await
    }

    /// Lets go what this store runs, so that another one need not wait for the lease.
    pub async fn schedule_release(&self) -> Result<(), StoreError> {
        let write = self.write().await?;
        let sql = "UPDATE schedule SET lease_until = $2 WHERE lease_owner = $1";
        let values: [Value; 2] = [self.node().into(), write.at().as_micros().into()];
        let statement = write.dialect().statement(sql, values);
        write.connection().execute_raw(statement).await?;
        write.commit().await
    }

    /// All schedules by name; there are as many as the program has.
    pub async fn schedule_list(&self) -> Result<Vec<Schedule>, StoreError> {
        self.schedules(Query::new(self.dialect(), "SELECT * FROM schedule"))
            .await
    }

    /// The schedule of this name.
    pub async fn schedule_find(&self, name: &str) -> Result<Option<Schedule>, StoreError> {
        let mut query = Query::new(self.dialect(), "SELECT * FROM schedule");
        query.and("name = ?", [name.into()]);
        Ok(self.schedules(query).await?.pop())
    }

    /// Runs of a schedule, the newest first; a page ends before `page.after`.
    pub async fn schedule_runs(
        &self,
        name: &str,
        page: &Page<ScheduleRunId>,
    ) -> Result<Vec<ScheduleRun>, StoreError> {
        let select = format!("SELECT {RUN_COLUMNS} FROM schedule_run");
        let mut query = Query::new(self.dialect(), &select);
        query.and("schedule = ?", [name.into()]);
        if let Some(before) = page.after {
            query.and("id < ?", [before.as_uuid().into()]);
        }
        query.end(&format!("ORDER BY id DESC LIMIT {}", page.limit()));
        let rows = query.all(self.reader()).await?;
        rows.iter().map(read_run).collect()
    }

    /// Wants a run now, also of a schedule that is paused.
    pub async fn schedule_ask(&self, tenant: TenantId, name: &str) -> Result<Schedule, StoreError> {
        let set = "asked_at = COALESCE(asked_at, $2)";
        self.schedule_change(tenant, name, set).await
    }

    /// Has a schedule rest until it is resumed.
    pub async fn schedule_pause(
        &self,
        tenant: TenantId,
        name: &str,
    ) -> Result<Schedule, StoreError> {
        let set = "is_paused = 1, updated_at = $2";
        self.schedule_change(tenant, name, set).await
    }

    /// Has a schedule go on. What it missed meanwhile it missed on purpose.
    pub async fn schedule_resume(
        &self,
        tenant: TenantId,
        name: &str,
    ) -> Result<Schedule, StoreError> {
        let set = "next_at = CASE WHEN is_paused = 1 AND next_at < $2 THEN $2 ELSE next_at END, \
            is_paused = 0, updated_at = $2";
        self.schedule_change(tenant, name, set).await
    }

    async fn schedule_change(
        &self,
        tenant: TenantId,
        name: &str,
        set: &str,
    ) -> Result<Schedule, StoreError> {
        let mut write = self.write().await?;
        let not_found = || StoreError::NotFound {
            what: Resource::Schedule,
            name: name.to_owned(),
        };
        lock(&write, name).await?.ok_or_else(not_found)?;
        let before = seen(&write, name).await?.ok_or_else(not_found)?;
        write.check_revision(Resource::Schedule, name, before.updated_at.as_micros())?;
        let sql = format!("UPDATE schedule SET {set} WHERE name = $1");
        let values: [Value; 2] = [name.into(), write.at().as_micros().into()];
        let statement = write.dialect().statement(sql, values);
        write.connection().execute_raw(statement).await?;
        let after = seen(&write, name).await?.ok_or_else(not_found)?;
        write.record(Deed {
            id: None,
            ..Deed::changed(
                (tenant, Resource::Schedule),
                (Uuid::nil(), name),
                &before,
                &after,
            )
        });
        write.commit().await?;
        Ok(after)
    }

    async fn schedules(&self, mut query: Query) -> Result<Vec<Schedule>, StoreError> {
        query.end("ORDER BY name");
        let rows = query.all(self.reader()).await?;
        let mut schedules = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut schedule = read(row, self.now())?;
            let last = self.schedule_runs(&schedule.name, &Page::first(1)).await?;
            schedule.last = last.into_iter().next();
            schedules.push(schedule);
        }
        Ok(schedules)
    }
}

/// The schedule, kept from other writers until the transaction ends.
async fn lock(write: &Write, name: &str) -> Result<Option<Locked>, StoreError> {
    let lock = write.dialect().row_lock();
    let sql = format!("SELECT * FROM schedule WHERE name = $1{lock}");
    let statement = write.dialect().statement(sql, [name.into()]);
    let Some(row) = write.connection().query_one_raw(statement).await? else {
        return Ok(None);
    };
    let lease_until: Option<i64> = row.try_get("", "lease_until")?;
    let schedule = read(&row, write.at())?;
    Ok(Some(Locked {
        timetable: Timetable {
            every_seconds: schedule.every_seconds,
            missed: schedule.missed,
            is_paused: schedule.is_paused,
            next_at: schedule.next_at,
            is_asked: schedule.asked_at.is_some(),
        },
        run: row.try_get("", "run")?,
        is_leased: lease_until.is_some_and(|until| write.at().as_micros() < until),
    }))
}

/// A schedule as the transaction sees it, without its runs.
async fn seen(write: &Write, name: &str) -> Result<Option<Schedule>, StoreError> {
    let sql = "SELECT * FROM schedule WHERE name = $1";
    let statement = write.dialect().statement(sql, [name.into()]);
    let row = write.connection().query_one_raw(statement).await?;
    row.as_ref().map(|row| read(row, write.at())).transpose()
}

/// Ends a run that has not ended. What is told is its report, or why it failed.
async fn end_run(
    write: &Write,
    run: Uuid,
    (state, told): (RunState, Option<&str>),
) -> Result<(), DbErr> {
    let column = match state {
        RunState::Succeeded | RunState::Running | RunState::Skipped => "report",
        RunState::Failed | RunState::Lost => "error",
    };
    let sql = format!(
        "UPDATE schedule_run SET state = $2, ended_at = $3, {column} = $4 \
        WHERE id = $1 AND state = 'running'"
    );
    let told = told.map(|text| stored_text(&text[..text.floor_char_boundary(TEXT_MAX)]));
    let values: [Value; 4] = [
        run.into(),
        state.as_str().into(),
        write.at().as_micros().into(),
        told.into(),
    ];
    let statement = write.dialect().statement(sql, values);
    write.connection().execute_raw(statement).await?;
    Ok(())
}

/// Forgets the oldest runs beyond those that are kept.
async fn forget_runs(write: &Write, name: &str) -> Result<(), DbErr> {
    let sql = format!(
        "DELETE FROM schedule_run WHERE schedule = $1 AND id <= (SELECT id FROM schedule_run \
        WHERE schedule = $1 ORDER BY id DESC LIMIT 1 OFFSET {RUNS_MAX})"
    );
    let statement = write.dialect().statement(sql, [name.into()]);
    write.connection().execute_raw(statement).await?;
    Ok(())
}

fn read(row: &QueryResult, now: Timestamp) -> Result<Schedule, StoreError> {
    let name: String = row.try_get("", "name")?;
    let corrupt = |column| StoreError::Corrupt {
        table: "schedule",
        column,
        row: name.clone(),
    };
    let every: i64 = row.try_get("", "every_seconds")?;
    let missed: String = row.try_get("", "missed")?;
    let asked_at: Option<i64> = row.try_get("", "asked_at")?;
    let lease_until: Option<i64> = row.try_get("", "lease_until")?;
    let is_paused: i64 = row.try_get("", "is_paused")?;
    Ok(Schedule {
        every_seconds: u32::try_from(every).map_err(|_| corrupt("every_seconds"))?,
        missed: missed.parse().map_err(|_| corrupt("missed"))?,
        purpose: row.try_get("", "purpose")?,
        is_paused: is_paused != 0,
        next_at: Timestamp::from_micros(row.try_get("", "next_at")?),
        asked_at: asked_at.map(Timestamp::from_micros),
        is_running: lease_until.is_some_and(|until| now.as_micros() < until),
        last: None,
        updated_at: Timestamp::from_micros(row.try_get("", "updated_at")?),
        name,
    })
}

fn read_run(result: &QueryResult) -> Result<ScheduleRun, StoreError> {
    let row = Row::new("schedule_run", result)?;
    let name: RowName = row.name();
    let (trigger, state): (String, String) = (row.raw("triggered_by")?, row.raw("state")?);
    let ended_at: Option<i64> = row.raw("ended_at")?;
    Ok(ScheduleRun {
        id: row.id(),
        schedule: row.raw("schedule")?,
        trigger: name.parse("triggered_by", &trigger)?,
        state: name.parse("state", &state)?,
        node: row.raw("node")?,
        due_at: row.time("due_at")?,
        started_at: row.time("started_at")?,
        ended_at: ended_at.map(Timestamp::from_micros),
        report: row.raw("report")?,
        error: row.raw("error")?,
    })
}

fn run_values(run: &ScheduleRun) -> [Value; 8] {
    [
        run.id.as_uuid().into(),
        run.schedule.as_str().into(),
        run.trigger.as_str().into(),
        run.state.as_str().into(),
        run.node.into(),
        run.due_at.as_micros().into(),
        run.started_at.as_micros().into(),
        run.ended_at.map(Timestamp::as_micros).into(),
    ]
}
