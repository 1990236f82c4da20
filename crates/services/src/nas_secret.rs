//! Secrets that routers and we share: what one may be, and new ones.

use domain::secret::Secret;
use rand::RngExt as _;

/// Octets that a shared secret should have at least (RFC 2865 §3).
pub const OCTETS_MIN: usize = 16;

/// What routers take.
pub const OCTETS_MAX: usize = 128;

const GENERATED_CHARS: usize = 24;

/// Without characters that are mistaken for each other when they are typed from a screen.
const ALPHABET: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// Why a text cannot be a shared secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NasSecretError {
    #[error("the secret is empty: write 1 to {OCTETS_MAX} characters, better 16 or more")]
    Empty,
    #[error("a secret of {octets} octets is too long: routers take {OCTETS_MAX} at most")]
    TooLong { octets: usize },
}

/// Makes a secret that cannot be guessed, and can be typed.
pub fn generate() -> Secret {
    let mut random = rand::rng();
    let letter = |_| ALPHABET[random.random_range(0..ALPHABET.len())];
    let letters: [u8; GENERATED_CHARS] = std::array::from_fn(letter);
    Secret::new(letters)
}

/// Checks a secret that somebody chose.
pub fn check(text: &str) -> Result<Secret, NasSecretError> {
    match text.len() {
        0 => Err(NasSecretError::Empty),
        octets if OCTETS_MAX < octets => Err(NasSecretError::TooLong { octets }),
        _ => Ok(Secret::from(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_pass_their_own_check() {
        let (one, other) = (generate(), generate());
        assert_ne!(one.expose(), other.expose());
        let text = std::str::from_utf8(one.expose()).expect("letters and digits");
        assert!(OCTETS_MIN <= text.len() && check(text).is_ok());
        assert_eq!(check("").err(), Some(NasSecretError::Empty));
        assert!(check(&"x".repeat(OCTETS_MAX)).is_ok());
        assert!(check(&"x".repeat(OCTETS_MAX + 1)).is_err());
    }
}
