//! The parts of entries that say how accounts end, where they may be used, and what tenants have
//! set.

use domain::garden::{Garden, GardenTerms};
use domain::id::{Id, NasGroupId};
use domain::mac::Mac;
use domain::message::StateMessage;
use domain::plan::TimeoutSeconds;
use domain::plan::access::{AfterExpiry, DeviceLimit, GraceDays, PlanAccess};
use domain::realm::{Realm, RealmHandling};
use domain::subscriber::SubscriberStatus;
use domain::subscriber::binding::{Bindings, NasBinding};
use domain::tenant::{RowObedience, TenantPolicy};
use serde::{Deserialize, Serialize};

use super::Unreadable;

#[derive(Serialize, Deserialize)]
pub(super) struct AccessEntry {
    grace_days: u16,
    is_walled: bool,
    garden: Option<[u8; 16]>,
    device_limit: Option<u8>,
    private_device_limit: Option<u8>,
}

#[derive(Serialize, Deserialize)]
pub(super) enum StatusEntry {
    Active,
    Disabled,
    Pending,
    SuspendedWalled,
    SuspendedHard,
}

#[derive(Serialize, Deserialize)]
pub(super) struct BindingsEntry {
    nas: Vec<[u8; 16]>,
    groups: Vec<[u8; 16]>,
    devices: Vec<[u8; 6]>,
}

#[derive(Serialize, Deserialize)]
pub(in super::super) struct PolicyEntry {
    tenant: [u8; 16],
    language: String,
    garden: Option<[u8; 16]>,
    gardens: Vec<GardenEntry>,
    messages: Vec<MessageEntry>,
    realms: Vec<RealmEntry>,
    time_zone: String,
    rows: Option<RowsObeyed>,
}

#[derive(Serialize, Deserialize)]
enum RowsObeyed {
    Compatible,
    Strict,
}

#[derive(Serialize, Deserialize)]
struct GardenEntry {
    id: [u8; 16],
    name: String,
    pool: Option<String>,
    address_list: Option<String>,
    rate: Option<String>,
    redirect: Option<String>,
    session_timeout_seconds: u32,
}

#[derive(Serialize, Deserialize)]
struct MessageEntry {
    state: String,
    language: String,
    template: String,
}

#[derive(Serialize, Deserialize)]
struct RealmEntry {
    name: String,
    is_kept: bool,
}

impl From<&PlanAccess> for AccessEntry {
    fn from(access: &PlanAccess) -> Self {
        let PlanAccess {
            grace_days,
            after_expiry,
            garden,
            device_limit,
            private_device_limit,
        } = access;
        Self {
            grace_days: grace_days.as_days(),
            is_walled: match after_expiry {
                AfterExpiry::Walled => true,
                AfterExpiry::Hard => false,
            },
            garden: garden.map(|garden| *garden.as_bytes()),
            device_limit: device_limit.map(DeviceLimit::as_devices),
            private_device_limit: private_device_limit.map(DeviceLimit::as_devices),
        }
    }
}

impl AccessEntry {
    pub(super) fn into_domain(self) -> Result<PlanAccess, Unreadable> {
        let limit = |devices: Option<u8>| {
            let limit = devices.map(|devices| DeviceLimit::new(devices).ok_or(Unreadable));
            limit.transpose()
        };
        Ok(PlanAccess {
            grace_days: GraceDays::new(self.grace_days).ok_or(Unreadable)?,
            after_expiry: if self.is_walled {
                AfterExpiry::Walled
            } else {
                AfterExpiry::Hard
            },
            garden: self.garden.map(Id::from_bytes),
            device_limit: limit(self.device_limit)?,
            private_device_limit: limit(self.private_device_limit)?,
        })
    }
}

impl From<SubscriberStatus> for StatusEntry {
    fn from(status: SubscriberStatus) -> Self {
        match status {
            SubscriberStatus::Active => Self::Active,
            SubscriberStatus::Disabled => Self::Disabled,
            SubscriberStatus::Pending => Self::Pending,
            SubscriberStatus::SuspendedWalled => Self::SuspendedWalled,
            SubscriberStatus::SuspendedHard => Self::SuspendedHard,
        }
    }
}

impl From<StatusEntry> for SubscriberStatus {
    fn from(status: StatusEntry) -> Self {
        match status {
            StatusEntry::Active => Self::Active,
            StatusEntry::Disabled => Self::Disabled,
            StatusEntry::Pending => Self::Pending,
            StatusEntry::SuspendedWalled => Self::SuspendedWalled,
            StatusEntry::SuspendedHard => Self::SuspendedHard,
        }
    }
}

impl From<&Bindings> for BindingsEntry {
    fn from(bindings: &Bindings) -> Self {
        let Bindings { nas, devices } = bindings;
        let (nas, groups) = nas
            .as_deref()
            .map_or((&[][..], &[][..]), |bound| (&bound.nas, &bound.groups));
        Self {
            nas: nas.iter().map(|nas| *nas.as_bytes()).collect(),
            groups: octets(groups),
            devices: devices.iter().map(|mac| *mac.as_bytes()).collect(),
        }
    }
}

impl From<BindingsEntry> for Bindings {
    fn from(entry: BindingsEntry) -> Self {
        let binding = NasBinding {
            nas: entry.nas.into_iter().map(Id::from_bytes).collect(),
            groups: groups(entry.groups),
        };
        Self {
            nas: (!binding.is_empty()).then(|| Box::new(binding)),
            devices: entry.devices.into_iter().map(Mac::from_bytes).collect(),
        }
    }
}

pub(super) fn octets(groups: &[NasGroupId]) -> Vec<[u8; 16]> {
    groups.iter().map(|group| *group.as_bytes()).collect()
}

pub(super) fn groups(octets: Vec<[u8; 16]>) -> Vec<NasGroupId> {
    octets.into_iter().map(Id::from_bytes).collect()
}

impl From<&TenantPolicy> for PolicyEntry {
    fn from(policy: &TenantPolicy) -> Self {
        let TenantPolicy {
            tenant,
            time_zone,
            language,
            garden,
            gardens,
            messages,
            realms,
            rows,
        } = policy;
        Self {
            tenant: *tenant.as_bytes(),
            language: language.to_string(),
            garden: garden.map(|garden| *garden.as_bytes()),
            gardens: gardens.iter().map(GardenEntry::from).collect(),
            messages: messages
                .iter()
                .map(|message| MessageEntry {
                    state: message.state.to_string(),
                    language: message.language.to_string(),
                    template: message.template.to_string(),
                })
                .collect(),
            realms: realms
                .iter()
                .map(|realm| RealmEntry {
                    name: realm.name.to_string(),
                    is_kept: realm.handling == RealmHandling::Keep,
                })
                .collect(),
            time_zone: time_zone.to_string(),
            rows: rows.map(|rows| match rows {
                RowObedience::Compatible => RowsObeyed::Compatible,
                RowObedience::Strict => RowsObeyed::Strict,
            }),
        }
    }
}

impl PolicyEntry {
    pub(super) fn into_domain(self) -> Result<TenantPolicy, Unreadable> {
        let tenant = Id::from_bytes(self.tenant);
        let gardens = self.gardens.into_iter().map(|garden| {
            Ok(Garden {
                id: Id::from_bytes(garden.id),
                tenant,
                name: parsed(&garden.name)?,
                terms: GardenTerms {
                    pool: find_parsed(garden.pool.as_deref())?,
                    address_list: find_parsed(garden.address_list.as_deref())?,
                    rate: find_parsed(garden.rate.as_deref())?,
                    redirect: find_parsed(garden.redirect.as_deref())?,
                    session_timeout_seconds: TimeoutSeconds::new(garden.session_timeout_seconds)
                        .map_err(|_| Unreadable)?,
                },
            })
        });
        let messages = self.messages.into_iter().map(|message| {
            Ok(StateMessage {
                state: parsed(&message.state)?,
                language: parsed(&message.language)?,
                template: parsed(&message.template)?,
            })
        });
        let realms = self.realms.into_iter().map(|realm| {
            Ok(Realm {
                tenant,
                name: parsed(&realm.name)?,
                handling: if realm.is_kept {
                    RealmHandling::Keep
                } else {
                    RealmHandling::Strip
                },
            })
        });
        Ok(TenantPolicy {
            tenant,
            time_zone: parsed(&self.time_zone)?,
            language: parsed(&self.language)?,
            garden: self.garden.map(Id::from_bytes),
            gardens: gardens.collect::<Result<_, Unreadable>>()?,
            messages: messages.collect::<Result<_, Unreadable>>()?,
            realms: realms.collect::<Result<_, Unreadable>>()?,
            rows: self.rows.map(|rows| match rows {
                RowsObeyed::Compatible => RowObedience::Compatible,
                RowsObeyed::Strict => RowObedience::Strict,
            }),
        })
    }
}

impl From<&Garden> for GardenEntry {
    fn from(garden: &Garden) -> Self {
        let GardenTerms {
            pool,
            address_list,
            rate,
            redirect,
            session_timeout_seconds,
        } = &garden.terms;
        Self {
            id: *garden.id.as_bytes(),
            name: garden.name.to_string(),
            pool: pool.as_ref().map(ToString::to_string),
            address_list: address_list.as_ref().map(ToString::to_string),
            rate: rate.map(|rate| rate.to_string()),
            redirect: redirect.as_ref().map(ToString::to_string),
            session_timeout_seconds: session_timeout_seconds.as_seconds(),
        }
    }
}

fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, Unreadable> {
    text.parse().map_err(|_| Unreadable)
}

fn find_parsed<T: std::str::FromStr>(text: Option<&str>) -> Result<Option<T>, Unreadable> {
    text.map(parsed).transpose()
}
