//! Request and response authenticators and the Message-Authenticator: who may have written a packet.

use subtle::ConstantTimeEq;

use crate::attribute::kind;
use crate::code::Code;
use crate::digest::{HmacKey, md5};
use crate::packet::{LENGTH_MIN, Packet};
use crate::secret::SharedSecret;

const ZERO: [u8; 16] = [0; 16];

/// What a request's Message-Authenticator says (RFC 3579 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageAuthenticatorCheck {
    /// Present once and computed with this secret.
    Valid,
    /// Not in the packet.
    Absent,
    /// Wrong, not 16 octets long, or present more than once.
    Invalid,
}

/// Why a reply is not the answer to a request; RFC 2865 §3 has it discarded silently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// It answers another request.
    #[error("reply has identifier {found}, the request had {expected}")]
    Identifier { expected: u8, found: u8 },
    /// The Response Authenticator does not match: other secret, other request, or altered on the way.
    #[error("response authenticator does not match")]
    ResponseAuthenticator,
    /// The Message-Authenticator does not match, has a wrong length, or is repeated.
    #[error("message authenticator of the reply is invalid")]
    MessageAuthenticatorInvalid,
    /// The Message-Authenticator that the policy demands is absent.
    #[error("reply has no message authenticator")]
    MessageAuthenticatorAbsent,
}

/// Checks a request's Message-Authenticator in constant time (RFC 3579 §3.2, RFC 5176 §3.4, RFC 5997 §3).
///
/// Accounting, CoA and Disconnect requests are computed over a zeroed Authenticator field.
/// A reply is never valid here, since its computation needs the request: use [`verify_reply`].
#[must_use]
pub fn verify_message_authenticator(
    packet: &Packet<'_>,
    secret: &(impl SharedSecret + ?Sized),
) -> MessageAuthenticatorCheck {
    match packet.code() {
        Code::AccessRequest | Code::StatusServer | Code::StatusClient => {
            check_message_authenticator(packet, packet.authenticator(), secret)
        }
        Code::AccountingRequest | Code::CoaRequest | Code::DisconnectRequest => {
            check_message_authenticator(packet, &ZERO, secret)
        }
        Code::AccessAccept
        | Code::AccessReject
        | Code::AccessChallenge
        | Code::AccountingResponse
        | Code::DisconnectAck
        | Code::DisconnectNak
        | Code::CoaAck
        | Code::CoaNak => match packet.find(kind::MESSAGE_AUTHENTICATOR) {
            Some(_) => MessageAuthenticatorCheck::Invalid,
            None => MessageAuthenticatorCheck::Absent,
        },
    }
}

/// Whether the Authenticator of an Accounting, CoA or Disconnect request was computed with this secret.
///
/// RFC 2866 §3 and RFC 5176 §2.3. In the other requests the field is random, so the answer is false.
#[must_use]
pub fn verify_request_authenticator(
    packet: &Packet<'_>,
    secret: &(impl SharedSecret + ?Sized),
) -> bool {
    let is_signed = matches!(
        packet.code(),
        Code::AccountingRequest | Code::CoaRequest | Code::DisconnectRequest
    );
    is_signed
        && equal(
            &packet_authenticator(packet.as_bytes(), &ZERO, secret.octets()),
            packet.authenticator(),
        )
}

/// Checks that a reply answers the request with this identifier and authenticator (RFC 2865 §3).
///
/// A Message-Authenticator is checked when present.
pub fn verify_reply(
    reply: &Packet<'_>,
    request_identifier: u8,
    request_authenticator: &[u8; 16],
    secret: &(impl SharedSecret + ?Sized),
) -> Result<(), ReplyError> {
    verify_reply_reporting(reply, request_identifier, request_authenticator, secret).map(drop)
}

/// Checks a reply like [`verify_reply`] and refuses one without Message-Authenticator (CVE-2024-3596).
pub fn verify_reply_requiring_message_authenticator(
    reply: &Packet<'_>,
    request_identifier: u8,
    request_authenticator: &[u8; 16],
    secret: &(impl SharedSecret + ?Sized),
) -> Result<(), ReplyError> {
    match verify_reply_reporting(reply, request_identifier, request_authenticator, secret)? {
        Presence::Present => Ok(()),
        Presence::Absent => Err(ReplyError::MessageAuthenticatorAbsent),
    }
}

enum Presence {
    Present,
    Absent,
}

fn verify_reply_reporting(
    reply: &Packet<'_>,
    request_identifier: u8,
    request_authenticator: &[u8; 16],
    secret: &(impl SharedSecret + ?Sized),
) -> Result<Presence, ReplyError> {
    let (expected, found) = (request_identifier, reply.identifier());
    if expected != found {
        return Err(ReplyError::Identifier { expected, found });
    }
    if !equal(
        &packet_authenticator(reply.as_bytes(), request_authenticator, secret.octets()),
        reply.authenticator(),
    ) {
        return Err(ReplyError::ResponseAuthenticator);
    }
    match check_message_authenticator(reply, request_authenticator, secret) {
        MessageAuthenticatorCheck::Valid => Ok(Presence::Present),
        MessageAuthenticatorCheck::Absent => Ok(Presence::Absent),
        MessageAuthenticatorCheck::Invalid => Err(ReplyError::MessageAuthenticatorInvalid),
    }
}

fn check_message_authenticator(
    packet: &Packet<'_>,
    authenticator: &[u8; 16],
    secret: &(impl SharedSecret + ?Sized),
) -> MessageAuthenticatorCheck {
    if !packet.has(kind::MESSAGE_AUTHENTICATOR) {
        return MessageAuthenticatorCheck::Absent;
    }
    let mut at = LENGTH_MIN;
    let mut found = None;
    for attribute in packet.attributes() {
        if attribute.kind == kind::MESSAGE_AUTHENTICATOR {
            let Ok(value) = <&[u8; 16]>::try_from(attribute.value) else {
                return MessageAuthenticatorCheck::Invalid;
            };
            if found.replace((at + 2, value)).is_some() {
                return MessageAuthenticatorCheck::Invalid;
            }
        }
        at += 2 + attribute.value.len();
    }
    let Some((value_at, value)) = found else {
        return MessageAuthenticatorCheck::Absent;
    };
    if equal(
        &message_authenticator(packet.as_bytes(), value_at, authenticator, &secret.hmac_key()),
        value,
    ) {
        MessageAuthenticatorCheck::Valid
    } else {
        MessageAuthenticatorCheck::Invalid
    }
}

/// MD5 over the packet with this Authenticator field, then the secret (RFC 2865 §3, RFC 2866 §3).
fn packet_authenticator(packet: &[u8], authenticator: &[u8; 16], secret: &[u8]) -> [u8; 16] {
    let (header, attributes) = split_packet(packet);
    md5([header, authenticator, attributes, secret])
}

/// HMAC-MD5 over the packet with this Authenticator field and zeros for the value at `value_at` (RFC 3579 §3.2).
fn message_authenticator(
    packet: &[u8],
    value_at: usize,
    authenticator: &[u8; 16],
    key: &HmacKey,
) -> [u8; 16] {
    let (header, attributes) = split_packet(packet);
    let (before, rest) = attributes.split_at(value_at - LENGTH_MIN);
    let (_value, after) = rest.split_at(ZERO.len());
    key.sign([header, authenticator, before, &ZERO, after])
}

fn split_packet(packet: &[u8]) -> (&[u8], &[u8]) {
    let (header, attributes) = packet.split_at(LENGTH_MIN);
    (&header[..4], attributes)
}

fn equal(left: &[u8; 16], right: &[u8; 16]) -> bool {
    left.ct_eq(right).into()
}
