//! What holds for everyone of a tenant: the time zone, walled gardens, messages and realms.

use std::fmt;
use std::str::FromStr;

use crate::garden::Garden;
use crate::id::{GardenId, TenantId};
use crate::limit::Zone;
use crate::message::{Language, StateMessage, default_template};
use crate::realm::Realm;
use crate::subscriber::state::AccessState;

/// What a tenant has set for all subscribers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantPolicy {
    pub tenant: TenantId,
    /// In which hours and periods are counted.
    pub time_zone: Zone,
    pub language: Language,
    /// The garden of plans that name none.
    pub garden: Option<GardenId>,
    pub gardens: Vec<Garden>,
    pub messages: Vec<StateMessage>,
    pub realms: Vec<Realm>,
    /// How rows are obeyed where the configuration does not say.
    pub rows: Option<RowObedience>,
}

/// How the rows of FreeRADIUS' tables are obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowObedience {
    /// As FreeRADIUS obeys them.
    Compatible,
    /// As FreeRADIUS obeys them, less its holes.
    Strict,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{raw}' is not one of: compatible, strict")]
pub struct RowObedienceError {
    raw: String,
}

impl RowObedience {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Compatible => "compatible",
            Self::Strict => "strict",
        }
    }
}

impl fmt::Display for RowObedience {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for RowObedience {
    type Err = RowObedienceError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        [Self::Compatible, Self::Strict]
            .into_iter()
            .find(|one| one.as_str() == raw)
            .ok_or_else(|| RowObedienceError {
                raw: raw.to_owned(),
            })
    }
}

impl TenantPolicy {
    /// A tenant that has set nothing.
    pub fn new(tenant: TenantId) -> Self {
        Self {
            tenant,
            time_zone: Zone::default(),
            language: Language::default(),
            garden: None,
            gardens: Vec::new(),
            messages: Vec::new(),
            realms: Vec::new(),
            rows: None,
        }
    }

    /// The garden that a plan names, or else the tenant's.
    pub fn find_garden(&self, of_plan: Option<GardenId>) -> Option<&Garden> {
        let id = of_plan.or(self.garden)?;
        self.gardens.iter().find(|garden| garden.id == id)
    }

    /// What is told in a state: the tenant's message in the tenant's language, or the default.
    pub fn template(&self, state: AccessState) -> &str {
        self.messages
            .iter()
            .find(|message| message.state == state && message.language == self.language)
            .map_or_else(
                || default_template(state),
                |message| message.template.as_str(),
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_in_the_language_of_the_tenant() {
        let message = |language: &str, text: &str| StateMessage {
            state: AccessState::Expired,
            language: language.parse().expect("a valid tag"),
            template: text.parse().expect("a good template"),
        };
        let mut policy = TenantPolicy {
            messages: vec![message("en", "Over"), message("sw", "Imeisha")],
            ..TenantPolicy::new(TenantId::DEFAULT)
        };
        assert_eq!(policy.template(AccessState::Expired), "Over");
        policy.language = "sw".parse().expect("a valid tag");
        assert_eq!(policy.template(AccessState::Expired), "Imeisha");
        let default = default_template(AccessState::Disabled);
        assert_eq!(policy.template(AccessState::Disabled), default);
    }
}
