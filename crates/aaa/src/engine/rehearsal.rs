//! What is otherwise when a decision is only tried out: a proof may be taken as given, and what is
//! granted is kept, to be shown in words.

use domain::access::{GrantedTerms, Grants, Proof};

use super::Engine;

/// What the credential of a request counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belief {
    /// As much as for a router: it is compared.
    Compared,
    /// A wrong one counts as right: nobody is asked for the password.
    Given,
}

/// A decision that is tried out.
#[derive(Debug)]
pub(super) struct Rehearsal {
    belief: Belief,
    granted: Option<GrantedTerms>,
}

impl Engine {
    /// The same engine for a decision that is only tried out.
    pub(crate) fn rehearsing(self, belief: Belief) -> Self {
        Self {
            rehearsal: Some(Box::new(Rehearsal {
                belief,
                granted: None,
            })),
            ..self
        }
    }

    /// What a plan or a garden granted when it was tried out.
    pub(crate) fn take_granted(&mut self) -> Option<GrantedTerms> {
        self.rehearsal.as_mut()?.granted.take()
    }

    /// A proof as far as it counts here.
    pub(super) fn believe(&self, proof: Proof) -> Proof {
        let Some(rehearsal) = &self.rehearsal else {
            return proof;
        };
        match (rehearsal.belief, proof) {
            (Belief::Given, Proof::Mismatch { method }) => Proof::Verified { method },
            (Belief::Compared | Belief::Given, proof) => proof,
        }
    }

    /// Keeps what is granted, if anybody wants to see it.
    pub(super) fn show_grants(&mut self, grants: &Grants<'_>) {
        if let Some(rehearsal) = &mut self.rehearsal {
            rehearsal.granted = Some(GrantedTerms::of(grants));
        }
    }
}
