//! `lastmile audit`: who did what, and whether the log is as it was written.

use domain::actor::ActorKind;
use domain::deed::Action;
use domain::time::Timestamp;
use serde::Serialize;
use serde_json::Value as Json;
use storage::audit::{AuditEntry, AuditFilter, Verified};
use storage::page::Page;
use uuid::Uuid;

use super::context::{Context, ListSize};
use super::error::CliError;
use super::tenant::TenantArg;
use crate::output::Record;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum AuditCommand {
    /// List what was done, newest first
    #[command(after_help = "Examples:
  lastmile audit list --resource subscriber --since 2026-11-01
  lastmile audit list --action sign_in_failed
  lastmile audit list --limit 1 --output json               # with the thing before and after")]
    List(Box<ListArgs>),
    /// Go through the whole log, and say whether a line was altered, added or removed
    #[command(after_help = "Examples:
  lastmile audit verify
  lastmile audit verify --output json")]
    Verify {
        #[command(flatten)]
        tenant: TenantArg,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Only about this kind of thing: subscriber, plan, nas, operator, api_key, tenant
    #[arg(long, value_name = "KIND")]
    resource: Option<String>,
    /// Only about this thing
    #[arg(long, value_name = "ID")]
    resource_id: Option<Uuid>,
    /// Only what this operator or token did, or one kind: system, command_line, operator, api_key
    #[arg(long, value_name = "ID|KIND", value_parser = parse_who)]
    actor: Option<Who>,
    /// Only this: created, changed, removed, revealed, imported, signed_in, sign_in_failed
    #[arg(long, value_name = "ACTION")]
    action: Option<Action>,
    /// Only at or after this time
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only before this time
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    #[command(flatten)]
    tenant: TenantArg,
    #[command(flatten)]
    size: ListSize,
}

/// Whose deeds are wanted.
#[derive(Clone, Copy, Debug)]
enum Who {
    One(Uuid),
    Kind(ActorKind),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{raw}' is no actor: write the id of an operator or a token, or system, command_line, operator or api_key"
)]
struct WhoError {
    raw: String,
}

fn parse_who(raw: &str) -> Result<Who, WhoError> {
    let one = Uuid::try_parse(raw).map(Who::One);
    let kind = || raw.parse().map(Who::Kind);
    one.or_else(|_| kind()).map_err(|_| WhoError {
        raw: raw.to_owned(),
    })
}

#[derive(Clone, Debug, Serialize)]
struct AuditRecord {
    seq: i64,
    at: Timestamp,
    actor: String,
    action: String,
    resource: String,
    resource_name: String,
    resource_id: Option<Uuid>,
    actor_id: Option<Uuid>,
    request_id: Option<Uuid>,
    before: Option<Json>,
    after: Option<Json>,
}

#[derive(Clone, Debug, Serialize)]
struct VerifiedRecord {
    lines: i64,
    broken_at: Option<i64>,
}

impl Record for AuditRecord {
    const FIELDS: &'static [&'static str] = &[
        "seq",
        "at",
        "actor",
        "action",
        "resource",
        "resource_name",
        "resource_id",
        "actor_id",
        "request_id",
        "before",
        "after",
    ];
    const COLUMNS: &'static [&'static str] =
        &["seq", "at", "actor", "action", "resource", "resource_name"];
}

impl Record for VerifiedRecord {
    const FIELDS: &'static [&'static str] = &["lines", "broken_at"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

impl From<AuditEntry> for AuditRecord {
    fn from(entry: AuditEntry) -> Self {
        Self {
            seq: entry.seq,
            at: entry.at,
            actor: entry.actor.to_string(),
            action: entry.action,
            resource: entry.resource,
            resource_name: entry.resource_name,
            resource_id: entry.resource_id,
            actor_id: entry.actor.id,
            request_id: entry.request,
            before: entry.before,
            after: entry.after,
        }
    }
}

pub(crate) async fn run(context: &mut Context, command: AuditCommand) -> Result<(), CliError> {
    match command {
        AuditCommand::List(args) => list(context, *args).await,
        AuditCommand::Verify { tenant } => verify(context, &tenant).await,
    }
}

async fn list(context: &mut Context, args: ListArgs) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let tenant = args.tenant.find(&store).await?;
    let filter = AuditFilter {
        resource: args.resource,
        resource_id: args.resource_id,
        actor_id: match args.actor {
            Some(Who::One(id)) => Some(id),
            Some(Who::Kind(_)) | None => None,
        },
        actor_kind: match args.actor {
            Some(Who::Kind(kind)) => Some(kind),
            Some(Who::One(_)) | None => None,
        },
        action: args.action,
        since: args.since,
        until: args.until,
    };
    let load = async |page: &Page<i64>| store.audit_list(tenant, &filter, page).await;
    let none = "Nothing like that was done";
    context
        .list::<AuditRecord, _, _>(args.size, none, |entry: &AuditEntry| entry.seq, load)
        .await
}

async fn verify(context: &mut Context, tenant: &TenantArg) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let tenant = tenant.find(&store).await?;
    let Verified { lines, broken_at } = store.audit_verify(tenant).await?;
    if context.output.is_for_programs() {
        context.output.show(&VerifiedRecord { lines, broken_at })?;
    }
    match broken_at {
        Some(line) => Err(CliError::AuditBroken { line }),
        None => {
            context.note(format_args!("All lines are as they were written: {lines}"));
            Ok(())
        }
    }
}
