//! What people write about subscribers: passwords and addresses, each with its own complaint.

use std::net::Ipv4Addr;

use ipnet::Ipv6Net;

use super::{StaticAddressError, check_static_ipv4};
use crate::credential::Credential;
use crate::secret::Secret;

/// What User-Password can carry (RFC 2865 §5.2).
const PASSWORD_OCTETS_MAX: usize = 128;

/// Why a password cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("the password is empty: write 1 to {PASSWORD_OCTETS_MAX} octets")]
    Empty,
    #[error(
        "a password of {octets} octets is too long: RADIUS carries {PASSWORD_OCTETS_MAX} at most"
    )]
    TooLong { octets: usize },
    #[error("the password has a NUL, which PAP cannot carry: remove it")]
    Nul,
}

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

/// Checks a cleartext password.
pub fn password(text: &str) -> Result<Credential, PasswordError> {
    if text.is_empty() {
        return Err(PasswordError::Empty);
    }
    if PASSWORD_OCTETS_MAX < text.len() {
        return Err(PasswordError::TooLong { octets: text.len() });
    }
    if text.contains('\0') {
        return Err(PasswordError::Nul);
    }
    Ok(Credential::Cleartext(Secret::from(text)))
}

/// Reads the address that a subscriber always gets.
pub fn parse_static_ipv4(raw: &str) -> Result<Ipv4Addr, SubscriberAddressError> {
    let address = raw.parse().map_err(|_| SubscriberAddressError::Ipv4 {
        raw: raw.to_owned(),
    })?;
    Ok(check_static_ipv4(address)?)
}

/// Reads a prefix that a subscriber always gets.
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

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn passwords_fit_into_user_password() {
        assert_eq!(password(""), Err(PasswordError::Empty));
        assert_eq!(
            password(&"x".repeat(129)),
            Err(PasswordError::TooLong { octets: 129 })
        );
        assert_eq!(password("a\0"), Err(PasswordError::Nul));
        assert!(password("pass word é").is_ok());
    }
}
