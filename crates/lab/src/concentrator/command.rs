//! Which session a Disconnect or CoA request means, and whether it can be obeyed.

use radius::attribute::{Attribute, ipv4, kind, mikrotik, vendor, wispr};
use radius::dynamic_authorization::{Action, ErrorCause, Request};

use crate::router::{Router, Session};

/// What a CoA-Request may carry on RouterOS (manual, "RADIUS client", "Change of Authorization").
const MIKROTIK_CHANGES: [u8; 7] = [
    mikrotik::RECV_LIMIT,
    mikrotik::XMIT_LIMIT,
    mikrotik::RECV_LIMIT_GIGAWORDS,
    mikrotik::XMIT_LIMIT_GIGAWORDS,
    mikrotik::GROUP,
    mikrotik::RATE_LIMIT,
    mikrotik::MARK_ID,
];

/// What identifies a session, besides its Acct-Session-Id.
pub(super) struct Named<'s> {
    pub(super) session: &'s Session,
    pub(super) user_name: &'s str,
}

/// Whether an attribute holds of a session; `None` when it says nothing about which is meant.
pub(super) fn holds(attribute: Attribute<'_>, named: &Named<'_>) -> Option<bool> {
    let session = named.session;
    let is_text = |text: &str| attribute.value == text.as_bytes();
    match attribute.kind {
        kind::USER_NAME => Some(is_text(named.user_name)),
        kind::ACCT_SESSION_ID => Some(is_text(&session.session_id)),
        kind::CALLING_STATION_ID => Some(is_text(&session.calling_station)),
        kind::FRAMED_IP_ADDRESS => Some(ipv4(attribute.value) == Some(session.address)),
        _ => None,
    }
}

/// What the request names the session by, when it can be obeyed as far as the router can tell
/// without looking for it.
pub(super) fn check<'a>(
    request: &Request<'a>,
    router: &Router,
) -> Result<Vec<Attribute<'a>>, ErrorCause> {
    let mut named = Vec::new();
    for attribute in request.attributes() {
        match attribute.kind {
            kind::USER_NAME
            | kind::ACCT_SESSION_ID
            | kind::CALLING_STATION_ID
            | kind::FRAMED_IP_ADDRESS => named.push(attribute),
            kind::NAS_IDENTIFIER if attribute.value != router.identifier.as_bytes() => {
                return Err(ErrorCause::NAS_IDENTIFICATION_MISMATCH);
            }
            kind::NAS_IP_ADDRESS
                if ipv4(attribute.value).map(Into::into) != Some(router.address) =>
            {
                return Err(ErrorCause::NAS_IDENTIFICATION_MISMATCH);
            }
            kind::NAS_IDENTIFIER | kind::NAS_IP_ADDRESS => {}
            _ if request.action == Action::Change && is_changeable(attribute) => {}
            _ => return Err(ErrorCause::UNSUPPORTED_ATTRIBUTE),
        }
    }
    match named.is_empty() {
        true => Err(ErrorCause::MISSING_ATTRIBUTE),
        false => Ok(named),
    }
}

fn is_changeable(attribute: Attribute<'_>) -> bool {
    match attribute.vendor() {
        Some((vendor::MIKROTIK, mut members)) => {
            members.all(|member| MIKROTIK_CHANGES.contains(&member.kind))
        }
        Some((vendor::WISPR, mut members)) => members.all(|member| {
            [wispr::BANDWIDTH_MAX_UP, wispr::BANDWIDTH_MAX_DOWN].contains(&member.kind)
        }),
        Some(_) => false,
        None => matches!(
            attribute.kind,
            kind::SESSION_TIMEOUT | kind::IDLE_TIMEOUT | kind::FILTER_ID | kind::PORT_LIMIT
        ),
    }
}
