//! `lastmile session kick` and `set-rate`: asking routers about sessions, and waiting for what
//! becomes of it.

use std::fmt;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::time::Duration;

use domain::name::{Name, Username};
use domain::rate_limit::RateLimit;
use domain::session::{Session, SessionState};
use services::session::{self as sessions, SESSIONS_MAX};
use storage::error::Resource;
use storage::session::SessionFilter;
use storage::session_command::SessionCommandRow;
use storage::store::Store;

use super::{TENANT, find_plan};
use crate::cli::context::actor;
use crate::cli::context::{Context, DryRun};
use crate::cli::error::CliError;
use crate::output::Extent;

/// More commands than this are told in numbers.
const TOLD_MAX: usize = 20;

#[derive(Debug, clap::Args)]
pub(crate) struct KickArgs {
    /// Whose sessions end
    #[arg(value_name = "USER", required_unless_present_any = ["session", "all"])]
    user: Option<Username>,
    #[command(flatten)]
    which: WhichArgs,
    /// All sessions that the other options leave, of whichever user; asks before it begins
    #[arg(long, conflicts_with_all = ["user", "session"])]
    all: bool,
    /// With --all, only sessions of subscribers on this plan
    #[arg(long, value_name = "NAME", requires = "all")]
    plan: Option<Name>,
    /// With --all, begin without asking
    #[arg(long, requires = "all")]
    yes: bool,
    #[command(flatten)]
    waiting: WaitArgs,
    #[command(flatten)]
    dry_run: DryRun,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SetRateArgs {
    /// Whose sessions change
    #[arg(value_name = "USER")]
    user: Username,
    /// The speed, upload first, in the syntax of Mikrotik-Rate-Limit
    #[arg(value_name = "RATE")]
    rate: RateLimit,
    #[command(flatten)]
    which: WhichArgs,
    #[command(flatten)]
    waiting: WaitArgs,
    #[command(flatten)]
    dry_run: DryRun,
}

#[derive(Debug, clap::Args)]
struct WhichArgs {
    /// Only this session: its id, or the Acct-Session-Id that the router gave it
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Only sessions on this router
    #[arg(long, value_name = "NAME")]
    nas: Option<Name>,
}

#[derive(Clone, Copy, Debug, clap::Args)]
struct WaitArgs {
    /// Wait no longer for the outcome; 0 does not wait
    #[arg(long = "wait", value_name = "SECONDS", default_value = "5",
        value_parser = clap::value_parser!(u64).range(..=3_600))]
    seconds: u64,
}

/// What an operator wants of sessions.
#[derive(Clone, Copy)]
enum Act {
    Kick,
    SetRate(RateLimit),
}

pub(super) async fn kick(context: &mut Context, args: KickArgs) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let plan = find_plan(&store, args.plan.as_ref()).await?;
    let filter = filter(&store, args.user.clone(), args.which).await?;
    let found = sessions::find(&store, TENANT, &SessionFilter { plan, ..filter }).await?;
    if found.is_empty() {
        return none_found(context, args.user.as_ref());
    }
    if args.all && !args.dry_run.is_dry && !args.yes && !is_agreed(found.len())? {
        context.note("Nothing is changed.");
        return Ok(());
    }
    act(
        context,
        &store,
        &found,
        Act::Kick,
        args.waiting,
        args.dry_run,
    )
    .await
}

pub(super) async fn set_rate(context: &mut Context, args: SetRateArgs) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let filter = filter(&store, Some(args.user.clone()), args.which).await?;
    let found = sessions::find(&store, TENANT, &filter).await?;
    if found.is_empty() {
        return none_found(context, Some(&args.user));
    }
    let rate = Act::SetRate(args.rate);
    act(context, &store, &found, rate, args.waiting, args.dry_run).await
}

async fn filter(
    store: &Store,
    username: Option<Username>,
    which: WhichArgs,
) -> Result<SessionFilter, CliError> {
    let WhichArgs { session, nas } = which;
    let id = match session {
        None => None,
        Some(raw) => {
            let found = store.session_find(TENANT, &raw).await?;
            let open = found.filter(|found| found.state == SessionState::Open);
            let open = open.ok_or_else(|| CliError::NotFound {
                what: Resource::Session,
                name: raw,
                remedy: "`lastmile session list` shows those that are open",
            })?;
            Some(open.id)
        }
    };
    Ok(SessionFilter {
        id,
        username,
        nas,
        state: Some(SessionState::Open),
        ..SessionFilter::default()
    })
}

/// One user who is not online is not found; of all sessions there may be none.
fn none_found(context: &Context, user: Option<&Username>) -> Result<(), CliError> {
    match user {
        Some(user) => Err(CliError::NotFound {
            what: Resource::Session,
            name: user.to_string(),
            remedy: "nobody of this name is online as asked for; `lastmile session list` shows who is",
        }),
        None => {
            context.note("No session matches");
            Ok(())
        }
    }
}

async fn act(
    context: &mut Context,
    store: &Store,
    found: &[Session],
    act: Act,
    waiting: WaitArgs,
    dry_run: DryRun,
) -> Result<(), CliError> {
    if dry_run.is_dry {
        context.note(format_args!(
            "Dry run: {}. Nothing is changed.",
            preview(found)
        ));
        return Ok(());
    }
    if SESSIONS_MAX <= found.len() {
        context.note(format_args!(
            "These are the newest {SESSIONS_MAX}: run the command again for the rest"
        ));
    }
    let actor = actor();
    let ids = match act {
        Act::Kick => sessions::kick(store, found, &actor).await?,
        Act::SetRate(rate) => sessions::set_rate(store, found, rate, &actor).await?,
    };
    let patience = Duration::from_secs(waiting.seconds);
    let commands = sessions::wait(store, &ids, patience).await?;
    tell(context, &commands)?;
    let tally = sessions::tally(&commands);
    if tally.failed != 0 {
        return Err(CliError::CommandsFailed {
            failed: tally.failed,
            all: commands.len(),
        });
    }
    if tally.under_way != 0 {
        return Err(CliError::CommandsUnderWay {
            under_way: tally.under_way,
            all: commands.len(),
            seconds: waiting.seconds,
            hint: match tally.untouched == tally.under_way {
                true => {
                    "no server has begun: one with the role worker has to run, and carries it out when it does"
                }
                false => "it goes on, and `lastmile session commands` shows what becomes of it",
            },
        });
    }
    Ok(())
}

/// What became of commands: each, or of many how many.
fn tell(context: &mut Context, commands: &[SessionCommandRow]) -> Result<(), CliError> {
    if context.output.is_for_programs() {
        let mut listing = context.output.listing::<SessionCommandRow>(Extent::All);
        for command in commands {
            listing.push(command)?;
        }
        listing.finish()?;
    } else if commands.len() <= TOLD_MAX {
        for command in commands {
            context.output.line(&Told(command).to_string())?;
        }
    } else {
        let tally = sessions::tally(commands);
        context.output.line(&format!(
            "{} sessions: {} confirmed, {} acknowledged, {} failed, {} under way",
            commands.len(),
            tally.confirmed,
            tally.acknowledged,
            tally.failed,
            tally.under_way
        ))?;
    }
    Ok(())
}

/// A command as a line.
struct Told<'c>(&'c SessionCommandRow);

impl fmt::Display for Told<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = self.0;
        write!(
            formatter,
            "{} on {}: {}",
            command.user_name, command.nas, command.state
        )?;
        if let Some(outcome) = &command.outcome {
            write!(formatter, ": {outcome}")?;
        }
        match command.error_cause {
            Some(cause) => write!(formatter, " (Error-Cause {cause})"),
            None => Ok(()),
        }
    }
}

/// Whose sessions are meant.
fn preview(found: &[Session]) -> String {
    let mut users: Vec<&str> = found
        .iter()
        .map(|session| session.username.as_str())
        .collect();
    users.sort_unstable();
    users.dedup();
    let some = users.iter().take(TOLD_MAX).copied().collect::<Vec<_>>();
    let more = match users.len().checked_sub(TOLD_MAX) {
        None | Some(0) => String::new(),
        Some(more) => format!(" and {more} more"),
    };
    format!(
        "{} open sessions of {} users: {}{more}",
        found.len(),
        users.len(),
        some.join(", ")
    )
}

/// Asks the person at the terminal.
fn is_agreed(count: usize) -> Result<bool, CliError> {
    let input = io::stdin();
    if !input.is_terminal() {
        return Err(CliError::Usage {
            option: "--yes",
            reason: "without a terminal nobody can be asked: give --yes, or look with --dry-run",
        });
    }
    let mut stderr = io::stderr().lock();
    write!(stderr, "This ends {count} sessions. Go on? [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
