//! What operators want of sessions: ending them, changing their speed, seeing what became of it.

use std::time::Duration;

use compact_str::CompactString;
use domain::id::{SessionCommandId, TenantId};
use domain::rate_limit::RateLimit;
use domain::session::Session;
use domain::session_command::verdict::CommandState;
use domain::session_command::{EndReason, NewCommand, Wish};
use storage::error::StoreError;
use storage::page::Page;
use storage::session::SessionFilter;
use storage::session_command::{Asked, SessionCommandRow};
use storage::store::Store;
use tokio::time::{Instant, sleep};

/// Sessions that one wish of an operator is about at most.
pub const SESSIONS_MAX: usize = 200_000;

/// Commands that one transaction takes in.
const ASKED_MAX: usize = 1_000;

/// How often it is looked at what became of a few commands, and of many.
const LOOK_EVERY: Duration = Duration::from_millis(40);
const LOOK_AT_MANY_EVERY: Duration = Duration::from_millis(500);

/// More commands than are looked at often.
const MANY: usize = 100;

/// How far commands have come, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Tally {
    pub confirmed: usize,
    /// The routers agreed, and nothing shows yet that they did so.
    pub acknowledged: usize,
    pub failed: usize,
    /// Something is still to be done about them.
    pub under_way: usize,
    /// No worker has looked at them.
    pub untouched: usize,
}

/// The open sessions that a filter finds, newest first, [`SESSIONS_MAX`] at most.
pub async fn find(
    store: &Store,
    tenant: TenantId,
    filter: &SessionFilter,
) -> Result<Vec<Session>, StoreError> {
    let mut found: Vec<Session> = Vec::new();
    let mut page = Page::first(Page::<()>::LIMIT_MAX);
    loop {
        let sessions = store.session_open_list(tenant, filter, &page).await?;
        let is_last = sessions.len() < page.limit() as usize;
        page.after = sessions.last().map(|session| session.id);
        found.extend(sessions);
        if is_last || SESSIONS_MAX <= found.len() {
            found.truncate(SESSIONS_MAX);
            return Ok(found);
        }
    }
}

/// Wants sessions to end.
pub async fn kick(
    store: &Store,
    sessions: &[Session],
    actor: &str,
) -> Result<Vec<SessionCommandId>, StoreError> {
    ask(store, sessions, &Wish::End(EndReason::Kicked), actor).await
}

/// Wants sessions to go on at a speed.
pub async fn set_rate(
    store: &Store,
    sessions: &[Session],
    rate: RateLimit,
    actor: &str,
) -> Result<Vec<SessionCommandId>, StoreError> {
    ask(store, sessions, &Wish::SetRate(rate), actor).await
}

async fn ask(
    store: &Store,
    sessions: &[Session],
    wish: &Wish,
    actor: &str,
) -> Result<Vec<SessionCommandId>, StoreError> {
    let mut ids = Vec::with_capacity(sessions.len());
    for some in sessions.chunks(ASKED_MAX) {
        let commands: Vec<NewCommand> = some
            .iter()
            .map(|session| NewCommand {
                session: session.id,
                key: session.key,
                nas: session.nas,
                tenant: session.tenant,
                username: CompactString::from(session.username.as_str()),
                subscriber: session.subscriber,
                wish: wish.clone(),
                actor: actor.into(),
            })
            .collect();
        let asked = store.session_command_ask(&commands).await?;
        ids.extend(asked.into_iter().map(Asked::id));
    }
    Ok(ids)
}

/// Waits until it is known what became of commands, but no longer than `patience`, and says how far
/// they have come. A change is known when the router has agreed to it.
pub async fn wait(
    store: &Store,
    ids: &[SessionCommandId],
    patience: Duration,
) -> Result<Vec<SessionCommandRow>, StoreError> {
    let deadline = Instant::now() + patience;
    let pause = match ids.len() <= MANY {
        true => LOOK_EVERY,
        false => LOOK_AT_MANY_EVERY,
    };
    loop {
        let commands = store.session_command_many(ids).await?;
        let now = Instant::now();
        if deadline <= now || commands.iter().all(is_known) {
            return Ok(commands);
        }
        sleep(pause.min(deadline - now)).await;
    }
}

/// Counts how far commands have come.
pub fn tally(commands: &[SessionCommandRow]) -> Tally {
    let mut tally = Tally::default();
    for command in commands {
        match command.state {
            CommandState::Confirmed => tally.confirmed += 1,
            CommandState::Failed => tally.failed += 1,
            CommandState::Acknowledged if is_known(command) => tally.acknowledged += 1,
            CommandState::Asked => {
                tally.under_way += 1;
                tally.untouched += 1;
            }
            CommandState::WaitingRouter | CommandState::Sent | CommandState::Acknowledged => {
                tally.under_way += 1;
            }
        }
    }
    tally
}

fn is_known(command: &SessionCommandRow) -> bool {
    command.settled_at.is_some() || command.state == CommandState::Acknowledged && !command.is_end
}
