//! Taking what is due, with what is needed to ask the router.

use std::collections::HashMap;

use domain::id::{Id, SessionCommandId, SessionId};
use domain::session::Session;
use domain::session_command::SessionCommand;
use domain::session_command::ladder::{Books, Progress};
use domain::session_command::verdict::Verdict;
use sea_orm::Value;
use tracing::error;
use uuid::Uuid;

use super::{Row, TABLE, read_command, read_progress, settle, store_progress};
use crate::bulk::select_in;
use crate::error::StoreError;
use crate::job::{self, JobKind, JobRoom};
use crate::session::{LIVE_COLUMNS, read_live};
use crate::store::Store;
use crate::write::Write;

/// A command whose router is to be asked now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    pub command: SessionCommand,
    pub progress: Progress,
    /// As it is in the books.
    pub session: Session,
}

/// What was taken.
#[derive(Debug, Default)]
pub struct Taken {
    pub tasks: Vec<Task>,
    /// Commands that have their verdict without their router being asked.
    pub settled: Vec<Verdict>,
    /// Commands that cannot be read, which nobody takes again.
    pub buried: usize,
    /// The lane that was served last.
    pub last: Option<Uuid>,
}

impl Store {
    /// Takes commands that are due, as far as there is room, until their lease runs out.
    pub async fn session_command_take(&self, room: &JobRoom) -> Result<Taken, StoreError> {
        let kind = JobKind::SessionCommand;
        let lanes = self.job_lanes(kind, room, self.now()).await?;
        if lanes.is_empty() {
            return Ok(Taken {
                last: room.after,
                ..Taken::default()
            });
        }
        let mut write = self.write().await?;
        let owner = self.node();
        let (ids, last) = job::take(&write, kind, owner, &lanes, room).await?;
        let (commands, unreadable) = load_commands(&write, &ids).await?;
        let mut sessions = load_sessions(&write, &commands).await?;
        let mut tasks = Vec::new();
        let mut settled = Vec::new();
        let mut finished = Vec::new();
        let mut missing: Vec<Uuid> = ids;
        missing.retain(|id| unreadable.iter().all(|(gone, _)| gone != id));
        for (command, mut progress) in commands {
            missing.retain(|id| *id != command.id.as_uuid());
            let session = sessions.remove(&command.session);
            let books = session
                .as_ref()
                .map_or(Books::Closed, |session| Books::Open {
                    updated_at: session.updated_at,
                });
            let verdict = progress
                .look(&command.wish, books, write.at())
                .or_else(|| progress.begin(write.at(), command.expires_at));
            match (verdict, session) {
                (None, Some(session)) => tasks.push(Task {
                    command,
                    progress,
                    session,
                }),
                (verdict, _) => {
                    let verdict = verdict.unwrap_or(Verdict::SessionEnded);
                    finished.push(command.id.as_uuid());
                    settled.push((command.id, verdict, progress.error_cause));
                }
            }
        }
        let begun: Vec<_> = tasks
            .iter()
            .map(|task| (task.command.id, task.progress))
            .collect();
        store_progress(&write, &begun).await?;
        settle(&mut write, &settled).await?;
        // Those without a command that waits have nothing left to do.
        finished.extend(missing);
        job::finish(&write, owner, &finished).await?;
        for (id, problem) in &unreadable {
            error!(
                job.id = %id,
                error = problem as &dyn std::error::Error,
                "The session command {id} cannot be read, so it is not carried out"
            );
            job::bury(&write, Id::from_uuid(*id), &problem.to_string()).await?;
        }
        write.commit().await?;
        Ok(Taken {
            tasks,
            settled: settled.iter().map(|(_, verdict, _)| *verdict).collect(),
            buried: unreadable.len(),
            last,
        })
    }
}

type Loaded = (Vec<(SessionCommand, Progress)>, Vec<(Uuid, StoreError)>);

/// The commands of jobs that have no verdict, in the order of their jobs.
async fn load_commands(write: &Write, ids: &[Uuid]) -> Result<Loaded, StoreError> {
    let keys: Vec<Value> = ids.iter().map(|id| (*id).into()).collect();
    let head = "SELECT c.* FROM session_command c WHERE c.settled_at IS NULL AND c.id IN";
    let (mut commands, mut unreadable) = (Vec::new(), Vec::new());
    for row in select_in(write.connection(), head, &keys, "").await? {
        let row = Row::new(TABLE, &row)?;
        let id: SessionCommandId = row.id();
        match read_command(&row).and_then(|command| Ok((command, read_progress(&row)?))) {
            Ok(loaded) => commands.push(loaded),
            Err(problem @ StoreError::Corrupt { .. }) => unreadable.push((id.as_uuid(), problem)),
            Err(problem) => return Err(problem),
        }
    }
    commands.sort_by_key(|(command, _)| command.id);
    Ok((commands, unreadable))
}

/// The sessions of commands, if they are open.
async fn load_sessions(
    write: &Write,
    commands: &[(SessionCommand, Progress)],
) -> Result<HashMap<SessionId, Session>, StoreError> {
    let head = format!("SELECT {LIVE_COLUMNS} FROM session_open s WHERE s.id IN");
    let keys: Vec<Value> = commands
        .iter()
        .map(|(command, _)| command.session.as_uuid().into())
        .collect();
    let rows = select_in(write.connection(), &head, &keys, "").await?;
    let read = |row| read_live(row).map(|live| (live.session.id, live.session));
    rows.iter().map(read).collect()
}
