//! What an evaluation grants, as a plan and a subscriber say it.

use std::net::{Ipv4Addr, Ipv6Addr};

use domain::credential::{Credential, HashScheme, PasswordHash};
use domain::plan::{InterimInterval, PlanTerms, SessionLimit, TimeoutSeconds};
use domain::secret::Secret;
use domain::subscriber::StaticAddresses;
use domain::subscriber::address::check_static_ipv4;
use domain::time::Timestamp;
use ipnet::Ipv6Net;

use super::{Additions, Obstacle};
use crate::access::{Access, ReplyAttribute};
use crate::limit::RowLimit;
use crate::password::{KnownGood, PasswordKind};

/// What User-Password can carry (RFC 2865 §5.2).
const PASSWORD_OCTETS_MAX: usize = 128;
/// Framed-User and PPP (RFC 2865 §5.6, §5.7).
const SERVICE_FRAMED: u32 = 2;
const PROTOCOL_PPP: u32 = 1;

pub(super) struct Granted {
    pub(super) credential: Credential,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) addresses: StaticAddresses,
    pub(super) terms: PlanTerms,
    pub(super) additions: Additions,
}

/// The attributes that have been seen, and what they came to.
struct Reading {
    granted: Granted,
    seen: Vec<String>,
    port_limit: Option<u32>,
    has_interim: bool,
}

/// Reads an access that is the same for every request.
pub(super) fn granted(access: &Access, credential: Credential) -> Result<Granted, Obstacle> {
    let mut reading = Reading {
        granted: Granted {
            credential,
            expires_at: None,
            addresses: StaticAddresses::default(),
            terms: PlanTerms::default(),
            additions: Additions::default(),
        },
        seen: Vec::new(),
        port_limit: None,
        has_interim: false,
    };
    for limit in access.limits() {
        reading.limit(&limit)?;
    }
    for attribute in access.reply() {
        reading.attribute(&attribute)?;
    }
    reading.finish()
}

impl Reading {
    fn limit(&mut self, limit: &RowLimit) -> Result<(), Obstacle> {
        match limit {
            RowLimit::Expiration(seconds) => {
                let at = Timestamp::from_seconds(i64::from(*seconds));
                self.granted.expires_at = Some(at);
            }
            RowLimit::SimultaneousUse(sessions) => {
                let limit = u16::try_from(*sessions).ok().map(SessionLimit::new);
                let Some(Ok(limit)) = limit else {
                    return Err(Obstacle::Value("Simultaneous-Use".to_owned()));
                };
                self.granted.terms.session_limit = Some(limit);
            }
            RowLimit::LoginTime(_) => return Err(Obstacle::Limit("Login-Time".to_owned())),
            RowLimit::Counter(..) => return Err(Obstacle::Limit("a counter".to_owned())),
        }
        Ok(())
    }

    fn attribute(&mut self, attribute: &ReplyAttribute<'_>) -> Result<(), Obstacle> {
        let name = attribute.name;
        if self.seen.iter().any(|seen| seen == name) || attribute.tag().is_some() {
            return Err(Obstacle::Reply(name.to_owned()));
        }
        self.seen.push(name.to_owned());
        let known = self.take(name, attribute.value());
        known.unwrap_or_else(|| Err(Obstacle::Reply(name.to_owned())))
    }

    /// Takes the value of an attribute; `None` for one that plans and subscribers do not have.
    fn take(&mut self, name: &str, octets: &[u8]) -> Option<Result<(), Obstacle>> {
        let terms = &mut self.granted.terms;
        let addresses = &mut self.granted.addresses;
        let number = octets.try_into().map(u32::from_be_bytes).ok();
        let is_taken = match name {
            "Mikrotik-Rate-Limit" => set(&mut terms.rate, parsed(octets)),
            "Framed-Pool" => set(&mut terms.pool, parsed(octets)),
            "Session-Timeout" => set(
                &mut terms.session_timeout_seconds,
                number.and_then(|seconds| TimeoutSeconds::new(seconds).ok()),
            ),
            "Idle-Timeout" => set(
                &mut terms.idle_timeout_seconds,
                number.and_then(|seconds| TimeoutSeconds::new(seconds).ok()),
            ),
            "Acct-Interim-Interval" => {
                let interim = number.and_then(|seconds| InterimInterval::new(seconds).ok());
                self.has_interim = interim.is_some();
                terms.interim = interim.unwrap_or_default();
                self.has_interim
            }
            "Port-Limit" => set(&mut self.port_limit, number),
            "Framed-IP-Address" => set(&mut addresses.ipv4, address(octets)),
            "Framed-IPv6-Prefix" => set(&mut addresses.ipv6_prefix, prefix(octets)),
            "Delegated-IPv6-Prefix" => set(&mut addresses.ipv6_delegated, prefix(octets)),
            "Service-Type" => {
                self.granted.additions.service = true;
                number == Some(SERVICE_FRAMED)
            }
            "Framed-Protocol" => {
                self.granted.additions.service = true;
                number == Some(PROTOCOL_PPP)
            }
            _ => return None,
        };
        Some(match is_taken {
            true => Ok(()),
            false => Err(Obstacle::Value(name.to_owned())),
        })
    }

    fn finish(mut self) -> Result<Granted, Obstacle> {
        let limit = self.granted.terms.session_limit;
        let sessions = limit.map(|limit| u32::from(limit.as_sessions()));
        match (self.port_limit, sessions) {
            (Some(ports), Some(sessions)) if ports == sessions => {}
            (Some(_), _) => return Err(Obstacle::Value("Port-Limit".to_owned())),
            (None, _) => self.granted.additions.port_limit = limit.is_some(),
        }
        self.granted.additions.interim = !self.has_interim;
        Ok(self.granted)
    }
}

fn set<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    *place = value;
    place.is_some()
}

fn parsed<T: std::str::FromStr>(octets: &[u8]) -> Option<T> {
    std::str::from_utf8(octets).ok()?.parse().ok()
}

fn address(octets: &[u8]) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = octets.try_into().ok()?;
    check_static_ipv4(octets.into()).ok()
}

/// A prefix as in a packet (RFC 8044 §3.10): a reserved octet, the length, the address.
fn prefix(octets: &[u8]) -> Option<Ipv6Net> {
    let [_, length_bits, address @ ..] = octets else {
        return None;
    };
    let mut whole = [0; 16];
    whole.get_mut(..address.len())?.copy_from_slice(address);
    let net = Ipv6Net::new(Ipv6Addr::from(whole), *length_bits).ok()?;
    (net.trunc() == net && net.prefix_len() != 0).then_some(net)
}

/// A password as subscribers have it.
pub(super) fn credential(known: &KnownGood) -> Result<Credential, Obstacle> {
    let octets = known.expose();
    match known.kind() {
        PasswordKind::Cleartext => {
            let is_usable = (1..=PASSWORD_OCTETS_MAX).contains(&octets.len())
                && !octets.contains(&0)
                && std::str::from_utf8(octets).is_ok();
            match is_usable {
                true => Ok(Credential::Cleartext(Secret::new(octets))),
                false => Err(Obstacle::Value(known.kind().name().to_owned())),
            }
        }
        PasswordKind::Nt => {
            let digits: Vec<_> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
            hashed(known, &format!("{{NT}}{}", digits.concat()))
        }
        PasswordKind::Crypt => match std::str::from_utf8(octets) {
            Ok(text) => hashed(known, text),
            Err(_) => Err(Obstacle::PasswordKind(known.kind().name())),
        },
        PasswordKind::Md5
        | PasswordKind::Smd5
        | PasswordKind::Sha
        | PasswordKind::Ssha
        | PasswordKind::Sha2
        | PasswordKind::Ssha224
        | PasswordKind::Ssha256
        | PasswordKind::Ssha384
        | PasswordKind::Ssha512
        | PasswordKind::Lm
        | PasswordKind::Unsupported => Err(Obstacle::PasswordKind(known.kind().name())),
    }
}

/// A hash whose scheme is right for the attribute.
fn hashed(known: &KnownGood, text: &str) -> Result<Credential, Obstacle> {
    let refuse = Obstacle::PasswordKind(known.kind().name());
    let Ok(hash) = text.parse::<PasswordHash>() else {
        return Err(refuse);
    };
    let is_nt = known.kind() == PasswordKind::Nt;
    match hash.scheme() {
        HashScheme::Nt if is_nt => Ok(Credential::Hashed(hash)),
        HashScheme::Bcrypt | HashScheme::Sha256Crypt | HashScheme::Sha512Crypt if !is_nt => {
            Ok(Credential::Hashed(hash))
        }
        HashScheme::Bcrypt
        | HashScheme::Argon2
        | HashScheme::Sha256Crypt
        | HashScheme::Sha512Crypt
        | HashScheme::Nt => Err(refuse),
    }
}
