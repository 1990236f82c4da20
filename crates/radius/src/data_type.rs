//! The data types of attribute values and their names in dictionary files.

use std::fmt;

/// How the octets of a value are read (RFC 8044 §3, RFC 6929 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataType {
    /// UTF-8 text (RFC 8044 §3.4).
    Text,
    /// Opaque octets (RFC 8044 §3.5); also everything whose inner form is not known.
    Octets,
    /// One octet, unsigned.
    Integer8,
    /// Two octets, unsigned.
    Integer16,
    /// Four octets, unsigned (RFC 8044 §3.1); the usual counter and enumeration.
    Integer32,
    /// Eight octets, unsigned (RFC 8044 §3.2).
    Integer64,
    /// Four octets, two's complement.
    Signed32,
    /// Seconds since 1970 in four octets (RFC 8044 §3.3).
    Date,
    /// IPv4 address (RFC 8044 §3.8).
    Ipv4Address,
    /// IPv4 prefix: reserved octet, length in bits, four octets (RFC 8044 §3.11).
    Ipv4Prefix,
    /// IPv6 address (RFC 8044 §3.9).
    Ipv6Address,
    /// IPv6 prefix: reserved octet, length in bits, up to 16 octets (RFC 8044 §3.10).
    Ipv6Prefix,
    /// IPv4 or IPv6 address, told apart by its length.
    ComboAddress,
    /// IPv6 interface identifier, eight octets (RFC 8044 §3.7).
    InterfaceId,
    /// Ethernet address, six octets.
    Ethernet,
    /// Nested type-length-value attributes (RFC 6929 §2.3).
    Tlv,
    /// Vendor-Specific (RFC 2865 §5.26).
    Vsa,
    /// Extended-Type (RFC 6929 §2.1).
    Extended,
    /// Long-Extended-Type (RFC 6929 §2.2).
    LongExtended,
    /// Extended-Vendor-Specific (RFC 6929 §2.4).
    ExtendedVendorSpecific,
}

/// The names that dictionary files use, FreeRADIUS 3 names first; the first name of a type is the one we print.
///
/// Types that RADIUS does not carry, or whose fields are not described, are kept as octets.
const NAMES: [(&str, DataType); 45] = [
    ("string", DataType::Text),
    ("text", DataType::Text),
    ("octets", DataType::Octets),
    ("abinary", DataType::Octets),
    ("struct", DataType::Octets),
    ("group", DataType::Octets),
    ("union", DataType::Octets),
    ("attribute", DataType::Octets),
    ("size", DataType::Octets),
    ("int8", DataType::Octets),
    ("int16", DataType::Octets),
    ("int64", DataType::Octets),
    ("float32", DataType::Octets),
    ("float64", DataType::Octets),
    ("decimal", DataType::Octets),
    ("combo-prefix", DataType::Octets),
    ("byte", DataType::Integer8),
    ("uint8", DataType::Integer8),
    ("bool", DataType::Integer8),
    ("short", DataType::Integer16),
    ("uint16", DataType::Integer16),
    ("integer", DataType::Integer32),
    ("uint32", DataType::Integer32),
    ("time_delta", DataType::Integer32),
    ("integer64", DataType::Integer64),
    ("uint64", DataType::Integer64),
    ("signed", DataType::Signed32),
    ("int32", DataType::Signed32),
    ("date", DataType::Date),
    ("ipaddr", DataType::Ipv4Address),
    ("ipv4addr", DataType::Ipv4Address),
    ("ipv4prefix", DataType::Ipv4Prefix),
    ("ipv6addr", DataType::Ipv6Address),
    ("ipv6prefix", DataType::Ipv6Prefix),
    ("combo-ip", DataType::ComboAddress),
    ("combo_ip", DataType::ComboAddress),
    ("ifid", DataType::InterfaceId),
    ("ether", DataType::Ethernet),
    ("ethernet", DataType::Ethernet),
    ("tlv", DataType::Tlv),
    ("vsa", DataType::Vsa),
    ("vendor", DataType::Vsa),
    ("extended", DataType::Extended),
    ("long-extended", DataType::LongExtended),
    ("evs", DataType::ExtendedVendorSpecific),
];

impl DataType {
    /// Finds a type by a name of FreeRADIUS 3 or 4, in any letter case.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .find(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
            .map(|(_, data_type)| *data_type)
    }

    /// The FreeRADIUS 3 name.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(_, candidate)| *candidate == self)
            .map(|(name, _)| *name)
            .expect("every type has a name")
    }

    /// Whether values are made of further attributes.
    #[must_use]
    pub const fn is_container(self) -> bool {
        matches!(
            self,
            Self::Tlv
                | Self::Vsa
                | Self::Extended
                | Self::LongExtended
                | Self::ExtendedVendorSpecific
        )
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Option<DataType>, printed: &str) {
        let actual = DataType::find(name);
        assert_eq!(actual, expected);
        assert_eq!(
            actual.map_or_else(String::new, |data_type| data_type.to_string()),
            printed
        );
    }

    #[test]
    fn names_of_both_generations_are_found() {
        check("string", Some(DataType::Text), "string");
        check("String", Some(DataType::Text), "string");
        check("uint32", Some(DataType::Integer32), "integer");
        check("ipv4addr", Some(DataType::Ipv4Address), "ipaddr");
        check("abinary", Some(DataType::Octets), "octets");
        check("evs", Some(DataType::ExtendedVendorSpecific), "evs");
        check("quaternion", None, "");
    }
}
