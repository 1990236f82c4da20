//! `lastmile job`: work beside the transactions that wanted it, and what cannot be done.

use domain::id::{JobId, TenantId};
use serde::Serialize;
use storage::job::{JobFilter, JobKind, JobState, JobSummary};

use super::context::{Context, Deed, DryRun, ListSize};
use super::error::CliError;
use crate::output::Record;

const TENANT: TenantId = TenantId::DEFAULT;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum JobCommand {
    /// List jobs, the newest first
    #[command(after_help = "Examples:
  lastmile job list
  lastmile job list --state buried
  lastmile job list --kind operation --output json")]
    List {
        /// Only this kind: session_command, operation
        #[arg(long, value_name = "KIND")]
        kind: Option<JobKind>,
        /// Only this state: ready, leased, buried
        #[arg(long, value_name = "STATE")]
        state: Option<JobState>,
        #[command(flatten)]
        size: ListSize,
    },
    /// Have a job done now, also one that was put aside
    #[command(after_help = "Examples:
  lastmile job retry 01890a5d-ac96-774b-bcce-b302099a8057")]
    Retry {
        /// Id of the job
        id: JobId,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Remove a job that need not be done, and end what wanted it
    #[command(after_help = "Examples:
  lastmile job discard 01890a5d-ac96-774b-bcce-b302099a8057")]
    Discard {
        /// Id of the job
        id: JobId,
        #[command(flatten)]
        dry_run: DryRun,
    },
}

#[derive(Debug, Serialize)]
struct JobRecord {
    id: String,
    kind: &'static str,
    state: &'static str,
    due_at: String,
    attempts: u64,
    last_error: Option<String>,
    created_at: String,
}

impl Record for JobRecord {
    const FIELDS: &'static [&'static str] = &[
        "id",
        "kind",
        "state",
        "due_at",
        "attempts",
        "last_error",
        "created_at",
    ];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

impl From<JobSummary> for JobRecord {
    fn from(job: JobSummary) -> Self {
        Self {
            id: job.id.to_string(),
            kind: job.kind.as_str(),
            state: job.state.as_str(),
            due_at: job.due_at.to_string(),
            attempts: job.attempts,
            last_error: job.last_error,
            created_at: job.created_at.to_string(),
        }
    }
}

pub(crate) async fn run(context: &mut Context, command: JobCommand) -> Result<(), CliError> {
    match command {
        JobCommand::List { kind, state, size } => {
            let store = context.app.store_read().await?;
            let filter = JobFilter { kind, state };
            context
                .list::<JobRecord, _, _>(
                    size,
                    "Nothing is to be done",
                    |job: &JobSummary| job.id,
                    async |page| store.job_list(TENANT, &filter, page).await,
                )
                .await
        }
        JobCommand::Retry { id, dry_run } => {
            let store = dry_run.store(&context.app).await?;
            let job = store.job_retry(TENANT, id).await?;
            report(context, (dry_run, "due now"), job)
        }
        JobCommand::Discard { id, dry_run } => {
            let store = dry_run.store(&context.app).await?;
            let job = store.job_discard(TENANT, id).await?;
            report(context, (dry_run, "discarded"), job)
        }
    }
}

fn report(
    context: &mut Context,
    (dry_run, verb): (DryRun, &'static str),
    job: JobSummary,
) -> Result<(), CliError> {
    let deed = Deed {
        what: format!("Job {}", job.id),
        verb,
        details: String::new(),
    };
    Ok(context.report(dry_run, &deed, &JobRecord::from(job))?)
}
