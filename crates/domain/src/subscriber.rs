//! A subscriber: a credential, a plan, and whether it may be used.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use ipnet::Ipv6Net;
use serde::Serialize;

use crate::credential::Credential;
use crate::id::{PlanId, SubscriberId, TenantId};
use crate::limit::TopUp;
use crate::name::Username;
use crate::session_policy::SessionTerms;
use crate::time::Timestamp;
use binding::Bindings;
use state::StateError;

pub mod address;
pub mod binding;
pub mod state;

/// A subscriber with everything the AAA node needs to decide about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    pub id: SubscriberId,
    pub tenant: TenantId,
    pub username: Username,
    pub credential: Credential,
    pub plan: PlanId,
    pub status: SubscriberStatus,
    /// From this instant on grace begins, and nothing is granted after it.
    pub expires_at: Option<Timestamp>,
    pub addresses: StaticAddresses,
    /// Instead of the plan's.
    pub sessions: SessionTerms,
    pub bindings: Bindings,
    pub changed: SubscriberInstants,
    /// Absent for most.
    pub purchase: Option<Box<Purchase>>,
}

/// When something was changed that sessions which had begun before must not outlive.
///
/// Boxed, because nearly nobody has one, and a million subscribers are kept in memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct SubscriberInstants(Option<Box<Instants>>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Instants {
    credential_set_at: Option<Timestamp>,
    device_forgotten_at: Option<Timestamp>,
}

impl SubscriberInstants {
    pub fn new(
        credential_set_at: Option<Timestamp>,
        device_forgotten_at: Option<Timestamp>,
    ) -> Self {
        let is_any = credential_set_at.is_some() || device_forgotten_at.is_some();
        Self(is_any.then(|| {
            Box::new(Instants {
                credential_set_at,
                device_forgotten_at,
            })
        }))
    }

    /// When the credential was replaced, if it ever was.
    pub fn credential_set_at(&self) -> Option<Timestamp> {
        self.0.as_ref()?.credential_set_at
    }

    /// When a device was last forgotten, if one ever was.
    pub fn device_forgotten_at(&self) -> Option<Timestamp> {
        self.0.as_ref()?.device_forgotten_at
    }
}

/// When an account begins, and what was bought beyond the plan.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Purchase {
    /// Nothing is granted before.
    pub starts_at: Option<Timestamp>,
    pub top_ups: Vec<TopUp>,
}

impl Subscriber {
    /// Before this instant nothing is granted.
    pub fn starts_at(&self) -> Option<Timestamp> {
        self.purchase.as_ref()?.starts_at
    }

    /// What was bought beyond the plan's quotas, and may still be left.
    pub fn top_ups(&self) -> &[TopUp] {
        self.purchase
            .as_ref()
            .map_or(&[], |purchase| &purchase.top_ups)
    }

    /// What validity counts from: when the subscriber was added, or begins.
    pub fn purchased_at(&self) -> Timestamp {
        let added_at = self.id.made_at();
        self.starts_at()
            .map_or(added_at, |begin| begin.max(added_at))
    }
}

impl Purchase {
    /// What is kept of a subscriber; nothing when there is nothing.
    pub fn new(starts_at: Option<Timestamp>, top_ups: Vec<TopUp>) -> Option<Box<Self>> {
        let is_there = starts_at.is_some() || !top_ups.is_empty();
        is_there.then(|| Box::new(Self { starts_at, top_ups }))
    }
}

/// What is stored of how an account stands. Expiry is not stored: it is what the clock makes of
/// an active account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriberStatus {
    Active,
    Disabled,
    /// Not activated yet.
    Pending,
    /// Accepted into a walled garden only.
    SuspendedWalled,
    /// Refused until it is restored.
    SuspendedHard,
}

/// Addresses that belong to the subscriber; each is sent in every Access-Accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Default)]
pub struct StaticAddresses {
    /// Framed-IP-Address (RFC 2865 §5.8); wins over the plan's pool.
    pub ipv4: Option<Ipv4Addr>,
    /// Framed-IPv6-Prefix (RFC 3162 §2.3).
    pub ipv6_prefix: Option<Ipv6Net>,
    /// Delegated-IPv6-Prefix (RFC 4818).
    pub ipv6_delegated: Option<Ipv6Net>,
}

impl SubscriberStatus {
    pub const ALL: [Self; 5] = [
        Self::Active,
        Self::Disabled,
        Self::Pending,
        Self::SuspendedWalled,
        Self::SuspendedHard,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Pending => "pending",
            Self::SuspendedWalled => "suspended_walled",
            Self::SuspendedHard => "suspended_hard",
        }
    }
}

impl FromStr for SubscriberStatus {
    type Err = StateError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL
            .into_iter()
            .find(|one| one.as_str().eq_ignore_ascii_case(raw));
        found.ok_or_else(|| StateError {
            raw: raw.to_owned(),
            accepted: "active, disabled, pending, suspended_walled, suspended_hard",
        })
    }
}

impl fmt::Display for SubscriberStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}
