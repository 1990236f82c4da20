//! `lastmile plan schedule`, `scheduled` and `cancel`: changes that are to be made later.

use domain::id::PlanChangeId;
use domain::name::Name;
use domain::plan::change::ChangeState;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use storage::error::Resource;

use super::{NOUN, PATH, SetArgs, find, patch};
use crate::cli::context::{Context, Deed, DryRun, ListSize};
use crate::cli::error::CliError;
use crate::cli::told::{Noun, told};
use crate::client::call::Call;
use crate::output::Record;

const CHANGE: Noun = Noun {
    what: Resource::PlanChange,
    remedy: "`lastmile plan scheduled` shows them",
};

/// Below a plan, its changes.
const CHANGES: &str = "scheduled-changes";

/// The changes of all plans.
const ALL: &str = "scheduled-plan-changes";

#[derive(Debug, clap::Args)]
pub(crate) struct ScheduleArgs {
    /// When: a date, or a date and time with its zone
    #[arg(long, value_name = "TIME")]
    at: Timestamp,
    #[command(flatten)]
    set: SetArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ScheduledArgs {
    /// Only changes of this plan
    name: Option<Name>,
    /// Only changes that stand so: pending, applied, failed, cancelled
    #[arg(long, value_name = "STATE")]
    state: Option<ChangeState>,
    #[command(flatten)]
    size: ListSize,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CancelArgs {
    /// Id of the change, as `plan scheduled` lists it
    id: PlanChangeId,
    #[command(flatten)]
    dry_run: DryRun,
}

#[derive(Debug, Serialize, Deserialize)]
struct ScheduledRecord {
    id: String,
    plan: String,
    at: Timestamp,
    state: String,
    note: Option<String>,
    actor: String,
    version: Option<i64>,
    error: Option<String>,
    settled_at: Option<Timestamp>,
}

impl Record for ScheduledRecord {
    const FIELDS: &'static [&'static str] = &[
        "id",
        "plan",
        "at",
        "state",
        "note",
        "actor",
        "version",
        "error",
        "settled_at",
    ];
    const COLUMNS: &'static [&'static str] = &["id", "plan", "at", "state", "note", "error"];
}

pub(super) async fn add(context: &mut Context, args: ScheduleArgs) -> Result<(), CliError> {
    let ScheduleArgs { at, set } = args;
    let (name, dry_run) = (set.name.clone(), set.dry_run);
    let client = context.writer(dry_run).await?;
    let before = find(&client, &name).await?;
    let mut patch = patch(set, &client, &before).await?;
    let note = patch.note.take();
    let mut body = json!({ "at": at, "patch": patch });
    if let Some(note) = note {
        body["note"] = note.into();
    }
    let call = Call::post(&[PATH, name.as_str(), CHANGES]).carrying(&body);
    let change = client.ask(call).await;
    let change: ScheduledRecord = change.map_err(|error| told(error, &[(NOUN, &name)]))?;
    let deed = Deed {
        what: format!("A change of plan {name}"),
        verb: "scheduled",
        details: format!(" for {at}"),
    };
    Ok(context.report(dry_run, &deed, &change)?)
}

pub(super) async fn list(context: &mut Context, args: ScheduledArgs) -> Result<(), CliError> {
    let client = context.reader().await?;
    let call = match &args.name {
        Some(name) => {
            find(&client, name).await?;
            Call::get(&[PATH, name.as_str(), CHANGES])
        }
        None => Call::get(&[ALL]),
    };
    let call = call.with_some("state", args.state);
    let none = "Nothing is scheduled: `lastmile plan schedule` changes a plan later";
    context
        .list_of::<ScheduledRecord, ScheduledRecord>(args.size, none, (&client, call))
        .await
}

pub(super) async fn cancel(context: &mut Context, args: CancelArgs) -> Result<(), CliError> {
    let client = context.writer(args.dry_run).await?;
    let id = args.id.to_string();
    let is_meant = |change: &ScheduledRecord| change.id == id;
    let change = client.find_in(Call::get(&[ALL]), is_meant).await?;
    let plan = change.ok_or_else(|| CHANGE.not_found(&id))?.plan;
    let cancelled = client.ask(Call::delete(&[PATH, &plan, CHANGES, &id])).await;
    let change: ScheduledRecord = cancelled.map_err(|error| told(error, &[(CHANGE, &id)]))?;
    let deed = Deed {
        what: format!("The change of plan {}", change.plan),
        verb: "cancelled",
        details: String::new(),
    };
    Ok(context.report(args.dry_run, &deed, &change)?)
}
