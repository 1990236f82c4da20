//! Turns the granted terms into reply attributes, one encoder for each vendor.

pub mod change;
mod cisco;
mod mikrotik;
pub mod rows;
mod wispr;

use domain::access::Grants;
use domain::nas::Vendor;
use domain::rate_limit::BitRate;
use ipnet::Ipv6Net;
use radius::attribute::kind;
use radius::writer::{PacketWriter, WriteError};

/// Service-Type Framed and Framed-Protocol PPP (RFC 2865 §5.6, §5.7).
const SERVICE_FRAMED: u32 = 2;

/// What the request said that the grants must agree with.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestedService {
    pub service_type: Option<u32>,
    pub framed_protocol: Option<u32>,
}

/// Writes all attributes of the grants for a NAS of this vendor.
pub fn write_grants(
    writer: &mut PacketWriter<'_>,
    vendor: Vendor,
    grants: &Grants<'_>,
    requested: RequestedService,
) -> Result<(), WriteError> {
    write_standard(writer, vendor, grants, requested)?;
    match vendor {
        Vendor::Mikrotik => mikrotik::write(writer, grants),
        Vendor::Cisco => cisco::write(writer, grants),
        Vendor::Wispr => wispr::write(writer, grants),
        Vendor::Generic => Ok(()),
    }
}

/// What every NAS understands: RFC 2865, 2869, 3162 and 4818.
fn write_standard(
    writer: &mut PacketWriter<'_>,
    vendor: Vendor,
    grants: &Grants<'_>,
    requested: RequestedService,
) -> Result<(), WriteError> {
    if requested.service_type == Some(SERVICE_FRAMED) {
        writer.push_integer(kind::SERVICE_TYPE, SERVICE_FRAMED)?;
        if let Some(protocol) = requested.framed_protocol {
            writer.push_integer(kind::FRAMED_PROTOCOL, protocol)?;
        }
    }
    if let Some(address) = grants.ipv4 {
        writer.push_ipv4(kind::FRAMED_IP_ADDRESS, address)?;
    }
    if let Some(pool) = grants.pool {
        writer.push_text(kind::FRAMED_POOL, pool)?;
    }
    if let Some(list) = grants.address_list() {
        match vendor {
            // It has an attribute of its own for this, and Filter-Id is something else there.
            Vendor::Mikrotik => {}
            Vendor::Cisco | Vendor::Wispr | Vendor::Generic => {
                writer.push_text(kind::FILTER_ID, list)?;
            }
        }
    }
    push_prefix(writer, kind::FRAMED_IPV6_PREFIX, grants.ipv6_prefix)?;
    push_prefix(writer, kind::DELEGATED_IPV6_PREFIX, grants.ipv6_delegated)?;
    if let Some(seconds) = grants.session_timeout_seconds {
        writer.push_integer(kind::SESSION_TIMEOUT, seconds)?;
    }
    if let Some(seconds) = grants.idle_timeout_seconds {
        writer.push_integer(kind::IDLE_TIMEOUT, seconds)?;
    }
    writer.push_integer(kind::ACCT_INTERIM_INTERVAL, grants.interim_seconds)?;
    if let Some(limit) = grants.session_limit {
        writer.push_integer(kind::PORT_LIMIT, u32::from(limit))?;
    }
    Ok(())
}

fn push_prefix(
    writer: &mut PacketWriter<'_>,
    kind: u8,
    prefix: Option<Ipv6Net>,
) -> Result<(), WriteError> {
    match prefix {
        Some(net) => writer.push_ipv6_prefix(kind, net.addr(), net.prefix_len()),
        None => Ok(()),
    }
}

/// A rate in a 32-bit attribute, as much as fits; absent when unlimited.
fn rate_32(rate: BitRate) -> Option<u32> {
    (!rate.is_unlimited()).then(|| u32::try_from(rate.as_bits_per_second()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use domain::limit::VolumeLeft;
    use domain::plan::PoolName;
    use domain::rate_limit::RateLimit;
    use domain::terms::Term;
    use radius::avp;
    use radius::code::Code;
    use radius::dictionary::Dictionary;
    use radius::packet::Packet;

    use super::*;

    fn grants<'a>(rate: Option<&'a RateLimit>, pool: Option<&'a PoolName>) -> Grants<'a> {
        Grants {
            rate,
            session_timeout_seconds: None,
            idle_timeout_seconds: None,
            interim_seconds: 300,
            ipv4: None,
            ipv6_prefix: None,
            ipv6_delegated: None,
            pool: pool.map(PoolName::as_str),
            session_limit: None,
            sessions_to_end: 0,
            volume_left: VolumeLeft::default(),
            garden: None,
            notice: None,
        }
    }

    #[track_caller]
    fn check(vendor: Vendor, grants: &Grants<'_>, requested: RequestedService, expected: &[&str]) {
        let mut buffer = Vec::new();
        let mut writer = PacketWriter::new(&mut buffer, Code::AccessAccept, 1);
        write_grants(&mut writer, vendor, grants, requested).expect("it fits");
        writer.finish_reply(&[0; 16], b"secret");
        let packet = Packet::parse(&buffer).expect("we wrote it");
        let dictionary = Dictionary::builtin();
        let actual: Vec<_> = avp::decode(&dictionary, packet.attributes(), None)
            .iter()
            .map(|avp| avp.show(&dictionary).to_string())
            .collect();
        assert_eq!(actual, expected);
    }

    #[test]
    fn every_vendor_gets_its_own_rate() {
        let rate: RateLimit = "25M/50M".parse().expect("a valid rate");
        let grants = grants(Some(&rate), None);
        let none = RequestedService::default();
        let interim = "Acct-Interim-Interval = 300";
        check(Vendor::Generic, &grants, none, &[interim]);
        check(
            Vendor::Mikrotik,
            &grants,
            none,
            &[interim, "Mikrotik-Rate-Limit = \"25M/50M\""],
        );
        check(
            Vendor::Wispr,
            &grants,
            none,
            &[
                interim,
                "WISPr-Bandwidth-Max-Up = 25000000",
                "WISPr-Bandwidth-Max-Down = 50000000",
            ],
        );
        check(
            Vendor::Cisco,
            &grants,
            none,
            &[
                interim,
                "Cisco-AVPair = \"lcp:interface-config#1=rate-limit input 25000000 4687500 9375000 conform-action transmit exceed-action drop\"",
                "Cisco-AVPair = \"lcp:interface-config#2=rate-limit output 50000000 9375000 18750000 conform-action transmit exceed-action drop\"",
            ],
        );
    }

    #[test]
    fn a_burst_reaches_the_router_whole() {
        let rate: RateLimit = "5M/10M 8M/15M 4M/8M 16/12 5 1M/2M".parse().expect("valid");
        check(
            Vendor::Mikrotik,
            &grants(Some(&rate), None),
            RequestedService::default(),
            &[
                "Acct-Interim-Interval = 300",
                "Mikrotik-Rate-Limit = \"5M/10M 8M/15M 4M/8M 16/12 5 1M/2M\"",
            ],
        );
    }

    #[track_caller]
    fn check_volume(volume_left: VolumeLeft, expected: &[&str]) {
        let grants = Grants {
            volume_left,
            ..grants(None, None)
        };
        let interim = ["Acct-Interim-Interval = 300"];
        let expected: Vec<_> = interim.iter().chain(expected).copied().collect();
        let none = RequestedService::default();
        check(Vendor::Mikrotik, &grants, none, &expected);
        for vendor in [Vendor::Generic, Vendor::Cisco, Vendor::Wispr] {
            check(vendor, &grants, none, &interim);
        }
    }

    #[test]
    fn the_router_is_told_the_bytes_that_are_left() {
        check_volume(
            VolumeLeft {
                traffic: NonZeroU64::new(50_000_000_000),
                upload: NonZeroU64::new(1),
                download: NonZeroU64::new(u32::MAX.into()),
            },
            &[
                "Mikrotik-Recv-Limit = 1",
                "Mikrotik-Xmit-Limit = 4294967295",
                "Mikrotik-Total-Limit = 2755359744",
                "Mikrotik-Total-Limit-Gigawords = 11",
            ],
        );
        // 4 GiB are not sent as a low part of 0.
        check_volume(
            VolumeLeft {
                upload: NonZeroU64::new(1 << 32),
                download: NonZeroU64::new((1 << 33) + 7),
                traffic: Some(NonZeroU64::MAX),
            },
            &[
                "Mikrotik-Recv-Limit = 4294967295",
                "Mikrotik-Xmit-Limit = 7",
                "Mikrotik-Xmit-Limit-Gigawords = 2",
                "Mikrotik-Total-Limit = 4294967295",
                "Mikrotik-Total-Limit-Gigawords = 4294967295",
            ],
        );
    }

    #[track_caller]
    fn check_change(vendor: Vendor, grants: &Grants<'_>, term: Term, expected: &[&str]) {
        let mut buffer = Vec::new();
        let mut writer = PacketWriter::new(&mut buffer, Code::CoaRequest, 1);
        change::write(&mut writer, vendor, grants, term).expect("it fits");
        writer.finish_accounting_request(b"secret");
        let packet = Packet::parse(&buffer).expect("we wrote it");
        let dictionary = Dictionary::builtin();
        let actual: Vec<_> = avp::decode(&dictionary, packet.attributes(), None)
            .iter()
            .map(|avp| avp.show(&dictionary).to_string())
            .collect();
        assert_eq!(actual, expected, "{vendor} {term:?}");
    }

    #[test]
    fn a_change_has_what_the_vendor_can_change() {
        let rate: RateLimit = "25M/50M".parse().expect("a valid rate");
        let pool: PoolName = "pppoe".parse().expect("a valid pool");
        let grants = Grants {
            session_timeout_seconds: Some(3_600),
            idle_timeout_seconds: Some(600),
            volume_left: VolumeLeft {
                traffic: NonZeroU64::new(9),
                upload: NonZeroU64::new(7),
                download: None,
            },
            ..grants(Some(&rate), Some(&pool))
        };
        let mikrotik = Vendor::Mikrotik;
        let speed = "Mikrotik-Rate-Limit = \"25M/50M\"";
        check_change(mikrotik, &grants, Term::Rate, &[speed]);
        let timeouts = ["Session-Timeout = 3600", "Idle-Timeout = 600"];
        let limits = [timeouts[0], timeouts[1], "Mikrotik-Recv-Limit = 7"];
        check_change(mikrotik, &grants, Term::Limits, &limits);
        let speeds = [
            "WISPr-Bandwidth-Max-Up = 25000000",
            "WISPr-Bandwidth-Max-Down = 50000000",
        ];
        check_change(Vendor::Wispr, &grants, Term::Rate, &speeds);
        for vendor in [Vendor::Cisco, Vendor::Generic] {
            check_change(vendor, &grants, Term::Rate, &[]);
            check_change(vendor, &grants, Term::Limits, &timeouts);
        }
        for term in [Term::Address, Term::Redirect, Term::Other, Term::Filter] {
            check_change(mikrotik, &grants, term, &[]);
        }
    }

    #[test]
    fn an_unlimited_direction_is_left_out() {
        let rate: RateLimit = "0/50M".parse().expect("a valid rate");
        check(
            Vendor::Wispr,
            &grants(Some(&rate), None),
            RequestedService::default(),
            &[
                "Acct-Interim-Interval = 300",
                "WISPr-Bandwidth-Max-Down = 50000000",
            ],
        );
    }

    #[test]
    fn addresses_and_timeouts_are_standard_attributes() {
        let pool: PoolName = "pppoe".parse().expect("a valid pool");
        let with_pool = Grants {
            session_timeout_seconds: Some(3_600),
            idle_timeout_seconds: Some(600),
            session_limit: Some(2),
            ipv6_prefix: "2001:db8:1::/64".parse().ok(),
            ipv6_delegated: "2001:db8:100::/56".parse().ok(),
            ..grants(None, Some(&pool))
        };
        check(
            Vendor::Generic,
            &with_pool,
            RequestedService::default(),
            &[
                "Framed-Pool = \"pppoe\"",
                "Framed-IPv6-Prefix = 2001:db8:1::/64",
                "Delegated-IPv6-Prefix = 2001:db8:100::/56",
                "Session-Timeout = 3600",
                "Idle-Timeout = 600",
                "Acct-Interim-Interval = 300",
                "Port-Limit = 2",
            ],
        );
    }

    #[test]
    fn framed_service_is_confirmed_when_it_was_asked_for() {
        let requested = RequestedService {
            service_type: Some(SERVICE_FRAMED),
            framed_protocol: Some(1),
        };
        check(
            Vendor::Generic,
            &grants(None, None),
            requested,
            &[
                "Service-Type = Framed-User",
                "Framed-Protocol = PPP",
                "Acct-Interim-Interval = 300",
            ],
        );
    }
}
