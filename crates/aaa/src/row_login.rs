//! What rows come to for one request, and whether its credential is right.

use std::sync::Arc;

use domain::access::rows::{
    RowEntrance, RowOutcome, RowOwner, RowPlace, RowStep, RowTable, RowTerms,
};
use domain::access::{Method, Proof};
use domain::terms::TermsMark;
use domain::time::Timestamp;
use radius::packet::Packet;
use rows::access::{Access, Authorization, Demand, Outcome, Refusal};
use rows::authorize::authorize;
use rows::cause::{Cause, Problem, Table};
use rows::limit::RowLimit;
use rows::password::KnownGood;
use rows::request::Request;
use rows::step::{Step, Whose};

use crate::proof::{self, Checked, MsChapAnswer, PapPassword};
use crate::request::AccessFacts;
use crate::row_table::{RowTable as Rows, RowUser};
use crate::row_terms;

/// What rows came to, as the decision needs it, and what they grant.
pub(crate) struct RowLogin {
    pub(crate) steps: Vec<RowStep>,
    pub(crate) outcome: RowOutcome,
    pub(crate) access: Option<Access>,
}

/// How the credential of a request stands to the rows.
pub(crate) enum RowProof {
    Done(Proof),
    MsChap(MsChapAnswer),
    /// A slow hash has to be compared elsewhere.
    Slow {
        known: Arc<KnownGood>,
        password: PapPassword,
    },
}

impl RowLogin {
    pub(crate) fn session_limit(&self) -> Option<u16> {
        match self.outcome {
            RowOutcome::Terms(terms) => terms.session_limit,
            RowOutcome::NothingMatches | RowOutcome::Failed(_) | RowOutcome::Differs(_) => None,
        }
    }

    /// What the terms of these rows are known by.
    pub(crate) fn mark(&self) -> TermsMark {
        self.access
            .as_ref()
            .map_or_else(TermsMark::default, row_terms::mark)
    }

    /// What PAP is compared with.
    pub(crate) fn pap_password(&self) -> Option<&Arc<KnownGood>> {
        match self.access.as_ref()?.demand() {
            Demand::Pap(known) => Some(known),
            Demand::Nothing | Demand::Refused(_) | Demand::Chap(_) | Demand::MsChap(_) => None,
        }
    }
}

/// Runs the rows of a user and of their groups.
pub(crate) fn run(rows: &Rows, user: &RowUser, request: &Request<'_>, method: Method) -> RowLogin {
    let Outcome {
        authorization,
        steps,
    } = authorize(Some(&user.program), rows, request, rows.mode());
    let (outcome, access) = match authorization {
        Authorization::NotFound => (RowOutcome::NothingMatches, None),
        Authorization::Failed(cause) => (failed(&cause), None),
        Authorization::Found(access) => {
            let terms = terms(&access, method);
            (RowOutcome::Terms(terms), Some(access))
        }
    };
    RowLogin {
        steps: steps.iter().filter_map(step).collect(),
        outcome,
        access,
    }
}

/// Compares the credential of a request with what the rows have.
pub(crate) fn prove(
    login: &RowLogin,
    packet: &Packet<'_>,
    facts: &AccessFacts<'_>,
    password: Option<PapPassword>,
    was_verified: impl FnOnce(&KnownGood, &PapPassword) -> bool,
) -> RowProof {
    let method = match facts.method() {
        Ok(Method::Eap) => {
            let method = Method::Eap;
            return RowProof::Done(Proof::Unsupported { method });
        }
        Ok(method) => method,
        Err(contradiction) => {
            let method = contradiction.method;
            return RowProof::Done(Proof::Malformed { method });
        }
    };
    match login.access.as_ref().map(Access::demand) {
        None | Some(Demand::Nothing | Demand::Refused(_)) => {
            RowProof::Done(proof::unchecked(facts))
        }
        Some(Demand::Pap(known)) => match password {
            Some(password) => prove_pap(known, password, was_verified),
            None => RowProof::Done(Proof::Malformed { method }),
        },
        Some(Demand::Chap(known)) => {
            let known = known.cleartext().unwrap_or_default();
            RowProof::Done(proof::compare_chap(packet, facts, known))
        }
        Some(Demand::MsChap(hash)) => {
            let checked = if method == Method::MsChapV1 {
                proof::compare_ms_chap_v1(facts, &hash)
            } else {
                proof::compare_ms_chap_v2(facts, &hash)
            };
            match checked {
                Checked::Done(proof) => RowProof::Done(proof),
                Checked::MsChap(answer) => RowProof::MsChap(answer),
                Checked::Slow(_) => RowProof::Done(Proof::NotChecked { method }),
            }
        }
    }
}

fn prove_pap(
    known: &Arc<KnownGood>,
    password: PapPassword,
    was_verified: impl FnOnce(&KnownGood, &PapPassword) -> bool,
) -> RowProof {
    let method = Method::Pap;
    if !known.is_slow() {
        let is_right = known.verify(password.expose());
        return RowProof::Done(proof::outcome(is_right, method));
    }
    if was_verified(known, &password) {
        return RowProof::Done(Proof::Verified { method });
    }
    RowProof::Slow {
        known: Arc::clone(known),
        password,
    }
}

fn terms(access: &Access, method: Method) -> RowTerms {
    let mut terms = RowTerms {
        entrance: match access.demand() {
            Demand::Pap(_) | Demand::Chap(_) | Demand::MsChap(_) => RowEntrance::Password,
            // The proof says that there is none.
            Demand::Refused(Refusal::NoCredential) => RowEntrance::Password,
            Demand::Nothing => RowEntrance::Always,
            Demand::Refused(Refusal::AuthTypeReject) => RowEntrance::Never,
            Demand::Refused(Refusal::AuthTypeDiffers) => RowEntrance::Unknown,
            Demand::Refused(Refusal::NoPassword | Refusal::PasswordUnusable(_)) => {
                RowEntrance::NoPassword { method }
            }
        },
        expires_at: None,
        session_limit: None,
    };
    for limit in access.limits() {
        match limit {
            RowLimit::Expiration(seconds) => {
                terms.expires_at = Some(Timestamp::from_seconds(i64::from(seconds)));
            }
            RowLimit::SimultaneousUse(limit) => {
                terms.session_limit = Some(u16::try_from(limit).unwrap_or(u16::MAX));
            }
            RowLimit::LoginTime(_) | RowLimit::Counter(..) => {}
        }
    }
    terms
}

fn failed(cause: &Cause) -> RowOutcome {
    let place = RowPlace {
        table: table(cause.table),
        id: cause.row,
    };
    if cause.problem == Problem::CheckMismatch {
        RowOutcome::Differs(place)
    } else {
        RowOutcome::Failed(place)
    }
}

fn step(step: &Step) -> Option<RowStep> {
    match *step {
        Step::Matched(whose) => Some(RowStep::Matched(owner(whose))),
        Step::Mismatched(whose, id) => Some(RowStep::Differs(RowPlace {
            table: match whose {
                Whose::User => RowTable::Check,
                Whose::Group(_) | Whose::Profile(_) => RowTable::GroupCheck,
            },
            id,
        })),
        Step::NoCheckRows
        | Step::Stopped(_)
        | Step::FellThrough(_)
        | Step::ProfileAsked
        | Step::ProfileUnknown
        | Step::Failed(..) => None,
    }
}

const fn owner(whose: Whose) -> RowOwner {
    match whose {
        Whose::User => RowOwner::User,
        Whose::Group(place) => RowOwner::Group(place.saturating_add(1)),
        Whose::Profile(place) => RowOwner::Profile(place.saturating_add(1)),
    }
}

const fn table(table: Table) -> RowTable {
    match table {
        Table::Check => RowTable::Check,
        Table::Reply => RowTable::Reply,
        Table::GroupCheck => RowTable::GroupCheck,
        Table::GroupReply => RowTable::GroupReply,
        Table::UserGroup => RowTable::UserGroup,
    }
}
