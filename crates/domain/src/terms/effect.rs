//! What has to become of a session whose terms are not those that are due.

use super::{Term, TermSet, TermsMark};
use crate::nas::Vendor;
use crate::session_command::EndReason;

/// What a session should have now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// No session at all.
    Nothing(EndReason),
    /// A session on these terms.
    Terms(TermsMark),
}

/// What has to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Nothing,
    /// It goes on, and these terms are changed.
    Change(TermSet),
    End(EndReason),
}

/// Compares what a session was told with what is due.
///
/// When it is not known what it was told, because the router does not return Class, it is told
/// anew what can be told to a session that is open. It ends for a walled garden only, which nothing
/// else brings about. So whoever asks does it once for each change, and not again and again.
pub fn effect(in_force: Option<&TermsMark>, due: &Due, vendor: Vendor) -> Effect {
    let due = match due {
        Due::Nothing(reason) => return Effect::End(*reason),
        Due::Terms(due) => due,
    };
    // What is used in a garden is not used of the plan, so a session is all in one or not at all.
    let is_moved = in_force.is_some_and(|in_force| in_force.is_walled() != due.is_walled());
    let differing = match in_force {
        Some(in_force) => in_force.differing(due),
        None if due.is_walled() => due.granted(),
        None => {
            let granted = due.granted();
            let changeable = granted.iter().filter(|term| is_changeable(*term, vendor));
            changeable.collect()
        }
    };
    // No router is told that it need not count any more. It ends the session where it was told to,
    // and the next one has no limit.
    let is_let_be = |term: &Term| *term == Term::Limits && due.part(*term) == 0;
    let to_change: TermSet = differing.iter().filter(|term| !is_let_be(term)).collect();
    // What is not granted any more cannot be said in a change either.
    let ends = |term: &Term| due.part(*term) == 0 || !is_changeable(*term, vendor);
    match to_change.iter().find(ends) {
        Some(term) => Effect::End(EndReason::TermsChanged(term)),
        None if is_moved => Effect::End(EndReason::TermsChanged(Term::Other)),
        None if to_change.is_empty() => Effect::Nothing,
        None => Effect::Change(to_change),
    }
}

/// Whether the vendor documents that a CoA-Request changes the term of a session that is open.
///
/// MikroTik's list has rates, timeouts, volumes and Filter-Id (manual, "RADIUS client", "Change of
/// Authorization"), and no addresses, pools, routes and address lists. RFC 5176 §3.6 has timeouts and
/// Filter-Id. Cisco's per-user interface configuration, which carries its rates, is applied when
/// the interface is made. Whoever else has attributes for rates takes them from a CoA-Request, or
/// refuses it, and then the session has to end.
const fn is_changeable(term: Term, vendor: Vendor) -> bool {
    match (term, vendor) {
        (Term::Limits | Term::Filter, _) => true,
        (Term::Rate, Vendor::Mikrotik | Vendor::Wispr | Vendor::Coova | Vendor::Generic) => true,
        (Term::Rate, Vendor::Cisco)
        | (Term::Address | Term::Redirect | Term::Other | Term::AddressList, _) => false,
    }
}
