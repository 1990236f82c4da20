//! What the terms of rows are known by: which of their attributes belongs to which term.

use domain::terms::{RowMark, Term, TermsMark};
use radius::attribute::{kind, mikrotik, vendor, wispr};
use rows::access::Access;
use rows::attribute::Place;

/// Ascend-Data-Rate and Ascend-Xmit-Rate, which other vendors take too.
const ASCEND_DATA_RATE: u8 = 197;
const ASCEND_XMIT_RATE: u8 = 255;

/// The mark of what rows reply and of the limits that they carry.
pub(crate) fn mark(access: &Access) -> TermsMark {
    let mut mark = RowMark::new();
    for attribute in access.reply() {
        if let Some(term) = term_of(attribute.place) {
            mark.add(term, attribute.name, attribute.tag(), attribute.value());
        }
    }
    for (name, value) in access.limit_rows() {
        mark.add(Term::Limits, name, None, value);
    }
    mark.finish()
}

/// `None` for what is no concern of a session that is open: what is only for the books, and what is
/// said once.
pub(crate) fn term_of(place: Place) -> Option<Term> {
    match place {
        Place::Standard(kind) => of_standard(kind),
        Place::Vendor { vendor, kind } => Some(of_vendor(vendor, kind)),
        Place::Deep(_) => Some(Term::Other),
        Place::Internal(_) => None,
    }
}

const fn of_standard(kind: u8) -> Option<Term> {
    Some(match kind {
        kind::REPLY_MESSAGE
        | kind::CLASS
        | kind::ACCT_INTERIM_INTERVAL
        | kind::PORT_LIMIT
        | kind::SERVICE_TYPE
        | kind::FRAMED_PROTOCOL => return None,
        kind::SESSION_TIMEOUT | kind::IDLE_TIMEOUT => Term::Limits,
        kind::FILTER_ID => Term::Filter,
        kind::FRAMED_IP_ADDRESS
        | kind::FRAMED_IP_NETMASK
        | kind::FRAMED_ROUTE
        | kind::FRAMED_POOL
        | kind::FRAMED_IPV6_PREFIX
        | kind::FRAMED_IPV6_ROUTE
        | kind::FRAMED_IPV6_POOL
        | kind::FRAMED_IPV6_ADDRESS
        | kind::DELEGATED_IPV6_PREFIX
        | kind::DELEGATED_IPV6_PREFIX_POOL
        | kind::STATEFUL_IPV6_ADDRESS_POOL => Term::Address,
        _ => Term::Other,
    })
}

const fn of_vendor(number: u32, kind: u8) -> Term {
    match (number, kind) {
        (vendor::MIKROTIK, mikrotik::RATE_LIMIT)
        | (vendor::ASCEND, ASCEND_DATA_RATE | ASCEND_XMIT_RATE)
        | (
            vendor::WISPR,
            wispr::BANDWIDTH_MIN_UP
            | wispr::BANDWIDTH_MIN_DOWN
            | wispr::BANDWIDTH_MAX_UP
            | wispr::BANDWIDTH_MAX_DOWN,
        ) => Term::Rate,
        (
            vendor::MIKROTIK,
            mikrotik::RECV_LIMIT
            | mikrotik::RECV_LIMIT_GIGAWORDS
            | mikrotik::XMIT_LIMIT
            | mikrotik::XMIT_LIMIT_GIGAWORDS
            | mikrotik::TOTAL_LIMIT
            | mikrotik::TOTAL_LIMIT_GIGAWORDS,
        ) => Term::Limits,
        (vendor::MIKROTIK, mikrotik::DELEGATED_IPV6_POOL) => Term::Address,
        (vendor::MIKROTIK, mikrotik::ADDRESS_LIST) => Term::AddressList,
        (vendor::WISPR, wispr::REDIRECTION_URL) => Term::Redirect,
        _ => Term::Other,
    }
}
