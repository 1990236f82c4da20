//! The entries of a snapshot, in a format of this module alone.
//!
//! A domain type may change without making snapshots unreadable: what is changed here needs
//! another version in the head.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use domain::accounting::SessionKey;
use domain::credential::Credential;
use domain::id::Id;
use domain::limit::{AtLimit, Limits, Manner, TopUp, TopUpMeasure, Validity, ValidityStart};
use domain::nas::{self, Nas};
use domain::plan::{InterimInterval, Plan, PlanTerms, SessionLimit, TimeoutSeconds};
use domain::secret::Secret;
use domain::session_policy::{SessionPolicy, SessionTerms};
use domain::subscriber::{Purchase, StaticAddresses, Subscriber, SubscriberInstants};
use domain::tenant::TenantPolicy;
use domain::terms::TermsMark;
use domain::time::Timestamp;
use ipnet::{IpNet, Ipv6Net};
use serde::{Deserialize, Serialize};

use super::{SnapshotAbout, SnapshotEntry, SnapshotSession};
use access::{AccessEntry, BindingsEntry, PolicyEntry, StatusEntry};
use rows::RowsEntry;

mod access;
mod rows;

/// The octets are not what this program, or an older one, has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// The variant's number is the first octet.
#[derive(Serialize, Deserialize)]
pub(super) enum Entry<'a> {
    /// The first entry, and no other.
    About(AboutEntry),
    #[serde(borrow)]
    Nas(NasEntry<'a>),
    Plan(PlanEntry<'a>),
    Subscriber(SubscriberEntry<'a>),
    Session(SessionEntry<'a>),
    RowUser(RowsEntry<'a>),
    RowGroup(RowsEntry<'a>),
    Policy(PolicyEntry),
}

#[derive(Serialize, Deserialize)]
pub(super) struct AboutEntry {
    as_of_micros: i64,
    written_at_micros: i64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct NasEntry<'a> {
    id: [u8; 16],
    tenant: [u8; 16],
    name: &'a str,
    source: (IpAddr, u8),
    secret: &'a [u8],
    vendor: Vendor,
    identifier: Option<&'a str>,
    message_authenticator: MessageAuthenticator,
    octet_view: OctetView,
    coa_port: u16,
    groups: Vec<[u8; 16]>,
    has_mac_authentication: bool,
    is_shared: bool,
    coa_identity: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
enum Vendor {
    Mikrotik,
    Cisco,
    Wispr,
    Generic,
    Coova,
}

#[derive(Serialize, Deserialize)]
enum MessageAuthenticator {
    Required,
    Auto,
    Off,
}

#[derive(Serialize, Deserialize)]
enum OctetView {
    Nas,
    Client,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PlanEntry<'a> {
    id: [u8; 16],
    tenant: [u8; 16],
    name: &'a str,
    /// In the syntax of Mikrotik-Rate-Limit.
    rate: Option<&'a str>,
    session_timeout_seconds: Option<u32>,
    idle_timeout_seconds: Option<u32>,
    interim_seconds: u32,
    pool: Option<&'a str>,
    session_limit: Option<u16>,
    session_policy: Policy,
    limits: Option<LimitsEntry>,
    access: AccessEntry,
}

#[derive(Serialize, Deserialize)]
enum Policy {
    RejectNew,
    ReplaceOldest,
}

#[derive(Serialize, Deserialize)]
struct LimitsEntry {
    quotas: Option<String>,
    windows: Option<String>,
    validity: Option<(u32, ValidFrom)>,
    resets: String,
    at_limit: AtLimitEntry,
    zone: String,
}

#[derive(Serialize, Deserialize)]
enum ValidFrom {
    Purchase,
    FirstUse,
}

#[derive(Serialize, Deserialize)]
enum AtLimitEntry {
    Block,
    Throttle(String),
    Plan([u8; 16]),
}

#[derive(Serialize, Deserialize)]
pub(super) struct SubscriberEntry<'a> {
    id: [u8; 16],
    tenant: [u8; 16],
    username: &'a str,
    #[serde(borrow)]
    credential: CredentialEntry<'a>,
    plan: [u8; 16],
    status: StatusEntry,
    expires_at_micros: Option<i64>,
    ipv4: Option<Ipv4Addr>,
    ipv6_prefix: Option<(Ipv6Addr, u8)>,
    ipv6_delegated: Option<(Ipv6Addr, u8)>,
    session_limit: Option<u16>,
    session_policy: Option<Policy>,
    bindings: BindingsEntry,
    credential_set_at_micros: Option<i64>,
    device_forgotten_at_micros: Option<i64>,
    starts_at_micros: Option<i64>,
    top_ups: Vec<TopUpEntry>,
}

#[derive(Serialize, Deserialize)]
struct TopUpEntry {
    id: [u8; 16],
    is_time: bool,
    amount: u64,
    used: u64,
    ends_at_micros: Option<i64>,
}

#[derive(Serialize, Deserialize)]
enum CredentialEntry<'a> {
    Cleartext(&'a [u8]),
    Hashed(&'a str),
}

#[derive(Serialize, Deserialize)]
pub(super) struct SessionEntry<'a> {
    subscriber: [u8; 16],
    key: [u8; 16],
    nas: [u8; 16],
    nas_address: Option<IpAddr>,
    calling_station: Option<&'a str>,
    started_at_micros: i64,
    is_replaced: bool,
    username: &'a str,
    auth: Option<[u8; 16]>,
    terms: Option<[u8; TermsMark::OCTETS]>,
}

/// The first entry of some octets, and how many octets are left behind it.
pub(super) fn take(octets: &[u8]) -> Result<(Entry<'_>, usize), Unreadable> {
    let (entry, rest) = postcard::take_from_bytes(octets).map_err(|_| Unreadable)?;
    Ok((entry, rest.len()))
}

impl From<&SnapshotAbout> for Entry<'_> {
    fn from(about: &SnapshotAbout) -> Self {
        let SnapshotAbout { as_of, written_at } = about;
        Self::About(AboutEntry {
            as_of_micros: as_of.as_micros(),
            written_at_micros: written_at.as_micros(),
        })
    }
}

impl<'a> From<&'a Nas> for Entry<'a> {
    fn from(nas: &'a Nas) -> Self {
        let Nas {
            id,
            tenant,
            name,
            source,
            secret,
            settings,
            groups,
        } = nas;
        let nas::NasSettings {
            vendor,
            identifier,
            message_authenticator,
            octet_view,
            coa_port,
            mac_authentication,
            sharing,
            coa_identity,
        } = settings;
        Self::Nas(NasEntry {
            id: *id.as_bytes(),
            tenant: *tenant.as_bytes(),
            name: name.as_str(),
            source: (source.addr(), source.prefix_len()),
            secret: secret.expose(),
            vendor: (*vendor).into(),
            identifier: identifier.as_deref(),
            message_authenticator: (*message_authenticator).into(),
            octet_view: (*octet_view).into(),
            coa_port: *coa_port,
            groups: access::octets(groups),
            has_mac_authentication: match mac_authentication {
                nas::MacAuthentication::On => true,
                nas::MacAuthentication::Off => false,
            },
            is_shared: match sharing {
                nas::NasSharing::Shared => true,
                nas::NasSharing::Own => false,
            },
            coa_identity: coa_identity
                .as_ref()
                .map(|template| template.to_string().into()),
        })
    }
}

impl<'a> Entry<'a> {
    /// A plan, with its rate written out.
    pub(super) fn of_plan(plan: &'a Plan, rate: Option<&'a str>) -> Self {
        let Plan {
            id,
            tenant,
            name,
            terms,
        } = plan;
        let PlanTerms {
            rate: _,
            session_timeout_seconds,
            idle_timeout_seconds,
            interim,
            pool,
            session_limit,
            session_policy,
            limits,
            access,
        } = terms;
        Self::Plan(PlanEntry {
            id: *id.as_bytes(),
            tenant: *tenant.as_bytes(),
            name: name.as_str(),
            rate,
            session_timeout_seconds: session_timeout_seconds.map(TimeoutSeconds::as_seconds),
            idle_timeout_seconds: idle_timeout_seconds.map(TimeoutSeconds::as_seconds),
            interim_seconds: interim.as_seconds(),
            pool: pool.as_ref().map(domain::plan::PoolName::as_str),
            session_limit: session_limit.map(SessionLimit::as_sessions),
            session_policy: (*session_policy).into(),
            limits: limits.as_deref().map(LimitsEntry::of),
            access: access.into(),
        })
    }

    pub(super) fn into_about(self) -> Result<SnapshotAbout, Unreadable> {
        match self {
            Self::About(about) => Ok(SnapshotAbout {
                as_of: Timestamp::from_micros(about.as_of_micros),
                written_at: Timestamp::from_micros(about.written_at_micros),
            }),
            Self::Nas(_)
            | Self::Plan(_)
            | Self::Subscriber(_)
            | Self::Session(_)
            | Self::RowUser(_)
            | Self::RowGroup(_)
            | Self::Policy(_) => Err(Unreadable),
        }
    }

    pub(super) fn into_domain(self) -> Result<SnapshotEntry, Unreadable> {
        match self {
            Self::About(_) => Err(Unreadable),
            Self::Nas(nas) => nas.into_domain().map(SnapshotEntry::Nas),
            Self::Plan(plan) => plan.into_domain().map(SnapshotEntry::Plan),
            Self::Subscriber(subscriber) => subscriber.into_domain().map(SnapshotEntry::Subscriber),
            Self::Session(session) => Ok(SnapshotEntry::Session(session.into_domain())),
            Self::RowUser(rows) => Ok(SnapshotEntry::RowUser(rows.into_user())),
            Self::RowGroup(rows) => Ok(SnapshotEntry::RowGroup(rows.into_group())),
            Self::Policy(policy) => policy.into_domain().map(SnapshotEntry::Policy),
        }
    }
}

impl From<&TenantPolicy> for Entry<'_> {
    fn from(policy: &TenantPolicy) -> Self {
        Self::Policy(policy.into())
    }
}

impl<'a> From<&'a Subscriber> for Entry<'a> {
    fn from(subscriber: &'a Subscriber) -> Self {
        let Subscriber {
            id,
            tenant,
            username,
            credential,
            plan,
            status,
            expires_at,
            addresses,
            sessions,
            bindings,
            changed,
            purchase: _,
        } = subscriber;
        let StaticAddresses {
            ipv4,
            ipv6_prefix,
            ipv6_delegated,
        } = addresses;
        Self::Subscriber(SubscriberEntry {
            id: *id.as_bytes(),
            tenant: *tenant.as_bytes(),
            username: username.as_str(),
            credential: match credential {
                Credential::Cleartext(secret) => CredentialEntry::Cleartext(secret.expose()),
                Credential::Hashed(hash) => CredentialEntry::Hashed(hash.text()),
            },
            plan: *plan.as_bytes(),
            status: (*status).into(),
            expires_at_micros: expires_at.map(Timestamp::as_micros),
            ipv4: *ipv4,
            ipv6_prefix: ipv6_prefix.map(prefix_parts),
            ipv6_delegated: ipv6_delegated.map(prefix_parts),
            session_limit: sessions.session_limit.map(SessionLimit::as_sessions),
            session_policy: sessions.session_policy.map(Policy::from),
            bindings: bindings.into(),
            credential_set_at_micros: changed.credential_set_at().map(Timestamp::as_micros),
            device_forgotten_at_micros: changed.device_forgotten_at().map(Timestamp::as_micros),
            starts_at_micros: subscriber.starts_at().map(Timestamp::as_micros),
            top_ups: subscriber.top_ups().iter().map(TopUpEntry::of).collect(),
        })
    }
}

impl<'a> From<&'a SnapshotSession> for Entry<'a> {
    fn from(session: &'a SnapshotSession) -> Self {
        let SnapshotSession {
            subscriber,
            key,
            nas,
            nas_address,
            calling_station,
            started_at,
            is_replaced,
            username,
            auth,
            terms,
        } = session;
        Self::Session(SessionEntry {
            subscriber: *subscriber.as_bytes(),
            key: key.0,
            nas: *nas.as_bytes(),
            nas_address: *nas_address,
            calling_station: calling_station.as_deref(),
            started_at_micros: started_at.as_micros(),
            is_replaced: *is_replaced,
            username,
            auth: auth.map(|auth| *auth.as_bytes()),
            terms: terms.map(TermsMark::to_octets),
        })
    }
}

impl NasEntry<'_> {
    fn into_domain(self) -> Result<Nas, Unreadable> {
        let (address, prefix_len) = self.source;
        Ok(Nas {
            id: Id::from_bytes(self.id),
            tenant: Id::from_bytes(self.tenant),
            name: self.name.parse().map_err(|_| Unreadable)?,
            source: IpNet::new(address, prefix_len).map_err(|_| Unreadable)?,
            secret: Secret::new(self.secret),
            settings: nas::NasSettings {
                vendor: self.vendor.into(),
                identifier: self.identifier.map(ToOwned::to_owned),
                message_authenticator: self.message_authenticator.into(),
                octet_view: self.octet_view.into(),
                coa_port: self.coa_port,
                mac_authentication: if self.has_mac_authentication {
                    nas::MacAuthentication::On
                } else {
                    nas::MacAuthentication::Off
                },
                sharing: if self.is_shared {
                    nas::NasSharing::Shared
                } else {
                    nas::NasSharing::Own
                },
                coa_identity: match self.coa_identity {
                    Some(text) => Some(text.parse().map_err(|_| Unreadable)?),
                    None => None,
                },
            },
            groups: access::groups(self.groups),
        })
    }
}

impl PlanEntry<'_> {
    fn into_domain(self) -> Result<Plan, Unreadable> {
        let timeout = |seconds: Option<u32>| {
            let timeout = seconds.map(TimeoutSeconds::new).transpose();
            timeout.map_err(|_| Unreadable)
        };
        let rate = self.rate.map(str::parse).transpose();
        let pool = self.pool.map(str::parse).transpose();
        let session_limit = self.session_limit.map(SessionLimit::new).transpose();
        Ok(Plan {
            id: Id::from_bytes(self.id),
            tenant: Id::from_bytes(self.tenant),
            name: self.name.parse().map_err(|_| Unreadable)?,
            terms: PlanTerms {
                rate: rate.map_err(|_| Unreadable)?,
                session_timeout_seconds: timeout(self.session_timeout_seconds)?,
                idle_timeout_seconds: timeout(self.idle_timeout_seconds)?,
                interim: InterimInterval::new(self.interim_seconds).map_err(|_| Unreadable)?,
                pool: pool.map_err(|_| Unreadable)?,
                session_limit: session_limit.map_err(|_| Unreadable)?,
                session_policy: self.session_policy.into(),
                limits: self.limits.map(LimitsEntry::into_domain).transpose()?,
                access: self.access.into_domain()?,
            },
        })
    }
}

impl LimitsEntry {
    fn of(limits: &Limits) -> Self {
        let Limits {
            quotas,
            windows,
            validity,
            resets,
            at_limit,
            zone,
            // Plans have no other.
            manner: _,
        } = limits;
        Self {
            quotas: (!quotas.is_empty()).then(|| quotas.to_string()),
            windows: windows.as_ref().map(ToString::to_string),
            validity: validity.map(|validity| {
                let start = match validity.start {
                    ValidityStart::Purchase => ValidFrom::Purchase,
                    ValidityStart::FirstUse => ValidFrom::FirstUse,
                };
                (validity.as_seconds(), start)
            }),
            resets: resets.to_string(),
            at_limit: match at_limit {
                AtLimit::Block => AtLimitEntry::Block,
                AtLimit::Throttle(rate) => AtLimitEntry::Throttle(rate.to_string()),
                AtLimit::Plan(plan) => AtLimitEntry::Plan(*plan.as_bytes()),
            },
            zone: zone.to_string(),
        }
    }

    fn into_domain(self) -> Result<Box<Limits>, Unreadable> {
        fn read<T: FromStr>(text: &str) -> Result<T, Unreadable> {
            text.parse().map_err(|_| Unreadable)
        }
        let validity = self.validity.map(|(seconds, start)| {
            let start = match start {
                ValidFrom::Purchase => ValidityStart::Purchase,
                ValidFrom::FirstUse => ValidityStart::FirstUse,
            };
            Validity::new(seconds.into(), start).map_err(|_| Unreadable)
        });
        let quotas = self.quotas.as_deref().map(read).transpose()?;
        Ok(Box::new(Limits {
            quotas: quotas.unwrap_or_default(),
            windows: self.windows.as_deref().map(read).transpose()?,
            validity: validity.transpose()?,
            resets: read(&self.resets)?,
            at_limit: match self.at_limit {
                AtLimitEntry::Block => AtLimit::Block,
                AtLimitEntry::Throttle(rate) => AtLimit::Throttle(read(&rate)?),
                AtLimitEntry::Plan(plan) => AtLimit::Plan(Id::from_bytes(plan)),
            },
            zone: read(&self.zone)?,
            manner: Manner::Native,
        }))
    }
}

impl TopUpEntry {
    fn of(top_up: &TopUp) -> Self {
        Self {
            id: *top_up.id.as_bytes(),
            is_time: top_up.measure == TopUpMeasure::Time,
            amount: top_up.amount,
            used: top_up.used,
            ends_at_micros: top_up.ends_at.map(Timestamp::as_micros),
        }
    }

    fn into_domain(self) -> TopUp {
        TopUp {
            id: Id::from_bytes(self.id),
            measure: if self.is_time {
                TopUpMeasure::Time
            } else {
                TopUpMeasure::Data
            },
            amount: self.amount,
            used: self.used,
            ends_at: self.ends_at_micros.map(Timestamp::from_micros),
        }
    }
}

impl SubscriberEntry<'_> {
    fn into_domain(self) -> Result<Subscriber, Unreadable> {
        let session_limit = self.session_limit.map(SessionLimit::new).transpose();
        Ok(Subscriber {
            id: Id::from_bytes(self.id),
            tenant: Id::from_bytes(self.tenant),
            username: self.username.parse().map_err(|_| Unreadable)?,
            credential: match self.credential {
                CredentialEntry::Cleartext(octets) => Credential::Cleartext(Secret::new(octets)),
                CredentialEntry::Hashed(text) => {
                    Credential::Hashed(text.parse().map_err(|_| Unreadable)?)
                }
            },
            plan: Id::from_bytes(self.plan),
            status: self.status.into(),
            expires_at: self.expires_at_micros.map(Timestamp::from_micros),
            addresses: StaticAddresses {
                ipv4: self.ipv4,
                ipv6_prefix: self.ipv6_prefix.map(prefix).transpose()?,
                ipv6_delegated: self.ipv6_delegated.map(prefix).transpose()?,
            },
            sessions: SessionTerms {
                session_limit: session_limit.map_err(|_| Unreadable)?,
                session_policy: self.session_policy.map(SessionPolicy::from),
            },
            bindings: self.bindings.into(),
            changed: SubscriberInstants::new(
                self.credential_set_at_micros.map(Timestamp::from_micros),
                self.device_forgotten_at_micros.map(Timestamp::from_micros),
            ),
            purchase: Purchase::new(
                self.starts_at_micros.map(Timestamp::from_micros),
                self.top_ups
                    .into_iter()
                    .map(TopUpEntry::into_domain)
                    .collect(),
            ),
        })
    }
}

impl SessionEntry<'_> {
    fn into_domain(self) -> SnapshotSession {
        SnapshotSession {
            subscriber: Id::from_bytes(self.subscriber),
            key: SessionKey(self.key),
            nas: Id::from_bytes(self.nas),
            nas_address: self.nas_address,
            calling_station: self.calling_station.map(ToOwned::to_owned),
            started_at: Timestamp::from_micros(self.started_at_micros),
            is_replaced: self.is_replaced,
            username: self.username.to_owned(),
            auth: self.auth.map(Id::from_bytes),
            terms: self.terms.and_then(|terms| TermsMark::from_octets(&terms)),
        }
    }
}

fn prefix_parts(prefix: Ipv6Net) -> (Ipv6Addr, u8) {
    (prefix.addr(), prefix.prefix_len())
}

fn prefix((address, len): (Ipv6Addr, u8)) -> Result<Ipv6Net, Unreadable> {
    Ipv6Net::new(address, len).map_err(|_| Unreadable)
}

impl From<SessionPolicy> for Policy {
    fn from(policy: SessionPolicy) -> Self {
        match policy {
            SessionPolicy::RejectNew => Self::RejectNew,
            SessionPolicy::ReplaceOldest => Self::ReplaceOldest,
        }
    }
}

impl From<Policy> for SessionPolicy {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::RejectNew => Self::RejectNew,
            Policy::ReplaceOldest => Self::ReplaceOldest,
        }
    }
}

impl From<nas::Vendor> for Vendor {
    fn from(vendor: nas::Vendor) -> Self {
        match vendor {
            nas::Vendor::Mikrotik => Self::Mikrotik,
            nas::Vendor::Cisco => Self::Cisco,
            nas::Vendor::Wispr => Self::Wispr,
            nas::Vendor::Generic => Self::Generic,
            nas::Vendor::Coova => Self::Coova,
        }
    }
}

impl From<Vendor> for nas::Vendor {
    fn from(vendor: Vendor) -> Self {
        match vendor {
            Vendor::Mikrotik => Self::Mikrotik,
            Vendor::Cisco => Self::Cisco,
            Vendor::Wispr => Self::Wispr,
            Vendor::Generic => Self::Generic,
            Vendor::Coova => Self::Coova,
        }
    }
}

impl From<nas::MessageAuthenticatorPolicy> for MessageAuthenticator {
    fn from(policy: nas::MessageAuthenticatorPolicy) -> Self {
        match policy {
            nas::MessageAuthenticatorPolicy::Required => Self::Required,
            nas::MessageAuthenticatorPolicy::Auto => Self::Auto,
            nas::MessageAuthenticatorPolicy::Off => Self::Off,
        }
    }
}

impl From<MessageAuthenticator> for nas::MessageAuthenticatorPolicy {
    fn from(policy: MessageAuthenticator) -> Self {
        match policy {
            MessageAuthenticator::Required => Self::Required,
            MessageAuthenticator::Auto => Self::Auto,
            MessageAuthenticator::Off => Self::Off,
        }
    }
}

impl From<nas::OctetView> for OctetView {
    fn from(view: nas::OctetView) -> Self {
        match view {
            nas::OctetView::Nas => Self::Nas,
            nas::OctetView::Client => Self::Client,
        }
    }
}

impl From<OctetView> for nas::OctetView {
    fn from(view: OctetView) -> Self {
        match view {
            OctetView::Nas => Self::Nas,
            OctetView::Client => Self::Client,
        }
    }
}
