//! Logins by MAC address, at routers where they are switched on.

use std::sync::Arc;

use domain::access::{Claim, RejectReason};
use domain::mac::Mac;

use super::Engine;
use super::login::{LoginRequest, Proven};
use crate::directory::SubscriberEntry;
use crate::mac_login;

impl Engine {
    /// Answers a device whose MAC address is nobody's user name.
    pub(super) fn handle_device(
        &mut self,
        request: LoginRequest<'_>,
        mac: Mac,
        owners: &[Arc<SubscriberEntry>],
    ) {
        let LoginRequest {
            packet, facts, nas, ..
        } = request;
        // The router knows the device, and a subscriber may write whatever user name.
        if facts.mac().is_some_and(|station| station != mac) {
            return self.refuse_login(request, None, RejectReason::DeviceDiffers);
        }
        let [entry] = owners else {
            return self.refuse_login(request, None, RejectReason::DeviceOfSeveral);
        };
        if let Some(subject) = self.find_device_lock(&request, entry) {
            return self.refuse_guarded(request, Some(entry), subject);
        }
        let proof = mac_login::check(packet, facts, nas.nas.secret.expose(), mac);
        self.decide(request, entry, Proven::by(proof), Claim::NotTried);
    }
}
