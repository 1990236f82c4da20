//! Taking commands in, each with its job, unless they are asked already.

use std::collections::HashMap;

use domain::id::{SessionCommandId, SessionId};
use domain::session_command::precedence::{OpenCommand, Precedence, weigh};
use domain::session_command::verdict::{CommandState, Verdict};
use domain::session_command::{NewCommand, Wish};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use serde_json::json;
use uuid::Uuid;

use super::{Row, TABLE, read_command, read_progress, settle};
use crate::bulk::{Insert, select_in};
use crate::column::stored_text;
use crate::deed::Deed;
use crate::dialect::Dialect;
use crate::error::{Resource, StoreError};
use crate::job::{self, JobKind, NewJob};
use crate::store::Store;
use crate::write::Write;

/// Names our lock among the advisory locks of a PostgreSQL database: of two who ask about one
/// session at once, the second has to see what the first asked.
const ASK_LOCK: i64 = 0x6c61_7374_6173_6b00;

const COMMAND: Insert<'static> = Insert {
    table: TABLE,
    columns: &[
        "id",
        "tenant",
        "session",
        "key",
        "nas",
        "username",
        "subscriber",
        "wish",
        "detail",
        "actor",
        "state",
        "attempt",
        "is_last_set",
        "setbacks",
        "asked_at",
        "expires_at",
    ],
    on_conflict: "",
};

const OPEN: &str = "SELECT c.*, CASE WHEN j.state = 'leased' THEN j.due_at END AS leased_until \
    FROM session_command c LEFT JOIN job j ON j.id = c.id \
    WHERE c.settled_at IS NULL AND c.session IN";

/// Which command does what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Now(SessionCommandId),
    /// It was asked before, or more was.
    Before(SessionCommandId),
}

impl Asked {
    pub const fn id(self) -> SessionCommandId {
        match self {
            Self::Now(id) | Self::Before(id) => id,
        }
    }
}

impl Store {
    /// Takes commands in with their jobs, all or none, and says for each which command does it.
    pub async fn session_command_ask(
        &self,
        commands: &[NewCommand],
    ) -> Result<Vec<Asked>, StoreError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let mut write = self.write().await?;
        if write.dialect() == Dialect::Postgres {
            let lock = format!("SELECT pg_advisory_xact_lock({ASK_LOCK})");
            write.connection().execute_unprepared(&lock).await?;
        }
        let mut open = load_open(&write, commands).await?;
        let mut asked = Vec::with_capacity(commands.len());
        let mut new = Vec::new();
        let mut taken = Vec::new();
        for command in commands {
            let others = open.entry(command.session).or_default();
            match weigh(&command.wish, others) {
                Precedence::Covered(id) => asked.push(Asked::Before(id)),
                Precedence::Takes(settled) => {
                    let id = self.new_id();
                    others.retain(|other| settled.iter().all(|(gone, _)| *gone != other.id));
                    others.push(opened(id, command));
                    taken.extend(settled);
                    asked.push(Asked::Now(id));
                    new.push((id, command));
                }
            }
        }
        supersede(&mut write, &taken).await?;
        insert(&write, &new).await?;
        // What nodes ask by themselves follows from something that is written down already.
        if self.act().is_some() && !new.is_empty() {
            write.record(deed(&new));
        }
        write.commit().await?;
        if !new.is_empty() {
            self.job_wake().notify_one();
        }
        Ok(asked)
    }
}

/// What somebody asked of routers: one line, however many sessions it is about.
fn deed(new: &[(SessionCommandId, &NewCommand)]) -> Deed {
    let (id, first) = new[0];
    let sessions: Vec<_> = new.iter().map(|(_, command)| command.session).collect();
    let name = match new {
        [_] => first.username.to_string(),
        many => format!("{} sessions", many.len()),
    };
    Deed::created(
        (first.tenant, Resource::SessionCommand),
        (id.as_uuid(), &name),
        &json!({
            "wish": first.wish.kind(),
            "wanted": first.wish.to_string(),
            "sessions": sessions,
        }),
    )
}

/// The commands without a verdict about the same sessions.
async fn load_open(
    write: &Write,
    commands: &[NewCommand],
) -> Result<HashMap<SessionId, Vec<OpenCommand>>, StoreError> {
    let sessions: Vec<Value> = commands
        .iter()
        .map(|command| command.session.as_uuid().into())
        .collect();
    let mut open: HashMap<SessionId, Vec<OpenCommand>> = HashMap::new();
    for row in select_in(write.connection(), OPEN, &sessions, " ORDER BY c.id").await? {
        let (session, command) = read_open(write, &row)?;
        let known = open.entry(session).or_default();
        // Asked for twice, a session is found twice.
        if known.iter().all(|other| other.id != command.id) {
            known.push(command);
        }
    }
    Ok(open)
}

fn read_open(write: &Write, row: &QueryResult) -> Result<(SessionId, OpenCommand), StoreError> {
    let row = Row::new(TABLE, row)?;
    let command = read_command(&row)?;
    let progress = read_progress(&row)?;
    let leased_until: Option<i64> = row.raw("leased_until")?;
    let open = OpenCommand {
        id: command.id,
        state: progress.state,
        is_end: matches!(progress.wish(&command.wish), Wish::End(_)),
        is_under_way: leased_until.is_some_and(|until| write.at().as_micros() < until),
        wish: command.wish,
    };
    Ok((command.session, open))
}

fn opened(id: SessionCommandId, command: &NewCommand) -> OpenCommand {
    OpenCommand {
        id,
        wish: command.wish.clone(),
        state: CommandState::Asked,
        is_end: matches!(command.wish, Wish::End(_)),
        is_under_way: false,
    }
}

/// Ends commands whose place others take. A router that is being asked is heard to the end first.
async fn supersede(write: &mut Write, taken: &[(SessionCommandId, Verdict)]) -> Result<(), DbErr> {
    let verdicts: Vec<_> = taken
        .iter()
        .map(|(id, verdict)| (*id, *verdict, None))
        .collect();
    settle(write, &verdicts).await?;
    let jobs: Vec<_> = taken.iter().map(|(id, _)| id.as_uuid()).collect();
    job::withdraw(write, &jobs).await
}

async fn insert(write: &Write, new: &[(SessionCommandId, &NewCommand)]) -> Result<(), DbErr> {
    let rows = new.iter().map(|(id, command)| {
        let expires_at = write.at().plus_seconds(command.wish.patience_seconds());
        [
            id.as_uuid().into(),
            command.tenant.as_uuid().into(),
            command.session.as_uuid().into(),
            Uuid::from_bytes(command.key.0).into(),
            command.nas.as_uuid().into(),
            stored_text(&command.username).into(),
            command.subscriber.map(|id| id.as_uuid()).into(),
            command.wish.kind().into(),
            command.wish.detail().map(String::from).into(),
            stored_text(&command.actor).into(),
            "asked".into(),
            0_i64.into(),
            0_i64.into(),
            0_i64.into(),
            write.at().as_micros().into(),
            expires_at.as_micros().into(),
        ]
    });
    COMMAND.run(write.connection(), rows).await?;
    let jobs = new.iter().map(|(id, command)| NewJob {
        id: id.as_uuid(),
        tenant: command.tenant,
        lane: command.nas.as_uuid(),
        order_key: command.session.as_uuid(),
    });
    job::add(write, JobKind::SessionCommand, jobs.collect()).await
}
