//! The command line: nouns with verbs, and what is the same for all of them.

use std::fmt;
use std::io::{self, BufWriter, Write as _};
use std::num::ParseIntError;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};

use crate::app::App;
use crate::config::{self, Effective, Environment, Override, Overrides};
use crate::exit::{ErrorChain, ExitStatus};
use crate::output::{Output, OutputFormat};
use crate::priority;
use crate::telemetry::{self, Colour};
use context::Context;
use error::CliError;
use remote::{Reach, RemoteArgs};

mod audit;
mod change;
mod config_check;
mod context;
mod contexts;
mod customer;
mod directory;
mod doctor;
pub(crate) mod error;
mod events;
pub(crate) mod explain;
mod garden;
mod guard;
mod import;
mod import_freeradius;
mod job;
mod lab;
mod log;
mod loopback;
mod message;
mod migrate;
mod nas;
mod nas_group;
mod operation;
mod operator;
mod plan;
mod rate;
mod realm;
mod reconciler;
mod relay;
mod remote;
mod retention;
mod rows;
mod schedule;
mod search;
mod secret;
mod serve;
mod session;
mod subscriber;
mod subscriber_binding;
mod subscriber_device;
mod subscriber_import;
mod subscriber_top_up;
mod tenant;
mod terminal;
mod test_auth;
mod token;
mod told;
mod usage;
mod value;
mod webhook;
pub(crate) mod why;

/// The level for commands that end by themselves, unless one is asked for.
const COMMAND_LOG_LEVEL: &str = "warn";

/// RADIUS and AAA for internet providers: routers ask, lastmile decides, and keeps the record.
#[derive(Debug, clap::Parser)]
#[command(
    name = "lastmile",
    version,
    max_term_width = 100,
    after_help = "Examples:
  lastmile serve --data-dir /var/lib/lastmile
  lastmile --data-dir /var/lib/lastmile nas add pop-1 --address 192.0.2.1
  lastmile --data-dir /var/lib/lastmile plan add home-50 --rate 25M/50M
  lastmile --data-dir /var/lib/lastmile subscriber add ana --password - --plan home-50
  lastmile --data-dir /var/lib/lastmile session list --output json
  lastmile --server https://isp.example --token-file token nas group list

Every key of the configuration is also an environment variable: radius.auth is LASTMILE_RADIUS__AUTH.
Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 denied."
)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(flatten)]
    remote: RemoteArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Everywhere")]
struct GlobalArgs {
    /// Where the database and the key ring live [default: ./data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Read this configuration file and no other
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set a key of the configuration, for example radius.auth=0.0.0.0:1812
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    set: Vec<KeyValue>,
    /// How data is written to stdout
    #[arg(long, global = true, value_name = "FORMAT", default_value = "table")]
    output: OutputFormat,
    /// How events are written to stderr [default: text]
    #[arg(long, global = true, value_name = "FORMAT")]
    log: Option<LogArg>,
    /// Which events: error, warn, info, debug, trace [default: info for serve, warn otherwise]
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Whether events are coloured
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: ColorArg,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Answer routers, keep the record, serve health and metrics
    Serve(serve::ServeArgs),
    /// Bring the schema of the database up to date
    Migrate(migrate::MigrateArgs),
    /// Look at the configuration
    #[command(subcommand)]
    Config(config_check::ConfigCommand),
    /// Routers that may ask (network access servers)
    #[command(subcommand)]
    Nas(nas::NasCommand),
    /// What is sold: speeds, times, limits
    #[command(subcommand)]
    Plan(plan::PlanCommand),
    /// The provider: its time zone
    #[command(subcommand)]
    Tenant(tenant::TenantCommand),
    /// Who pays, and how they are reached
    #[command(subcommand)]
    Customer(customer::CustomerCommand),
    /// Everything that a text is found in: names, telephones, e-mail, addresses, devices
    #[command(after_help = "Examples:
  lastmile search kamau
  lastmile search 0712345678
  lastmile search 100.64.0.7 --output json")]
    Search(search::SearchArgs),
    /// People who sign in
    #[command(subcommand)]
    Operator(operator::OperatorCommand),
    /// Who did what
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Stored secrets, shown for a reason
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    /// Who may log in
    #[command(subcommand)]
    Subscriber(subscriber::SubscriberCommand),
    /// The tables of FreeRADIUS
    #[command(subcommand)]
    Rows(rows::RowsCommand),
    /// Leave another server, with a preview
    #[command(subcommand)]
    Import(import_freeradius::ImportCommand),
    /// What suspended subscribers may still reach
    #[command(subcommand)]
    Garden(garden::GardenCommand),
    /// What subscribers are told about their account
    #[command(subcommand)]
    Message(message::MessageCommand),
    /// Parts of user names that say whose subscriber it is
    #[command(subcommand)]
    Realm(realm::RealmCommand),
    /// Tokens with which programs use the interface
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// What servers keep in memory
    #[command(subcommand)]
    Directory(directory::DirectoryCommand),
    /// Who is online, and who was
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// Requests of local tools to end or change sessions
    #[command(subcommand)]
    Relay(relay::RelayCommand),
    /// How much a user moved, by hour or day
    Usage(usage::UsageArgs),
    /// What happened, and what happens now
    #[command(subcommand)]
    Events(events::EventsCommand),
    /// Where events are sent
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// What was decided, and why
    #[command(subcommand)]
    Log(log::LogCommand),
    /// Why somebody cannot get on, is slow, or was cut off
    Why(why::WhyArgs),
    /// What a router would be answered, and why, without asking
    Explain(explain::ExplainArgs),
    /// Who is kept from guessing passwords
    #[command(subcommand)]
    Guard(guard::GuardCommand),
    /// How long history is kept, and how much there is
    #[command(subcommand)]
    Retention(retention::RetentionCommand),
    /// What the program does again and again
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
    /// What converges, and how it stands
    #[command(subcommand)]
    Reconciler(reconciler::ReconcilerCommand),
    /// Long work: how far it is, and what became of it
    #[command(subcommand)]
    Operation(operation::OperationCommand),
    /// Work beside the transactions that wanted it
    #[command(subcommand)]
    Job(job::JobCommand),
    /// Log in through the real socket and show the answer
    TestAuth(test_auth::TestAuthArgs),
    /// Check ports, database, clock, permissions and secrets
    Doctor(doctor::DoctorArgs),
    /// Simulated routers and load
    #[command(subcommand)]
    Lab(lab::LabCommand),
    /// Servers elsewhere that commands are sent to, by name
    #[command(subcommand)]
    Context(contexts::ContextCommand),
    /// Write the completion script of a shell to stdout
    #[command(after_help = "Examples:
  lastmile completions bash > /etc/bash_completion.d/lastmile
  lastmile completions fish > ~/.config/fish/completions/lastmile.fish")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum LogArg {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ColorArg {
    Auto,
    Always,
    Never,
}

/// `KEY=VALUE`; the value may be a database URL, so it shows itself nowhere.
#[derive(Clone)]
struct KeyValue {
    key: String,
    value: String,
}

#[derive(Debug, thiserror::Error)]
#[error("write KEY=VALUE, for example radius.auth=0.0.0.0:1812")]
struct KeyValueError;

impl FromStr for KeyValue {
    type Err = KeyValueError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let (key, value) = raw.split_once('=').ok_or(KeyValueError)?;
        Ok(Self {
            key: key.to_owned(),
            value: value.to_owned(),
        })
    }
}

impl fmt::Debug for KeyValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}=(hidden)", self.key)
    }
}

/// Runs the command that this process was started with.
pub fn main() -> ExitCode {
    let (cli, name) = match parse() {
        Ok(parsed) => parsed,
        Err(error) => return tell_usage(&error).into(),
    };
    let outcome = start(cli, &name);
    match outcome {
        Ok(()) => ExitStatus::Done.into(),
        // The reader of a pipe has seen enough.
        Err(CliError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitStatus::Done.into()
        }
        Err(error) => {
            tell(format_args!("error: {}", ErrorChain(&error)));
            error.status().into()
        }
    }
}

/// Reads the command line: what is asked for, and the words that name the command.
fn parse() -> Result<(Cli, String), clap::Error> {
    let mut command = Cli::command();
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    let mut words = Vec::new();
    let mut inner: &ArgMatches = &matches;
    while let Some((word, matches)) = inner.subcommand() {
        words.push(word);
        inner = matches;
    }
    Ok((cli, words.join(" ")))
}

fn start(cli: Cli, name: &str) -> Result<(), CliError> {
    let environment = Environment::capture();
    let format = cli.global.output;
    let output = Output::new(format, Box::new(BufWriter::new(io::stdout())));
    if let Command::Completions { shell } = cli.command {
        return completions(output, shell);
    }
    let effective = config::load(&environment, &cli.global.overrides())?;
    start_log(&cli, &effective, &environment);
    let is_here = cli.global.data_dir.is_some() || cli.global.config.is_some();
    let command = (name, cli.command.reach());
    let mut context = Context {
        target: cli.remote.target(&environment, command, is_here)?,
        app: App::new(effective.config.clone()),
        output,
        is_verbose: cli.remote.verbose,
    };
    if let Command::Context(command) = cli.command {
        let outcome = contexts::run(&mut context, command, (&environment, &cli.remote));
        context.output.flush()?;
        return outcome;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .on_thread_start(priority::step_back)
        .build()
        .map_err(CliError::Setup)?;
    runtime.block_on(run(cli.command, &effective, context))
}

async fn run(
    command: Command,
    effective: &Effective,
    mut context: Context,
) -> Result<(), CliError> {
    let outcome = match command {
        Command::Serve(args) => serve::run(&mut context, args, effective).await,
        Command::Migrate(args) => migrate::run(&mut context, args).await,
        Command::Config(command) => config_check::run(&mut context, command, effective).await,
        Command::Nas(command) => nas::run(&mut context, command).await,
        Command::Plan(command) => plan::run(&mut context, command).await,
        Command::Tenant(command) => tenant::run(&mut context, command).await,
        Command::Customer(command) => customer::run(&mut context, command).await,
        Command::Search(args) => search::run(&mut context, args).await,
        Command::Subscriber(command) => subscriber::run(&mut context, command).await,
        Command::Rows(command) => rows::run(&mut context, command).await,
        Command::Import(command) => import_freeradius::run(&mut context, command).await,
        Command::Garden(command) => garden::run(&mut context, command).await,
        Command::Message(command) => message::run(&mut context, command).await,
        Command::Realm(command) => realm::run(&mut context, command).await,
        Command::Operator(command) => operator::run(&mut context, command).await,
        Command::Audit(command) => audit::run(&mut context, command).await,
        Command::Secret(command) => secret::run(&mut context, command).await,
        Command::Token(command) => token::run(&mut context, command).await,
        Command::Directory(command) => directory::run(&mut context, command).await,
        Command::Session(command) => session::run(&mut context, command).await,
        Command::Usage(args) => usage::run(&mut context, args).await,
        Command::Events(command) => events::run(&mut context, command).await,
        Command::Webhook(command) => webhook::run(&mut context, command).await,
        Command::Log(command) => log::run(&mut context, command).await,
        Command::Why(args) => why::run(&mut context, args).await,
        Command::Explain(args) => explain::run(&mut context, args).await,
        Command::Guard(command) => guard::run(&mut context, command).await,
        Command::Relay(command) => relay::run(&mut context, &command),
        Command::Retention(command) => retention::run(&mut context, command).await,
        Command::Schedule(command) => schedule::run(&mut context, command).await,
        Command::Reconciler(command) => reconciler::run(&mut context, command).await,
        Command::Operation(command) => operation::run(&mut context, command).await,
        Command::Job(command) => job::run(&mut context, command).await,
        Command::TestAuth(args) => test_auth::run(&mut context, args).await,
        Command::Doctor(args) => doctor::run(&mut context, args).await,
        Command::Lab(command) => lab::run(&mut context, command).await,
        // Both need no runtime, and were carried out before there was one.
        Command::Context(_) | Command::Completions { .. } => Ok(()),
    };
    // A command that fails has data too: a report, the checks that failed.
    context.output.flush()?;
    outcome
}

fn completions(mut output: Output, shell: clap_complete::Shell) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "lastmile", &mut script);
    output.line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(output.flush()?)
}

impl Command {
    /// Where the command can work.
    const fn reach(&self) -> Reach {
        match self {
            Self::Nas(_)
            | Self::Plan(_)
            | Self::Garden(_)
            | Self::Realm(_)
            | Self::Operation(_) => Reach::Anywhere,
            Self::Tenant(_)
            | Self::Subscriber(_)
            | Self::Rows(_)
            | Self::Message(_)
            | Self::Token(_)
            | Self::Directory(_)
            | Self::Session(_)
            | Self::Usage(_)
            | Self::Log(_)
            | Self::Why(_)
            | Self::Explain(_)
            | Self::Guard(_)
            | Self::Import(_)
            | Self::Schedule(_)
            | Self::Reconciler(_)
            | Self::Job(_) => Reach::Database,
            Self::Serve(_)
            | Self::Migrate(_)
            | Self::Config(_)
            | Self::Relay(_)
            | Self::Retention(_)
            | Self::Doctor(_)
            | Self::Lab(_)
            | Self::Completions { .. } => Reach::Machine,
            Self::Context(_) | Self::TestAuth(_) => Reach::Itself,
        }
    }
}

impl GlobalArgs {
    fn overrides(&self) -> Overrides {
        let mut values: Vec<Override> = self
            .set
            .iter()
            .map(|given| Override {
                key: given.key.clone(),
                value: given.value.clone(),
                flag: "--set",
            })
            .collect();
        let mut push = |key: &str, value: Option<String>, flag| {
            values.extend(value.map(|value| Override {
                key: key.to_owned(),
                value,
                flag,
            }));
        };
        let data_dir = self.data_dir.as_ref();
        push(
            "data_dir",
            data_dir.map(|dir| dir.to_string_lossy().into_owned()),
            "--data-dir",
        );
        let log = self.log.map(|format| match format {
            LogArg::Text => "text".to_owned(),
            LogArg::Json => "json".to_owned(),
        });
        push("log.format", log, "--log");
        push("log.level", self.log_level.clone(), "--log-level");
        Overrides {
            file: self.config.clone(),
            values,
        }
    }
}

fn start_log(cli: &Cli, effective: &Effective, environment: &Environment) {
    let log = &effective.config.log;
    let is_serving = matches!(cli.command, Command::Serve(_));
    let level = if is_serving || effective.is_set("log.level") {
        log.level.clone()
    } else {
        COMMAND_LOG_LEVEL
            .parse()
            .expect("the level is one that the parser knows")
    };
    let colour = match cli.global.color {
        ColorArg::Auto => Colour::detect(environment.is_colour_refused()),
        ColorArg::Always => Colour::On,
        ColorArg::Never => Colour::Off,
    };
    telemetry::start(log.format, level, colour);
}

/// Tells what is wrong with the command line. A value that does not parse is one line that begins
/// with the name of its option and does not repeat the whole command.
fn tell_usage(error: &clap::Error) -> ExitStatus {
    let source = std::error::Error::source(error);
    match (error.kind(), source) {
        (ErrorKind::DisplayHelp | ErrorKind::DisplayVersion, _) => {
            drop(error.print());
            ExitStatus::Done
        }
        (ErrorKind::ValueValidation, Some(source)) => {
            let option = match error.get(ContextKind::InvalidArg) {
                Some(ContextValue::String(option)) => bare_option(option),
                _ => String::new(),
            };
            match error.get(ContextKind::InvalidValue) {
                Some(ContextValue::String(raw)) if source.is::<ParseIntError>() => {
                    tell(format_args!(
                        "error: {option}: '{raw}' is not a whole number"
                    ));
                }
                _ => tell(format_args!("error: {option}: {}", ErrorChain(source))),
            }
            ExitStatus::Usage
        }
        _ => {
            drop(error.print());
            ExitStatus::Usage
        }
    }
}

/// `--rate <RATE>` as `--rate`, `<NAME>` as `NAME`.
fn bare_option(shown: &str) -> String {
    let first = shown.split_whitespace().next().unwrap_or_default();
    first.trim_matches(['<', '>', '[', ']', '.']).to_owned()
}

fn tell(text: fmt::Arguments<'_>) {
    // A closed stderr is no reason to fail.
    drop(writeln!(io::stderr().lock(), "{text}"));
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        let mut commands = vec![Cli::command()];
        while let Some(command) = commands.pop() {
            commands.extend(command.get_subcommands().cloned());
            let help = command.get_after_help().map(ToString::to_string);
            assert!(
                command.has_subcommands() || help.is_some_and(|help| help.contains("Example")),
                "{}",
                command.get_name()
            );
        }
    }

    /// Such an option would be read as what every command has, with another type.
    #[test]
    fn no_option_has_the_name_of_one_that_every_command_has() {
        let whole = Cli::command();
        let everywhere: Vec<_> = whole
            .get_arguments()
            .filter(|option| option.is_global_set())
            .map(|option| option.get_id().clone())
            .collect();
        let mut commands: Vec<_> = whole.get_subcommands().cloned().collect();
        while let Some(command) = commands.pop() {
            commands.extend(command.get_subcommands().cloned());
            let mut own = command.get_arguments().map(clap::Arg::get_id);
            let hidden = own.find(|id| everywhere.contains(id)).cloned();
            // It has the same type there, and says which RADIUS server is meant.
            let is_meant = command.get_name() == "test-auth";
            assert!(
                is_meant || hidden.is_none(),
                "{}: {hidden:?}",
                command.get_name()
            );
        }
    }

    #[test]
    fn options_are_named_bare() {
        assert_eq!(bare_option("--rate <RATE>"), "--rate");
        assert_eq!(bare_option("<NAME>"), "NAME");
    }

    #[test]
    fn secrets_are_hidden_when_the_command_line_is_debugged() {
        let lines = [
            "lastmile nas add a --address 192.0.2.1 --secret kookaburra",
            "lastmile subscriber add ana --password kookaburra --plan home",
            "lastmile subscriber set ana --password-hash $6$salt$kookaburra",
            "lastmile --set database.url=postgres://u:kookaburra@h/d doctor",
            "lastmile test-auth ana kookaburra",
            "lastmile import freeradius --database mysql://u:kookaburra@h/radius",
            "lastmile lab nas --user ana --password kookaburra --secret kookaburra",
            "lastmile nas list --server https://isp.example --token kookaburra",
        ];
        for line in lines {
            let cli = Cli::try_parse_from(line.split(' ')).expect("the line is good");
            assert!(!format!("{cli:?}").contains("kookaburra"), "{line}");
        }
    }
}
