//! `lastmile realm`: the parts of user names that say whose subscriber it is.

use domain::id::TenantId;
use domain::realm::{Realm, RealmHandling, RealmName};
use serde::Serialize;
use storage::error::Resource;

use super::context::{Context, Deed, DryRun, ListSize};
use super::error::CliError;
use crate::output::Record;

const TENANT: TenantId = TenantId::DEFAULT;

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

#[derive(Clone, Debug, Serialize)]
struct RealmRecord {
    name: RealmName,
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
    let store = dry_run.store(&context.app).await?;
    store.realm_insert(TENANT, &name, handling).await?;
    let deed = Deed {
        what: format!("Realm {name}"),
        verb: "added",
        details: format!(": {handling}"),
    };
    Ok(context.report(dry_run, &deed, &RealmRecord { name, handling })?)
}

async fn list(context: &mut Context, size: ListSize) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let realms = store.realm_list(TENANT).await?;
    let mut listing = context.output.listing::<RealmRecord>(size.extent());
    for realm in realms {
        listing.push(&RealmRecord::from(realm))?;
    }
    let listed = listing.finish()?;
    context.note_listed(listed, "No realm: user names are taken as they are");
    Ok(())
}

async fn remove(context: &mut Context, name: RealmName, dry_run: DryRun) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let known = store.realm_list(TENANT).await?;
    let known = known.into_iter().find(|realm| realm.name == name);
    let record = RealmRecord::from(known.ok_or_else(|| not_found(&name))?);
    store.realm_delete(TENANT, &name).await?;
    let deed = Deed {
        what: format!("Realm {name}"),
        verb: "removed",
        details: String::new(),
    };
    Ok(context.report(dry_run, &deed, &record)?)
}

fn not_found(name: &RealmName) -> CliError {
    CliError::NotFound {
        what: Resource::Realm,
        name: name.to_string(),
        remedy: "`lastmile realm list` shows them",
    }
}

impl From<Realm> for RealmRecord {
    fn from(realm: Realm) -> Self {
        Self {
            name: realm.name,
            handling: realm.handling,
        }
    }
}
