//! By which attributes a router is told which of its sessions is meant.
//!
//! Routers differ in what they look at, and some end another session, or none and say yes, when an
//! attribute too few or too many is sent. So there are several sets of attributes, tried in order.

use std::fmt;
use std::str::FromStr;

use arrayvec::ArrayVec;
use serde::{Serialize, Serializer};

use crate::mac::Mac;
use crate::nas::Vendor;
use crate::session::Session;

/// Sets that a template may have.
pub const SETS_MAX: usize = 4;

/// Acct-Session-Id of a hotspot session of RouterOS begins so.
const MIKROTIK_HOTSPOT_PREFIX: &str = "80";

/// An attribute that can say which session is meant (RFC 5176 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityAttribute {
    UserName,
    AcctSessionId,
    FramedIpAddress,
    FramedIpv6Prefix,
    CallingStationId,
    CalledStationId,
    NasPortId,
    NasIpAddress,
    NasIdentifier,
}

/// Attributes that are sent together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentitySet(ArrayVec<IdentityAttribute, { IdentityAttribute::ALL.len() }>);

/// Sets in the order in which they are tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityTemplate(ArrayVec<IdentitySet, SETS_MAX>);

/// What a session is of, where it changes how the router wants it named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    /// PPP and everything that is not known to be anything else.
    Other,
    Hotspot,
    /// The user name is the MAC address of the device: wireless, DHCP.
    Device,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    #[error("'{raw}' is not one of: {}", names())]
    Unknown { raw: String },
    #[error("{0} is named twice in one set")]
    Repeated(IdentityAttribute),
    #[error(
        "'{raw}' would mean every session of a user or of a router: add Acct-Session-Id, Framed-IP-Address, Framed-IPv6-Prefix or Calling-Station-Id"
    )]
    Ambiguous { raw: String },
    #[error("there are more than {SETS_MAX} sets: write fewer, with ';' between them")]
    TooMany,
}

impl IdentityAttribute {
    pub const ALL: [Self; 9] = [
        Self::UserName,
        Self::AcctSessionId,
        Self::FramedIpAddress,
        Self::FramedIpv6Prefix,
        Self::CallingStationId,
        Self::CalledStationId,
        Self::NasPortId,
        Self::NasIpAddress,
        Self::NasIdentifier,
    ];

    /// The name in RFC 2865, 2866, 2869 and 3162.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserName => "User-Name",
            Self::AcctSessionId => "Acct-Session-Id",
            Self::FramedIpAddress => "Framed-IP-Address",
            Self::FramedIpv6Prefix => "Framed-IPv6-Prefix",
            Self::CallingStationId => "Calling-Station-Id",
            Self::CalledStationId => "Called-Station-Id",
            Self::NasPortId => "NAS-Port-Id",
            Self::NasIpAddress => "NAS-IP-Address",
            Self::NasIdentifier => "NAS-Identifier",
        }
    }

    /// Whether it tells one session of a user from the others.
    const fn is_distinguishing(self) -> bool {
        match self {
            Self::AcctSessionId
            | Self::FramedIpAddress
            | Self::FramedIpv6Prefix
            | Self::CallingStationId => true,
            Self::UserName
            | Self::CalledStationId
            | Self::NasPortId
            | Self::NasIpAddress
            | Self::NasIdentifier => false,
        }
    }

    /// Whether it can be said of this session.
    fn is_known_of(self, session: &Session) -> bool {
        let place = &session.place;
        match self {
            Self::UserName => !session.username.is_empty(),
            Self::AcctSessionId => !place.acct_session_id.is_empty(),
            Self::FramedIpAddress => place.framed_ipv4.is_some(),
            Self::FramedIpv6Prefix => place.framed_ipv6_prefix.is_some(),
            Self::CallingStationId => place.calling_station.is_some(),
            Self::CalledStationId => place.called_station.is_some(),
            Self::NasPortId => place.nas_port.is_some(),
            // What is not known of the router is left out when the request is written.
            Self::NasIpAddress | Self::NasIdentifier => true,
        }
    }
}

impl IdentitySet {
    pub fn attributes(&self) -> &[IdentityAttribute] {
        &self.0
    }

    fn new(attributes: &[IdentityAttribute]) -> Self {
        Self(attributes.iter().copied().collect())
    }

    /// What of the set can be said of the session, if that is enough to mean it alone.
    fn of(&self, session: &Session) -> Option<Self> {
        let known = self.0.iter().copied();
        let known: ArrayVec<_, _> = known.filter(|one| one.is_known_of(session)).collect();
        let is_enough = known.iter().any(|one| one.is_distinguishing());
        is_enough.then_some(Self(known))
    }
}

impl IdentityTemplate {
    /// What routers of a vendor want for a session like this.
    ///
    /// RouterOS has no documented list; what is known to work there are two attributes or more, for
    /// the hotspot with the address among them.
    pub fn usual(vendor: Vendor, session: &Session) -> Self {
        use IdentityAttribute::{AcctSessionId, CallingStationId, FramedIpAddress, UserName};
        let sets: &[&[IdentityAttribute]] = match (vendor, Service::of(vendor, session)) {
            (Vendor::Mikrotik, Service::Other) => &[
                &[UserName, AcctSessionId, FramedIpAddress],
                &[UserName, FramedIpAddress],
                &[UserName, AcctSessionId],
            ],
            (Vendor::Mikrotik, Service::Hotspot) => &[
                &[UserName, FramedIpAddress, AcctSessionId],
                &[UserName, FramedIpAddress],
                &[UserName, FramedIpAddress, CallingStationId],
            ],
            (Vendor::Mikrotik, Service::Device) => &[
                &[UserName, AcctSessionId, FramedIpAddress],
                &[UserName, CallingStationId],
                &[UserName, FramedIpAddress],
            ],
            (Vendor::Cisco, Service::Other | Service::Hotspot | Service::Device) => &[
                &[AcctSessionId],
                &[UserName, AcctSessionId],
                &[UserName, CallingStationId],
            ],
            (
                Vendor::Wispr | Vendor::Generic,
                Service::Other | Service::Hotspot | Service::Device,
            ) => &[
                &[UserName, AcctSessionId, FramedIpAddress, CallingStationId],
                &[UserName, AcctSessionId],
                &[AcctSessionId],
            ],
        };
        Self(sets.iter().map(|set| IdentitySet::new(set)).collect())
    }

    /// The sets that mean this session alone, without what is not known of it; each once.
    pub fn of(&self, session: &Session) -> ArrayVec<IdentitySet, SETS_MAX> {
        let mut sets = ArrayVec::new();
        for set in self.0.iter().filter_map(|set| set.of(session)) {
            if !sets.contains(&set) {
                sets.push(set);
            }
        }
        sets
    }
}

impl Service {
    fn of(vendor: Vendor, session: &Session) -> Self {
        if Mac::from_wire(session.username.as_bytes()).is_some() {
            return Self::Device;
        }
        let id = session.place.acct_session_id.as_str();
        match vendor {
            Vendor::Mikrotik if id.starts_with(MIKROTIK_HOTSPOT_PREFIX) => Self::Hotspot,
            Vendor::Mikrotik | Vendor::Cisco | Vendor::Wispr | Vendor::Generic => Self::Other,
        }
    }
}

fn names() -> String {
    IdentityAttribute::ALL
        .map(IdentityAttribute::as_str)
        .join(", ")
}

impl fmt::Display for IdentityAttribute {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for IdentityAttribute {
    type Err = IdentityError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|one| one.as_str().eq_ignore_ascii_case(raw))
            .ok_or_else(|| IdentityError::Unknown { raw: raw.into() })
    }
}

impl fmt::Display for IdentitySet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, attribute) in self.0.iter().enumerate() {
            if index != 0 {
                formatter.write_str(",")?;
            }
            attribute.fmt(formatter)?;
        }
        Ok(())
    }
}

impl FromStr for IdentitySet {
    type Err = IdentityError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let mut set = ArrayVec::new();
        for word in raw.split(',') {
            let attribute = word.trim().parse()?;
            if set.contains(&attribute) {
                return Err(IdentityError::Repeated(attribute));
            }
            set.push(attribute);
        }
        if set.iter().any(|one| one.is_distinguishing()) {
            Ok(Self(set))
        } else {
            Err(IdentityError::Ambiguous {
                raw: raw.trim().into(),
            })
        }
    }
}

impl fmt::Display for IdentityTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, set) in self.0.iter().enumerate() {
            if index != 0 {
                formatter.write_str(";")?;
            }
            set.fmt(formatter)?;
        }
        Ok(())
    }
}

impl FromStr for IdentityTemplate {
    type Err = IdentityError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let mut sets = ArrayVec::new();
        for set in raw.split(';') {
            let set = set.parse()?;
            sets.try_push(set).map_err(|_| IdentityError::TooMany)?;
        }
        Ok(Self(sets))
    }
}

/// As an operator writes it.
impl Serialize for IdentityTemplate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests;
