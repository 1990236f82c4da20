//! Who asks, and over which protocol, as far as the proxies before us are believed.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::uri::Scheme;
use axum::http::{Extensions, HeaderMap};
use ipnet::IpNet;

/// What proxies say about those for whom they ask.
const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The proxies between a client and us that are looked at.
const PROXIES_IN_A_ROW_MAX: usize = 8;

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// What the connection itself speaks.
    pub(super) scheme: Scheme,
}

impl Peer {
    /// Tells a request who asks: `ConnectInfo<SocketAddr>` and [`Scheme`].
    pub(super) fn introduce(
        &self,
        headers: &HeaderMap,
        proxies: &[IpNet],
        extensions: &mut Extensions,
    ) {
        let (address, scheme) = self.client(headers, proxies);
        extensions.insert(ConnectInfo(address));
        extensions.insert(scheme);
    }

    /// The first address from our end that is no proxy of ours. The port of a client behind a proxy
    /// is not known.
    fn client(&self, headers: &HeaderMap, proxies: &[IpNet]) -> (SocketAddr, Scheme) {
        let own = SocketAddr::new(self.address.ip().to_canonical(), self.address.port());
        let is_proxy = |address: &IpAddr| proxies.iter().any(|net| net.contains(address));
        if !is_proxy(&own.ip()) {
            return (own, self.scheme.clone());
        }
        let mut client = own;
        let mut hops = 0;
        for address in words_from_the_right(headers, FORWARDED_FOR).take(PROXIES_IN_A_ROW_MAX) {
            let Some(address) = parse_address(address) else {
                break;
            };
            client = SocketAddr::new(address, 0);
            hops += 1;
            if !is_proxy(&address) {
                break;
            }
        }
        (client, self.scheme_before(headers, hops))
    }

    /// What was spoken `hops` proxies before us; what the first of them says holds for those before.
    fn scheme_before(&self, headers: &HeaderMap, hops: usize) -> Scheme {
        let told = words_from_the_right(headers, FORWARDED_PROTO)
            .take(hops.max(1))
            .last();
        match told {
            Some(word) if word.eq_ignore_ascii_case("https") => Scheme::HTTPS,
            Some(word) if word.eq_ignore_ascii_case("http") => Scheme::HTTP,
            Some(_) | None => self.scheme.clone(),
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
    fn check(peer: &str, headers: &[(&'static str, &'static str)], expected: (&str, &Scheme)) {
        let proxies: Vec<IpNet> = ["10.0.0.0/8", "2001:db8:1::/48"]
            .map(|net| net.parse().unwrap())
            .into();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let peer = Peer {
            address: peer.parse().unwrap(),
            scheme: Scheme::HTTP,
        };
        let mut extensions = Extensions::new();
        peer.introduce(&map, &proxies, &mut extensions);
        let ConnectInfo(address) = *extensions.get::<ConnectInfo<SocketAddr>>().unwrap();
        let scheme = extensions.get::<Scheme>().unwrap();
        assert_eq!((address.to_string().as_str(), scheme), expected);
    }

    #[test]
    fn nobody_but_a_trusted_proxy_is_believed() {
        let headers = [(FORWARDED_FOR, "198.51.100.7"), (FORWARDED_PROTO, "https")];
        check("192.0.2.1:99", &headers, ("192.0.2.1:99", &Scheme::HTTP));
        check("10.0.0.1:99", &headers, ("198.51.100.7:0", &Scheme::HTTPS));
        check(
            "[::ffff:10.0.0.1]:99",
            &headers,
            ("198.51.100.7:0", &Scheme::HTTPS),
        );
        check("10.0.0.1:99", &[], ("10.0.0.1:99", &Scheme::HTTP));
    }

    #[test]
    fn what_a_client_claims_before_the_first_proxy_is_not_believed() {
        let rows = [
            ("203.0.113.9, 198.51.100.7", "198.51.100.7:0"),
            ("203.0.113.9, 198.51.100.7, 10.0.0.2", "198.51.100.7:0"),
            ("198.51.100.7:4711", "198.51.100.7:0"),
            ("2001:db8:9::1", "[2001:db8:9::1]:0"),
            ("[2001:db8:9::1]:4711, 2001:db8:1::2", "[2001:db8:9::1]:0"),
            ("203.0.113.9, unknown", "10.0.0.1:99"),
            ("203.0.113.9, unknown, 10.0.0.2", "10.0.0.2:0"),
            ("10.0.0.3", "10.0.0.3:0"),
        ];
        for (told, expected) in rows {
            check(
                "10.0.0.1:99",
                &[(FORWARDED_FOR, told)],
                (expected, &Scheme::HTTP),
            );
        }
    }

    #[test]
    fn headers_that_come_in_several_lines_are_one_list() {
        let headers = [
            (FORWARDED_FOR, "203.0.113.9"),
            (FORWARDED_FOR, "198.51.100.7, 10.0.0.2"),
            (FORWARDED_PROTO, "http, https, http"),
        ];
        check("10.0.0.1:99", &headers, ("198.51.100.7:0", &Scheme::HTTPS));
    }

    #[test]
    fn one_word_about_the_protocol_holds_for_all_proxies() {
        let headers = [
            (FORWARDED_FOR, "198.51.100.7, 10.0.0.2"),
            (FORWARDED_PROTO, "https"),
        ];
        check("10.0.0.1:99", &headers, ("198.51.100.7:0", &Scheme::HTTPS));
    }
}
