//! `lastmile log`: what was decided, and why.

use domain::id::TenantId;
use domain::name::{Name, Username};
use domain::time::Timestamp;
use serde::Serialize;
use storage::auth_log::list::{AuthLogFilter, AuthLogPlace, AuthLogRow};
use storage::page::Page;

use super::context::{Context, ListSize};
use super::error::CliError;
use crate::output::Record;

const TENANT: TenantId = TenantId::DEFAULT;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum LogCommand {
    /// List authentications with their reasons, newest first
    #[command(after_help = "Examples:
  lastmile log auth --rejected
  lastmile log auth --user ana --limit 1 --output json     # with the rules it went through")]
    Auth(AuthArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct AuthArgs {
    /// Only this user
    #[arg(long, value_name = "USER")]
    user: Option<Username>,
    /// Only this router
    #[arg(long, value_name = "NAME")]
    nas: Option<Name>,
    /// Only rejected ones
    #[arg(long, conflicts_with = "accepted")]
    rejected: bool,
    /// Only accepted ones
    #[arg(long)]
    accepted: bool,
    /// Only at or after this time
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    #[command(flatten)]
    size: ListSize,
}

#[derive(Debug, Serialize)]
pub(super) struct AuthRecord {
    at: Timestamp,
    /// Of the last decision, when there are several.
    pub(super) last_at: Timestamp,
    pub(super) count: u64,
    /// Absent when it stands for several users.
    user_name: Option<String>,
    pub(super) nas: String,
    method: String,
    pub(super) outcome: &'static str,
    reason: Option<String>,
    pub(super) explanation: String,
    pub(super) trace: Vec<String>,
    calling_station: Option<String>,
    called_station: Option<String>,
    id: String,
}

impl Record for AuthRecord {
    const FIELDS: &'static [&'static str] = &[
        "at",
        "last_at",
        "count",
        "user_name",
        "nas",
        "method",
        "outcome",
        "reason",
        "explanation",
        "trace",
        "calling_station",
        "called_station",
        "id",
    ];
    const COLUMNS: &'static [&'static str] = &[
        "at",
        "count",
        "user_name",
        "nas",
        "method",
        "outcome",
        "explanation",
        "calling_station",
    ];
}

pub(crate) async fn run(context: &mut Context, command: LogCommand) -> Result<(), CliError> {
    let LogCommand::Auth(args) = command;
    let store = context.app.store_read().await?;
    let filter = AuthLogFilter {
        usernames: args.user.iter().map(ToString::to_string).collect(),
        nas: args.nas,
        is_accepted: match (args.rejected, args.accepted) {
            (true, _) => Some(false),
            (false, true) => Some(true),
            (false, false) => None,
        },
        since: args.since,
        ..AuthLogFilter::default()
    };
    let key = |row: &AuthLogRow| row.place;
    let load = async |page: &Page<AuthLogPlace>| store.auth_log_list(TENANT, &filter, page).await;
    context
        .list::<AuthRecord, _, _>(args.size, "No authentication matches", key, load)
        .await
}

impl From<AuthLogRow> for AuthRecord {
    fn from(row: AuthLogRow) -> Self {
        let (outcome, reason, explanation) = match &row.reason {
            None => ("accepted", None, "granted".to_owned()),
            Some(reason) => (
                "rejected",
                Some(reason.code().to_owned()),
                reason.to_string(),
            ),
        };
        Self {
            at: row.at,
            last_at: row.last_at,
            count: row.count,
            user_name: row.username,
            nas: row.nas,
            method: row.method.to_string(),
            outcome,
            reason,
            explanation,
            trace: row.trace.iter().map(ToString::to_string).collect(),
            calling_station: row.calling_station.map(|text| text.to_string()),
            called_station: row.called_station.map(|text| text.to_string()),
            id: row.id.to_string(),
        }
    }
}
