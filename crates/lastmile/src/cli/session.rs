//! `lastmile session`: who is online, and who was, and ending and changing that.

use domain::id::{PlanId, SessionId, TenantId};
use domain::name::{Name, Username};
use domain::session::SessionState;
use domain::time::Timestamp;
use storage::error::Resource;
use storage::page::Page;
use storage::session::{SessionFilter, SessionRow};
use storage::store::Store;

use super::context::{Context, ListSize};
use super::error::CliError;
use crate::output::Record;

mod act;
mod commands;
mod watch;

const TENANT: TenantId = TenantId::DEFAULT;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum SessionCommand {
    /// List sessions, newest first
    #[command(after_help = "Examples:
  lastmile session list
  lastmile session list --state closed --user ana --output json
  lastmile session list --plan home-50 --nas pop-1
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
    /// Follow who comes and goes, and how fast sessions are, until it is interrupted
    #[command(after_help = "Examples:
  lastmile session watch
  lastmile session watch --nas pop-1 --every 5
  lastmile session watch --user ana --output jsonl")]
    Watch(watch::WatchArgs),
    /// End open sessions: their routers are asked by Disconnect-Request
    #[command(
        after_help = "It returns when the session has ended, or when it is known that it does not, or after --wait.
A router that is away is asked when it is back, for a day.

Examples:
  lastmile session kick ana
  lastmile session kick ana --session 81a00001 --wait 30
  lastmile session kick --all --nas pop-1 --plan home-50 --dry-run
  lastmile session kick --all --nas pop-1 --yes"
    )]
    Kick(act::KickArgs),
    /// Change the speed of open sessions, until they end or their terms change
    #[command(after_help = "Examples:
  lastmile session set-rate ana 10M/20M
  lastmile session set-rate ana 512k --nas pop-1")]
    SetRate(act::SetRateArgs),
    /// List what was asked of routers about sessions, and what became of it, newest first
    #[command(after_help = "Examples:
  lastmile session commands
  lastmile session commands --user ana
  lastmile session commands --state failed --output json")]
    Commands(commands::CommandsArgs),
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
    /// Only open sessions of subscribers on this plan
    #[arg(long, value_name = "NAME")]
    plan: Option<Name>,
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
        "upload_bps",
        "download_bps",
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
        "upload_bps",
        "download_bps",
        "terminate_cause",
    ];
}

pub(crate) async fn run(context: &mut Context, command: SessionCommand) -> Result<(), CliError> {
    match command {
        SessionCommand::List(args) => list(context, args).await,
        SessionCommand::Show { session } => show(context, &session).await,
        SessionCommand::Watch(args) => watch::run(context, args).await,
        SessionCommand::Kick(args) => act::kick(context, args).await,
        SessionCommand::SetRate(args) => act::set_rate(context, args).await,
        SessionCommand::Commands(args) => commands::run(context, args).await,
    }
}

async fn list(context: &mut Context, args: ListArgs) -> Result<(), CliError> {
    if args.plan.is_some() && !matches!(args.state, StateArg::Open) {
        return Err(CliError::Usage {
            option: "--plan",
            reason: "only open sessions are found by their plan: leave --state out",
        });
    }
    let store = context.app.store_read().await?;
    let filter = SessionFilter {
        plan: find_plan(&store, args.plan.as_ref()).await?,
        state: match args.state {
            StateArg::Open => Some(SessionState::Open),
            StateArg::Closed => Some(SessionState::Closed),
            StateArg::All => None,
        },
        username: args.user,
        nas: args.nas,
        since: args.since,
        silent_at: args.stale.then(|| context.app.now()),
        ..SessionFilter::default()
    };
    let load = async |page: &Page<SessionId>| store.session_list(TENANT, &filter, page).await;
    context
        .list::<SessionRow, SessionRow, _>(args.size, "No session matches", |row| row.id, load)
        .await
}

/// The plan of this name, if one is meant.
async fn find_plan(store: &Store, name: Option<&Name>) -> Result<Option<PlanId>, CliError> {
    let Some(name) = name else {
        return Ok(None);
    };
    let plan = store.plan_find(TENANT, name).await?;
    let plan = plan.ok_or_else(|| CliError::NotFound {
        what: Resource::Plan,
        name: name.to_string(),
        remedy: "`lastmile plan list` shows all plans",
    })?;
    Ok(Some(plan.id))
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
