//! Values as rows write them: from text to octets as FreeRADIUS reads it, and back to text for expansions.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use radius::data_type::DataType;
use radius::value::Value;

use crate::attribute::{Attribute, Role};
use crate::password::AuthType;

/// Reads the value of a row.
///
/// # Errors
/// Says what the attribute accepts.
pub(crate) fn parse(attribute: &Attribute, text: &str) -> Result<Vec<u8>, &'static str> {
    if attribute.role == Role::AuthType {
        return auth_type(text)
            .map(|number| number.to_be_bytes().to_vec())
            .ok_or("PAP, CHAP, MS-CHAP, Accept, Reject or Local");
    }
    parse_typed(attribute, text).ok_or_else(|| expected(attribute))
}

fn parse_typed(attribute: &Attribute, text: &str) -> Option<Vec<u8>> {
    let data_type = attribute.data_type;
    match data_type {
        DataType::Text => unescaped(text.as_bytes()).map(Cow::into_owned),
        DataType::Octets => octets(attribute, text),
        DataType::Integer8 => {
            let number = u8::try_from(number_or_name(attribute, text)?).ok()?;
            Some(vec![number])
        }
        DataType::Integer16 => {
            let number = u16::try_from(number_or_name(attribute, text)?).ok()?;
            Some(number.to_be_bytes().to_vec())
        }
        DataType::Integer32 => Some(number_or_name(attribute, text)?.to_be_bytes().to_vec()),
        DataType::Integer64 => Some(scanned(text)?.to_be_bytes().to_vec()),
        DataType::Signed32 => {
            let number: i64 = text.trim_ascii().parse().ok()?;
            Some(i32::try_from(number).ok()?.to_be_bytes().to_vec())
        }
        DataType::Date => date(text),
        DataType::Ipv4Address => Some(ipv4(text)?.octets().to_vec()),
        DataType::Ipv6Address => Some(ipv6(text)?.octets().to_vec()),
        DataType::ComboAddress => ipv4(text)
            .map(|address| address.octets().to_vec())
            .or_else(|| Some(ipv6(text)?.octets().to_vec())),
        DataType::Ipv4Prefix => ipv4_prefix(text),
        DataType::Ipv6Prefix => {
            let text = if text == "*" { "::" } else { text };
            (text == text.trim()).then_some(())?;
            encoded(&Value::parse(data_type, text).ok()?, data_type)
        }
        DataType::Ethernet => ethernet(text),
        DataType::InterfaceId => {
            (text == text.trim()).then_some(())?;
            encoded(&Value::parse(data_type, text).ok()?, data_type)
        }
        DataType::Tlv
        | DataType::Vsa
        | DataType::Extended
        | DataType::LongExtended
        | DataType::ExtendedVendorSpecific => None,
    }
}

/// The octets of a value of exactly that type; FreeRADIUS takes no `0x…` for others than octets here.
fn encoded(value: &Value, data_type: DataType) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match (value, data_type) {
        // Whole, so that prefixes of different length compare octet by octet.
        (Value::Ipv6Prefix(address, length_bits), DataType::Ipv6Prefix) => {
            out.extend_from_slice(&[0, *length_bits]);
            out.extend_from_slice(&address.octets());
        }
        (Value::InterfaceId(_), DataType::InterfaceId) => value.encode(&mut out),
        _ => return None,
    }
    Some(out)
}

fn octets(attribute: &Attribute, text: &str) -> Option<Vec<u8>> {
    let Some(digits) = text.strip_prefix("0x") else {
        // FreeRADIUS compiles the filter language of these; we only take their octets.
        let is_filter =
            attribute.name.ends_with("-Data-Filter") || attribute.name.ends_with("-Call-Filter");
        return (!is_filter).then(|| text.as_bytes().to_vec());
    };
    hexadecimal(digits.as_bytes())
}

/// Reads an even number of hexadecimal digits.
pub(crate) fn hexadecimal(digits: &[u8]) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let nibble = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
    };
    digits
        .chunks_exact(2)
        .map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?))
        .collect()
}

/// A number, of which the low 32 bits count, or the name of a value.
fn number_or_name(attribute: &Attribute, text: &str) -> Option<u32> {
    match number(text) {
        Some(number) => u32::try_from(number & u64::from(u32::MAX)).ok(),
        None => {
            let number = attribute.definition.as_ref()?.value_number(text)?;
            u32::try_from(number).ok()
        }
    }
}

/// Reads a number as `strtoul` does: blanks around it, a sign, `0x`, nothing as 0, and what is too large as the largest.
fn number(text: &str) -> Option<u64> {
    let text = text.trim_ascii();
    let (is_negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        _ => (10, digits),
    };
    if digits.is_empty() {
        return (radix == 10 && text.is_empty()).then_some(0);
    }
    let is_number = digits.chars().all(|digit| digit.is_digit(radix));
    let number = is_number.then(|| u64::from_str_radix(digits, radix).unwrap_or(u64::MAX))?;
    Some(if is_negative && number != u64::MAX {
        number.wrapping_neg()
    } else {
        number
    })
}

/// Reads the digits that a text begins with, and ignores the rest.
fn scanned(text: &str) -> Option<u64> {
    let text = text.trim_ascii_start();
    let (is_negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let end = digits
        .bytes()
        .position(|digit| !digit.is_ascii_digit())
        .unwrap_or(digits.len());
    if end == 0 {
        return None;
    }
    let number: u64 = digits[..end].parse().unwrap_or(u64::MAX);
    Some(if is_negative {
        number.wrapping_neg()
    } else {
        number
    })
}

fn date(text: &str) -> Option<Vec<u8>> {
    // FreeRADIUS 3.2 knows no dates that begin with the year.
    if text.contains('-') || text.contains('T') && !text.contains(' ') {
        return None;
    }
    let seconds = Value::parse(DataType::Date, text).ok()?.as_number()?;
    Some(u32::try_from(seconds).ok()?.to_be_bytes().to_vec())
}

/// Reads an address as `inet_aton` does, with a length of 32 at most; names are not looked up.
fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let text = text.strip_suffix("/32").unwrap_or(text);
    if text == "*" {
        return Some(Ipv4Addr::UNSPECIFIED);
    }
    let mut parts = [0_u64; 4];
    let mut count = 0;
    for part in text.split('.') {
        *parts.get_mut(count)? = address_part(part)?;
        count += 1;
    }
    let (last, leading) = parts[..count].split_last()?;
    let room = 32 - 8 * leading.len();
    if *last >> room != 0 || leading.iter().any(|part| 255 < *part) {
        return None;
    }
    let bits = leading
        .iter()
        .enumerate()
        .fold(*last, |bits, (at, part)| bits | part << (24 - 8 * at));
    Some(Ipv4Addr::from_bits(u32::try_from(bits).ok()?))
}

/// Reads a prefix, in which the octets at the end may be left out, or an address.
fn ipv4_prefix(text: &str) -> Option<Vec<u8>> {
    let (address, length_bits) = match text.split_once('/') {
        None => (ipv4(text)?, 32),
        Some((address, length_bits)) => {
            let mut octets = [0; 4];
            for (at, part) in address.split('.').enumerate() {
                *octets.get_mut(at)? = part.parse().ok()?;
            }
            (Ipv4Addr::from(octets), length_bits.parse().ok()?)
        }
    };
    let mut out = Vec::new();
    Value::ipv4_prefix(address, length_bits)?.encode(&mut out);
    Some(out)
}

fn address_part(text: &str) -> Option<u64> {
    let (radix, digits) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &text[2..]),
        [b'0', _, ..] => (8, &text[1..]),
        _ => (10, text),
    };
    let is_number = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    is_number
        .then(|| u64::from_str_radix(digits, radix).ok())
        .flatten()
        .filter(|part| *part <= u64::from(u32::MAX))
}

fn ipv6(text: &str) -> Option<Ipv6Addr> {
    if text == "*" {
        return Some(Ipv6Addr::UNSPECIFIED);
    }
    text.strip_suffix("/128").unwrap_or(text).parse().ok()
}

/// Reads pairs of digits with colons between them, missing ones being 0, or a decimal number.
fn ethernet(text: &str) -> Option<Vec<u8>> {
    if !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit()) {
        let number: u64 = text.parse().ok()?;
        return Some(number.to_be_bytes()[2..].to_vec());
    }
    let mut octets = text
        .split(':')
        .map(|pair| (pair.len() == 2).then(|| hexadecimal(pair.as_bytes())?.pop())?)
        .collect::<Option<Vec<u8>>>()?;
    (octets.len() <= 6).then(|| octets.resize(6, 0))?;
    Some(octets)
}

fn auth_type(text: &str) -> Option<u32> {
    AuthType::of_name(text)
        .map(AuthType::number)
        .or_else(|| u32::try_from(number(text)? & u64::from(u32::MAX)).ok())
}

/// What an attribute accepts, for people.
fn expected(attribute: &Attribute) -> &'static str {
    match attribute.data_type {
        DataType::Text => "text that ends without a backslash",
        DataType::Octets => "text, or 0x and pairs of hexadecimal digits",
        DataType::Integer8 | DataType::Integer16 | DataType::Integer32 => {
            "a number in the attribute's range, or the name of one of its values"
        }
        DataType::Integer64 | DataType::Signed32 => "a number",
        DataType::Date => "a date such as \"Sep 16 2026 21:47:44\", or seconds since 1970",
        DataType::Ipv4Address => "an IPv4 address such as 192.0.2.1, without a length",
        DataType::Ipv6Address => "an IPv6 address such as 2001:db8::1, without a length",
        DataType::ComboAddress => "an IPv4 or IPv6 address",
        DataType::Ipv4Prefix => "an IPv4 prefix such as 192.0.2.0/24",
        DataType::Ipv6Prefix => "an IPv6 prefix such as 2001:db8::/48",
        DataType::InterfaceId => "four hexadecimal groups such as 0:0:0:1",
        DataType::Ethernet => "six hexadecimal octets such as 00:00:5e:00:53:01",
        DataType::Tlv
        | DataType::Vsa
        | DataType::Extended
        | DataType::LongExtended
        | DataType::ExtendedVendorSpecific => "settable as a whole: name an attribute inside it",
    }
}

/// Resolves the escapes of text: `\n`, `\r`, `\t`, `\"`, `\\` and three digits; others stay as they are.
///
/// `None` when the text ends with a backslash.
pub(crate) fn unescaped(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    if !text.contains(&b'\\') {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, following)) = rest.split_first() {
        let (octet, used) = match (first, following) {
            (b'\\', []) => return None,
            (b'\\', [b'n', ..]) => (b'\n', 1),
            (b'\\', [b'r', ..]) => (b'\r', 1),
            (b'\\', [b't', ..]) => (b'\t', 1),
            (b'\\', [quote @ b'"', ..]) => (*quote, 1),
            (b'\\', [b'\\', ..]) => (b'\\', 1),
            (b'\\', [a @ b'0'..=b'7', b, c, ..]) if b.is_ascii_digit() && c.is_ascii_digit() => {
                (octal([*a, *b, *c]), 3)
            }
            (octet, _) => (*octet, 0),
        };
        out.push(octet);
        rest = &following[used..];
    }
    Some(Cow::Owned(out))
}

/// The number that three digits begin with, read up to the first that is not octal; above 255 it loses its high bit.
fn octal(digits: [u8; 3]) -> u8 {
    digits
        .iter()
        .take_while(|digit| (b'0'..=b'7').contains(digit))
        .fold(0, |number: u8, digit| number << 3 | (digit - b'0'))
}

/// The value as FreeRADIUS prints it in an expansion, or to match a regular expression with it.
pub(crate) fn print(attribute: &Attribute, octets: &[u8]) -> Vec<u8> {
    if attribute.data_type == DataType::Text {
        return octets.to_vec();
    }
    let whole;
    let octets = match *octets {
        // A tagged number without its tag.
        [a, b, c] if attribute.data_type == DataType::Integer32 => {
            whole = [0, a, b, c];
            &whole[..]
        }
        _ => octets,
    };
    let value = Value::decode(attribute.data_type, octets);
    let name = value.as_number().and_then(|number| {
        if attribute.role == Role::AuthType {
            return AuthType::of_number(u32::try_from(number).ok()?).map(AuthType::name);
        }
        attribute.definition.as_ref()?.value_name(number)
    });
    match name {
        Some(name) => name.as_bytes().to_vec(),
        None => value.to_string().into_bytes(),
    }
}
