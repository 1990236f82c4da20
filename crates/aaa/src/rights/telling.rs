//! What a router is told when a session is to go on on the terms that are due.

use domain::nas::Vendor;
use domain::session::Session;
use domain::session_command::EndReason;
use domain::terms::{Effect, Term, TermSet, TermsMark};
use domain::time::Timestamp;
use radius::dynamic_authorization::encode_attributes;
use radius::writer::{PacketWriter, WriteError};

use super::{DueTerms, Rights};
use crate::dynamic_authorization::{self, Due};
use crate::encode::change;

impl dynamic_authorization::DueTerms for Rights {
    type Mark = TermsMark;

    fn due(&self, session: &Session, vendor: Vendor, now: Timestamp) -> Due<TermsMark> {
        match self.effect(session, now) {
            Effect::Nothing => Due::Nothing,
            Effect::End(reason) => Due::End(reason),
            Effect::Change(terms) => self.with_due(session, now, |due| tell(due, terms, vendor)),
        }
    }
}

/// Terms that the router cannot be told end the session: the next one has them.
fn tell(due: &DueTerms<'_>, terms: TermSet, vendor: Vendor) -> Due<TermsMark> {
    let mark = match due {
        DueTerms::Nothing(reason) => return Due::End(*reason),
        DueTerms::Unknown => return Due::Nothing,
        DueTerms::Plan { mark, .. } | DueTerms::Rows { mark, .. } => *mark,
    };
    for term in terms.iter() {
        match encode_attributes(|writer| write(writer, due, vendor, term)) {
            Ok(attributes) if !attributes.is_empty() => {}
            Ok(_) | Err(_) => return Due::End(EndReason::TermsChanged(term)),
        }
    }
    let all = encode_attributes(|writer| {
        let mut terms = terms.iter();
        terms.try_for_each(|term| write(writer, due, vendor, term))
    });
    match all {
        Ok(attributes) => Due::Change { attributes, mark },
        Err(_) => Due::End(EndReason::TermsChanged(Term::Other)),
    }
}

fn write(
    writer: &mut PacketWriter<'_>,
    due: &DueTerms<'_>,
    vendor: Vendor,
    term: Term,
) -> Result<(), WriteError> {
    match due {
        DueTerms::Plan { grants, .. } => change::write(writer, vendor, grants, term),
        DueTerms::Rows { reply, .. } => reply.write_term(writer, term),
        DueTerms::Nothing(_) | DueTerms::Unknown => Ok(()),
    }
}
