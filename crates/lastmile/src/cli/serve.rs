//! `lastmile serve`: hands over to the server.

use super::context::Context;
use super::error::CliError;
use crate::config::Effective;
use crate::serve;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "On an empty data directory it makes the key ring and the database, and says what to do next.
SIGTERM ends it: what was acknowledged is stored first.

Examples:
  lastmile serve --data-dir /var/lib/lastmile
  lastmile serve --set radius.auth='[::]:1812' --set radius.acct='[::]:1813' --log json
  LASTMILE_DATABASE__URL=postgres://lastmile:secret@db/lastmile lastmile serve"
)]
pub(crate) struct ServeArgs {}

pub(crate) async fn run(
    context: &mut Context,
    _args: ServeArgs,
    effective: Effective,
) -> Result<(), CliError> {
    Ok(serve::run(&context.app, effective.settings).await?)
}
