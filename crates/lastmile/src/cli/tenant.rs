//! `lastmile tenant`: what holds for a whole provider, and the providers of an installation.

use domain::id::TenantId;
use domain::limit::Zone;
use domain::name::Name;
use domain::time::Timestamp;
use serde::Serialize;
use storage::error::Resource;
use storage::page::Page;
use storage::store::Store;
use storage::tenant::{NewTenant, TenantPatch, TenantReference, TenantSummary};

use super::change::Change;
use super::context::{Context, Deed, DryRun, ListSize};
use super::error::CliError;
use crate::output::Record;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum TenantCommand {
    /// Show the provider's name and time zone
    #[command(after_help = "Examples:
  lastmile tenant show
  lastmile tenant show --output json")]
    Show {
        /// Another provider of this installation
        name: Option<Name>,
    },
    /// Change the time zone in which quotas begin anew and plans have their hours, or the name
    #[command(after_help = "Examples:
  lastmile tenant set --time-zone Africa/Nairobi
  lastmile tenant set --time-zone Asia/Kolkata --dry-run
  lastmile tenant set hills --disable")]
    Set(SetArgs),
    /// Add another provider to this installation
    #[command(after_help = "Examples:
  lastmile tenant add hills --time-zone Africa/Nairobi")]
    Add {
        /// What to call the provider
        name: Name,
        /// Name in the IANA database [default: UTC]
        #[arg(long, value_name = "ZONE")]
        time_zone: Option<Zone>,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// List the providers of this installation
    #[command(after_help = "Examples:
  lastmile tenant list")]
    List(ListSize),
}

#[derive(Debug, clap::Args)]
#[group(id = "change", required = true, multiple = true, args = ["time_zone", "rename", "disable", "enable"])]
pub(crate) struct SetArgs {
    /// Another provider of this installation
    name: Option<Name>,
    /// Name in the IANA database
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<Zone>,
    /// A new name
    #[arg(long, value_name = "NAME")]
    rename: Option<Name>,
    /// Refuse the operators and tokens; subscribers are served all the same
    #[arg(long)]
    disable: bool,
    /// Let the operators and tokens in again
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    #[command(flatten)]
    dry_run: DryRun,
}

/// Of which provider something is.
#[derive(Debug, clap::Args)]
pub(crate) struct TenantArg {
    /// Another provider of this installation
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    tenant: Option<Name>,
}

#[derive(Clone, Debug, Serialize)]
struct TenantRecord {
    name: String,
    time_zone: Zone,
    disabled_at: Option<Timestamp>,
    id: String,
}

impl Record for TenantRecord {
    const FIELDS: &'static [&'static str] = &["name", "time_zone", "disabled_at", "id"];
    const COLUMNS: &'static [&'static str] = &["name", "time_zone", "disabled_at"];
}

impl From<TenantSummary> for TenantRecord {
    fn from(tenant: TenantSummary) -> Self {
        Self {
            name: tenant.name.to_string(),
            time_zone: tenant.time_zone,
            disabled_at: tenant.disabled_at,
            id: tenant.id.to_string(),
        }
    }
}

impl TenantArg {
    /// The provider that is meant: that of the installation unless another is named.
    pub(super) async fn find(&self, store: &Store) -> Result<TenantId, CliError> {
        match &self.tenant {
            None => Ok(TenantId::DEFAULT),
            Some(_) => Ok(meant(store, self.tenant.as_ref()).await?.id),
        }
    }
}

pub(crate) async fn run(context: &mut Context, command: TenantCommand) -> Result<(), CliError> {
    match command {
        TenantCommand::Show { name } => {
            let store = context.app.store_read().await?;
            let tenant = meant(&store, name.as_ref()).await?;
            Ok(context.output.show(&TenantRecord::from(tenant))?)
        }
        TenantCommand::Set(args) => set(context, args).await,
        TenantCommand::Add {
            name,
            time_zone,
            dry_run,
        } => {
            let time_zone = time_zone.unwrap_or_default();
            add(context, &NewTenant { name, time_zone }, dry_run).await
        }
        TenantCommand::List(size) => list(context, size).await,
    }
}

async fn set(context: &mut Context, args: SetArgs) -> Result<(), CliError> {
    let store = args.dry_run.store(&context.app).await?;
    let before = meant(&store, args.name.as_ref()).await?;
    let id = before.id;
    let patch = TenantPatch {
        name: args.rename,
        time_zone: args.time_zone,
        is_disabled: match (args.disable, args.enable) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            (false, false) => None,
        },
    };
    let change = Change {
        what: format!("Tenant {}", before.name),
        before: TenantRecord::from(before),
        hidden: None,
    };
    let update = async |store: &Store| {
        let tenant = store.tenant_update(id, &patch).await?;
        Ok(TenantRecord::from(tenant))
    };
    change.make(context, args.dry_run, &store, update).await
}

async fn add(context: &mut Context, new: &NewTenant, dry_run: DryRun) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let tenant = store.tenant_insert(new).await?;
    let deed = Deed {
        what: format!("Tenant {}", tenant.name),
        verb: "added",
        details: String::new(),
    };
    Ok(context.report(dry_run, &deed, &TenantRecord::from(tenant))?)
}

async fn list(context: &mut Context, size: ListSize) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let load = async |page: &Page<Name>| store.tenant_list(page).await;
    let key = |tenant: &TenantSummary| tenant.name.clone();
    let none = "No tenant yet: the first migration makes one";
    context
        .list::<TenantRecord, _, _>(size, none, key, load)
        .await
}

/// The provider of this name, or that of the installation.
async fn meant(store: &Store, name: Option<&Name>) -> Result<TenantSummary, CliError> {
    let (reference, shown) = match name {
        Some(name) => (TenantReference::Name(name.clone()), name.to_string()),
        None => {
            let id = TenantId::DEFAULT;
            (TenantReference::Id(id), id.to_string())
        }
    };
    let tenant = store.tenant_referred(&reference).await?;
    tenant.ok_or_else(|| CliError::NotFound {
        what: Resource::Tenant,
        name: shown,
        remedy: match name {
            Some(_) => "`lastmile tenant list` shows them, `lastmile tenant add` adds one",
            None => "the first migration makes it: run `lastmile migrate`",
        },
    })
}
