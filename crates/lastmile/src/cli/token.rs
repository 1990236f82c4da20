//! `lastmile token`: keys with which programs use the interface.

use domain::id::TenantId;
use domain::name::Name;
use domain::permission::{Role, Scope};
use serde::Serialize;
use services::api_key;
use storage::api_key::{ApiKeySummary, NewApiKey};
use storage::page::Page;

use super::context::{Context, Deed, DryRun, ListSize};
use super::error::CliError;
use crate::output::Record;

const TENANT: TenantId = TenantId::DEFAULT;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token; it is shown once
    #[command(after_help = "Examples:
  lastmile token create console --role owner
  lastmile token create panel --scope subscribers:write --scope sessions:read
  lastmile token create ci --role read_only --output json")]
    Create {
        /// What to call the token
        name: Name,
        /// What it permits: owner, admin, billing, support, installer, read_only
        #[arg(long, value_name = "ROLE", required_unless_present = "scopes")]
        role: Option<Role>,
        /// One thing more that it permits: AREA:read, AREA:write, secrets:reveal, vouchers:sync
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<Scope>,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// List the tokens, without what they are
    #[command(after_help = "Examples:
  lastmile token list")]
    List(ListSize),
    /// Revoke a token at once and for good
    #[command(after_help = "Examples:
  lastmile token revoke panel")]
    Revoke {
        /// Name of the token
        name: Name,
        #[command(flatten)]
        dry_run: DryRun,
    },
}

/// A token that was made, with the token itself.
#[derive(Clone, Debug, Serialize)]
struct FreshRecord {
    token: String,
    name: String,
    role: Option<&'static str>,
    scopes: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct TokenRecord {
    name: String,
    hint: String,
    role: Option<&'static str>,
    scopes: Vec<String>,
    expires_at: Option<String>,
    used_at: Option<String>,
    used_from: Option<String>,
    created_at: String,
    id: String,
}

impl Record for FreshRecord {
    const FIELDS: &'static [&'static str] = &["token", "name", "role", "scopes"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

impl Record for TokenRecord {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "hint",
        "role",
        "scopes",
        "expires_at",
        "used_at",
        "used_from",
        "created_at",
        "id",
    ];
    const COLUMNS: &'static [&'static str] = &["name", "hint", "role", "scopes", "used_at"];
}

impl From<ApiKeySummary> for TokenRecord {
    fn from(key: ApiKeySummary) -> Self {
        Self {
            name: key.name.to_string(),
            hint: key.hint,
            role: key.role.map(Role::as_str),
            scopes: key.scopes.iter().map(|scope| scope.to_string()).collect(),
            expires_at: key.expires_at.map(|at| at.to_string()),
            used_at: key.used_at.map(|at| at.to_string()),
            used_from: key.used_from,
            created_at: key.created_at.to_string(),
            id: key.id.to_string(),
        }
    }
}

pub(crate) async fn run(context: &mut Context, command: TokenCommand) -> Result<(), CliError> {
    match command {
        TokenCommand::Create {
            name,
            role,
            scopes,
            dry_run,
        } => create(context, (name, role, scopes), dry_run).await,
        TokenCommand::List(size) => list(context, size).await,
        TokenCommand::Revoke { name, dry_run } => revoke(context, &name, dry_run).await,
    }
}

async fn create(
    context: &mut Context,
    (name, role, scopes): (Name, Option<Role>, Vec<Scope>),
    dry_run: DryRun,
) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let fresh = api_key::make();
    let key = store
        .api_key_insert(NewApiKey {
            tenant: TENANT,
            name,
            hash: fresh.hash,
            hint: fresh.hint,
            role,
            scopes: scopes.into_iter().collect(),
            networks: Vec::new(),
            expires_at: None,
        })
        .await?;
    if dry_run.is_dry {
        context.note(format_args!(
            "Dry run: token {} would be made. Nothing is changed.",
            key.name
        ));
        return Ok(());
    }
    context.note(format_args!(
        "Token {} made. It is shown this once: keep it safe.",
        key.name
    ));
    let record = FreshRecord {
        token: String::from_utf8_lossy(fresh.text.expose()).into_owned(),
        name: key.name.to_string(),
        role: key.role.map(Role::as_str),
        scopes: key.scopes.iter().map(|scope| scope.to_string()).collect(),
    };
    Ok(context.output.show(&record)?)
}

async fn list(context: &mut Context, size: ListSize) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let none = "No token yet: make one with `lastmile token create NAME --role owner`";
    let load = async |page: &Page<Name>| store.api_key_list(TENANT, page).await;
    context
        .list::<TokenRecord, _, _>(size, none, |key: &ApiKeySummary| key.name.clone(), load)
        .await
}

async fn revoke(context: &mut Context, name: &Name, dry_run: DryRun) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    store.api_key_delete(TENANT, name).await?;
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

#[derive(Clone, Debug, Serialize)]
struct Revoked {
    name: String,
}

impl Record for Revoked {
    const FIELDS: &'static [&'static str] = &["name"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}
