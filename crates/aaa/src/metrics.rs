//! Counters of the packet path, one atomic each; the program renders them for Prometheus.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why a datagram was dropped without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drop {
    UnknownNas,
    Malformed,
    UnexpectedCode,
    MessageAuthenticatorMissing,
    MessageAuthenticatorInvalid,
    RequestAuthenticatorInvalid,
    ProxyStateUnprotected,
    AccountingIncomplete,
    AccountingUnsupported,
    DuplicateInProgress,
    JournalFull,
    JournalShedInterim,
    JournalFailed,
    VerifierFull,
    CacheFull,
    ReplyTooLarge,
    CredentialChanged,
    TooLate,
    ClaimsFull,
}

impl Drop {
    pub const ALL: [Self; 19] = [
        Self::UnknownNas,
        Self::Malformed,
        Self::UnexpectedCode,
        Self::MessageAuthenticatorMissing,
        Self::MessageAuthenticatorInvalid,
        Self::RequestAuthenticatorInvalid,
        Self::ProxyStateUnprotected,
        Self::AccountingIncomplete,
        Self::AccountingUnsupported,
        Self::DuplicateInProgress,
        Self::JournalFull,
        Self::JournalShedInterim,
        Self::JournalFailed,
        Self::VerifierFull,
        Self::CacheFull,
        Self::ReplyTooLarge,
        Self::CredentialChanged,
        Self::TooLate,
        Self::ClaimsFull,
    ];

    /// The value of the metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownNas => "unknown_nas",
            Self::Malformed => "malformed",
            Self::UnexpectedCode => "unexpected_code",
            Self::MessageAuthenticatorMissing => "message_authenticator_missing",
            Self::MessageAuthenticatorInvalid => "message_authenticator_invalid",
            Self::RequestAuthenticatorInvalid => "request_authenticator_invalid",
            Self::ProxyStateUnprotected => "proxy_state_unprotected",
            Self::AccountingIncomplete => "accounting_incomplete",
            Self::AccountingUnsupported => "accounting_unsupported",
            Self::DuplicateInProgress => "duplicate_in_progress",
            Self::JournalFull => "journal_full",
            Self::JournalShedInterim => "journal_shed_interim",
            Self::JournalFailed => "journal_failed",
            Self::VerifierFull => "verifier_full",
            Self::CacheFull => "cache_full",
            Self::ReplyTooLarge => "reply_too_large",
            Self::CredentialChanged => "credential_changed",
            Self::TooLate => "too_late",
            Self::ClaimsFull => "claims_full",
        }
    }
}

/// What else is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    AccessRequest,
    AccountingRequest,
    StatusServer,
    AccessAccept,
    AccessReject,
    AccountingResponse,
    StatusReply,
    DuplicateAnswered,
    SendFailed,
    ReceiveFailed,
    ReceiveMisplaced,
    KernelDrop,
    AttributeIgnored,
    AuthLogWritten,
    AuthLogCoalesced,
    AuthLogLost,
    KnockLost,
    JournalBatch,
    JournalRecord,
    JournalFailure,
    SpoolAdded,
    SpoolDrained,
    SpoolSetAside,
    SpoolFailure,
    SessionOpened,
    SessionClosed,
    SessionStale,
    ChangeApplied,
    ChangeFailure,
    DirectoryReload,
    SnapshotWritten,
    SnapshotFailure,
    WorkerRestart,
    SessionReplaced,
    SessionSilenced,
    SessionUnwatched,
    StaleFailure,
    ReservationLost,
    AnnouncementLost,
    SessionNewsApplied,
    SessionNewsFailure,
    GuardLocked,
    GuardRefused,
    GuardForgotten,
    GuardFailure,
    LimitCrossed,
    LimitWishLost,
    LimitFailure,
    DeviceBound,
    DeviceFailure,
    CoaSent,
    CoaRepeated,
    CoaAcknowledged,
    CoaRefused,
    CoaSilent,
    CoaBusy,
    CoaReplyIgnored,
    RelayRequest,
    RelayIgnored,
    RelayBusy,
}

impl Count {
    pub const ALL: [Self; 60] = [
        Self::AccessRequest,
        Self::AccountingRequest,
        Self::StatusServer,
        Self::AccessAccept,
        Self::AccessReject,
        Self::AccountingResponse,
        Self::StatusReply,
        Self::DuplicateAnswered,
        Self::SendFailed,
        Self::ReceiveFailed,
        Self::ReceiveMisplaced,
        Self::KernelDrop,
        Self::AttributeIgnored,
        Self::AuthLogWritten,
        Self::AuthLogCoalesced,
        Self::AuthLogLost,
        Self::KnockLost,
        Self::JournalBatch,
        Self::JournalRecord,
        Self::JournalFailure,
        Self::SpoolAdded,
        Self::SpoolDrained,
        Self::SpoolSetAside,
        Self::SpoolFailure,
        Self::SessionOpened,
        Self::SessionClosed,
        Self::SessionStale,
        Self::ChangeApplied,
        Self::ChangeFailure,
        Self::DirectoryReload,
        Self::SnapshotWritten,
        Self::SnapshotFailure,
        Self::WorkerRestart,
        Self::SessionReplaced,
        Self::SessionSilenced,
        Self::SessionUnwatched,
        Self::StaleFailure,
        Self::ReservationLost,
        Self::AnnouncementLost,
        Self::SessionNewsApplied,
        Self::SessionNewsFailure,
        Self::GuardLocked,
        Self::GuardRefused,
        Self::GuardForgotten,
        Self::GuardFailure,
        Self::LimitCrossed,
        Self::LimitWishLost,
        Self::LimitFailure,
        Self::DeviceBound,
        Self::DeviceFailure,
        Self::CoaSent,
        Self::CoaRepeated,
        Self::CoaAcknowledged,
        Self::CoaRefused,
        Self::CoaSilent,
        Self::CoaBusy,
        Self::CoaReplyIgnored,
        Self::RelayRequest,
        Self::RelayIgnored,
        Self::RelayBusy,
    ];

    /// The metric's name without prefix and without `_total`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessRequest => "access_requests",
            Self::AccountingRequest => "accounting_requests",
            Self::StatusServer => "status_requests",
            Self::AccessAccept => "access_accepts",
            Self::AccessReject => "access_rejects",
            Self::AccountingResponse => "accounting_responses",
            Self::StatusReply => "status_replies",
            Self::DuplicateAnswered => "duplicates_answered",
            Self::SendFailed => "send_failures",
            Self::ReceiveFailed => "receive_failures",
            Self::ReceiveMisplaced => "datagrams_misplaced",
            Self::KernelDrop => "kernel_drops",
            Self::AttributeIgnored => "attributes_ignored",
            Self::AuthLogWritten => "auth_log_written",
            Self::AuthLogCoalesced => "auth_log_coalesced",
            Self::AuthLogLost => "auth_log_lost",
            Self::KnockLost => "knocks_lost",
            Self::JournalBatch => "journal_batches",
            Self::JournalRecord => "journal_records",
            Self::JournalFailure => "journal_failures",
            Self::SpoolAdded => "spool_records",
            Self::SpoolDrained => "spool_records_drained",
            Self::SpoolSetAside => "spool_records_set_aside",
            Self::SpoolFailure => "spool_failures",
            Self::SessionOpened => "sessions_opened",
            Self::SessionClosed => "sessions_closed",
            Self::SessionStale => "session_records_stale",
            Self::ChangeApplied => "changes_applied",
            Self::ChangeFailure => "change_failures",
            Self::DirectoryReload => "directory_reloads",
            Self::SnapshotWritten => "snapshots_written",
            Self::SnapshotFailure => "snapshot_failures",
            Self::WorkerRestart => "worker_restarts",
            Self::SessionReplaced => "sessions_replaced",
            Self::SessionSilenced => "sessions_closed_stale",
            Self::SessionUnwatched => "sessions_unwatched",
            Self::StaleFailure => "stale_failures",
            Self::ReservationLost => "session_places_lost",
            Self::AnnouncementLost => "session_news_lost",
            Self::SessionNewsApplied => "session_news_applied",
            Self::SessionNewsFailure => "session_news_failures",
            Self::GuardLocked => "guard_locks",
            Self::GuardRefused => "guard_refusals",
            Self::GuardForgotten => "guard_forgotten",
            Self::GuardFailure => "guard_failures",
            Self::LimitCrossed => "limits_crossed",
            Self::LimitWishLost => "limit_wishes_lost",
            Self::LimitFailure => "limit_failures",
            Self::DeviceBound => "devices_bound",
            Self::DeviceFailure => "device_failures",
            Self::CoaSent => "coa_requests",
            Self::CoaRepeated => "coa_retransmissions",
            Self::CoaAcknowledged => "coa_acknowledged",
            Self::CoaRefused => "coa_refused",
            Self::CoaSilent => "coa_unanswered",
            Self::CoaBusy => "coa_busy",
            Self::CoaReplyIgnored => "coa_replies_ignored",
            Self::RelayRequest => "relay_requests",
            Self::RelayIgnored => "relay_ignored",
            Self::RelayBusy => "relay_busy",
        }
    }

    #[expect(
        clippy::too_many_lines,
        reason = "a table: one sentence for each count"
    )]
    pub const fn help(self) -> &'static str {
        match self {
            Self::AccessRequest => "Access-Requests with valid authenticators",
            Self::AccountingRequest => "Accounting-Requests with valid authenticators",
            Self::StatusServer => "Status-Server requests with valid authenticators",
            Self::AccessAccept => "Access-Accepts decided",
            Self::AccessReject => "Access-Rejects decided",
            Self::AccountingResponse => "Accounting-Responses sent after the commit",
            Self::StatusReply => "Answers to Status-Server",
            Self::DuplicateAnswered => "Retransmissions answered from the cache",
            Self::SendFailed => "Replies that the kernel refused",
            Self::ReceiveFailed => "Receive calls that failed",
            Self::ReceiveMisplaced => {
                "Datagrams passed over because the address they came to was lost under overload"
            }
            Self::KernelDrop => "Datagrams that the kernel dropped because a socket was full",
            Self::AttributeIgnored => "Attributes of the wrong size that were ignored",
            Self::AuthLogWritten => "Authentication log entries stored",
            Self::AuthLogCoalesced => {
                "Decisions counted in the authentication log entry of another one like them"
            }
            Self::AuthLogLost => {
                "Decisions lost to the authentication log: refused, or too late at the stop"
            }
            Self::KnockLost => "Unknown senders not noted because too many knocked at once",
            Self::JournalBatch => "Accounting transactions committed to the database",
            Self::JournalRecord => "Accounting records committed to the database at once",
            Self::JournalFailure => "Accounting transactions that failed",
            Self::SpoolAdded => "Accounting records made durable in the spool",
            Self::SpoolDrained => "Accounting records moved from the spool to the database",
            Self::SpoolSetAside => "Accounting records in the spool that the database refused",
            Self::SpoolFailure => "Attempts to use the spool that failed, also because it is full",
            Self::SessionOpened => "Sessions opened",
            Self::SessionClosed => "Sessions closed",
            Self::SessionStale => "Accounting records that said nothing new",
            Self::ChangeApplied => "Changes applied to the directory",
            Self::ChangeFailure => "Attempts to follow the change feed that failed",
            Self::DirectoryReload => "Complete loads of the directory from the database",
            Self::SnapshotWritten => "Directory snapshots written",
            Self::SnapshotFailure => "Directory snapshots that could not be written",
            Self::WorkerRestart => "Packet workers restarted after a panic",
            Self::SessionReplaced => "Sessions that have to end because another took their place",
            Self::SessionSilenced => {
                "Sessions closed because nothing was heard of them for three intervals and a margin"
            }
            Self::SessionUnwatched => {
                "Reports of sessions beyond the number that is watched over for silence"
            }
            Self::StaleFailure => "Attempts to look at sessions without updates that failed",
            Self::ReservationLost => {
                "Places held for sessions about to begin that made room for others"
            }
            Self::AnnouncementLost => {
                "Replaced sessions and held places not told because too many waited"
            }
            Self::SessionNewsApplied => {
                "News of sessions, also this node's own, that were read and applied"
            }
            Self::SessionNewsFailure => {
                "Attempts to follow the sessions of other nodes that failed"
            }
            Self::GuardLocked => "Users, devices and routers locked for too many failed attempts",
            Self::GuardRefused => "Logins refused without comparing the password",
            Self::GuardForgotten => {
                "Users, devices and routers whose failed attempts made room for those of others"
            }
            Self::GuardFailure => "Attempts to show locks or to let them go that failed",
            Self::LimitCrossed => "Sessions that went on beyond a limit of their plan",
            Self::LimitWishLost => {
                "First uses, questions about usage and crossed limits for which there was no room"
            }
            Self::LimitFailure => "Attempts to follow the usage that counts for limits that failed",
            Self::DeviceBound => "New devices bound at a login",
            Self::DeviceFailure => "New devices refused because they could not be stored",
            Self::CoaSent => "Disconnect and CoA requests sent to routers",
            Self::CoaRepeated => "Disconnect and CoA requests sent again",
            Self::CoaAcknowledged => "Disconnect and CoA requests that routers acknowledged",
            Self::CoaRefused => "Disconnect and CoA requests that routers refused",
            Self::CoaSilent => "Disconnect and CoA requests that routers did not answer",
            Self::CoaBusy => "Disconnect and CoA requests for which there was no room",
            Self::CoaReplyIgnored => {
                "Datagrams of routers that answered nothing, late ones among them, or were not signed"
            }
            Self::RelayRequest => "Disconnect and CoA requests of local tools taken by the relay",
            Self::RelayIgnored => {
                "Datagrams that the relay did not take: from strangers, unsigned, or old"
            }
            Self::RelayBusy => "Requests of local tools for which the relay had no room",
        }
    }
}

/// The counters of one node.
#[derive(Debug)]
pub struct Metrics {
    drops: [AtomicU64; Drop::ALL.len()],
    counts: [AtomicU64; Count::ALL.len()],
}

impl Metrics {
    pub fn new() -> Self {
        Self {
            drops: std::array::from_fn(|_| AtomicU64::new(0)),
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    pub fn count_drop(&self, drop: Drop) {
        self.add_drops(drop, 1);
    }

    pub fn add_drops(&self, drop: Drop, amount: u64) {
        self.drops[drop as usize].fetch_add(amount, Relaxed);
    }

    pub fn count(&self, count: Count) {
        self.add(count, 1);
    }

    pub fn add(&self, count: Count, amount: u64) {
        self.counts[count as usize].fetch_add(amount, Relaxed);
    }

    pub fn drops(&self, drop: Drop) -> u64 {
        self.drops[drop as usize].load(Relaxed)
    }

    pub fn value(&self, count: Count) -> u64 {
        self.counts[count as usize].load(Relaxed)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_its_own_place() {
        let metrics = Metrics::new();
        for (index, drop) in Drop::ALL.into_iter().enumerate() {
            assert_eq!(drop as usize, index);
            metrics.count_drop(drop);
            assert_eq!(metrics.drops(drop), 1);
        }
        for (index, count) in Count::ALL.into_iter().enumerate() {
            assert_eq!(count as usize, index);
            metrics.add(count, 2);
            assert_eq!(metrics.value(count), 2);
        }
    }
}
