//! `lastmile session commands`: what was asked of routers, and what became of it.

use domain::id::SessionCommandId;
use domain::name::{Name, Username};
use domain::session_command::verdict::CommandState;
use storage::page::Page;
use storage::session_command::{SessionCommandFilter, SessionCommandRow};

use super::TENANT;
use crate::cli::context::{Context, ListSize};
use crate::cli::error::CliError;
use crate::output::Record;

#[derive(Debug, clap::Args)]
pub(crate) struct CommandsArgs {
    /// Only about sessions of this user
    #[arg(long, value_name = "USER")]
    user: Option<Username>,
    /// Only about sessions on this router
    #[arg(long, value_name = "NAME")]
    nas: Option<Name>,
    /// Only those that have come so far: asked, `waiting_router`, sent, acknowledged, confirmed or
    /// failed
    #[arg(long, value_name = "STATE")]
    state: Option<CommandState>,
    #[command(flatten)]
    size: ListSize,
}

impl Record for SessionCommandRow {
    const FIELDS: &'static [&'static str] = &[
        "id",
        "user_name",
        "nas",
        "nas_id",
        "session",
        "wish",
        "wanted",
        "state",
        "verdict",
        "outcome",
        "error_cause",
        "actor",
        "asked_at",
        "sent_at",
        "acknowledged_at",
        "settled_at",
        "expires_at",
    ];
    const COLUMNS: &'static [&'static str] = &[
        "asked_at",
        "user_name",
        "nas",
        "wanted",
        "state",
        "outcome",
        "error_cause",
        "actor",
    ];
}

pub(super) async fn run(context: &mut Context, args: CommandsArgs) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let filter = SessionCommandFilter {
        username: args.user,
        nas: args.nas,
        state: args.state,
    };
    let load = async |page: &Page<SessionCommandId>| {
        store.session_command_list(TENANT, &filter, page).await
    };
    context
        .list::<SessionCommandRow, SessionCommandRow, _>(
            args.size,
            "Nothing of the kind was asked of a router",
            |row| row.id,
            load,
        )
        .await
}
