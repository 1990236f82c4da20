//! `lastmile reconciler`: what converges, and how it stands on each node.

use domain::id::TenantId;
use serde::Serialize;
use services::reconcile::SILENCE_SECONDS;
use storage::reconciler::ReconcilerStatus;

use super::context::{Context, DryRun};
use super::error::CliError;
use crate::output::{Extent, Record};

const TENANT: TenantId = TenantId::DEFAULT;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum ReconcilerCommand {
    /// List what converges: when it was last right, what was not yet, and why it failed
    #[command(after_help = "Examples:
  lastmile reconciler list
  lastmile reconciler list --output json")]
    List,
    /// Have every running server look at it within a second
    #[command(after_help = "Examples:
  lastmile reconciler run directory")]
    Run {
        /// Name of the reconciler
        name: String,
        #[command(flatten)]
        dry_run: DryRun,
    },
}

#[derive(Debug, Serialize)]
struct ReconcilerRecord {
    name: String,
    node: String,
    drift: u64,
    looked_at: String,
    succeeded_at: Option<String>,
    failed_at: Option<String>,
    error: Option<String>,
    asked_at: Option<String>,
}

impl Record for ReconcilerRecord {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "node",
        "drift",
        "looked_at",
        "succeeded_at",
        "failed_at",
        "error",
        "asked_at",
    ];
    const COLUMNS: &'static [&'static str] = &[
        "name",
        "drift",
        "looked_at",
        "succeeded_at",
        "failed_at",
        "error",
    ];
}

impl From<ReconcilerStatus> for ReconcilerRecord {
    fn from(status: ReconcilerStatus) -> Self {
        Self {
            name: status.name,
            node: status.node.to_string(),
            drift: status.drift,
            looked_at: status.looked_at.to_string(),
            succeeded_at: status.succeeded_at.map(|at| at.to_string()),
            failed_at: status.failed_at.map(|at| at.to_string()),
            error: status.error,
            asked_at: status.asked_at.map(|at| at.to_string()),
        }
    }
}

pub(crate) async fn run(context: &mut Context, command: ReconcilerCommand) -> Result<(), CliError> {
    let since = context.app.now().plus_seconds(-SILENCE_SECONDS);
    match command {
        ReconcilerCommand::List => {
            let store = context.app.store_read().await?;
            show(context, store.reconciler_list(since).await?)
        }
        ReconcilerCommand::Run { name, dry_run } => {
            let store = dry_run.store(&context.app).await?;
            let asked = store.reconciler_ask((TENANT, since), &name).await?;
            context.note(match dry_run.is_dry {
                true => format!("Dry run: '{name}' would be looked at. Nothing is changed."),
                false => format!("'{name}' is looked at within a second"),
            });
            show(context, asked)
        }
    }
}

fn show(context: &mut Context, statuses: Vec<ReconcilerStatus>) -> Result<(), CliError> {
    let mut listing = context.output.listing(Extent::All);
    for status in statuses {
        listing.push(&ReconcilerRecord::from(status))?;
    }
    let listed = listing.finish()?;
    context.note_listed(listed, "No server has said anything in the last minute");
    Ok(())
}
