//! Whose account a user name means at a router: its own subscriber's, one of a realm, or a device's.

use std::sync::Arc;

use domain::access::RejectReason;
use domain::mac::Mac;
use domain::nas::{MacAuthentication, NasSharing};
use domain::realm;

use super::Engine;
use crate::accounting::Accounted;
use crate::directory::SubscriberEntry;
use crate::nas_table::NasEntry;

/// What a user name means.
pub(super) enum Account {
    Subscriber(Arc<SubscriberEntry>),
    /// It is nobody's name, and the MAC address of a device of these where devices may log in.
    Device {
        mac: Mac,
        owners: Vec<Arc<SubscriberEntry>>,
    },
    /// It is of somebody who has no business at this router.
    Refused(RejectReason),
    /// No subscriber is meant, for a reason of its own.
    Stranger(RejectReason),
    Unknown,
}

fn accounted(entry: &SubscriberEntry) -> Accounted {
    Accounted {
        tenant: entry.subscriber.tenant,
        subscriber: entry.subscriber.id,
        username: Some(entry.subscriber.username.as_str().into()),
    }
}

impl Engine {
    /// Who is meant by a folded user name. The whole name goes first, so a name that is registered
    /// with its realm needs no realm.
    pub(super) fn find_account(&self, nas: &NasEntry, username: &str) -> Account {
        let directory = &self.context.directory;
        if let Some(entry) = directory.find_subscriber(nas.nas.tenant, username) {
            return Account::Subscriber(entry);
        }
        if let Some((user, realm)) = realm::split(username) {
            return self.find_in_realm(nas, username, user, realm);
        }
        match nas.nas.settings.mac_authentication {
            MacAuthentication::On => {
                let Some(mac) = Mac::from_wire(username.as_bytes()) else {
                    return Account::Unknown;
                };
                let owners = directory.find_owners(nas.nas.tenant, mac);
                if owners.is_empty() {
                    // Nobody's password was guessed: a hotspot asks about every device in reach.
                    return Account::Stranger(RejectReason::UnknownUser);
                }
                Account::Device { mac, owners }
            }
            MacAuthentication::Off => Account::Unknown,
        }
    }

    /// The account that accounting is about, told as for a login.
    pub(super) fn find_accounted(&self, nas: &NasEntry, username: &str) -> Option<Accounted> {
        match self.find_account(nas, username) {
            Account::Subscriber(entry) => Some(accounted(&entry)),
            Account::Device { owners, .. } => match owners.as_slice() {
                [entry] => Some(accounted(entry)),
                [] | [_, _, ..] => None,
            },
            Account::Refused(_) | Account::Stranger(_) | Account::Unknown => None,
        }
    }

    fn find_in_realm(&self, nas: &NasEntry, whole: &str, user: &str, realm: &str) -> Account {
        let directory = &self.context.directory;
        let policies = directory.policies();
        let Some(realm) = policies.find_realm(realm) else {
            return match policies.has_realms(nas.nas.tenant) {
                true => Account::Stranger(RejectReason::UnknownRealm),
                false => Account::Unknown,
            };
        };
        let is_here = realm.tenant == nas.nas.tenant;
        if !is_here && nas.nas.settings.sharing == NasSharing::Own {
            return Account::Refused(RejectReason::RealmElsewhere);
        }
        let name = realm.registered(whole, user);
        let found = directory.find_subscriber(realm.tenant, name);
        found.map_or(Account::Unknown, Account::Subscriber)
    }
}
