//! Who has which device, kept beside the subscribers.

use std::sync::Arc;

use domain::id::TenantId;
use domain::mac::Mac;
use domain::subscriber::Subscriber;

use super::{Directory, SubscriberEntry};

impl Directory {
    /// Those who have a device.
    pub fn find_owners(&self, tenant: TenantId, mac: Mac) -> Vec<Arc<SubscriberEntry>> {
        let names = self.devices.find(tenant, mac);
        let found = names
            .iter()
            .filter_map(|name| self.find_subscriber(tenant, name.as_str()));
        found.filter(|entry| has(entry, mac)).collect()
    }

    pub(super) fn note_devices(&self, subscriber: &Subscriber) {
        for mac in &subscriber.bindings.devices {
            self.devices
                .add(subscriber.tenant, *mac, &subscriber.username);
        }
    }

    /// Forgets the devices that changed subscribers have no longer.
    pub(super) fn forget_devices(&self, changed: &[Subscriber]) {
        for subscriber in changed {
            let Subscriber {
                tenant, username, ..
            } = subscriber;
            let Some(known) = self.find_subscriber(*tenant, username.as_str()) else {
                continue;
            };
            let kept = &subscriber.bindings.devices;
            let before = known.subscriber.bindings.devices.iter();
            for mac in before.filter(|mac| !kept.contains(mac)) {
                self.devices.remove(*tenant, *mac, username);
            }
        }
    }

    /// Forgets what was left of subscribers who are gone.
    pub(super) fn prune_devices(&self) {
        self.devices.keep(|tenant, mac, owner| {
            let entry = self.find_subscriber(tenant, owner.as_str());
            entry.is_some_and(|entry| has(&entry, mac))
        });
    }
}

fn has(entry: &SubscriberEntry, mac: Mac) -> bool {
    entry.subscriber.bindings.devices.contains(&mac)
}
