//! `lastmile garden`: what suspended subscribers may still reach.

use domain::garden::{AddressList, GardenTerms, RedirectUrl};
use domain::id::TenantId;
use domain::name::Name;
use domain::plan::{PoolName, TimeoutSeconds};
use domain::rate_limit::RateLimit;
use domain::time::Timestamp;
use serde::Serialize;
use storage::error::Resource;
use storage::garden::{GardenPatch, GardenSummary};
use storage::page::Page;
use storage::store::Store;

use super::change::Change;
use super::context::{Context, Deed, DryRun, ListSize};
use super::error::CliError;
use super::value;
use crate::output::Record;

const TENANT: TenantId = TenantId::DEFAULT;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum GardenCommand {
    /// Add a walled garden; the first one is the default
    #[command(after_help = "Examples:
  lastmile garden add unpaid --address-list unpaid --rate 512k/512k --redirect https://pay.example.net
  lastmile garden add closed --pool walled --session-timeout 2m")]
    Add(AddArgs),
    /// List the walled gardens
    #[command(after_help = "Examples:
  lastmile garden list")]
    List(ListSize),
    /// Show one walled garden
    #[command(after_help = "Examples:
  lastmile garden show unpaid")]
    Show {
        /// Name of the garden
        name: Name,
    },
    /// Change a walled garden; sessions that begin from now on get it so
    #[command(after_help = "Examples:
  lastmile garden set unpaid --rate 1M/1M --clear-redirect")]
    Set(Box<SetArgs>),
    /// Choose the garden of plans that name none
    #[command(after_help = "Examples:
  lastmile garden default unpaid
  lastmile garden default --none")]
    Default {
        /// Name of the garden
        #[arg(required_unless_present = "none")]
        name: Option<Name>,
        /// No garden: who is suspended into one is refused
        #[arg(long, conflicts_with = "name")]
        none: bool,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Remove a walled garden that no plan names
    #[command(after_help = "Examples:
  lastmile garden remove unpaid --dry-run")]
    Remove {
        /// Name of the garden
        name: Name,
        #[command(flatten)]
        dry_run: DryRun,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct AddArgs {
    /// What to call the garden
    name: Name,
    /// Pool on the router whose addresses reach nothing else
    #[arg(long, value_name = "POOL")]
    pool: Option<PoolName>,
    /// Address list or filter on the router, which its rules restrict
    #[arg(long, value_name = "LIST")]
    address_list: Option<AddressList>,
    /// Speed as UPLOAD/DOWNLOAD [default: unlimited]
    #[arg(long, value_name = "RATE")]
    rate: Option<RateLimit>,
    /// Page that browsers are sent to, where the router can do so
    #[arg(long, value_name = "URL")]
    redirect: Option<RedirectUrl>,
    /// Longest session; after it who has paid gets full access [default: 5m]
    #[arg(long, value_name = "DURATION", value_parser = value::parse_timeout)]
    session_timeout: Option<TimeoutSeconds>,
    #[command(flatten)]
    dry_run: DryRun,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SetArgs {
    /// Name of the garden
    name: Name,
    /// A new name
    #[arg(long, value_name = "NAME")]
    rename: Option<Name>,
    /// Pool on the router whose addresses reach nothing else
    #[arg(long, value_name = "POOL")]
    pool: Option<PoolName>,
    /// No pool of its own
    #[arg(long, conflicts_with = "pool")]
    clear_pool: bool,
    /// Address list or filter on the router
    #[arg(long, value_name = "LIST")]
    address_list: Option<AddressList>,
    /// No address list
    #[arg(long, conflicts_with = "address_list")]
    clear_address_list: bool,
    /// Speed as UPLOAD/DOWNLOAD
    #[arg(long, value_name = "RATE")]
    rate: Option<RateLimit>,
    /// No speed limit
    #[arg(long, conflicts_with = "rate")]
    clear_rate: bool,
    /// Page that browsers are sent to
    #[arg(long, value_name = "URL")]
    redirect: Option<RedirectUrl>,
    /// Browsers are sent nowhere
    #[arg(long, conflicts_with = "redirect")]
    clear_redirect: bool,
    /// Longest session
    #[arg(long, value_name = "DURATION", value_parser = value::parse_timeout)]
    session_timeout: Option<TimeoutSeconds>,
    #[command(flatten)]
    dry_run: DryRun,
}

#[derive(Clone, Debug, Serialize)]
struct GardenRecord {
    name: String,
    pool: Option<PoolName>,
    address_list: Option<AddressList>,
    rate: Option<RateLimit>,
    redirect: Option<RedirectUrl>,
    session_timeout_seconds: TimeoutSeconds,
    is_default: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    id: String,
}

impl Record for GardenRecord {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "pool",
        "address_list",
        "rate",
        "redirect",
        "session_timeout_seconds",
        "is_default",
        "created_at",
        "updated_at",
        "id",
    ];
    const COLUMNS: &'static [&'static str] = &[
        "name",
        "pool",
        "address_list",
        "rate",
        "redirect",
        "session_timeout_seconds",
        "is_default",
    ];
}

pub(crate) async fn run(context: &mut Context, command: GardenCommand) -> Result<(), CliError> {
    match command {
        GardenCommand::Add(args) => add(context, args).await,
        GardenCommand::List(size) => list(context, size).await,
        GardenCommand::Show { name } => show(context, &name).await,
        GardenCommand::Set(args) => set(context, *args).await,
        GardenCommand::Default {
            name,
            none: _,
            dry_run,
        } => set_default(context, name.as_ref(), dry_run).await,
        GardenCommand::Remove { name, dry_run } => remove(context, &name, dry_run).await,
    }
}

async fn add(context: &mut Context, args: AddArgs) -> Result<(), CliError> {
    let short = TimeoutSeconds::new(GardenTerms::SESSION_TIMEOUT_DEFAULT_SECONDS)
        .expect("the default is in range");
    let terms = GardenTerms {
        pool: args.pool,
        address_list: args.address_list,
        rate: args.rate,
        redirect: args.redirect,
        session_timeout_seconds: args.session_timeout.unwrap_or(short),
    };
    terms.check().map_err(|_| CliError::Usage {
        option: "--address-list",
        reason: "a garden without a pool and without an address list restricts nothing: give --address-list LIST or --pool POOL",
    })?;
    let deed = Deed {
        what: format!("Walled garden {}", args.name),
        verb: "added",
        details: String::new(),
    };
    let store = args.dry_run.store(&context.app).await?;
    let garden = store.garden_insert(TENANT, args.name, terms).await?;
    Ok(context.report(args.dry_run, &deed, &GardenRecord::from(garden))?)
}

async fn list(context: &mut Context, size: ListSize) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let none = "No walled garden yet: add one with `lastmile garden add NAME --address-list LIST`";
    let load = async |page: &Page<Name>| store.garden_list(TENANT, page).await;
    let key = |garden: &GardenSummary| garden.name.clone();
    context
        .list::<GardenRecord, _, _>(size, none, key, load)
        .await
}

async fn show(context: &mut Context, name: &Name) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let garden = store.garden_find(TENANT, name).await?;
    let garden = garden.ok_or_else(|| not_found(name))?;
    Ok(context.output.show(&GardenRecord::from(garden))?)
}

async fn set(context: &mut Context, args: SetArgs) -> Result<(), CliError> {
    let patch = GardenPatch {
        name: args.rename,
        pool: value::replacement(args.pool, args.clear_pool),
        address_list: value::replacement(args.address_list, args.clear_address_list),
        rate: value::replacement(args.rate, args.clear_rate),
        redirect: value::replacement(args.redirect, args.clear_redirect),
        session_timeout_seconds: args.session_timeout,
    };
    let store = args.dry_run.store(&context.app).await?;
    let before = store.garden_find(TENANT, &args.name).await?;
    let change = Change {
        what: format!("Walled garden {}", args.name),
        before: GardenRecord::from(before.ok_or_else(|| not_found(&args.name))?),
        hidden: None,
    };
    let update = async |store: &Store| {
        let patch = patch.clone();
        let garden = store.garden_update(TENANT, &args.name, patch).await?;
        Ok(GardenRecord::from(garden))
    };
    change.make(context, args.dry_run, &store, update).await
}

async fn set_default(
    context: &mut Context,
    name: Option<&Name>,
    dry_run: DryRun,
) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    store.garden_set_default(TENANT, name).await?;
    let Some(name) = name else {
        let none = if dry_run.is_dry {
            "Dry run: no walled garden would be the default. Nothing is changed."
        } else {
            "No walled garden is the default"
        };
        context.note(none);
        return Ok(());
    };
    let garden = store.garden_find(TENANT, name).await?;
    let garden = garden.ok_or_else(|| not_found(name))?;
    let deed = Deed {
        what: format!("Walled garden {}", garden.name),
        verb: "made",
        details: " the default".to_owned(),
    };
    let record = GardenRecord {
        // In a dry run it is not yet.
        is_default: true,
        ..GardenRecord::from(garden)
    };
    Ok(context.report(dry_run, &deed, &record)?)
}

async fn remove(context: &mut Context, name: &Name, dry_run: DryRun) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let garden = store.garden_find(TENANT, name).await?;
    let record = GardenRecord::from(garden.ok_or_else(|| not_found(name))?);
    store.garden_delete(TENANT, name).await?;
    let deed = Deed {
        what: format!("Walled garden {name}"),
        verb: "removed",
        details: String::new(),
    };
    Ok(context.report(dry_run, &deed, &record)?)
}

pub(super) fn not_found(name: &Name) -> CliError {
    CliError::NotFound {
        what: Resource::Garden,
        name: name.to_string(),
        remedy: "`lastmile garden list` shows them, `lastmile garden add` adds one",
    }
}

impl From<GardenSummary> for GardenRecord {
    fn from(garden: GardenSummary) -> Self {
        Self {
            name: garden.name.to_string(),
            pool: garden.terms.pool,
            address_list: garden.terms.address_list,
            rate: garden.terms.rate,
            redirect: garden.terms.redirect,
            session_timeout_seconds: garden.terms.session_timeout_seconds,
            is_default: garden.is_default,
            created_at: garden.created_at,
            updated_at: garden.updated_at,
            id: garden.id.to_string(),
        }
    }
}
