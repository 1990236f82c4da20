//! Attribute-value pairs: attributes as the dictionary understands them, from a packet, to a packet, and as text.

mod decode;
mod encode;
mod text;

use crate::dictionary::oid::Oid;
use crate::value::Value;

pub use decode::decode;
pub use encode::{EncodeError, encode};
pub use text::{ParseError, ShownAvp, parse, parse_list};

/// Most octets of a value that is put together from several attributes; a packet holds no more.
pub const LONG_VALUE_OCTETS_MAX: usize = 4_096;

/// The largest tag of RFC 2868 §3.
pub const TAG_MAX: u8 = 0x1f;

/// One attribute with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Avp {
    /// Which attribute.
    pub oid: Oid,
    /// The tag, 1 to 31, that groups tunnel attributes (RFC 2868 §3); `None` also for the unused tag 0.
    pub tag: Option<u8>,
    /// Its value.
    pub value: Value,
}

/// What hides and reveals encrypted attributes.
#[derive(Clone, Copy)]
pub struct Keys<'k> {
    /// The secret shared with the NAS.
    pub secret: &'k [u8],
    /// The authenticator of the request, also for attributes of its reply.
    pub request_authenticator: &'k [u8; 16],
    /// The salt of the first salted attribute of the packet, random; further ones count up from it (RFC 2868 §3.5).
    pub salt: u16,
}

impl Avp {
    /// An attribute without a tag.
    #[must_use]
    pub const fn new(oid: Oid, value: Value) -> Self {
        Self {
            oid,
            tag: None,
            value,
        }
    }

    /// An attribute with a tag.
    #[must_use]
    pub const fn tagged(oid: Oid, tag: u8, value: Value) -> Self {
        Self {
            oid,
            tag: Some(tag),
            value,
        }
    }
}

impl std::fmt::Debug for Keys<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Keys")
    }
}

/// The attribute of the packet, or of the vendor, that a TLV member sits in; the attribute itself when it is not in a TLV.
fn outermost(oid: &Oid) -> Oid {
    let depth = match *oid.numbers() {
        [26, _, _, ..] => 3,
        [241..=246, 26, _, _, ..] => 4,
        [241..=246, _, ..] => 2,
        _ => 1,
    };
    let mut top = *oid;
    while depth < top.numbers().len() {
        let Some(parent) = top.parent() else {
            break;
        };
        top = parent;
    }
    top
}

/// Puts members of TLVs that stand alone into their TLVs, those that follow each other together.
fn nested(avps: &[Avp]) -> Vec<Avp> {
    let mut result = Vec::with_capacity(avps.len());
    for avp in avps {
        insert_nested(&mut result, outermost(&avp.oid), avp);
    }
    result
}

fn insert_nested(level: &mut Vec<Avp>, oid: Oid, avp: &Avp) {
    let next = avp
        .oid
        .numbers()
        .get(oid.numbers().len())
        .and_then(|number| oid.child(*number));
    let Some(next) = next else {
        level.push(avp.clone());
        return;
    };
    if let Some(Avp {
        oid: last,
        value: Value::Tlv(children),
        ..
    }) = level.last_mut()
        && *last == oid
    {
        insert_nested(children, next, avp);
        return;
    }
    let mut children = Vec::new();
    insert_nested(&mut children, next, avp);
    level.push(Avp::new(oid, Value::Tlv(children)));
}

#[cfg(test)]
mod tests;
