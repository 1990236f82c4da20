//! `lastmile lab router`: a simulated router that holds sessions in real time.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use lab::concentrator::{Concentrator, ConcentratorOptions, Conduct, Octets, SESSIONS_MAX};
use lab::method::Method;
use lab::router::Service;

use super::users::read_users;
use super::{CliError, Context, ServerArgs, run_until_interrupted};
use crate::cli::test_auth::credentials;
use crate::cli::value::{self, HiddenArg};

/// Longest time between two looks at whether it is over.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Debug, clap::Args)]
pub(crate) struct RouterArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Where it hears Disconnect and CoA requests
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0", value_parser = value::parse_server)]
    coa: SocketAddr,
    /// Who logs in
    #[arg(long, value_name = "USER", requires = "password")]
    user: Option<String>,
    /// The password; `-` reads it from standard input
    #[arg(long, value_name = "PASSWORD", requires = "user")]
    password: Option<HiddenArg>,
    /// Instead, a CSV file with the columns username and password
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "user",
        required_unless_present = "user"
    )]
    users: Option<PathBuf>,
    /// How many sessions [default: one for each user]
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=SESSIONS_MAX as u64))]
    sessions: Option<usize>,
    /// How the password is proved: pap, chap, mschapv1, mschapv2
    #[arg(long, value_name = "METHOD", default_value_t = Method::Pap)]
    method: Method,
    /// What is dialled into: pppoe, hotspot
    #[arg(long, value_name = "SERVICE", default_value_t = Service::Pppoe)]
    service: Service,
    /// NAS-Identifier [default: the registered one]
    #[arg(long, value_name = "NAS-ID", value_parser = value::parse_identifier)]
    identifier: Option<String>,
    /// Octets that each subscriber would send in a second
    #[arg(long, value_name = "N", default_value_t = 0)]
    upload: u64,
    /// Octets that each subscriber would get in a second
    #[arg(long, value_name = "N", default_value_t = 0)]
    download: u64,
    /// How often it reports sessions: 1, 5m [default: as the server grants]
    #[arg(long, value_name = "DURATION", value_parser = value::parse_seconds)]
    interim_interval: Option<u32>,
    /// What it makes of Disconnect and CoA requests: obey, refuse, refuse=503, silent, late=2, agree
    /// (and does nothing), away=10 (seconds from the start, in both directions)
    #[arg(long, value_name = "CONDUCT", default_value_t = Conduct::Obey)]
    conduct: Conduct,
    /// Stop after so many seconds [default: when interrupted]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: Option<u32>,
}

pub(super) async fn run(context: &mut Context, args: RouterArgs) -> Result<(), CliError> {
    let users = match (&args.user, &args.password, &args.users) {
        (_, _, Some(path)) => read_users(path)?,
        (Some(user), Some(password), None) => vec![credentials(user, password, "--password")?],
        (_, _, None) => {
            return Err(CliError::Usage {
                option: "--user",
                reason: "name who logs in, with --user and --password or with --users",
            });
        }
    };
    let target = args.server.resolve(context).await?;
    let server = target.auth;
    let started_at = context.app.now();
    let mut options = ConcentratorOptions::new(
        target.auth,
        target.acct,
        args.coa,
        target.secret,
        users,
        started_at,
    );
    options.sessions = args.sessions.unwrap_or(options.sessions);
    options.method = args.method;
    options.service = args.service;
    options.offered = Octets {
        input: args.upload,
        output: args.download,
    };
    let interval = args.interim_interval;
    options.interim = interval.map(|seconds| Duration::from_secs(seconds.into()));
    options.conduct = args.conduct;
    options.signing = args.server.signing();
    options.seed = args.server.seed;
    options.source = args.server.source;
    if let Some(identifier) = args.identifier.or(target.identifier) {
        options.router.identifier = identifier;
    }
    let failed = |source| CliError::Line { server, source };
    let router = Concentrator::start(options).map_err(failed)?;
    let coa = router.coa();
    context.note(format_args!(
        "Disconnect and CoA requests are heard on {coa}"
    ));
    let until = args
        .seconds
        .map(|seconds| Duration::from_secs(seconds.into()));
    let report = run_until_interrupted(move |stop| {
        let begun = Instant::now();
        while !stop.load(Ordering::Relaxed) && until.is_none_or(|until| begun.elapsed() < until) {
            std::thread::sleep(LOOK);
        }
        router.stop()
    })
    .await?
    .map_err(failed)?;
    context.output.document(&report)?;
    Ok(())
}
