//! `lastmile operation`: long work that somebody asked for: how far it is, and what became of it.

use std::time::Duration;

use domain::id::{OperationId, TenantId};
use domain::operation::{OperationState, RowResult};
use serde::Serialize;
use storage::error::{Resource, StoreError};
use storage::operation::{Operation, OperationFilter};
use storage::store::Store;

use super::context::{Context, Deed, DryRun, ListSize};
use super::error::CliError;
use super::subscriber_import::Bar;
use crate::output::Record;

const TENANT: TenantId = TenantId::DEFAULT;

/// How often it is looked how far an operation is.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Subcommand)]
pub(crate) enum OperationCommand {
    /// List operations, the newest first
    #[command(after_help = "Examples:
  lastmile operation list
  lastmile operation list --state running --output json")]
    List {
        /// Only this state: receiving, queued, running, succeeded, failed, cancelled
        #[arg(long, value_name = "STATE")]
        state: Option<OperationState>,
        #[command(flatten)]
        size: ListSize,
    },
    /// Show one operation
    #[command(after_help = "Examples:
  lastmile operation show 01890a5d-ac96-774b-bcce-b302099a8057")]
    Show {
        /// Id of the operation
        id: OperationId,
    },
    /// List what became of the rows of an operation
    #[command(after_help = "Examples:
  lastmile operation results 01890a5d-ac96-774b-bcce-b302099a8057 --failed")]
    Results {
        /// Id of the operation
        id: OperationId,
        /// Only rows that failed
        #[arg(long)]
        failed: bool,
        #[command(flatten)]
        size: ListSize,
    },
    /// Call an operation off; what was done stays done
    #[command(after_help = "Examples:
  lastmile operation cancel 01890a5d-ac96-774b-bcce-b302099a8057")]
    Cancel {
        /// Id of the operation
        id: OperationId,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Wait until an operation is over
    #[command(after_help = "Examples:
  lastmile operation wait 01890a5d-ac96-774b-bcce-b302099a8057")]
    Wait {
        /// Id of the operation
        id: OperationId,
    },
}

#[derive(Debug, Serialize)]
struct OperationRecord {
    id: String,
    kind: &'static str,
    state: &'static str,
    is_dry_run: bool,
    is_atomic: bool,
    total: u64,
    done: u64,
    failed: u64,
    actor: String,
    error: Option<String>,
    created_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
}

#[derive(Debug, Serialize)]
struct ResultRecord {
    row: u64,
    name: String,
    outcome: &'static str,
    code: Option<String>,
    field: Option<String>,
    detail: Option<String>,
}

impl Record for OperationRecord {
    const FIELDS: &'static [&'static str] = &[
        "id",
        "kind",
        "state",
        "is_dry_run",
        "is_atomic",
        "total",
        "done",
        "failed",
        "actor",
        "error",
        "created_at",
        "started_at",
        "finished_at",
    ];
    const COLUMNS: &'static [&'static str] =
        &["id", "kind", "state", "total", "done", "failed", "error"];
}

impl Record for ResultRecord {
    const FIELDS: &'static [&'static str] = &["row", "name", "outcome", "code", "field", "detail"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

impl From<Operation> for OperationRecord {
    fn from(operation: Operation) -> Self {
        Self {
            id: operation.id.to_string(),
            kind: operation.kind.as_str(),
            state: operation.state.as_str(),
            is_dry_run: operation.is_dry_run,
            is_atomic: operation.is_atomic,
            total: operation.total,
            done: operation.done,
            failed: operation.failed,
            actor: operation.actor.to_string(),
            error: operation.error,
            created_at: operation.created_at.to_string(),
            started_at: operation.started_at.map(|at| at.to_string()),
            finished_at: operation.finished_at.map(|at| at.to_string()),
        }
    }
}

impl From<RowResult> for ResultRecord {
    fn from(result: RowResult) -> Self {
        let (code, field, detail) = match result.problem {
            Some(problem) => (Some(problem.code), problem.field, Some(problem.detail)),
            None => (None, None, None),
        };
        Self {
            row: result.row,
            name: result.name,
            outcome: result.outcome.as_str(),
            code,
            field,
            detail,
        }
    }
}

pub(crate) async fn run(context: &mut Context, command: OperationCommand) -> Result<(), CliError> {
    match command {
        OperationCommand::List { state, size } => {
            let store = context.app.store_read().await?;
            let filter = OperationFilter {
                state,
                ..OperationFilter::default()
            };
            context
                .list::<OperationRecord, _, _>(
                    size,
                    "No operations",
                    |operation: &Operation| operation.id,
                    async |page| store.operation_list(TENANT, &filter, page).await,
                )
                .await
        }
        OperationCommand::Show { id } => {
            let store = context.app.store_read().await?;
            let operation = find(&store, id).await?;
            Ok(context.output.show(&OperationRecord::from(operation))?)
        }
        OperationCommand::Results { id, failed, size } => {
            let store = context.app.store_read().await?;
            find(&store, id).await?;
            let is_failed = failed.then_some(true);
            context
                .list::<ResultRecord, _, _>(
                    size,
                    "Nothing is known of its rows",
                    |result: &RowResult| result.row,
                    async |page| store.operation_results(TENANT, id, (page, is_failed)).await,
                )
                .await
        }
        OperationCommand::Cancel { id, dry_run } => cancel(context, id, dry_run).await,
        OperationCommand::Wait { id } => wait(context, id).await,
    }
}

async fn cancel(context: &mut Context, id: OperationId, dry_run: DryRun) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let operation = store.operation_cancel(TENANT, id).await?;
    let deed = Deed {
        what: format!("Operation {id}"),
        verb: "called off",
        details: format!(" after {} of {} rows", operation.done, operation.total),
    };
    Ok(context.report(dry_run, &deed, &OperationRecord::from(operation))?)
}

async fn wait(context: &mut Context, id: OperationId) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let mut operation = find(&store, id).await?;
    let rows = usize::try_from(operation.total).unwrap_or(usize::MAX);
    let bar = Bar::with_end("done", rows);
    while !operation.state.is_over() {
        tokio::time::sleep(LOOK_EVERY).await;
        operation = find(&store, id).await?;
        bar.set(operation.done);
    }
    bar.finish();
    Ok(context.output.show(&OperationRecord::from(operation))?)
}

async fn find(store: &Store, id: OperationId) -> Result<Operation, CliError> {
    let found = store.operation_find(TENANT, id).await?;
    found.ok_or_else(|| {
        CliError::Store(StoreError::NotFound {
            what: Resource::Operation,
            name: id.to_string(),
        })
    })
}
