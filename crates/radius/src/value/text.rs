//! Values in FreeRADIUS' textual form.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Value, ValueError, date};
use crate::data_type::DataType;

/// Writes the bare value: no quotes, no enumeration names.
pub(super) fn format(value: &Value, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value {
        Value::Text(text) => formatter.write_str(text),
        Value::Octets(octets) | Value::Encrypted(octets) => format_octets(octets, formatter),
        Value::Integer8(number) => write!(formatter, "{number}"),
        Value::Integer16(number) => write!(formatter, "{number}"),
        Value::Integer32(number) => write!(formatter, "{number}"),
        Value::Integer64(number) => write!(formatter, "{number}"),
        Value::Signed32(number) => write!(formatter, "{number}"),
        Value::Date(seconds) => date::format(*seconds, formatter),
        Value::Ipv4Address(address) => write!(formatter, "{address}"),
        Value::Ipv6Address(address) => write!(formatter, "{address}"),
        Value::Ipv4Prefix(address, length_bits) => write!(formatter, "{address}/{length_bits}"),
        Value::Ipv6Prefix(address, length_bits) => write!(formatter, "{address}/{length_bits}"),
        Value::InterfaceId([a, b, c, d, e, f, g, h]) => {
            let group = |high: u8, low: u8| u16::from_be_bytes([high, low]);
            write!(
                formatter,
                "{:x}:{:x}:{:x}:{:x}",
                group(*a, *b),
                group(*c, *d),
                group(*e, *f),
                group(*g, *h)
            )
        }
        Value::Ethernet([a, b, c, d, e, f]) => {
            write!(formatter, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
        }
        Value::Tlv(avps) => {
            formatter.write_str("{ ")?;
            for (index, avp) in avps.iter().enumerate() {
                let separator = if index == 0 { "" } else { ", " };
                write!(formatter, "{separator}Attr-{} = {}", avp.oid, avp.value)?;
            }
            formatter.write_str(" }")
        }
        Value::Secret(_) => formatter.write_str("<<< secret >>>"),
    }
}

fn format_octets(octets: &[u8], formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    formatter.write_str("0x")?;
    octets
        .iter()
        .try_for_each(|octet| write!(formatter, "{octet:02x}"))
}

/// Reads a value.
pub(super) fn parse(data_type: DataType, text: &str) -> Result<Value, ValueError> {
    let text = if data_type == DataType::Text {
        text
    } else {
        text.trim()
    };
    parse_exact(data_type, text)
        .or_else(|| octets(text).map(Value::Octets))
        .ok_or_else(|| ValueError {
            data_type,
            expected: expected(data_type),
        })
}

/// Reads `0x` and an even number of hexadecimal digits.
pub(crate) fn octets(text: &str) -> Option<Vec<u8>> {
    let digits = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))?
        .as_bytes();
    if digits.len() % 2 != 0 {
        return None;
    }
    let nibble = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    digits
        .chunks_exact(2)
        .map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?))
        .collect()
}

fn parse_exact(data_type: DataType, text: &str) -> Option<Value> {
    match data_type {
        DataType::Text => Some(Value::Text(text.to_owned())),
        // A bare word stands for its own octets, as in FreeRADIUS.
        DataType::Octets => Some(Value::Octets(
            octets(text).unwrap_or_else(|| text.as_bytes().to_vec()),
        )),
        DataType::Integer8 => Some(Value::Integer8(number(text)?.try_into().ok()?)),
        DataType::Integer16 => Some(Value::Integer16(number(text)?.try_into().ok()?)),
        DataType::Integer32 => Some(Value::Integer32(number(text)?.try_into().ok()?)),
        DataType::Integer64 => Some(Value::Integer64(number(text)?)),
        DataType::Signed32 => Some(Value::Signed32(text.parse().ok()?)),
        DataType::Date => Some(Value::Date(date::parse(text)?)),
        DataType::Ipv4Address => Some(Value::Ipv4Address(text.parse().ok()?)),
        DataType::Ipv6Address => Some(Value::Ipv6Address(text.parse().ok()?)),
        DataType::ComboAddress => parse_exact(DataType::Ipv4Address, text)
            .or_else(|| parse_exact(DataType::Ipv6Address, text)),
        DataType::Ipv4Prefix => {
            let (address, length_bits) = prefix::<Ipv4Addr>(text, 32)?;
            Value::ipv4_prefix(address, length_bits)
        }
        DataType::Ipv6Prefix => {
            let (address, length_bits) = prefix::<Ipv6Addr>(text, 128)?;
            Value::ipv6_prefix(address, length_bits)
        }
        DataType::InterfaceId => interface_id(text).map(Value::InterfaceId),
        DataType::Ethernet => ethernet(text).map(Value::Ethernet),
        DataType::Tlv
        | DataType::Vsa
        | DataType::Extended
        | DataType::LongExtended
        | DataType::ExtendedVendorSpecific => None,
    }
}

fn number(text: &str) -> Option<u64> {
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok();
    }
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

fn prefix<A: std::str::FromStr>(text: &str, length_bits_default: u8) -> Option<(A, u8)> {
    let (address, length_bits) = match text.split_once('/') {
        None => (text, length_bits_default),
        Some((address, length_bits)) => (address, length_bits.parse().ok()?),
    };
    Some((address.parse().ok()?, length_bits))
}

fn interface_id(text: &str) -> Option<[u8; 8]> {
    let mut octets = [0; 8];
    let mut groups = text.split(':');
    for pair in octets.chunks_exact_mut(2) {
        pair.copy_from_slice(&u16::from_str_radix(groups.next()?, 16).ok()?.to_be_bytes());
    }
    groups.next().is_none().then_some(octets)
}

fn ethernet(text: &str) -> Option<[u8; 6]> {
    let mut octets = [0; 6];
    let mut parts = text.split([':', '-']);
    for octet in &mut octets {
        *octet = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(octets)
}

const fn expected(data_type: DataType) -> &'static str {
    match data_type {
        DataType::Text | DataType::Octets => "text, or 0x and pairs of hexadecimal digits",
        DataType::Integer8 => "a number from 0 to 255",
        DataType::Integer16 => "a number from 0 to 65535",
        DataType::Integer32 => "a number from 0 to 4294967295, or the name of a value",
        DataType::Integer64 => "a number from 0 to 18446744073709551615",
        DataType::Signed32 => "a number from -2147483648 to 2147483647",
        DataType::Date => "seconds since 1970 or a date such as \"Sep 16 2009 21:47:44\"",
        DataType::Ipv4Address => "an IPv4 address such as 192.0.2.1",
        DataType::Ipv4Prefix => "an IPv4 prefix such as 192.0.2.0/24",
        DataType::Ipv6Address => "an IPv6 address such as 2001:db8::1",
        DataType::Ipv6Prefix => "an IPv6 prefix such as 2001:db8::/48",
        DataType::ComboAddress => "an IPv4 or IPv6 address",
        DataType::InterfaceId => "four hexadecimal groups such as 0:0:0:1",
        DataType::Ethernet => "six hexadecimal octets such as 00:00:5e:00:53:01",
        DataType::Tlv
        | DataType::Vsa
        | DataType::Extended
        | DataType::LongExtended
        | DataType::ExtendedVendorSpecific => {
            "the attributes inside it in { }, or 0x and pairs of hexadecimal digits"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(data_type: DataType, text: &str, expected: Option<&str>) {
        assert_eq!(
            Value::parse(data_type, text)
                .ok()
                .map(|value| value.to_string())
                .as_deref(),
            expected
        );
    }

    #[test]
    fn values_are_read_from_text() {
        check(DataType::Text, " bob ", Some(" bob "));
        check(DataType::Octets, "0xAbCd", Some("0xabcd"));
        check(DataType::Octets, "bob", Some("0x626f62"));
        check(DataType::Integer32, "0x10", Some("16"));
        check(
            DataType::Integer64,
            "18446744073709551615",
            Some("18446744073709551615"),
        );
        check(DataType::Signed32, "-5", Some("-5"));
        check(DataType::Ipv4Prefix, "10.1.2.3/8", Some("10.0.0.0/8"));
        check(DataType::Ipv4Prefix, "10.1.2.3", Some("10.1.2.3/32"));
        check(DataType::Ipv6Prefix, "2001:db8::/48", Some("2001:db8::/48"));
        check(DataType::ComboAddress, "::1", Some("::1"));
        check(DataType::InterfaceId, "0:0:0:1", Some("0:0:0:1"));
        check(
            DataType::Ethernet,
            "00-00-5E-00-53-01",
            Some("00:00:5e:00:53:01"),
        );
        check(DataType::Tlv, "0x0103", Some("0x0103"));
    }

    #[test]
    fn other_text_is_refused() {
        check(DataType::Integer8, "256", None);
        check(DataType::Integer32, "ten", None);
        check(DataType::Integer32, "+1", None);
        check(DataType::Ipv4Address, "10.0.0", None);
        check(DataType::Ipv4Prefix, "10.0.0.0/33", None);
        check(DataType::Ipv6Prefix, "2001:db8::/129", None);
        check(DataType::InterfaceId, "0:0:0", None);
        check(DataType::Ethernet, "00:00:5e:00:53:01:02", None);
        check(DataType::Tlv, "bob", None);
    }
}
