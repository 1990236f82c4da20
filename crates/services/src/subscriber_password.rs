//! Passwords that are made up for people who have to type them.

use rand::RngExt as _;
use zeroize::Zeroizing;

/// Lower-case letters and digits without those that are taken for one another.
const LETTERS: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";

/// Letters of a password: 59 bits.
const LEN: usize = 12;

/// A password that nobody guesses and everybody can type.
pub fn generate() -> Zeroizing<String> {
    let mut random = rand::rng();
    let letter = |_| char::from(LETTERS[random.random_range(0..LETTERS.len())]);
    Zeroizing::new((0..LEN).map(letter).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_of_letters_that_nobody_mistakes() {
        let (one, other) = (generate(), generate());
        assert_ne!(one, other);
        assert_eq!(one.len(), LEN);
        assert!(one.bytes().all(|letter| LETTERS.contains(&letter)));
        assert!(domain::credential::password(&one).is_ok());
    }
}
