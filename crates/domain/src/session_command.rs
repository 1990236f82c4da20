//! What is asked of a router about an open session, and what became of it.
//!
//! One command is about one session, which is known by its own id: a later session that reuses its
//! Acct-Session-Id is never meant.

use compact_str::CompactString;

use crate::access::RejectReason;
use crate::accounting::SessionKey;
use crate::id::{NasId, SessionCommandId, SessionId, SubscriberId, TenantId};
use crate::rate_limit::RateLimit;
use crate::terms::Term;
use crate::time::Timestamp;

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

/// A command before it has been taken in.
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
