//! What a Disconnect or CoA request of a local tool means: which sessions, on which router, and what
//! is to be passed on.

use std::net::IpAddr;

use compact_str::CompactString;
use domain::nas::Nas;
use domain::session::Session;
use domain::session_match::SessionMatch;
use ipnet::Ipv6Net;
use radius::attribute::{self, Attribute, kind};
use radius::dictionary::Dictionary;
use radius::dictionary::definition::Definition;
use radius::dictionary::oid::Oid;
use radius::dynamic_authorization::{Action, ErrorCause, Request, encode_attributes};

use crate::accounting::{canonical_username, printable};

/// Service-Type Authorize-Only (RFC 5176 §3.1): an Access-Request is to follow, which no session of
/// ours is prepared for.
const AUTHORIZE_ONLY: u32 = 17;

/// A request as it is understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) sessions: SessionMatch,
    pub(super) router: RouterMatch,
    /// What the router is told beside which session is meant, encoded.
    pub(super) attributes: Box<[u8]>,
}

/// What is said of the router.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RouterMatch {
    address: Option<IpAddr>,
    identifier: Option<CompactString>,
}

impl RouterMatch {
    /// Whether the router that holds a session is meant.
    pub(super) fn is_met(&self, nas: &Nas, session: &Session) -> bool {
        let is_at = |address: IpAddr| {
            let reported = session.place.nas_address.map(|one| one.to_canonical());
            reported == Some(address) || nas.source.contains(&address)
        };
        let is_called = |name: &CompactString| match &nas.settings.identifier {
            Some(identifier) => identifier == name,
            // How it calls itself is not registered.
            None => true,
        };
        self.address.is_none_or(is_at) && self.identifier.as_ref().is_none_or(is_called)
    }
}

/// Reads a request, or says with which cause it is refused.
pub(super) fn read(request: &Request<'_>, dictionary: &Dictionary) -> Result<Wanted, ErrorCause> {
    let mut wanted = Wanted {
        sessions: SessionMatch::default(),
        router: RouterMatch::default(),
        attributes: Box::default(),
    };
    let mut passed = Vec::new();
    for attribute in request.attributes() {
        if wanted.learn(attribute)? || is_remark(attribute.kind) {
            continue;
        }
        match request.action {
            // §3: a Disconnect-Request says which session is meant, and nothing else.
            Action::Disconnect => return Err(ErrorCause::UNSUPPORTED_ATTRIBUTE),
            Action::Change => passed.push(attribute),
        }
    }
    if wanted.sessions.is_empty() {
        return Err(ErrorCause::MISSING_ATTRIBUTE);
    }
    if request.action == Action::Change {
        wanted.attributes = pass_on(&passed, dictionary)?;
    }
    Ok(wanted)
}

impl Wanted {
    /// Takes an attribute that says which session or router is meant; says whether it does.
    fn learn(&mut self, attribute: Attribute<'_>) -> Result<bool, ErrorCause> {
        let value = attribute.value;
        let sessions = &mut self.sessions;
        match attribute.kind {
            kind::USER_NAME => set(&mut sessions.username, Some(canonical_username(value))),
            kind::ACCT_SESSION_ID => set(&mut sessions.acct_session_id, Some(printable(value))),
            kind::FRAMED_IP_ADDRESS => set(&mut sessions.framed_ipv4, attribute::ipv4(value)),
            kind::FRAMED_IPV6_PREFIX => set(&mut sessions.framed_ipv6_prefix, net(value)),
            kind::CALLING_STATION_ID => set(&mut sessions.calling_station, Some(printable(value))),
            kind::CALLED_STATION_ID => set(&mut sessions.called_station, Some(printable(value))),
            kind::NAS_PORT_ID => set(&mut sessions.nas_port, Some(printable(value))),
            kind::NAS_IP_ADDRESS => {
                let address = attribute::ipv4(value).map(IpAddr::from);
                set(&mut self.router.address, address)
            }
            kind::NAS_IPV6_ADDRESS => {
                let address = attribute::ipv6(value).map(|one| IpAddr::from(one).to_canonical());
                set(&mut self.router.address, address)
            }
            kind::NAS_IDENTIFIER => set(&mut self.router.identifier, Some(printable(value))),
            _ => Ok(false),
        }
    }
}

fn set<T>(place: &mut Option<T>, value: Option<T>) -> Result<bool, ErrorCause> {
    let value = value.ok_or(ErrorCause::INVALID_ATTRIBUTE_VALUE)?;
    match place.replace(value) {
        None => Ok(true),
        // Two values of which only one can hold.
        Some(_) => Err(ErrorCause::INVALID_REQUEST),
    }
}

fn net(value: &[u8]) -> Option<Ipv6Net> {
    let (prefix, length_bits) = attribute::ipv6_prefix(value)?;
    Ipv6Net::new(prefix, length_bits).ok()
}

/// Attributes that say neither which session is meant nor what becomes of it.
const fn is_remark(number: u8) -> bool {
    matches!(
        number,
        kind::REPLY_MESSAGE | kind::ACCT_TERMINATE_CAUSE | kind::NAS_PORT_TYPE
    )
}

fn pass_on(attributes: &[Attribute<'_>], dictionary: &Dictionary) -> Result<Box<[u8]>, ErrorCause> {
    if attributes.is_empty() {
        return Err(ErrorCause::MISSING_ATTRIBUTE);
    }
    for attribute in attributes {
        let service = attribute::integer(attribute.value);
        if attribute.kind == kind::SERVICE_TYPE && service == Some(AUTHORIZE_ONLY) {
            return Err(ErrorCause::UNSUPPORTED_SERVICE);
        }
        // It is hidden with the relay's secret, and would be noise to the router.
        if is_hidden(*attribute, dictionary) {
            return Err(ErrorCause::UNSUPPORTED_ATTRIBUTE);
        }
    }
    encode_attributes(|writer| {
        let mut attributes = attributes.iter();
        attributes.try_for_each(|one| writer.push(one.kind, one.value))
    })
    .map_err(|_| ErrorCause::INVALID_REQUEST)
}

fn is_hidden(attribute: Attribute<'_>, dictionary: &Dictionary) -> bool {
    let is_encrypted = |definition: Option<&Definition>| {
        definition.is_some_and(|definition| definition.flags().encryption.is_some())
    };
    match attribute.vendor() {
        Some((vendor, mut members)) => members
            .any(|member| is_encrypted(dictionary.find_by_vendor(vendor, u32::from(member.kind)))),
        None => is_encrypted(dictionary.find_by_oid(&Oid::standard(u32::from(attribute.kind)))),
    }
}

#[cfg(test)]
mod tests;
