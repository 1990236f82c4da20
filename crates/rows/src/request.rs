//! What rows see of a request.

use std::cell::Cell;
use std::net::IpAddr;

use domain::time::Timestamp;
use radius::attribute::{kind, microsoft, vendor};
use radius::data_type::DataType;
use radius::packet::Packet;

use crate::attribute::{Attribute, Place, Role};

/// A request as rows see it: the packet, and what the server knows beside it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// The Access-Request.
    pub packet: &'r Packet<'r>,
    /// User-Name as it came.
    pub user_name: &'r [u8],
    /// User-Password in clear, when the request has one.
    pub password: Option<&'r [u8]>,
    /// Where the packet came from: Packet-Src-IP-Address, and NAS-IP-Address when the packet has none.
    pub source: IpAddr,
    /// When it came: Event-Timestamp when the packet has none.
    pub now: Timestamp,
    /// Set when rows look for something that the packet does not have but might have had: a packet that was put
    /// together afterwards does not say everything that a login said.
    pub gaps: Option<&'r Cell<bool>>,
}

/// One attribute of the request.
#[derive(Clone, Copy)]
pub(crate) struct Instance<'r> {
    pub(crate) tag: u8,
    pub(crate) octets: &'r [u8],
}

/// How the user offers to prove who they are, as FreeRADIUS' chap and mschap modules see it before rows are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) has_password: bool,
    pub(crate) has_chap: bool,
    pub(crate) has_ms_chap: bool,
}

impl<'r> Request<'r> {
    pub(crate) fn offer(&self) -> Offer {
        let has_vendor = |number| self.packet.find_vendor(vendor::MICROSOFT, number).is_some();
        Offer {
            has_password: self.password.is_some(),
            has_chap: self.packet.has(kind::CHAP_PASSWORD),
            has_ms_chap: self.packet.has(kind::VENDOR_SPECIFIC)
                && has_vendor(microsoft::MS_CHAP_CHALLENGE)
                && (has_vendor(microsoft::MS_CHAP_RESPONSE)
                    || has_vendor(microsoft::MS_CHAP2_RESPONSE)),
        }
    }

    /// Calls `visit` with each instance of the attribute in order, until it says that it has seen enough.
    pub(crate) fn visit(
        &self,
        attribute: &Attribute,
        mut visit: impl FnMut(Instance<'r>) -> bool,
    ) -> bool {
        let mut is_there = false;
        let is_enough = self.visit_known(attribute, |instance| {
            is_there = true;
            visit(instance)
        });
        if let Some(gaps) = self.gaps
            && !is_there
            && matches!(attribute.place, Place::Standard(_) | Place::Vendor { .. })
        {
            gaps.set(true);
        }
        is_enough
    }

    fn visit_known(
        &self,
        attribute: &Attribute,
        mut visit: impl FnMut(Instance<'r>) -> bool,
    ) -> bool {
        match attribute.place {
            Place::Standard(_) if attribute.role == Role::UserPassword => {
                let instance = self.password.map(|octets| Instance { tag: 0, octets });
                instance.is_some_and(&mut visit)
            }
            Place::Standard(number) => self
                .packet
                .find_all(number)
                .filter_map(|octets| instance(attribute, octets))
                .any(&mut visit),
            Place::Vendor { vendor, kind } => self
                .packet
                .attributes()
                .filter_map(|attribute| attribute.vendor())
                .filter(|(number, _)| *number == vendor)
                .flat_map(|(_, attributes)| attributes)
                .filter(|found| found.kind == kind)
                .filter_map(|found| instance(attribute, found.value))
                .any(&mut visit),
            Place::Deep(_) | Place::Internal(_) => false,
        }
    }

    /// What FreeRADIUS' preprocess adds to a packet: where it came from and when, unless the packet says so.
    pub(crate) fn added(&self, attribute: &Attribute) -> Option<[u8; 4]> {
        match attribute.place {
            Place::Standard(kind::NAS_IP_ADDRESS) if !self.packet.has(kind::NAS_IP_ADDRESS) => {
                match self.source.to_canonical() {
                    IpAddr::V4(address) => Some(address.octets()),
                    IpAddr::V6(_) => None,
                }
            }
            Place::Standard(kind::EVENT_TIMESTAMP) if !self.packet.has(kind::EVENT_TIMESTAMP) => {
                let seconds = u32::try_from(self.now.as_seconds()).unwrap_or_default();
                Some(seconds.to_be_bytes())
            }
            Place::Standard(_) | Place::Vendor { .. } | Place::Deep(_) | Place::Internal(_) => None,
        }
    }
}

/// The value without its tag; `None` when its size is not that of its type, and when it is empty.
fn instance<'r>(attribute: &Attribute, octets: &'r [u8]) -> Option<Instance<'r>> {
    let (tag, octets) = match octets {
        [] => return None,
        [tag, value @ ..] if attribute.has_tag && *tag <= radius::avp::TAG_MAX => (*tag, value),
        _ => (0, octets),
    };
    let length = octets.len();
    let is_whole = match fixed_octets(attribute.data_type) {
        Some(4) if attribute.has_tag => matches!(length, 3 | 4),
        Some(fixed) => fixed == length,
        None if attribute.data_type == DataType::Ipv6Prefix => (2..=18).contains(&length),
        None => true,
    };
    is_whole.then_some(Instance { tag, octets })
}

/// Octets of every value of a type of fixed size.
pub(crate) const fn fixed_octets(data_type: DataType) -> Option<usize> {
    Some(match data_type {
        DataType::Integer8 => 1,
        DataType::Integer16 => 2,
        DataType::Integer32 | DataType::Signed32 | DataType::Date | DataType::Ipv4Address => 4,
        DataType::Ipv4Prefix | DataType::Ethernet => 6,
        DataType::Integer64 | DataType::InterfaceId => 8,
        DataType::Ipv6Address => 16,
        DataType::Text
        | DataType::Octets
        | DataType::Ipv6Prefix
        | DataType::ComboAddress
        | DataType::Tlv
        | DataType::Vsa
        | DataType::Extended
        | DataType::LongExtended
        | DataType::ExtendedVendorSpecific => return None,
    })
}
