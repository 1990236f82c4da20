//! `lastmile relay`: what local tools need to speak to the relay.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;

use super::context::Context;
use super::error::CliError;
use crate::output::Record;
use crate::relay_secret;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum RelayCommand {
    /// Show the secret that tools sign with; it is made when it is not there yet
    #[command(after_help = "Examples:
  lastmile relay secret
  echo 'User-Name = ana' | radclient 127.0.0.1:3799 disconnect \"$(lastmile relay secret)\"")]
    Secret,
    /// Show where tools are heard, and which
    #[command(after_help = "Examples:
  lastmile relay show
  lastmile relay show --output json")]
    Show,
}

#[derive(Debug, Serialize)]
struct RelayRecord {
    /// Absent when it is off.
    address: Option<SocketAddr>,
    clients: String,
    secret_file: PathBuf,
}

impl Record for RelayRecord {
    const FIELDS: &'static [&'static str] = &["address", "clients", "secret_file"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

pub(crate) fn run(context: &mut Context, command: &RelayCommand) -> Result<(), CliError> {
    match command {
        RelayCommand::Secret => secret(context),
        RelayCommand::Show => show(context),
    }
}

fn secret(context: &mut Context) -> Result<(), CliError> {
    let path = &context.app.config.radius.relay_secret_file;
    let secret = relay_secret::find_or_create(path)?;
    let text = String::from_utf8_lossy(secret.expose());
    Ok(context.output.line(&text)?)
}

fn show(context: &mut Context) -> Result<(), CliError> {
    let radius = &context.app.config.radius;
    let clients: Vec<_> = radius
        .relay_clients
        .iter()
        .map(ToString::to_string)
        .collect();
    let record = RelayRecord {
        address: radius.relay,
        clients: clients.join(","),
        secret_file: radius.relay_secret_file.clone(),
    };
    Ok(context.output.show(&record)?)
}
