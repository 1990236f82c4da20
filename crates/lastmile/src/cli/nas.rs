//! `lastmile nas`: the routers that may ask us, and the ones that knock.

use std::path::PathBuf;

use domain::name::Name;
use domain::nas::{
    MacAuthentication, MessageAuthenticatorPolicy, NasSharing, OctetView, SourceError, Vendor,
    parse_source, show_source,
};
use domain::secret::Secret;
use domain::session_identity::IdentityTemplate;
use domain::time::Timestamp;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::json;
use services::nas_secret;
use storage::error::Resource;
use zeroize::Zeroizing;

use super::change::Change;
use super::context::{Context, Deed, DryRun, ListSize};
use super::error::CliError;
use super::nas_group::{self, GroupCommand};
use super::told::{Noun, told};
use super::value::{self, HiddenArg};
use crate::client::Client;
use crate::client::call::Call;
use crate::output::Record;

const PATH: &str = "nas";

pub(super) const NOUN: Noun = Noun {
    what: Resource::Nas,
    remedy: "`lastmile nas list` shows them",
};

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

#[derive(Clone, Debug, Serialize, Deserialize)]
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
    coa_identity: Option<String>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    id: Option<String>,
}

/// A NAS in the answer to the command for which its secret was made, and nowhere else.
#[derive(Serialize, Deserialize)]
struct NewNasRecord {
    #[serde(flatten)]
    nas: NasRecord,
    secret: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KnockRecord {
    address: String,
    packets: u64,
    first_at: Timestamp,
    last_at: Timestamp,
}

/// What is sent about a new router.
#[derive(Serialize)]
struct NewNas<'a> {
    name: &'a Name,
    address: String,
    /// One is made when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    identifier: Option<String>,
    coa_port: u16,
    coa_identity: Option<String>,
    vendor: Vendor,
    message_authenticator: MessageAuthenticatorPolicy,
    octet_view: OctetView,
    mac_authentication: MacAuthentication,
    sharing: NasSharing,
}

/// What is sent about a change: what is absent stays, and `null` empties.
#[derive(Serialize)]
struct NasPatch {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identifier: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coa_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coa_identity: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor: Option<Vendor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_authenticator: Option<MessageAuthenticatorPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    octet_view: Option<OctetView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac_authentication: Option<MacAuthentication>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sharing: Option<NasSharing>,
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
    let secret = args.secret.checked(context)?;
    let new = NewNas {
        name: &args.name,
        address: show_source(args.address),
        secret: secret.as_ref().map(|secret| secret.as_str()),
        identifier: args.identifier,
        coa_port: args.coa_port,
        coa_identity: args.coa_identity.map(|identity| identity.to_string()),
        vendor: args.vendor,
        message_authenticator: args.message_authenticator,
        octet_view: args.octet_view,
        mac_authentication: args.mac_authentication,
        sharing: args.sharing,
    };
    let client = context.writer(args.dry_run).await?;
    let made = client.ask(Call::post(&[PATH]).carrying(&new)).await;
    let mut made: NewNasRecord = made.map_err(|error| told(error, &[(NOUN, &args.name)]))?;
    let deed = Deed {
        what: format!("NAS {}", args.name),
        verb: "added",
        details: format!(": {}, {}", made.nas.address, made.nas.vendor),
    };
    if args.dry_run.is_dry {
        made.nas.forget_making();
    }
    let Some(secret) = made.secret.clone().map(Zeroizing::new) else {
        return Ok(context.report(args.dry_run, &deed, &made.nas)?);
    };
    if context.output.is_for_programs() {
        return Ok(context.report(args.dry_run, &deed, &made)?);
    }
    context.report(args.dry_run, &deed, &made.nas)?;
    context.note("Its secret, shown this once:");
    Ok(context.output.line(&secret)?)
}

async fn list(context: &mut Context, size: ListSize) -> Result<(), CliError> {
    let client = context.reader().await?;
    let none = "No NAS yet: add one with `lastmile nas add NAME --address ADDRESS`";
    context
        .list_of::<NasRecord, NasRecord>(size, none, (&client, Call::get(&[PATH])))
        .await
}

async fn show(context: &mut Context, name: &Name) -> Result<(), CliError> {
    let client = context.reader().await?;
    let nas = find(&client, name).await?;
    Ok(context.output.show(&nas)?)
}

async fn set(context: &mut Context, args: SetArgs) -> Result<(), CliError> {
    let secret = args.secret.checked(context)?;
    let patch = NasPatch {
        name: args.rename,
        address: args.address.map(show_source),
        identifier: value::replacement(args.identifier, args.clear_identifier),
        coa_port: args.coa_port,
        coa_identity: value::replacement(
            args.coa_identity.map(|identity| identity.to_string()),
            args.clear_coa_identity,
        ),
        vendor: args.vendor,
        message_authenticator: args.message_authenticator,
        octet_view: args.octet_view,
        mac_authentication: args.mac_authentication,
        sharing: args.sharing,
    };
    let client = context.writer(args.dry_run).await?;
    let name = &args.name;
    let change = Change {
        what: format!("NAS {name}"),
        before: find(&client, name).await?,
        hidden: secret.as_ref().map(|_| "secret"),
    };
    let update = async |client: &Client| {
        if let Some(secret) = &secret {
            let body = json!({ "secret": secret.as_str() });
            let rotate = Call::post(&[PATH, name.as_str(), "rotate-secret"]).carrying(&body);
            let rotated = client.tell(rotate).await;
            rotated.map_err(|error| told(error, &[(NOUN, name)]))?;
        }
        let call = Call::patch(&[PATH, name.as_str()]).carrying(&patch);
        let changed = client.ask::<NasRecord>(call).await;
        changed.map_err(|error| told(error, &[(NOUN, name)]))
    };
    change.make(context, args.dry_run, &client, update).await
}

async fn remove(context: &mut Context, name: &Name, dry_run: DryRun) -> Result<(), CliError> {
    let client = context.writer(dry_run).await?;
    let nas = find(&client, name).await?;
    client.tell(Call::delete(&[PATH, name.as_str()])).await?;
    let deed = Deed {
        what: format!("NAS {name}"),
        verb: "removed",
        details: String::new(),
    };
    Ok(context.report(dry_run, &deed, &nas)?)
}

async fn knocking(context: &mut Context, size: ListSize) -> Result<(), CliError> {
    let client = context.reader().await?;
    let none = "Nobody knocks: every packet comes from a registered NAS";
    context
        .list_of::<KnockRecord, KnockRecord>(size, none, (&client, Call::get(&["knocks"])))
        .await
}

async fn find(client: &Client, name: &Name) -> Result<NasRecord, CliError> {
    let found = client.ask(Call::get(&[PATH, name.as_str()])).await;
    found.map_err(|error| told(error, &[(NOUN, name)]))
}

impl NasRecord {
    /// What was only rehearsed has none of this.
    fn forget_making(&mut self) {
        self.created_at = None;
        self.updated_at = None;
        self.id = None;
    }
}

impl SecretArgs {
    fn resolve(&self) -> Result<Option<Zeroizing<String>>, CliError> {
        match (&self.secret, &self.secret_file) {
            (Some(secret), _) => secret.resolve("--secret").map(Some),
            (None, Some(path)) => value::secret_file("--secret-file", path).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// The secret that is given, once it is known to be one.
    fn checked(&self, context: &Context) -> Result<Option<Zeroizing<String>>, CliError> {
        let Some(text) = self.resolve()? else {
            return Ok(None);
        };
        let option = if self.secret_file.is_some() {
            "--secret-file"
        } else {
            "--secret"
        };
        warn_if_weak(context, &value::nas_secret(option, &text)?);
        Ok(Some(text))
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
