//! Who asks, and whether others could read along, as far as the proxies before us are believed.

use std::net::{IpAddr, SocketAddr};

use api::state::Peer;
use axum::http::HeaderMap;
use ipnet::IpNet;

/// What proxies say about those for whom they ask.
const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The proxies between a client and us that are looked at.
const PROXIES_IN_A_ROW_MAX: usize = 8;

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection {
    pub(super) address: IpAddr,
    pub(super) is_encrypted: bool,
}

impl Connection {
    /// Who asks: the first address from our end that is no proxy of ours.
    pub(super) fn client(&self, headers: &HeaderMap, proxies: &[IpNet]) -> Peer {
        let own = self.address.to_canonical();
        let is_proxy = |address: &IpAddr| proxies.iter().any(|net| net.contains(address));
        let mut client = own;
        let mut hops = 0;
        let told = words_from_the_right(headers, FORWARDED_FOR).take(PROXIES_IN_A_ROW_MAX);
        for address in told.map_while(parse_address) {
            if !is_proxy(&client) {
                break;
            }
            client = address;
            hops += 1;
        }
        Peer {
            address: client,
            is_encrypted: match is_proxy(&own) {
                true => self.was_encrypted(headers, hops),
                false => self.is_encrypted,
            },
        }
    }

    /// What was spoken `hops` proxies before us; what the first of them says holds for those before.
    fn was_encrypted(&self, headers: &HeaderMap, hops: usize) -> bool {
        let told = words_from_the_right(headers, FORWARDED_PROTO)
            .take(hops.max(1))
            .last();
        match told {
            Some(word) if word.eq_ignore_ascii_case("https") => true,
            Some(word) if word.eq_ignore_ascii_case("http") => false,
            Some(_) | None => self.is_encrypted,
        }
    }
}

/// What stands between commas in all headers of a name, the last first.
fn words_from_the_right<'h>(
    headers: &'h HeaderMap,
    name: &'static str,
) -> impl Iterator<Item = &'h str> {
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    lines
        .into_iter()
        .rev()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.rsplit(','))
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

/// An address as proxies write it: bare, in brackets, with or without a port.
fn parse_address(word: &str) -> Option<IpAddr> {
    let bare = word.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>();
    let address = address.or_else(|_| word.parse::<SocketAddr>().map(|found| found.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        from: &str,
        headers: &[(&'static str, &'static str)],
        (address, is_encrypted): (&str, bool),
    ) {
        let proxies: Vec<IpNet> = ["10.0.0.0/8", "2001:db8:1::/48"]
            .map(|net| net.parse().unwrap())
            .into();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let connection = Connection {
            address: from.parse().unwrap(),
            is_encrypted: false,
        };
        let expected = Peer {
            address: address.parse().unwrap(),
            is_encrypted,
        };
        assert_eq!(connection.client(&map, &proxies), expected, "{headers:?}");
    }

    #[test]
    fn nobody_but_a_trusted_proxy_is_believed() {
        let headers = [(FORWARDED_FOR, "198.51.100.7"), (FORWARDED_PROTO, "https")];
        check("192.0.2.1", &headers, ("192.0.2.1", false));
        check("10.0.0.1", &headers, ("198.51.100.7", true));
        check("::ffff:10.0.0.1", &headers, ("198.51.100.7", true));
        check("10.0.0.1", &[], ("10.0.0.1", false));
    }

    #[test]
    fn what_a_client_claims_before_the_first_proxy_is_not_believed() {
        let rows = [
            ("203.0.113.9, 198.51.100.7", "198.51.100.7"),
            ("203.0.113.9, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
            ("198.51.100.7:4711", "198.51.100.7"),
            ("2001:db8:9::1", "2001:db8:9::1"),
            ("[2001:db8:9::1]:4711, 2001:db8:1::2", "2001:db8:9::1"),
            ("203.0.113.9, unknown", "10.0.0.1"),
            ("203.0.113.9, unknown, 10.0.0.2", "10.0.0.2"),
            ("10.0.0.3", "10.0.0.3"),
        ];
        for (told, expected) in rows {
            check("10.0.0.1", &[(FORWARDED_FOR, told)], (expected, false));
        }
    }

    #[test]
    fn headers_that_come_in_several_lines_are_one_list() {
        let headers = [
            (FORWARDED_FOR, "203.0.113.9"),
            (FORWARDED_FOR, "198.51.100.7, 10.0.0.2"),
            (FORWARDED_PROTO, "http, https, http"),
        ];
        check("10.0.0.1", &headers, ("198.51.100.7", true));
    }

    #[test]
    fn one_word_about_the_protocol_holds_for_all_proxies() {
        let headers = [
            (FORWARDED_FOR, "198.51.100.7, 10.0.0.2"),
            (FORWARDED_PROTO, "https"),
        ];
        check("10.0.0.1", &headers, ("198.51.100.7", true));
    }
}
