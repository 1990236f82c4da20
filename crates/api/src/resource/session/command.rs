//! What is asked of routers about sessions: `/api/v1/sessions/{session}/kick`, `/api/v1/sessions:kick`,
//! `/api/v1/session-commands`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::id::SessionCommandId;
use domain::rate_limit::{RateLimit, RateLimitError};
use domain::session::{Session, SessionState};
use domain::session_command::verdict::CommandState;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use services::session as sessions;
use storage::error::Resource;
use storage::page::Page;
use storage::session::SessionFilter;
use storage::session_command::{SessionCommandFilter, SessionCommandRow};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{Meant, find};
use crate::body::{Body, Fields, Params};
use crate::caller::Caller;
use crate::listing::{ListParams, Listing, Shown};
use crate::path::Path;
use crate::problem::Problem;
use crate::state::Api;

/// The fastest session, in bit/s.
const RATE_MAX: u64 = 1_000_000_000_000;

/// Commands that one answer names.
const NAMED_MAX: usize = 1_000;

/// What was asked of a router about a session, and how far it has come.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SessionCommandView {
    id: Uuid,
    /// Id of the session.
    session: Uuid,
    user_name: String,
    /// Name of the router, or its id when nothing else is known of it.
    nas: String,
    nas_id: Uuid,
    /// What is wanted: `end`, `apply` or `set_rate`.
    desired: String,
    /// The same, and why, in a sentence.
    wanted: String,
    #[schema(inline)]
    state: CommandStateView,
    /// Whether the router was asked.
    sent: bool,
    /// Whether it is so.
    confirmed: bool,
    /// Why it is not so and will not be, in a sentence.
    error: Option<String>,
    /// What became of it, in a word.
    verdict: Option<String>,
    /// The same in a sentence.
    outcome: Option<String>,
    /// The last Error-Cause of the router (RFC 5176 §3.5).
    error_cause: Option<u32>,
    actor: String,
    #[schema(value_type = String, format = DateTime)]
    asked_at: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    sent_at: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    acknowledged_at: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    settled_at: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    expires_at: String,
}

/// How far a command has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CommandStateView {
    /// The router has not been asked yet.
    Asked,
    /// The router does not answer.
    WaitingRouter,
    Sent,
    /// The router agreed, and nothing shows yet that it did so.
    Acknowledged,
    Confirmed,
    Failed,
}

/// What was asked about one session or many.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct AskedView {
    /// Sessions that were meant, or would be.
    matched: u64,
    /// Ids of the commands that do it, in the order of the sessions, the first thousand; none in a
    /// rehearsal. Ask for each under `/session-commands`.
    #[schema(max_items = 1000)]
    commands: Vec<Uuid>,
    /// User names of the sessions, the first thousand.
    #[schema(max_items = 1000)]
    user_names: Vec<String>,
}

/// Another speed, in bit/s as the subscriber sees it.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RateBody {
    #[schema(minimum = 1, maximum = 1_000_000_000_000_u64)]
    upload_bps: u64,
    #[schema(minimum = 1, maximum = 1_000_000_000_000_u64)]
    download_bps: u64,
}

/// Which open sessions are meant; everything that is given must hold.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SessionsBody {
    /// All of them that the rest means; without anything else it has to be said.
    #[serde(default)]
    all: bool,
    #[schema(max_length = 256)]
    user: Option<String>,
    /// Id or name; so are the router, the group and the plan.
    #[schema(max_length = 256)]
    subscriber: Option<String>,
    #[schema(max_length = 256)]
    nas: Option<String>,
    #[schema(max_length = 256)]
    group: Option<String>,
    #[schema(max_length = 256)]
    plan: Option<String>,
    /// An IPv4 address.
    #[schema(max_length = 64)]
    address: Option<String>,
    #[schema(max_length = 64)]
    mac: Option<String>,
    /// Only of which nothing was heard for too long.
    #[serde(default)]
    stale: bool,
}

/// Which open sessions get which speed.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SessionsRateBody {
    sessions: SessionsBody,
    rate: RateBody,
}

#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct CommandFilter {
    /// Only about sessions of this user name.
    user: Option<String>,
    /// Only at this router, by id or name.
    nas: Option<String>,
    #[param(inline)]
    state: Option<CommandStateView>,
}

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(kick))
        .routes(routes!(set_rate))
        .routes(routes!(kick_many))
        .routes(routes!(set_rate_many))
        .routes(routes!(list_commands))
        .routes(routes!(show_command))
}

/// End a session
///
/// Its router is asked, again and again for a day while it is away. What became of it is told by the
/// command.
#[utoipa::path(
    post, path = "/sessions/{session}/kick", tag = "sessions", operation_id = "session_kick",
    params(("session" = String, Path, description = "Id, or Acct-Session-Id")),
    security(("token" = ["sessions:write"])),
    responses(
        (status = 202, description = "It is asked for", body = SessionCommandView),
        (status = 200, description = "What would be asked for", body = AskedView),
    ),
)]
async fn kick(caller: Caller, Path(session): Path<String>) -> Result<Response, Problem> {
    let sessions = one_open(&caller, &session).await?;
    let ids = end(&caller, &sessions).await?;
    asked_one(&caller, &sessions, &ids).await
}

/// Change the speed of a session
///
/// Until it ends or its terms change.
#[utoipa::path(
    post, path = "/sessions/{session}/rate", tag = "sessions", operation_id = "session_set_rate",
    params(("session" = String, Path, description = "Id, or Acct-Session-Id")),
    request_body = RateBody, security(("token" = ["sessions:write"])),
    responses(
        (status = 202, description = "It is asked for", body = SessionCommandView),
        (status = 200, description = "What would be asked for", body = AskedView),
    ),
)]
async fn set_rate(
    caller: Caller,
    Path(session): Path<String>,
    Body(rate): Body<RateBody>,
) -> Result<Response, Problem> {
    let rate = rate.limit("")?;
    let sessions = one_open(&caller, &session).await?;
    let ids = change(&caller, &sessions, rate).await?;
    asked_one(&caller, &sessions, &ids).await
}

/// End many sessions
///
/// With `dry_run=true` it is only said which.
#[utoipa::path(
    post, path = "/sessions:kick", tag = "sessions", operation_id = "session_kick_many",
    request_body = SessionsBody, security(("token" = ["sessions:write"])),
    responses(
        (status = 202, description = "It is asked for", body = AskedView),
        (status = 200, description = "What would be asked for", body = AskedView),
    ),
)]
async fn kick_many(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<SessionsBody>,
) -> Result<Response, Problem> {
    let sessions = body.find(&api, &caller).await?;
    let ids = end(&caller, &sessions).await?;
    Ok(asked(&caller, &sessions, &ids))
}

/// Change the speed of many sessions
#[utoipa::path(
    post, path = "/sessions:rate", tag = "sessions", operation_id = "session_set_rate_many",
    request_body = SessionsRateBody, security(("token" = ["sessions:write"])),
    responses(
        (status = 202, description = "It is asked for", body = AskedView),
        (status = 200, description = "What would be asked for", body = AskedView),
    ),
)]
async fn set_rate_many(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<SessionsRateBody>,
) -> Result<Response, Problem> {
    let rate = body.rate.limit("rate.")?;
    let sessions = body.sessions.find(&api, &caller).await?;
    let ids = change(&caller, &sessions, rate).await?;
    Ok(asked(&caller, &sessions, &ids))
}

/// List what was asked of routers
///
/// Newest first.
#[utoipa::path(
    get, path = "/session-commands", tag = "sessions", operation_id = "session_command_list",
    params(ListParams, CommandFilter), security(("token" = ["sessions:read"])),
    responses((status = 200, description = "A page of commands", body = Listing<SessionCommandView>)),
)]
async fn list_commands(
    caller: Caller,
    Params(params): Params<ListParams>,
    Params(asked): Params<CommandFilter>,
) -> Result<Shown<SessionCommandView>, Problem> {
    let mut fields = Fields::default();
    let user = asked.user.as_deref();
    let username = user.and_then(|raw| fields.parse("user", raw));
    fields.check()?;
    let filter = SessionCommandFilter {
        username,
        nas: match &asked.nas {
            Some(raw) => {
                let name = caller.name_of(Resource::Nas, raw).await;
                Some(name.map_err(|problem| problem.named_by("nas"))?)
            }
            None => None,
        },
        state: asked.state.map(CommandStateView::state),
    };
    let limit = params.limit()?;
    let mut page = Page::first(limit + 1);
    page.after = params.after::<Uuid>()?.map(SessionCommandId::from_uuid);
    let store = caller.store();
    let rows = store
        .session_command_list(caller.tenant, &filter, &page)
        .await?;
    let views = rows.into_iter().map(SessionCommandView::from).collect();
    let listing = Listing::cut(views, limit, |view: &SessionCommandView| view.id);
    Ok(listing.shown(params))
}

/// Show what became of something that was asked
#[utoipa::path(
    get, path = "/session-commands/{command}", tag = "sessions",
    operation_id = "session_command_show",
    params(("command" = Uuid, Path, description = "Id")),
    security(("token" = ["sessions:read"])),
    responses((status = 200, description = "The command", body = SessionCommandView)),
)]
async fn show_command(
    caller: Caller,
    Path(command): Path<Uuid>,
) -> Result<Json<SessionCommandView>, Problem> {
    let id = SessionCommandId::from_uuid(command);
    let found = caller
        .store()
        .session_command_find(caller.tenant, id)
        .await?;
    let found = found.ok_or_else(|| Problem::not_found("session command"))?;
    Ok(Json(found.into()))
}

/// The session of this id, as all that is known of it.
async fn one_open(caller: &Caller, session: &str) -> Result<Vec<Session>, Problem> {
    let row = find(caller, session).await?;
    if row.state == SessionState::Closed {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "wrong_state",
            "the session has ended",
        ));
    }
    let filter = SessionFilter {
        id: Some(row.id),
        state: Some(SessionState::Open),
        ..SessionFilter::default()
    };
    Ok(sessions::find(caller.store(), caller.tenant, &filter).await?)
}

async fn end(caller: &Caller, sessions: &[Session]) -> Result<Vec<SessionCommandId>, Problem> {
    let actor = caller.principal.actor.to_string();
    Ok(sessions::kick(caller.store(), sessions, &actor).await?)
}

async fn change(
    caller: &Caller,
    sessions: &[Session],
    rate: RateLimit,
) -> Result<Vec<SessionCommandId>, Problem> {
    let actor = caller.principal.actor.to_string();
    Ok(sessions::set_rate(caller.store(), sessions, rate, &actor).await?)
}

/// The command about one session; in a rehearsal there is none.
async fn asked_one(
    caller: &Caller,
    sessions: &[Session],
    ids: &[SessionCommandId],
) -> Result<Response, Problem> {
    if caller.is_rehearsal {
        return Ok(asked(caller, sessions, ids));
    }
    let commands = caller.store().session_command_many(ids).await?;
    let command = commands.into_iter().next();
    // It may have ended since it was looked for.
    let command = command.ok_or_else(|| Problem::not_found("open session"))?;
    Ok((
        StatusCode::ACCEPTED,
        Json(SessionCommandView::from(command)),
    )
        .into_response())
}

fn asked(caller: &Caller, sessions: &[Session], ids: &[SessionCommandId]) -> Response {
    let named = ids.iter().filter(|_| !caller.is_rehearsal).take(NAMED_MAX);
    let view = AskedView {
        matched: u64::try_from(sessions.len()).unwrap_or(u64::MAX),
        commands: named.map(|id| id.as_uuid()).collect(),
        user_names: sessions
            .iter()
            .take(NAMED_MAX)
            .map(|session| session.username.to_string())
            .collect(),
    };
    let status = match caller.is_rehearsal {
        true => StatusCode::OK,
        false => StatusCode::ACCEPTED,
    };
    (status, Json(view)).into_response()
}

impl SessionsBody {
    async fn find(&self, api: &Api, caller: &Caller) -> Result<Vec<Session>, Problem> {
        let meant = Meant {
            user: self.user.as_deref(),
            subscriber: self.subscriber.as_deref(),
            nas: self.nas.as_deref(),
            group: self.group.as_deref(),
            plan: self.plan.as_deref(),
            address: self.address.as_deref(),
            mac: self.mac.as_deref(),
            is_stale: self.stale,
        };
        if !self.all && meant.is_everything() {
            return Err(Problem::field(
                "all",
                "this means every open session: say which are meant, or all=true",
            ));
        }
        let times = SessionFilter {
            state: Some(SessionState::Open),
            ..SessionFilter::default()
        };
        let filter = meant.filter(caller, times, api.now()).await?;
        Ok(sessions::find(caller.store(), caller.tenant, &filter).await?)
    }
}

impl RateBody {
    fn limit(self, prefix: &str) -> Result<RateLimit, Problem> {
        let mut fields = Fields::default();
        for (field, rate) in [
            ("upload_bps", self.upload_bps),
            ("download_bps", self.download_bps),
        ] {
            if !(1..=RATE_MAX).contains(&rate) {
                fields.wrong(
                    &format!("{prefix}{field}"),
                    format!("it is 1 to {RATE_MAX}"),
                );
            }
        }
        fields.check()?;
        let text = format!("{}/{}", self.upload_bps, self.download_bps);
        let field = format!("{prefix}upload_bps");
        text.parse()
            .map_err(|error: RateLimitError| Problem::field(&field, error.to_string()))
    }
}

impl CommandStateView {
    const fn state(self) -> CommandState {
        match self {
            Self::Asked => CommandState::Asked,
            Self::WaitingRouter => CommandState::WaitingRouter,
            Self::Sent => CommandState::Sent,
            Self::Acknowledged => CommandState::Acknowledged,
            Self::Confirmed => CommandState::Confirmed,
            Self::Failed => CommandState::Failed,
        }
    }

    const fn of(state: CommandState) -> Self {
        match state {
            CommandState::Asked => Self::Asked,
            CommandState::WaitingRouter => Self::WaitingRouter,
            CommandState::Sent => Self::Sent,
            CommandState::Acknowledged => Self::Acknowledged,
            CommandState::Confirmed => Self::Confirmed,
            CommandState::Failed => Self::Failed,
        }
    }
}

impl From<SessionCommandRow> for SessionCommandView {
    fn from(row: SessionCommandRow) -> Self {
        let state = CommandStateView::of(row.state);
        let is_failed = state == CommandStateView::Failed;
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            id: row.id.as_uuid(),
            session: row.session.as_uuid(),
            user_name: row.user_name,
            nas: row.nas,
            nas_id: row.nas_id.as_uuid(),
            desired: row.wish,
            wanted: row.wanted,
            state,
            sent: row.sent_at.is_some(),
            confirmed: state == CommandStateView::Confirmed,
            error: row.outcome.clone().filter(|_| is_failed),
            verdict: row.verdict,
            outcome: row.outcome,
            error_cause: row.error_cause,
            actor: row.actor,
            asked_at: row.asked_at.to_string(),
            sent_at: time(row.sent_at),
            acknowledged_at: time(row.acknowledged_at),
            settled_at: time(row.settled_at),
            expires_at: row.expires_at.to_string(),
        }
    }
}
