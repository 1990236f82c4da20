//! A walled garden: how little a suspended subscriber gets, so that they can still reach the page
//! where they pay.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::id::{GardenId, TenantId};
use crate::name::Name;
use crate::plan::{PoolName, TimeoutSeconds};
use crate::rate_limit::RateLimit;

/// A walled garden under its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Garden {
    pub id: GardenId,
    pub tenant: TenantId,
    pub name: Name,
    pub terms: GardenTerms,
}

/// What is granted in a walled garden. A pool or an address list is what restricts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GardenTerms {
    /// Addresses that reach nothing but the garden; in place of the subscriber's own.
    pub pool: Option<PoolName>,
    /// The router's list of addresses or filter that its rules know.
    pub address_list: Option<AddressList>,
    pub rate: Option<RateLimit>,
    /// Where routers that can do so send the browser.
    pub redirect: Option<RedirectUrl>,
    /// Short, so that who has paid soon has full access without a disconnect.
    pub session_timeout_seconds: TimeoutSeconds,
}

/// The name of a list or filter on the router: 1 to 63 printable ASCII octets without spaces.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct AddressList(Box<str>);

/// An absolute `http` or `https` URL of at most 200 octets of printable ASCII.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RedirectUrl(Box<str>);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GardenError {
    #[error("an address list has 1 to 63 printable ASCII characters without spaces")]
    AddressList,
    #[error(
        "'{raw}' is not a URL to redirect to: write http:// or https:// and a host, at most {} characters",
        RedirectUrl::LEN_MAX
    )]
    Redirect { raw: String },
    #[error("a garden without a pool and without an address list restricts nothing: give one")]
    Unrestricted,
}

impl GardenTerms {
    /// What is granted when nothing is said about it.
    pub const SESSION_TIMEOUT_DEFAULT_SECONDS: u32 = 300;

    /// Refuses a garden without a fence.
    pub const fn check(&self) -> Result<(), GardenError> {
        if self.pool.is_none() && self.address_list.is_none() {
            return Err(GardenError::Unrestricted);
        }
        Ok(())
    }
}

impl AddressList {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AddressList {
    type Err = GardenError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let is_valid =
            (1..=63).contains(&raw.len()) && raw.bytes().all(|octet| octet.is_ascii_graphic());
        if is_valid {
            Ok(Self(raw.into()))
        } else {
            Err(GardenError::AddressList)
        }
    }
}

impl fmt::Display for AddressList {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl RedirectUrl {
    pub const LEN_MAX: usize = 200;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RedirectUrl {
    type Err = GardenError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let host = raw
            .strip_prefix("http://")
            .or_else(|| raw.strip_prefix("https://"));
        let begins_with_host =
            host.is_some_and(|host| host.starts_with(|first: char| first.is_ascii_alphanumeric()));
        let is_valid = begins_with_host
            && raw.len() <= Self::LEN_MAX
            && raw.bytes().all(|octet| octet.is_ascii_graphic());
        if is_valid {
            Ok(Self(raw.into()))
        } else {
            Err(GardenError::Redirect {
                raw: raw.to_owned(),
            })
        }
    }
}

impl fmt::Display for RedirectUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl Serialize for RedirectUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_redirect(raw: &str, expected: bool) {
        assert_eq!(raw.parse::<RedirectUrl>().is_ok(), expected, "{raw}");
    }

    #[test]
    fn a_redirect_is_an_absolute_web_address() {
        check_redirect("https://pay.example.net/?id=7", true);
        check_redirect("http://192.0.2.1", true);
        check_redirect("ftp://pay.example.net", false);
        check_redirect("https://", false);
        check_redirect("https:///path", false);
        check_redirect("https://pay example.net", false);
        check_redirect(&format!("https://a{}", "x".repeat(200)), false);
    }

    #[test]
    fn a_garden_has_a_fence() {
        let terms = GardenTerms {
            pool: None,
            address_list: None,
            rate: None,
            redirect: None,
            session_timeout_seconds: TimeoutSeconds::new(300).expect("in range"),
        };
        assert_eq!(terms.check(), Err(GardenError::Unrestricted));
        let fenced = GardenTerms {
            address_list: "unpaid".parse().ok(),
            ..terms
        };
        assert_eq!(fenced.check(), Ok(()));
        assert!("un paid".parse::<AddressList>().is_err());
    }
}
