//! A NAS: the router, access point or BNG that authenticates and accounts against us.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::id::{NasGroupId, NasId, TenantId};
use crate::name::Name;
use crate::secret::Secret;
use crate::session_identity::IdentityTemplate;

/// A registered NAS. It is found by the source address of its packets, never by an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nas {
    pub id: NasId,
    pub tenant: TenantId,
    pub name: Name,
    /// Packets from here are from this NAS; the longest prefix wins.
    pub source: IpNet,
    pub secret: Secret,
    pub settings: NasSettings,
    /// The groups that it is in.
    pub groups: Vec<NasGroupId>,
}

impl Nas {
    /// Whether it is one router, and not all those of a prefix.
    pub fn is_one_router(&self) -> bool {
        is_one_address(self.source)
    }
}

fn is_one_address(source: IpNet) -> bool {
    source.prefix_len() == source.max_prefix_len()
}

/// What an operator may choose for a NAS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NasSettings {
    pub vendor: Vendor,
    /// When set, an Access-Request with another NAS-Identifier is rejected.
    pub identifier: Option<String>,
    pub message_authenticator: MessageAuthenticatorPolicy,
    pub octet_view: OctetView,
    /// UDP port of its dynamic authorization server (RFC 5176 §2.1).
    pub coa_port: u16,
    pub mac_authentication: MacAuthentication,
    pub sharing: NasSharing,
    /// How it is told which session is meant; the usual way of its vendor when absent.
    pub coa_identity: Option<IdentityTemplate>,
}

impl Default for NasSettings {
    fn default() -> Self {
        Self {
            vendor: Vendor::Mikrotik,
            identifier: None,
            message_authenticator: MessageAuthenticatorPolicy::Required,
            octet_view: OctetView::Nas,
            coa_port: 3_799,
            mac_authentication: MacAuthentication::Off,
            sharing: NasSharing::Own,
            coa_identity: None,
        }
    }
}

/// Which encoder writes the reply attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vendor {
    Mikrotik,
    Cisco,
    Wispr,
    Generic,
}

/// What an Access-Request must carry against forgery (RFC 3579 §3.2, CVE-2024-3596).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageAuthenticatorPolicy {
    /// Without Message-Authenticator a request is dropped.
    Required,
    /// Required from the first request that carried one, which is learned for single addresses and
    /// not from EAP; until then a request without it is taken when it has no Proxy-State.
    Auto,
    /// Checked when present, never demanded.
    Off,
}

/// Whether a device may log in as itself: its MAC address is the user name, as hotspots and DHCP
/// servers ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MacAuthentication {
    /// A user name is a user name.
    Off,
    /// A user name that is a MAC address, and no subscriber's, is the device of a subscriber.
    On,
}

/// Whose subscribers may log in at a NAS, told by their realm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NasSharing {
    /// Those of its tenant.
    Own,
    /// Those of every tenant.
    Shared,
}

/// Whose view Acct-Input-Octets has. RFC 2866 §5.3 says the NAS's: input is the upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OctetView {
    Nas,
    Client,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{raw}' is not one of: {accepted}")]
pub struct ChoiceError {
    raw: String,
    accepted: &'static str,
}

impl Vendor {
    pub const ALL: [Self; 4] = [Self::Mikrotik, Self::Cisco, Self::Wispr, Self::Generic];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mikrotik => "mikrotik",
            Self::Cisco => "cisco",
            Self::Wispr => "wispr",
            Self::Generic => "generic",
        }
    }
}

impl MessageAuthenticatorPolicy {
    pub const ALL: [Self; 3] = [Self::Required, Self::Auto, Self::Off];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Auto => "auto",
            Self::Off => "off",
        }
    }
}

impl MacAuthentication {
    pub const ALL: [Self; 2] = [Self::Off, Self::On];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
        }
    }
}

impl fmt::Display for MacAuthentication {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for MacAuthentication {
    type Err = ChoiceError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        choose(raw, &Self::ALL, Self::as_str, "off, on")
    }
}

impl NasSharing {
    pub const ALL: [Self; 2] = [Self::Own, Self::Shared];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Shared => "shared",
        }
    }
}

impl fmt::Display for NasSharing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for NasSharing {
    type Err = ChoiceError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        choose(raw, &Self::ALL, Self::as_str, "own, shared")
    }
}

impl OctetView {
    pub const ALL: [Self; 2] = [Self::Nas, Self::Client];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nas => "nas",
            Self::Client => "client",
        }
    }
}

impl fmt::Display for Vendor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl fmt::Display for MessageAuthenticatorPolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl fmt::Display for OctetView {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for Vendor {
    type Err = ChoiceError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        choose(
            raw,
            &Self::ALL,
            Self::as_str,
            "mikrotik, cisco, wispr, generic",
        )
    }
}

impl FromStr for MessageAuthenticatorPolicy {
    type Err = ChoiceError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        choose(raw, &Self::ALL, Self::as_str, "required, auto, off")
    }
}

impl FromStr for OctetView {
    type Err = ChoiceError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        choose(raw, &Self::ALL, Self::as_str, "nas, client")
    }
}

fn choose<T: Copy>(
    raw: &str,
    all: &[T],
    as_str: impl Fn(T) -> &'static str,
    accepted: &'static str,
) -> Result<T, ChoiceError> {
    all.iter()
        .copied()
        .find(|choice| as_str(*choice).eq_ignore_ascii_case(raw))
        .ok_or_else(|| ChoiceError {
            raw: raw.to_owned(),
            accepted,
        })
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    #[error(
        "'{raw}' is not an address: write an IPv4 or IPv6 address (10.0.0.1) or a prefix (10.8.0.0/16)"
    )]
    Malformed { raw: String },
    #[error("'{raw}' would take packets from everywhere: name the router's address or prefix")]
    CatchAll { raw: String },
}

/// Reads the address or prefix that a NAS sends from. Host bits of a prefix are cleared; a prefix
/// of length 0 is refused, because one secret for the whole Internet protects nothing.
pub fn parse_source(raw: &str) -> Result<IpNet, SourceError> {
    let net = raw
        .parse::<IpAddr>()
        .map(IpNet::from)
        .or_else(|_| raw.parse::<IpNet>().map(|net| net.trunc()))
        .map_err(|_| SourceError::Malformed {
            raw: raw.to_owned(),
        })?;
    if net.prefix_len() == 0 {
        return Err(SourceError::CatchAll {
            raw: raw.to_owned(),
        });
    }
    Ok(net)
}

/// Shows a source as an operator writes it: a single address without its prefix length.
pub fn show_source(source: IpNet) -> String {
    if is_one_address(source) {
        source.addr().to_string()
    } else {
        source.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_source(raw: &str, expected: Option<&str>) {
        let actual = parse_source(raw).ok().map(show_source);
        assert_eq!(actual.as_deref(), expected, "{raw}");
    }

    #[test]
    fn source_is_an_address_or_a_prefix() {
        check_source("127.0.0.1", Some("127.0.0.1"));
        check_source("10.8.1.1/16", Some("10.8.0.0/16"));
        check_source("2001:db8::1", Some("2001:db8::1"));
        check_source("2001:db8::1/32", Some("2001:db8::/32"));
    }

    #[test]
    fn source_refuses_names_and_everything() {
        check_source("router.example", None);
        check_source("0.0.0.0/0", None);
        check_source("::/0", None);
        check_source("10.0.0.0/33", None);
    }

    #[test]
    fn choices_name_what_they_accept() {
        assert_eq!("MikroTik".parse(), Ok(Vendor::Mikrotik));
        let error = "juniper"
            .parse::<Vendor>()
            .expect_err("there is no such encoder");
        assert_eq!(
            error.to_string(),
            "'juniper' is not one of: mikrotik, cisco, wispr, generic"
        );
    }
}
