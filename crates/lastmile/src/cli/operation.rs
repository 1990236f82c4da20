//! `lastmile operation`: long work that somebody asked for: how far it is, and what became of it.

use std::time::Duration;

use domain::actor::{Actor, ActorKindError};
use domain::id::OperationId;
use domain::operation::OperationState;
use serde::{Deserialize, Deserializer, Serialize, de};
use storage::error::Resource;

use super::context::{Context, Deed, DryRun, ListSize};
use super::error::CliError;
use super::subscriber_import::Bar;
use super::told::{Noun, told};
use crate::client::Client;
use crate::client::call::Call;
use crate::output::Record;

const PATH: &str = "operations";

const NOUN: Noun = Noun {
    what: Resource::Operation,
    remedy: "`lastmile operation list` shows them",
};

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

#[derive(Debug, Serialize, Deserialize)]
struct OperationRecord {
    id: String,
    kind: String,
    state: String,
    is_dry_run: bool,
    is_atomic: bool,
    total: u64,
    done: u64,
    failed: u64,
    #[serde(deserialize_with = "actor")]
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
    outcome: String,
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

/// What became of a row, as it is answered.
#[derive(Deserialize)]
struct ResultAnswer {
    row: u64,
    name: String,
    outcome: String,
    problem: Option<ResultProblem>,
}

#[derive(Deserialize)]
struct ResultProblem {
    code: String,
    field: Option<String>,
    detail: String,
}

/// Who did something, as it is answered.
#[derive(Deserialize)]
struct ActorAnswer {
    kind: String,
    name: String,
}

impl From<ResultAnswer> for ResultRecord {
    fn from(result: ResultAnswer) -> Self {
        let (code, field, detail) = match result.problem {
            Some(problem) => (Some(problem.code), problem.field, Some(problem.detail)),
            None => (None, None, None),
        };
        Self {
            row: result.row,
            name: result.name,
            outcome: result.outcome,
            code,
            field,
            detail,
        }
    }
}

/// An actor as commands show it.
fn actor<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let ActorAnswer { kind, name } = ActorAnswer::deserialize(deserializer)?;
    let kind = kind
        .parse()
        .map_err(|error: ActorKindError| de::Error::custom(error))?;
    Ok(Actor {
        kind,
        id: None,
        name,
    }
    .to_string())
}

pub(crate) async fn run(context: &mut Context, command: OperationCommand) -> Result<(), CliError> {
    match command {
        OperationCommand::List { state, size } => {
            let client = context.reader().await?;
            let call = Call::get(&[PATH]).with_some("state", state.map(OperationState::as_str));
            context
                .list_of::<OperationRecord, OperationRecord>(size, "No operations", (&client, call))
                .await
        }
        OperationCommand::Show { id } => {
            let client = context.reader().await?;
            let operation = find(&client, id).await?;
            Ok(context.output.show(&operation)?)
        }
        OperationCommand::Results { id, failed, size } => {
            let client = context.reader().await?;
            NOUN.check(&client, PATH, &id).await?;
            let call = Call::get(&[PATH, &id.to_string(), "results"])
                .with_some("failed", failed.then_some(true));
            let none = "Nothing is known of its rows";
            context
                .list_of::<ResultRecord, ResultAnswer>(size, none, (&client, call))
                .await
        }
        OperationCommand::Cancel { id, dry_run } => cancel(context, id, dry_run).await,
        OperationCommand::Wait { id } => wait(context, id).await,
    }
}

async fn cancel(context: &mut Context, id: OperationId, dry_run: DryRun) -> Result<(), CliError> {
    let client = context.writer(dry_run).await?;
    let cancelled = client
        .ask(Call::post(&[PATH, &id.to_string(), "cancel"]))
        .await;
    let operation: OperationRecord = cancelled.map_err(|error| told(error, &[(NOUN, &id)]))?;
    let deed = Deed {
        what: format!("Operation {id}"),
        verb: "called off",
        details: format!(" after {} of {} rows", operation.done, operation.total),
    };
    Ok(context.report(dry_run, &deed, &operation)?)
}

async fn wait(context: &mut Context, id: OperationId) -> Result<(), CliError> {
    let client = context.reader().await?;
    let mut operation = find(&client, id).await?;
    let rows = usize::try_from(operation.total).unwrap_or(usize::MAX);
    let bar = Bar::with_end("done", rows);
    while !operation.is_over() {
        tokio::time::sleep(LOOK_EVERY).await;
        operation = find(&client, id).await?;
        bar.set(operation.done);
    }
    bar.finish();
    Ok(context.output.show(&operation)?)
}

async fn find(client: &Client, id: OperationId) -> Result<OperationRecord, CliError> {
    let found = client.ask(Call::get(&[PATH, &id.to_string()])).await;
    found.map_err(|error| told(error, &[(NOUN, &id)]))
}

impl OperationRecord {
    fn is_over(&self) -> bool {
        let state: Result<OperationState, _> = self.state.parse();
        state.is_ok_and(OperationState::is_over)
    }
}
