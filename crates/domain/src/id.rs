//! Typed identifiers: a UUIDv7 that knows what it identifies.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::time::Timestamp;

/// A UUIDv7 (RFC 9562 §5.7) of one kind of thing. Ids of different kinds do not mix.
pub struct Id<Kind> {
    uuid: Uuid,
    kind: PhantomData<fn() -> Kind>,
}

/// A provider, or one of several providers in one installation.
pub enum TenantKind {}
/// A network access server: the router that asks us.
pub enum NasKind {}
/// A plan that a subscriber is on.
pub enum PlanKind {}
/// A person or device with a credential.
pub enum SubscriberKind {}
/// One accounting session.
pub enum SessionKind {}
/// What a suspended subscriber may reach.
pub enum GardenKind {}
/// Something bought beyond a plan's quotas.
pub enum TopUpKind {}
/// Several routers under one name.
pub enum NasGroupKind {}
/// One authentication; travels to the router and back in Class.
pub enum AuthKind {}
/// Something that is asked of a router about a session.
pub enum SessionCommandKind {}
/// A person who works with the program.
pub enum OperatorKind {}
/// A person who is signed in with a browser.
pub enum OperatorSessionKind {}
/// What a program shows instead of a password.
pub enum ApiKeyKind {}
/// Who pays, for one or several subscribers.
pub enum CustomerKind {}
/// What somebody wrote down about a customer.
pub enum CustomerNoteKind {}
/// A change of a plan that is to be made later.
pub enum PlanChangeKind {}
/// Work that is to be done once, beside the transaction that wants it.
pub enum JobKind {}
/// Long work that somebody asked for and can watch.
pub enum OperationKind {}
/// One run of a schedule.
pub enum ScheduleRunKind {}
/// Where events are sent.
pub enum WebhookKind {}

pub type TenantId = Id<TenantKind>;
pub type NasId = Id<NasKind>;
pub type PlanId = Id<PlanKind>;
pub type SubscriberId = Id<SubscriberKind>;
pub type SessionId = Id<SessionKind>;
pub type AuthId = Id<AuthKind>;
pub type TopUpId = Id<TopUpKind>;
pub type GardenId = Id<GardenKind>;
pub type NasGroupId = Id<NasGroupKind>;
pub type SessionCommandId = Id<SessionCommandKind>;
pub type JobId = Id<JobKind>;
pub type PlanChangeId = Id<PlanChangeKind>;
pub type OperationId = Id<OperationKind>;
pub type ScheduleRunId = Id<ScheduleRunKind>;
pub type OperatorId = Id<OperatorKind>;
pub type OperatorSessionId = Id<OperatorSessionKind>;
pub type ApiKeyId = Id<ApiKeyKind>;
pub type CustomerId = Id<CustomerKind>;
pub type CustomerNoteId = Id<CustomerNoteKind>;
pub type WebhookId = Id<WebhookKind>;

impl<Kind> Id<Kind> {
    /// Makes an id from the time of its making and ten random octets.
    pub fn new(at: Timestamp, random: [u8; 10]) -> Self {
        let millis = u64::try_from(at.as_micros() / 1_000).unwrap_or(0);
        Self::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// When it was made, to the millisecond.
    pub fn made_at(&self) -> Timestamp {
        let [a, b, c, d, e, f, ..] = *self.as_bytes();
        let millis = i64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        Timestamp::from_micros(millis * 1_000)
    }

    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self {
            uuid,
            kind: PhantomData,
        }
    }

    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self::from_uuid(Uuid::from_bytes(bytes))
    }

    pub const fn as_uuid(&self) -> Uuid {
        self.uuid
    }

    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.uuid.as_bytes()
    }
}

impl SubscriberId {
    /// Since when somebody may be counted under it. An id that is no UUIDv7 was made of a name, and
    /// tells no time.
    pub fn counted_since(&self) -> Timestamp {
        match self.uuid.get_version_num() {
            8 => Timestamp::from_seconds(0),
            _ => self.made_at(),
        }
    }
}

impl TenantId {
    /// The tenant of an installation that has only one; made by the first migration.
    pub const DEFAULT: Self =
        Self::from_uuid(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001));
}

impl<Kind> Clone for Id<Kind> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Kind> Copy for Id<Kind> {}

impl<Kind> PartialEq for Id<Kind> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}

impl<Kind> Eq for Id<Kind> {}

impl<Kind> PartialOrd for Id<Kind> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<Kind> Ord for Id<Kind> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.uuid.cmp(&other.uuid)
    }
}

impl<Kind> Hash for Id<Kind> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}

impl<Kind> fmt::Debug for Id<Kind> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.uuid, formatter)
    }
}

impl<Kind> fmt::Display for Id<Kind> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.uuid, formatter)
    }
}

impl<Kind> FromStr for Id<Kind> {
    type Err = uuid::Error;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        Uuid::from_str(raw).map(Self::from_uuid)
    }
}

impl<Kind> Serialize for Id<Kind> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.uuid.serialize(serializer)
    }
}

impl<'de, Kind> Deserialize<'de> for Id<Kind> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Uuid::deserialize(deserializer).map(Self::from_uuid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let early = NasId::new(Timestamp::from_micros(1_000_000), [0xff; 10]);
        let late = NasId::new(Timestamp::from_micros(2_000_000), [0; 10]);
        assert!(early < late);
        assert_eq!(early.as_uuid().get_version_num(), 7);
    }

    #[test]
    fn id_survives_its_text_form() {
        let id = PlanId::new(Timestamp::from_micros(5), [7; 10]);
        assert_eq!(id.to_string().parse::<PlanId>().ok(), Some(id));
    }
}
