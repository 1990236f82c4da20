//! Which open sessions somebody means who knows them by what routers say of them.

use std::net::Ipv4Addr;

use compact_str::{CompactString, format_compact};
use ipnet::Ipv6Net;

use crate::mac::Mac;

/// What must hold of a session; everything that is set must.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SessionMatch {
    /// Canonical.
    pub username: Option<CompactString>,
    pub acct_session_id: Option<CompactString>,
    pub framed_ipv4: Option<Ipv4Addr>,
    pub framed_ipv6_prefix: Option<Ipv6Net>,
    pub calling_station: Option<CompactString>,
    pub called_station: Option<CompactString>,
    pub nas_port: Option<CompactString>,
}

impl SessionMatch {
    /// Whether nothing is said of the session.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The user names that are meant: that of a device in every notation.
    pub fn usernames(&self) -> Vec<CompactString> {
        let Some(username) = &self.username else {
            return Vec::new();
        };
        match Mac::from_wire(username.as_bytes()) {
            Some(mac) => notations(mac),
            None => vec![username.clone()],
        }
    }

    /// The device that is meant by the calling station, if it is a MAC address.
    pub fn calling_mac(&self) -> Option<Mac> {
        Mac::from_wire(self.calling_station.as_ref()?.as_bytes())
    }
}

/// A MAC address as routers write it in user names, in lower case.
fn notations(mac: Mac) -> Vec<CompactString> {
    let [a, b, c, d, e, f] = *mac.as_bytes();
    vec![
        format_compact!("{mac}"),
        format_compact!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"),
        format_compact!("{a:02x}-{b:02x}-{c:02x}-{d:02x}-{e:02x}-{f:02x}"),
        format_compact!("{a:02x}{b:02x}.{c:02x}{d:02x}.{e:02x}{f:02x}"),
        format_compact!("{a:02x}{b:02x}-{c:02x}{d:02x}-{e:02x}{f:02x}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_meant_in_every_notation() {
        let of = |username: &str| {
            let wanted = SessionMatch {
                username: Some(username.into()),
                ..SessionMatch::default()
            };
            wanted.usernames()
        };
        assert_eq!(of("ana"), ["ana"]);
        let expected = [
            "02005e000007",
            "02:00:5e:00:00:07",
            "02-00-5e-00-00-07",
            "0200.5e00.0007",
            "0200-5e00-0007",
        ];
        assert_eq!(of("02:00:5e:00:00:07"), expected);
        assert_eq!(SessionMatch::default().usernames(), [""; 0]);
    }
}
