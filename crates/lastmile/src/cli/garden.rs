//! `lastmile garden`: what suspended subscribers may still reach.

use domain::garden::{AddressList, RedirectUrl};
use domain::name::Name;
use domain::plan::{PoolName, TimeoutSeconds};
use domain::rate_limit::RateLimit;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use storage::error::Resource;

use super::change::Change;
use super::context::{Context, Deed, DryRun, ListSize};
use super::error::CliError;
use super::rate::{self, Rate};
use super::told::{Noun, told};
use super::value;
use crate::client::Client;
use crate::client::call::Call;
use crate::output::Record;

pub(super) const PATH: &str = "gardens";

pub(super) const NOUN: Noun = Noun {
    what: Resource::Garden,
    remedy: "`lastmile garden list` shows them, `lastmile garden add` adds one",
};

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

#[derive(Clone, Debug, Serialize, Deserialize)]
struct GardenRecord {
    name: String,
    pool: Option<String>,
    address_list: Option<String>,
    #[serde(deserialize_with = "rate::optional::deserialize")]
    rate: Option<RateLimit>,
    redirect: Option<String>,
    session_timeout_seconds: u32,
    is_default: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    id: String,
}

/// What is sent of a garden: what is absent stays as it is, and `null` empties.
#[derive(Serialize)]
struct GardenBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pool: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address_list: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<Option<Rate>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_timeout_seconds: Option<u32>,
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
    if args.pool.is_none() && args.address_list.is_none() {
        return Err(CliError::Usage {
            option: "--address-list",
            reason: "a garden without a pool and without an address list restricts nothing: give --address-list LIST or --pool POOL",
        });
    }
    let body = GardenBody {
        name: Some(args.name.to_string()),
        pool: args.pool.map(|pool| Some(pool.to_string())),
        address_list: args.address_list.map(|list| Some(list.to_string())),
        rate: args.rate.map(|rate| Some(rate.into())),
        redirect: args.redirect.map(|url| Some(url.to_string())),
        session_timeout_seconds: args.session_timeout.map(TimeoutSeconds::as_seconds),
    };
    let deed = Deed {
        what: format!("Walled garden {}", args.name),
        verb: "added",
        details: String::new(),
    };
    let client = context.writer(args.dry_run).await?;
    let garden = ask(&client, Call::post(&[PATH]).carrying(&body), &args.name).await?;
    Ok(context.report(args.dry_run, &deed, &garden)?)
}

async fn list(context: &mut Context, size: ListSize) -> Result<(), CliError> {
    let client = context.reader().await?;
    let none = "No walled garden yet: add one with `lastmile garden add NAME --address-list LIST`";
    context
        .list_of::<GardenRecord, GardenRecord>(size, none, (&client, Call::get(&[PATH])))
        .await
}

async fn show(context: &mut Context, name: &Name) -> Result<(), CliError> {
    let client = context.reader().await?;
    let garden = find(&client, name).await?;
    Ok(context.output.show(&garden)?)
}

async fn set(context: &mut Context, args: SetArgs) -> Result<(), CliError> {
    let body = GardenBody {
        name: args.rename.map(|name| name.to_string()),
        pool: value::replacement(args.pool.map(|pool| pool.to_string()), args.clear_pool),
        address_list: value::replacement(
            args.address_list.map(|list| list.to_string()),
            args.clear_address_list,
        ),
        rate: value::replacement(args.rate.map(Rate::from), args.clear_rate),
        redirect: value::replacement(
            args.redirect.map(|url| url.to_string()),
            args.clear_redirect,
        ),
        session_timeout_seconds: args.session_timeout.map(TimeoutSeconds::as_seconds),
    };
    let client = context.writer(args.dry_run).await?;
    let name = &args.name;
    let change = Change {
        what: format!("Walled garden {name}"),
        before: find(&client, name).await?,
        hidden: None,
    };
    let update = async |client: &Client| {
        let call = Call::patch(&[PATH, name.as_str()]).carrying(&body);
        ask(client, call, name).await
    };
    change.make(context, args.dry_run, &client, update).await
}

async fn set_default(
    context: &mut Context,
    name: Option<&Name>,
    dry_run: DryRun,
) -> Result<(), CliError> {
    let client = context.writer(dry_run).await?;
    let garden = match name {
        Some(name) => Some(find(&client, name).await?),
        None => None,
    };
    let chosen = garden.as_ref().map(|garden| &garden.name);
    let call = Call::put(&["policy", "default-garden"]);
    client
        .tell(call.carrying(&json!({ "garden": chosen })))
        .await?;
    let Some(garden) = garden else {
        let none = if dry_run.is_dry {
            "Dry run: no walled garden would be the default. Nothing is changed."
        } else {
            "No walled garden is the default"
        };
        context.note(none);
        return Ok(());
    };
    let deed = Deed {
        what: format!("Walled garden {}", garden.name),
        verb: "made",
        details: " the default".to_owned(),
    };
    let record = GardenRecord {
        is_default: true,
        ..garden
    };
    Ok(context.report(dry_run, &deed, &record)?)
}

async fn remove(context: &mut Context, name: &Name, dry_run: DryRun) -> Result<(), CliError> {
    let client = context.writer(dry_run).await?;
    let garden = find(&client, name).await?;
    client.tell(Call::delete(&[PATH, name.as_str()])).await?;
    let deed = Deed {
        what: format!("Walled garden {name}"),
        verb: "removed",
        details: String::new(),
    };
    Ok(context.report(dry_run, &deed, &garden)?)
}

async fn find(client: &Client, name: &Name) -> Result<GardenRecord, CliError> {
    ask(client, Call::get(&[PATH, name.as_str()]), name).await
}

/// Asks for a garden in an answer.
async fn ask(client: &Client, call: Call, name: &Name) -> Result<GardenRecord, CliError> {
    let garden = client.ask(call).await;
    garden.map_err(|error| told(error, &[(NOUN, name)]))
}
