//! Attempts to log in as the guard sees them.

use domain::guard::GuardSubject;

use super::{Engine, Moment};
use crate::directory::SubscriberEntry;
use crate::guard::{Attempt, Claimed, Station};
use crate::nas_table::NasEntry;
use crate::request::AccessFacts;
use crate::session_table::Device;

/// How a compared attempt came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempted {
    Passed,
    Failed,
}

impl Engine {
    /// By what an attempt is refused without being compared, unless the device is online already.
    pub(super) fn find_lock(
        &self,
        facts: &AccessFacts<'_>,
        nas: &NasEntry,
        entry: &SubscriberEntry,
        now: Moment,
    ) -> Option<GuardSubject> {
        let guard = &self.context.guard;
        if !guard.is_any_locked(now.instant) {
            return None;
        }
        let subject = guard.find_lock(&attempt(facts, nas, Some(entry)), now.instant)?;
        let sessions = &self.context.sessions;
        let device = facts.calling_station.map(Device::from_calling_station);
        let is_online =
            device.is_some_and(|device| sessions.is_online(entry.subscriber.id, &device));
        (!is_online).then_some(subject)
    }

    pub(super) fn note_attempt(
        &self,
        facts: &AccessFacts<'_>,
        nas: &NasEntry,
        entry: Option<&SubscriberEntry>,
        attempted: Attempted,
        now: Moment,
    ) {
        let attempt = attempt(facts, nas, entry);
        let guard = &self.context.guard;
        match attempted {
            Attempted::Passed => guard.succeed(&attempt),
            Attempted::Failed => guard.fail(&attempt, now, &self.context.metrics),
        }
    }
}

fn attempt<'a>(
    facts: &AccessFacts<'a>,
    nas: &'a NasEntry,
    entry: Option<&'a SubscriberEntry>,
) -> Attempt<'a> {
    Attempt {
        user: entry.map(|entry| Claimed {
            id: entry.subscriber.id,
            name: entry.subscriber.username.as_str(),
            // The entry of a subscriber who is changed is another one.
            version: std::ptr::from_ref(entry).addr(),
        }),
        station: facts.calling_station.map(Station::of),
        nas: (nas.nas.id, nas.nas.name.as_str()),
    }
}
