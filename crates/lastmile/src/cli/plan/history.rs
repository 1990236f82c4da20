//! `lastmile plan versions` and `revert`: how a plan was, and going back.

use domain::name::Name;
use domain::plan::change::ChangeNote;
use domain::rate_limit::RateLimit;
use domain::time::Timestamp;
use serde::Serialize;
use storage::page::Page;
use storage::plan::version::PlanVersion;
use storage::store::Store;

use super::{PlanRecord, TENANT, find};
use crate::cli::change::{Change, differing_fields};
use crate::cli::context::{Context, DryRun, ListSize};
use crate::cli::error::CliError;
use crate::output::Record;

#[derive(Debug, clap::Args)]
pub(crate) struct RevertArgs {
    /// Name of the plan
    name: Name,
    /// Number of the version, as `plan versions` lists it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    version: i64,
    /// Why, to be kept with the new version
    #[arg(long, value_name = "TEXT")]
    note: Option<ChangeNote>,
    #[command(flatten)]
    dry_run: DryRun,
}

#[derive(Debug, Serialize)]
struct VersionRecord {
    version: i64,
    at: Timestamp,
    actor: String,
    note: Option<ChangeNote>,
    /// The fields that became others.
    changed: String,
    name: String,
    rate: Option<RateLimit>,
}

impl Record for VersionRecord {
    const FIELDS: &'static [&'static str] =
        &["version", "at", "actor", "note", "changed", "name", "rate"];
    const COLUMNS: &'static [&'static str] = &["version", "at", "actor", "changed", "note"];
}

impl From<PlanVersion> for VersionRecord {
    fn from(version: PlanVersion) -> Self {
        let (name, rate) = (version.plan.name.to_string(), version.plan.terms.rate);
        let after = PlanRecord::from(version.plan);
        let before = version.before.map(PlanRecord::from);
        let mut changed = before
            .map(|before| differing_fields(&before, &after))
            .unwrap_or_default();
        changed.retain(|field| field != "created_at");
        Self {
            version: version.number,
            at: version.at,
            actor: version.actor.to_string(),
            note: version.note,
            changed: changed.join(", "),
            name,
            rate,
        }
    }
}

pub(super) async fn versions(
    context: &mut Context,
    name: &Name,
    size: ListSize,
) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let plan = find(&store, name).await?.id;
    let load = async |page: &Page<i64>| store.plan_version_list(TENANT, plan, page).await;
    let key = |version: &PlanVersion| version.number;
    let none = "No version is kept";
    context
        .list::<VersionRecord, _, _>(size, none, key, load)
        .await
}

pub(super) async fn revert(context: &mut Context, args: RevertArgs) -> Result<(), CliError> {
    let store = args.dry_run.store(&context.app).await?;
    let before = find(&store, &args.name).await?;
    let change = Change {
        what: format!("Plan {}", args.name),
        before: PlanRecord::from(before),
        hidden: None,
    };
    let update = async |store: &Store| {
        let note = args.note.clone();
        let plan = store
            .plan_revert(TENANT, &args.name, args.version, note)
            .await?;
        Ok(PlanRecord::from(plan))
    };
    change.make(context, args.dry_run, &store, update).await
}
