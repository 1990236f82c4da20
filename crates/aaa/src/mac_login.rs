//! Logins whose user name is the MAC address of a device: which subscriber has it, and whether the
//! request shows no other secret than the device's address.

use domain::access::{Method, Proof};
use domain::id::TenantId;
use domain::mac::Mac;
use domain::name::Username;
use foldhash::fast::RandomState;
use papaya::HashMap;
use radius::packet::Packet;
use radius::password::{chap, pap};
use smallvec::SmallVec;
use subtle::ConstantTimeEq;

use crate::request::AccessFacts;

/// The notations in which routers write a MAC address as the password of CHAP or EAP-MD5.
const NOTATIONS: [(&str, usize); 4] = [("", 12), (":", 2), ("-", 2), (".", 4)];

/// The names of those who have a device; nearly always one.
type Owners = SmallVec<[Username; 1]>;

/// Who has which device. An entry may be out of date, so whoever is found is looked at.
#[derive(Debug)]
pub struct DeviceTable(HashMap<(TenantId, Mac), Owners, RandomState>);

impl DeviceTable {
    pub fn new() -> Self {
        Self(HashMap::with_hasher(RandomState::default()))
    }

    /// The names under which a device was registered.
    pub fn find(&self, tenant: TenantId, mac: Mac) -> Owners {
        let owners = self.0.pin();
        owners.get(&(tenant, mac)).cloned().unwrap_or_default()
    }

    /// Notes that somebody has a device.
    pub fn add(&self, tenant: TenantId, mac: Mac, owner: &Username) {
        let owners = self.0.pin();
        owners.update_or_insert_with(
            (tenant, mac),
            |known| {
                let mut known = known.clone();
                if !known.contains(owner) {
                    known.push(owner.clone());
                }
                known
            },
            || SmallVec::from_elem(owner.clone(), 1),
        );
    }

    /// Forgets the devices that are not as `is_kept` says.
    pub fn keep(&self, is_kept: impl Fn(TenantId, Mac, &Username) -> bool) {
        let owners = self.0.pin();
        let places: Vec<_> = owners.keys().copied().collect();
        for (tenant, mac) in places {
            self.keep_owners(tenant, mac, |owner| is_kept(tenant, mac, owner));
        }
    }

    /// Forgets that somebody has a device.
    pub fn remove(&self, tenant: TenantId, mac: Mac, owner: &Username) {
        self.keep_owners(tenant, mac, |known| known != owner);
    }

    fn keep_owners(&self, tenant: TenantId, mac: Mac, is_kept: impl Fn(&Username) -> bool) {
        let owners = self.0.pin();
        let kept = |known: &Owners| -> Owners {
            known
                .iter()
                .filter(|owner| is_kept(owner))
                .cloned()
                .collect()
        };
        owners.update((tenant, mac), kept);
        // Whoever is added meanwhile makes it more than empty.
        let _is_removed = owners.remove_if(&(tenant, mac), |_, known| known.is_empty());
    }
}

impl Default for DeviceTable {
    fn default() -> Self {
        Self::new()
    }
}

/// Checks that the password says nothing but who the device is: it is empty or absent, the MAC
/// address in any notation, or the secret that the router and we share. Anything else is somebody's
/// guess.
pub fn check(packet: &Packet<'_>, facts: &AccessFacts<'_>, secret: &[u8], mac: Mac) -> Proof {
    let method = match facts.method() {
        Ok(method) => method,
        Err(contradiction) => {
            return Proof::Malformed {
                method: contradiction.method,
            };
        }
    };
    let is_right = match method {
        Method::None => true,
        Method::Pap => is_pap_right(packet, facts, secret, mac),
        Method::Chap => is_chap_right(packet, facts, secret, mac),
        Method::EapMd5 => facts
            .eap_md5
            .is_some_and(|answer| is_any_right(facts, secret, mac, |known| answer.verify(known))),
        Method::MsChapV1 | Method::MsChapV2 | Method::Eap => {
            return Proof::Unsupported { method };
        }
    };
    if is_right {
        Proof::Device { method }
    } else {
        Proof::Mismatch { method }
    }
}

fn is_pap_right(packet: &Packet<'_>, facts: &AccessFacts<'_>, secret: &[u8], mac: Mac) -> bool {
    let mut octets = [0; pap::PASSWORD_LENGTH_MAX];
    let encrypted = facts.user_password.unwrap_or_default();
    let Some(password) = pap::decrypt(encrypted, secret, packet.authenticator(), &mut octets)
    else {
        return false;
    };
    password.is_empty()
        || Mac::from_wire(password) == Some(mac)
        || bool::from(password.ct_eq(secret))
}

fn is_chap_right(packet: &Packet<'_>, facts: &AccessFacts<'_>, secret: &[u8], mac: Mac) -> bool {
    let response = facts.chap_password.unwrap_or_default();
    if response.len() != chap::VALUE_LENGTH {
        return false;
    }
    let challenge = facts
        .chap_challenge
        .unwrap_or_else(|| packet.authenticator());
    is_any_right(facts, secret, mac, |known| {
        chap::verify(response, challenge, known)
    })
}

/// Whether one of the passwords that say nothing but who the device is passes.
fn is_any_right(
    facts: &AccessFacts<'_>,
    secret: &[u8],
    mac: Mac,
    is: impl Fn(&[u8]) -> bool,
) -> bool {
    let sent = facts.user_name.unwrap_or_default();
    let digits = mac.to_string();
    is(sent)
        || is(b"")
        || is(secret)
        || NOTATIONS.iter().any(|(separator, group)| {
            let groups: Vec<_> = (0..digits.len())
                .step_by(*group)
                .map(|at| &digits[at..at + group])
                .collect();
            let text = groups.join(separator);
            is(text.as_bytes()) || is(text.to_ascii_uppercase().as_bytes())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: TenantId = TenantId::DEFAULT;

    fn name(raw: &str) -> Username {
        raw.parse().expect("a valid name")
    }

    fn owners(table: &DeviceTable, mac: Mac) -> Vec<String> {
        let found = table.find(TENANT, mac);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn owners_come_and_go() {
        let (one, other) = (Mac::from_bytes([1; 6]), Mac::from_bytes([2; 6]));
        let table = DeviceTable::new();
        table.add(TENANT, one, &name("ana"));
        table.add(TENANT, one, &name("ana"));
        table.add(TENANT, one, &name("ben"));
        table.add(TENANT, other, &name("ben"));
        assert_eq!(owners(&table, one), ["ana", "ben"]);
        table.remove(TENANT, one, &name("ana"));
        assert_eq!(owners(&table, one), ["ben"]);
        table.keep(|_, mac, _| mac == other);
        assert_eq!(owners(&table, one), [""; 0]);
        assert_eq!(owners(&table, other), ["ben"]);
        assert_eq!(table.0.len(), 1, "what is empty is gone");
    }
}
