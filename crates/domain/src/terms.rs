//! On which terms a session goes on, so far as it can be compared with the terms that are due.

use std::fmt;

use crate::access::Grants;
use crate::limit::{TopUp, TopUpMeasure};
use crate::nas::Vendor;
use crate::time::Timestamp;
use fingerprint::Fingerprint;

mod effect;
mod fingerprint;
mod plan;
mod preview;
mod rows;

pub use effect::{Due, Effect, effect};
pub use plan::PlanMark;
pub use preview::{Standing, preview};
pub use rows::RowMark;

/// A part of what was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Term {
    /// Speeds.
    Rate,
    /// Session-Timeout, Idle-Timeout, volumes: by which rules they are made, not what is left.
    Limits,
    /// The filter (Filter-Id, RFC 2865 §5.11).
    Filter,
    /// Addresses, prefixes, pools and routes.
    Address,
    /// Where the browser is sent.
    Redirect,
    /// Everything else that was granted.
    Other,
    /// The router's list of addresses that the subscriber's goes into.
    AddressList,
}

/// A set of terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct TermSet(u8);

/// What a session was told, small enough for Class: a fingerprint of each term, 0 for a term of
/// which nothing was told, and whether it is in a walled garden.
///
/// It crosses versions of the program, in routers and in the database. So what a fingerprint is
/// made of only ever grows at its end, by what was not granted before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TermsMark {
    parts: [u32; Term::ALL.len()],
    is_walled: bool,
}

/// What a plan's terms are marked by, beside the grants that were made of them.
#[derive(Clone, Copy, Debug)]
pub struct Basis<'a> {
    /// The plan of the subscriber, whose limits hold.
    pub plan: &'a PlanMark,
    /// The plan that applies at the limit of `plan`, if there is one.
    pub plan_at_limit: Option<&'a PlanMark>,
    /// When access ends, with the grace.
    pub until: Option<Timestamp>,
    /// What was bought beyond the plan's quotas.
    pub top_ups: &'a [TopUp],
}

impl Term {
    pub const ALL: [Self; 7] = [
        Self::Rate,
        Self::Limits,
        Self::Filter,
        Self::Address,
        Self::Redirect,
        Self::Other,
        Self::AddressList,
    ];

    /// A stable name for scripts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Limits => "limits",
            Self::Filter => "filter",
            Self::Address => "address",
            Self::Redirect => "redirect",
            Self::Other => "other",
            Self::AddressList => "address_list",
        }
    }

    const fn index(self) -> usize {
        self as usize
    }
}

impl TermSet {
    pub const EMPTY: Self = Self(0);

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub const fn contains(self, term: Term) -> bool {
        self.0 & 1 << term.index() != 0
    }

    /// The terms, in their order.
    pub fn iter(self) -> impl Iterator<Item = Term> {
        Term::ALL
            .into_iter()
            .filter(move |term| self.contains(*term))
    }
}

impl FromIterator<Term> for TermSet {
    fn from_iter<I: IntoIterator<Item = Term>>(terms: I) -> Self {
        let terms = terms.into_iter();
        Self(terms.fold(0, |set, term| set | 1 << term.index()))
    }
}

impl TermsMark {
    /// Octets of its stored form.
    pub const OCTETS: usize = 1 + 4 * Term::ALL.len();

    /// What a router of this vendor is told of the grants of a plan.
    ///
    /// What is only for the books is none of it: an interval of reports, or how many sessions there
    /// may be, is no reason to disturb a session that is open.
    pub fn of(grants: &Grants<'_>, basis: &Basis<'_>, vendor: Vendor) -> Self {
        let mut mark = Self {
            parts: [0; Term::ALL.len()],
            is_walled: grants.garden.is_some(),
        };
        let applied = match basis.plan_at_limit {
            Some(other) if grants.is_at_limit => other,
            Some(_) | None => basis.plan,
        };
        match vendor {
            Vendor::Mikrotik => {
                mark.set(Term::AddressList, fingerprint::text(grants.address_list()));
                mark.set(Term::Redirect, fingerprint::text(grants.redirect()));
                mark.set(Term::Rate, rate(grants, basis.plan, applied));
            }
            Vendor::Cisco | Vendor::Wispr | Vendor::Coova => {
                mark.set(Term::Filter, fingerprint::text(grants.address_list()));
                mark.set(Term::Redirect, fingerprint::text(grants.redirect()));
                mark.set(Term::Rate, rate(grants, basis.plan, applied));
            }
            // It is told no speed and no redirection.
            Vendor::Generic => {
                mark.set(Term::Filter, fingerprint::text(grants.address_list()));
            }
        }
        mark.set(Term::Limits, limits(grants, basis, applied, vendor));
        mark.set(Term::Address, address(grants, applied));
        mark
    }

    /// Whether nothing but a walled garden is granted.
    pub const fn is_walled(&self) -> bool {
        self.is_walled
    }

    /// The terms that the session was told something of.
    pub fn granted(&self) -> TermSet {
        self.select(|part, _| part != 0, self)
    }

    /// The terms that are others than those of `due`.
    pub fn differing(&self, due: &Self) -> TermSet {
        self.select(|part, due| part != due, due)
    }

    /// The stored form: octets of the network's order.
    pub fn to_octets(self) -> [u8; Self::OCTETS] {
        let mut octets = [0; Self::OCTETS];
        octets[0] = u8::from(self.is_walled);
        for (place, part) in octets[1..].chunks_exact_mut(4).zip(self.parts) {
            place.copy_from_slice(&part.to_be_bytes());
        }
        octets
    }

    /// Reads the stored form; `None` for that of another version.
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        let octets: &[u8; Self::OCTETS] = octets.try_into().ok()?;
        let (flags, rest) = octets.split_first()?;
        let is_walled = match flags {
            0 => false,
            1 => true,
            _ => return None,
        };
        let mut parts = [0; Term::ALL.len()];
        for (part, octets) in parts.iter_mut().zip(rest.as_chunks().0) {
            *part = u32::from_be_bytes(*octets);
        }
        Some(Self { parts, is_walled })
    }

    const fn part(&self, term: Term) -> u32 {
        self.parts[term.index()]
    }

    const fn set(&mut self, term: Term, part: u32) {
        self.parts[term.index()] = part;
    }

    fn select(&self, is_meant: impl Fn(u32, u32) -> bool, other: &Self) -> TermSet {
        let terms = Term::ALL.into_iter();
        terms
            .filter(|term| is_meant(self.part(*term), other.part(*term)))
            .collect()
    }
}

/// Two of them are compared in logs and tests, by what they say.
impl fmt::Debug for TermsMark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = formatter.debug_struct("TermsMark");
        for term in self.granted().iter() {
            list.field(term.as_str(), &format_args!("{:08x}", self.part(term)));
        }
        list.field("is_walled", &self.is_walled).finish()
    }
}

fn rate(grants: &Grants<'_>, plan: &PlanMark, applied: &PlanMark) -> u32 {
    if let Some(garden) = grants.garden {
        return fingerprint::shown(garden.terms.rate.as_ref());
    }
    match plan.throttled {
        Some(throttled) if grants.is_at_limit => throttled,
        Some(_) | None => applied.rate,
    }
}

/// By which rules the session ends by itself: the timeouts, the rules of the plan that the router
/// is told something of, and the end of access. Of the volumes only
/// the routers of MikroTik and CoovaChilli are told.
fn limits(grants: &Grants<'_>, basis: &Basis<'_>, applied: &PlanMark, vendor: Vendor) -> u32 {
    let mut print = Fingerprint::new();
    let mut number = |tag: u8, value: Option<u64>| {
        if let Some(value) = value {
            print.write(&[tag]);
            print.write(&value.to_be_bytes());
        }
    };
    number(b'i', grants.idle_timeout_seconds.map(u64::from));
    if grants.garden.is_some() {
        number(b't', grants.session_timeout_seconds.map(u64::from));
        return print.finish();
    }
    number(b't', applied.session_timeout_seconds.map(u64::from));
    number(b'u', basis.until.map(|at| at.as_micros().cast_unsigned()));
    let rule = |rule: u32| (rule != 0).then_some(u64::from(rule));
    number(b'r', rule(basis.plan.time_rules));
    let are_volumes_told = match vendor {
        Vendor::Mikrotik | Vendor::Coova => true,
        Vendor::Cisco | Vendor::Wispr | Vendor::Generic => false,
    };
    if are_volumes_told {
        number(b'v', rule(basis.plan.volume_rules));
    }
    number(b'a', grants.is_at_limit.then_some(1));
    for top_up in basis.top_ups {
        let is_told = match top_up.measure {
            TopUpMeasure::Time => basis.plan.time_rules != 0,
            TopUpMeasure::Data => are_volumes_told && basis.plan.volume_rules != 0,
        };
        if is_told {
            print.write(b"b");
            print.write(top_up.id.as_bytes());
        }
    }
    print.finish()
}

fn address(grants: &Grants<'_>, applied: &PlanMark) -> u32 {
    let mut print = Fingerprint::new();
    if let Some(garden) = grants.garden.and(grants.pool) {
        print.write(b"p");
        print.write(&fingerprint::text(Some(garden)).to_be_bytes());
    } else if grants.pool.is_some() {
        print.write(b"p");
        print.write(&applied.pool.to_be_bytes());
    }
    if let Some(address) = grants.ipv4 {
        print.write(b"4");
        print.write(&address.octets());
    }
    for (tag, prefix) in [(b"6", grants.ipv6_prefix), (b"d", grants.ipv6_delegated)] {
        if let Some(prefix) = prefix {
            print.write(tag);
            print.write(&prefix.addr().octets());
            print.write(&[prefix.prefix_len()]);
        }
    }
    print.finish()
}

#[cfg(test)]
mod tests;
