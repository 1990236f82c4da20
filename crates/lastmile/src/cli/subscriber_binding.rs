//! `lastmile subscriber binding`: the routers that a credential may be used at.

use domain::id::TenantId;
use domain::name::{Name, Username};
use serde::Serialize;
use storage::error::{Resource, StoreError};
use storage::subscriber_binding::{BindingNames, NewBinding};

use super::context::{Context, Deed, DryRun};
use super::error::CliError;
use super::{nas, nas_group, subscriber};
use crate::output::Record;

const TENANT: TenantId = TenantId::DEFAULT;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum BindingCommand {
    /// Show what a subscriber is bound to
    #[command(after_help = "Examples:
  lastmile subscriber binding show ana")]
    Show {
        /// User name
        username: Username,
    },
    /// Bind a subscriber to routers and groups of routers, in place of those before
    #[command(after_help = "Examples:
  lastmile subscriber binding set ana --nas pop-1 --nas pop-2
  lastmile subscriber binding set ana --nas-group north")]
    Set(SetArgs),
    /// Let a subscriber in at every router again
    #[command(after_help = "Examples:
  lastmile subscriber binding clear ana")]
    Clear {
        /// User name
        username: Username,
        #[command(flatten)]
        dry_run: DryRun,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct SetArgs {
    /// User name
    username: Username,
    /// Name of a router; may be given several times
    #[arg(long, value_name = "NAME", required_unless_present = "nas_group")]
    nas: Vec<Name>,
    /// Name of a group of routers; may be given several times
    #[arg(long, value_name = "NAME")]
    nas_group: Vec<Name>,
    #[command(flatten)]
    dry_run: DryRun,
}

#[derive(Clone, Debug, Serialize)]
struct BindingRecord {
    username: String,
    nas: Vec<String>,
    nas_groups: Vec<String>,
}

impl Record for BindingRecord {
    const FIELDS: &'static [&'static str] = &["username", "nas", "nas_groups"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

pub(crate) async fn run(context: &mut Context, command: BindingCommand) -> Result<(), CliError> {
    match command {
        BindingCommand::Show { username } => show(context, &username).await,
        BindingCommand::Set(args) => {
            let binding = NewBinding {
                nas: args.nas,
                groups: args.nas_group,
            };
            bind(context, &args.username, &binding, "bound", args.dry_run).await
        }
        BindingCommand::Clear { username, dry_run } => {
            let none = NewBinding::default();
            bind(context, &username, &none, "let in everywhere", dry_run).await
        }
    }
}

async fn show(context: &mut Context, username: &Username) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let known = store.subscriber_find(TENANT, username).await?;
    known.ok_or_else(|| subscriber::not_found(username))?;
    let binding = store.subscriber_binding_find(TENANT, username).await?;
    Ok(context.output.show(&record_of(username, binding))?)
}

async fn bind(
    context: &mut Context,
    username: &Username,
    binding: &NewBinding,
    verb: &'static str,
    dry_run: DryRun,
) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let done = store.subscriber_bind(TENANT, username, binding).await;
    done.map_err(|error| not_there(error, username, binding))?;
    let names = |names: &[Name]| names.iter().map(ToString::to_string).collect();
    let record = record_of(
        username,
        BindingNames {
            nas: names(&binding.nas),
            groups: names(&binding.groups),
        },
    );
    let deed = Deed {
        what: format!("Subscriber {username}"),
        verb,
        details: String::new(),
    };
    Ok(context.report(dry_run, &deed, &record)?)
}

/// Which of the names is not there.
fn not_there(error: StoreError, username: &Username, binding: &NewBinding) -> CliError {
    let StoreError::NotFound { what, name } = &error else {
        return error.into();
    };
    let find = |names: &[Name]| names.iter().find(|one| one.key() == name).cloned();
    match what {
        Resource::Nas => find(&binding.nas).map(|name| nas::NOUN.not_found(&name)),
        Resource::NasGroup => find(&binding.groups).map(|name| nas_group::NOUN.not_found(&name)),
        Resource::Subscriber => Some(subscriber::not_found(username)),
        Resource::Plan
        | Resource::Session
        | Resource::Garden
        | Resource::Device
        | Resource::Message
        | Resource::Realm
        | Resource::TopUp
        | Resource::ApiKey
        | Resource::PlanVersion
        | Resource::PlanChange
        | Resource::GuardLock
        | Resource::Operator
        | Resource::OperatorSession
        | Resource::Operation
        | Resource::Job
        | Resource::Schedule
        | Resource::Reconciler
        | Resource::Webhook
        | Resource::Delivery
        | Resource::Directory
        | Resource::SessionCommand
        | Resource::RowUser
        | Resource::RowGroup
        | Resource::Tenant
        | Resource::Customer
        | Resource::CustomerNote => None,
    }
    .unwrap_or_else(|| error.into())
}

fn record_of(username: &Username, binding: BindingNames) -> BindingRecord {
    BindingRecord {
        username: username.to_string(),
        nas: binding.nas,
        nas_groups: binding.groups,
    }
}
