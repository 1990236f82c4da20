//! The NAS registry in memory: found by source address, longest prefix first.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

use domain::id::NasId;
use domain::nas::{MessageAuthenticatorPolicy, Nas};
use domain::time::Timestamp;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;
use radius::secret::PreparedSecret;

/// At most one complaint a minute for each NAS, so that a misconfigured router cannot flood the
/// log.
const COMPLAINT_SECONDS: i64 = 60;

/// A NAS with what the node learned about it.
#[derive(Debug)]
pub struct NasEntry {
    pub nas: Nas,
    pub secret: PreparedSecret,
    has_sent_message_authenticator: AtomicBool,
    complained_at: AtomicI64,
}

impl NasEntry {
    pub fn new(nas: Nas) -> Self {
        Self {
            secret: PreparedSecret::new(nas.secret.expose()),
            nas,
            has_sent_message_authenticator: AtomicBool::new(false),
            complained_at: AtomicI64::new(i64::MIN),
        }
    }

    /// Notes that an Access-Request carried a valid Message-Authenticator. A prefix stands for many
    /// routers, and what one sends says nothing about the others.
    pub fn learn_message_authenticator(&self) {
        if self.nas.is_one_router() && !self.has_sent_message_authenticator.load(Relaxed) {
            self.has_sent_message_authenticator.store(true, Relaxed);
        }
    }

    /// Whether an Access-Request without Message-Authenticator is dropped.
    pub fn requires_message_authenticator(&self) -> bool {
        match self.nas.settings.message_authenticator {
            MessageAuthenticatorPolicy::Required => true,
            MessageAuthenticatorPolicy::Auto => self.has_sent_message_authenticator.load(Relaxed),
            MessageAuthenticatorPolicy::Off => false,
        }
    }

    /// Whether it is time to log another complaint about this NAS.
    pub fn may_complain(&self, now: Timestamp) -> bool {
        let last = self.complained_at.load(Relaxed);
        // Negative after the clock was set back, which must not silence complaints until it is
        // where it was.
        let elapsed = now.as_seconds().saturating_sub(last);
        let is_due = !(0..COMPLAINT_SECONDS).contains(&elapsed);
        is_due
            && self
                .complained_at
                .compare_exchange(last, now.as_seconds(), Relaxed, Relaxed)
                .is_ok()
    }
}

/// All NAS of one moment. A change makes a new table; readers never wait.
#[derive(Debug, Default)]
pub struct NasTable {
    v4: PrefixMap<Ipv4Net, Arc<NasEntry>>,
    v6: PrefixMap<Ipv6Net, Arc<NasEntry>>,
    by_id: HashMap<NasId, Arc<NasEntry>>,
}

impl NasTable {
    /// Builds the table; what `previous` learned about an unchanged NAS is kept.
    pub fn build(all: impl IntoIterator<Item = Nas>, previous: &Self) -> Self {
        let mut table = Self::default();
        for nas in all {
            let entry = match previous.find_source(nas.source) {
                Some(known) if known.nas == nas => Arc::clone(known),
                _ => Arc::new(NasEntry::new(nas)),
            };
            table.by_id.insert(entry.nas.id, Arc::clone(&entry));
            match entry.nas.source {
                IpNet::V4(net) => table.v4.insert(net, entry),
                IpNet::V6(net) => table.v6.insert(net, entry),
            };
        }
        table
    }

    /// The NAS that sends from `source`.
    pub fn find(&self, source: IpAddr) -> Option<&Arc<NasEntry>> {
        match source.to_canonical() {
            IpAddr::V4(address) => self
                .v4
                .get_lpm(&Ipv4Net::from(address))
                .map(|(_, entry)| entry),
            IpAddr::V6(address) => self
                .v6
                .get_lpm(&Ipv6Net::from(address))
                .map(|(_, entry)| entry),
        }
    }

    /// The NAS with this id.
    pub fn find_id(&self, id: NasId) -> Option<&Arc<NasEntry>> {
        self.by_id.get(&id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<NasEntry>> {
        self.v4.values().chain(self.v6.values())
    }

    pub fn len(&self) -> usize {
        self.iter().count()
    }

    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    fn find_source(&self, source: IpNet) -> Option<&Arc<NasEntry>> {
        match source {
            IpNet::V4(net) => self.v4.get(&net),
            IpNet::V6(net) => self.v6.get(&net),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::id::{NasId, TenantId};
    use domain::nas::{NasSettings, parse_source};
    use domain::secret::Secret;

    use super::*;

    fn nas(name: &str, source: &str) -> Nas {
        Nas {
            id: NasId::new(Timestamp::from_seconds(1), [1; 10]),
            tenant: TenantId::DEFAULT,
            name: name.parse().expect("a valid name"),
            source: parse_source(source).expect("a valid source"),
            secret: Secret::from("secret"),
            settings: NasSettings::default(),
            groups: Vec::new(),
        }
    }

    fn table() -> NasTable {
        let all = [
            nas("region", "10.0.0.0/8"),
            nas("pop", "10.1.0.0/16"),
            nas("router", "10.1.2.3"),
            nas("six", "2001:db8::/32"),
        ];
        NasTable::build(all, &NasTable::default())
    }

    #[track_caller]
    fn check(source: &str, expected: Option<&str>) {
        let table = table();
        let source = source.parse().expect("a valid address");
        let actual = table.find(source).map(|entry| entry.nas.name.as_str());
        assert_eq!(actual, expected, "{source}");
    }

    #[test]
    fn longest_prefix_wins() {
        check("10.1.2.3", Some("router"));
        check("10.1.2.4", Some("pop"));
        check("10.2.0.1", Some("region"));
        check("192.0.2.1", None);
        check("2001:db8::1", Some("six"));
        check("2001:db9::1", None);
    }

    #[test]
    fn an_ipv4_sender_on_a_dual_stack_socket_is_found() {
        check("::ffff:10.1.2.3", Some("router"));
    }

    #[test]
    fn what_was_learned_outlives_a_change_of_another_nas() {
        let before = table();
        let address = "10.1.2.3".parse().expect("a valid address");
        let auto = NasSettings {
            message_authenticator: MessageAuthenticatorPolicy::Auto,
            ..NasSettings::default()
        };
        let router = Nas {
            settings: auto,
            ..nas("router", "10.1.2.3")
        };
        let before = NasTable::build([router.clone()], &before);
        let entry = before.find(address).expect("it is registered");
        assert!(!entry.requires_message_authenticator());
        entry.learn_message_authenticator();
        let after = NasTable::build([router, nas("new", "10.9.0.1")], &before);
        let entry = after.find(address).expect("it is registered");
        assert!(entry.requires_message_authenticator());
    }

    #[test]
    fn complaints_come_once_a_minute() {
        let entry = NasEntry::new(nas("router", "10.1.2.3"));
        let now = Timestamp::from_seconds(1_000);
        assert!(entry.may_complain(now));
        assert!(!entry.may_complain(now.plus_seconds(59)));
        assert!(entry.may_complain(now.plus_seconds(60)));
    }

    #[test]
    fn a_clock_set_back_does_not_silence_complaints() {
        let entry = NasEntry::new(nas("router", "10.1.2.3"));
        let now = Timestamp::from_seconds(1_000_000);
        assert!(entry.may_complain(now));
        assert!(entry.may_complain(now.plus_seconds(-86_400)));
        assert!(!entry.may_complain(now.plus_seconds(-86_399)));
    }

    #[test]
    fn what_one_router_of_a_prefix_sends_is_not_demanded_of_the_others() {
        let auto = NasSettings {
            message_authenticator: MessageAuthenticatorPolicy::Auto,
            ..NasSettings::default()
        };
        let entry = NasEntry::new(Nas {
            settings: auto,
            ..nas("region", "10.0.0.0/8")
        });
        entry.learn_message_authenticator();
        assert!(!entry.requires_message_authenticator());
    }
}
