//! `lastmile config check`: the configuration in force, and where each value came from.

use domain::id::TenantId;

use super::context::Context;
use super::error::CliError;
use crate::config::{Effective, Setting};
use crate::output::{Extent, Record};

/// The key that an import may answer for.
const ROWS: &str = "aaa.rows";

#[derive(Debug, clap::Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the configuration and print every value with its source
    #[command(
        after_help = "Later sources win: defaults, the file, the environment (LASTMILE_RADIUS__AUTH), flags.
The file is the first of: --config, $LASTMILE_CONFIG, ./lastmile.toml, lastmile.toml in the data
directory, /etc/lastmile/lastmile.toml.

Examples:
  lastmile config check
  lastmile --config /etc/lastmile/lastmile.toml config check --output json"
    )]
    Check,
}

impl Record for Setting {
    const FIELDS: &'static [&'static str] = &["key", "value", "source"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

pub(crate) async fn run(
    context: &mut Context,
    command: ConfigCommand,
    effective: &Effective,
) -> Result<(), CliError> {
    let ConfigCommand::Check = command;
    let of_installation = match effective.is_set(ROWS) {
        true => None,
        false => rows_of_installation(context).await,
    };
    let mut listing = context.output.listing(Extent::All);
    for setting in &effective.settings {
        match &of_installation {
            Some(installed) if setting.key == ROWS => listing.push(installed)?,
            Some(_) | None => listing.push(setting)?,
        }
    }
    listing.finish()?;
    match &effective.file {
        Some(path) => context.note(format_args!("Configuration file: {}", path.display())),
        None => context.note("No configuration file"),
    }
    Ok(())
}

/// What an import has stored about rows. A database that is away says nothing, and whether it can
/// be reached is no question of the configuration.
async fn rows_of_installation(context: &Context) -> Option<Setting> {
    let store = context.app.store_read().await.ok()?;
    let policy = store.tenant_policy(TenantId::DEFAULT).await;
    store.close().await;
    let rows = policy.ok()?.rows?;
    Some(Setting {
        key: ROWS,
        value: rows.to_string(),
        source: "the database, since an import".to_owned(),
    })
}
