//! Raw attributes: iteration, the numbers that access networks use, and plain value readers.

pub mod kind;

use std::net::{Ipv4Addr, Ipv6Addr};

/// One attribute of a packet, undecoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The Type field; the standard numbers are in [`kind`].
    pub kind: u8,
    /// The octets after Type and Length; at most 253.
    pub value: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// The vendor and its sub-attributes, when this is a Vendor-Specific attribute in the usual layout.
    ///
    /// One octet of type, one of length (RFC 2865 §5.26). Anything else, such as another vendor layout, gives `None`
    /// and stays the raw attribute it is.
    #[must_use]
    pub fn vendor(&self) -> Option<(u32, VendorAttributes<'a>)> {
        if self.kind != kind::VENDOR_SPECIFIC {
            return None;
        }
        let (vendor, payload) = self.value.split_first_chunk::<4>()?;
        if vendor[0] != 0 || payload.is_empty() {
            return None;
        }
        let attributes = VendorAttributes { rest: payload };
        let used: usize = attributes
            .clone()
            .map(|attribute| attribute.value.len() + 2)
            .sum();
        (used == payload.len()).then_some((u32::from_be_bytes(*vendor), attributes))
    }
}

/// The attributes of a packet in order.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    pub(crate) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, value, rest) = split_attribute(self.rest)?;
        self.rest = rest;
        Some(Attribute { kind, value })
    }
}

/// One vendor's sub-attribute, undecoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VendorAttribute<'a> {
    /// The vendor's own type number.
    pub kind: u8,
    /// The octets after type and length; at most 247.
    pub value: &'a [u8],
}

/// The sub-attributes of one Vendor-Specific attribute in order.
#[derive(Clone, Debug)]
pub struct VendorAttributes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for VendorAttributes<'a> {
    type Item = VendorAttribute<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, value, rest) = split_attribute(self.rest)?;
        self.rest = rest;
        Some(VendorAttribute { kind, value })
    }
}

fn split_attribute(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [kind, length, ..] = *octets else {
        return None;
    };
    let (attribute, rest) = octets.split_at_checked(usize::from(length))?;
    Some((kind, attribute.get(2..)?, rest))
}

/// Reads an `integer`, `enum` or `time` value: 4 octets (RFC 8044 §3.1).
#[must_use]
pub fn integer(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.try_into().ok()?))
}

/// Reads an `integer64` value: 8 octets (RFC 6929 §2.5).
#[must_use]
pub fn integer64(value: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(value.try_into().ok()?))
}

/// Reads an `ipv4addr` value: 4 octets (RFC 8044 §3.8).
#[must_use]
pub fn ipv4(value: &[u8]) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?))
}

/// Reads an `ipv6addr` value: 16 octets (RFC 8044 §3.9).
#[must_use]
pub fn ipv6(value: &[u8]) -> Option<Ipv6Addr> {
    Some(Ipv6Addr::from(<[u8; 16]>::try_from(value).ok()?))
}

/// Reads an `ipv6prefix` value: reserved octet, length in bits, prefix (RFC 3162 §2.3).
///
/// Bits after the length are cleared.
#[must_use]
pub fn ipv6_prefix(value: &[u8]) -> Option<(Ipv6Addr, u8)> {
    let [_reserved, length_bits, ref prefix @ ..] = *value else {
        return None;
    };
    if 128 < length_bits || 16 < prefix.len() || prefix.len() * 8 < usize::from(length_bits) {
        return None;
    }
    let mut octets = [0; 16];
    octets[..prefix.len()].copy_from_slice(prefix);
    let mask = u128::MAX
        .checked_shl(128 - u32::from(length_bits))
        .unwrap_or(0);
    Some((
        Ipv6Addr::from_bits(u128::from_be_bytes(octets) & mask),
        length_bits,
    ))
}

/// Reads a `text` value: UTF-8 (RFC 8044 §3.4).
#[must_use]
pub fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok()
}

/// Reads a `text` value without control characters.
#[must_use]
pub fn printable(value: &[u8]) -> Option<&str> {
    let text = text(value)?;
    let is_plain = value.iter().all(|octet| (0x20..0x7f).contains(octet));
    (is_plain || !text.contains(char::is_control)).then_some(text)
}

/// Private enterprise numbers of the vendors whose attributes access networks use.
pub mod vendor {
    /// Cisco.
    pub const CISCO: u32 = 9;
    /// Microsoft.
    pub const MICROSOFT: u32 = 311;
    /// US Robotics.
    pub const US_ROBOTICS: u32 = 429;
    /// Ascend.
    pub const ASCEND: u32 = 529;
    /// Huawei.
    pub const HUAWEI: u32 = 2011;
    /// Redback (Ericsson).
    pub const REDBACK: u32 = 2352;
    /// Juniper Networks.
    pub const JUNIPER: u32 = 2636;
    /// Broadband Forum, formerly DSL Forum (RFC 4679).
    pub const DSL_FORUM: u32 = 3561;
    /// ZTE.
    pub const ZTE: u32 = 3902;
    /// Juniper ERX (Unisphere).
    pub const ERX: u32 = 4874;
    /// Nokia (Alcatel-Lucent, formerly TiMetra) SROS.
    pub const NOKIA: u32 = 6527;
    /// FreeRADIUS.
    pub const FREERADIUS: u32 = 11344;
    /// Wi-Fi Alliance WISPr.
    pub const WISPR: u32 = 14122;
    /// Aruba.
    pub const ARUBA: u32 = 14823;
    /// ChilliSpot and CoovaChilli.
    pub const CHILLISPOT: u32 = 14559;
    /// MikroTik.
    pub const MIKROTIK: u32 = 14988;
    /// Cambium.
    pub const CAMBIUM: u32 = 17713;
    /// Ruckus.
    pub const RUCKUS: u32 = 25053;
    /// H3C.
    pub const H3C: u32 = 25506;
    /// Ubiquiti.
    pub const UBIQUITI: u32 = 41112;
}

/// Microsoft's sub-attributes ([`vendor::MICROSOFT`]).
pub mod microsoft {
    /// MS-CHAP-Response (RFC 2548 §2.1.3, MS-CHAP version 1).
    pub const MS_CHAP_RESPONSE: u8 = 1;
    /// MS-CHAP-Error (RFC 2548 §2.1.5).
    pub const MS_CHAP_ERROR: u8 = 2;
    /// MS-MPPE-Encryption-Policy (RFC 2548 §2.4.4).
    pub const MS_MPPE_ENCRYPTION_POLICY: u8 = 7;
    /// MS-MPPE-Encryption-Types (RFC 2548 §2.4.5).
    pub const MS_MPPE_ENCRYPTION_TYPES: u8 = 8;
    /// MS-CHAP-Domain (RFC 2548 §2.1.4).
    pub const MS_CHAP_DOMAIN: u8 = 10;
    /// MS-CHAP-Challenge (RFC 2548 §2.1.2).
    pub const MS_CHAP_CHALLENGE: u8 = 11;
    /// MS-CHAP-MPPE-Keys (RFC 2548 §2.4.1).
    pub const MS_CHAP_MPPE_KEYS: u8 = 12;
    /// MS-MPPE-Send-Key (RFC 2548 §2.4.2).
    pub const MS_MPPE_SEND_KEY: u8 = 16;
    /// MS-MPPE-Recv-Key (RFC 2548 §2.4.3).
    pub const MS_MPPE_RECV_KEY: u8 = 17;
    /// MS-CHAP2-Response (RFC 2548 §2.3.2).
    pub const MS_CHAP2_RESPONSE: u8 = 25;
    /// MS-CHAP2-Success (RFC 2548 §2.3.3).
    pub const MS_CHAP2_SUCCESS: u8 = 26;
    /// MS-Primary-DNS-Server (RFC 2548 §2.7.1).
    pub const MS_PRIMARY_DNS_SERVER: u8 = 28;
    /// MS-Secondary-DNS-Server (RFC 2548 §2.7.2).
    pub const MS_SECONDARY_DNS_SERVER: u8 = 29;
}

/// MikroTik's sub-attributes ([`vendor::MIKROTIK`]).
pub mod mikrotik {
    /// Mikrotik-Recv-Limit (octets from the subscriber, low 32 bits).
    pub const RECV_LIMIT: u8 = 1;
    /// Mikrotik-Xmit-Limit (octets to the subscriber, low 32 bits).
    pub const XMIT_LIMIT: u8 = 2;
    /// Mikrotik-Group.
    pub const GROUP: u8 = 3;
    /// Mikrotik-Wireless-Forward.
    pub const WIRELESS_FORWARD: u8 = 4;
    /// Mikrotik-Wireless-Skip-DOT1X.
    pub const WIRELESS_SKIP_DOT1X: u8 = 5;
    /// Mikrotik-Wireless-ENC-Algo.
    pub const WIRELESS_ENC_ALGO: u8 = 6;
    /// Mikrotik-Wireless-ENC-Key.
    pub const WIRELESS_ENC_KEY: u8 = 7;
    /// Mikrotik-Rate-Limit.
    pub const RATE_LIMIT: u8 = 8;
    /// Mikrotik-Realm.
    pub const REALM: u8 = 9;
    /// Mikrotik-Host-IP.
    pub const HOST_IP: u8 = 10;
    /// Mikrotik-Mark-ID.
    pub const MARK_ID: u8 = 11;
    /// Mikrotik-Advertise-URL.
    pub const ADVERTISE_URL: u8 = 12;
    /// Mikrotik-Advertise-Interval.
    pub const ADVERTISE_INTERVAL: u8 = 13;
    /// Mikrotik-Recv-Limit-Gigawords (high 32 bits).
    pub const RECV_LIMIT_GIGAWORDS: u8 = 14;
    /// Mikrotik-Xmit-Limit-Gigawords (high 32 bits).
    pub const XMIT_LIMIT_GIGAWORDS: u8 = 15;
    /// Mikrotik-Wireless-PSK.
    pub const WIRELESS_PSK: u8 = 16;
    /// Mikrotik-Total-Limit (octets both ways, low 32 bits).
    pub const TOTAL_LIMIT: u8 = 17;
    /// Mikrotik-Total-Limit-Gigawords (high 32 bits).
    pub const TOTAL_LIMIT_GIGAWORDS: u8 = 18;
    /// Mikrotik-Address-List.
    pub const ADDRESS_LIST: u8 = 19;
    /// Mikrotik-Wireless-Mpkey.
    pub const WIRELESS_MPKEY: u8 = 20;
    /// Mikrotik-Wireless-Comment.
    pub const WIRELESS_COMMENT: u8 = 21;
    /// Mikrotik-Delegated-IPv6-Pool.
    pub const DELEGATED_IPV6_POOL: u8 = 22;
    /// Mikrotik-DHCP-Option-Set.
    pub const DHCP_OPTION_SET: u8 = 23;
    /// Mikrotik-DHCP-Option-Param-Str1.
    pub const DHCP_OPTION_PARAM_STR1: u8 = 24;
    /// Mikrotik-DHCP-Option-Param-Str2.
    pub const DHCP_OPTION_PARAM_STR2: u8 = 25;
    /// Mikrotik-Wireless-VLANID.
    pub const WIRELESS_VLANID: u8 = 26;
    /// Mikrotik-Wireless-VLANID-Type.
    pub const WIRELESS_VLANID_TYPE: u8 = 27;
    /// Mikrotik-Wireless-Minsignal.
    pub const WIRELESS_MINSIGNAL: u8 = 28;
    /// Mikrotik-Wireless-Maxsignal.
    pub const WIRELESS_MAXSIGNAL: u8 = 29;
    /// Mikrotik-Switching-Filter.
    pub const SWITCHING_FILTER: u8 = 30;
}

/// WISPr's sub-attributes ([`vendor::WISPR`]).
pub mod wispr {
    /// WISPr-Location-ID.
    pub const LOCATION_ID: u8 = 1;
    /// WISPr-Location-Name.
    pub const LOCATION_NAME: u8 = 2;
    /// WISPr-Logoff-URL.
    pub const LOGOFF_URL: u8 = 3;
    /// WISPr-Redirection-URL.
    pub const REDIRECTION_URL: u8 = 4;
    /// WISPr-Bandwidth-Min-Up (bit/s).
    pub const BANDWIDTH_MIN_UP: u8 = 5;
    /// WISPr-Bandwidth-Min-Down (bit/s).
    pub const BANDWIDTH_MIN_DOWN: u8 = 6;
    /// WISPr-Bandwidth-Max-Up (bit/s).
    pub const BANDWIDTH_MAX_UP: u8 = 7;
    /// WISPr-Bandwidth-Max-Down (bit/s).
    pub const BANDWIDTH_MAX_DOWN: u8 = 8;
    /// WISPr-Session-Terminate-Time.
    pub const SESSION_TERMINATE_TIME: u8 = 9;
    /// WISPr-Session-Terminate-End-Of-Day.
    pub const SESSION_TERMINATE_END_OF_DAY: u8 = 10;
    /// WISPr-Billing-Class-Of-Service.
    pub const BILLING_CLASS_OF_SERVICE: u8 = 11;
}

/// The sub-attributes of ChilliSpot and CoovaChilli ([`vendor::CHILLISPOT`]).
pub mod chillispot {
    /// ChilliSpot-Max-Input-Octets (octets from the subscriber, low 32 bits).
    pub const MAX_INPUT_OCTETS: u8 = 1;
    /// ChilliSpot-Max-Output-Octets (octets to the subscriber, low 32 bits).
    pub const MAX_OUTPUT_OCTETS: u8 = 2;
    /// ChilliSpot-Max-Total-Octets (octets in both directions, low 32 bits).
    pub const MAX_TOTAL_OCTETS: u8 = 3;
    /// ChilliSpot-Max-Input-Gigawords (high 32 bits).
    pub const MAX_INPUT_GIGAWORDS: u8 = 21;
    /// ChilliSpot-Max-Output-Gigawords (high 32 bits).
    pub const MAX_OUTPUT_GIGAWORDS: u8 = 22;
    /// ChilliSpot-Max-Total-Gigawords (high 32 bits).
    pub const MAX_TOTAL_GIGAWORDS: u8 = 23;
}

/// Cisco's sub-attributes ([`vendor::CISCO`]).
pub mod cisco {
    /// Cisco-AVPair: `protocol:attribute=value` as text.
    pub const AVPAIR: u8 = 1;
    /// Cisco-NAS-Port.
    pub const NAS_PORT: u8 = 2;
    /// Cisco-Account-Info: service activation on a BNG.
    pub const ACCOUNT_INFO: u8 = 250;
    /// Cisco-Service-Info.
    pub const SERVICE_INFO: u8 = 251;
    /// Cisco-Command-Code.
    pub const COMMAND_CODE: u8 = 252;
    /// Cisco-Control-Info.
    pub const CONTROL_INFO: u8 = 253;
}
