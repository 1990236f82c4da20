//! Attempts to log in as the guard sees them.

use domain::access::Proof;
use domain::guard::GuardSubject;

use super::Engine;
use super::login::LoginRequest;
use crate::directory::SubscriberEntry;
use crate::guard::{Attempt, Claimed, Station};
use crate::nas_table::NasEntry;
use crate::request::AccessFacts;
use crate::row_table::{RowUser, id_of};
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
        request: &LoginRequest<'_>,
        user: Claimed<'_>,
    ) -> Option<GuardSubject> {
        let LoginRequest {
            facts, nas, now, ..
        } = *request;
        let guard = &self.context.guard;
        if !guard.is_any_locked(now.instant) {
            return None;
        }
        let id = user.id;
        let subject = guard.find_lock(&attempt(facts, nas, Some(user)), now.instant)?;
        let sessions = &self.context.sessions;
        let device = facts.calling_station.map(Device::from_calling_station);
        let is_online = device.is_some_and(|device| sessions.is_online(id, &device));
        (!is_online).then_some(subject)
    }

    pub(super) fn note_attempt(
        &self,
        request: &LoginRequest<'_>,
        user: Option<Claimed<'_>>,
        attempted: Attempted,
    ) {
        let LoginRequest {
            facts, nas, now, ..
        } = *request;
        let attempt = attempt(facts, nas, user);
        let guard = &self.context.guard;
        match attempted {
            Attempted::Passed => guard.succeed(&attempt),
            Attempted::Failed => guard.fail(&attempt, now, &self.context.metrics),
        }
    }
}

/// How a proof came out for the guard; nothing when none was compared.
pub(super) const fn attempted(proof: Proof) -> Option<Attempted> {
    match proof {
        // A device's address is all that it has to show, and the router vouches for that.
        Proof::Verified { .. } | Proof::Device { .. } => Some(Attempted::Passed),
        Proof::Mismatch { .. } => Some(Attempted::Failed),
        Proof::Unusable { .. }
        | Proof::Malformed { .. }
        | Proof::Unsupported { .. }
        | Proof::Missing
        | Proof::NotChecked { .. } => None,
    }
}

/// A subscriber as the guard knows them.
pub(super) fn claimed(entry: &SubscriberEntry) -> Claimed<'_> {
    Claimed {
        id: entry.subscriber.id,
        name: entry.subscriber.username.as_str(),
        // The entry of a subscriber who is changed is another one.
        version: std::ptr::from_ref(entry).addr(),
    }
}

/// A user of FreeRADIUS' tables as the guard knows them.
pub(super) fn claimed_by_rows<'a>(user_name: &'a [u8], user: &RowUser) -> Claimed<'a> {
    Claimed {
        id: id_of(user_name),
        name: std::str::from_utf8(user_name).unwrap_or_default(),
        version: std::ptr::from_ref(user).addr(),
    }
}

fn attempt<'a>(
    facts: &AccessFacts<'a>,
    nas: &'a NasEntry,
    user: Option<Claimed<'a>>,
) -> Attempt<'a> {
    Attempt {
        user,
        station: facts.calling_station.map(Station::of),
        nas: (nas.nas.id, nas.nas.name.as_str()),
    }
}
