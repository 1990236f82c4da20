//! A datagram as a checked view: header, attributes, nothing copied.

use std::fmt;
use std::ops::Range;

use crate::attribute::Attributes;
use crate::code::Code;

/// Octets of the header, which is the shortest packet (RFC 2865 §3).
pub const LENGTH_MIN: usize = 20;
/// Octets of the longest packet (RFC 2865 §3).
pub const LENGTH_MAX: usize = 4096;
/// Where the Authenticator field is (RFC 2865 §3).
pub(crate) const AUTHENTICATOR: Range<usize> = 4..LENGTH_MIN;
/// Attributes that one packet may carry; more is an attack, not a subscriber.
pub const ATTRIBUTES_MAX: usize = 256;

/// A checked view of one datagram: the header is sane, the attribute lengths add up, padding is cut off.
#[derive(Clone, Copy)]
pub struct Packet<'a> {
    code: Code,
    authenticator: &'a [u8; 16],
    bytes: &'a [u8],
    kinds: KindSet,
}

/// The kinds of attributes that a packet has, a bit each.
type KindSet = [u64; 4];

/// Why a datagram is not a RADIUS packet; RFC 2865 §3 has all of them discarded silently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Fewer octets than a header has.
    #[error("datagram of {received} octets is shorter than a RADIUS header")]
    HeaderTruncated { received: usize },
    /// The Length field is outside 20 to 4,096.
    #[error("length field {length} is outside 20 to 4096")]
    LengthInvalid { length: usize },
    /// The Length field claims more than arrived.
    #[error("length field says {length} octets, {received} arrived")]
    Truncated { length: usize, received: usize },
    /// The Code field is not one that this crate speaks.
    #[error("unknown packet code {code}")]
    UnknownCode { code: u8 },
    /// An attribute has type 0, or a length below 2, or does not fit the packet.
    #[error("malformed attribute at octet {at}")]
    AttributeMalformed { at: usize },
    /// More than [`ATTRIBUTES_MAX`] attributes.
    #[error("more than {ATTRIBUTES_MAX} attributes")]
    AttributesTooMany,
}

impl<'a> Packet<'a> {
    /// Checks a datagram (RFC 2865 §3); octets after the Length field's end are padding and ignored.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, ParseError> {
        let received = datagram.len();
        let Some((header, _)) = datagram.split_first_chunk::<LENGTH_MIN>() else {
            return Err(ParseError::HeaderTruncated { received });
        };
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if !(LENGTH_MIN..=LENGTH_MAX).contains(&length) {
            return Err(ParseError::LengthInvalid { length });
        }
        let Some(bytes) = datagram.get(..length) else {
            return Err(ParseError::Truncated { length, received });
        };
        let Some(code) = Code::from_u8(header[0]) else {
            return Err(ParseError::UnknownCode { code: header[0] });
        };
        let kinds = check_attributes(bytes)?;
        let authenticator = header
            .last_chunk()
            .expect("a header of 20 octets ends with 16");
        Ok(Self {
            code,
            authenticator,
            bytes,
            kinds,
        })
    }

    /// What the packet asks or answers.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The Identifier field, which pairs a reply with its request.
    #[must_use]
    pub const fn identifier(&self) -> u8 {
        self.bytes[1]
    }

    /// The Authenticator field.
    #[must_use]
    pub const fn authenticator(&self) -> &'a [u8; 16] {
        self.authenticator
    }

    /// The packet without padding.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The attributes in order.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.bytes.get(LENGTH_MIN..).unwrap_or_default())
    }

    /// Whether the packet has an attribute of this kind.
    #[must_use]
    pub const fn has(&self, kind: u8) -> bool {
        self.kinds[kind as usize / 64] >> (kind % 64) & 1 == 1
    }

    /// The value of the first attribute of this kind.
    #[must_use]
    pub fn find(&self, kind: u8) -> Option<&'a [u8]> {
        self.find_all(kind).next()
    }

    /// The values of all attributes of this kind in order.
    pub fn find_all(&self, kind: u8) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let attributes = self.has(kind).then(|| self.attributes());
        attributes
            .into_iter()
            .flatten()
            .filter(move |attribute| attribute.kind == kind)
            .map(|attribute| attribute.value)
    }

    /// The value of the first sub-attribute of this vendor and kind (RFC 2865 §5.26, usual layout).
    #[must_use]
    pub fn find_vendor(&self, vendor: u32, kind: u8) -> Option<&'a [u8]> {
        self.attributes()
            .filter_map(|attribute| attribute.vendor())
            .filter(|(found, _)| *found == vendor)
            .flat_map(|(_, attributes)| attributes)
            .find(|attribute| attribute.kind == kind)
            .map(|attribute| attribute.value)
    }

    /// Writes the value of an attribute that was split over several (RFC 3579 §3.1) into `out`, replacing it.
    pub fn concatenate(&self, kind: u8, out: &mut Vec<u8>) {
        out.clear();
        for value in self.find_all(kind) {
            out.extend_from_slice(value);
        }
    }
}

impl fmt::Debug for Packet<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Packet")
            .field("code", &self.code)
            .field("identifier", &self.identifier())
            .field("length", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

fn check_attributes(packet: &[u8]) -> Result<KindSet, ParseError> {
    let mut at = LENGTH_MIN;
    let mut kinds = KindSet::default();
    for _ in 0..ATTRIBUTES_MAX {
        match packet.get(at..) {
            None | Some([]) => return Ok(kinds),
            Some([kind, length, ..])
                if *kind != 0 && 2 <= *length && at + usize::from(*length) <= packet.len() =>
            {
                kinds[usize::from(kind / 64)] |= 1 << (kind % 64);
                at += usize::from(*length);
            }
            Some(_) => return Err(ParseError::AttributeMalformed { at }),
        }
    }
    if at < packet.len() {
        Err(ParseError::AttributesTooMany)
    } else {
        Ok(kinds)
    }
}
