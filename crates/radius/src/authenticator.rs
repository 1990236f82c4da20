//! Request and response authenticators and the Message-Authenticator: who may have written a packet.

use subtle::ConstantTimeEq;

use crate::attribute::kind;
use crate::code::Code;
use crate::digest::{HmacKey, md5};
use crate::packet::{LENGTH_MIN, Packet};
use crate::secret::SharedSecret;

pub(crate) const ZERO: [u8; 16] = [0; 16];

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
    let found = match find_message_authenticator(packet) {
        Signature::At(at, value) => (at, value),
        Signature::Wrong(check) => return check,
    };
    compare_message_authenticator(packet, found, signed_authenticator(packet), secret)
}

/// Whether the Authenticator of an Accounting, CoA or Disconnect request was computed with this secret.
///
/// RFC 2866 §3 and RFC 5176 §2.3. In the other requests the field is random, so the answer is false.
#[must_use]
pub fn verify_request_authenticator(
    packet: &Packet<'_>,
    secret: &(impl SharedSecret + ?Sized),
) -> bool {
    is_signed(packet.code())
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
    let check = match locate(reply) {
        Signature::At(at, value) => {
            compare_message_authenticator(reply, (at, value), request_authenticator, secret)
        }
        Signature::Wrong(check) => check,
    };
    match check {
        MessageAuthenticatorCheck::Valid => Ok(Presence::Present),
        MessageAuthenticatorCheck::Absent => Ok(Presence::Absent),
        MessageAuthenticatorCheck::Invalid => Err(ReplyError::MessageAuthenticatorInvalid),
    }
}

/// Where the Message-Authenticator of a packet is, or what is wrong with it.
pub(crate) enum Signature<'a> {
    /// At which octet of the packet its value begins, and the value.
    At(usize, &'a [u8; 16]),
    /// It is absent, or invalid whatever the secret.
    Wrong(MessageAuthenticatorCheck),
}

/// The Message-Authenticator of a request; that of a reply is wrong here.
pub(crate) fn find_message_authenticator<'a>(request: &Packet<'a>) -> Signature<'a> {
    match request.code() {
        Code::AccessRequest
        | Code::StatusServer
        | Code::StatusClient
        | Code::AccountingRequest
        | Code::CoaRequest
        | Code::DisconnectRequest => locate(request),
        Code::AccessAccept
        | Code::AccessReject
        | Code::AccessChallenge
        | Code::AccountingResponse
        | Code::DisconnectAck
        | Code::DisconnectNak
        | Code::CoaAck
        | Code::CoaNak => Signature::Wrong(match request.has(kind::MESSAGE_AUTHENTICATOR) {
            true => MessageAuthenticatorCheck::Invalid,
            false => MessageAuthenticatorCheck::Absent,
        }),
    }
}

/// Whether the Authenticator of requests with this code is computed, and not random.
pub(crate) const fn is_signed(code: Code) -> bool {
    matches!(
        code,
        Code::AccountingRequest | Code::CoaRequest | Code::DisconnectRequest
    )
}

/// The Authenticator that a request's Message-Authenticator covers: zeros where it is computed last.
pub(crate) const fn signed_authenticator<'a>(request: &Packet<'a>) -> &'a [u8; 16] {
    if is_signed(request.code()) {
        &ZERO
    } else {
        request.authenticator()
    }
}

fn locate<'a>(packet: &Packet<'a>) -> Signature<'a> {
    if !packet.has(kind::MESSAGE_AUTHENTICATOR) {
        return Signature::Wrong(MessageAuthenticatorCheck::Absent);
    }
    let mut at = LENGTH_MIN;
    let mut found = None;
    for attribute in packet.attributes() {
        if attribute.kind == kind::MESSAGE_AUTHENTICATOR {
            let value = attribute.value.try_into().ok();
            if value.is_none() || found.is_some() {
                return Signature::Wrong(MessageAuthenticatorCheck::Invalid);
            }
            found = value.map(|value| Signature::At(at + 2, value));
        }
        at += 2 + attribute.value.len();
    }
    found.unwrap_or(Signature::Wrong(MessageAuthenticatorCheck::Absent))
}

fn compare_message_authenticator(
    packet: &Packet<'_>,
    (at, value): (usize, &[u8; 16]),
    authenticator: &[u8; 16],
    secret: &(impl SharedSecret + ?Sized),
) -> MessageAuthenticatorCheck {
    let key = secret.hmac_key();
    if equal(
        &message_authenticator(packet.as_bytes(), at, authenticator, &key),
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

pub(crate) fn split_packet(packet: &[u8]) -> (&[u8], &[u8]) {
    let (header, attributes) = packet.split_at(LENGTH_MIN);
    (&header[..4], attributes)
}

pub(crate) fn equal(left: &[u8; 16], right: &[u8; 16]) -> bool {
    left.ct_eq(right).into()
}
