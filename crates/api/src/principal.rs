//! Who asks, once that is proved.

use domain::actor::Actor;
use domain::id::TenantId;
use domain::permission::Scopes;
use uuid::Uuid;

/// Somebody who may ask, and what they may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub tenant: TenantId,
    pub actor: Actor,
    pub scopes: Scopes,
}

impl Principal {
    /// Under which what they ask is counted and remembered.
    pub(crate) fn id(&self) -> Uuid {
        self.actor.id.unwrap_or_default()
    }
}
