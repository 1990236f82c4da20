//! Attributes of a reply, ready to be written.

use std::fmt;

use radius::attribute::kind;
use radius::avp::Keys;
use radius::data_type::DataType;
use radius::dictionary::definition::Encryption;
use radius::writer::{PacketWriter, WriteError};
use radius::{password, tunnel_password};

use super::{Access, Place};
use crate::attribute::{self, Tag};
use crate::program::Operand;

/// Octets of the longest value of an attribute (RFC 2865 §5).
const VALUE_OCTETS_MAX: usize = 253;
/// Octets of the longest value of a vendor's attribute (RFC 2865 §5.26).
const VENDOR_VALUE_OCTETS_MAX: usize = 247;

/// One attribute of a reply.
#[derive(Clone, Copy)]
pub struct ReplyAttribute<'a> {
    /// Its name in the dictionary.
    pub name: &'a str,
    /// Where it goes.
    pub place: attribute::Place,
    /// Its value, without a tag, in clear.
    octets: &'a [u8],
    tag: u8,
    data_type: DataType,
    has_tag: bool,
    /// How it is hidden.
    pub encryption: Option<Encryption>,
    /// Whether its value must not be shown.
    pub is_secret: bool,
    /// The attribute as a whole, when it has no number of its own.
    whole: Option<&'a [u8]>,
}

/// The attribute of a reply's place; `None` when it is not sent: an internal one, or one without a value.
pub(super) fn attribute(access: &Access, place: Place) -> Option<ReplyAttribute<'_>> {
    let item = access.item(place)?;
    let attribute = &*item.attribute;
    let octets = access.octets(place)?;
    let whole = if let Operand::Encoded(encoded) = &item.operand {
        Some(encoded.whole.expose())
    } else {
        None
    };
    let is_sent = !attribute.is_internal()
        && !octets.is_empty()
        && attribute.place != attribute::Place::Standard(kind::MESSAGE_AUTHENTICATOR);
    is_sent.then_some(ReplyAttribute {
        name: &attribute.name,
        place: attribute.place,
        octets,
        tag: match item.tag {
            Tag::Any => 0,
            Tag::Number(tag) => tag,
        },
        data_type: attribute.data_type,
        has_tag: attribute.has_tag,
        encryption: attribute.encryption,
        is_secret: attribute.is_secret,
        whole,
    })
}

impl<'a> ReplyAttribute<'a> {
    /// The value in clear and without its tag.
    #[must_use]
    pub const fn value(&self) -> &'a [u8] {
        self.octets
    }

    /// The tag, 1 to 31; `None` when it has none.
    #[must_use]
    pub fn tag(&self) -> Option<u8> {
        (self.has_tag && self.tag != 0).then_some(self.tag)
    }

    /// Writes the attribute. What is hidden is hidden with `keys`, whose salt the caller changes from one to the next.
    ///
    /// # Errors
    /// When the packet has no room for it.
    pub fn write(&self, writer: &mut PacketWriter<'_>, keys: &Keys<'_>) -> Result<(), WriteError> {
        if let Some(whole) = self.whole {
            return push_whole(writer, whole);
        }
        let mut buffer = [0; VALUE_OCTETS_MAX];
        let octets_max = match self.place {
            attribute::Place::Vendor { .. } => VENDOR_VALUE_OCTETS_MAX,
            attribute::Place::Standard(_)
            | attribute::Place::Deep(_)
            | attribute::Place::Internal(_) => VALUE_OCTETS_MAX,
        };
        let Some(value) = self.encoded(&mut buffer, octets_max, keys) else {
            return Ok(());
        };
        match self.place {
            attribute::Place::Standard(kind) => writer.push(kind, value),
            attribute::Place::Vendor { vendor, kind } => writer.push_vendor(vendor, kind, value),
            attribute::Place::Deep(_) | attribute::Place::Internal(_) => Ok(()),
        }
    }

    /// The value as it is sent, no longer than fits.
    fn encoded<'b>(
        &self,
        buffer: &'b mut [u8; VALUE_OCTETS_MAX],
        octets_max: usize,
        keys: &Keys<'_>,
    ) -> Option<&'b [u8]> {
        match self.encryption {
            Some(Encryption::TunnelPassword) => {
                let length = self.octets.len().min(tunnel_password::PASSWORD_LENGTH_MAX);
                let value = tunnel_password::encrypt(
                    self.tag,
                    &self.octets[..length],
                    keys.salt.to_be_bytes(),
                    keys.request_authenticator,
                    keys.secret,
                    buffer,
                )?;
                Some(&value[usize::from(!self.has_tag)..])
            }
            Some(Encryption::UserPassword) => {
                let clear =
                    &self.octets[..self.octets.len().min(password::pap::PASSWORD_LENGTH_MAX)];
                let mut out = [0; password::pap::PASSWORD_LENGTH_MAX];
                let cipher = password::pap::encrypt(
                    clear,
                    keys.secret,
                    keys.request_authenticator,
                    &mut out,
                )?;
                buffer[..cipher.len()].copy_from_slice(cipher);
                Some(&buffer[..cipher.len()])
            }
            // Nothing is sent rather than a secret in clear.
            Some(Encryption::AscendSecret) => None,
            None => {
                let start = self.tagged(buffer);
                let value = match (self.has_tag, self.data_type, self.octets) {
                    (true, DataType::Integer32, [_, low @ ..]) => low,
                    (_, DataType::Ipv6Prefix, octets) => shortened(octets),
                    (_, _, octets) => octets,
                };
                let length = value.len().min(octets_max - start);
                buffer[start..start + length].copy_from_slice(&value[..length]);
                Some(&buffer[..start + length])
            }
        }
    }

    /// Writes the tag, and gives the octets used; a tagged number always has one, text only when it is not 0.
    fn tagged(&self, buffer: &mut [u8]) -> usize {
        let is_written = self.has_tag && (self.data_type == DataType::Integer32 || self.tag != 0);
        if is_written {
            buffer[0] = self.tag;
        }
        usize::from(is_written)
    }
}

/// The value may be a secret.
impl fmt::Debug for ReplyAttribute<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ReplyAttribute")
            .field("name", &self.name)
            .field("tag", &self.tag())
            .finish_non_exhaustive()
    }
}

/// A prefix with no more octets than its length needs (RFC 8044 §3.10).
fn shortened(prefix: &[u8]) -> &[u8] {
    match prefix {
        [_, length_bits, ..] => {
            let octets = 2 + usize::from(length_bits.div_ceil(8));
            prefix.get(..octets).unwrap_or(prefix)
        }
        _ => prefix,
    }
}

fn push_whole(writer: &mut PacketWriter<'_>, whole: &[u8]) -> Result<(), WriteError> {
    let mut rest = whole;
    while let [kind, length, ..] = *rest {
        let Some((attribute, following)) = rest.split_at_checked(usize::from(length)) else {
            break;
        };
        writer.push(kind, attribute.get(2..).unwrap_or_default())?;
        rest = following;
    }
    Ok(())
}
