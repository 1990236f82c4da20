//! `lastmile token`: keys with which programs use the interface.

use std::net::IpAddr;

use domain::name::Name;
use domain::permission::{Role, Scope};
use domain::time::Timestamp;
use ipnet::IpNet;
use serde::Serialize;
use services::api_key::{self, Draft};
use storage::api_key::{ApiKeyPatch, ApiKeySummary};
use storage::error::Resource;
use storage::page::Page;
use storage::store::Store;

use self::record::{FreshRecord, TokenRecord};
use super::change::Change;
use super::context::{Context, Deed, DryRun, ListSize};
use super::error::CliError;
use super::tenant::TenantArg;
use super::value;
use crate::output::Record;

mod record;

/// How long an old token holds beside a new one, unless said otherwise.
const OVERLAP_DEFAULT: &str = "1d";

/// The longest of it: thirty days.
const OVERLAP_SECONDS_MAX: u32 = 30 * 86_400;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token; it is shown once
    #[command(after_help = "Examples:
  lastmile token create console --role owner
  lastmile token create panel --scope subscribers:write --scope sessions:read
  lastmile token create shop --scope vouchers:sync --network 192.0.2.7 --expires 2027-12-31
  lastmile token create ci --role read_only --output json")]
    Create(CreateArgs),
    /// List the tokens, without what they are
    #[command(after_help = "Examples:
  lastmile token list")]
    List {
        #[command(flatten)]
        tenant: TenantArg,
        #[command(flatten)]
        size: ListSize,
    },
    /// Show one token, without what it is
    #[command(after_help = "Examples:
  lastmile token show panel")]
    Show {
        /// Name of the token
        name: Name,
        #[command(flatten)]
        tenant: TenantArg,
    },
    /// Change what a token permits; the token itself stays
    #[command(after_help = "Examples:
  lastmile token set panel --network 192.0.2.0/24
  lastmile token set panel --scope subscribers:read --clear-expires")]
    Set(Box<SetArgs>),
    /// Replace a token; the old one holds beside the new one for a while
    #[command(after_help = "Examples:
  lastmile token rotate panel
  lastmile token rotate panel --overlap 2h")]
    Rotate {
        /// Name of the token
        name: Name,
        /// How long the old one holds
        #[arg(long, value_name = "DURATION", default_value = OVERLAP_DEFAULT, value_parser = parse_overlap)]
        overlap: u32,
        #[command(flatten)]
        tenant: TenantArg,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Revoke a token at once and for good
    #[command(after_help = "Examples:
  lastmile token revoke panel")]
    Revoke {
        /// Name of the token
        name: Name,
        #[command(flatten)]
        tenant: TenantArg,
        #[command(flatten)]
        dry_run: DryRun,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    /// What to call the token
    name: Name,
    /// What it permits: owner, admin, billing, support, installer, read_only
    #[arg(long, value_name = "ROLE", required_unless_present = "scopes")]
    role: Option<Role>,
    /// One thing more that it permits: AREA:read, AREA:write, secrets:reveal, vouchers:sync
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<Scope>,
    /// From where it may be used [default: everywhere]
    #[arg(long = "network", value_name = "NETWORK", value_parser = parse_network)]
    networks: Vec<IpNet>,
    /// Until when it holds [default: until it is revoked]
    #[arg(long, value_name = "TIME")]
    expires: Option<Timestamp>,
    #[command(flatten)]
    tenant: TenantArg,
    #[command(flatten)]
    dry_run: DryRun,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SetArgs {
    /// Name of the token
    name: Name,
    /// A new name
    #[arg(long, value_name = "NAME")]
    rename: Option<Name>,
    /// What it permits: owner, admin, billing, support, installer, read_only
    #[arg(long, value_name = "ROLE")]
    role: Option<Role>,
    /// No role: only what --scope permits
    #[arg(long, conflicts_with = "role")]
    clear_role: bool,
    /// What it permits beside the role, in place of what it was
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<Scope>,
    /// Nothing beside the role
    #[arg(long, conflicts_with = "scopes")]
    clear_scopes: bool,
    /// From where it may be used, in place of what it was
    #[arg(long = "network", value_name = "NETWORK", value_parser = parse_network)]
    networks: Vec<IpNet>,
    /// It may be used from everywhere
    #[arg(long, conflicts_with = "networks")]
    clear_networks: bool,
    /// Until when it holds
    #[arg(long, value_name = "TIME")]
    expires: Option<Timestamp>,
    /// It holds until it is revoked
    #[arg(long, conflicts_with = "expires")]
    clear_expires: bool,
    #[command(flatten)]
    tenant: TenantArg,
    #[command(flatten)]
    dry_run: DryRun,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{raw}' is no network: write 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32")]
struct NetworkError {
    raw: String,
}

/// A network, or a single address.
fn parse_network(raw: &str) -> Result<IpNet, NetworkError> {
    let address = || raw.parse::<IpAddr>().map(IpNet::from);
    let network = raw.parse::<IpNet>().or_else(|_| address());
    network
        .map(|network| network.trunc())
        .map_err(|_| NetworkError {
            raw: raw.to_owned(),
        })
}

/// Why an overlap cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum OverlapError {
    #[error(transparent)]
    Malformed(#[from] value::DurationError),
    #[error("an old token holds {OVERLAP_SECONDS_MAX} s at most, which is 30d")]
    TooLong,
}

fn parse_overlap(raw: &str) -> Result<u32, OverlapError> {
    match value::parse_seconds(raw)? {
        seconds @ 0..=OVERLAP_SECONDS_MAX => Ok(seconds),
        _ => Err(OverlapError::TooLong),
    }
}

pub(crate) async fn run(context: &mut Context, command: TokenCommand) -> Result<(), CliError> {
    match command {
        TokenCommand::Create(args) => create(context, args).await,
        TokenCommand::List { tenant, size } => list(context, &tenant, size).await,
        TokenCommand::Show { name, tenant } => {
            let store = context.app.store_read().await?;
            let key = found(&store, &name, &tenant).await?;
            Ok(context.output.show(&TokenRecord::from(key))?)
        }
        TokenCommand::Set(args) => set(context, *args).await,
        TokenCommand::Rotate {
            name,
            overlap,
            tenant,
            dry_run,
        } => rotate(context, (&name, overlap), (&tenant, dry_run)).await,
        TokenCommand::Revoke {
            name,
            tenant,
            dry_run,
        } => revoke(context, &name, (&tenant, dry_run)).await,
    }
}

async fn create(context: &mut Context, args: CreateArgs) -> Result<(), CliError> {
    if args.expires.is_some_and(|end| end <= context.app.now()) {
        return Err(CliError::Usage {
            option: "--expires",
            reason: "this is over already: name a time that is yet to come",
        });
    }
    let store = args.dry_run.store(&context.app).await?;
    let draft = Draft {
        tenant: args.tenant.find(&store).await?,
        name: args.name,
        role: args.role,
        scopes: args.scopes.into_iter().collect(),
        networks: args.networks,
        expires_at: args.expires,
    };
    // Who can run commands can do everything.
    let fresh = api_key::create(&store, &Role::Owner.scopes(), draft).await?;
    report(context, args.dry_run, "made", fresh)
}

async fn rotate(
    context: &mut Context,
    (name, overlap_seconds): (&Name, u32),
    (tenant, dry_run): (&TenantArg, DryRun),
) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let key = found(&store, name, tenant).await?;
    let by = Role::Owner.scopes();
    let of = (key.tenant, name);
    let fresh = api_key::rotate(&store, &by, of, overlap_seconds).await?;
    report(context, dry_run, "replaced", fresh)
}

/// Tells of a token that is shown this once.
fn report(
    context: &mut Context,
    dry_run: DryRun,
    verb: &'static str,
    fresh: api_key::WithText,
) -> Result<(), CliError> {
    let name = &fresh.key.name;
    if dry_run.is_dry {
        context.note(format_args!(
            "Dry run: token {name} would be {verb}. Nothing is changed."
        ));
        return Ok(());
    }
    context.note(format_args!(
        "Token {name} {verb}. It is shown this once: keep it safe."
    ));
    Ok(context.output.show(&FreshRecord::from(fresh))?)
}

async fn list(context: &mut Context, tenant: &TenantArg, size: ListSize) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let tenant = tenant.find(&store).await?;
    let none = "No token yet: make one with `lastmile token create NAME --role owner`";
    let load = async |page: &Page<Name>| store.api_key_list(tenant, page).await;
    context
        .list::<TokenRecord, _, _>(size, none, |key: &ApiKeySummary| key.name.clone(), load)
        .await
}

async fn set(context: &mut Context, args: SetArgs) -> Result<(), CliError> {
    let scopes = value::replacement(
        (!args.scopes.is_empty()).then_some(args.scopes),
        args.clear_scopes,
    );
    let networks = value::replacement(
        (!args.networks.is_empty()).then_some(args.networks),
        args.clear_networks,
    );
    let patch = ApiKeyPatch {
        name: args.rename,
        role: value::replacement(args.role, args.clear_role),
        scopes: scopes.map(|scopes| scopes.unwrap_or_default().into_iter().collect()),
        networks: networks.map(Option::unwrap_or_default),
        expires_at: value::replacement(args.expires, args.clear_expires),
    };
    let store = args.dry_run.store(&context.app).await?;
    let before = found(&store, &args.name, &args.tenant).await?;
    let tenant = before.tenant;
    let change = Change {
        what: format!("Token {}", before.name),
        before: TokenRecord::from(before),
        hidden: None,
    };
    let update = async |store: &Store| {
        let patch = patch.clone();
        let key = store.api_key_update(tenant, &args.name, patch).await?;
        Ok(TokenRecord::from(key))
    };
    change.make(context, args.dry_run, &store, update).await
}

async fn revoke(
    context: &mut Context,
    name: &Name,
    (tenant, dry_run): (&TenantArg, DryRun),
) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let tenant = tenant.find(&store).await?;
    store.api_key_delete(tenant, name).await?;
    let deed = Deed {
        what: format!("Token {name}"),
        verb: "revoked",
        details: String::new(),
    };
    let record = Revoked {
        name: name.to_string(),
    };
    Ok(context.report(dry_run, &deed, &record)?)
}

/// The token of a name.
async fn found(store: &Store, name: &Name, tenant: &TenantArg) -> Result<ApiKeySummary, CliError> {
    let tenant = tenant.find(store).await?;
    let key = store.api_key_named(tenant, name).await?;
    key.ok_or_else(|| CliError::NotFound {
        what: Resource::ApiKey,
        name: name.to_string(),
        remedy: "`lastmile token list` shows them, `lastmile token create` makes one",
    })
}

#[derive(Clone, Debug, Serialize)]
struct Revoked {
    name: String,
}

impl Record for Revoked {
    const FIELDS: &'static [&'static str] = &["name"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}
