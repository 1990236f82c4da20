//! Logins by MAC address, at routers where they are switched on.

use std::sync::Arc;

use domain::access::{self, Claim, RejectReason};
use domain::mac::Mac;
use radius::packet::Packet;

use super::{Engine, Moment};
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
        mac: Mac,
        now: Moment,
    ) {
        let owners = self.context.directory.find_owners(nas.nas.tenant, mac);
        // The router knows the device, and a subscriber may write whatever user name.
        let differs = facts.mac().is_some_and(|station| station != mac);
        let reason = match owners.as_slice() {
            [] => return self.refuse_unknown(ticket, packet, facts, nas, now),
            _ if differs => RejectReason::DeviceDiffers,
            [entry] => {
                let secret = nas.nas.secret.expose();
                let proof = mac_login::check(packet, facts, secret, mac);
                let claim = Claim::NotTried;
                return self.decide(ticket, packet, facts, nas, entry, proof, None, claim, now);
            }
            [_, _, ..] => RejectReason::DeviceOfSeveral,
        };
        let decision = access::refuse(reason);
        self.conclude(ticket, packet, facts, nas, None, &decision, None, now);
    }
}
