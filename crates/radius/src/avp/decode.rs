//! From the raw attributes of a packet to typed ones.

use super::{Avp, Keys, LONG_VALUE_OCTETS_MAX, TAG_MAX};
use crate::attribute::Attribute;
use crate::data_type::DataType;
use crate::dictionary::Dictionary;
use crate::dictionary::definition::{Definition, Encryption, VendorFormat};
use crate::dictionary::oid::Oid;
use crate::password::pap;
use crate::tunnel_password;
use crate::value::{Secret, Value};
use crate::writer::VALUE_LENGTH_MAX;

const VENDOR_SPECIFIC: u8 = 26;
const MORE: u8 = 0x80;

/// Reads attributes in order.
///
/// Every octet is kept: what cannot be read as its type, as its vendor's layout or as an extended attribute becomes
/// [`Value::Octets`] of the innermost attribute that could be read (RFC 6929 §2.8). Hidden values become
/// [`Value::Secret`] with keys that fit, [`Value::Encrypted`] otherwise.
#[must_use]
pub fn decode<'p>(
    dictionary: &Dictionary,
    attributes: impl IntoIterator<Item = Attribute<'p>>,
    keys: Option<&Keys<'_>>,
) -> Vec<Avp> {
    let attributes = attributes.into_iter().collect::<Vec<_>>();
    let decoder = Decoder { dictionary, keys };
    let mut avps = Vec::with_capacity(attributes.len());
    let mut rest = attributes.as_slice();
    while let Some((first, following)) = rest.split_first() {
        let used = decoder.attribute(first, following, &mut avps);
        rest = &following[used..];
    }
    avps
}

/// Reads the octets of one attribute, from behind its header.
pub(super) fn decode_leaf(dictionary: &Dictionary, oid: Oid, octets: &[u8]) -> Avp {
    Decoder {
        dictionary,
        keys: None,
    }
    .leaf(oid, octets)
}

struct Decoder<'d> {
    dictionary: &'d Dictionary,
    keys: Option<&'d Keys<'d>>,
}

impl Decoder<'_> {
    /// Reads one attribute and the following ones that continue it; gives the number of the latter.
    fn attribute(
        &self,
        first: &Attribute<'_>,
        following: &[Attribute<'_>],
        avps: &mut Vec<Avp>,
    ) -> usize {
        let oid = Oid::standard(u32::from(first.kind));
        match first.kind {
            VENDOR_SPECIFIC => return self.vendor_specific(first, following, avps),
            241..=244 => avps.push(
                self.extended(oid, first.value)
                    .unwrap_or_else(|| raw(oid, first.value)),
            ),
            245 | 246 => return self.long_extended(first, following, avps),
            _ if self
                .dictionary
                .find_by_oid(&oid)
                .is_some_and(|definition| definition.flags().concat) =>
            {
                let parts = following
                    .iter()
                    .take_while(|attribute| attribute.kind == first.kind)
                    .count();
                let mut octets = first.value.to_vec();
                following[..parts]
                    .iter()
                    .for_each(|attribute| octets.extend_from_slice(attribute.value));
                avps.push(self.leaf(oid, &octets));
                return parts;
            }
            _ => avps.push(self.leaf(oid, first.value)),
        }
        0
    }

    fn vendor_specific(
        &self,
        first: &Attribute<'_>,
        following: &[Attribute<'_>],
        avps: &mut Vec<Avp>,
    ) -> usize {
        let Some((vendor, payload)) = split_vendor(first.value) else {
            avps.push(raw(Oid::standard(26), first.value));
            return 0;
        };
        let format = self.dictionary.vendor_format(vendor);
        let Some(parts) = vendor_attributes(format, payload) else {
            avps.push(raw(Oid::standard(26), first.value));
            return 0;
        };
        if let [part] = parts.as_slice()
            && part.continues
        {
            return self.continued(vendor, format, part, first, following, avps);
        }
        if parts.iter().any(|part| part.continues) {
            avps.push(raw(Oid::standard(26), first.value));
            return 0;
        }
        avps.extend(
            parts
                .iter()
                .map(|part| self.leaf(Oid::vendor(vendor, part.number), part.value)),
        );
        0
    }

    /// Puts a value together that its vendor split over several Vendor-Specific attributes (WiMAX).
    fn continued(
        &self,
        vendor: u32,
        format: VendorFormat,
        part: &VendorPart<'_>,
        first: &Attribute<'_>,
        following: &[Attribute<'_>],
        avps: &mut Vec<Avp>,
    ) -> usize {
        let fragments = following.iter().map(|attribute| {
            let (next, payload) =
                split_vendor(attribute.value).filter(|_| attribute.kind == VENDOR_SPECIFIC)?;
            let parts = vendor_attributes(format, payload)?;
            let [next_part] = parts.as_slice() else {
                return None;
            };
            (next == vendor && next_part.number == part.number)
                .then_some((next_part.continues, next_part.value))
        });
        let Some((octets, used)) = reassemble(part.value, fragments) else {
            avps.push(raw(Oid::standard(26), first.value));
            return 0;
        };
        avps.push(self.leaf(Oid::vendor(vendor, part.number), &octets));
        used
    }

    fn long_extended(
        &self,
        first: &Attribute<'_>,
        following: &[Attribute<'_>],
        avps: &mut Vec<Avp>,
    ) -> usize {
        let top = Oid::standard(u32::from(first.kind));
        let [kind, flags, octets @ ..] = first.value else {
            avps.push(raw(top, first.value));
            return 0;
        };
        let fragments = following.iter().map(|attribute| match attribute.value {
            [next_kind, flags, octets @ ..]
                if attribute.kind == first.kind && next_kind == kind =>
            {
                Some((flags & MORE != 0, octets))
            }
            _ => None,
        });
        let whole = if flags & MORE == 0 {
            Some((octets.to_vec(), 0))
        } else {
            reassemble(octets, fragments)
        };
        let decoded = whole
            .and_then(|(octets, used)| Some((self.extended_value(top, *kind, &octets)?, used)));
        let (avp, used) = decoded.unwrap_or_else(|| (raw(top, first.value), 0));
        avps.push(avp);
        used
    }

    fn extended(&self, top: Oid, value: &[u8]) -> Option<Avp> {
        let (kind, octets) = value.split_first()?;
        self.extended_value(top, *kind, octets)
    }

    fn extended_value(&self, top: Oid, kind: u8, octets: &[u8]) -> Option<Avp> {
        if octets.is_empty() {
            return None;
        }
        let oid = top.child(u32::from(kind))?;
        if kind != VENDOR_SPECIFIC {
            return Some(self.leaf(oid, octets));
        }
        let inside = octets.split_first_chunk::<4>().and_then(|(vendor, rest)| {
            let (number, value) = rest.split_first().filter(|(_, value)| !value.is_empty())?;
            let oid = oid
                .child(u32::from_be_bytes(*vendor))?
                .child(u32::from(*number))?;
            Some(self.leaf(oid, value))
        });
        Some(inside.unwrap_or_else(|| raw(oid, octets)))
    }

    fn leaf(&self, oid: Oid, octets: &[u8]) -> Avp {
        let Some(definition) = self.dictionary.find_by_oid(&oid) else {
            return raw(oid, octets);
        };
        if definition.flags().has_tag {
            let (tag, value) = self.tagged(definition, octets);
            return Avp { oid, tag, value };
        }
        Avp::new(oid, self.value(definition, octets, None))
    }

    /// Reads tag and value. Integers keep 24 bits beside the tag; text has a tag only if its first octet can be one.
    fn tagged(&self, definition: &Definition, octets: &[u8]) -> (Option<u8>, Value) {
        let (tag, rest) = match octets {
            [tag, rest @ ..] if *tag <= TAG_MAX => (Some(*tag), rest),
            _ => (None, octets),
        };
        let tag = tag.filter(|tag| *tag != 0);
        match (definition.data_type(), octets) {
            (DataType::Integer32, [first, a, b, c]) if *first <= TAG_MAX => {
                (tag, Value::Integer32(u32::from_be_bytes([0, *a, *b, *c])))
            }
            (DataType::Integer32, _) => (None, Value::decode(DataType::Integer32, octets)),
            _ => (tag, self.value(definition, rest, tag)),
        }
    }

    fn value(&self, definition: &Definition, octets: &[u8], tag: Option<u8>) -> Value {
        if let Some(encryption) = definition.flags().encryption {
            return self
                .keys
                .and_then(|keys| reveal(encryption, octets, keys, tag))
                .map_or_else(|| Value::Encrypted(octets.to_vec()), Value::Secret);
        }
        if definition.is_secret() {
            return Value::Secret(Secret::new(octets));
        }
        if definition.data_type() == DataType::Tlv {
            return self
                .tlv(definition.oid(), octets)
                .map_or_else(|| Value::Octets(octets.to_vec()), Value::Tlv);
        }
        Value::decode(definition.data_type(), octets)
    }

    /// Reads the members of a TLV; `None` when the lengths do not add up or it is nested too deep.
    fn tlv(&self, oid: Oid, octets: &[u8]) -> Option<Vec<Avp>> {
        let mut avps = Vec::new();
        let mut rest = octets;
        while let [number, length, ..] = *rest {
            let (member, following) = rest.split_at_checked(usize::from(length))?;
            let value = member.get(2..).filter(|value| !value.is_empty())?;
            avps.push(self.leaf(oid.child(u32::from(number))?, value));
            rest = following;
        }
        (rest.is_empty() && !avps.is_empty()).then_some(avps)
    }
}

/// One attribute inside Vendor-Specific.
struct VendorPart<'p> {
    number: u32,
    continues: bool,
    value: &'p [u8],
}

fn raw(oid: Oid, octets: &[u8]) -> Avp {
    Avp::new(oid, Value::Octets(octets.to_vec()))
}

fn split_vendor(value: &[u8]) -> Option<(u32, &[u8])> {
    let (vendor, payload) = value.split_first_chunk::<4>()?;
    (vendor[0] == 0 && !payload.is_empty()).then_some((u32::from_be_bytes(*vendor), payload))
}

/// Splits the payload of Vendor-Specific; `None` when it is not in the vendor's layout.
fn vendor_attributes(format: VendorFormat, payload: &[u8]) -> Option<Vec<VendorPart<'_>>> {
    let mut parts = Vec::new();
    let mut rest = payload;
    while !rest.is_empty() {
        let (number, after) = rest.split_at_checked(usize::from(format.type_octets))?;
        let length_field = after.get(..usize::from(format.length_octets))?;
        let length = if length_field.is_empty() {
            rest.len()
        } else {
            big_endian(length_field) as usize
        };
        let (part, following) = rest.split_at_checked(length)?;
        let value = part.get(format.header_octets()..)?;
        let continues = format.continuation && part[format.header_octets() - 1] & MORE != 0;
        parts.push(VendorPart {
            number: big_endian(number),
            continues,
            value,
        });
        rest = following;
    }
    Some(parts)
}

fn big_endian(octets: &[u8]) -> u32 {
    octets
        .iter()
        .fold(0, |number, octet| number << 8 | u32::from(*octet))
}

/// Joins a value and its continuations, each saying whether another follows; `None` when the last one is missing.
fn reassemble<'p>(
    first: &[u8],
    fragments: impl Iterator<Item = Option<(bool, &'p [u8])>>,
) -> Option<(Vec<u8>, usize)> {
    let mut octets = first.to_vec();
    for (index, fragment) in fragments.enumerate() {
        let (continues, part) = fragment?;
        octets.extend_from_slice(part);
        if LONG_VALUE_OCTETS_MAX < octets.len() {
            return None;
        }
        if !continues {
            return Some((octets, index + 1));
        }
    }
    None
}

fn reveal(
    encryption: Encryption,
    octets: &[u8],
    keys: &Keys<'_>,
    tag: Option<u8>,
) -> Option<Secret> {
    match encryption {
        Encryption::UserPassword => {
            let mut out = [0; pap::PASSWORD_LENGTH_MAX];
            pap::decrypt(octets, keys.secret, keys.request_authenticator, &mut out).map(Secret::new)
        }
        Encryption::TunnelPassword => {
            let mut with_tag = vec![tag.unwrap_or(0)];
            with_tag.extend_from_slice(octets);
            let mut out = [0; VALUE_LENGTH_MAX];
            tunnel_password::decrypt(&with_tag, keys.request_authenticator, keys.secret, &mut out)
                .map(|(_, password)| Secret::new(password))
        }
        Encryption::AscendSecret => {
            let block = super::encode::ascend_mask(keys);
            let octets = <[u8; 16]>::try_from(octets).ok()?;
            let plain = std::array::from_fn::<_, 16, _>(|index| octets[index] ^ block[index]);
            let used = plain
                .iter()
                .rposition(|octet| *octet != 0)
                .map_or(0, |last| last + 1);
            Some(Secret::new(&plain[..used]))
        }
    }
}
