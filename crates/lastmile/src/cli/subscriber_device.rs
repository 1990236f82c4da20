//! `lastmile subscriber device`: the devices that a subscriber is bound to.

use domain::access::Claim;
use domain::id::TenantId;
use domain::mac::Mac;
use domain::name::Username;
use domain::time::Timestamp;
use serde::Serialize;
use storage::error::{Resource, StoreError};
use storage::subscriber_device::{BoundDevice, DeviceEvent};

use super::context::{Context, Deed, DryRun, ListSize, actor};
use super::error::CliError;
use super::subscriber;
use crate::output::{Extent, Record};

const TENANT: TenantId = TenantId::DEFAULT;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum DeviceCommand {
    /// List the devices of a subscriber
    #[command(after_help = "Examples:
  lastmile subscriber device list ana")]
    List {
        /// User name
        username: Username,
        #[command(flatten)]
        size: ListSize,
    },
    /// List what happened to the devices of a subscriber, and by whom, the newest first
    #[command(after_help = "Examples:
  lastmile subscriber device events ana")]
    Events {
        /// User name
        username: Username,
        #[command(flatten)]
        size: ListSize,
    },
    /// Register a device, without waiting for its first login
    #[command(after_help = "Examples:
  lastmile subscriber device add ana AA:BB:CC:DD:EE:FF")]
    Add {
        /// User name
        username: Username,
        /// MAC address in any notation
        mac: Mac,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Forget one device, so that another one finds room
    #[command(after_help = "Examples:
  lastmile subscriber device forget ana AA:BB:CC:DD:EE:FF")]
    Forget {
        /// User name
        username: Username,
        /// MAC address in any notation
        mac: Mac,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Forget all devices of a subscriber
    #[command(after_help = "Examples:
  lastmile subscriber device reset ana --dry-run")]
    Reset {
        /// User name
        username: Username,
        #[command(flatten)]
        dry_run: DryRun,
    },
}

#[derive(Clone, Debug, Serialize)]
struct DeviceRecord {
    mac: String,
    is_private: bool,
    bound_at: Timestamp,
}

#[derive(Clone, Debug, Serialize)]
struct EventRecord {
    at: Timestamp,
    mac: String,
    event: String,
    actor: String,
}

impl Record for DeviceRecord {
    const FIELDS: &'static [&'static str] = &["mac", "is_private", "bound_at"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

impl Record for EventRecord {
    const FIELDS: &'static [&'static str] = &["at", "mac", "event", "actor"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

pub(crate) async fn run(context: &mut Context, command: DeviceCommand) -> Result<(), CliError> {
    match command {
        DeviceCommand::List { username, size } => list(context, &username, size).await,
        DeviceCommand::Events { username, size } => events(context, &username, size).await,
        DeviceCommand::Add {
            username,
            mac,
            dry_run,
        } => add(context, &username, mac, dry_run).await,
        DeviceCommand::Forget {
            username,
            mac,
            dry_run,
        } => forget(context, &username, Some(mac), dry_run).await,
        DeviceCommand::Reset { username, dry_run } => {
            forget(context, &username, None, dry_run).await
        }
    }
}

async fn list(context: &mut Context, username: &Username, size: ListSize) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let devices = store.device_list(TENANT, username).await;
    let devices = devices.map_err(|error| not_there(error, username))?;
    let mut listing = context.output.listing::<DeviceRecord>(size.extent());
    for device in devices {
        listing.push(&DeviceRecord::from(device))?;
    }
    let listed = listing.finish()?;
    context.note_listed(listed, "No device is bound");
    Ok(())
}

async fn events(
    context: &mut Context,
    username: &Username,
    size: ListSize,
) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let events = store.device_event_list(TENANT, username).await?;
    let mut listing = context.output.listing::<EventRecord>(size.extent());
    for event in events {
        listing.push(&EventRecord::from(event))?;
    }
    let listed = listing.finish()?;
    context.note_listed(listed, "Nothing has happened to a device of this name");
    Ok(())
}

async fn add(
    context: &mut Context,
    username: &Username,
    mac: Mac,
    dry_run: DryRun,
) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let known = store.subscriber_find(TENANT, username).await?;
    let id = known.ok_or_else(|| subscriber::not_found(username))?.id;
    match store.device_claim(id, mac, &actor()).await? {
        Claim::Bound => {}
        Claim::NoRoom | Claim::NotTried | Claim::NotStored => {
            return Err(CliError::Usage {
                option: "MAC",
                reason: "there is no room for another device: forget one with `lastmile subscriber device forget`, or raise the limits of the plan",
            });
        }
    }
    let record = DeviceRecord {
        mac: mac.to_string(),
        is_private: mac.is_private(),
        bound_at: context.app.now(),
    };
    let deed = Deed {
        what: format!("Device {mac}"),
        verb: "bound",
        details: format!(" to subscriber {username}"),
    };
    Ok(context.report(dry_run, &deed, &record)?)
}

async fn forget(
    context: &mut Context,
    username: &Username,
    mac: Option<Mac>,
    dry_run: DryRun,
) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let gone = store.device_forget(TENANT, username, mac, &actor()).await;
    let gone = gone.map_err(|error| not_there(error, username))?;
    let count = gone.len();
    if dry_run.is_dry {
        context.note(format_args!(
            "Dry run: of subscriber {username} so many devices would be forgotten: {count}. Nothing is changed."
        ));
    } else {
        context.note(format_args!(
            "Subscriber {username}: devices forgotten: {count}"
        ));
    }
    if dry_run.is_dry || context.output.is_for_programs() {
        let mut listing = context.output.listing::<DeviceRecord>(Extent::All);
        for device in gone {
            listing.push(&DeviceRecord::from(device))?;
        }
        listing.finish()?;
    }
    Ok(())
}

fn not_there(error: StoreError, username: &Username) -> CliError {
    let StoreError::NotFound { what, name } = error else {
        return error.into();
    };
    if what != Resource::Device {
        return subscriber::not_found(username);
    }
    CliError::NotFound {
        what,
        name,
        remedy: "`lastmile subscriber device list USERNAME` shows them",
    }
}

impl From<BoundDevice> for DeviceRecord {
    fn from(device: BoundDevice) -> Self {
        Self {
            mac: device.mac.to_string(),
            is_private: device.mac.is_private(),
            bound_at: device.bound_at,
        }
    }
}

impl From<DeviceEvent> for EventRecord {
    fn from(event: DeviceEvent) -> Self {
        Self {
            at: event.at,
            mac: event.mac,
            event: event.kind,
            actor: event.actor,
        }
    }
}
