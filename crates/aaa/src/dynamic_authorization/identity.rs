//! The attributes that tell a router which of its sessions is meant, and where the router is.

use std::net::{IpAddr, SocketAddr};

use arrayvec::ArrayVec;
use compact_str::{CompactString, format_compact};
use domain::mac::Mac;
use domain::nas::{Nas, Vendor};
use domain::session::Session;
use domain::session_identity::{IdentityAttribute, IdentitySet, IdentityTemplate, SETS_MAX};
use radius::attribute::kind;
use radius::writer::{PacketWriter, WriteError};

/// The sets of attributes that mean this session and no other one, in the order in which this router
/// is asked.
pub(super) fn sets_of(nas: &Nas, session: &Session) -> ArrayVec<IdentitySet, SETS_MAX> {
    match &nas.settings.coa_identity {
        Some(template) => template.of(session),
        None => IdentityTemplate::usual(nas.settings.vendor, session).of(session),
    }
}

/// Where the router listens that holds this session.
pub(super) fn address_of(nas: &Nas, session: &Session) -> Option<SocketAddr> {
    let reported = session
        .place
        .nas_address
        .map(|address| address.to_canonical());
    let address = match reported {
        Some(address) if nas.source.contains(&address) => Some(address),
        // It moved since.
        Some(_) | None => nas.is_one_router().then(|| nas.source.addr()),
    };
    address.map(|address| SocketAddr::new(address, nas.settings.coa_port))
}

/// Writes the attributes of a set.
pub(super) fn write(
    writer: &mut PacketWriter<'_>,
    set: &IdentitySet,
    nas: &Nas,
    session: &Session,
) -> Result<(), WriteError> {
    for attribute in set.attributes() {
        write_one(writer, *attribute, nas, session)?;
    }
    Ok(())
}

fn write_one(
    writer: &mut PacketWriter<'_>,
    attribute: IdentityAttribute,
    nas: &Nas,
    session: &Session,
) -> Result<(), WriteError> {
    let place = &session.place;
    let text = |writer: &mut PacketWriter<'_>, kind, value: &Option<CompactString>| match value {
        Some(value) => writer.push_text(kind, value),
        None => Ok(()),
    };
    match attribute {
        IdentityAttribute::UserName => {
            let name = user_name(nas.settings.vendor, &session.username);
            writer.push_text(kind::USER_NAME, &name)
        }
        IdentityAttribute::AcctSessionId => {
            writer.push_text(kind::ACCT_SESSION_ID, &place.acct_session_id)
        }
        IdentityAttribute::FramedIpAddress => match place.framed_ipv4 {
            Some(address) => writer.push_ipv4(kind::FRAMED_IP_ADDRESS, address),
            None => Ok(()),
        },
        IdentityAttribute::FramedIpv6Prefix => match place.framed_ipv6_prefix {
            Some(net) => {
                writer.push_ipv6_prefix(kind::FRAMED_IPV6_PREFIX, net.addr(), net.prefix_len())
            }
            None => Ok(()),
        },
        IdentityAttribute::CallingStationId => {
            text(writer, kind::CALLING_STATION_ID, &place.calling_station)
        }
        IdentityAttribute::CalledStationId => {
            text(writer, kind::CALLED_STATION_ID, &place.called_station)
        }
        IdentityAttribute::NasPortId => text(writer, kind::NAS_PORT_ID, &place.nas_port),
        IdentityAttribute::NasIpAddress => match place.nas_address.map(|one| one.to_canonical()) {
            Some(IpAddr::V4(address)) => writer.push_ipv4(kind::NAS_IP_ADDRESS, address),
            Some(IpAddr::V6(address)) => writer.push_ipv6(kind::NAS_IPV6_ADDRESS, address),
            None => Ok(()),
        },
        IdentityAttribute::NasIdentifier => match &nas.settings.identifier {
            Some(identifier) => writer.push_text(kind::NAS_IDENTIFIER, identifier),
            None => Ok(()),
        },
    }
}

/// RouterOS knows a device that is its own user name by capital letters and colons.
fn user_name(vendor: Vendor, username: &str) -> CompactString {
    match (vendor, Mac::from_wire(username.as_bytes())) {
        (Vendor::Mikrotik, Some(mac)) => {
            let [a, b, c, d, e, f] = mac.as_bytes();
            format_compact!("{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{f:02X}")
        }
        (Vendor::Mikrotik | Vendor::Cisco | Vendor::Wispr | Vendor::Generic, _) => username.into(),
    }
}
