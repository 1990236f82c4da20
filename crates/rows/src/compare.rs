//! How FreeRADIUS compares the value of a request, or of a list, with that of a row.

use std::borrow::Cow;
use std::cmp::Ordering;

use radius::data_type::DataType;

use crate::attribute::{Attribute, Tag};
use crate::operator::Operator;
use crate::request::Instance;

/// What is left of `found` less `wanted`: negative, zero or positive.
///
/// 32-bit numbers are subtracted and the difference read with a sign, so numbers that are far apart compare the wrong
/// way round; octets of different length count as greater.
pub(crate) fn difference(
    attribute: &Attribute,
    found: Instance<'_>,
    wanted: (Tag, &[u8]),
    operator: Operator,
) -> i32 {
    let (tag, wanted) = wanted;
    if attribute.has_tag
        && let Tag::Number(tag) = tag
        && tag != found.tag
    {
        return i32::from(found.tag) - i32::from(tag);
    }
    match attribute.data_type {
        DataType::Text => sign(until_nul(found.octets).cmp(until_nul(wanted))),
        DataType::Octets
        | DataType::Tlv
        | DataType::Vsa
        | DataType::Extended
        | DataType::LongExtended
        | DataType::ExtendedVendorSpecific => octets_difference(found.octets, wanted),
        DataType::Integer8 | DataType::Integer16 | DataType::Integer32 | DataType::Date => {
            number(found.octets)
                .wrapping_sub(number(wanted))
                .cast_signed()
        }
        DataType::Signed32 => {
            let signed = |octets| number(octets).cast_signed();
            sign(signed(found.octets).cmp(&signed(wanted)))
        }
        DataType::Integer64 | DataType::Ipv6Address | DataType::InterfaceId => {
            sign(found.octets.cmp(wanted))
        }
        DataType::Ipv4Address => number(found.octets)
            .wrapping_sub(number(wanted))
            .cast_signed(),
        DataType::ComboAddress => octets_difference(found.octets, wanted),
        DataType::Ipv4Prefix | DataType::Ipv6Prefix => {
            prefix_difference(&padded(found.octets), &padded(wanted), operator)
        }
        // FreeRADIUS has no comparison of these.
        DataType::Ethernet => 0,
    }
}

/// Whether a difference is what the operator asks for; those without a meaning of their own ask for none.
pub(crate) const fn is_asked_for(operator: Operator, difference: i32) -> bool {
    match operator {
        Operator::NotEqual => difference != 0,
        Operator::Less => difference < 0,
        Operator::LessEqual => difference <= 0,
        Operator::Greater => 0 < difference,
        Operator::GreaterEqual => 0 <= difference,
        Operator::Set
        | Operator::Add
        | Operator::Prepend
        | Operator::Subtract
        | Operator::Assign
        | Operator::Equal
        | Operator::Matches
        | Operator::MatchesNot
        | Operator::Present
        | Operator::Absent
        | Operator::Increment => difference == 0,
    }
}

const fn sign(ordering: Ordering) -> i32 {
    ordering as i32
}

/// Text ends at the first NUL, because C compares it.
fn until_nul(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|octet| *octet == 0);
    &text[..end.unwrap_or(text.len())]
}

fn octets_difference(found: &[u8], wanted: &[u8]) -> i32 {
    if found.len() == wanted.len() {
        sign(found.cmp(wanted))
    } else {
        1
    }
}

fn number(octets: &[u8]) -> u32 {
    octets
        .iter()
        .fold(0, |number, octet| number << 8 | u32::from(*octet))
}

/// A prefix with all octets of its address.
fn padded(prefix: &[u8]) -> Cow<'_, [u8]> {
    const OCTETS: usize = 18;
    if prefix.len() == 6 || OCTETS <= prefix.len() {
        return Cow::Borrowed(prefix);
    }
    let mut whole = prefix.to_vec();
    whole.resize(OCTETS, 0);
    Cow::Owned(whole)
}

/// Prefixes are not ordered but contained in each other: the one inside is the lesser.
fn prefix_difference(found: &[u8], wanted: &[u8], operator: Operator) -> i32 {
    let ([_, found_length, found_address @ ..], [_, wanted_length, wanted_address @ ..]) =
        (found, wanted)
    else {
        return 1;
    };
    let is_same = found_length == wanted_length && found_address == wanted_address;
    let is_inside =
        wanted_length < found_length && has_prefix(found_address, wanted_address, *wanted_length);
    let is_around =
        found_length < wanted_length && has_prefix(wanted_address, found_address, *found_length);
    match operator {
        Operator::Equal => i32::from(!is_same),
        Operator::NotEqual => i32::from(found_length != wanted_length),
        Operator::Less => {
            if is_inside {
                -1
            } else {
                1
            }
        }
        Operator::LessEqual => {
            if is_inside || is_same {
                -1
            } else {
                1
            }
        }
        Operator::Greater => {
            if is_around {
                1
            } else {
                -1
            }
        }
        Operator::GreaterEqual => {
            if is_around || is_same {
                1
            } else {
                -1
            }
        }
        // FreeRADIUS takes "no" for "equal" here.
        Operator::Set
        | Operator::Add
        | Operator::Prepend
        | Operator::Subtract
        | Operator::Assign
        | Operator::Matches
        | Operator::MatchesNot
        | Operator::Present
        | Operator::Absent
        | Operator::Increment => 0,
    }
}

fn has_prefix(address: &[u8], prefix: &[u8], length_bits: u8) -> bool {
    let whole = usize::from(length_bits / 8);
    let (Some(start), Some(expected)) = (address.get(..whole), prefix.get(..whole)) else {
        return false;
    };
    let rest_bits = length_bits % 8;
    let mask = !(0xff_u8.checked_shr(u32::from(rest_bits)).unwrap_or(0));
    start == expected
        && (rest_bits == 0
            || address.get(whole).map(|octet| octet & mask)
                == prefix.get(whole).map(|octet| octet & mask))
}
