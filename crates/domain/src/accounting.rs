//! Accounting records: what a NAS reported, typed, in our direction and in 64 bits.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use compact_str::CompactString;
use ipnet::Ipv6Net;
use serde::Serialize;

use crate::id::{AuthId, NasId, SubscriberId, TenantId};
use crate::terms::TermsMark;
use crate::time::Timestamp;
use crate::usage::UsageAmount;

/// One valid Accounting-Request (RFC 2866 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every record is a session record, and the packet path must not box each"
)]
pub enum AccountingRecord {
    Session(SessionRecord),
    /// Accounting-On or -Off: the router has no sessions from before this instant.
    NasRestart(NasRestart),
}

/// A Start, an Interim-Update or a Stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    pub event: SessionEvent,
    pub tenant: TenantId,
    pub nas: NasId,
    pub key: SessionKey,
    /// From our Class, when the NAS returned it.
    pub auth: Option<AuthId>,
    /// What the session was accepted on, from the same Class.
    pub terms: Option<TermsMark>,
    pub subscriber: Option<SubscriberId>,
    /// Canonical when it can be, otherwise made printable.
    pub username: CompactString,
    /// When it happened: receipt less Acct-Delay-Time (RFC 2866 §5.2). Event-Timestamp is not
    /// used, because access routers without a battery often count from 1970.
    pub at: Timestamp,
    /// Totals of the session so far, Gigawords included (RFC 2869 §5.1, §5.2).
    pub total: UsageAmount,
    pub terminate_cause: Option<TerminateCause>,
    pub place: SessionPlace,
}

impl SessionRecord {
    /// The instant the session began, as far as this record knows.
    pub fn started_at(&self) -> Timestamp {
        match self.event {
            SessionEvent::Start => self.at,
            SessionEvent::Interim | SessionEvent::Stop | SessionEvent::Silence => {
                let seconds = i64::try_from(self.total.session_seconds).unwrap_or(i64::MAX);
                self.at.plus_seconds(seconds.saturating_neg())
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionEvent {
    Start,
    Interim,
    Stop,
    /// Not from a router: a node has heard nothing of the session for too long. It ends when it is
    /// known for no longer than to the instant of the record, and nothing changes otherwise.
    Silence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NasRestart {
    pub tenant: TenantId,
    pub nas: NasId,
    /// Which of its routers restarted, when a NAS with a prefix stands for several: only the
    /// sessions that this address reported have ended.
    pub source: Option<IpAddr>,
    pub at: Timestamp,
}

/// Where and how the session is attached.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SessionPlace {
    /// Acct-Session-Id as the NAS wrote it, made printable.
    pub acct_session_id: CompactString,
    pub nas_address: Option<IpAddr>,
    pub nas_port: Option<CompactString>,
    pub framed_ipv4: Option<Ipv4Addr>,
    pub framed_ipv6_prefix: Option<Ipv6Net>,
    pub delegated_ipv6_prefix: Option<Ipv6Net>,
    pub calling_station: Option<CompactString>,
    pub called_station: Option<CompactString>,
}

impl SessionPlace {
    /// Takes over what `newer` knows; an absent value does not erase a known one.
    pub fn learn(&mut self, newer: &Self) {
        fn keep<T: Clone>(known: &mut Option<T>, newer: &Option<T>) {
            if let Some(value) = newer {
                *known = Some(value.clone());
            }
        }
        keep(&mut self.nas_address, &newer.nas_address);
        keep(&mut self.nas_port, &newer.nas_port);
        keep(&mut self.framed_ipv4, &newer.framed_ipv4);
        keep(&mut self.framed_ipv6_prefix, &newer.framed_ipv6_prefix);
        keep(
            &mut self.delegated_ipv6_prefix,
            &newer.delegated_ipv6_prefix,
        );
        keep(&mut self.calling_station, &newer.calling_station);
        keep(&mut self.called_station, &newer.called_station);
    }
}

/// What makes a session the same session: its NAS, its Acct-Session-Id and its user, hashed to
/// 16 octets by whoever reads the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub [u8; 16]);

impl SessionKey {
    /// Which of `lanes` its records go, one after the other. A key is a hash, so lanes are even.
    pub const fn lane(self, lanes: usize) -> usize {
        let Self([.., high, low]) = self;
        u16::from_be_bytes([high, low]) as usize % lanes
    }
}

/// One sequence of accounting records: 16 octets drawn at random by the process that numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub [u8; 16]);

/// Where records stand among all that their source has numbered, so that what is stored already is
/// not stored again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    pub source: SourceId,
    /// The number of the first record; those after it follow without gaps. Numbers begin at 1.
    pub first: u64,
}

impl Origin {
    /// The origin of the record `offset` places after the first one.
    #[must_use]
    pub const fn plus(self, offset: u64) -> Self {
        Self {
            source: self.source,
            first: self.first.saturating_add(offset),
        }
    }
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TerminateCause {
    /// Acct-Terminate-Cause (RFC 2866 §5.10).
    Reported(u32),
    /// Closed by us on Accounting-On or -Off.
    NasReboot,
    /// Another session began under the same Acct-Session-Id.
    Superseded,
    /// Closed by us after so many seconds without an update.
    Stale { seconds: u32 },
}

impl TerminateCause {
    /// The least and the greatest stored number of a session that was closed as stale.
    pub const STALE_MIN: i64 = 1 << 33;
    pub const STALE_MAX: i64 = Self::STALE_MIN + u32::MAX as i64;

    /// The stored number: RFC 2866 values as they are, our own above 2³².
    pub const fn to_stored(self) -> i64 {
        match self {
            Self::Reported(code) => code as i64,
            Self::NasReboot => (1 << 32) + 1,
            Self::Superseded => (1 << 32) + 2,
            Self::Stale { seconds } => Self::STALE_MIN + seconds as i64,
        }
    }

    pub fn from_stored(stored: i64) -> Option<Self> {
        const OURS: i64 = 1 << 32;
        match stored - OURS {
            1 => Some(Self::NasReboot),
            2 => Some(Self::Superseded),
            _ if Self::STALE_MIN <= stored => {
                let seconds = u32::try_from(stored - Self::STALE_MIN).ok();
                seconds.map(|seconds| Self::Stale { seconds })
            }
            _ => u32::try_from(stored).ok().map(Self::Reported),
        }
    }
}

/// Names of RFC 2866 §5.10, as FreeRADIUS writes them.
const CAUSES: [&str; 18] = [
    "User-Request",
    "Lost-Carrier",
    "Lost-Service",
    "Idle-Timeout",
    "Session-Timeout",
    "Admin-Reset",
    "Admin-Reboot",
    "Port-Error",
    "NAS-Error",
    "NAS-Request",
    "NAS-Reboot",
    "Port-Unneeded",
    "Port-Preempted",
    "Port-Suspended",
    "Service-Unavailable",
    "Callback",
    "User-Error",
    "Host-Request",
];

impl fmt::Display for TerminateCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reported(code) => {
                let index = usize::try_from(*code)
                    .ok()
                    .and_then(|code| code.checked_sub(1));
                match index.and_then(|index| CAUSES.get(index)) {
                    Some(name) => formatter.pad(name),
                    None => write!(formatter, "{code}"),
                }
            }
            Self::NasReboot => formatter.pad("NAS-Reboot"),
            Self::Superseded => formatter.pad("Superseded"),
            Self::Stale { seconds } => write!(formatter, "Stale: no update for {seconds} s"),
        }
    }
}

impl Serialize for TerminateCause {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminate_causes_have_their_names_and_survive_storage() {
        let rows = [
            (TerminateCause::Reported(1), "User-Request"),
            (TerminateCause::Reported(18), "Host-Request"),
            (TerminateCause::Reported(0), "0"),
            (TerminateCause::Reported(u32::MAX), "4294967295"),
            (TerminateCause::NasReboot, "NAS-Reboot"),
            (TerminateCause::Superseded, "Superseded"),
            (
                TerminateCause::Stale { seconds: 960 },
                "Stale: no update for 960 s",
            ),
            (
                TerminateCause::Stale { seconds: u32::MAX },
                "Stale: no update for 4294967295 s",
            ),
        ];
        for (cause, name) in rows {
            assert_eq!(cause.to_string(), name);
            assert_eq!(TerminateCause::from_stored(cause.to_stored()), Some(cause));
        }
    }

    #[test]
    fn a_place_learns_but_never_forgets() {
        let mut place = SessionPlace {
            framed_ipv4: Some([10, 0, 0, 1].into()),
            calling_station: Some("aa".into()),
            ..SessionPlace::default()
        };
        place.learn(&SessionPlace {
            framed_ipv4: Some([10, 0, 0, 2].into()),
            ..SessionPlace::default()
        });
        assert_eq!(place.framed_ipv4, Some([10, 0, 0, 2].into()));
        assert_eq!(place.calling_station.as_deref(), Some("aa"));
    }
}
