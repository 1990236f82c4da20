//! `lastmile schedule`: what the program does again and again, and what became of it.

use domain::id::TenantId;
use serde::Serialize;
use storage::error::{Resource, StoreError};
use storage::schedule::{Schedule, ScheduleRun};

use super::context::{Context, Deed, DryRun, ListSize};
use super::error::CliError;
use crate::output::{Extent, Record};

const TENANT: TenantId = TenantId::DEFAULT;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum ScheduleCommand {
    /// List what is done again and again, with its next and its last run
    #[command(after_help = "Examples:
  lastmile schedule list
  lastmile schedule list --output json")]
    List,
    /// List the runs of a schedule, the newest first
    #[command(after_help = "Examples:
  lastmile schedule runs audit_check
  lastmile schedule runs partitions --limit 5 --output json")]
    Runs {
        /// Name of the schedule
        name: String,
        #[command(flatten)]
        size: ListSize,
    },
    /// Have a running server do it within a second
    #[command(after_help = "Examples:
  lastmile schedule run audit_check")]
    Run(NameArgs),
    /// Have it rest until it is resumed
    #[command(after_help = "Examples:
  lastmile schedule pause retention_sessions")]
    Pause(NameArgs),
    /// Have it go on
    #[command(after_help = "Examples:
  lastmile schedule resume retention_sessions")]
    Resume(NameArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct NameArgs {
    /// Name of the schedule
    name: String,
    #[command(flatten)]
    dry_run: DryRun,
}

#[derive(Debug, Serialize)]
struct ScheduleRecord {
    name: String,
    purpose: String,
    every_seconds: u32,
    missed: &'static str,
    is_paused: bool,
    is_running: bool,
    next_at: String,
    asked_at: Option<String>,
    last_state: Option<&'static str>,
    last_started_at: Option<String>,
    last_report: Option<String>,
    last_error: Option<String>,
}

#[derive(Debug, Serialize)]
struct RunRecord {
    id: String,
    trigger: &'static str,
    state: &'static str,
    node: String,
    due_at: String,
    started_at: String,
    ended_at: Option<String>,
    report: Option<String>,
    error: Option<String>,
}

impl Record for ScheduleRecord {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "purpose",
        "every_seconds",
        "missed",
        "is_paused",
        "is_running",
        "next_at",
        "asked_at",
        "last_state",
        "last_started_at",
        "last_report",
        "last_error",
    ];
    const COLUMNS: &'static [&'static str] = &[
        "name",
        "is_paused",
        "next_at",
        "last_state",
        "last_report",
        "last_error",
    ];
}

impl Record for RunRecord {
    const FIELDS: &'static [&'static str] = &[
        "id",
        "trigger",
        "state",
        "node",
        "due_at",
        "started_at",
        "ended_at",
        "report",
        "error",
    ];
    const COLUMNS: &'static [&'static str] = &[
        "started_at",
        "trigger",
        "state",
        "ended_at",
        "report",
        "error",
    ];
}

impl From<Schedule> for ScheduleRecord {
    fn from(schedule: Schedule) -> Self {
        let last = schedule.last;
        Self {
            name: schedule.name,
            purpose: schedule.purpose,
            every_seconds: schedule.every_seconds,
            missed: schedule.missed.as_str(),
            is_paused: schedule.is_paused,
            is_running: schedule.is_running,
            next_at: schedule.next_at.to_string(),
            asked_at: schedule.asked_at.map(|at| at.to_string()),
            last_state: last.as_ref().map(|run| run.state.as_str()),
            last_started_at: last.as_ref().map(|run| run.started_at.to_string()),
            last_report: last.as_ref().and_then(|run| run.report.clone()),
            last_error: last.and_then(|run| run.error),
        }
    }
}

impl From<ScheduleRun> for RunRecord {
    fn from(run: ScheduleRun) -> Self {
        Self {
            id: run.id.to_string(),
            trigger: run.trigger.as_str(),
            state: run.state.as_str(),
            node: run.node.to_string(),
            due_at: run.due_at.to_string(),
            started_at: run.started_at.to_string(),
            ended_at: run.ended_at.map(|at| at.to_string()),
            report: run.report,
            error: run.error,
        }
    }
}

pub(crate) async fn run(context: &mut Context, command: ScheduleCommand) -> Result<(), CliError> {
    match command {
        ScheduleCommand::List => list(context).await,
        ScheduleCommand::Runs { name, size } => runs(context, &name, size).await,
        ScheduleCommand::Run(NameArgs { name, dry_run }) => {
            let store = dry_run.store(&context.app).await?;
            let schedule = store.schedule_ask(TENANT, &name).await?;
            report(context, (dry_run, "wanted now"), schedule)
        }
        ScheduleCommand::Pause(NameArgs { name, dry_run }) => {
            let store = dry_run.store(&context.app).await?;
            let schedule = store.schedule_pause(TENANT, &name).await?;
            report(context, (dry_run, "paused"), schedule)
        }
        ScheduleCommand::Resume(NameArgs { name, dry_run }) => {
            let store = dry_run.store(&context.app).await?;
            let schedule = store.schedule_resume(TENANT, &name).await?;
            report(context, (dry_run, "resumed"), schedule)
        }
    }
}

async fn list(context: &mut Context) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let mut listing = context.output.listing(Extent::All);
    for schedule in store.schedule_list().await? {
        listing.push(&ScheduleRecord::from(schedule))?;
    }
    let listed = listing.finish()?;
    context.note_listed(
        listed,
        "No schedules: start a server with the role worker first",
    );
    Ok(())
}

async fn runs(context: &mut Context, name: &str, size: ListSize) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    if store.schedule_find(name).await?.is_none() {
        return Err(CliError::Store(StoreError::NotFound {
            what: Resource::Schedule,
            name: name.to_owned(),
        }));
    }
    context
        .list::<RunRecord, _, _>(
            size,
            "It has not run yet",
            |run: &ScheduleRun| run.id,
            async |page| store.schedule_runs(name, page).await,
        )
        .await
}

fn report(
    context: &mut Context,
    (dry_run, verb): (DryRun, &'static str),
    schedule: Schedule,
) -> Result<(), CliError> {
    let deed = Deed {
        what: format!("Schedule '{}'", schedule.name),
        verb,
        details: String::new(),
    };
    Ok(context.report(dry_run, &deed, &ScheduleRecord::from(schedule))?)
}
