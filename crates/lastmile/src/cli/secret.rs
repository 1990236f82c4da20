//! `lastmile secret`: the one command that shows a stored secret, with a line in the audit log.

use domain::name::{Name, Username};
use serde::Serialize;
use storage::secret::SecretOf;
use uuid::Uuid;

use super::context::{Context, DryRun};
use super::error::CliError;
use super::tenant::TenantArg;
use crate::output::Record;

const REASON_CHARS_MAX: usize = 500;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum SecretCommand {
    /// Show a secret; the audit log says who asked and why
    #[command(subcommand)]
    Reveal(RevealCommand),
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum RevealCommand {
    /// The secret that is shared with a router
    #[command(after_help = "Examples:
  lastmile secret reveal nas-secret pop-1 --reason 'new router, same secret'")]
    NasSecret {
        /// Name of the NAS
        name: Name,
        #[command(flatten)]
        args: RevealArgs,
    },
    /// What a subscriber logs in with
    #[command(after_help = "Examples:
  lastmile secret reveal subscriber-password ana --reason 'she forgot it, ticket 4711'")]
    SubscriberPassword {
        /// Name of the subscriber
        name: Username,
        #[command(flatten)]
        args: RevealArgs,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct RevealArgs {
    /// What it is needed for
    #[arg(long, value_name = "TEXT", value_parser = parse_reason)]
    reason: String,
    #[command(flatten)]
    tenant: TenantArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("say what it is needed for, in 1 to {REASON_CHARS_MAX} characters")]
struct ReasonError;

fn parse_reason(raw: &str) -> Result<String, ReasonError> {
    let text = raw.trim();
    match text.chars().count() {
        1..=REASON_CHARS_MAX => Ok(text.to_owned()),
        _ => Err(ReasonError),
    }
}

#[derive(Serialize)]
struct RevealedRecord {
    name: String,
    id: Uuid,
    secret: String,
}

impl Record for RevealedRecord {
    const FIELDS: &'static [&'static str] = &["name", "id", "secret"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

pub(crate) async fn run(context: &mut Context, command: SecretCommand) -> Result<(), CliError> {
    let SecretCommand::Reveal(command) = command;
    let (of, args) = match command {
        RevealCommand::NasSecret { name, args } => (SecretOf::Nas(name), args),
        RevealCommand::SubscriberPassword { name, args } => (SecretOf::Subscriber(name), args),
    };
    // A line in the log is written, so this is no command that only reads.
    let store = DryRun { is_dry: false }.store(&context.app).await?;
    let tenant = args.tenant.find(&store).await?;
    let revealed = store.secret_reveal(tenant, &of, &args.reason).await?;
    let secret = revealed.secret.as_ref().map(|secret| secret.expose());
    let secret = String::from_utf8_lossy(secret.unwrap_or_default()).into_owned();
    if context.output.is_for_programs() {
        return Ok(context.output.show(&RevealedRecord {
            name: revealed.name,
            id: revealed.id,
            secret,
        })?);
    }
    Ok(context.output.line(&secret)?)
}
