//! `lastmile realm`: the parts of user names that say whose subscriber it is.

use domain::realm::{RealmHandling, RealmName};
use serde::{Deserialize, Serialize};
use serde_json::json;
use storage::error::Resource;

use super::context::{Context, Deed, DryRun, ListSize};
use super::error::CliError;
use super::told::{Noun, told};
use crate::client::call::Call;
use crate::output::Record;

const PATH: &str = "realms";

const NOUN: Noun = Noun {
    what: Resource::Realm,
    remedy: "`lastmile realm list` shows them",
};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum RealmCommand {
    /// Add a realm: user@realm, realm/user and realm\\user mean a subscriber
    #[command(after_help = "Examples:
  lastmile realm add isp.example                     # ana@isp.example is the subscriber ana
  lastmile realm add old.example --handling keep     # ana@old.example is registered so")]
    Add {
        /// Name of the realm; letter case does not matter
        name: RealmName,
        /// Whether subscribers are registered without their realm or with it: strip, keep
        #[arg(long, value_name = "HANDLING", default_value_t = RealmHandling::Strip)]
        handling: RealmHandling,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// List the realms
    #[command(after_help = "Examples:
  lastmile realm list")]
    List(ListSize),
    /// Remove a realm; subscribers stay
    #[command(after_help = "Examples:
  lastmile realm remove old.example")]
    Remove {
        /// Name of the realm
        name: RealmName,
        #[command(flatten)]
        dry_run: DryRun,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct RealmRecord {
    name: String,
    handling: RealmHandling,
}

impl Record for RealmRecord {
    const FIELDS: &'static [&'static str] = &["name", "handling"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

pub(crate) async fn run(context: &mut Context, command: RealmCommand) -> Result<(), CliError> {
    match command {
        RealmCommand::Add {
            name,
            handling,
            dry_run,
        } => add(context, name, handling, dry_run).await,
        RealmCommand::List(size) => list(context, size).await,
        RealmCommand::Remove { name, dry_run } => remove(context, name, dry_run).await,
    }
}

async fn add(
    context: &mut Context,
    name: RealmName,
    handling: RealmHandling,
    dry_run: DryRun,
) -> Result<(), CliError> {
    let client = context.writer(dry_run).await?;
    let body = json!({ "name": name.to_string(), "handling": handling });
    let made = client.ask(Call::post(&[PATH]).carrying(&body)).await;
    let realm: RealmRecord = made.map_err(|error| told(error, &[(NOUN, &name)]))?;
    let deed = Deed {
        what: format!("Realm {name}"),
        verb: "added",
        details: format!(": {handling}"),
    };
    Ok(context.report(dry_run, &deed, &realm)?)
}

async fn list(context: &mut Context, size: ListSize) -> Result<(), CliError> {
    let client = context.reader().await?;
    let none = "No realm: user names are taken as they are";
    context
        .list_of::<RealmRecord, RealmRecord>(size, none, (&client, Call::get(&[PATH])))
        .await
}

async fn remove(context: &mut Context, name: RealmName, dry_run: DryRun) -> Result<(), CliError> {
    let client = context.writer(dry_run).await?;
    let name = name.to_string();
    let is_meant = |realm: &RealmRecord| realm.name == name;
    let realm = client.find_in(Call::get(&[PATH]), is_meant).await?;
    let realm = realm.ok_or_else(|| NOUN.not_found(&name))?;
    let removed = client.tell(Call::delete(&[PATH, &name])).await;
    removed.map_err(|error| told(error, &[(NOUN, &name)]))?;
    let deed = Deed {
        what: format!("Realm {name}"),
        verb: "removed",
        details: String::new(),
    };
    Ok(context.report(dry_run, &deed, &realm)?)
}
