//! The authentication log: one entry per decision, without the password.

use compact_str::CompactString;

use crate::access::{Method, RejectReason, Trace};
use crate::id::{AuthId, NasId, SubscriberId, TenantId};
use crate::time::Timestamp;

/// One decision as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthLogEntry {
    /// Also the value in Class, so that sessions lead back to their authentication.
    pub id: AuthId,
    pub at: Timestamp,
    pub tenant: TenantId,
    pub nas: NasId,
    pub subscriber: Option<SubscriberId>,
    /// As received, made printable and cut to 253 octets.
    pub username: CompactString,
    pub method: Method,
    pub outcome: AuthOutcome,
    pub trace: Trace,
    pub calling_station: Option<CompactString>,
    pub called_station: Option<CompactString>,
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
