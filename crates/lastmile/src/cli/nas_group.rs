//! `lastmile nas group`: several routers under one name.

use domain::id::TenantId;
use domain::name::Name;
use domain::time::Timestamp;
use serde::Serialize;
use storage::error::{Resource, StoreError};
use storage::nas_group::NasGroupSummary;
use storage::page::Page;

use super::context::{Context, Deed, DryRun, ListSize};
use super::error::CliError;
use super::nas;
use crate::output::Record;

const TENANT: TenantId = TenantId::DEFAULT;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum GroupCommand {
    /// Make an empty group
    #[command(after_help = "Examples:
  lastmile nas group create north")]
    Create {
        /// What to call the group
        name: Name,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// List the groups with their routers
    #[command(after_help = "Examples:
  lastmile nas group list")]
    List(ListSize),
    /// Put a router into a group
    #[command(after_help = "Examples:
  lastmile nas group add north pop-1")]
    Add {
        /// Name of the group
        name: Name,
        /// Name of the router
        nas: Name,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Take a router out of a group
    #[command(after_help = "Examples:
  lastmile nas group take north pop-1")]
    Take {
        /// Name of the group
        name: Name,
        /// Name of the router
        nas: Name,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Remove a group that no subscriber is bound to
    #[command(after_help = "Examples:
  lastmile nas group remove north")]
    Remove {
        /// Name of the group
        name: Name,
        #[command(flatten)]
        dry_run: DryRun,
    },
}

#[derive(Clone, Debug, Serialize)]
struct GroupRecord {
    name: String,
    members: Vec<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
    id: String,
}

impl Record for GroupRecord {
    const FIELDS: &'static [&'static str] = &["name", "members", "created_at", "updated_at", "id"];
    const COLUMNS: &'static [&'static str] = &["name", "members"];
}

pub(crate) async fn run(context: &mut Context, command: GroupCommand) -> Result<(), CliError> {
    match command {
        GroupCommand::Create { name, dry_run } => create(context, name, dry_run).await,
        GroupCommand::List(size) => list(context, size).await,
        GroupCommand::Add { name, nas, dry_run } => {
            let store = dry_run.store(&context.app).await?;
            let changed = store.nas_group_add(TENANT, &name, &nas).await;
            let changed = changed.map_err(|error| not_there(error, &name, &nas))?;
            report(context, dry_run, &nas, "added", "to", changed)
        }
        GroupCommand::Take { name, nas, dry_run } => {
            let store = dry_run.store(&context.app).await?;
            let changed = store.nas_group_take(TENANT, &name, &nas).await;
            let changed = changed.map_err(|error| not_there(error, &name, &nas))?;
            report(context, dry_run, &nas, "taken", "out of", changed)
        }
        GroupCommand::Remove { name, dry_run } => remove(context, &name, dry_run).await,
    }
}

async fn create(context: &mut Context, name: Name, dry_run: DryRun) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let deed = Deed {
        what: format!("NAS group {name}"),
        verb: "created",
        details: String::new(),
    };
    let group = store.nas_group_insert(TENANT, name).await?;
    Ok(context.report(dry_run, &deed, &GroupRecord::from(group))?)
}

async fn list(context: &mut Context, size: ListSize) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let none = "No NAS group yet: make one with `lastmile nas group create NAME`";
    let load = async |page: &Page<Name>| store.nas_group_list(TENANT, page).await;
    let key = |group: &NasGroupSummary| group.name.clone();
    context
        .list::<GroupRecord, _, _>(size, none, key, load)
        .await
}

async fn remove(context: &mut Context, name: &Name, dry_run: DryRun) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let group = store.nas_group_find(TENANT, name).await?;
    let record = GroupRecord::from(group.ok_or_else(|| not_found(name))?);
    store.nas_group_delete(TENANT, name).await?;
    let deed = Deed {
        what: format!("NAS group {name}"),
        verb: "removed",
        details: String::new(),
    };
    Ok(context.report(dry_run, &deed, &record)?)
}

fn report(
    context: &mut Context,
    dry_run: DryRun,
    nas: &Name,
    verb: &'static str,
    direction: &str,
    group: NasGroupSummary,
) -> Result<(), CliError> {
    let deed = Deed {
        what: format!("NAS {nas}"),
        verb,
        details: format!(" {direction} group {}", group.name),
    };
    Ok(context.report(dry_run, &deed, &GroupRecord::from(group))?)
}

/// Which of the two names is not there.
fn not_there(error: StoreError, name: &Name, nas: &Name) -> CliError {
    let StoreError::NotFound { what, .. } = &error else {
        return error.into();
    };
    if *what == Resource::Nas {
        nas::not_found(nas)
    } else {
        not_found(name)
    }
}

pub(super) fn not_found(name: &Name) -> CliError {
    CliError::NotFound {
        what: Resource::NasGroup,
        name: name.to_string(),
        remedy: "`lastmile nas group list` shows them",
    }
}

impl From<NasGroupSummary> for GroupRecord {
    fn from(group: NasGroupSummary) -> Self {
        Self {
            name: group.name.to_string(),
            members: group.members,
            created_at: group.created_at,
            updated_at: group.updated_at,
            id: group.id.to_string(),
        }
    }
}
