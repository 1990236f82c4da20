//! Operators: made, changed, and given passwords, within what who asks may do.

use domain::id::{OperatorSessionId, TenantId};
use domain::name::Name;
use domain::operator::password::{self, PasswordWeakness};
use domain::permission::{Role, Scopes};
use domain::secret::Secret;
use storage::error::{Resource, StoreError};
use storage::operator::{NewOperator, OperatorPatch, OperatorSummary, PasswordHash, permitted};
use storage::store::Store;

use crate::password::{HashingError, Passwords};
use crate::reach::{self, BeyondReach};

pub mod second_factor;
pub mod session;
pub mod sign_in;

/// Letters and digits that are not taken for each other (Crockford's base 32), for what people type.
const TYPED: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Why something about an operator was not done.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Weak(#[from] PasswordWeakness),
    #[error(transparent)]
    Hashing(#[from] HashingError),
    #[error(transparent)]
    Beyond(#[from] BeyondReach),
    #[error("the password is wrong, or there were too many attempts: wait a moment and try again")]
    WrongPassword,
    #[error("the code is wrong: check that the clock of the device is right")]
    WrongCode,
    #[error("the new password is the old one: choose another")]
    SamePassword,
}

/// An operator to be made.
#[derive(Clone, Debug)]
pub struct Draft {
    pub tenant: TenantId,
    pub name: Name,
    pub role: Option<Role>,
    pub scopes: Scopes,
    /// One that lasts; without it one is made for the first sign-in.
    pub password: Option<Secret>,
}

/// An operator with the password that was made for one sign-in, if one was.
#[derive(Clone, Debug)]
pub struct WithPassword {
    pub operator: OperatorSummary,
    pub one_time: Option<Secret>,
}

/// Makes an operator.
pub async fn create(
    store: &Store,
    passwords: &Passwords,
    by: &Scopes,
    draft: Draft,
) -> Result<WithPassword, OperatorError> {
    reach::check(by, &permitted(draft.role, &draft.scopes))?;
    let (password, one_time) = chosen(passwords, &draft.name, draft.password.as_ref()).await?;
    let operator = store
        .operator_insert(NewOperator {
            tenant: draft.tenant,
            name: draft.name,
            role: draft.role,
            scopes: draft.scopes,
            password,
        })
        .await?;
    Ok(WithPassword { operator, one_time })
}

/// What the first operator is called.
pub fn first_name() -> Name {
    "owner".parse().expect("it is a name")
}

/// Makes the first operator, the owner, unless there is any. Of several who try at once one does.
pub async fn create_first(
    store: &Store,
    passwords: &Passwords,
) -> Result<Option<WithPassword>, OperatorError> {
    if store.operator_is_any().await? {
        return Ok(None);
    }
    let draft = Draft {
        tenant: TenantId::DEFAULT,
        name: first_name(),
        role: Some(Role::Owner),
        scopes: Scopes::default(),
        password: None,
    };
    match create(store, passwords, &Role::Owner.scopes(), draft).await {
        Ok(made) => Ok(Some(made)),
        Err(OperatorError::Store(StoreError::Conflict { .. })) => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// Changes an operator who may do no more than who asks, to somebody who may do no more either.
pub async fn update(
    store: &Store,
    by: &Scopes,
    (tenant, name): (TenantId, &Name),
    patch: OperatorPatch,
) -> Result<OperatorSummary, OperatorError> {
    let before = within_reach(store, by, (tenant, name)).await?;
    let role = patch.role.unwrap_or(before.role);
    let scopes = patch.scopes.as_ref().unwrap_or(&before.scopes);
    reach::check(by, &permitted(role, scopes))?;
    Ok(store.operator_update(tenant, name, patch).await?)
}

/// Removes an operator who may do no more than who asks.
pub async fn remove(
    store: &Store,
    by: &Scopes,
    (tenant, name): (TenantId, &Name),
) -> Result<(), OperatorError> {
    within_reach(store, by, (tenant, name)).await?;
    Ok(store.operator_delete(tenant, name).await?)
}

/// Gives an operator a password, or one for the next sign-in alone, and signs them out everywhere.
pub async fn reset_password(
    store: &Store,
    passwords: &Passwords,
    by: &Scopes,
    (tenant, name, password): (TenantId, &Name, Option<&Secret>),
) -> Result<WithPassword, OperatorError> {
    let before = within_reach(store, by, (tenant, name)).await?;
    let (password, one_time) = chosen(passwords, &before.name, password).await?;
    let operator = store
        .operator_set_password(tenant, name, &password, None)
        .await?;
    Ok(WithPassword { operator, one_time })
}

/// Takes away a second factor that was lost, and signs the operator out everywhere.
pub async fn reset_second_factor(
    store: &Store,
    by: &Scopes,
    (tenant, name): (TenantId, &Name),
) -> Result<OperatorSummary, OperatorError> {
    within_reach(store, by, (tenant, name)).await?;
    Ok(store.operator_totp_clear(tenant, name, None).await?)
}

/// Ends one session of an operator who may do no more than who asks, or all of them.
pub async fn end_sessions(
    store: &Store,
    by: &Scopes,
    (tenant, name): (TenantId, &Name),
    only: Option<OperatorSessionId>,
) -> Result<u64, OperatorError> {
    within_reach(store, by, (tenant, name)).await?;
    Ok(store.operator_session_end(tenant, name, only).await?)
}

/// Gives somebody who is signed in the password that they chose, and ends their other sessions.
/// That they know the old one is proved already.
pub async fn change_own_password(
    store: &Store,
    passwords: &Passwords,
    operator: &OperatorSummary,
    (old, new): (&Secret, &Secret),
    session: OperatorSessionId,
) -> Result<OperatorSummary, OperatorError> {
    if old == new {
        return Err(OperatorError::SamePassword);
    }
    let (password, _) = chosen(passwords, &operator.name, Some(new)).await?;
    let kept = Some(session);
    Ok(store
        .operator_set_password(operator.tenant, &operator.name, &password, kept)
        .await?)
}

/// The operator, unless they may do more than who asks.
async fn within_reach(
    store: &Store,
    by: &Scopes,
    (tenant, name): (TenantId, &Name),
) -> Result<OperatorSummary, OperatorError> {
    let operator = store.operator_find(tenant, name).await?;
    let operator = operator.ok_or_else(|| StoreError::NotFound {
        what: Resource::Operator,
        name: name.to_string(),
    })?;
    reach::check(by, &operator.permitted())?;
    Ok(operator)
}

/// The hash of a password that was given, if it is good enough, or of one that is made.
async fn chosen(
    passwords: &Passwords,
    name: &Name,
    given: Option<&Secret>,
) -> Result<(PasswordHash, Option<Secret>), OperatorError> {
    let (password, one_time) = match given {
        Some(given) => {
            let text = String::from_utf8_lossy(given.expose());
            password::check(name, &text)?;
            (given.clone(), None)
        }
        None => {
            let made = typed_code(4, 5);
            (made.clone(), Some(made))
        }
    };
    let hash = PasswordHash {
        phc: passwords.hash(&password).await?,
        is_one_time: one_time.is_some(),
    };
    Ok((hash, one_time))
}

/// Random groups of characters, five bits each.
fn typed_code(groups: usize, length: usize) -> Secret {
    let mut code = String::with_capacity(groups * (length + 1));
    for index in 0..groups * length {
        if 0 < index && index % length == 0 {
            code.push('-');
        }
        let random = usize::from(rand::random::<u8>() & 0x1f);
        code.push(char::from(TYPED[random]));
    }
    Secret::from(code.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_codes_differ_and_are_made_of_what_is_not_confused() {
        let (one, other) = (typed_code(4, 5), typed_code(4, 5));
        assert_ne!(one, other);
        let text = String::from_utf8_lossy(one.expose()).into_owned();
        assert_eq!(text.len(), 23);
        let is_known = |char: char| char == '-' || TYPED.contains(&(char as u8));
        assert!(text.chars().all(is_known), "{text}");
    }
}
