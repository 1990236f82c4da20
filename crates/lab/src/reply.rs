//! Replies: whether they may be believed, and what they grant in words.

use std::fmt;
use std::str::FromStr;

use radius::attribute::kind;
use radius::authenticator::{
    ReplyError, verify_reply, verify_reply_requiring_message_authenticator,
};
use radius::avp::{self, Keys};
use radius::code::Code;
use radius::dictionary::Dictionary;
use radius::packet::Packet;
use serde::Serialize;

/// What the lab demands of a reply to an Access-Request or Status-Server, beyond a right Response Authenticator.
///
/// An Accounting-Response needs no Message-Authenticator; a wrong one is refused everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyPolicy {
    /// A Message-Authenticator as the first attribute, where it protects best (CVE-2024-3596).
    #[default]
    MessageAuthenticatorFirst,
    /// A Message-Authenticator anywhere, as RouterOS 7.15 and later demand.
    MessageAuthenticatorRequired,
    /// None needed, as older routers.
    MessageAuthenticatorOptional,
}

/// A text that names no reply policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{raw}' is not a reply policy: write first, required or optional")]
pub struct ReplyPolicyError {
    raw: String,
}

/// Why a reply was not believed; a NAS discards such a reply and goes on waiting (RFC 2865 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum ReplyFault {
    /// Not a RADIUS packet.
    #[error("the datagram is not a RADIUS packet")]
    Malformed,
    /// It answers another request.
    #[error("the identifier is that of another request")]
    Identifier,
    /// A code that does not answer this kind of request.
    #[error("the code does not answer this request")]
    Code,
    /// The Response Authenticator is wrong.
    #[error(
        "the response authenticator does not match: the secret differs, or somebody forged the reply"
    )]
    ResponseAuthenticator,
    /// The Message-Authenticator is wrong, malformed or repeated.
    #[error("the message authenticator is invalid")]
    MessageAuthenticatorInvalid,
    /// There is no Message-Authenticator.
    #[error("the reply has no message authenticator")]
    MessageAuthenticatorAbsent,
    /// The Message-Authenticator is not the first attribute.
    #[error("the message authenticator is not the first attribute")]
    MessageAuthenticatorNotFirst,
    /// An Access-Accept for MS-CHAPv2 without MS-CHAP2-Success.
    #[error("the accept has no MS-CHAP2-Success")]
    MsChapSuccessAbsent,
    /// The server did not prove that it knows the password.
    #[error("MS-CHAP2-Success is wrong: the server does not know the password")]
    MsChapSuccessWrong,
}

/// One attribute of a reply, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplyAttribute {
    /// The name in the dictionary.
    pub name: String,
    /// The value; a secret is not shown.
    pub value: String,
}

/// What a reply has to fit.
#[derive(Clone, Copy)]
pub(crate) struct Expectation<'a> {
    pub(crate) request_code: Code,
    pub(crate) identifier: u8,
    pub(crate) authenticator: &'a [u8; 16],
    pub(crate) secret: &'a [u8],
    pub(crate) policy: ReplyPolicy,
}

impl Expectation<'_> {
    /// Whether the reply may be believed.
    pub(crate) fn check(&self, reply: &Packet<'_>) -> Result<(), ReplyFault> {
        let verify = match self.effective_policy() {
            ReplyPolicy::MessageAuthenticatorOptional => verify_reply,
            ReplyPolicy::MessageAuthenticatorFirst | ReplyPolicy::MessageAuthenticatorRequired => {
                verify_reply_requiring_message_authenticator
            }
        };
        verify(reply, self.identifier, self.authenticator, self.secret)?;
        self.check_code(reply)?;
        let first = reply.attributes().next().map(|attribute| attribute.kind);
        let is_first = first == Some(kind::MESSAGE_AUTHENTICATOR);
        if self.effective_policy() == ReplyPolicy::MessageAuthenticatorFirst && !is_first {
            return Err(ReplyFault::MessageAuthenticatorNotFirst);
        }
        Ok(())
    }

    /// Whether the reply is one to such a request, whoever sent it.
    pub(crate) fn check_code(&self, reply: &Packet<'_>) -> Result<(), ReplyFault> {
        if self.is_answered_by(reply.code()) {
            Ok(())
        } else {
            Err(ReplyFault::Code)
        }
    }

    fn effective_policy(&self) -> ReplyPolicy {
        if self.request_code == Code::AccountingRequest {
            ReplyPolicy::MessageAuthenticatorOptional
        } else {
            self.policy
        }
    }

    fn is_answered_by(&self, code: Code) -> bool {
        match self.request_code {
            Code::AccessRequest => matches!(
                code,
                Code::AccessAccept | Code::AccessReject | Code::AccessChallenge
            ),
            Code::AccountingRequest => code == Code::AccountingResponse,
            Code::StatusServer => matches!(code, Code::AccessAccept | Code::AccountingResponse),
            Code::AccessAccept
            | Code::AccessReject
            | Code::AccessChallenge
            | Code::AccountingResponse
            | Code::StatusClient
            | Code::DisconnectRequest
            | Code::DisconnectAck
            | Code::DisconnectNak
            | Code::CoaRequest
            | Code::CoaAck
            | Code::CoaNak => false,
        }
    }
}

/// The attributes of a believed reply in words.
pub fn describe(
    dictionary: &Dictionary,
    reply: &Packet<'_>,
    request_authenticator: &[u8; 16],
    secret: &[u8],
) -> Vec<ReplyAttribute> {
    let keys = Keys {
        secret,
        request_authenticator,
        salt: 0,
    };
    avp::decode(dictionary, reply.attributes(), Some(&keys))
        .iter()
        .map(|avp| {
            let shown = avp.show(dictionary).to_string();
            let (name, value) = shown.split_once(" = ").unwrap_or((&shown, ""));
            ReplyAttribute {
                name: name.into(),
                value: value.into(),
            }
        })
        .collect()
}

impl From<ReplyError> for ReplyFault {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::Identifier { .. } => Self::Identifier,
            ReplyError::ResponseAuthenticator => Self::ResponseAuthenticator,
            ReplyError::MessageAuthenticatorInvalid => Self::MessageAuthenticatorInvalid,
            ReplyError::MessageAuthenticatorAbsent => Self::MessageAuthenticatorAbsent,
        }
    }
}

impl fmt::Display for ReplyAttribute {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} = {}", self.name, self.value)
    }
}

impl fmt::Display for ReplyPolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::MessageAuthenticatorFirst => "first",
            Self::MessageAuthenticatorRequired => "required",
            Self::MessageAuthenticatorOptional => "optional",
        })
    }
}

impl FromStr for ReplyPolicy {
    type Err = ReplyPolicyError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        match raw {
            "first" => Ok(Self::MessageAuthenticatorFirst),
            "required" => Ok(Self::MessageAuthenticatorRequired),
            "optional" => Ok(Self::MessageAuthenticatorOptional),
            _ => Err(ReplyPolicyError { raw: raw.into() }),
        }
    }
}
