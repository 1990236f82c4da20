//! `lastmile session`: who is online, and who was.

use domain::id::{SessionId, TenantId};
use domain::name::{Name, Username};
use domain::session::SessionState;
use domain::time::Timestamp;
use storage::error::Resource;
use storage::page::Page;
use storage::session::{SessionFilter, SessionRow};

use super::context::{Context, ListSize};
use super::error::CliError;
use crate::output::Record;

const TENANT: TenantId = TenantId::DEFAULT;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum SessionCommand {
    /// List sessions, newest first
    #[command(after_help = "Examples:
  lastmile session list
  lastmile session list --state closed --user ana --output json
  lastmile session list --state all --nas pop-1 --since 2026-11-01 --output csv
  lastmile session list --state closed --stale --since 2026-11-01")]
    List(ListArgs),
    /// Show one session
    #[command(after_help = "Examples:
  lastmile session show 81a00001
  lastmile session show 81a00001 --output json")]
    Show {
        /// Its id, or the Acct-Session-Id that the router gave it
        session: String,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Which sessions
    #[arg(long, value_name = "STATE", default_value = "open")]
    state: StateArg,
    /// Only sessions of this user
    #[arg(long, value_name = "USER")]
    user: Option<Username>,
    /// Only sessions on this router
    #[arg(long, value_name = "NAME")]
    nas: Option<Name>,
    /// Only sessions that still went on at or after this time
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only sessions of which nothing was heard for three intervals and a minute: open ones are
    /// about to be closed, closed ones were closed for it
    #[arg(long)]
    stale: bool,
    #[command(flatten)]
    size: ListSize,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum StateArg {
    Open,
    Closed,
    All,
}

impl Record for SessionRow {
    const FIELDS: &'static [&'static str] = &[
        "id",
        "user_name",
        "nas",
        "nas_id",
        "session_id",
        "state",
        "ending",
        "started_at",
        "updated_at",
        "stopped_at",
        "upload_bytes",
        "download_bytes",
        "session_seconds",
        "terminate_cause",
        "framed_ipv4",
        "framed_ipv6_prefix",
        "delegated_ipv6_prefix",
        "calling_station",
        "called_station",
        "nas_port",
        "auth_id",
    ];
    const COLUMNS: &'static [&'static str] = &[
        "user_name",
        "nas",
        "session_id",
        "state",
        "ending",
        "framed_ipv4",
        "started_at",
        "session_seconds",
        "upload_bytes",
        "download_bytes",
        "terminate_cause",
    ];
}

pub(crate) async fn run(context: &mut Context, command: SessionCommand) -> Result<(), CliError> {
    match command {
        SessionCommand::List(args) => list(context, args).await,
        SessionCommand::Show { session } => show(context, &session).await,
    }
}

async fn list(context: &mut Context, args: ListArgs) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let filter = SessionFilter {
        state: match args.state {
            StateArg::Open => Some(SessionState::Open),
            StateArg::Closed => Some(SessionState::Closed),
            StateArg::All => None,
        },
        username: args.user,
        nas: args.nas,
        since: args.since,
        silent_at: args.stale.then(|| context.app.now()),
    };
    let load = async |page: &Page<SessionId>| store.session_list(TENANT, &filter, page).await;
    context
        .list::<SessionRow, SessionRow, _>(args.size, "No session matches", |row| row.id, load)
        .await
}

async fn show(context: &mut Context, session: &str) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let found = store.session_find(TENANT, session).await?;
    let found = found.ok_or_else(|| CliError::NotFound {
        what: Resource::Session,
        name: session.to_owned(),
        remedy: "`lastmile session list --state all` shows them",
    })?;
    Ok(context.output.show(&found)?)
}
