//! Disconnect and CoA requests, and what is answered to them, for both sides (RFC 5176).

mod error_cause;

pub use error_cause::ErrorCause;

use crate::attribute::{self, Attribute, kind};
use crate::authenticator::{
    MessageAuthenticatorCheck, ReplyError, verify_message_authenticator, verify_reply,
    verify_request_authenticator,
};
use crate::code::Code;
use crate::packet::{LENGTH_MIN, Packet, ParseError};
use crate::secret::SharedSecret;
use crate::writer::{PacketWriter, WriteError};

/// How far Event-Timestamp may be off before a request counts as an old one that is played again
/// (RFC 5176 §6.3).
pub const TIME_WINDOW_SECONDS: u32 = 300;

/// What a request wants of the sessions that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// They end (§2.1).
    Disconnect,
    /// They go on on other terms (§2.2).
    Change,
}

impl Action {
    /// What a packet with this code asks for; `None` when it is not such a request.
    #[must_use]
    pub const fn of(code: Code) -> Option<Self> {
        match code {
            Code::DisconnectRequest => Some(Self::Disconnect),
            Code::CoaRequest => Some(Self::Change),
            Code::AccessRequest
            | Code::AccessAccept
            | Code::AccessReject
            | Code::AccountingRequest
            | Code::AccountingResponse
            | Code::AccessChallenge
            | Code::StatusServer
            | Code::StatusClient
            | Code::DisconnectAck
            | Code::DisconnectNak
            | Code::CoaAck
            | Code::CoaNak => None,
        }
    }

    /// The code that asks for it.
    #[must_use]
    pub const fn request_code(self) -> Code {
        match self {
            Self::Disconnect => Code::DisconnectRequest,
            Self::Change => Code::CoaRequest,
        }
    }

    const fn reply_code(self, answer: Answer) -> Code {
        match (self, answer) {
            (Self::Disconnect, Answer::Acknowledged) => Code::DisconnectAck,
            (Self::Disconnect, Answer::Refused(_)) => Code::DisconnectNak,
            (Self::Change, Answer::Acknowledged) => Code::CoaAck,
            (Self::Change, Answer::Refused(_)) => Code::CoaNak,
        }
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// ACK: all of it was done.
    Acknowledged,
    /// NAK: nothing of it was done. Many routers give no cause.
    Refused(Option<ErrorCause>),
}

/// Why a datagram is not a request that may be obeyed; §3 has all of them discarded silently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestFault {
    /// It is not a RADIUS packet.
    #[error(transparent)]
    Malformed(#[from] ParseError),
    /// It is neither a Disconnect-Request nor a CoA-Request.
    #[error("{0} is neither a Disconnect-Request nor a CoA-Request")]
    UnexpectedCode(Code),
    /// The Request Authenticator was made with another secret, or the packet was altered.
    #[error("request authenticator does not match")]
    RequestAuthenticator,
    /// The Message-Authenticator does not match, has a wrong length, or is repeated.
    #[error("message authenticator is invalid")]
    MessageAuthenticator,
    /// Its Event-Timestamp is too far from now.
    #[error("event timestamp is more than {TIME_WINDOW_SECONDS} s away")]
    Untimely,
}

/// Why a datagram does not answer a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyFault {
    /// It is not a RADIUS packet.
    #[error(transparent)]
    Malformed(#[from] ParseError),
    /// It answers another kind of request.
    #[error("{0} does not answer this kind of request")]
    UnexpectedCode(Code),
    /// Its signatures do not match the request.
    #[error(transparent)]
    Signature(#[from] ReplyError),
}

/// A request whose signatures are right and which is of now.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What it wants.
    pub action: Action,
    /// The packet as it came.
    pub packet: Packet<'a>,
}

impl<'a> Request<'a> {
    /// Checks a datagram that arrived at `now_seconds` since 1970.
    pub fn read(
        datagram: &'a [u8],
        secret: &(impl SharedSecret + ?Sized),
        now_seconds: i64,
    ) -> Result<Self, RequestFault> {
        let packet = Packet::parse(datagram)?;
        let code = packet.code();
        let action = Action::of(code).ok_or(RequestFault::UnexpectedCode(code))?;
        if !verify_request_authenticator(&packet, secret) {
            return Err(RequestFault::RequestAuthenticator);
        }
        if verify_message_authenticator(&packet, secret) == MessageAuthenticatorCheck::Invalid {
            return Err(RequestFault::MessageAuthenticator);
        }
        if !is_timely(&packet, now_seconds) {
            return Err(RequestFault::Untimely);
        }
        Ok(Self { action, packet })
    }

    /// The attributes that say what is meant and what is wanted: without those of the transport.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        self.packet
            .attributes()
            .filter(|attribute| !is_of_transport(attribute.kind))
    }

    /// Writes the answer into `buffer`: Message-Authenticator first, the cause, and State and
    /// Proxy-State as they came (§3.1 to §3.3, §3.6).
    pub fn write_reply(
        &self,
        buffer: &mut Vec<u8>,
        answer: Answer,
        secret: &(impl SharedSecret + ?Sized),
    ) -> Result<(), WriteError> {
        let code = self.action.reply_code(answer);
        let mut writer = PacketWriter::new(buffer, code, self.packet.identifier());
        writer.push_message_authenticator()?;
        if let Answer::Refused(cause) = answer {
            if let Some(ErrorCause(number)) = cause {
                writer.push_integer(kind::ERROR_CAUSE, number)?;
            }
            if let (Action::Change, Some(state)) = (self.action, self.packet.find(kind::STATE)) {
                writer.push(kind::STATE, state)?;
            }
        }
        for state in self.packet.find_all(kind::PROXY_STATE) {
            writer.push(kind::PROXY_STATE, state)?;
        }
        writer.finish_reply(self.packet.authenticator(), secret);
        Ok(())
    }
}

/// Writes a request into `buffer`: Message-Authenticator first, the attributes, and when it was
/// written. It is sent again octet for octet, also its Event-Timestamp (§2.3, §6.3).
pub fn write_request(
    buffer: &mut Vec<u8>,
    action: Action,
    identifier: u8,
    now_seconds: u32,
    attributes: &[u8],
    secret: &(impl SharedSecret + ?Sized),
) -> Result<(), WriteError> {
    let mut writer = PacketWriter::new(buffer, action.request_code(), identifier);
    writer.push_message_authenticator()?;
    writer.push_encoded(attributes)?;
    writer.push_integer(kind::EVENT_TIMESTAMP, now_seconds)?;
    writer.finish_accounting_request(secret);
    Ok(())
}

/// Encodes attributes for [`write_request`].
pub fn encode_attributes(
    write: impl FnOnce(&mut PacketWriter<'_>) -> Result<(), WriteError>,
) -> Result<Box<[u8]>, WriteError> {
    let mut buffer = Vec::new();
    let mut writer = PacketWriter::new(&mut buffer, Code::CoaRequest, 0);
    write(&mut writer)?;
    let _ = writer.finish_unsigned(&[0; 16]);
    Ok(buffer[LENGTH_MIN..].into())
}

/// Reads the answer to the request with this identifier and authenticator.
pub fn read_reply(
    datagram: &[u8],
    action: Action,
    request_identifier: u8,
    request_authenticator: &[u8; 16],
    secret: &(impl SharedSecret + ?Sized),
) -> Result<Answer, ReplyFault> {
    let reply = Packet::parse(datagram)?;
    let cause = reply.find(kind::ERROR_CAUSE).and_then(attribute::integer);
    let answers = [Answer::Acknowledged, Answer::Refused(cause.map(ErrorCause))];
    let code = reply.code();
    let answer = answers
        .into_iter()
        .find(|answer| action.reply_code(*answer) == code)
        .ok_or(ReplyFault::UnexpectedCode(code))?;
    verify_reply(&reply, request_identifier, request_authenticator, secret)?;
    Ok(answer)
}

/// Whether an attribute is about the packet, and not about a session or its terms.
const fn is_of_transport(number: u8) -> bool {
    matches!(
        number,
        kind::MESSAGE_AUTHENTICATOR | kind::EVENT_TIMESTAMP | kind::PROXY_STATE
    )
}

/// A request without Event-Timestamp is taken: it is not said when it was made.
fn is_timely(packet: &Packet<'_>, now_seconds: i64) -> bool {
    let made_at = packet.find(kind::EVENT_TIMESTAMP).map(attribute::integer);
    match made_at {
        None => true,
        Some(None) => false,
        Some(Some(made_at)) => {
            now_seconds.abs_diff(i64::from(made_at)) <= u64::from(TIME_WINDOW_SECONDS)
        }
    }
}
