//! `lastmile config check`: the configuration in force, and where each value came from.

use super::context::Context;
use super::error::CliError;
use crate::config::{Effective, Setting};
use crate::output::{Extent, Record};

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

pub(crate) fn run(
    context: &mut Context,
    command: ConfigCommand,
    effective: &Effective,
) -> Result<(), CliError> {
    let ConfigCommand::Check = command;
    let mut listing = context.output.listing(Extent::All);
    for setting in &effective.settings {
        listing.push(setting)?;
    }
    listing.finish()?;
    match &effective.file {
        Some(path) => context.note(format_args!("Configuration file: {}", path.display())),
        None => context.note("No configuration file"),
    }
    Ok(())
}
