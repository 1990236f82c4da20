//! `lastmile guard`: who is kept from guessing passwords.

use domain::guard::GuardSubject;
use domain::time::Timestamp;
use serde::Serialize;
use storage::guard::{GuardFilter, GuardRow, LISTED_MAX};

use super::context::{Context, Deed, DryRun};
use super::error::CliError;
use crate::output::{Extent, Record};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum GuardCommand {
    /// List who is locked for too many failed attempts
    #[command(after_help = "Examples:
  lastmile guard list
  lastmile guard list --output json")]
    List(FilterArgs),
    /// Let go who is locked; running servers obey within two seconds
    #[command(after_help = "Examples:
  lastmile guard clear --subject user --name ana
  lastmile guard clear --dry-run
  lastmile guard clear")]
    Clear {
        #[command(flatten)]
        filter: FilterArgs,
        #[command(flatten)]
        dry_run: DryRun,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct FilterArgs {
    /// Only users, only devices, or only routers
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<SubjectArg>,
    /// Only this user name, Calling-Station-Id or router, as it is listed
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum SubjectArg {
    User,
    Station,
    Nas,
}

impl Record for GuardRow {
    const FIELDS: &'static [&'static str] = &["subject", "name", "since", "until", "strikes"];
    const COLUMNS: &'static [&'static str] = &["subject", "name", "since", "until", "strikes"];
}

/// What was let go.
#[derive(Clone, Copy, Debug, Serialize)]
struct ClearedRecord {
    cleared: u64,
    at: Timestamp,
}

impl Record for ClearedRecord {
    const FIELDS: &'static [&'static str] = &["cleared", "at"];
    const COLUMNS: &'static [&'static str] = &["cleared", "at"];
}

pub(crate) async fn run(context: &mut Context, command: GuardCommand) -> Result<(), CliError> {
    match command {
        GuardCommand::List(args) => list(context, args.into()).await,
        GuardCommand::Clear { filter, dry_run } => clear(context, &filter.into(), dry_run).await,
    }
}

async fn list(context: &mut Context, filter: GuardFilter) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let rows = store.guard_list(&filter).await?;
    let mut listing = context
        .output
        .listing::<GuardRow>(Extent::First(LISTED_MAX as usize));
    for row in &rows {
        listing.push(row)?;
    }
    let listed = listing.finish()?;
    context.note_listed(listed, "Nobody is locked");
    Ok(())
}

async fn clear(
    context: &mut Context,
    filter: &GuardFilter,
    dry_run: DryRun,
) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let record = ClearedRecord {
        cleared: store.guard_clear(filter).await?,
        at: context.app.now(),
    };
    let deed = Deed {
        what: format!("Locks: {}", record.cleared),
        verb: "cleared",
        details: String::new(),
    };
    Ok(context.report(dry_run, &deed, &record)?)
}

impl From<FilterArgs> for GuardFilter {
    fn from(args: FilterArgs) -> Self {
        Self {
            subject: args.subject.map(|subject| match subject {
                SubjectArg::User => GuardSubject::User,
                SubjectArg::Station => GuardSubject::Station,
                SubjectArg::Nas => GuardSubject::Nas,
            }),
            name: args.name,
            tenant: None,
        }
    }
}
