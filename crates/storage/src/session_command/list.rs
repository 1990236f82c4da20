//! Showing what was asked of routers, and what became of it.

use domain::id::{NasId, SessionCommandId, SessionId, TenantId};
use domain::name::{Name, Username};
use domain::session_command::verdict::{CommandState, Verdict};
use domain::session_command::{EndReason, Wish};
use domain::time::Timestamp;
use sea_orm::{QueryResult, Value};
use serde::Serialize;

use super::{Row, TABLE, find_time, read_state};
use crate::bulk::select_in;
use crate::error::StoreError;
use crate::page::Page;
use crate::query::Query;
use crate::store::Store;

const SELECT: &str = "SELECT c.*, n.name AS nas_name FROM session_command c \
    LEFT JOIN nas_name n ON n.nas = c.nas";

/// Which commands to list; everything that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct SessionCommandFilter {
    pub username: Option<Username>,
    pub nas: Option<Name>,
    pub state: Option<CommandState>,
}

/// A command as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionCommandRow {
    pub id: SessionCommandId,
    pub user_name: String,
    /// Name of the router, or its id when nothing else is known of it.
    pub nas: String,
    pub nas_id: NasId,
    pub session: SessionId,
    /// `end`, `apply` or `set_rate`.
    pub wish: String,
    /// The session is to end, or the change could not be had and it is to end instead.
    #[serde(skip)]
    pub is_end: bool,
    /// What is wanted, and why, in a sentence.
    pub wanted: String,
    pub state: CommandState,
    /// What became of it, in a word.
    pub verdict: Option<String>,
    /// The same in a sentence.
    pub outcome: Option<String>,
    /// The last Error-Cause of the router (RFC 5176 §3.5).
    pub error_cause: Option<u32>,
    pub actor: String,
    pub asked_at: Timestamp,
    pub sent_at: Option<Timestamp>,
    pub acknowledged_at: Option<Timestamp>,
    pub settled_at: Option<Timestamp>,
    pub expires_at: Timestamp,
}

impl Store {
    /// What was asked of routers, the newest first.
    pub async fn session_command_list(
        &self,
        tenant: TenantId,
        filter: &SessionCommandFilter,
        page: &Page<SessionCommandId>,
    ) -> Result<Vec<SessionCommandRow>, StoreError> {
        let routers = match &filter.nas {
            Some(name) => {
                let found = self.nas_ids_named(tenant, name).await?;
                found.into_iter().map(Some).collect()
            }
            None => vec![None],
        };
        let mut commands = Vec::new();
        for router in routers {
            let query = self.command_query(tenant, filter, router, page);
            for row in query.all(self.reader()).await? {
                commands.push(read_row(&row)?);
            }
        }
        commands.sort_by_key(|command| std::cmp::Reverse(command.id));
        commands.truncate(page.limit() as usize);
        Ok(commands)
    }

    /// One command.
    pub async fn session_command_find(
        &self,
        tenant: TenantId,
        id: SessionCommandId,
    ) -> Result<Option<SessionCommandRow>, StoreError> {
        let mut query = Query::new(self.dialect(), SELECT);
        query.and("c.id = ?", [id.as_uuid().into()]);
        query.and("c.tenant = ?", [tenant.as_uuid().into()]);
        let rows = query.all(self.reader()).await?;
        rows.first().map(read_row).transpose()
    }

    /// These commands, in the order of their ids.
    pub async fn session_command_many(
        &self,
        ids: &[SessionCommandId],
    ) -> Result<Vec<SessionCommandRow>, StoreError> {
        let head = format!("{SELECT} WHERE c.id IN");
        let keys: Vec<Value> = ids.iter().map(|id| id.as_uuid().into()).collect();
        let rows = select_in(self.reader(), &head, &keys, "").await?;
        let mut commands = rows.iter().map(read_row).collect::<Result<Vec<_>, _>>()?;
        commands.sort_by_key(|command| command.id);
        Ok(commands)
    }

    /// What was asked about these sessions, in the order in which it was.
    pub async fn session_command_about(
        &self,
        sessions: &[SessionId],
    ) -> Result<Vec<SessionCommandRow>, StoreError> {
        let head = format!("{SELECT} WHERE c.session IN");
        let keys: Vec<Value> = sessions.iter().map(|id| id.as_uuid().into()).collect();
        let rows = select_in(self.reader(), &head, &keys, "").await?;
        let mut commands = rows.iter().map(read_row).collect::<Result<Vec<_>, _>>()?;
        commands.sort_by_key(|command| command.id);
        Ok(commands)
    }

    fn command_query(
        &self,
        tenant: TenantId,
        filter: &SessionCommandFilter,
        router: Option<NasId>,
        page: &Page<SessionCommandId>,
    ) -> Query {
        let mut query = Query::new(self.dialect(), SELECT);
        query.and("c.tenant = ?", [tenant.as_uuid().into()]);
        if let Some(username) = &filter.username {
            query.and("c.username = ?", [username.as_str().into()]);
        }
        if let Some(router) = router {
            query.and("c.nas = ?", [router.as_uuid().into()]);
        }
        if let Some(state) = filter.state {
            query.and("c.state = ?", [state.as_str().into()]);
        }
        if let Some(after) = page.after {
            query.and("c.id < ?", [after.as_uuid().into()]);
        }
        query.end(&format!("ORDER BY c.id DESC LIMIT {}", page.limit()));
        query
    }
}

fn read_row(result: &QueryResult) -> Result<SessionCommandRow, StoreError> {
    let row = Row::new(TABLE, result)?;
    let nas_id: NasId = row.id_of("nas")?;
    let nas: Option<String> = row.raw("nas_name")?;
    let wish: String = row.raw("wish")?;
    let detail: Option<String> = row.raw("detail")?;
    let fallback: Option<String> = row.raw("fallback")?;
    let wanted = wanted(&wish, detail.as_deref(), fallback.as_deref());
    let verdict: Option<String> = row.raw("verdict")?;
    let error_cause: Option<i64> = row.raw("error_cause")?;
    Ok(SessionCommandRow {
        id: row.id(),
        user_name: row.raw("username")?,
        nas: nas.unwrap_or_else(|| nas_id.to_string()),
        nas_id,
        session: row.id_of("session")?,
        is_end: wish == "end" || fallback.is_some(),
        wish,
        wanted,
        state: read_state(&row)?,
        outcome: verdict.as_deref().map(outcome),
        verdict,
        error_cause: error_cause.and_then(|cause| u32::try_from(cause).ok()),
        actor: row.raw("actor")?,
        asked_at: row.time("asked_at")?,
        sent_at: find_time(&row, "sent_at")?,
        acknowledged_at: find_time(&row, "acknowledged_at")?,
        settled_at: find_time(&row, "settled_at")?,
        expires_at: row.time("expires_at")?,
    })
}

/// A wish in a sentence; one of a later version of the program as it is stored.
fn wanted(kind: &str, detail: Option<&str>, fallback: Option<&str>) -> String {
    let unknown = || format!("{kind} {}", detail.unwrap_or_default());
    let wish = Wish::from_stored(kind, detail);
    let sentence = wish.map_or_else(unknown, |wish| wish.to_string());
    match fallback.and_then(EndReason::from_stored) {
        Some(reason) => format!("{sentence}; it has to end: {reason}"),
        None => sentence,
    }
}

fn outcome(stored: &str) -> String {
    Verdict::from_stored(stored).map_or_else(|| stored.to_owned(), |verdict| verdict.to_string())
}

#[cfg(test)]
mod tests;
