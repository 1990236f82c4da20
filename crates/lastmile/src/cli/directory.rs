//! `lastmile directory`: what servers keep in memory.

use serde::Serialize;
use storage::directory::DirectoryExtent;
use storage::rows::RowExtent;

use super::context::{Context, Deed, DryRun};
use super::error::CliError;
use crate::output::Record;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum DirectoryCommand {
    /// Have every server load everything anew, while it goes on answering
    #[command(
        after_help = "Servers follow every change by themselves, so this is never needed; after the database was
changed by other means than this program it is. Nobody is unknown meanwhile: each entry stays until
the new one replaces it, and what no longer exists goes last.

Examples:
  lastmile directory reload
  lastmile directory reload --dry-run"
    )]
    Reload {
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Count what a server loads from the database
    #[command(after_help = "Examples:
  lastmile directory show
  lastmile directory show --output json")]
    Show,
}

#[derive(Debug, Serialize)]
struct DirectoryRecord {
    subscribers: u64,
    plans: u64,
    nas: u64,
    row_users: u64,
    row_groups: u64,
    row_nas: u64,
    open_sessions: u64,
}

impl Record for DirectoryRecord {
    const FIELDS: &'static [&'static str] = &[
        "subscribers",
        "plans",
        "nas",
        "row_users",
        "row_groups",
        "row_nas",
        "open_sessions",
    ];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

pub(crate) async fn run(context: &mut Context, command: DirectoryCommand) -> Result<(), CliError> {
    match command {
        DirectoryCommand::Reload { dry_run } => reload(context, dry_run).await,
        DirectoryCommand::Show => show(context).await,
    }
}

async fn reload(context: &mut Context, dry_run: DryRun) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    store.directory_reload().await?;
    let extent = store.directory_extent().await?;
    let deed = Deed {
        what: "The directory of every server".to_owned(),
        verb: "marked",
        details: format!(
            " for loading anew: subscribers {}, plans {}, NAS {}",
            extent.subscribers, extent.plans, extent.nas
        ),
    };
    let rows = store.row_extent().await?;
    Ok(context.report(dry_run, &deed, &record_of(extent, rows))?)
}

async fn show(context: &mut Context) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let extent = store.directory_extent().await?;
    let rows = store.row_extent().await?;
    Ok(context.output.show(&record_of(extent, rows))?)
}

const fn record_of(extent: DirectoryExtent, rows: RowExtent) -> DirectoryRecord {
    let DirectoryExtent {
        subscribers,
        plans,
        nas,
        open_sessions,
    } = extent;
    let RowExtent {
        users: row_users,
        groups: row_groups,
        nas: row_nas,
    } = rows;
    DirectoryRecord {
        subscribers,
        plans,
        nas,
        row_users,
        row_groups,
        row_nas,
        open_sessions,
    }
}
