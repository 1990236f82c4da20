//! `lastmile plan`: what is sold.

use domain::id::TenantId;
use domain::name::Name;
use domain::plan::{InterimInterval, PlanTerms, PoolName, SessionLimit, TimeoutSeconds};
use domain::rate_limit::RateLimit;
use domain::time::Timestamp;
use serde::Serialize;
use storage::error::{Resource, UniqueField};
use storage::plan::{NewPlan, PlanPatch, PlanSummary};

use super::change::Changes;
use super::context::{Context, Deed, DryRun, ListSize};
use super::error::CliError;
use super::value;
use crate::output::Record;

const TENANT: TenantId = TenantId::DEFAULT;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum PlanCommand {
    /// Add a plan
    #[command(after_help = "Examples:
  lastmile plan add home-25 --rate 25M/50M
  lastmile plan add burst-10 --rate '10M/20M 15M/30M 8M/16M 10/10'   # rate, burst, threshold, seconds
  lastmile plan add hour --rate 2M/4M --session-timeout 1h --idle-timeout 10m --session-limit 1")]
    Add(AddArgs),
    /// List the plans
    List(ListSize),
    /// Show one plan
    Show {
        /// Name of the plan
        name: Name,
    },
    /// Change a plan; sessions that begin from now on get the new terms
    #[command(after_help = "Examples:
  lastmile plan set home-25 --rate 30M/60M
  lastmile plan set home-25 --clear-pool --interim 10m --dry-run")]
    Set(Box<SetArgs>),
    /// Remove a plan that no subscriber is on
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
    #[command(flatten)]
    dry_run: DryRun,
}

#[derive(Clone, Debug, Serialize)]
struct PlanRecord {
    name: String,
    rate: Option<RateLimit>,
    session_timeout_seconds: Option<TimeoutSeconds>,
    idle_timeout_seconds: Option<TimeoutSeconds>,
    interim_seconds: InterimInterval,
    pool: Option<PoolName>,
    session_limit: Option<SessionLimit>,
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
        PlanCommand::Add(args) => add(context, args).await,
        PlanCommand::List(size) => list(context, size).await,
        PlanCommand::Show { name } => show(context, &name).await,
        PlanCommand::Set(args) => set(context, *args).await,
        PlanCommand::Remove { name, dry_run } => remove(context, &name, dry_run).await,
    }
}

async fn add(context: &mut Context, args: AddArgs) -> Result<(), CliError> {
    let terms = PlanTerms {
        rate: args.rate,
        session_timeout_seconds: args.session_timeout,
        idle_timeout_seconds: args.idle_timeout,
        interim: args.interim.unwrap_or_default(),
        pool: args.pool,
        session_limit: args.session_limit,
    };
    let deed = Deed {
        what: format!("Plan {}", args.name),
        verb: "added",
        details: format!(
            ": {}",
            terms
                .rate
                .map_or_else(|| "unlimited".to_owned(), |rate| rate.to_string())
        ),
    };
    let mut record = record_of(&args.name, &terms);
    let store = context.app.store_write().await?;
    if args.dry_run.is_dry {
        if store.plan_find(TENANT, &args.name).await?.is_some() {
            return Err(CliError::Conflict {
                option: "NAME",
                what: Resource::Plan,
                field: UniqueField::Name,
            });
        }
        return Ok(context.report(args.dry_run, &deed, &record)?);
    }
    let plan = store
        .plan_insert(NewPlan {
            tenant: TENANT,
            name: args.name,
            terms,
        })
        .await?;
    if let Some(stored) = store.plan_find(TENANT, &plan.name).await? {
        record = PlanRecord::from(stored);
    }
    Ok(context.report(args.dry_run, &deed, &record)?)
}

async fn list(context: &mut Context, size: ListSize) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let mut listing = context.output.listing::<PlanRecord>(size.extent());
    let mut page = size.first_page();
    while listing.is_open() {
        let rows = store.plan_list(TENANT, &page).await?;
        let is_last = rows.len() < page.limit() as usize;
        page.after = rows.last().map(|plan| plan.name.clone());
        for plan in rows {
            listing.push(&PlanRecord::from(plan))?;
        }
        if is_last {
            break;
        }
    }
    let listed = listing.finish()?;
    context.note_listed(
        listed,
        "No plan yet: add one with `lastmile plan add NAME --rate 25M/50M`",
    );
    Ok(())
}

async fn show(context: &mut Context, name: &Name) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let plan = store.plan_find(TENANT, name).await?;
    let plan = plan.ok_or_else(|| not_found(name))?;
    Ok(context.output.show(&PlanRecord::from(plan))?)
}

async fn set(context: &mut Context, args: SetArgs) -> Result<(), CliError> {
    let patch = PlanPatch {
        name: args.rename,
        rate: value::replacement(args.rate, args.clear_rate),
        session_timeout_seconds: value::replacement(
            args.session_timeout,
            args.clear_session_timeout,
        ),
        idle_timeout_seconds: value::replacement(args.idle_timeout, args.clear_idle_timeout),
        interim: args.interim,
        pool: value::replacement(args.pool, args.clear_pool),
        session_limit: value::replacement(args.session_limit, args.clear_session_limit),
    };
    let store = context.app.store_write().await?;
    let before = store.plan_find(TENANT, &args.name).await?;
    let before = PlanRecord::from(before.ok_or_else(|| not_found(&args.name))?);
    let after = patched(&before, &patch);
    let changes = Changes::between(&before, &after)?;
    let deed = changes.deed(format!("Plan {}", args.name));
    if args.dry_run.is_dry || changes.is_empty() {
        return Ok(context.report(args.dry_run, &deed, &after)?);
    }
    let plan = store.plan_update(TENANT, &args.name, patch).await?;
    Ok(context.report(args.dry_run, &deed, &PlanRecord::from(plan))?)
}

async fn remove(context: &mut Context, name: &Name, dry_run: DryRun) -> Result<(), CliError> {
    let store = context.app.store_write().await?;
    let plan = store.plan_find(TENANT, name).await?;
    let record = PlanRecord::from(plan.ok_or_else(|| not_found(name))?);
    if !dry_run.is_dry {
        store.plan_delete(TENANT, name).await?;
    }
    let deed = Deed {
        what: format!("Plan {name}"),
        verb: "removed",
        details: String::new(),
    };
    Ok(context.report(dry_run, &deed, &record)?)
}

fn patched(before: &PlanRecord, patch: &PlanPatch) -> PlanRecord {
    let known = before.clone();
    PlanRecord {
        name: patch
            .name
            .as_ref()
            .map_or(known.name, |name| name.to_string()),
        rate: patch.rate.unwrap_or(known.rate),
        session_timeout_seconds: patch
            .session_timeout_seconds
            .unwrap_or(known.session_timeout_seconds),
        idle_timeout_seconds: patch
            .idle_timeout_seconds
            .unwrap_or(known.idle_timeout_seconds),
        interim_seconds: patch.interim.unwrap_or(known.interim_seconds),
        pool: patch.pool.clone().unwrap_or(known.pool),
        session_limit: patch.session_limit.unwrap_or(known.session_limit),
        created_at: known.created_at,
        updated_at: known.updated_at,
        id: known.id,
    }
}

impl From<PlanSummary> for PlanRecord {
    fn from(plan: PlanSummary) -> Self {
        Self {
            created_at: Some(plan.created_at),
            updated_at: Some(plan.updated_at),
            id: Some(plan.id.to_string()),
            ..record_of(&plan.name, &plan.terms)
        }
    }
}

fn record_of(name: &Name, terms: &PlanTerms) -> PlanRecord {
    PlanRecord {
        name: name.to_string(),
        rate: terms.rate,
        session_timeout_seconds: terms.session_timeout_seconds,
        idle_timeout_seconds: terms.idle_timeout_seconds,
        interim_seconds: terms.interim,
        pool: terms.pool.clone(),
        session_limit: terms.session_limit,
        created_at: None,
        updated_at: None,
        id: None,
    }
}

fn not_found(name: &Name) -> CliError {
    CliError::NotFound {
        what: Resource::Plan,
        name: name.to_string(),
        remedy: "`lastmile plan list` shows them",
    }
}
