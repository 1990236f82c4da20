//! `lastmile migrate`: brings the schema up to date, or says how it stands.

use serde::Serialize;

use super::context::Context;
use super::error::CliError;
use crate::output::Record;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Migrations only go forward; make a backup first. `lastmile serve` applies them by itself when it
starts. With --check the exit code is 1 when migrations are pending.

Examples:
  lastmile migrate --check
  lastmile migrate"
)]
pub(crate) struct MigrateArgs {
    /// Change nothing, only say what is pending
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Serialize)]
struct MigrateRecord {
    database: String,
    from: u32,
    to: u32,
    applied: Vec<String>,
    pending: Vec<String>,
}

impl Record for MigrateRecord {
    const FIELDS: &'static [&'static str] = &["database", "from", "to", "applied", "pending"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

pub(crate) async fn run(context: &mut Context, args: MigrateArgs) -> Result<(), CliError> {
    let status = context.app.schema_status().await?;
    if args.check {
        let pending: Vec<String> = status
            .pending
            .iter()
            .map(|name| (*name).to_owned())
            .collect();
        let count = pending.len();
        context.output.show(&MigrateRecord {
            database: status.place,
            from: status.found,
            to: status.known,
            applied: Vec::new(),
            pending,
        })?;
        if status.known < status.found {
            return Err(CliError::Newer {
                found: status.found,
                known: status.known,
            });
        }
        return match count {
            0 => Ok(()),
            count => Err(CliError::Pending { count }),
        };
    }
    let (_store, _) = context.app.store_prepare().await?;
    let applied: Vec<String> = status
        .pending
        .iter()
        .map(|name| (*name).to_owned())
        .collect();
    if applied.is_empty() {
        context.note("The schema is up to date");
    }
    context.output.show(&MigrateRecord {
        database: status.place,
        from: status.found,
        to: status.known,
        applied,
        pending: Vec::new(),
    })?;
    Ok(())
}
