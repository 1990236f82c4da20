//! Typed values of attributes: to and from octets, to and from text.

mod date;
mod text;

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use zeroize::Zeroizing;

use crate::avp::Avp;
use crate::data_type::DataType;

pub(crate) use text::octets;

/// A value of an attribute.
///
/// A value whose octets do not fit its type is kept as [`Value::Octets`], as RFC 6929 §2.8 asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `string`.
    Text(String),
    /// `octets`, and whatever did not fit its type.
    Octets(Vec<u8>),
    /// `byte`.
    Integer8(u8),
    /// `short`.
    Integer16(u16),
    /// `integer`.
    Integer32(u32),
    /// `integer64`.
    Integer64(u64),
    /// `signed`.
    Signed32(i32),
    /// `date`: seconds since 1970 UTC.
    Date(u32),
    /// `ipaddr`.
    Ipv4Address(Ipv4Addr),
    /// `ipv4prefix`: address with the bits after the length cleared, length in bits.
    Ipv4Prefix(Ipv4Addr, u8),
    /// `ipv6addr`.
    Ipv6Address(Ipv6Addr),
    /// `ipv6prefix`: address with the bits after the length cleared, length in bits.
    Ipv6Prefix(Ipv6Addr, u8),
    /// `ifid`.
    InterfaceId([u8; 8]),
    /// `ether`.
    Ethernet([u8; 6]),
    /// `tlv`: the attributes inside.
    Tlv(Vec<Avp>),
    /// The plain octets of a secret; never printed.
    Secret(Secret),
    /// A hidden secret as it was on the wire, without its tag.
    Encrypted(Vec<u8>),
}

/// Octets that no output shows; wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Keeps the octets.
    #[must_use]
    pub fn new(octets: &[u8]) -> Self {
        Self(Zeroizing::new(octets.to_vec()))
    }

    /// The octets, for computing with them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// A text that is not a value of the type it was read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a value of type {data_type}: write {expected}")]
pub struct ValueError {
    /// The type.
    pub data_type: DataType,
    /// What is accepted.
    pub expected: &'static str,
}

impl Value {
    /// Reads the octets of a value; octets that do not fit the type, and those of containers, stay octets.
    #[must_use]
    pub fn decode(data_type: DataType, octets: &[u8]) -> Self {
        Self::decode_exact(data_type, octets).unwrap_or_else(|| Self::Octets(octets.to_vec()))
    }

    /// Reads a value from text in FreeRADIUS' form; `0x` and hexadecimal digits give octets for any type but text.
    ///
    /// # Errors
    /// Says what the type accepts; the text itself, which may be a secret, is not repeated.
    pub fn parse(data_type: DataType, text: &str) -> Result<Self, ValueError> {
        text::parse(data_type, text)
    }

    /// Appends the octets of the value. Nested attributes are the work of [`crate::avp`] and append nothing.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
            Self::Octets(octets) | Self::Encrypted(octets) => out.extend_from_slice(octets),
            Self::Secret(secret) => out.extend_from_slice(secret.expose()),
            Self::Integer8(number) => out.push(*number),
            Self::Integer16(number) => out.extend_from_slice(&number.to_be_bytes()),
            Self::Integer32(number) | Self::Date(number) => {
                out.extend_from_slice(&number.to_be_bytes())
            }
            Self::Integer64(number) => out.extend_from_slice(&number.to_be_bytes()),
            Self::Signed32(number) => out.extend_from_slice(&number.to_be_bytes()),
            Self::Ipv4Address(address) => out.extend_from_slice(&address.octets()),
            Self::Ipv6Address(address) => out.extend_from_slice(&address.octets()),
            Self::Ipv4Prefix(address, length_bits) => {
                out.extend_from_slice(&[0, *length_bits]);
                out.extend_from_slice(&address.octets());
            }
            Self::Ipv6Prefix(address, length_bits) => {
                out.extend_from_slice(&[0, *length_bits]);
                out.extend_from_slice(&address.octets()[..usize::from(length_bits.div_ceil(8))]);
            }
            Self::InterfaceId(octets) => out.extend_from_slice(octets),
            Self::Ethernet(octets) => out.extend_from_slice(octets),
            Self::Tlv(_) => {}
        }
    }

    /// An IPv4 prefix with the bits after the length cleared; `None` when the length is above 32.
    #[must_use]
    pub fn ipv4_prefix(address: Ipv4Addr, length_bits: u8) -> Option<Self> {
        let host_bits = 32_u32.checked_sub(u32::from(length_bits))?;
        let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
        Some(Self::Ipv4Prefix(
            Ipv4Addr::from_bits(address.to_bits() & mask),
            length_bits,
        ))
    }

    /// An IPv6 prefix with the bits after the length cleared; `None` when the length is above 128.
    #[must_use]
    pub fn ipv6_prefix(address: Ipv6Addr, length_bits: u8) -> Option<Self> {
        let host_bits = 128_u32.checked_sub(u32::from(length_bits))?;
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        Some(Self::Ipv6Prefix(
            Ipv6Addr::from_bits(address.to_bits() & mask),
            length_bits,
        ))
    }

    /// The number, for the unsigned integer types and dates.
    #[must_use]
    pub const fn as_number(&self) -> Option<u64> {
        match self {
            Self::Integer8(number) => Some(*number as u64),
            Self::Integer16(number) => Some(*number as u64),
            Self::Integer32(number) | Self::Date(number) => Some(*number as u64),
            Self::Integer64(number) => Some(*number),
            Self::Text(_)
            | Self::Octets(_)
            | Self::Signed32(_)
            | Self::Ipv4Address(_)
            | Self::Ipv4Prefix(..)
            | Self::Ipv6Address(_)
            | Self::Ipv6Prefix(..)
            | Self::InterfaceId(_)
            | Self::Ethernet(_)
            | Self::Tlv(_)
            | Self::Secret(_)
            | Self::Encrypted(_) => None,
        }
    }

    /// Whether this is what a well-formed value of the type decodes to.
    #[must_use]
    pub const fn fits(&self, data_type: DataType) -> bool {
        match self {
            Self::Text(_) => matches!(data_type, DataType::Text),
            Self::Octets(_) => matches!(data_type, DataType::Octets),
            Self::Integer8(_) => matches!(data_type, DataType::Integer8),
            Self::Integer16(_) => matches!(data_type, DataType::Integer16),
            Self::Integer32(_) => matches!(data_type, DataType::Integer32),
            Self::Integer64(_) => matches!(data_type, DataType::Integer64),
            Self::Signed32(_) => matches!(data_type, DataType::Signed32),
            Self::Date(_) => matches!(data_type, DataType::Date),
            Self::Ipv4Address(_) => {
                matches!(data_type, DataType::Ipv4Address | DataType::ComboAddress)
            }
            Self::Ipv6Address(_) => {
                matches!(data_type, DataType::Ipv6Address | DataType::ComboAddress)
            }
            Self::Ipv4Prefix(..) => matches!(data_type, DataType::Ipv4Prefix),
            Self::Ipv6Prefix(..) => matches!(data_type, DataType::Ipv6Prefix),
            Self::InterfaceId(_) => matches!(data_type, DataType::InterfaceId),
            Self::Ethernet(_) => matches!(data_type, DataType::Ethernet),
            Self::Tlv(_) => matches!(data_type, DataType::Tlv),
            Self::Secret(_) | Self::Encrypted(_) => !data_type.is_container(),
        }
    }

    fn decode_exact(data_type: DataType, octets: &[u8]) -> Option<Self> {
        Some(match data_type {
            DataType::Text => Self::Text(std::str::from_utf8(octets).ok()?.to_owned()),
            DataType::Integer8 => Self::Integer8(u8::from_be_bytes(octets.try_into().ok()?)),
            DataType::Integer16 => Self::Integer16(u16::from_be_bytes(octets.try_into().ok()?)),
            DataType::Integer32 => Self::Integer32(u32::from_be_bytes(octets.try_into().ok()?)),
            DataType::Integer64 => Self::Integer64(u64::from_be_bytes(octets.try_into().ok()?)),
            DataType::Signed32 => Self::Signed32(i32::from_be_bytes(octets.try_into().ok()?)),
            DataType::Date => Self::Date(u32::from_be_bytes(octets.try_into().ok()?)),
            DataType::Ipv4Address => Self::Ipv4Address(<[u8; 4]>::try_from(octets).ok()?.into()),
            DataType::Ipv6Address => Self::Ipv6Address(<[u8; 16]>::try_from(octets).ok()?.into()),
            DataType::ComboAddress if octets.len() == 4 => {
                Self::decode_exact(DataType::Ipv4Address, octets)?
            }
            DataType::ComboAddress => Self::decode_exact(DataType::Ipv6Address, octets)?,
            DataType::Ipv4Prefix => decode_ipv4_prefix(octets)?,
            DataType::Ipv6Prefix => decode_ipv6_prefix(octets)?,
            DataType::InterfaceId => Self::InterfaceId(octets.try_into().ok()?),
            DataType::Ethernet => Self::Ethernet(octets.try_into().ok()?),
            DataType::Octets
            | DataType::Tlv
            | DataType::Vsa
            | DataType::Extended
            | DataType::LongExtended
            | DataType::ExtendedVendorSpecific => return None,
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::format(self, formatter)
    }
}

fn decode_ipv4_prefix(octets: &[u8]) -> Option<Value> {
    let [_reserved, length_bits, address @ ..] = octets else {
        return None;
    };
    Value::ipv4_prefix(<[u8; 4]>::try_from(address).ok()?.into(), *length_bits)
}

fn decode_ipv6_prefix(octets: &[u8]) -> Option<Value> {
    let [_reserved, length_bits, prefix @ ..] = octets else {
        return None;
    };
    if prefix.len() * 8 < usize::from(*length_bits) {
        return None;
    }
    let mut address = [0; 16];
    address.get_mut(..prefix.len())?.copy_from_slice(prefix);
    Value::ipv6_prefix(address.into(), *length_bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(data_type: DataType, octets: &[u8], expected: &Value, printed: &str) {
        let value = Value::decode(data_type, octets);
        assert_eq!(&value, expected);
        assert_eq!(value.to_string(), printed);
        let mut encoded = Vec::new();
        value.encode(&mut encoded);
        assert_eq!(encoded, octets);
    }

    #[track_caller]
    fn check_kept_raw(data_type: DataType, octets: &[u8]) {
        assert_eq!(
            Value::decode(data_type, octets),
            Value::Octets(octets.to_vec())
        );
    }

    #[test]
    fn every_type_round_trips() {
        check(DataType::Text, b"bob", &Value::Text("bob".into()), "bob");
        check(
            DataType::Octets,
            &[0, 0xff],
            &Value::Octets(vec![0, 0xff]),
            "0x00ff",
        );
        check(DataType::Integer8, &[7], &Value::Integer8(7), "7");
        check(DataType::Integer16, &[1, 0], &Value::Integer16(256), "256");
        check(
            DataType::Integer32,
            &[0, 0, 1, 0],
            &Value::Integer32(256),
            "256",
        );
        check(
            DataType::Integer64,
            &[0, 0, 0, 1, 0, 0, 0, 0],
            &Value::Integer64(1 << 32),
            "4294967296",
        );
        check(DataType::Signed32, &[0xff; 4], &Value::Signed32(-1), "-1");
        check(
            DataType::Date,
            &[0x4a, 0xb1, 0x5d, 0x00],
            &Value::Date(1_253_137_664),
            "Sep 16 2009 21:47:44 UTC",
        );
        check(
            DataType::Ipv4Address,
            &[10, 0, 0, 1],
            &Value::Ipv4Address([10, 0, 0, 1].into()),
            "10.0.0.1",
        );
        check(
            DataType::ComboAddress,
            &[10, 0, 0, 1],
            &Value::Ipv4Address([10, 0, 0, 1].into()),
            "10.0.0.1",
        );
        check(
            DataType::ComboAddress,
            &[0; 16],
            &Value::Ipv6Address(Ipv6Addr::UNSPECIFIED),
            "::",
        );
        check(
            DataType::Ipv4Prefix,
            &[0, 8, 10, 0, 0, 0],
            &Value::Ipv4Prefix([10, 0, 0, 0].into(), 8),
            "10.0.0.0/8",
        );
        check(
            DataType::Ipv6Prefix,
            &[0, 48, 0x20, 1, 0x0d, 0xb8, 0, 1],
            &Value::Ipv6Prefix("2001:db8:1::".parse().expect("address"), 48),
            "2001:db8:1::/48",
        );
        check(
            DataType::InterfaceId,
            &[0, 1, 2, 3, 4, 5, 6, 0xff],
            &Value::InterfaceId([0, 1, 2, 3, 4, 5, 6, 0xff]),
            "1:203:405:6ff",
        );
        check(
            DataType::Ethernet,
            &[0, 1, 2, 3, 4, 0xff],
            &Value::Ethernet([0, 1, 2, 3, 4, 0xff]),
            "00:01:02:03:04:ff",
        );
    }

    #[test]
    fn octets_that_do_not_fit_are_kept() {
        check_kept_raw(DataType::Text, &[0xff]);
        check_kept_raw(DataType::Integer8, &[]);
        check_kept_raw(DataType::Integer32, &[0, 0, 1]);
        check_kept_raw(DataType::Integer64, &[0; 4]);
        check_kept_raw(DataType::Ipv4Address, &[0; 5]);
        check_kept_raw(DataType::ComboAddress, &[0; 8]);
        check_kept_raw(DataType::Ipv4Prefix, &[0, 33, 10, 0, 0, 0]);
        check_kept_raw(DataType::Ipv6Prefix, &[0, 129]);
        check_kept_raw(DataType::Ipv6Prefix, &[0, 64, 0x20, 1]);
        check_kept_raw(DataType::Ipv6Prefix, &[0; 19]);
        check_kept_raw(DataType::InterfaceId, &[0; 7]);
        check_kept_raw(DataType::Ethernet, &[0; 8]);
    }

    #[test]
    fn prefix_bits_after_the_length_are_cleared() {
        assert_eq!(
            Value::decode(DataType::Ipv4Prefix, &[0, 8, 10, 1, 2, 3]).to_string(),
            "10.0.0.0/8"
        );
        assert_eq!(
            Value::decode(DataType::Ipv6Prefix, &[0, 0]).to_string(),
            "::/0"
        );
    }

    #[test]
    fn secrets_are_not_printed() {
        let value = Value::Secret(Secret::new(b"hello"));
        assert!(!format!("{value} {value:?}").contains("hello"));
        assert!(!format!("{value:?}").contains("104"));
    }
}
