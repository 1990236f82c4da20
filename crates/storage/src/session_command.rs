//! What is asked of routers about sessions: how it is laid out, and how far each command has come.
//!
//! A command is stored together with the job that carries it out, and shown for as long as it is
//! kept. A session that has ended meanwhile is in the books, which are looked at before anything is
//! asked and again and again until there is a verdict.

use domain::accounting::SessionKey;
use domain::event::EventKind;
use domain::id::{Id, SessionCommandId, SessionId};
use domain::session_command::ladder::{Next, Progress};
use domain::session_command::verdict::{CommandState, Verdict};
use domain::session_command::{EndReason, SessionCommand, Wish};
use domain::terms::TermsMark;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use serde_json::json;
use uuid::Uuid;

use crate::bulk::{execute_with, select_in};
use crate::column::Row;
use crate::deed::NewEvent;
use crate::error::StoreError;
use crate::job;
use crate::store::Store;
use crate::write::Write;

mod ask;
mod list;
mod look;
mod take;

pub use ask::Asked;
pub use list::{SessionCommandFilter, SessionCommandRow};
pub use look::Look;
pub use take::{Taken, Task};

pub use crate::job::JobRoom;

const TABLE: &str = "session_command";

/// Rows that one transaction removes.
const PRUNED_MAX: u32 = 1_000;

/// What is stored of a step.
const STEP_COLUMNS: [&str; 9] = [
    "id",
    "state",
    "fallback",
    "attempt",
    "is_last_set",
    "setbacks",
    "error_cause",
    "sent_at",
    "acknowledged_at",
];

/// Values in a list of rows have no type of their own on PostgreSQL when all of them are absent.
const STEP: &str = "UPDATE session_command SET state = n.state, fallback = n.fallback, \
    attempt = n.attempt, is_last_set = n.is_last_set, setbacks = n.setbacks, \
    error_cause = n.error_cause, sent_at = COALESCE(session_command.sent_at, n.sent_at), \
    acknowledged_at = n.acknowledged_at \
    FROM n WHERE session_command.id = n.id AND session_command.settled_at IS NULL";

const TERMS: &str = "UPDATE session_open SET terms = n.terms FROM n WHERE session_open.id = n.id";

/// Commands that have no verdict yet.
const UNSETTLED: &str = "SELECT id, tenant, session, nas, username, subscriber, wish, detail, actor \
    FROM session_command WHERE settled_at IS NULL AND id IN";

const SETTLE: &str = "UPDATE session_command SET state = n.state, verdict = n.verdict, \
    settled_at = n.settled_at, error_cause = COALESCE(n.error_cause, session_command.error_cause) \
    FROM n WHERE session_command.id = n.id AND session_command.settled_at IS NULL";

/// What came of asking a router about a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub id: SessionCommandId,
    pub progress: Progress,
    pub next: Next,
    /// The terms on which the session goes on, when its router agreed to them.
    pub terms: Option<(SessionId, TermsMark)>,
}

impl Store {
    /// Stores what came of asking routers, and lets go what has no next question.
    pub async fn session_command_step(&self, steps: &[Step]) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let owner = self.node();
        let mut going = Vec::new();
        let mut settled = Vec::new();
        let mut again = Vec::new();
        let mut done = Vec::new();
        for step in steps {
            let id = step.id.as_uuid();
            match step.next {
                Next::AskAt(at) => {
                    going.push((step.id, step.progress));
                    again.push((id, at));
                }
                Next::Watch => {
                    going.push((step.id, step.progress));
                    done.push(id);
                }
                Next::Settled(verdict) => {
                    settled.push((step.id, verdict, step.progress.error_cause));
                    done.push(id);
                }
            }
        }
        store_terms(&write, steps).await?;
        store_progress(&write, &going).await?;
        settle(&mut write, &settled).await?;
        job::put_back(&write, owner, &again).await?;
        job::finish(&write, owner, &done).await?;
        write.commit().await
    }

    /// Removes commands that had their verdict before an instant, a piece at a time, and says how
    /// many.
    pub async fn session_command_prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let write = self.write().await?;
            let delete = format!(
                "DELETE FROM session_command WHERE id IN (SELECT id FROM session_command \
                 WHERE settled_at IS NOT NULL AND settled_at < $1 LIMIT {PRUNED_MAX})"
            );
            let statement = write
                .dialect()
                .statement(delete, [before.as_micros().into()]);
            let rows = write.connection().execute_raw(statement).await?;
            write.commit().await?;
            removed += rows.rows_affected();
            if rows.rows_affected() < u64::from(PRUNED_MAX) {
                return Ok(removed);
            }
        }
    }
}

/// Stores on which terms open sessions go on.
async fn store_terms(write: &Write, steps: &[Step]) -> Result<(), DbErr> {
    let rows = steps.iter().filter_map(|step| {
        let (session, terms) = step.terms?;
        Some([session.as_uuid().into(), terms.to_octets().to_vec().into()])
    });
    execute_with(write.connection(), ["id", "terms"], rows, TERMS).await?;
    Ok(())
}

/// Stores how far commands have come that have no verdict.
async fn store_progress(
    write: &Write,
    steps: &[(SessionCommandId, Progress)],
) -> Result<(), DbErr> {
    let rows = steps.iter().map(|(id, progress)| {
        let is_sent = match progress.state {
            CommandState::Asked => false,
            CommandState::WaitingRouter
            | CommandState::Sent
            | CommandState::Acknowledged
            | CommandState::Confirmed
            | CommandState::Failed => true,
        };
        let sent_at = is_sent.then(|| write.at().as_micros());
        [
            id.as_uuid().into(),
            progress.state.as_str().into(),
            progress
                .fallback
                .map(|reason| reason.to_stored().into_string())
                .into(),
            i64::from(progress.attempt).into(),
            i64::from(progress.is_last_set).into(),
            i64::from(progress.setbacks).into(),
            progress.error_cause.map(i64::from).into(),
            sent_at.into(),
            progress.acknowledged_at.map(Timestamp::as_micros).into(),
        ]
    });
    execute_with(write.connection(), STEP_COLUMNS, rows, STEP).await?;
    Ok(())
}

/// Gives commands their verdict that have none, and tells what became of them.
async fn settle(
    write: &mut Write,
    verdicts: &[(SessionCommandId, Verdict, Option<u32>)],
) -> Result<(), DbErr> {
    let ids: Vec<Value> = verdicts
        .iter()
        .map(|(id, _, _)| id.as_uuid().into())
        .collect();
    let open = select_in(write.connection(), UNSETTLED, &ids, "").await?;
    for row in &open {
        let id: Uuid = row.try_get("", "id")?;
        let verdict = verdicts.iter().find(|(of, _, _)| of.as_uuid() == id);
        if let Some((_, verdict, _)) = verdict {
            tell(write, row, *verdict)?;
        }
    }
    let columns = ["id", "state", "verdict", "settled_at", "error_cause"];
    let rows = verdicts.iter().map(|(id, verdict, error_cause)| {
        [
            id.as_uuid().into(),
            verdict.state().as_str().into(),
            verdict.as_str().into(),
            write.at().as_micros().into(),
            error_cause.map(i64::from).into(),
        ]
    });
    execute_with(write.connection(), columns, rows, SETTLE).await?;
    Ok(())
}

/// Tells what became of a command in the end.
fn tell(write: &mut Write, row: &QueryResult, verdict: Verdict) -> Result<(), DbErr> {
    let kind = match verdict.state() {
        CommandState::Confirmed => EventKind::SessionCommandConfirmed,
        CommandState::Failed => EventKind::SessionCommandFailed,
        CommandState::Asked
        | CommandState::WaitingRouter
        | CommandState::Sent
        | CommandState::Acknowledged => return Ok(()),
    };
    let id = |column| -> Result<Option<Uuid>, DbErr> { row.try_get("", column) };
    let text = |column| -> Result<Option<String>, DbErr> { row.try_get("", column) };
    let data = json!({
        "session_id": id("session")?,
        "nas_id": id("nas")?,
        "subscriber_id": id("subscriber")?,
        "username": text("username")?,
        "wish": text("wish")?,
        "detail": text("detail")?,
        "actor": text("actor")?,
        "verdict": verdict.as_str(),
    });
    let tenant = Id::from_uuid(row.try_get("", "tenant")?);
    let resource = id("id")?;
    write.tell(
        tenant,
        NewEvent {
            kind,
            resource,
            data,
        },
    );
    Ok(())
}

fn read_command(row: &Row<'_>) -> Result<SessionCommand, StoreError> {
    let key: Uuid = row.raw("key")?;
    let kind: String = row.raw("wish")?;
    let detail: Option<String> = row.raw("detail")?;
    let wish = Wish::from_stored(&kind, detail.as_deref());
    let username: String = row.raw("username")?;
    let actor: String = row.raw("actor")?;
    Ok(SessionCommand {
        id: row.id(),
        tenant: row.id_of("tenant")?,
        session: row.id_of("session")?,
        key: SessionKey(key.into_bytes()),
        nas: row.id_of("nas")?,
        username: username.into(),
        subscriber: row.find_id_of("subscriber")?,
        wish: wish.ok_or_else(|| row.name().corrupt("wish"))?,
        actor: actor.into(),
        asked_at: row.time("asked_at")?,
        expires_at: row.time("expires_at")?,
    })
}

fn read_progress(row: &Row<'_>) -> Result<Progress, StoreError> {
    let fallback: Option<String> = row.raw("fallback")?;
    let fallback = fallback.map(|stored| {
        EndReason::from_stored(&stored).ok_or_else(|| row.name().corrupt("fallback"))
    });
    let is_last_set: i64 = row.raw("is_last_set")?;
    let error_cause: Option<i64> = row.raw("error_cause")?;
    Ok(Progress {
        state: read_state(row)?,
        fallback: fallback.transpose()?,
        attempt: row.name().number("attempt", row.raw("attempt")?, checked)?,
        is_last_set: is_last_set != 0,
        setbacks: row
            .name()
            .number("setbacks", row.raw("setbacks")?, checked)?,
        error_cause: error_cause
            .map(|cause| row.name().number("error_cause", cause, checked))
            .transpose()?,
        acknowledged_at: find_time(row, "acknowledged_at")?,
    })
}

fn read_state(row: &Row<'_>) -> Result<CommandState, StoreError> {
    let state: String = row.raw("state")?;
    row.name().parse("state", &state)
}

fn find_time(row: &Row<'_>, column: &'static str) -> Result<Option<Timestamp>, DbErr> {
    let micros: Option<i64> = row.raw(column)?;
    Ok(micros.map(Timestamp::from_micros))
}

/// Every number of this width is a good one.
const fn checked<Number: Copy>(number: Number) -> Result<Number, std::convert::Infallible> {
    Ok(number)
}
