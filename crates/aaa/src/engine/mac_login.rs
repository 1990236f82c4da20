//! Logins by MAC address, at routers where they are switched on.

use std::sync::Arc;

use domain::access::{self, Claim, RejectReason};
use domain::mac::Mac;
use radius::packet::Packet;

use super::guarding::claimed;
use super::{Engine, Moment};
use crate::directory::SubscriberEntry;
use crate::duplicate::Ticket;
use crate::mac_login;
use crate::nas_table::NasEntry;
use crate::request::AccessFacts;

impl Engine {
    /// Answers a device whose MAC address is nobody's user name.
    pub(super) fn handle_device(
        &mut self,
        ticket: Ticket,
        packet: &Packet<'_>,
        facts: &AccessFacts<'_>,
        nas: &Arc<NasEntry>,
        (mac, owners): (Mac, &[Arc<SubscriberEntry>]),
        now: Moment,
    ) {
        // The router knows the device, and a subscriber may write whatever user name.
        let differs = facts.mac().is_some_and(|station| station != mac);
        let reason = if differs {
            RejectReason::DeviceDiffers
        } else if let [entry] = owners {
            if let Some(subject) = self.find_lock(facts, nas, claimed(entry), now) {
                let entry = Some(&**entry);
                return self.refuse_guarded(ticket, packet, facts, nas, entry, subject, now);
            }
            let proof = mac_login::check(packet, facts, nas.nas.secret.expose(), mac);
            let claim = Claim::NotTried;
            return self.decide(ticket, packet, facts, nas, entry, proof, None, claim, now);
        } else {
            RejectReason::DeviceOfSeveral
        };
        let decision = access::refuse(reason);
        self.conclude(ticket, packet, facts, nas, None, &decision, None, now);
    }
}
