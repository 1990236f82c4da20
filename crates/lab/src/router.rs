//! The router that the lab plays, and the session on it, as RouterOS describes them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use radius::attribute::{kind, mikrotik, vendor};
use radius::writer::{PacketWriter, WriteError};
use serde::Serialize;

const SERVICE_TYPE_FRAMED: u32 = 2;
const FRAMED_PROTOCOL_PPP: u32 = 1;
const PORT_TYPE_ETHERNET: u32 = 15;
const PORT_TYPE_WIRELESS: u32 = 19;

/// The service that a subscriber dials into; it decides which attributes the router sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// PPP over Ethernet.
    #[default]
    Pppoe,
    /// A web login page.
    Hotspot,
}

/// A text that names no service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{raw}' is not a service: write pppoe or hotspot")]
pub struct ServiceError {
    raw: String,
}

/// What the router says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Router {
    /// NAS-Identifier.
    pub identifier: String,
    /// NAS-IP-Address or NAS-IPv6-Address.
    pub address: IpAddr,
    /// NAS-Port-Id: the interface the subscriber came in on.
    pub interface: String,
    /// Called-Station-Id: the PPPoE service or hotspot server.
    pub service_name: String,
}

/// One subscriber's session on the router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// Acct-Session-Id.
    pub(crate) session_id: String,
    /// NAS-Port.
    pub(crate) port: u32,
    /// Calling-Station-Id.
    pub(crate) calling_station: String,
    /// Framed-IP-Address.
    pub(crate) address: Ipv4Addr,
}

impl Default for Router {
    fn default() -> Self {
        Self {
            identifier: "lab".into(),
            address: Ipv4Addr::LOCALHOST.into(),
            interface: "ether2".into(),
            service_name: "service1".into(),
        }
    }
}

impl Router {
    /// Writes NAS-Identifier and the router's address, which every request carries.
    pub(crate) fn write(&self, writer: &mut PacketWriter<'_>) -> Result<(), WriteError> {
        writer.push_text(kind::NAS_IDENTIFIER, &self.identifier)?;
        match self.address {
            IpAddr::V4(address) => writer.push_ipv4(kind::NAS_IP_ADDRESS, address),
            IpAddr::V6(address) => writer.push_ipv6(kind::NAS_IPV6_ADDRESS, address),
        }
    }
}

impl Session {
    /// A session whose port, MAC address and address follow from its number.
    pub(crate) fn new(session_id: String, number: u32) -> Self {
        let [_, high, middle, low] = number.to_be_bytes();
        Self {
            session_id,
            port: 0x00f0_0000 | (number & 0xffff),
            calling_station: format!("02:00:5E:{high:02X}:{middle:02X}:{low:02X}"),
            address: Ipv4Addr::new(100, 64 | (high & 63), middle, low),
        }
    }

    /// Writes what Access-Request and Accounting-Request both say about the session.
    pub(crate) fn write(
        &self,
        writer: &mut PacketWriter<'_>,
        router: &Router,
        service: Service,
    ) -> Result<(), WriteError> {
        match service {
            Service::Pppoe => {
                writer.push_integer(kind::SERVICE_TYPE, SERVICE_TYPE_FRAMED)?;
                writer.push_integer(kind::FRAMED_PROTOCOL, FRAMED_PROTOCOL_PPP)?;
                writer.push_integer(kind::NAS_PORT_TYPE, PORT_TYPE_ETHERNET)?;
            }
            Service::Hotspot => writer.push_integer(kind::NAS_PORT_TYPE, PORT_TYPE_WIRELESS)?,
        }
        writer.push_integer(kind::NAS_PORT, self.port)?;
        writer.push_text(kind::NAS_PORT_ID, &router.interface)?;
        writer.push_text(kind::CALLING_STATION_ID, &self.calling_station)?;
        writer.push_text(kind::CALLED_STATION_ID, &router.service_name)?;
        writer.push_text(kind::ACCT_SESSION_ID, &self.session_id)
    }

    /// Writes the address that a hotspot client has before it logs in.
    pub(crate) fn write_hotspot_address(
        &self,
        writer: &mut PacketWriter<'_>,
    ) -> Result<(), WriteError> {
        writer.push_ipv4(kind::FRAMED_IP_ADDRESS, self.address)?;
        let octets = self.address.octets();
        writer.push_vendor(vendor::MIKROTIK, mikrotik::HOST_IP, &octets)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Pppoe => "pppoe",
            Self::Hotspot => "hotspot",
        })
    }
}

impl FromStr for Service {
    type Err = ServiceError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        match raw.to_ascii_lowercase().as_str() {
            "pppoe" => Ok(Self::Pppoe),
            "hotspot" => Ok(Self::Hotspot),
            _ => Err(ServiceError { raw: raw.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_reads_what_it_prints() {
        for service in [Service::Pppoe, Service::Hotspot] {
            assert_eq!(service.to_string().parse(), Ok(service));
        }
        assert!("dialup".parse::<Service>().is_err());
    }

    #[test]
    fn sessions_differ_by_number() {
        let first = Session::new("81000001".into(), 1);
        let other = Session::new("81010203".into(), 0x01_02_03);
        assert_eq!(first.calling_station, "02:00:5E:00:00:01");
        assert_eq!(other.calling_station, "02:00:5E:01:02:03");
        assert_eq!(first.address, Ipv4Addr::new(100, 64, 0, 1));
        assert_eq!(other.address, Ipv4Addr::new(100, 65, 2, 3));
    }
}
