//! `lastmile context`: servers that commands are sent to, by name.

use domain::name::Name;
use serde::Serialize;

use super::context::{Context, Deed, DryRun};
use super::error::CliError;
use super::remote::RemoteArgs;
use crate::client::trust::Trust;
use crate::config::Environment;
use crate::contexts::{self, Contexts, ContextsFile, StoredContext};
use crate::output::{Extent, Record};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum ContextCommand {
    /// Store a server with its token under a name, for this user
    #[command(after_help = "Examples:
  lastmile context add isp --server https://isp.example --token -        # asks for the token
  lastmile context add pop --server https://192.0.2.1:8080 --token-file token --fingerprint AB:CD:…")]
    Add {
        /// What to call the server
        name: Name,
    },
    /// Send commands to this server from now on; `local` is this machine
    #[command(after_help = "Examples:
  lastmile context use isp
  lastmile context use local")]
    Use {
        /// Name of the context
        name: String,
    },
    /// List the contexts, without their tokens
    #[command(after_help = "Examples:
  lastmile context list")]
    List,
    /// Show a context, without its token
    #[command(after_help = "Examples:
  lastmile context show          # the one in use
  lastmile context show isp")]
    Show {
        /// Name of the context [default: the one in use]
        name: Option<String>,
    },
    /// Forget a context and its token; the token stays valid until it is revoked
    #[command(after_help = "Examples:
  lastmile context remove isp")]
    Remove {
        /// Name of the context
        name: String,
    },
}

#[derive(Clone, Debug, Serialize)]
struct ContextRecord {
    name: String,
    server: Option<String>,
    is_used: bool,
    ca_file: Option<String>,
    fingerprint: Option<String>,
}

impl Record for ContextRecord {
    const FIELDS: &'static [&'static str] =
        &["name", "server", "is_used", "ca_file", "fingerprint"];
    const COLUMNS: &'static [&'static str] = &["name", "server", "is_used"];
}

pub(crate) fn run(
    context: &mut Context,
    command: ContextCommand,
    (environment, remote): (&Environment, &RemoteArgs),
) -> Result<(), CliError> {
    let file = ContextsFile::new(environment.user_directory().as_deref())?;
    let mut contexts = file.read()?;
    match command {
        ContextCommand::Add { name } => {
            contexts.add(&name, remote.options(environment)?)?;
            file.write(&contexts)?;
            report(context, &contexts, name.as_str(), "added")
        }
        ContextCommand::Use { name } => {
            contexts.choose(&name)?;
            file.write(&contexts)?;
            report(context, &contexts, &name, "in use")
        }
        ContextCommand::List => list(context, &contexts),
        ContextCommand::Show { name } => {
            let used = contexts.current().unwrap_or(contexts::LOCAL);
            let record = record(&contexts, name.as_deref().unwrap_or(used))?;
            Ok(context.output.show(&record)?)
        }
        ContextCommand::Remove { name } => {
            let record = record(&contexts, &name)?;
            contexts.remove(&name)?;
            file.write(&contexts)?;
            Ok(context.report(DryRun::none(), &deed(&name, "removed"), &record)?)
        }
    }
}

fn list(context: &mut Context, contexts: &Contexts) -> Result<(), CliError> {
    let mut listing = context.output.listing::<ContextRecord>(Extent::All);
    for (name, stored) in contexts.all() {
        listing.push(&record_of(contexts, name, stored)?)?;
    }
    let listed = listing.finish()?;
    context.note_listed(
        listed,
        "No context: commands work on this machine. Add one with `lastmile context add NAME --server URL --token -`",
    );
    Ok(())
}

fn report(
    context: &mut Context,
    contexts: &Contexts,
    name: &str,
    verb: &str,
) -> Result<(), CliError> {
    let record = record(contexts, name)?;
    Ok(context.report(DryRun::none(), &deed(name, verb), &record)?)
}

fn deed<'d>(name: &str, verb: &'d str) -> Deed<'d> {
    Deed {
        what: format!("Context {name}"),
        verb,
        details: String::new(),
    }
}

fn record(contexts: &Contexts, name: &str) -> Result<ContextRecord, CliError> {
    if name == contexts::LOCAL {
        return Ok(ContextRecord {
            name: name.to_owned(),
            server: None,
            is_used: contexts.current().is_none(),
            ca_file: None,
            fingerprint: None,
        });
    }
    record_of(contexts, name, contexts.find(name)?)
}

fn record_of(
    contexts: &Contexts,
    name: &str,
    stored: &StoredContext,
) -> Result<ContextRecord, CliError> {
    let (ca_file, fingerprint) = match stored.options(name)?.trust {
        Trust::System => (None, None),
        Trust::Authorities(path) => (Some(path.display().to_string()), None),
        Trust::Pinned(fingerprint) => (None, Some(fingerprint.to_string())),
    };
    Ok(ContextRecord {
        name: name.to_owned(),
        server: Some(stored.server().to_owned()),
        is_used: contexts.current() == Some(name),
        ca_file,
        fingerprint,
    })
}
