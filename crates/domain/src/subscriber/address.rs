//! Addresses that belong to a subscriber, as people write them.

use std::net::Ipv4Addr;

use ipnet::Ipv6Net;

/// Why an address cannot be a subscriber's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscriberAddressError {
    #[error("'{raw}' is not an IPv4 address: write four numbers (100.64.0.7)")]
    Ipv4 { raw: String },
    #[error(transparent)]
    Reserved(#[from] StaticAddressError),
    #[error("'{raw}' is not an IPv6 prefix: write the prefix and its length (2001:db8:7::/64)")]
    Ipv6 { raw: String },
    #[error("'{raw}' has bits set behind its length: the prefix is {prefix}")]
    HostBits { raw: String, prefix: Ipv6Net },
}

/// Reads an IPv4 address that a router assigns as it stands.
pub fn parse_static_ipv4(raw: &str) -> Result<Ipv4Addr, SubscriberAddressError> {
    let address = raw.parse().map_err(|_| SubscriberAddressError::Ipv4 {
        raw: raw.to_owned(),
    })?;
    Ok(check_static_ipv4(address)?)
}

/// Reads an IPv6 prefix without bits behind its length.
pub fn parse_ipv6_prefix(raw: &str) -> Result<Ipv6Net, SubscriberAddressError> {
    let net: Ipv6Net = raw.parse().map_err(|_| SubscriberAddressError::Ipv6 {
        raw: raw.to_owned(),
    })?;
    if net.trunc() != net || net.prefix_len() == 0 {
        return Err(SubscriberAddressError::HostBits {
            raw: raw.to_owned(),
            prefix: net.trunc(),
        });
    }
    Ok(net)
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{address} cannot be a subscriber's address: routers read 0.0.0.0, 127.0.0.0/8, 224.0.0.0/3 as 'choose one yourself'"
)]
pub struct StaticAddressError {
    address: Ipv4Addr,
}

/// Accepts an address that a router will assign as it stands (RFC 2865 §5.8 and RouterOS reserve
/// the rest).
pub fn check_static_ipv4(address: Ipv4Addr) -> Result<Ipv4Addr, StaticAddressError> {
    let first = address.octets()[0];
    if first == 0 || first == 127 || 224 <= first {
        return Err(StaticAddressError { address });
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: [u8; 4], expected: bool) {
        assert_eq!(
            check_static_ipv4(address.into()).is_ok(),
            expected,
            "{address:?}"
        );
    }

    #[test]
    fn static_address_must_be_assignable() {
        check([10, 0, 0, 7], true);
        check([100, 64, 0, 1], true);
        check([0, 0, 0, 0], false);
        check([127, 0, 0, 1], false);
        check([224, 0, 0, 1], false);
        check([255, 255, 255, 254], false);
    }

    #[test]
    fn prefixes_must_end_where_they_say() {
        assert!(parse_ipv6_prefix("2001:db8::/56").is_ok());
        let error = parse_ipv6_prefix("2001:db8::1/56").expect_err("bits are set");
        assert_eq!(
            error.to_string(),
            "'2001:db8::1/56' has bits set behind its length: the prefix is 2001:db8::/56"
        );
        assert!(parse_ipv6_prefix("2001:db8::").is_err());
    }
}
