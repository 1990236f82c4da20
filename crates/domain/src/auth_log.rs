//! The authentication log: one entry per decision, without the password.

use compact_str::CompactString;

use crate::access::{Method, RejectReason};
use crate::auth_log::shorthand::TraceText;
use crate::id::{AuthId, NasId, SubscriberId, TenantId};
use crate::time::Timestamp;

pub mod shorthand;

/// One decision as it is kept, or several that came out alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthLogEntry {
    /// Also the value in Class, so that sessions lead back to their authentication. Of several
    /// decisions it is that of the first.
    pub id: AuthId,
    /// When the first decision was made.
    pub at: Timestamp,
    pub tenant: TenantId,
    pub nas: NasId,
    pub subscriber: Option<SubscriberId>,
    /// As received, made printable and cut to 253 octets. Absent when the entry stands for
    /// several users.
    pub username: Option<CompactString>,
    pub method: Method,
    pub outcome: AuthOutcome,
    pub trace: TraceText,
    pub calling_station: Option<CompactString>,
    pub called_station: Option<CompactString>,
    /// Decisions that this entry stands for, at least 1.
    pub count: u64,
    /// When the last decision was made.
    pub last_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthOutcome {
    Accepted,
    Rejected(RejectReason),
}

/// A source address that is not in the registry and tried to speak RADIUS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Knock {
    pub source: std::net::IpAddr,
    pub last_at: Timestamp,
    /// Packets since the last time it was noted.
    pub packets: u64,
}
