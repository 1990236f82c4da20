//! Attempts to log in as the guard sees them.

use domain::access::Proof;
use domain::guard::GuardSubject;
use domain::id::SubscriberId;
use domain::mac::Mac;

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
        (!self.is_online(id, facts)).then_some(subject)
    }

    /// The same for a device that logs in as itself.
    pub(super) fn find_device_lock(
        &self,
        request: &LoginRequest<'_>,
        owner: &SubscriberEntry,
    ) -> Option<GuardSubject> {
        let LoginRequest {
            facts, nas, now, ..
        } = *request;
        let guard = &self.context.guard;
        if !guard.is_any_locked(now.instant) {
            return None;
        }
        let asked = attempt(facts, nas, Some(claimed(owner)));
        let subject = guard.find_device_lock(&asked, now.instant)?;
        (!self.is_online(owner.subscriber.id, facts)).then_some(subject)
    }

    fn is_online(&self, subscriber: SubscriberId, facts: &AccessFacts<'_>) -> bool {
        let device = facts.calling_station.map(Device::from_calling_station);
        let sessions = &self.context.sessions;
        device.is_some_and(|device| sessions.is_online(subscriber, &device))
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
        Proof::Verified { .. } => Some(Attempted::Passed),
        Proof::Mismatch { .. } => Some(Attempted::Failed),
        // The router vouches for a device; whoever has it may not know the password.
        Proof::Device { .. }
        | Proof::Unusable { .. }
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
    let station = facts.calling_station.map(Station::of);
    // Some routers name the device as the user alone.
    let named = || Some(Station::Mac(Mac::from_wire(facts.user_name?)?));
    Attempt {
        user,
        station: station.or_else(named),
        nas: (nas.nas.id, nas.nas.name.as_str()),
    }
}
