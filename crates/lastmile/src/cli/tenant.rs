//! `lastmile tenant`: what holds for a whole provider.

use domain::id::TenantId;
use domain::limit::Zone;
use serde::Serialize;
use storage::error::Resource;
use storage::store::Store;
use storage::tenant::TenantSummary;

use super::change::Change;
use super::context::{Context, DryRun};
use super::error::CliError;
use crate::output::Record;

const TENANT: TenantId = TenantId::DEFAULT;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum TenantCommand {
    /// Show the provider's name and time zone
    #[command(after_help = "Examples:
  lastmile tenant show
  lastmile tenant show --output json")]
    Show,
    /// Change the time zone in which quotas begin anew and plans have their hours
    #[command(after_help = "Examples:
  lastmile tenant set --time-zone Africa/Nairobi
  lastmile tenant set --time-zone Asia/Kolkata --dry-run")]
    Set {
        /// Name in the IANA database
        #[arg(long, value_name = "ZONE")]
        time_zone: Zone,
        #[command(flatten)]
        dry_run: DryRun,
    },
}

#[derive(Clone, Debug, Serialize)]
struct TenantRecord {
    name: String,
    time_zone: Zone,
    id: String,
}

impl Record for TenantRecord {
    const FIELDS: &'static [&'static str] = &["name", "time_zone", "id"];
    const COLUMNS: &'static [&'static str] = &["name", "time_zone"];
}

impl From<TenantSummary> for TenantRecord {
    fn from(tenant: TenantSummary) -> Self {
        Self {
            name: tenant.name.to_string(),
            time_zone: tenant.time_zone,
            id: tenant.id.to_string(),
        }
    }
}

pub(crate) async fn run(context: &mut Context, command: TenantCommand) -> Result<(), CliError> {
    match command {
        TenantCommand::Show => {
            let store = context.app.store_read().await?;
            let record = find(&store).await?;
            Ok(context.output.show(&record)?)
        }
        TenantCommand::Set { time_zone, dry_run } => {
            let store = dry_run.store(&context.app).await?;
            let before = find(&store).await?;
            let change = Change {
                what: format!("Tenant {}", before.name),
                before,
                hidden: None,
            };
            let update = async |store: &Store| {
                let tenant = store.tenant_set_zone(TENANT, &time_zone).await?;
                Ok(TenantRecord::from(tenant))
            };
            change.make(context, dry_run, &store, update).await
        }
    }
}

async fn find(store: &Store) -> Result<TenantRecord, CliError> {
    let tenant = store.tenant_find(TENANT).await?;
    let tenant = tenant.ok_or_else(|| CliError::NotFound {
        what: Resource::Tenant,
        name: TENANT.to_string(),
        remedy: "the first migration makes it: run `lastmile migrate`",
    })?;
    Ok(tenant.into())
}
