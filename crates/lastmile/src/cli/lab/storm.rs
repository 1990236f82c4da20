//! `lastmile lab storm`.

use std::path::PathBuf;
use std::time::Duration;

use lab::load::options::{LoadOptions, REQUESTS_PER_PORT};
use lab::load::report::Ended;
use lab::method::Method;
use lab::reply::ReplyPolicy;
use lab::storm::options::{ROUTERS_MAX, Shape, Stops, StormOptions};

use super::super::context::Context;
use super::super::error::CliError;
use super::super::value;
use super::users::read_users;
use super::{FaultArgs, ServerArgs, run_until_interrupted};

#[derive(Debug, clap::Args)]
pub(crate) struct StormArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// CSV file with the columns username and password
    #[arg(long, value_name = "FILE")]
    users: PathBuf,
    /// How many subscribers return, the first of the file [default: all]
    #[arg(long, value_name = "N")]
    subscribers: Option<usize>,
    /// Between the first login and the last
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// How the logins are spread: front (twice the mean rate at first), even
    #[arg(long, value_name = "SHAPE", default_value_t = Shape::Front)]
    shape: Shape,
    /// How the passwords are proved: pap, chap, mschapv1, mschapv2
    #[arg(long, value_name = "METHOD", default_value_t = Method::Pap)]
    method: Method,
    /// Routers that they return through; with --source each has an address, one after the other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=ROUTERS_MAX as u64))]
    routers: usize,
    /// Source ports of each router; each carries 256 requests
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=16))]
    ports: usize,
    /// Milliseconds to wait for each transmission's answer; RouterOS 7 waits 1,100
    #[arg(long, value_name = "MS", default_value_t = 1_100, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    timeout_ms: u32,
    /// How often a request is sent in all before it is lost
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    transmissions: u32,
    /// Interim-Updates of each session afterwards; each round takes as long as the logins
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    interims: u32,
    /// End each session in a last round
    #[arg(long)]
    stops: bool,
    /// NAS-Identifier, with a number behind it when there are several routers [default: the
    /// registered one, or lab]
    #[arg(long, value_name = "NAS-ID", value_parser = value::parse_identifier)]
    identifier: Option<String>,
    /// Report for each session what the server acknowledged
    #[arg(long)]
    ledger: bool,
    /// Which replies to logins are believed, by their Message-Authenticator: first, required, optional
    #[arg(long, value_name = "POLICY", default_value_t = ReplyPolicy::default())]
    reply_policy: ReplyPolicy,
    #[command(flatten)]
    faults: FaultArgs,
}

pub(super) async fn run(context: &mut Context, args: StormArgs) -> Result<(), CliError> {
    let users = read_users(&args.users)?;
    let target = args.server.resolve(context).await?;
    let mut load = LoadOptions::new(target.auth, target.acct, target.secret, users);
    load.ports = args.routers * args.ports;
    load.outstanding = load.ports * REQUESTS_PER_PORT;
    load.timeout = Duration::from_millis(args.timeout_ms.into());
    load.transmissions_max = args.transmissions;
    load.ledger = args.ledger;
    load.reply_policy = args.reply_policy;
    load.faults = args.faults.faults();
    load.source = args.server.source;
    load.signing = args.server.signing();
    load.seed = args.server.seed.unwrap_or(load.seed);
    if let Some(identifier) = args.identifier.or(target.identifier) {
        load.router.identifier = identifier;
    }
    let mut options = StormOptions::new(load);
    options.load.interims = args.interims;
    options.subscribers = args.subscribers.unwrap_or(options.subscribers);
    options.span = Duration::from_secs(args.seconds.into());
    options.shape = args.shape;
    options.method = args.method;
    options.routers = args.routers;
    if args.stops {
        options.stops = Stops::Each;
    }
    let report = run_until_interrupted(move |stop| lab::storm::run_until(&options, stop))
        .await?
        .map_err(CliError::Load)?;
    context.output.document(&report)?;
    match report.ended {
        Ended::Silence => Err(CliError::Silence),
        Ended::Duration | Ended::Requests | Ended::Stopped if report.is_complete() => Ok(()),
        Ended::Duration | Ended::Requests | Ended::Stopped => Err(CliError::StormIncomplete {
            returned: report.returned,
            subscribers: report.subscribers,
        }),
    }
}
