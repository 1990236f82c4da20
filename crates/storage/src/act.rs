//! On whose behalf a store writes, and under which conditions.

use domain::actor::Actor;
use domain::id::TenantId;
use domain::time::Timestamp;
use uuid::Uuid;

/// What travels with a store from where somebody asks for a change to the transaction that makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    pub actor: Actor,
    /// Under which the request is found in the log of the program.
    pub request: Option<Uuid>,
    /// The change is refused unless the row was last changed then.
    pub revision: Option<Timestamp>,
    /// Marked as done in the transaction that changes something.
    pub claim: Option<Claim>,
}

/// A request that is carried out once: its key among those of its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub tenant: TenantId,
    pub caller: Uuid,
    pub key: String,
}

impl Act {
    /// Something that the program does by itself.
    pub fn of(actor: Actor) -> Self {
        Self {
            actor,
            request: None,
            revision: None,
            claim: None,
        }
    }
}
