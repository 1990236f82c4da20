//! `lastmile lab listen`: many listeners to events, and what each was told.

use std::time::Duration;

use domain::event::Topics;
use lab::listeners::{ListenOptions, listen};

use super::super::context::Context;
use super::super::error::CliError;
use super::super::events::parse_topics;
use super::super::remote::ServerArg;
use super::super::value::HiddenArg;

#[derive(Debug, clap::Args)]
pub(crate) struct ListenArgs {
    /// The server's web address, without TLS [default: http.listen]
    #[arg(long, value_name = "ADDRESS:PORT")]
    server: Option<ServerArg>,
    /// A token that may read events; `-` reads it from standard input
    #[arg(long, value_name = "TOKEN")]
    token: HiddenArg,
    /// How many listen
    #[arg(long, value_name = "N", default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=8_000))]
    listeners: u32,
    /// How many of them never read
    #[arg(long, value_name = "N", default_value_t = 0)]
    stalled: u32,
    /// What they listen to, for example session.*; separated by commas
    #[arg(long, value_name = "TOPICS", default_value = "*", value_parser = parse_topics)]
    topics: Topics,
    /// For how long
    #[arg(long, value_name = "N", default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
}

pub(super) async fn run(context: &mut Context, args: ListenArgs) -> Result<(), CliError> {
    let token = args.token.resolve("--token")?;
    let server = args.server.as_ref().map(|server| server.socket("--server"));
    let options = ListenOptions {
        server: server
            .transpose()?
            .unwrap_or(context.app.config.http.listen),
        token: token.as_str().to_owned(),
        topics: args.topics.to_string(),
        listeners: args.listeners as usize,
        stalled: args.stalled as usize,
        duration: Duration::from_secs(args.seconds),
    };
    let report = tokio::task::spawn_blocking(move || listen(&options)).await?;
    Ok(context.output.document(&report?)?)
}
