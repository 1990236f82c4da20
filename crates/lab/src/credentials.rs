//! What a subscriber logs in with.

use std::fmt;

use domain::secret::Secret;
use radius::password::mschap;
use radius::password::pap::PASSWORD_LENGTH_MAX;
use radius::writer::VALUE_LENGTH_MAX;

/// A user name and a password that fit into an Access-Request.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user_name: Box<str>,
    password: Secret,
    nt_hash: Secret,
}

/// Why a login cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// The user name is empty or too long (RFC 2865 §5.1).
    #[error("a user name has 1 to {VALUE_LENGTH_MAX} octets, this one has {length}")]
    UserName { length: usize },
    /// The password is too long (RFC 2865 §5.2).
    #[error("a password has at most {PASSWORD_LENGTH_MAX} octets, this one has {length}")]
    Password { length: usize },
}

impl Credentials {
    /// Takes a login that fits: 1 to 253 octets of name, at most 128 of password.
    pub fn new(user_name: &str, password: &str) -> Result<Self, CredentialsError> {
        if !(1..=VALUE_LENGTH_MAX).contains(&user_name.len()) {
            let length = user_name.len();
            return Err(CredentialsError::UserName { length });
        }
        if PASSWORD_LENGTH_MAX < password.len() {
            let length = password.len();
            return Err(CredentialsError::Password { length });
        }
        Ok(Self {
            user_name: user_name.into(),
            password: Secret::from(password),
            nt_hash: Secret::new(mschap::nt_hash(password)),
        })
    }

    /// The user name.
    #[must_use]
    pub fn user_name(&self) -> &str {
        &self.user_name
    }

    pub(crate) fn password(&self) -> &[u8] {
        self.password.expose()
    }

    pub(crate) fn nt_hash(&self) -> &[u8; 16] {
        self.nt_hash
            .expose()
            .try_into()
            .expect("an NT hash has 16 octets")
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("user_name", &self.user_name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(user_name_length: usize, password_length: usize, expected: Option<CredentialsError>) {
        let credentials =
            Credentials::new(&"u".repeat(user_name_length), &"p".repeat(password_length));
        assert_eq!(credentials.err(), expected);
    }

    #[test]
    fn lengths_are_those_of_the_attributes() {
        check(1, 0, None);
        check(253, 128, None);
        check(0, 1, Some(CredentialsError::UserName { length: 0 }));
        check(254, 1, Some(CredentialsError::UserName { length: 254 }));
        check(1, 129, Some(CredentialsError::Password { length: 129 }));
    }

    #[test]
    fn debug_output_hides_the_password() {
        let shown = format!("{:?}", Credentials::new("ana", "kookaburra").unwrap());
        assert_eq!(shown, "Credentials { user_name: \"ana\", .. }");
    }
}
