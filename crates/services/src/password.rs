//! Passwords of operators: hashed with argon2id, few at a time, on threads that may be busy.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use domain::secret::Secret;
use tokio::sync::Semaphore;
use tokio::task;

/// Hashes that are computed at once: each takes 19 MiB and a good part of a processor.
const AT_ONCE_MAX: usize = 2;

/// Hashes that are computed or waited for.
const WAITING_MAX: usize = 32;

/// Stands for the password of nobody, so that an unknown name takes as long as a known one.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bGFzdG1pbGUtbm9ib2R5$\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Computes hashes for all who share it.
#[derive(Clone, Debug)]
pub struct Passwords {
    waiting: Arc<Semaphore>,
    working: Arc<Semaphore>,
}

/// Why a hash was not computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashingError {
    #[error("too many passwords are being checked: try again in a moment")]
    Busy,
    #[error("the hash of a password could not be computed")]
    Failed,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            working: Arc::new(Semaphore::new(AT_ONCE_MAX)),
        }
    }
}

impl Passwords {
    /// The hash of a password in PHC form.
    pub async fn hash(&self, password: &Secret) -> Result<Secret, HashingError> {
        let password = password.clone();
        self.compute(move || {
            let hash: Phc = Argon2::default()
                .hash_password(password.expose())
                .map_err(|_| HashingError::Failed)?;
            Ok(Secret::from(hash.to_string().as_str()))
        })
        .await?
    }

    /// Whether a password has this hash. Without one it has not, and takes as long to say so.
    pub async fn verify(
        &self,
        phc: Option<&Secret>,
        password: &Secret,
    ) -> Result<bool, HashingError> {
        let password = password.clone();
        let phc = phc.cloned().unwrap_or_else(|| Secret::from(NOBODY));
        self.compute(move || {
            let text = std::str::from_utf8(phc.expose()).unwrap_or(NOBODY);
            let hash = Phc::new(text).map_err(|_| HashingError::Failed)?;
            Ok(Argon2::default()
                .verify_password(password.expose(), &hash)
                .is_ok())
        })
        .await?
    }

    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashingError> {
        let place = Arc::clone(&self.waiting).try_acquire_owned();
        let place = place.map_err(|_| HashingError::Busy)?;
        let turn = Arc::clone(&self.working).acquire_owned().await;
        let turn = turn.map_err(|_| HashingError::Failed)?;
        // Both are held until the work has ended, also when nobody waits for it any more.
        let held = (place, turn);
        let done = task::spawn_blocking(move || {
            let done = work();
            drop(held);
            done
        });
        done.await.map_err(|_| HashingError::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_has_its_own_hash_and_no_other() {
        let passwords = Passwords::default();
        let password = Secret::from("correct horse battery");
        let phc = passwords.hash(&password).await.expect("it is computed");
        let text = String::from_utf8_lossy(phc.expose()).into_owned();
        assert!(
            text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{text}"
        );
        let other = passwords.hash(&password).await.expect("it is computed");
        assert_ne!(phc, other);
        assert_eq!(passwords.verify(Some(&phc), &password).await, Ok(true));
        let wrong = Secret::from("correct horse batterz");
        assert_eq!(passwords.verify(Some(&phc), &wrong).await, Ok(false));
        assert_eq!(passwords.verify(None, &password).await, Ok(false));
    }

    #[test]
    fn nobody_has_a_hash_of_the_same_kind() {
        let hash = Phc::new(NOBODY).expect("it is one");
        assert_eq!(hash.hash.map(|hash| hash.as_bytes().len()), Some(32));
        assert!(NOBODY.contains("m=19456,t=2,p=1"));
    }

    #[tokio::test]
    async fn no_more_wait_than_there_are_places() {
        let passwords = Passwords::default();
        let all = passwords.waiting.try_acquire_many(WAITING_MAX as u32);
        assert!(all.is_ok());
        let refused = passwords.verify(None, &Secret::from("x")).await;
        assert_eq!(refused, Err(HashingError::Busy));
    }
}
