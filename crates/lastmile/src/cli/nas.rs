//! `lastmile nas`: the routers that may ask us, and the ones that knock.

use std::path::PathBuf;

use domain::id::TenantId;
use domain::name::Name;
use domain::nas::{
    MacAuthentication, MessageAuthenticatorPolicy, NasSettings, NasSharing, OctetView, SourceError,
    Vendor, parse_source, show_source,
};
use domain::secret::Secret;
use domain::session_identity::IdentityTemplate;
use domain::time::Timestamp;
use ipnet::IpNet;
use serde::Serialize;
use services::nas_secret;
use storage::auth_log::KnockRow;
use storage::error::Resource;
use storage::nas::{NasFilter, NasPatch, NasSummary, NewNas};
use storage::page::Page;
use storage::store::Store;
use zeroize::Zeroizing;

use super::change::Change;
use super::context::{Context, Deed, DryRun, ListSize};
use super::error::CliError;
use super::nas_group::{self, GroupCommand};
use super::value::{self, HiddenArg};
use crate::output::Record;

const TENANT: TenantId = TenantId::DEFAULT;
const KNOCKS_MAX: u32 = 1_000;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum NasCommand {
    /// Register a router; it is served within a second, without a restart
    #[command(after_help = "Examples:
  lastmile nas add pop-1 --address 192.0.2.1
  lastmile nas add pop-2 --address 10.8.0.0/16 --secret-file /run/secrets/pop-2 --vendor cisco
  SECRET=$(lastmile nas add pop-3 --address 192.0.2.3)   # generated, printed once")]
    Add(Box<AddArgs>),
    /// List the registered routers
    #[command(after_help = "Examples:
  lastmile nas list
  lastmile nas list --output csv > routers.csv")]
    List(ListSize),
    /// Show one router
    #[command(after_help = "Examples:
  lastmile nas show pop-1
  lastmile nas show pop-1 --output json")]
    Show {
        /// Name of the router
        name: Name,
    },
    /// Change a router
    #[command(after_help = "Examples:
  lastmile nas set pop-1 --message-authenticator auto
  lastmile nas set pop-1 --secret -          # read the new secret from standard input
  lastmile nas set pop-1 --coa-identity 'User-Name,Framed-IP-Address;Acct-Session-Id'
  lastmile nas set pop-1 --clear-identifier --dry-run")]
    Set(Box<SetArgs>),
    /// Remove a router; its packets are not answered any more
    #[command(after_help = "Examples:
  lastmile nas remove pop-1 --dry-run
  lastmile nas remove pop-1")]
    Remove {
        /// Name of the router
        name: Name,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Groups of routers, to bind subscribers to
    #[command(subcommand)]
    Group(GroupCommand),
    /// List the sources that speak RADIUS to us and are not registered
    #[command(after_help = "Examples:
  lastmile nas knocking
  lastmile nas add pop-4 --address 192.0.2.4     # for one that is yours")]
    Knocking(ListSize),
}

#[derive(Debug, clap::Args)]
pub(crate) struct AddArgs {
    /// What to call the router
    name: Name,
    /// Where its packets come from: an address, or a prefix for several routers
    #[arg(long, value_name = "ADDRESS", value_parser = parse_source_arg)]
    address: IpNet,
    #[command(flatten)]
    secret: SecretArgs,
    /// Accept only requests with this NAS-Identifier
    #[arg(long, value_name = "NAS-ID", value_parser = value::parse_identifier)]
    identifier: Option<String>,
    /// UDP port of its CoA server
    #[arg(long, value_name = "PORT", default_value_t = 3_799, value_parser = clap::value_parser!(u16).range(1..))]
    coa_port: u16,
    /// How it is told which session is meant [default: the usual way of its vendor]: attributes
    /// with ',' between them, sets of them with ';', tried in order
    #[arg(long, value_name = "ATTRIBUTES")]
    coa_identity: Option<IdentityTemplate>,
    /// Which attributes it understands: mikrotik, cisco, wispr, coova, generic
    #[arg(long, value_name = "VENDOR", default_value_t = Vendor::Mikrotik)]
    vendor: Vendor,
    /// Whether its requests must be signed: required, auto (from the first signed one), off
    #[arg(long, value_name = "POLICY", default_value_t = MessageAuthenticatorPolicy::Required)]
    message_authenticator: MessageAuthenticatorPolicy,
    /// Whose input its octet counters mean: nas (RFC 2866), client (some access points)
    #[arg(long, value_name = "VIEW", default_value_t = OctetView::Nas)]
    octet_view: OctetView,
    /// Whether registered devices may log in with their MAC address as the user name: off, on
    #[arg(long, value_name = "SWITCH", default_value_t = MacAuthentication::Off)]
    mac_authentication: MacAuthentication,
    /// Whose subscribers may log in by their realm: own, shared (those of every provider)
    #[arg(long, value_name = "SHARING", default_value_t = NasSharing::Own)]
    sharing: NasSharing,
    #[command(flatten)]
    dry_run: DryRun,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SetArgs {
    /// Name of the router
    name: Name,
    /// A new name
    #[arg(long, value_name = "NAME")]
    rename: Option<Name>,
    /// Where its packets come from
    #[arg(long, value_name = "ADDRESS", value_parser = parse_source_arg)]
    address: Option<IpNet>,
    #[command(flatten)]
    secret: SecretArgs,
    /// Accept only requests with this NAS-Identifier
    #[arg(long, value_name = "NAS-ID", value_parser = value::parse_identifier)]
    identifier: Option<String>,
    /// Accept every NAS-Identifier
    #[arg(long, conflicts_with = "identifier")]
    clear_identifier: bool,
    /// UDP port of its CoA server
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    coa_port: Option<u16>,
    /// How it is told which session is meant: attributes with ',' between them, sets of them with
    /// ';', tried in order
    #[arg(long, value_name = "ATTRIBUTES")]
    coa_identity: Option<IdentityTemplate>,
    /// Tell it in the usual way of its vendor
    #[arg(long, conflicts_with = "coa_identity")]
    clear_coa_identity: bool,
    /// Which attributes it understands: mikrotik, cisco, wispr, coova, generic
    #[arg(long, value_name = "VENDOR")]
    vendor: Option<Vendor>,
    /// Whether its requests must be signed: required, auto, off
    #[arg(long, value_name = "POLICY")]
    message_authenticator: Option<MessageAuthenticatorPolicy>,
    /// Whose input its octet counters mean: nas, client
    #[arg(long, value_name = "VIEW")]
    octet_view: Option<OctetView>,
    /// Whether registered devices may log in with their MAC address as the user name: off, on
    #[arg(long, value_name = "SWITCH")]
    mac_authentication: Option<MacAuthentication>,
    /// Whose subscribers may log in by their realm: own, shared
    #[arg(long, value_name = "SHARING")]
    sharing: Option<NasSharing>,
    #[command(flatten)]
    dry_run: DryRun,
}

#[derive(Debug, clap::Args)]
struct SecretArgs {
    /// The shared secret; `-` reads it from standard input
    #[arg(long, value_name = "SECRET")]
    secret: Option<HiddenArg>,
    /// Read the shared secret from a file
    #[arg(long, value_name = "FILE", conflicts_with = "secret")]
    secret_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Serialize)]
struct NasRecord {
    name: String,
    address: String,
    vendor: Vendor,
    identifier: Option<String>,
    message_authenticator: MessageAuthenticatorPolicy,
    octet_view: OctetView,
    coa_port: u16,
    mac_authentication: MacAuthentication,
    sharing: NasSharing,
    coa_identity: Option<IdentityTemplate>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    id: Option<String>,
}

/// A NAS in the answer to the command that generated its secret, and nowhere else.
#[derive(Serialize)]
struct NewNasRecord {
    #[serde(flatten)]
    nas: NasRecord,
    secret: String,
}

#[derive(Debug, Serialize)]
struct KnockRecord {
    address: String,
    packets: u64,
    first_at: Timestamp,
    last_at: Timestamp,
}

impl Record for NasRecord {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "address",
        "vendor",
        "identifier",
        "message_authenticator",
        "octet_view",
        "coa_port",
        "mac_authentication",
        "sharing",
        "coa_identity",
        "created_at",
        "updated_at",
        "id",
    ];
    const COLUMNS: &'static [&'static str] = &[
        "name",
        "address",
        "vendor",
        "message_authenticator",
        "identifier",
        "updated_at",
    ];
}

impl Record for NewNasRecord {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "address",
        "vendor",
        "identifier",
        "message_authenticator",
        "octet_view",
        "coa_port",
        "mac_authentication",
        "sharing",
        "coa_identity",
        "created_at",
        "updated_at",
        "id",
        "secret",
    ];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

impl Record for KnockRecord {
    const FIELDS: &'static [&'static str] = &["address", "packets", "first_at", "last_at"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

pub(crate) async fn run(context: &mut Context, command: NasCommand) -> Result<(), CliError> {
    match command {
        NasCommand::Add(args) => add(context, *args).await,
        NasCommand::List(size) => list(context, size).await,
        NasCommand::Show { name } => show(context, &name).await,
        NasCommand::Set(args) => set(context, *args).await,
        NasCommand::Remove { name, dry_run } => remove(context, &name, dry_run).await,
        NasCommand::Group(command) => nas_group::run(context, command).await,
        NasCommand::Knocking(size) => knocking(context, size).await,
    }
}

async fn add(context: &mut Context, args: AddArgs) -> Result<(), CliError> {
    let given = args.secret.resolve()?;
    let (secret, generated) = match given {
        Some(text) => (args.secret.check(&text)?, None),
        None => {
            let secret = nas_secret::generate();
            let text = String::from_utf8_lossy(secret.expose()).into_owned();
            (secret, Some(Zeroizing::new(text)))
        }
    };
    warn_if_weak(context, &secret);
    let settings = NasSettings {
        vendor: args.vendor,
        identifier: args.identifier,
        message_authenticator: args.message_authenticator,
        octet_view: args.octet_view,
        coa_port: args.coa_port,
        mac_authentication: args.mac_authentication,
        sharing: args.sharing,
        coa_identity: args.coa_identity,
    };
    let deed = Deed {
        what: format!("NAS {}", args.name),
        verb: "added",
        details: format!(": {}, {}", show_source(args.address), settings.vendor),
    };
    let store = args.dry_run.store(&context.app).await?;
    let nas = store
        .nas_insert(NewNas {
            tenant: TENANT,
            name: args.name,
            source: args.address,
            secret,
            settings,
        })
        .await?;
    let record = match store.nas_find(TENANT, &nas.name).await? {
        Some(stored) => NasRecord::from(stored),
        // It was only rehearsed, or somebody has removed it again.
        None => record_of(nas.name.as_str(), nas.source, &nas.settings),
    };
    let Some(secret) = generated.filter(|_| !args.dry_run.is_dry) else {
        return Ok(context.report(args.dry_run, &deed, &record)?);
    };
    if context.output.is_for_programs() {
        let record = NewNasRecord {
            nas: record,
            secret: secret.to_string(),
        };
        return Ok(context.report(args.dry_run, &deed, &record)?);
    }
    context.report(args.dry_run, &deed, &record)?;
    context.note("Its secret, shown this once:");
    Ok(context.output.line(&secret)?)
}

async fn list(context: &mut Context, size: ListSize) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let none = "No NAS yet: add one with `lastmile nas add NAME --address ADDRESS`";
    let load = async |page: &Page<Name>| {
        let all = NasFilter::default();
        store.nas_list(TENANT, &all, page).await
    };
    context
        .list::<NasRecord, _, _>(size, none, |nas: &NasSummary| nas.name.clone(), load)
        .await
}

async fn show(context: &mut Context, name: &Name) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let nas = store.nas_find(TENANT, name).await?;
    let nas = nas.ok_or_else(|| not_found(name))?;
    Ok(context.output.show(&NasRecord::from(nas))?)
}

async fn set(context: &mut Context, args: SetArgs) -> Result<(), CliError> {
    let secret = match args.secret.resolve()? {
        Some(text) => Some(args.secret.check(&text)?),
        None => None,
    };
    if let Some(secret) = &secret {
        warn_if_weak(context, secret);
    }
    let patch = NasPatch {
        name: args.rename,
        source: args.address,
        secret,
        vendor: args.vendor,
        identifier: value::replacement(args.identifier, args.clear_identifier),
        message_authenticator: args.message_authenticator,
        octet_view: args.octet_view,
        coa_port: args.coa_port,
        mac_authentication: args.mac_authentication,
        sharing: args.sharing,
        coa_identity: value::replacement(args.coa_identity, args.clear_coa_identity),
    };
    let store = args.dry_run.store(&context.app).await?;
    let before = store.nas_find(TENANT, &args.name).await?;
    let change = Change {
        what: format!("NAS {}", args.name),
        before: NasRecord::from(before.ok_or_else(|| not_found(&args.name))?),
        hidden: patch.secret.as_ref().map(|_| "secret"),
    };
    let update = async |store: &Store| {
        let nas = store.nas_update(TENANT, &args.name, patch.clone()).await?;
        Ok(NasRecord::from(nas))
    };
    change.make(context, args.dry_run, &store, update).await
}

async fn remove(context: &mut Context, name: &Name, dry_run: DryRun) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let nas = store.nas_find(TENANT, name).await?;
    let record = NasRecord::from(nas.ok_or_else(|| not_found(name))?);
    store.nas_delete(TENANT, name).await?;
    let deed = Deed {
        what: format!("NAS {name}"),
        verb: "removed",
        details: String::new(),
    };
    Ok(context.report(dry_run, &deed, &record)?)
}

async fn knocking(context: &mut Context, size: ListSize) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let rows = store.knock_list(KNOCKS_MAX).await?;
    let mut listing = context.output.listing::<KnockRecord>(size.extent());
    for knock in rows {
        listing.push(&KnockRecord::from(knock))?;
    }
    let listed = listing.finish()?;
    context.note_listed(
        listed,
        "Nobody knocks: every packet comes from a registered NAS",
    );
    Ok(())
}

impl SecretArgs {
    fn resolve(&self) -> Result<Option<Zeroizing<String>>, CliError> {
        match (&self.secret, &self.secret_file) {
            (Some(secret), _) => secret.resolve("--secret").map(Some),
            (None, Some(path)) => value::secret_file("--secret-file", path).map(Some),
            (None, None) => Ok(None),
        }
    }

    fn check(&self, text: &str) -> Result<Secret, CliError> {
        let option = if self.secret_file.is_some() {
            "--secret-file"
        } else {
            "--secret"
        };
        value::nas_secret(option, text)
    }
}

impl From<NasSummary> for NasRecord {
    fn from(nas: NasSummary) -> Self {
        Self {
            created_at: Some(nas.created_at),
            updated_at: Some(nas.updated_at),
            id: Some(nas.id.to_string()),
            ..record_of(nas.name.as_str(), nas.source, &nas.settings)
        }
    }
}

impl From<KnockRow> for KnockRecord {
    fn from(knock: KnockRow) -> Self {
        Self {
            address: knock.source.to_string(),
            packets: knock.packets,
            first_at: knock.first_at,
            last_at: knock.last_at,
        }
    }
}

fn record_of(name: &str, address: IpNet, settings: &NasSettings) -> NasRecord {
    NasRecord {
        name: name.to_owned(),
        address: show_source(address),
        vendor: settings.vendor,
        identifier: settings.identifier.clone(),
        message_authenticator: settings.message_authenticator,
        octet_view: settings.octet_view,
        coa_port: settings.coa_port,
        mac_authentication: settings.mac_authentication,
        sharing: settings.sharing,
        coa_identity: settings.coa_identity.clone(),
        created_at: None,
        updated_at: None,
        id: None,
    }
}

pub(super) fn not_found(name: &Name) -> CliError {
    CliError::NotFound {
        what: Resource::Nas,
        name: name.to_string(),
        remedy: "`lastmile nas list` shows them",
    }
}

fn parse_source_arg(raw: &str) -> Result<IpNet, SourceError> {
    parse_source(raw)
}

fn warn_if_weak(context: &Context, secret: &Secret) {
    if secret.len() < nas_secret::OCTETS_MIN {
        context.note(format_args!(
            "warning: a secret of {} octets can be guessed from one captured packet: use {} or more",
            secret.len(),
            nas_secret::OCTETS_MIN
        ));
    }
}
