//! `lastmile lab`: a simulated router, load, and a reconnect storm.

mod listen;
mod router;
mod storm;
pub(crate) mod users;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::secret::Secret;
use lab::echo::{Socket, VolleyOptions};
use lab::fault::{Faults, Rate};
use lab::line::LineError;
use lab::load::mix::Mix;
use lab::load::options::{Limit, LoadOptions, Pace, Verify};
use lab::load::report::Ended;
use lab::method::Method;
use lab::nas::{Announcements, NasOptions, NasOutcome};
use lab::reply::ReplyPolicy;
use lab::request::Signing;
use lab::responder::Responder;
use lab::router::Service;

use self::storm::StormArgs;
use self::users::read_users;
use super::context::Context;
use super::error::CliError;
use super::loopback::{self, Loopback};
use super::reach::Reach;
use super::test_auth::credentials;
use super::value::{self, HiddenArg};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum LabCommand {
    /// Play one subscriber's life: login, start, interims, stop
    #[command(after_help = "Examples:
  lastmile lab nas --user ana --password -
  lastmile lab nas --user ana --password - --method chap --interims 10 --loss 5% --output json")]
    Nas(Box<NasArgs>),
    /// Hold sessions in real time, obey what was granted, and Disconnect and CoA requests as told
    #[command(after_help = "Examples:
  lastmile lab router --user ana --password - --coa 127.0.0.1:3798
  lastmile lab router --users subscribers.csv --sessions 1000 --download 100000 --seconds 60
  lastmile lab router --users subscribers.csv --conduct refuse=503 --output json")]
    Router(Box<router::RouterArgs>),
    /// Send requests as fast as they are answered or at a rate, verify every reply, and measure
    #[command(after_help = "Examples:
  lastmile lab load --users subscribers.csv --mix pap --seconds 10
  lastmile lab load --users subscribers.csv --mix mixed --rate 5000 --outstanding 2000 --ports 16
  lastmile lab load --users subscribers.csv --mix pap=40,mschapv2=10,accounting=50 --requests 100000 --output json")]
    Load(Box<LoadArgs>),
    /// Let every subscriber log in and start a session within a time, as after a power cut
    #[command(after_help = "Examples:
  lastmile lab storm --users subscribers.csv --subscribers 50000 --seconds 60
  lastmile lab storm --users subscribers.csv --routers 8 --source 127.0.0.11 --interims 1 --stops --output json")]
    Storm(Box<StormArgs>),
    /// Listen to events over many WebSockets at once, and measure
    #[command(after_help = "Examples:
  lastmile lab listen --token - --listeners 2000 --topics session.started --seconds 30
  lastmile lab listen --token - --listeners 100 --stalled 10 --output json")]
    Listen(listen::ListenArgs),
    /// Send datagrams back to where they came from, or measure a server that does
    #[command(after_help = "Examples:
  lastmile lab echo --listen 127.0.0.1:7007
  lastmile lab echo --volley 127.0.0.1:7007 --seconds 10 --output json")]
    Echo(EchoArgs),
    /// Be the simplest imaginable RADIUS server for PAP, to compare with; for loopback only
    #[command(after_help = "Example:
  lastmile lab responder --listen 127.0.0.1:7008 --users subscribers.csv --secret -")]
    Responder(ResponderArgs),
}

#[derive(Debug, clap::Args)]
struct ServerArgs {
    /// The server's authentication port [default: the first address of radius.auth]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = value::parse_server)]
    auth: Option<SocketAddr>,
    /// The server's accounting port [default: the first address of radius.acct]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = value::parse_server)]
    acct: Option<SocketAddr>,
    /// The shared secret; `-` reads it from standard input [default: that of the NAS registered for
    /// this machine]
    #[arg(long, value_name = "SECRET")]
    secret: Option<HiddenArg>,
    /// The address to send from [default: the system chooses]
    #[arg(long, value_name = "ADDRESS")]
    source: Option<IpAddr>,
    /// Send requests without Message-Authenticator, as old routers do
    #[arg(long)]
    unsigned: bool,
    /// Make random choices repeatable
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct NasArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Who logs in
    #[arg(long, value_name = "USER")]
    user: String,
    /// The password; `-` reads it from standard input
    #[arg(long, value_name = "PASSWORD")]
    password: HiddenArg,
    /// How the password is proved: pap, chap, mschapv1, mschapv2
    #[arg(long, value_name = "METHOD", default_value_t = Method::Pap)]
    method: Method,
    /// What is dialled into: pppoe, hotspot
    #[arg(long, value_name = "SERVICE", default_value_t = Service::Pppoe)]
    service: Service,
    /// NAS-Identifier [default: the registered one]
    #[arg(long, value_name = "NAS-ID", value_parser = value::parse_identifier)]
    identifier: Option<String>,
    /// How many Interim-Updates
    #[arg(long, value_name = "N", default_value_t = 3)]
    interims: u32,
    /// Session time that each Interim-Update claims to add: 300, 5m
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = value::parse_seconds)]
    interim_interval: u32,
    /// How long to really wait between reports: 0, 10s
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = value::parse_seconds)]
    pause: u32,
    /// Announce the router with Accounting-On before and Accounting-Off after
    #[arg(long)]
    announce: bool,
    #[command(flatten)]
    faults: FaultArgs,
}

/// What goes wrong on the line, in both directions.
#[derive(Debug, clap::Args)]
struct FaultArgs {
    /// Share of datagrams that get lost: 0.1, 10%
    #[arg(long, value_name = "RATE")]
    loss: Option<Rate>,
    /// Share of datagrams that are sent twice
    #[arg(long, value_name = "RATE")]
    duplication: Option<Rate>,
    /// Share of datagrams that arrive late
    #[arg(long, value_name = "RATE")]
    reordering: Option<Rate>,
    /// The most milliseconds that a datagram takes; each takes a random part of it
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=60_000))]
    delay_ms: u32,
}

#[derive(Debug, clap::Args)]
pub(crate) struct LoadArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// CSV file with the columns username and password
    #[arg(long, value_name = "FILE")]
    users: PathBuf,
    /// Kinds of requests: pap, chap, mschapv1, mschapv2, accounting, mixed, or weights
    /// (pap=70,accounting=30)
    #[arg(long, value_name = "MIX", default_value = "pap")]
    mix: Mix,
    /// How long
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// Stop after so many requests instead
    #[arg(long, value_name = "N", conflicts_with = "seconds", value_parser = clap::value_parser!(u64).range(1..))]
    requests: Option<u64>,
    /// Requests a second, whatever is answered; latency then counts from when a request was due
    /// [default: as fast as they are answered]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=lab::load::options::RATE_MAX as i64))]
    rate: Option<u32>,
    /// Requests under way at a time; with --rate, at most
    #[arg(long, value_name = "N", default_value_t = 256)]
    outstanding: usize,
    /// Source ports; each carries 256 requests at most
    #[arg(long, value_name = "N", default_value_t = 8)]
    ports: usize,
    /// Threads that share the work
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
    /// Milliseconds to wait for each transmission's answer
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    timeout_ms: u32,
    /// Sessions that live at a time, for accounting
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    sessions: usize,
    /// Interim-Updates in each session's life
    #[arg(long, value_name = "N", default_value_t = 3)]
    interims: u32,
    /// NAS-Identifier [default: the registered one, or lab]
    #[arg(long, value_name = "NAS-ID", value_parser = value::parse_identifier)]
    identifier: Option<String>,
    /// Report for each session what the server acknowledged
    #[arg(long)]
    ledger: bool,
    /// Which replies to logins are believed, by their Message-Authenticator: first, required, optional
    #[arg(long, value_name = "POLICY", default_value_t = ReplyPolicy::default())]
    reply_policy: ReplyPolicy,
    /// Which replies are verified: all, sample (one of 16, when the generator is the limit)
    #[arg(long, value_name = "WHICH", default_value_t = Verify::All)]
    verify: Verify,
    #[command(flatten)]
    faults: FaultArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct EchoArgs {
    /// Be the echo server on this port, until interrupted
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = value::parse_server,
          required_unless_present = "volley", conflicts_with = "volley")]
    listen: Option<SocketAddr>,
    /// Measure the echo server on this port
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = value::parse_server)]
    volley: Option<SocketAddr>,
    /// How long to measure
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// Datagrams under way at a time
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=lab::echo::OUTSTANDING_MAX as u64))]
    outstanding: usize,
    /// Source ports
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=lab::echo::PORTS_MAX as u64))]
    ports: usize,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ResponderArgs {
    /// Answer on this port, until interrupted
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = value::parse_server)]
    listen: SocketAddr,
    /// The shared secret; `-` reads it from standard input
    #[arg(long, value_name = "SECRET")]
    secret: HiddenArg,
    /// CSV file with the columns username and password
    #[arg(long, value_name = "FILE")]
    users: PathBuf,
}

/// The server as it was found out.
struct Target {
    auth: SocketAddr,
    acct: SocketAddr,
    secret: Secret,
    identifier: Option<String>,
}

impl LabCommand {
    pub(crate) const fn reach(&self) -> Reach {
        match self {
            Self::Listen(_) => Reach::Itself,
            Self::Nas(_)
            | Self::Router(_)
            | Self::Load(_)
            | Self::Storm(_)
            | Self::Echo(_)
            | Self::Responder(_) => Reach::Machine,
        }
    }
}

pub(crate) async fn run(context: &mut Context, command: LabCommand) -> Result<(), CliError> {
    match command {
        LabCommand::Nas(args) => nas(context, *args).await,
        LabCommand::Router(args) => router::run(context, *args).await,
        LabCommand::Load(args) => load(context, *args).await,
        LabCommand::Listen(args) => listen::run(context, args).await,
        LabCommand::Storm(args) => storm::run(context, *args).await,
        LabCommand::Echo(args) => echo(context, &args).await,
        LabCommand::Responder(args) => responder(&args).await,
    }
}

async fn nas(context: &mut Context, args: NasArgs) -> Result<(), CliError> {
    let user = credentials(&args.user, &args.password, "--password")?;
    let target = args.server.resolve(context).await?;
    let server = target.auth;
    let mut options = NasOptions::new(target.auth, target.acct, target.secret, user);
    options.method = args.method;
    options.service = args.service;
    options.interims = args.interims;
    options.interim_seconds = args.interim_interval;
    options.interim_pause = Duration::from_secs(args.pause.into());
    options.signing = args.server.signing();
    options.seed = args.server.seed;
    options.source = args.server.source;
    options.started_at = Some(context.app.now());
    options.faults = args.faults.faults();
    if args.announce {
        options.announcements = Announcements::OnAndOff;
    }
    if let Some(identifier) = args.identifier.or(target.identifier) {
        options.router.identifier = identifier;
    }
    let report = tokio::task::spawn_blocking(move || lab::nas::run(&options))
        .await?
        .map_err(|source| CliError::Line { server, source })?;
    context.output.document(&report)?;
    let outcome = match report.outcome {
        NasOutcome::Completed => return Ok(()),
        NasOutcome::Rejected => "the login was rejected; `lastmile log auth` says why",
        NasOutcome::Challenged => "the server asked for more than a password",
        NasOutcome::Unanswered => "a request was not answered; `lastmile doctor` looks for reasons",
    };
    Err(CliError::SessionIncomplete { outcome })
}

async fn load(context: &mut Context, args: LoadArgs) -> Result<(), CliError> {
    let users = read_users(&args.users)?;
    let target = args.server.resolve(context).await?;
    let mut options = LoadOptions::new(target.auth, target.acct, target.secret, users);
    options.mix = args.mix;
    options.pace = args.rate.map_or(Pace::Answers, Pace::PerSecond);
    options.outstanding = args.outstanding;
    options.ports = args.ports;
    options.threads = args.threads;
    options.timeout = Duration::from_millis(args.timeout_ms.into());
    options.sessions = args.sessions;
    options.interims = args.interims;
    options.ledger = args.ledger;
    options.reply_policy = args.reply_policy;
    options.verify = args.verify;
    options.faults = args.faults.faults();
    options.source = args.server.source;
    options.signing = args.server.signing();
    options.seed = args.server.seed.unwrap_or(options.seed);
    options.limit = args.requests.map_or_else(
        || Limit::Duration(Duration::from_secs(args.seconds.into())),
        Limit::Requests,
    );
    if let Some(identifier) = args.identifier.or(target.identifier) {
        options.router.identifier = identifier;
    }
    let report = run_load(options).await?;
    context.output.document(&report)?;
    match report.ended {
        Ended::Duration | Ended::Requests | Ended::Stopped => Ok(()),
        Ended::Silence => Err(CliError::Silence),
    }
}

async fn echo(context: &mut Context, args: &EchoArgs) -> Result<(), CliError> {
    if let Some(listen) = args.listen {
        return serve(listen, lab::echo::serve).await;
    }
    let server = args
        .volley
        .expect("clap demands one of --listen and --volley");
    let options = VolleyOptions {
        server,
        duration: Duration::from_secs(args.seconds.into()),
        outstanding: args.outstanding,
        ports: args.ports,
    };
    let report = tokio::task::spawn_blocking(move || lab::echo::volley(&options))
        .await?
        .map_err(|source| CliError::Line { server, source })?;
    context.output.document(&report)?;
    if report.answers == 0 {
        return Err(CliError::Silence);
    }
    Ok(())
}

async fn responder(args: &ResponderArgs) -> Result<(), CliError> {
    const OPTION: &str = "--secret";
    let secret = value::nas_secret(OPTION, &args.secret.resolve(OPTION)?)?;
    let responder = Responder::new(secret, &read_users(&args.users)?);
    serve(args.listen, move |socket, stop| {
        responder.serve(socket, stop)
    })
    .await
}

/// Serves one port until the user interrupts.
async fn serve(
    server: SocketAddr,
    run: impl FnOnce(&Socket, &AtomicBool) -> io::Result<()> + Send + 'static,
) -> Result<(), CliError> {
    let failed = |source| CliError::Line { server, source };
    let socket = lab::echo::listen(server).map_err(failed)?;
    run_until_interrupted(move |stop| run(&socket, stop))
        .await?
        .map_err(|source| LineError::Receive { server, source })
        .map_err(failed)
}

/// Runs until it is done or the user interrupts; both give a report.
async fn run_load(options: LoadOptions) -> Result<lab::load::report::LoadReport, CliError> {
    run_until_interrupted(move |stop| lab::load::run_until(&options, stop))
        .await?
        .map_err(CliError::Load)
}

/// Runs on a thread that may block; an interrupt by the user sets the flag.
async fn run_until_interrupted<T: Send + 'static>(
    run: impl FnOnce(&AtomicBool) -> T + Send + 'static,
) -> Result<T, CliError> {
    let stop = Arc::new(AtomicBool::new(false));
    let watched = Arc::clone(&stop);
    let mut running = tokio::task::spawn_blocking(move || run(&watched));
    let finished = tokio::select! {
        finished = &mut running => finished,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.map_err(CliError::Setup)?;
            stop.store(true, Ordering::Relaxed);
            running.await
        }
    };
    Ok(finished?)
}

impl ServerArgs {
    async fn resolve(&self, context: &Context) -> Result<Target, CliError> {
        let radius = &context.app.config.radius;
        let auth = loopback::server(self.auth, &radius.auth, "radius.auth")?;
        let acct = loopback::server(self.acct, &radius.acct, "radius.acct")?;
        if let Some(secret) = &self.secret {
            const OPTION: &str = "--secret";
            return Ok(Target {
                auth,
                acct,
                secret: value::nas_secret(OPTION, &secret.resolve(OPTION)?)?,
                identifier: None,
            });
        }
        let source = match self.source {
            Some(source) => source,
            None => loopback::source_towards(auth)?,
        };
        let Loopback { nas } = Loopback::find_at(context, source).await?;
        Ok(Target {
            auth,
            acct,
            secret: nas.secret,
            identifier: nas.settings.identifier,
        })
    }

    fn signing(&self) -> Signing {
        if self.unsigned {
            Signing::Unsigned
        } else {
            Signing::Signed
        }
    }
}

impl FaultArgs {
    fn faults(&self) -> Faults {
        Faults {
            loss: self.loss.unwrap_or_default(),
            duplication: self.duplication.unwrap_or_default(),
            reordering: self.reordering.unwrap_or_default(),
            delay: Duration::from_millis(self.delay_ms.into()),
        }
    }
}
