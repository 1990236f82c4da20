//! From typed attributes to the octets of a packet.

use super::{Avp, Keys, LONG_VALUE_OCTETS_MAX, TAG_MAX, nested, outermost};
use crate::data_type::DataType;
use crate::dictionary::Dictionary;
use crate::dictionary::definition::{Definition, Encryption, VendorFormat};
use crate::dictionary::oid::Oid;
use crate::digest::md5;
use crate::password::pap;
use crate::tunnel_password;
use crate::value::Value;
use crate::writer::VALUE_LENGTH_MAX;

const MORE: u8 = 0x80;

/// Why an attribute cannot be sent; nothing of it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The attribute exists only inside a server, or its number has no place on the wire.
    #[error("attribute {oid} is internal or has no place in a packet")]
    NotSendable {
        /// The attribute.
        oid: Oid,
    },
    /// The value is longer than the attribute can hold.
    #[error("the value of attribute {oid} has {octets} octets; at most {octets_max} fit")]
    TooLong {
        /// The attribute.
        oid: Oid,
        /// Octets of the value.
        octets: usize,
        /// Octets that fit.
        octets_max: usize,
    },
    /// An empty value, which extended attributes and TLVs cannot carry (RFC 6929 §2).
    #[error("the value of attribute {oid} is empty")]
    Empty {
        /// The attribute.
        oid: Oid,
    },
    /// A tag on an attribute without tags, or one that is not 1 to 31.
    #[error("attribute {oid} cannot carry tag {tag}")]
    BadTag {
        /// The attribute.
        oid: Oid,
        /// The tag.
        tag: u8,
    },
    /// A tagged integer above 24 bits (RFC 2868 §3).
    #[error("the value of tagged attribute {oid} must be below 16777216")]
    TaggedTooLarge {
        /// The attribute.
        oid: Oid,
    },
    /// A secret attribute without [`Keys`] to hide it.
    #[error("attribute {oid} must be encrypted, and no keys were given")]
    KeysMissing {
        /// The attribute.
        oid: Oid,
    },
    /// A TLV that holds an attribute of another parent.
    #[error("attribute {oid} is not a member of the TLV that holds it")]
    Misplaced {
        /// The attribute inside.
        oid: Oid,
    },
}

/// Appends the attributes to `out` in order, long ones split, members of TLVs put into their TLVs.
///
/// With an encrypted attribute every value but [`Value::Encrypted`] is hidden with `keys`.
///
/// # Errors
/// When an attribute cannot be sent; `out` is then as it was.
pub fn encode(
    dictionary: &Dictionary,
    avps: &[Avp],
    keys: Option<&Keys<'_>>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let start = out.len();
    let mut encoder = Encoder {
        dictionary,
        keys,
        salts: 0,
    };
    let is_nested = avps.iter().any(|avp| outermost(&avp.oid) != avp.oid);
    let regrouped = if is_nested { nested(avps) } else { Vec::new() };
    let result = if is_nested { &regrouped } else { avps }
        .iter()
        .try_for_each(|avp| encoder.attribute(avp, out));
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// The octets of an attribute behind its header, as [`super::decode::decode_leaf`] reads them.
pub(super) fn encode_leaf(dictionary: &Dictionary, avp: &Avp) -> Result<Vec<u8>, EncodeError> {
    Encoder {
        dictionary,
        keys: None,
        salts: 0,
    }
    .payload(avp)
}

/// The 16 octets that hide an Ascend secret.
pub(super) fn ascend_mask(keys: &Keys<'_>) -> [u8; 16] {
    md5([keys.request_authenticator, keys.secret])
}

struct Encoder<'d> {
    dictionary: &'d Dictionary,
    keys: Option<&'d Keys<'d>>,
    salts: u16,
}

impl Encoder<'_> {
    fn attribute(&mut self, avp: &Avp, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let oid = avp.oid;
        let definition = self.dictionary.find_by_oid(&oid);
        if definition.is_some_and(Definition::is_internal) {
            return Err(EncodeError::NotSendable { oid });
        }
        let payload = self.payload(avp)?;
        match oid.numbers() {
            [kind] => {
                let kind = u8::try_from(*kind)
                    .ok()
                    .filter(|kind| *kind != 0)
                    .ok_or(EncodeError::NotSendable { oid })?;
                if definition.is_some_and(|definition| definition.flags().concat) {
                    return concatenated(oid, kind, &payload, out);
                }
                push(oid, kind, &[], &payload, out)
            }
            [26, vendor, number] => self.vendor(oid, *vendor, *number, &payload, out),
            [kind @ 241..=246, inner @ ..] => extended(oid, *kind as u8, inner, &payload, out),
            _ => Err(EncodeError::NotSendable { oid }),
        }
    }

    fn vendor(
        &self,
        oid: Oid,
        vendor: u32,
        number: u32,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let format = self.dictionary.vendor_format(vendor);
        if format.number_max() < number || 0x00ff_ffff < vendor {
            return Err(EncodeError::NotSendable { oid });
        }
        let room = VALUE_LENGTH_MAX - 4 - format.header_octets();
        if format.continuation {
            check_length(oid, payload, LONG_VALUE_OCTETS_MAX)?;
            return each_chunk(payload, room, |chunk, more| {
                push(
                    oid,
                    26,
                    &vendor_header(format, vendor, number, chunk.len(), more),
                    chunk,
                    out,
                )
            });
        }
        check_length(oid, payload, room)?;
        push(
            oid,
            26,
            &vendor_header(format, vendor, number, payload.len(), false),
            payload,
            out,
        )
    }

    /// The octets of the value with its tag, encrypted if need be.
    fn payload(&mut self, avp: &Avp) -> Result<Vec<u8>, EncodeError> {
        let oid = avp.oid;
        let definition = self.dictionary.find_by_oid(&oid);
        let flags = definition.map(Definition::flags).unwrap_or_default();
        if let Some(tag) = avp
            .tag
            .filter(|tag| !flags.has_tag || !(1..=TAG_MAX).contains(tag))
        {
            return Err(EncodeError::BadTag { oid, tag });
        }
        let mut octets = Vec::new();
        if let Value::Tlv(members) = &avp.value {
            self.members(oid, members, &mut octets)?;
        } else {
            avp.value.encode(&mut octets);
        }
        if let Some(encryption) = flags.encryption
            && !matches!(avp.value, Value::Encrypted(_))
        {
            octets = self.hide(oid, encryption, &octets)?;
        }
        if !flags.has_tag {
            return Ok(octets);
        }
        if definition.is_some_and(|definition| definition.data_type() == DataType::Integer32) {
            return tag_integer(avp, octets);
        }
        let is_tag_always_there = flags.encryption == Some(Encryption::TunnelPassword);
        let looks_tagged = octets.first().is_some_and(|first| *first <= TAG_MAX);
        if avp.tag.is_some() || is_tag_always_there || looks_tagged {
            octets.insert(0, avp.tag.unwrap_or(0));
        }
        Ok(octets)
    }

    fn members(
        &mut self,
        oid: Oid,
        members: &[Avp],
        octets: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        if members.is_empty() {
            return Err(EncodeError::Empty { oid });
        }
        for member in members {
            if member.oid.parent() != Some(oid) {
                return Err(EncodeError::Misplaced { oid: member.oid });
            }
            let number = u8::try_from(member.oid.last())
                .map_err(|_| EncodeError::NotSendable { oid: member.oid })?;
            let value = self.payload(member)?;
            if value.is_empty() {
                return Err(EncodeError::Empty { oid: member.oid });
            }
            check_length(member.oid, &value, VALUE_LENGTH_MAX)?;
            octets.extend_from_slice(&[number, value.len() as u8 + 2]);
            octets.extend_from_slice(&value);
        }
        Ok(())
    }

    fn hide(
        &mut self,
        oid: Oid,
        encryption: Encryption,
        plain: &[u8],
    ) -> Result<Vec<u8>, EncodeError> {
        let keys = self.keys.ok_or(EncodeError::KeysMissing { oid })?;
        let too_long = |octets_max| EncodeError::TooLong {
            oid,
            octets: plain.len(),
            octets_max,
        };
        match encryption {
            Encryption::UserPassword => {
                let mut out = [0; pap::PASSWORD_LENGTH_MAX];
                pap::encrypt(plain, keys.secret, keys.request_authenticator, &mut out)
                    .map(<[u8]>::to_vec)
                    .ok_or_else(|| too_long(pap::PASSWORD_LENGTH_MAX))
            }
            Encryption::TunnelPassword => {
                let salt = keys.salt.wrapping_add(self.salts).to_be_bytes();
                self.salts = self.salts.wrapping_add(1);
                let mut out = [0; VALUE_LENGTH_MAX];
                let value = tunnel_password::encrypt(
                    0,
                    plain,
                    salt,
                    keys.request_authenticator,
                    keys.secret,
                    &mut out,
                );
                // The tag in front is added with the others, where the attribute has one.
                value
                    .map(|value| value[1..].to_vec())
                    .ok_or_else(|| too_long(tunnel_password::PASSWORD_LENGTH_MAX))
            }
            Encryption::AscendSecret => {
                let mut block = ascend_mask(keys);
                if block.len() < plain.len() {
                    return Err(too_long(block.len()));
                }
                block
                    .iter_mut()
                    .zip(plain)
                    .for_each(|(mask, octet)| *mask ^= octet);
                Ok(block.to_vec())
            }
        }
    }
}

fn tag_integer(avp: &Avp, mut octets: Vec<u8>) -> Result<Vec<u8>, EncodeError> {
    let oid = avp.oid;
    match (avp.tag, octets.first_mut()) {
        (tag, Some(first @ 0)) if matches!(avp.value, Value::Integer32(_)) => {
            *first = tag.unwrap_or(0);
            Ok(octets)
        }
        // A first octet above the tags is read as part of an untagged integer.
        (None, Some(first)) if TAG_MAX < *first || !matches!(avp.value, Value::Integer32(_)) => {
            Ok(octets)
        }
        (None, None) => Ok(octets),
        _ => Err(EncodeError::TaggedTooLarge { oid }),
    }
}

fn extended(
    oid: Oid,
    kind: u8,
    inner: &[u32],
    payload: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    if payload.is_empty() {
        return Err(EncodeError::Empty { oid });
    }
    let not_sendable = EncodeError::NotSendable { oid };
    let narrow = |number: u32| u8::try_from(number).map_err(|_| not_sendable);
    let (inner_kind, mut octets) = match *inner {
        [inner_kind] => (narrow(inner_kind)?, Vec::new()),
        [26, vendor, number] => {
            let mut octets = vendor.to_be_bytes().to_vec();
            octets.push(narrow(number)?);
            (26, octets)
        }
        _ => return Err(not_sendable),
    };
    octets.extend_from_slice(payload);
    if kind < 245 {
        return push(oid, kind, &[inner_kind], &octets, out);
    }
    check_length(oid, &octets, LONG_VALUE_OCTETS_MAX)?;
    each_chunk(&octets, VALUE_LENGTH_MAX - 2, |chunk, more| {
        push(
            oid,
            kind,
            &[inner_kind, if more { MORE } else { 0 }],
            chunk,
            out,
        )
    })
}

fn concatenated(oid: Oid, kind: u8, payload: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    check_length(oid, payload, LONG_VALUE_OCTETS_MAX)?;
    each_chunk(payload, VALUE_LENGTH_MAX, |chunk, _| {
        push(oid, kind, &[], chunk, out)
    })
}

/// Calls `push` with each chunk and whether more follow; once for an empty payload.
fn each_chunk(
    payload: &[u8],
    chunk_octets_max: usize,
    mut push: impl FnMut(&[u8], bool) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let mut rest = payload;
    loop {
        let (chunk, following) = rest.split_at(rest.len().min(chunk_octets_max));
        push(chunk, !following.is_empty())?;
        if following.is_empty() {
            return Ok(());
        }
        rest = following;
    }
}

fn vendor_header(
    format: VendorFormat,
    vendor: u32,
    number: u32,
    value_octets: usize,
    more: bool,
) -> Vec<u8> {
    let mut header = vendor.to_be_bytes().to_vec();
    header.extend_from_slice(&number.to_be_bytes()[4 - usize::from(format.type_octets)..]);
    let length = (format.header_octets() + value_octets) as u32;
    header.extend_from_slice(&length.to_be_bytes()[4 - usize::from(format.length_octets)..]);
    if format.continuation {
        header.push(if more { MORE } else { 0 });
    }
    header
}

fn check_length(oid: Oid, payload: &[u8], octets_max: usize) -> Result<(), EncodeError> {
    if octets_max < payload.len() {
        return Err(EncodeError::TooLong {
            oid,
            octets: payload.len(),
            octets_max,
        });
    }
    Ok(())
}

fn push(
    oid: Oid,
    kind: u8,
    header: &[u8],
    payload: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    check_length(oid, payload, VALUE_LENGTH_MAX - header.len())?;
    out.extend_from_slice(&[kind, (2 + header.len() + payload.len()) as u8]);
    out.extend_from_slice(header);
    out.extend_from_slice(payload);
    Ok(())
}
