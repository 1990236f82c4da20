//! Changes: what the AAA nodes must look at again.

use uuid::Uuid;

use crate::id::{NasId, PlanId, SubscriberId, TenantId};

/// One entry of the change feed. It says what changed, not how: the reader loads the row anew, so
/// that entries may be applied in any order and more than once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    Nas(NasId),
    Plan(PlanId),
    Subscriber(SubscriberId),
    /// What holds for everyone of a tenant: walled gardens, messages.
    Tenant(TenantId),
    /// Entries were lost to retention or cannot be told apart: load everything again.
    Everything,
    /// What the tables of FreeRADIUS say about the user of this name.
    RowUser(Box<str>),
    /// What the tables of FreeRADIUS say about the group of this name.
    RowGroup(Box<str>),
    /// The routers in the tables of FreeRADIUS.
    RowNas,
}

impl Change {
    /// The stored form: a kind and the id of the row, or nil for what has a name.
    pub const fn to_parts(&self) -> (&'static str, Uuid) {
        match self {
            Self::Nas(id) => ("nas", id.as_uuid()),
            Self::Plan(id) => ("plan", id.as_uuid()),
            Self::Subscriber(id) => ("subscriber", id.as_uuid()),
            Self::Tenant(id) => ("tenant", id.as_uuid()),
            Self::Everything => ("everything", Uuid::nil()),
            Self::RowUser(_) => ("row_user", Uuid::nil()),
            Self::RowGroup(_) => ("row_group", Uuid::nil()),
            Self::RowNas => ("row_nas", Uuid::nil()),
        }
    }

    /// The stored name of what has no id.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::RowUser(name) | Self::RowGroup(name) => Some(name),
            Self::RowNas => Some(""),
            Self::Nas(_)
            | Self::Plan(_)
            | Self::Subscriber(_)
            | Self::Tenant(_)
            | Self::Everything => None,
        }
    }

    /// Reads the stored form; a kind that a newer program wrote means that everything may have
    /// changed.
    pub fn from_parts(kind: &str, key: Uuid, name: Option<&str>) -> Self {
        match (kind, name) {
            ("nas", _) => Self::Nas(NasId::from_uuid(key)),
            ("plan", _) => Self::Plan(PlanId::from_uuid(key)),
            ("subscriber", _) => Self::Subscriber(SubscriberId::from_uuid(key)),
            ("tenant", _) => Self::Tenant(TenantId::from_uuid(key)),
            ("row_user", Some(name)) => Self::RowUser(name.into()),
            ("row_group", Some(name)) => Self::RowGroup(name.into()),
            ("row_nas", _) => Self::RowNas,
            _ => Self::Everything,
        }
    }
}
