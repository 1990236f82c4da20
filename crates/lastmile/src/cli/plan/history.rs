//! `lastmile plan versions` and `revert`: how a plan was, and going back.

use domain::name::Name;
use domain::plan::change::ChangeNote;
use domain::rate_limit::RateLimit;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::wire::{self, PlanAnswer};
use super::{PATH, ask, find};
use crate::cli::change::{Change, differing_fields};
use crate::cli::context::{Context, DryRun, ListSize};
use crate::cli::error::CliError;
use crate::client::Client;
use crate::client::call::Call;
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
    note: Option<String>,
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

/// A version as the interface answers it.
#[derive(Deserialize)]
struct VersionAnswer {
    number: i64,
    at: Timestamp,
    actor: String,
    note: Option<String>,
    after: PlanAnswer,
    before: Option<PlanAnswer>,
}

impl From<VersionAnswer> for VersionRecord {
    fn from(version: VersionAnswer) -> Self {
        let after = version.after.0;
        let before = version.before.map(|before| before.0);
        let mut changed = before
            .map(|before| differing_fields(&before, &after))
            .unwrap_or_default();
        changed.retain(|field| field != "created_at");
        Self {
            version: version.number,
            at: version.at,
            actor: version.actor,
            note: version.note,
            changed: changed.join(", "),
            name: after.name,
            rate: after.rate,
        }
    }
}

pub(super) async fn versions(
    context: &mut Context,
    name: &Name,
    size: ListSize,
) -> Result<(), CliError> {
    let client = context.reader().await?;
    find(&client, name).await?;
    let call = Call::get(&[PATH, name.as_str(), "versions"]);
    context
        .list_of::<VersionRecord, VersionAnswer>(size, "No version is kept", (&client, call))
        .await
}

pub(super) async fn revert(context: &mut Context, args: RevertArgs) -> Result<(), CliError> {
    let client = context.writer(args.dry_run).await?;
    let name = &args.name;
    let change = Change {
        what: format!("Plan {name}"),
        before: find(&client, name).await?,
        hidden: None,
    };
    let mut body = json!({ "version": args.version });
    if let Some(note) = wire::note(args.note.as_ref()) {
        body["note"] = note.into();
    }
    let update = async |client: &Client| {
        let call = Call::post(&[PATH, name.as_str(), "revert"]).carrying(&body);
        ask(client, call, name).await
    };
    change.make(context, args.dry_run, &client, update).await
}
