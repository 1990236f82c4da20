//! `lastmile plan schedule`, `scheduled` and `cancel`: changes that are to be made later.

use domain::id::PlanChangeId;
use domain::name::Name;
use domain::plan::change::{ChangeNote, ChangeState};
use domain::time::Timestamp;
use serde::Serialize;
use services::plan::{self, ScheduleError};
use storage::page::Page;
use storage::plan::schedule::{NewPlanChange, PlanChange, PlanChangeFilter};

use super::{SetArgs, TENANT, find, patch};
use crate::cli::context::{Context, Deed, DryRun, ListSize};
use crate::cli::error::CliError;
use crate::output::Record;

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

#[derive(Debug, Serialize)]
struct ScheduledRecord {
    id: PlanChangeId,
    plan: String,
    at: Timestamp,
    state: ChangeState,
    note: Option<ChangeNote>,
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

impl From<PlanChange> for ScheduledRecord {
    fn from(change: PlanChange) -> Self {
        Self {
            id: change.id,
            plan: change.plan_name.to_string(),
            at: change.due_at,
            state: change.state,
            note: change.patch.note,
            actor: change.actor.to_string(),
            version: change.version,
            error: change.error,
            settled_at: change.settled_at,
        }
    }
}

pub(super) async fn add(context: &mut Context, args: ScheduleArgs) -> Result<(), CliError> {
    let ScheduleArgs { at, set } = args;
    let (name, dry_run) = (set.name.clone(), set.dry_run);
    let store = dry_run.store(&context.app).await?;
    let before = find(&store, &name).await?;
    let new = NewPlanChange {
        due_at: at,
        patch: patch(set, &store, &before).await?,
    };
    let now = (context.app.clock)();
    let change = plan::schedule(&store, (TENANT, &name), new, now).await;
    let change = change.map_err(|problem| match problem {
        ScheduleError::Past { .. } | ScheduleError::Far { .. } => CliError::At(problem),
        ScheduleError::Store(problem) => problem.into(),
    })?;
    let deed = Deed {
        what: format!("A change of plan {name}"),
        verb: "scheduled",
        details: format!(" for {at}"),
    };
    Ok(context.report(dry_run, &deed, &ScheduledRecord::from(change))?)
}

pub(super) async fn list(context: &mut Context, args: ScheduledArgs) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let plan = match &args.name {
        Some(name) => Some(find(&store, name).await?.id),
        None => None,
    };
    let filter = PlanChangeFilter {
        plan,
        state: args.state,
    };
    let load = async |page: &Page<PlanChangeId>| store.plan_change_list(TENANT, filter, page).await;
    let none = "Nothing is scheduled: `lastmile plan schedule` changes a plan later";
    let key = |change: &PlanChange| change.id;
    context
        .list::<ScheduledRecord, _, _>(args.size, none, key, load)
        .await
}

pub(super) async fn cancel(context: &mut Context, args: CancelArgs) -> Result<(), CliError> {
    let store = args.dry_run.store(&context.app).await?;
    let change = store.plan_change_cancel(TENANT, args.id).await?;
    let deed = Deed {
        what: format!("The change of plan {}", change.plan_name),
        verb: "cancelled",
        details: String::new(),
    };
    Ok(context.report(args.dry_run, &deed, &ScheduledRecord::from(change))?)
}
