//! Writes one packet into a buffer that the caller reuses; allocates nothing once the buffer has grown.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::attribute::kind;
use crate::code::Code;
use crate::packet::{AUTHENTICATOR, LENGTH_MAX, LENGTH_MIN};
use crate::secret::SharedSecret;
use crate::signer::Unsigned;

/// Octets of the longest attribute value (RFC 2865 §5).
pub const VALUE_LENGTH_MAX: usize = 253;
/// Octets of the longest value of a vendor's sub-attribute (RFC 2865 §5.26).
pub const VENDOR_VALUE_LENGTH_MAX: usize = VALUE_LENGTH_MAX - 6;

/// A packet being written: attributes are appended in order, a `finish_*` function signs it.
#[derive(Debug)]
pub struct PacketWriter<'b> {
    buffer: &'b mut Vec<u8>,
    unsigned: Unsigned,
}

/// Why an attribute was not appended; the packet is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The value does not fit an attribute.
    #[error("value of {length} octets for attribute {kind} is longer than {length_max}")]
    ValueTooLong {
        kind: u8,
        length: usize,
        length_max: usize,
    },
    /// The packet would pass 4,096 octets.
    #[error("attribute {kind} does not fit: {length} octets, {remaining} left")]
    PacketFull {
        kind: u8,
        length: usize,
        remaining: usize,
    },
    /// A Message-Authenticator is reserved already.
    #[error("message authenticator is reserved already")]
    MessageAuthenticatorRepeated,
}

impl<'b> PacketWriter<'b> {
    /// Starts a packet; what the buffer held is dropped, its capacity is kept.
    pub fn new(buffer: &'b mut Vec<u8>, code: Code, identifier: u8) -> Self {
        buffer.clear();
        buffer.reserve(LENGTH_MAX);
        buffer.extend_from_slice(&[code.as_u8(), identifier]);
        buffer.resize(LENGTH_MIN, 0);
        Self {
            buffer,
            unsigned: Unsigned::default(),
        }
    }

    /// Appends an attribute whose value has 0 to 253 octets.
    pub fn push(&mut self, kind: u8, value: &[u8]) -> Result<(), WriteError> {
        self.push_parts(kind, [value])
    }

    /// Appends an `integer` value (RFC 8044 §3.1).
    pub fn push_integer(&mut self, kind: u8, value: u32) -> Result<(), WriteError> {
        self.push(kind, &value.to_be_bytes())
    }

    /// Appends an `integer64` value (RFC 6929 §2.5).
    pub fn push_integer64(&mut self, kind: u8, value: u64) -> Result<(), WriteError> {
        self.push(kind, &value.to_be_bytes())
    }

    /// Appends an `ipv4addr` value (RFC 8044 §3.8).
    pub fn push_ipv4(&mut self, kind: u8, value: Ipv4Addr) -> Result<(), WriteError> {
        self.push(kind, &value.octets())
    }

    /// Appends an `ipv6addr` value (RFC 8044 §3.9).
    pub fn push_ipv6(&mut self, kind: u8, value: Ipv6Addr) -> Result<(), WriteError> {
        self.push(kind, &value.octets())
    }

    /// Appends an `ipv6prefix` value with no more octets than the length needs and the bits after it cleared
    /// (RFC 8044 §3.10); a length above 128 bits counts as 128.
    pub fn push_ipv6_prefix(
        &mut self,
        kind: u8,
        prefix: Ipv6Addr,
        length_bits: u8,
    ) -> Result<(), WriteError> {
        let length_bits = length_bits.min(128);
        let mask = u128::MAX
            .checked_shl(128 - u32::from(length_bits))
            .unwrap_or(0);
        let octets = (prefix.to_bits() & mask).to_be_bytes();
        let used = usize::from(length_bits.div_ceil(8));
        self.push_parts(kind, [&[0, length_bits][..], &octets[..used]])
    }

    /// Appends a `text` value (RFC 8044 §3.4).
    pub fn push_text(&mut self, kind: u8, value: &str) -> Result<(), WriteError> {
        self.push(kind, value.as_bytes())
    }

    /// Appends a Vendor-Specific attribute with one sub-attribute of 0 to 247 octets (RFC 2865 §5.26, usual layout).
    pub fn push_vendor(&mut self, vendor: u32, kind: u8, value: &[u8]) -> Result<(), WriteError> {
        let length = length_octet(kind, value.len(), VENDOR_VALUE_LENGTH_MAX)?;
        self.push_parts(
            kind::VENDOR_SPECIFIC,
            [&vendor.to_be_bytes()[..], &[kind, length], value],
        )
    }

    /// Appends a vendor's integer.
    pub fn push_vendor_integer(
        &mut self,
        vendor: u32,
        kind: u8,
        value: u32,
    ) -> Result<(), WriteError> {
        self.push_vendor(vendor, kind, &value.to_be_bytes())
    }

    /// Appends a vendor's text.
    pub fn push_vendor_text(
        &mut self,
        vendor: u32,
        kind: u8,
        value: &str,
    ) -> Result<(), WriteError> {
        self.push_vendor(vendor, kind, value.as_bytes())
    }

    /// Appends a value of any length, split in attributes of 253 octets (RFC 3579 §3.1); all of it or nothing.
    pub fn push_long(&mut self, kind: u8, value: &[u8]) -> Result<(), WriteError> {
        let count = value.len().div_ceil(VALUE_LENGTH_MAX).max(1);
        self.check_room(kind, value.len() + 2 * count)?;
        if value.is_empty() {
            return self.push(kind, value);
        }
        value
            .chunks(VALUE_LENGTH_MAX)
            .try_for_each(|chunk| self.push(kind, chunk))
    }

    /// Appends attributes that are encoded already.
    pub fn push_encoded(&mut self, attributes: &[u8]) -> Result<(), WriteError> {
        let Some(kind) = attributes.first() else {
            return Ok(());
        };
        self.check_room(*kind, attributes.len())?;
        self.buffer.extend_from_slice(attributes);
        Ok(())
    }

    /// Reserves the Message-Authenticator, which the `finish_*` functions compute (RFC 3579 §3.2).
    ///
    /// Call it before any other `push_*` function: first in the packet is where it protects best (CVE-2024-3596).
    pub fn push_message_authenticator(&mut self) -> Result<(), WriteError> {
        if self.unsigned.message_authenticator_at.is_some() {
            return Err(WriteError::MessageAuthenticatorRepeated);
        }
        let value_at = self.buffer.len() + 2;
        self.push(kind::MESSAGE_AUTHENTICATOR, &[0; 16])?;
        self.unsigned.message_authenticator_at = Some(value_at);
        Ok(())
    }

    /// Signs a reply to the request with this authenticator (RFC 2865 §3, RFC 3579 §3.2).
    pub fn finish_reply(
        self,
        request_authenticator: &[u8; 16],
        secret: &(impl SharedSecret + ?Sized),
    ) {
        self.finish_signed(request_authenticator, secret);
    }

    /// Ends a reply to the request with this authenticator without a signature: a [`crate::signer::Signer`] signs it.
    pub fn finish_unsigned(mut self, request_authenticator: &[u8; 16]) -> Unsigned {
        self.finish_header(request_authenticator);
        self.unsigned
    }

    /// Signs an Access-Request or Status-Server, whose authenticator is 16 unpredictable octets (RFC 2865 §3).
    ///
    /// User-Password is encrypted with the same authenticator, so the caller draws it.
    pub fn finish_access_request(
        mut self,
        authenticator: &[u8; 16],
        secret: &(impl SharedSecret + ?Sized),
    ) {
        self.finish_header(authenticator);
        self.unsigned
            .write_message_authenticator(self.buffer, secret);
    }

    /// Signs an Accounting, CoA or Disconnect request (RFC 2866 §3, RFC 5176 §2.3 and §3.4).
    pub fn finish_accounting_request(self, secret: &(impl SharedSecret + ?Sized)) {
        self.finish_signed(&[0; 16], secret);
    }

    /// Octets that are left for attributes, their headers included.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        LENGTH_MAX - self.buffer.len()
    }

    fn push_parts<const COUNT: usize>(
        &mut self,
        kind: u8,
        parts: [&[u8]; COUNT],
    ) -> Result<(), WriteError> {
        let length = parts.iter().map(|part| part.len()).sum();
        let octet = length_octet(kind, length, VALUE_LENGTH_MAX)?;
        self.check_room(kind, length + 2)?;
        self.buffer.extend_from_slice(&[kind, octet]);
        for part in parts {
            self.buffer.extend_from_slice(part);
        }
        Ok(())
    }

    const fn check_room(&self, kind: u8, length: usize) -> Result<(), WriteError> {
        let remaining = self.remaining();
        if remaining < length {
            Err(WriteError::PacketFull {
                kind,
                length,
                remaining,
            })
        } else {
            Ok(())
        }
    }

    fn finish_signed(mut self, authenticator: &[u8; 16], secret: &(impl SharedSecret + ?Sized)) {
        self.finish_header(authenticator);
        self.unsigned.sign(self.buffer, secret);
    }

    fn finish_header(&mut self, authenticator: &[u8; 16]) {
        let length = u16::try_from(self.buffer.len()).expect("a packet has at most 4096 octets");
        self.buffer[2..AUTHENTICATOR.start].copy_from_slice(&length.to_be_bytes());
        self.buffer[AUTHENTICATOR].copy_from_slice(authenticator);
    }
}

fn length_octet(kind: u8, length: usize, length_max: usize) -> Result<u8, WriteError> {
    match u8::try_from(length.saturating_add(2)) {
        Ok(octet) if length <= length_max => Ok(octet),
        Ok(_) | Err(_) => Err(WriteError::ValueTooLong {
            kind,
            length,
            length_max,
        }),
    }
}
