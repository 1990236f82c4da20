//! Where and with which devices a credential may be used.

use crate::id::{NasGroupId, NasId};
use crate::mac::Mac;

/// What a credential is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Bindings {
    /// Absent when every router will do.
    pub nas: Option<Box<NasBinding>>,
    /// The devices that are bound, in no order.
    pub devices: Box<[Mac]>,
}

/// The routers that a credential may be used at.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct NasBinding {
    pub nas: Vec<NasId>,
    pub groups: Vec<NasGroupId>,
}

impl NasBinding {
    /// Routers and groups that one credential may name.
    pub const ENTRIES_MAX: usize = 64;

    /// Whether a router is one of those, or in a group of those.
    pub fn allows(&self, nas: NasId, groups: &[NasGroupId]) -> bool {
        self.nas.contains(&nas) || groups.iter().any(|group| self.groups.contains(group))
    }

    pub const fn is_empty(&self) -> bool {
        self.nas.is_empty() && self.groups.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn nas(random: u8) -> NasId {
        NasId::new(Timestamp::from_seconds(1), [random; 10])
    }

    fn group(random: u8) -> NasGroupId {
        NasGroupId::new(Timestamp::from_seconds(1), [random; 10])
    }

    #[test]
    fn a_router_is_allowed_by_itself_or_by_one_of_its_groups() {
        let binding = NasBinding {
            nas: vec![nas(1)],
            groups: vec![group(7)],
        };
        assert!(binding.allows(nas(1), &[]));
        assert!(binding.allows(nas(2), &[group(6), group(7)]));
        assert!(!binding.allows(nas(2), &[group(6)]));
        assert!(!NasBinding::default().allows(nas(1), &[group(7)]));
    }
}
