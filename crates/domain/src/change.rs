//! Changes: what the AAA nodes must look at again.

use uuid::Uuid;

use crate::id::{NasId, PlanId, SubscriberId, TenantId};

/// One entry of the change feed. It says what changed, not how: the reader loads the row anew, so
/// that entries may be applied in any order and more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    Nas(NasId),
    Plan(PlanId),
    Subscriber(SubscriberId),
    /// What holds for everyone of a tenant: walled gardens, messages.
    Tenant(TenantId),
    /// Entries were lost to retention or cannot be told apart: load everything again.
    Everything,
}

impl Change {
    /// The stored form: a kind and the id of the row.
    pub const fn to_parts(self) -> (&'static str, Uuid) {
        match self {
            Self::Nas(id) => ("nas", id.as_uuid()),
            Self::Plan(id) => ("plan", id.as_uuid()),
            Self::Subscriber(id) => ("subscriber", id.as_uuid()),
            Self::Tenant(id) => ("tenant", id.as_uuid()),
            Self::Everything => ("everything", Uuid::nil()),
        }
    }

    /// Reads the stored form; a kind that a newer program wrote means that everything may have
    /// changed.
    pub fn from_parts(kind: &str, key: Uuid) -> Self {
        match kind {
            "nas" => Self::Nas(NasId::from_uuid(key)),
            "plan" => Self::Plan(PlanId::from_uuid(key)),
            "subscriber" => Self::Subscriber(SubscriberId::from_uuid(key)),
            "tenant" => Self::Tenant(TenantId::from_uuid(key)),
            _ => Self::Everything,
        }
    }
}
