//! `lastmile plan`: what is sold.

use domain::limit::{Quotas, ValidityStart};
use domain::name::Name;
use domain::plan::access::{AfterExpiry, DeviceLimit, GraceDays};
use domain::plan::change::ChangeNote;
use domain::plan::{InterimInterval, PoolName, SessionLimit, TimeoutSeconds};
use domain::rate_limit::RateLimit;
use domain::session_policy::SessionPolicy;
use domain::time::Timestamp;
use serde::Serialize;
use storage::error::Resource;

use super::change::Change;
use super::context::{Context, Deed, DryRun, ListSize};
use super::error::CliError;
use super::garden;
use super::rate::Rate;
use super::told::{Noun, told};
use super::value;
use crate::client::Client;
use crate::client::call::Call;
use crate::output::Record;
use limits::{ClearLimitArgs, LimitArgs};
use wire::{PlanAnswer, PlanBody};

mod history;
mod limits;
mod schedule;
mod wire;

const PATH: &str = "plans";

const NOUN: Noun = Noun {
    what: Resource::Plan,
    remedy: "`lastmile plan list` shows them",
};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum PlanCommand {
    /// Add a plan
    #[command(after_help = "Examples:
  lastmile plan add home-25 --rate 25M/50M
  lastmile plan add burst-10 --rate '10M/20M 15M/30M 8M/16M 10/10'   # rate, burst, threshold, seconds
  lastmile plan add hour --rate 2M/4M --session-timeout 1h --idle-timeout 10m --session-limit 1
  lastmile plan add roam --rate 5M/5M --session-limit 2 --session-policy replace-oldest
  lastmile plan add fair-50 --rate 25M/50M --quota 50G/month --at-limit throttle:1M/1M
  lastmile plan add office --window Wk0800-1800 --quota time:40h/week
  lastmile plan add voucher-day --quota 2G/total --validity 1d --validity-from first-use
  lastmile plan add phone --rate 5M/10M --device-limit 1 --private-device-limit 1
  lastmile plan add month --rate 10M/20M --grace-days 3 --after-expiry walled")]
    Add(Box<AddArgs>),
    /// List the plans
    #[command(after_help = "Examples:
  lastmile plan list
  lastmile plan list --output jsonl")]
    List(ListSize),
    /// Show one plan
    #[command(after_help = "Examples:
  lastmile plan show home-25
  lastmile plan show home-25 --output json")]
    Show {
        /// Name of the plan
        name: Name,
    },
    /// Change a plan; sessions that begin from now on get the new terms
    #[command(after_help = "Examples:
  lastmile plan set home-25 --rate 30M/60M
  lastmile plan set home-25 --clear-pool --interim 10m --dry-run
  lastmile plan set home-25 --quota 100G/month,10G/day --resets '15 06:00'")]
    Set(Box<SetArgs>),
    /// List how a plan was after each change of it, the newest first
    #[command(after_help = "Examples:
  lastmile plan versions home-25
  lastmile plan versions home-25 --limit 5 --output json")]
    Versions {
        /// Name of the plan
        name: Name,
        #[command(flatten)]
        size: ListSize,
    },
    /// Give a plan the terms that it had in a version
    #[command(after_help = "Examples:
  lastmile plan revert home-25 --version 3 --dry-run
  lastmile plan revert home-25 --version 3 --note 'the new speed was a mistake'")]
    Revert(history::RevertArgs),
    /// Change a plan later, once, at an instant
    #[command(
        after_help = "The program makes the change within a second of its time, and also when it was off then.

Examples:
  lastmile plan schedule home-25 --at 2027-01-01T00:00:00Z --rate 30M/60M
  lastmile plan schedule home-25 --at 2027-01-01 --rate 30M/60M --note 'new prices' --dry-run"
    )]
    Schedule(Box<schedule::ScheduleArgs>),
    /// List the changes of plans that are to be made later, and those that were
    #[command(after_help = "Examples:
  lastmile plan scheduled
  lastmile plan scheduled home-25 --state pending")]
    Scheduled(schedule::ScheduledArgs),
    /// See to it that a scheduled change is not made
    #[command(after_help = "Examples:
  lastmile plan cancel 0197c9a4-6f0e-7c3a-9d52-1d6a8f3b2c10 --dry-run
  lastmile plan cancel 0197c9a4-6f0e-7c3a-9d52-1d6a8f3b2c10")]
    Cancel(schedule::CancelArgs),
    /// Remove a plan that no subscriber is on
    #[command(after_help = "Examples:
  lastmile plan remove home-25 --dry-run
  lastmile plan remove home-25")]
    Remove {
        /// Name of the plan
        name: Name,
        #[command(flatten)]
        dry_run: DryRun,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct AddArgs {
    /// What to call the plan
    name: Name,
    /// Speed as UPLOAD/DOWNLOAD with k, M or G, and burst parts as MikroTik writes them [default:
    /// unlimited]
    #[arg(long, value_name = "RATE")]
    rate: Option<RateLimit>,
    /// Longest session: 3600, 1h, 1d
    #[arg(long, value_name = "DURATION", value_parser = value::parse_timeout)]
    session_timeout: Option<TimeoutSeconds>,
    /// Ends a session without traffic: 600, 10m
    #[arg(long, value_name = "DURATION", value_parser = value::parse_timeout)]
    idle_timeout: Option<TimeoutSeconds>,
    /// How often routers report usage: 1m to 1d [default: 5m]
    #[arg(long, value_name = "DURATION", value_parser = value::parse_interim)]
    interim: Option<InterimInterval>,
    /// Address pool on the router
    #[arg(long, value_name = "POOL")]
    pool: Option<PoolName>,
    /// Sessions that one subscriber may have at once [default: any number]
    #[arg(long, value_name = "N", value_parser = value::parse_session_limit)]
    session_limit: Option<SessionLimit>,
    /// What happens to one more: reject-new or replace-oldest [default: reject-new]
    #[arg(long, value_name = "POLICY")]
    session_policy: Option<SessionPolicy>,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    dry_run: DryRun,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SetArgs {
    /// Name of the plan
    name: Name,
    /// A new name
    #[arg(long, value_name = "NAME")]
    rename: Option<Name>,
    /// Speed as UPLOAD/DOWNLOAD
    #[arg(long, value_name = "RATE")]
    rate: Option<RateLimit>,
    /// No speed limit
    #[arg(long, conflicts_with = "rate")]
    clear_rate: bool,
    /// Longest session
    #[arg(long, value_name = "DURATION", value_parser = value::parse_timeout)]
    session_timeout: Option<TimeoutSeconds>,
    /// Sessions of any length
    #[arg(long, conflicts_with = "session_timeout")]
    clear_session_timeout: bool,
    /// Ends a session without traffic
    #[arg(long, value_name = "DURATION", value_parser = value::parse_timeout)]
    idle_timeout: Option<TimeoutSeconds>,
    /// Idle sessions stay
    #[arg(long, conflicts_with = "idle_timeout")]
    clear_idle_timeout: bool,
    /// How often routers report usage
    #[arg(long, value_name = "DURATION", value_parser = value::parse_interim)]
    interim: Option<InterimInterval>,
    /// Address pool on the router
    #[arg(long, value_name = "POOL")]
    pool: Option<PoolName>,
    /// The router's own choice of pool
    #[arg(long, conflicts_with = "pool")]
    clear_pool: bool,
    /// Sessions that one subscriber may have at once
    #[arg(long, value_name = "N", value_parser = value::parse_session_limit)]
    session_limit: Option<SessionLimit>,
    /// Any number of sessions
    #[arg(long, conflicts_with = "session_limit")]
    clear_session_limit: bool,
    /// What happens to one more: reject-new or replace-oldest
    #[arg(long, value_name = "POLICY")]
    session_policy: Option<SessionPolicy>,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    clear_limits: ClearLimitArgs,
    #[command(flatten)]
    access: AccessArgs,
    /// The garden of the provider again
    #[arg(long, conflicts_with = "garden")]
    clear_garden: bool,
    /// Any device
    #[arg(long, conflicts_with = "device_limit")]
    clear_device_limit: bool,
    /// Devices with a made-up address count like others
    #[arg(long, conflicts_with = "private_device_limit")]
    clear_private_device_limit: bool,
    /// Why, to be kept with the new version
    #[arg(long, value_name = "TEXT")]
    note: Option<ChangeNote>,
    #[command(flatten)]
    dry_run: DryRun,
}

/// How access ends, and which devices may be used.
#[derive(Debug, clap::Args)]
struct AccessArgs {
    /// Days that access goes on after a subscriber's expiry [default: 0]
    #[arg(long, value_name = "DAYS")]
    grace_days: Option<GraceDays>,
    /// What comes after the expiry and its grace: hard (refused), walled (the walled garden)
    /// [default: hard]
    #[arg(long, value_name = "END")]
    after_expiry: Option<AfterExpiry>,
    /// The walled garden of this plan [default: that of `lastmile garden default`]
    #[arg(long, value_name = "NAME")]
    garden: Option<Name>,
    /// Bind each subscriber to the first N devices they log in with [default: any device]
    #[arg(long, value_name = "N")]
    device_limit: Option<DeviceLimit>,
    /// How many of a subscriber's devices may have a made-up (private) MAC address, counted apart
    #[arg(long, value_name = "N")]
    private_device_limit: Option<DeviceLimit>,
}

#[derive(Clone, Debug, Serialize)]
struct PlanRecord {
    name: String,
    rate: Option<RateLimit>,
    session_timeout_seconds: Option<u32>,
    idle_timeout_seconds: Option<u32>,
    interim_seconds: u32,
    pool: Option<String>,
    session_limit: Option<u16>,
    session_policy: SessionPolicy,
    quota: Option<Quotas>,
    window: Option<String>,
    validity_seconds: Option<u32>,
    validity_from: Option<ValidityStart>,
    resets: Option<String>,
    at_limit: Option<String>,
    grace_days: u16,
    after_expiry: String,
    garden: Option<String>,
    device_limit: Option<u8>,
    private_device_limit: Option<u8>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    id: Option<String>,
}

impl Record for PlanRecord {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "rate",
        "session_timeout_seconds",
        "idle_timeout_seconds",
        "interim_seconds",
        "pool",
        "session_limit",
        "session_policy",
        "quota",
        "window",
        "validity_seconds",
        "validity_from",
        "resets",
        "at_limit",
        "grace_days",
        "after_expiry",
        "garden",
        "device_limit",
        "private_device_limit",
        "created_at",
        "updated_at",
        "id",
    ];
    const COLUMNS: &'static [&'static str] = &[
        "name",
        "rate",
        "session_timeout_seconds",
        "idle_timeout_seconds",
        "interim_seconds",
        "pool",
        "session_limit",
    ];
}

pub(crate) async fn run(context: &mut Context, command: PlanCommand) -> Result<(), CliError> {
    match command {
        PlanCommand::Add(args) => add(context, *args).await,
        PlanCommand::List(size) => list(context, size).await,
        PlanCommand::Show { name } => show(context, &name).await,
        PlanCommand::Set(args) => set(context, *args).await,
        PlanCommand::Versions { name, size } => history::versions(context, &name, size).await,
        PlanCommand::Revert(args) => history::revert(context, args).await,
        PlanCommand::Schedule(args) => schedule::add(context, *args).await,
        PlanCommand::Scheduled(args) => schedule::list(context, args).await,
        PlanCommand::Cancel(args) => schedule::cancel(context, args).await,
        PlanCommand::Remove { name, dry_run } => remove(context, &name, dry_run).await,
    }
}

async fn add(context: &mut Context, args: AddArgs) -> Result<(), CliError> {
    let client = context.writer(args.dry_run).await?;
    check_garden(&client, args.access.garden.as_ref()).await?;
    let access = args.access;
    let body = PlanBody {
        name: Some(args.name.to_string()),
        rate: args.rate.map(|rate| Some(rate.into())),
        session_timeout_seconds: args.session_timeout.map(|it| Some(it.as_seconds())),
        idle_timeout_seconds: args.idle_timeout.map(|it| Some(it.as_seconds())),
        interim_seconds: args.interim.map(InterimInterval::as_seconds),
        pool: args.pool.map(|pool| Some(pool.to_string())),
        session_limit: args.session_limit.map(|limit| Some(limit.as_sessions())),
        session_policy: args.session_policy,
        limits: args.limits.resolve(&client, &args.name).await?,
        grace_days: access.grace_days.map(GraceDays::as_days),
        after_expiry: access.after_expiry.map(|end| end.to_string()),
        garden: access.garden.map(|garden| Some(garden.to_string())),
        device_limit: access.device_limit.map(|limit| Some(limit.as_devices())),
        private_device_limit: access
            .private_device_limit
            .map(|limit| Some(limit.as_devices())),
        note: None,
    };
    let call = Call::post(&[PATH]).carrying(&body);
    let mut record = ask(&client, call, &args.name).await?;
    let rate = record.rate.map(|rate| rate.to_string());
    let deed = Deed {
        what: format!("Plan {}", args.name),
        verb: "added",
        details: format!(": {}", rate.as_deref().unwrap_or("unlimited")),
    };
    if args.dry_run.is_dry {
        record.forget_making();
    }
    Ok(context.report(args.dry_run, &deed, &record)?)
}

async fn list(context: &mut Context, size: ListSize) -> Result<(), CliError> {
    let client = context.reader().await?;
    let none = "No plan yet: add one with `lastmile plan add NAME --rate 25M/50M`";
    context
        .list_of::<PlanRecord, PlanAnswer>(size, none, (&client, Call::get(&[PATH])))
        .await
}

async fn show(context: &mut Context, name: &Name) -> Result<(), CliError> {
    let client = context.reader().await?;
    let plan = find(&client, name).await?;
    Ok(context.output.show(&plan)?)
}

async fn set(context: &mut Context, args: SetArgs) -> Result<(), CliError> {
    let client = context.writer(args.dry_run).await?;
    let before = find(&client, &args.name).await?;
    let (name, dry_run) = (args.name.clone(), args.dry_run);
    let body = patch(args, &client, &before).await?;
    let change = Change {
        what: format!("Plan {name}"),
        before,
        hidden: None,
    };
    let update = async |client: &Client| {
        let call = Call::patch(&[PATH, name.as_str()]).carrying(&body);
        ask(client, call, &name).await
    };
    change.make(context, dry_run, &client, update).await
}

/// The change that options ask for.
async fn patch(args: SetArgs, client: &Client, before: &PlanRecord) -> Result<PlanBody, CliError> {
    let access = args.access;
    check_garden(client, access.garden.as_ref()).await?;
    let seconds = |timeout: TimeoutSeconds| timeout.as_seconds();
    let devices = |limit: DeviceLimit| limit.as_devices();
    let limits = args.limits;
    Ok(PlanBody {
        name: args.rename.map(|name| name.to_string()),
        rate: value::replacement(args.rate.map(Rate::from), args.clear_rate),
        session_timeout_seconds: value::replacement(
            args.session_timeout.map(seconds),
            args.clear_session_timeout,
        ),
        idle_timeout_seconds: value::replacement(
            args.idle_timeout.map(seconds),
            args.clear_idle_timeout,
        ),
        interim_seconds: args.interim.map(InterimInterval::as_seconds),
        pool: wire::text(value::replacement(args.pool, args.clear_pool)),
        session_limit: value::replacement(
            args.session_limit.map(SessionLimit::as_sessions),
            args.clear_session_limit,
        ),
        session_policy: args.session_policy,
        limits: limits.patch(&args.clear_limits, client, before).await?,
        grace_days: access.grace_days.map(GraceDays::as_days),
        after_expiry: access.after_expiry.map(|end| end.to_string()),
        garden: wire::text(value::replacement(access.garden, args.clear_garden)),
        device_limit: value::replacement(access.device_limit.map(devices), args.clear_device_limit),
        private_device_limit: value::replacement(
            access.private_device_limit.map(devices),
            args.clear_private_device_limit,
        ),
        note: wire::note(args.note.as_ref()),
    })
}

async fn remove(context: &mut Context, name: &Name, dry_run: DryRun) -> Result<(), CliError> {
    let client = context.writer(dry_run).await?;
    let plan = find(&client, name).await?;
    client.tell(Call::delete(&[PATH, name.as_str()])).await?;
    let deed = Deed {
        what: format!("Plan {name}"),
        verb: "removed",
        details: String::new(),
    };
    Ok(context.report(dry_run, &deed, &plan)?)
}

async fn find(client: &Client, name: &Name) -> Result<PlanRecord, CliError> {
    ask(client, Call::get(&[PATH, name.as_str()]), name).await
}

/// Asks for a plan in an answer.
async fn ask(client: &Client, call: Call, name: &Name) -> Result<PlanRecord, CliError> {
    let plan: Result<PlanAnswer, _> = client.ask(call).await;
    plan.map(|plan| plan.0)
        .map_err(|error| told(error, &[(NOUN, name)]))
}

/// Whether there is the garden that is named.
async fn check_garden(client: &Client, name: Option<&Name>) -> Result<(), CliError> {
    match name {
        Some(name) => garden::NOUN.check(client, garden::PATH, name).await,
        None => Ok(()),
    }
}

impl PlanRecord {
    /// What was only rehearsed has none of this.
    fn forget_making(&mut self) {
        self.created_at = None;
        self.updated_at = None;
        self.id = None;
    }
}

impl From<PlanAnswer> for PlanRecord {
    fn from(answer: PlanAnswer) -> Self {
        answer.0
    }
}
