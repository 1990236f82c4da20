//! `lastmile retention`: how long history is kept, how much there is, and removing what is older.

use domain::time::Timestamp;
use serde::Serialize;
use storage::retention::History;
use storage::store::Store;

use super::context::{Context, DryRun};
use super::error::CliError;
use crate::output::{Extent, Record};
use crate::retention::Sweep;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum RetentionCommand {
    /// Show how long history is kept and how much there is
    #[command(after_help = "Examples:
  lastmile retention show
  lastmile retention show --output json")]
    Show,
    /// Remove what is older than it is kept, as the server does every hour
    #[command(after_help = "Examples:
  lastmile retention run --dry-run
  lastmile --set retention.auth_log_days=30 retention run")]
    Run {
        #[command(flatten)]
        dry_run: DryRun,
    },
}

/// A table of history, or a partition of one.
#[derive(Debug, Serialize)]
struct ExtentRecord {
    history: History,
    table: String,
    /// Nothing is for ever.
    keep_days: Option<u32>,
    rows: u64,
    oldest_at: Option<Timestamp>,
    size_bytes: u64,
}

/// What was removed, or would be.
#[derive(Debug, Serialize)]
struct RemovedRecord {
    history: History,
    before: Timestamp,
    rows: u64,
    partitions: Vec<String>,
    postponed: Vec<String>,
}

impl Record for ExtentRecord {
    const FIELDS: &'static [&'static str] = &[
        "history",
        "table",
        "keep_days",
        "rows",
        "oldest_at",
        "size_bytes",
    ];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

impl Record for RemovedRecord {
    const FIELDS: &'static [&'static str] =
        &["history", "before", "rows", "partitions", "postponed"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

pub(crate) async fn run(context: &mut Context, command: RetentionCommand) -> Result<(), CliError> {
    match command {
        RetentionCommand::Show => show(context).await,
        RetentionCommand::Run { dry_run } => sweep(context, dry_run).await,
    }
}

async fn show(context: &mut Context) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let mut listing = context.output.listing(Extent::All);
    for history in History::ALL {
        for extent in store.history_extent(history).await? {
            listing.push(&ExtentRecord {
                history,
                table: extent.name,
                keep_days: context.app.config.retention.days(history),
                rows: extent.rows,
                oldest_at: extent.oldest_at,
                size_bytes: extent.size_bytes,
            })?;
        }
    }
    listing.finish()?;
    Ok(())
}

async fn sweep(context: &mut Context, dry_run: DryRun) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let now = context.app.now();
    let mut records = Vec::new();
    for history in History::ALL {
        let Some(before) = context.app.config.retention.before(history, now) else {
            continue;
        };
        records.push(match dry_run.is_dry {
            true => rehearse(&store, history, before).await?,
            false => remove(&store, history, before).await?,
        });
    }
    let rows: u64 = records.iter().map(|record| record.rows).sum();
    let mut listing = context.output.listing(Extent::All);
    for record in &records {
        listing.push(record)?;
    }
    listing.finish()?;
    context.note(match (records.is_empty(), dry_run.is_dry) {
        (true, _) => {
            "All history is kept for ever: set retention.sessions_days and the like".into()
        }
        (false, true) => format!("Dry run: {rows} rows would be removed. Nothing is changed."),
        (false, false) => format!("Removed {rows} rows"),
    });
    Ok(())
}

async fn rehearse(
    store: &Store,
    history: History,
    before: Timestamp,
) -> Result<RemovedRecord, CliError> {
    let overdue = store.history_overdue(history, before).await?;
    Ok(RemovedRecord {
        history,
        before,
        rows: overdue.rows,
        partitions: overdue.partitions,
        postponed: Vec::new(),
    })
}

async fn remove(
    store: &Store,
    history: History,
    before: Timestamp,
) -> Result<RemovedRecord, CliError> {
    let mut sweep = Sweep::default();
    sweep.run(store, history, before, u64::MAX).await?;
    Ok(RemovedRecord {
        history,
        before,
        rows: sweep.rows,
        partitions: sweep.partitions,
        postponed: sweep.postponed,
    })
}
