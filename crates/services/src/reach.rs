//! Nobody gives away what they don't have, nor takes hold of somebody who may do more.

use domain::permission::Scopes;

/// Something is permitted there that is not permitted to who asks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is about more than you may do yourself: {beyond}")]
pub struct BeyondReach {
    /// The first of the scopes that are too many.
    beyond: String,
}

/// Checks that all of `scopes` is permitted to who asks.
pub fn check(by: &Scopes, scopes: &Scopes) -> Result<(), BeyondReach> {
    match scopes.iter().find(|scope| !by.permit(*scope)) {
        Some(beyond) => Err(BeyondReach {
            beyond: beyond.to_string(),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use domain::permission::Role;

    use super::*;

    #[test]
    fn a_role_reaches_what_is_within_it() {
        let check = |by: Role, scopes: Role| check(&by.scopes(), &scopes.scopes());
        assert_eq!(check(Role::Owner, Role::Admin), Ok(()));
        assert_eq!(check(Role::Admin, Role::Support), Ok(()));
        let beyond = check(Role::Admin, Role::Owner).expect_err("an owner may do more");
        assert!(beyond.to_string().ends_with(": tenants:write"), "{beyond}");
        assert!(check(Role::Support, Role::Installer).is_err());
    }
}
