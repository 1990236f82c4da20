//! What is asked of a router about an open session, and what became of it.
//!
//! One command is about one session, which is known by its own id: a later session that reuses its
//! Acct-Session-Id is never meant.

use std::fmt;

use compact_str::CompactString;

use crate::access::RejectReason;
use crate::accounting::SessionKey;
use crate::id::{NasId, SessionCommandId, SessionId, SubscriberId, TenantId};
use crate::rate_limit::RateLimit;
use crate::terms::{Term, TermsMark};
use crate::time::Timestamp;

pub mod ladder;
pub mod precedence;
mod text;
pub mod verdict;

/// For how long a router that is away is waited for.
const PATIENCE_SECONDS: i64 = 24 * 3_600;

/// A speed that an operator wants now is not wanted tomorrow.
const RATE_PATIENCE_SECONDS: i64 = 3_600;

/// A command as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionCommand {
    pub id: SessionCommandId,
    pub tenant: TenantId,
    pub session: SessionId,
    pub key: SessionKey,
    pub nas: NasId,
    pub username: CompactString,
    pub subscriber: Option<SubscriberId>,
    pub wish: Wish,
    /// Who asked: an operator's name, or the part of the program that noticed.
    pub actor: CompactString,
    pub asked_at: Timestamp,
    /// When it is given up, if the router has been away until then.
    pub expires_at: Timestamp,
}

/// A command before it is taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCommand {
    pub session: SessionId,
    pub key: SessionKey,
    pub nas: NasId,
    pub tenant: TenantId,
    pub username: CompactString,
    pub subscriber: Option<SubscriberId>,
    pub wish: Wish,
    pub actor: CompactString,
}

/// What is to become of the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// It ends.
    End(EndReason),
    /// It goes on on the terms that are due when the router is told.
    Apply,
    /// It goes on at this speed, until it ends or its terms change.
    SetRate(RateLimit),
}

/// Why a session has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// An operator wants it to.
    Kicked,
    /// A later session of the subscriber took its place.
    Replaced,
    /// Its user would be refused now.
    Refused(RejectReason),
    /// Its terms changed in a way that only a new session can have.
    TermsChanged(Term),
    /// The password was changed since it began.
    CredentialChanged,
    /// Its device was forgotten since it began.
    DeviceForgotten,
    /// The subscriber, or whose rows these were, is gone.
    UserRemoved,
    /// Its router is not registered any more.
    NasRemoved,
}

/// What a router answered to one request, retransmissions included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouterAnswer {
    Acknowledged,
    Refused(NakCause),
    /// Nothing came, however often it was asked.
    Silent,
    /// It was not asked.
    NotAsked(NotAsked),
}

/// Why a router refused, as far as it changes what is done next (Error-Cause, RFC 5176 §3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NakCause {
    /// 503: it has no such session.
    SessionNotFound,
    /// 506: it has no room for it now.
    ResourcesUnavailable,
    /// 401, 402, 404, 407, 508: it does not understand these attributes.
    Attributes(u32),
    /// Any other.
    Other(u32),
    /// It gave none.
    Missing,
}

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAsked {
    /// The router is not registered any more.
    NasRemoved,
    /// It is not known which address the router has: it is one of a prefix, and the session does
    /// not say which.
    NoAddress,
    /// There is nothing that could be changed: the session is as it should be.
    NothingToChange,
    /// The terms that are due cannot be had by a change: the session has to end.
    HasToEnd(EndReason),
    /// So much is under way at this router that there is no room.
    Busy,
    /// Its vendor has no attribute for what is to change.
    CannotChange,
    /// Nothing is known of the session that would mean it alone.
    Ambiguous,
}

/// What a router said, and whether there is another way to ask it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterReply {
    pub answer: RouterAnswer,
    /// It was asked with the last of the sets of attributes that may name the session.
    pub is_last_set: bool,
    /// The terms that are in force now, when the router agreed to a change of them.
    pub terms: Option<TermsMark>,
}

impl Wish {
    /// For how many seconds the command is good.
    pub const fn patience_seconds(&self) -> i64 {
        match self {
            Self::End(_) | Self::Apply => PATIENCE_SECONDS,
            Self::SetRate(_) => RATE_PATIENCE_SECONDS,
        }
    }
}

impl NakCause {
    /// The number of the Error-Cause, if the router gave one.
    pub const fn error_cause(self) -> Option<u32> {
        match self {
            Self::SessionNotFound => Some(503),
            Self::ResourcesUnavailable => Some(506),
            Self::Attributes(cause) | Self::Other(cause) => Some(cause),
            Self::Missing => None,
        }
    }
}

impl EndReason {
    /// Whether the session ends for what its user has a right to, which may be another thing by the
    /// time at which the router is told.
    pub const fn is_for_rights(self) -> bool {
        match self {
            Self::Kicked | Self::Replaced | Self::NasRemoved => false,
            Self::Refused(_)
            | Self::TermsChanged(_)
            | Self::CredentialChanged
            | Self::DeviceForgotten
            | Self::UserRemoved => true,
        }
    }
}

/// Why, as an operator reads it.
impl fmt::Display for EndReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kicked => formatter.write_str("an operator ends it"),
            Self::Replaced => formatter.write_str("a later session took its place"),
            Self::Refused(reason) => reason.fmt(formatter),
            Self::TermsChanged(term) => write!(
                formatter,
                "terms that only a new session can have changed: {}",
                term.as_str()
            ),
            Self::CredentialChanged => formatter.write_str("the password was changed"),
            Self::DeviceForgotten => formatter.write_str("the device was forgotten"),
            Self::UserRemoved => formatter.write_str("the user was removed"),
            Self::NasRemoved => formatter.write_str("the router was removed"),
        }
    }
}

/// What is wanted, as an operator reads it.
impl fmt::Display for Wish {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End(reason) => write!(formatter, "end it: {reason}"),
            Self::Apply => formatter.write_str("apply the terms that are due"),
            Self::SetRate(rate) => write!(formatter, "set its rate to {rate}"),
        }
    }
}
