//! Signing in: a name, a password and a code become a session, or an answer that says nothing.

use std::net::IpAddr;

use domain::actor::{Actor, ActorKind};
use domain::name::Name;
use domain::secret::Secret;
use domain::time::Timestamp;
use storage::act::Act;
use storage::error::StoreError;
use storage::operator::OperatorSummary;
use storage::operator::attempt::{Begun, Candidate};
use storage::operator::second_factor::ProvenCode;
use storage::operator::session::{NewSession, Proof, SignedIn};
use storage::store::Store;
use uuid::Uuid;

use super::session::{self, FreshToken};
use super::{OperatorError, second_factor};
use crate::password::Passwords;

/// What somebody shows who wants to sign in.
#[derive(Clone, Debug)]
pub struct Claimant {
    pub name: Name,
    pub password: Secret,
    /// Of the second factor.
    pub code: Option<Secret>,
    pub address: Option<IpAddr>,
    /// What the browser says about itself.
    pub agent: String,
    /// Under which the request is found in the log.
    pub request: Option<Uuid>,
}

/// What came of it.
#[derive(Debug)]
pub enum Outcome {
    Done {
        token: FreshToken,
        signed_in: Box<SignedIn>,
    },
    /// Everything was right, and a code is needed too.
    CodeNeeded,
    /// Something was wrong, or there were too many attempts: which it was is not said.
    Refused,
}

/// What a look at somebody came to.
enum Look {
    Proven {
        operator: Box<OperatorSummary>,
        proof: Proof,
        begun: Begun,
    },
    CodeNeeded,
    Refused,
}

/// Signs somebody in.
pub async fn sign_in(
    store: &Store,
    passwords: &Passwords,
    claimant: &Claimant,
    now: Timestamp,
) -> Result<Outcome, OperatorError> {
    let (operator, proof, begun) = match look(store, passwords, claimant, now).await? {
        Look::Proven {
            operator,
            proof,
            begun,
        } => (operator, proof, begun),
        Look::CodeNeeded => return Ok(Outcome::CodeNeeded),
        Look::Refused => return Ok(Outcome::Refused),
    };
    let token = session::make();
    let actor = Actor {
        kind: ActorKind::Operator,
        id: Some(operator.id.as_uuid()),
        name: operator.name.to_string(),
    };
    let new = NewSession {
        operator: operator.id,
        hash: token.hash,
        address: claimant
            .address
            .map(|from| from.to_string())
            .unwrap_or_default(),
        agent: claimant.agent.clone(),
        proof,
    };
    let store = store.acting(Act {
        request: claimant.request,
        ..Act::of(actor)
    });
    match store.operator_sign_in(new, &begun).await {
        Ok(signed_in) => Ok(Outcome::Done {
            token,
            signed_in: Box::new(signed_in),
        }),
        // Disabled at this very moment.
        Err(StoreError::NotFound { .. }) => Ok(Outcome::Refused),
        Err(problem) => Err(problem.into()),
    }
}

/// Proves who somebody is, as for a sign-in, and makes no session.
pub async fn rehearse(
    store: &Store,
    passwords: &Passwords,
    claimant: &Claimant,
    now: Timestamp,
) -> Result<Option<OperatorSummary>, OperatorError> {
    Ok(match look(store, passwords, claimant, now).await? {
        Look::Proven {
            operator, begun, ..
        } => {
            store.operator_attempt_withdraw(&begun).await?;
            Some(*operator)
        }
        Look::CodeNeeded | Look::Refused => None,
    })
}

/// Proves that somebody who is signed in knows the password. Guesses count like those at sign-in.
pub async fn prove_password(
    store: &Store,
    passwords: &Passwords,
    operator: &OperatorSummary,
    (password, address): (&Secret, Option<IpAddr>),
) -> Result<(), OperatorError> {
    let candidate = store.operator_candidate(&operator.name).await?;
    let begun = store
        .operator_attempt_begin(&operator.name, candidate.as_ref(), address)
        .await?;
    if begun.is_refused {
        return Err(OperatorError::WrongPassword);
    }
    let phc = candidate.as_ref().map(|candidate| &candidate.password);
    if passwords.verify(phc, password).await? {
        return Ok(store.operator_attempt_withdraw(&begun).await?);
    }
    store
        .operator_attempt_failed(candidate.as_ref(), &begun, address)
        .await?;
    Err(OperatorError::WrongPassword)
}

async fn look(
    store: &Store,
    passwords: &Passwords,
    claimant: &Claimant,
    now: Timestamp,
) -> Result<Look, OperatorError> {
    let store = store.acting(Act {
        request: claimant.request,
        ..Act::of(Actor::system("sign-in"))
    });
    let candidate = store.operator_candidate(&claimant.name).await?;
    let begun = store
        .operator_attempt_begin(&claimant.name, candidate.as_ref(), claimant.address)
        .await?;
    if begun.is_refused {
        return Ok(Look::Refused);
    }
    let phc = candidate.as_ref().map(|candidate| &candidate.password);
    let is_right = match passwords.verify(phc, &claimant.password).await {
        Ok(is_right) => is_right,
        Err(problem) => {
            // Nothing was compared, so nothing failed.
            store.operator_attempt_withdraw(&begun).await?;
            return Err(problem.into());
        }
    };
    let Some(known) = candidate.as_ref().filter(|_| is_right) else {
        return fail(&store, candidate.as_ref(), &begun, claimant).await;
    };
    let code = claimant.code.as_ref().filter(|code| !code.is_empty());
    let proof = match (&known.totp_secret, code) {
        (None, _) => Proof::Password,
        (Some(_), None) => {
            store.operator_attempt_withdraw(&begun).await?;
            return Ok(Look::CodeNeeded);
        }
        (Some(secret), Some(code)) => {
            match used_up(&store, known, second_factor::read(secret, code, now)).await? {
                Some(proof) => proof,
                None => return fail(&store, Some(known), &begun, claimant).await,
            }
        }
    };
    let operator = Box::new(known.operator.clone());
    Ok(Look::Proven {
        operator,
        proof,
        begun,
    })
}

async fn fail(
    store: &Store,
    candidate: Option<&Candidate>,
    begun: &Begun,
    claimant: &Claimant,
) -> Result<Look, OperatorError> {
    store
        .operator_attempt_failed(candidate, begun, claimant.address)
        .await?;
    Ok(Look::Refused)
}

/// Uses a code up, and says what was proved with it. One that was used before proves nothing.
async fn used_up(
    store: &Store,
    candidate: &Candidate,
    code: Option<ProvenCode>,
) -> Result<Option<Proof>, StoreError> {
    let Some(code) = code else {
        return Ok(None);
    };
    let proof = match code {
        ProvenCode::Totp { .. } => Proof::PasswordAndCode,
        ProvenCode::Recovery { .. } => Proof::PasswordAndRecoveryCode,
    };
    let is_unused = store.operator_code_use(candidate.operator.id, code).await?;
    Ok(is_unused.then_some(proof))
}
