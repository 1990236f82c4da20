//! `lastmile nas group`: several routers under one name.

use domain::name::Name;
use serde::{Deserialize, Serialize};
use serde_json::json;
use storage::error::Resource;

use super::context::{Context, Deed, DryRun, ListSize};
use super::error::CliError;
use super::nas;
use super::told::{Noun, told};
use crate::client::call::Call;
use crate::output::Record;

const PATH: &str = "nas-groups";

pub(super) const NOUN: Noun = Noun {
    what: Resource::NasGroup,
    remedy: "`lastmile nas group list` shows them",
};

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

#[derive(Clone, Debug, Serialize, Deserialize)]
struct GroupRecord {
    name: String,
    members: Vec<String>,
    created_at: String,
    updated_at: String,
    id: String,
}

impl Record for GroupRecord {
    const FIELDS: &'static [&'static str] = &["name", "members", "created_at", "updated_at", "id"];
    const COLUMNS: &'static [&'static str] = &["name", "members"];
}

pub(crate) async fn run(context: &mut Context, command: GroupCommand) -> Result<(), CliError> {
    match command {
        GroupCommand::Create { name, dry_run } => create(context, &name, dry_run).await,
        GroupCommand::List(size) => list(context, size).await,
        GroupCommand::Add { name, nas, dry_run } => {
            let put = Call::put(&[PATH, name.as_str(), "members", nas.as_str()]);
            let group = change(context, (&name, &nas), put, dry_run).await?;
            report(context, dry_run, &nas, ("added", "to"), &group)
        }
        GroupCommand::Take { name, nas, dry_run } => {
            let take = Call::delete(&[PATH, name.as_str(), "members", nas.as_str()]);
            let group = change(context, (&name, &nas), take, dry_run).await?;
            report(context, dry_run, &nas, ("taken", "out of"), &group)
        }
        GroupCommand::Remove { name, dry_run } => remove(context, &name, dry_run).await,
    }
}

async fn create(context: &mut Context, name: &Name, dry_run: DryRun) -> Result<(), CliError> {
    let client = context.writer(dry_run).await?;
    let deed = Deed {
        what: format!("NAS group {name}"),
        verb: "created",
        details: String::new(),
    };
    let body = json!({ "name": name });
    let made = client.ask(Call::post(&[PATH]).carrying(&body)).await;
    let group: GroupRecord = made.map_err(|error| told(error, &[(NOUN, name)]))?;
    Ok(context.report(dry_run, &deed, &group)?)
}

async fn list(context: &mut Context, size: ListSize) -> Result<(), CliError> {
    let client = context.reader().await?;
    let none = "No NAS group yet: make one with `lastmile nas group create NAME`";
    context
        .list_of::<GroupRecord, GroupRecord>(size, none, (&client, Call::get(&[PATH])))
        .await
}

async fn remove(context: &mut Context, name: &Name, dry_run: DryRun) -> Result<(), CliError> {
    let client = context.writer(dry_run).await?;
    let path = [PATH, name.as_str()];
    let group: Option<GroupRecord> = client.find(Call::get(&path)).await?;
    let group = group.ok_or_else(|| NOUN.not_found(name))?;
    client.tell(Call::delete(&path)).await?;
    let deed = Deed {
        what: format!("NAS group {name}"),
        verb: "removed",
        details: String::new(),
    };
    Ok(context.report(dry_run, &deed, &group)?)
}

/// Changes which routers are in a group.
async fn change(
    context: &Context,
    (name, nas): (&Name, &Name),
    call: Call,
    dry_run: DryRun,
) -> Result<GroupRecord, CliError> {
    let client = context.writer(dry_run).await?;
    let changed = client.ask(call).await;
    changed.map_err(|error| told(error, &[(NOUN, name), (nas::NOUN, nas)]))
}

fn report(
    context: &mut Context,
    dry_run: DryRun,
    nas: &Name,
    (verb, direction): (&'static str, &str),
    group: &GroupRecord,
) -> Result<(), CliError> {
    let deed = Deed {
        what: format!("NAS {nas}"),
        verb,
        details: format!(" {direction} group {}", group.name),
    };
    Ok(context.report(dry_run, &deed, group)?)
}
