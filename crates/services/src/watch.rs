//! What happens to open sessions, seen by looking at the books again and again.
//!
//! What is seen is the difference between two looks, so nothing is missed but what begins and ends
//! between them.

use std::collections::HashMap;

use domain::accounting::TerminateCause;
use domain::id::{SessionId, TenantId};
use domain::session::SessionState;
use storage::error::StoreError;
use storage::page::Page;
use storage::session::{SessionFilter, SessionRow};
use storage::store::Store;

/// Sessions that are watched at most.
pub const WATCHED_MAX: usize = 50_000;

/// What happened to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    Started,
    /// It was heard of again.
    Reported,
    Stopped,
    /// Nothing was heard of it for too long, so it was closed.
    Stale,
    /// It ended after its router was asked to end it.
    Kicked,
}

/// Something that happened, and the session as it is then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionEvent {
    pub happening: Happening,
    pub session: SessionRow,
    /// What the router was asked to do, if it was asked to end it.
    pub wanted: Option<String>,
}

/// What was seen of the sessions that a filter finds.
#[derive(Debug, Default)]
pub struct Watch {
    known: HashMap<SessionId, SessionRow>,
    has_looked: bool,
}

impl Happening {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Reported => "reported",
            Self::Stopped => "stopped",
            Self::Stale => "stale",
            Self::Kicked => "kicked",
        }
    }
}

impl Watch {
    /// Looks, and says what happened since it looked last: nothing the first time. `None` when
    /// there are more sessions than can be watched.
    pub async fn look(
        &mut self,
        store: &Store,
        tenant: TenantId,
        filter: &SessionFilter,
    ) -> Result<Option<Vec<SessionEvent>>, StoreError> {
        let Some(open) = load(store, tenant, filter).await? else {
            return Ok(None);
        };
        let mut events = Vec::new();
        if self.has_looked {
            let gone = self.known.values();
            let mut gone: Vec<SessionId> = gone
                .map(|session| session.id)
                .filter(|id| !open.contains_key(id))
                .collect();
            gone.sort_unstable();
            events.extend(ends(store, tenant, &gone).await?);
            events.extend(self.changes(&open));
        }
        self.known = open;
        self.has_looked = true;
        Ok(Some(events))
    }

    /// How many are open.
    pub fn open_count(&self) -> usize {
        self.known.len()
    }

    /// Those that are open, the fastest first.
    pub fn fastest(&self) -> Vec<&SessionRow> {
        let speed = |session: &SessionRow| {
            let up = session.upload_bps.unwrap_or(0);
            up.saturating_add(session.download_bps.unwrap_or(0))
        };
        let mut sessions: Vec<&SessionRow> = self.known.values().collect();
        sessions.sort_by_key(|session| (std::cmp::Reverse(speed(session)), session.id));
        sessions
    }

    /// What happened to sessions that are open, the oldest first.
    fn changes(&self, open: &HashMap<SessionId, SessionRow>) -> Vec<SessionEvent> {
        let happening = |session: &SessionRow| match self.known.get(&session.id) {
            None => Some(Happening::Started),
            Some(known) if known.updated_at != session.updated_at => Some(Happening::Reported),
            Some(_) => None,
        };
        let mut events: Vec<SessionEvent> = open
            .values()
            .filter_map(|session| {
                Some(SessionEvent {
                    happening: happening(session)?,
                    session: session.clone(),
                    wanted: None,
                })
            })
            .collect();
        events.sort_by_key(|event| event.session.id);
        events
    }
}

/// The open sessions that a filter finds, unless they are too many.
async fn load(
    store: &Store,
    tenant: TenantId,
    filter: &SessionFilter,
) -> Result<Option<HashMap<SessionId, SessionRow>>, StoreError> {
    let mut open = HashMap::new();
    let mut page = Page::first(Page::<()>::LIMIT_MAX);
    loop {
        let rows = store.session_list(tenant, filter, &page).await?;
        let is_last = rows.len() < page.limit() as usize;
        page.after = rows.last().map(|session| session.id);
        open.extend(rows.into_iter().map(|session| (session.id, session)));
        if WATCHED_MAX < open.len() {
            return Ok(None);
        }
        if is_last {
            return Ok(Some(open));
        }
    }
}

/// How sessions ended that are not open any more.
async fn ends(
    store: &Store,
    tenant: TenantId,
    gone: &[SessionId],
) -> Result<Vec<SessionEvent>, StoreError> {
    let commands = store.session_command_about(gone).await?;
    let mut events = Vec::with_capacity(gone.len());
    for id in gone {
        let Some(session) = store.session_find(tenant, &id.to_string()).await? else {
            continue;
        };
        if session.state == SessionState::Open {
            continue;
        }
        let asked = commands
            .iter()
            .rfind(|command| command.session == *id && command.is_end);
        let happening = match session.terminate_cause {
            Some(TerminateCause::Stale { .. }) => Happening::Stale,
            Some(
                TerminateCause::Reported(_)
                | TerminateCause::NasReboot
                | TerminateCause::Superseded,
            )
            | None => match asked {
                Some(_) => Happening::Kicked,
                None => Happening::Stopped,
            },
        };
        events.push(SessionEvent {
            happening,
            session,
            wanted: asked.map(|command| command.wanted.clone()),
        });
    }
    Ok(events)
}
