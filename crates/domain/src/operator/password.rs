//! Which passwords operators may have.

use std::collections::BTreeSet;

use crate::name::Name;

/// The fewest characters of a password.
pub const CHARS_MIN: usize = 10;

/// The most octets; more would only be work for the hash.
pub const OCTETS_MAX: usize = 256;

/// The fewest characters of a password that differ from each other.
const DIFFERENT_MIN: usize = 5;

/// The commonest passwords of leaked lists, and what people make of them, without digits and
/// punctuation at their ends.
const COMMONEST: &str = include_str!("commonest_passwords.txt");

/// Why a password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordWeakness {
    #[error("the password is too short: write {CHARS_MIN} characters or more")]
    TooShort,
    #[error("the password is too long: at most {OCTETS_MAX} octets are taken")]
    TooLong,
    #[error("the password is made of the name: choose one that nobody can guess from it")]
    IsName,
    #[error("the password is among the first that are tried: choose another, such as four words")]
    Common,
    #[error(
        "the password repeats a few characters or counts them up: choose another, such as four words"
    )]
    Monotonous,
}

/// Checks a password that somebody wants to have.
pub fn check(name: &Name, password: &str) -> Result<(), PasswordWeakness> {
    if password.chars().count() < CHARS_MIN {
        return Err(PasswordWeakness::TooShort);
    }
    if OCTETS_MAX < password.len() {
        return Err(PasswordWeakness::TooLong);
    }
    let folded = password.to_lowercase();
    let core = core_of(&folded);
    let name_core = core_of(name.key());
    if folded == name.key() || (!name_core.is_empty() && core == name_core) {
        return Err(PasswordWeakness::IsName);
    }
    if COMMONEST
        .lines()
        .any(|common| common == folded || common == core)
    {
        return Err(PasswordWeakness::Common);
    }
    if is_monotonous(&folded) {
        return Err(PasswordWeakness::Monotonous);
    }
    Ok(())
}

/// What is left without digits and punctuation at both ends: `password` of `Password2026!`.
fn core_of(folded: &str) -> &str {
    folded.trim_matches(|char: char| !char.is_alphabetic())
}

/// Whether few characters are repeated, or almost each one follows the one before it.
fn is_monotonous(folded: &str) -> bool {
    let chars: Vec<u32> = folded.chars().map(u32::from).collect();
    let different: BTreeSet<_> = chars.iter().collect();
    let pairs = chars.len().saturating_sub(1);
    let steps = chars
        .windows(2)
        .filter(|pair| pair[0].abs_diff(pair[1]) <= 1)
        .count();
    different.len() < DIFFERENT_MIN || pairs * 4 <= steps * 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_for(name: &str, password: &str, expected: Result<(), PasswordWeakness>) {
        let name = name.parse().expect("the name of a test is one");
        assert_eq!(check(&name, password), expected, "{password}");
    }

    #[test]
    fn long_and_strange_passwords_are_taken() {
        for password in [
            "correct horse battery",
            "Xk9!mPq2vL",
            "jirafa-lunar-78-té",
            &"grüße an alle ".repeat(15),
        ] {
            check_for("ana", password, Ok(()));
        }
    }

    #[test]
    fn length_is_counted_in_characters_and_bounded_in_octets() {
        check_for("ana", "kX9!mPq2v", Err(PasswordWeakness::TooShort));
        check_for("ana", "éèêëàâôûç", Err(PasswordWeakness::TooShort));
        let long = "correct horse ".repeat(20);
        check_for("ana", &long, Err(PasswordWeakness::TooLong));
    }

    #[test]
    fn the_name_is_no_password() {
        check_for(
            "Ana Maria Paz",
            "ana maria paz",
            Err(PasswordWeakness::IsName),
        );
        check_for("anamaria", "AnaMaria2026", Err(PasswordWeakness::IsName));
        check_for("anamaria", "anamaria loves trains", Ok(()));
        check_for("1234", "the moon is 1234", Ok(()));
    }

    #[test]
    fn what_is_tried_first_is_no_password() {
        for password in [
            "Password2026!",
            "qwertyuiop",
            "administrator",
            "letmein12345",
            "iloveyou!!!!",
            "1q2w3e4r5t",
        ] {
            check_for("ana", password, Err(PasswordWeakness::Common));
        }
    }

    #[test]
    fn few_characters_and_sequences_are_no_password() {
        for password in [
            "aaaaaaaaaaaa",
            "abcabcabcabc",
            "1234567891011",
            "abcdefghijkl",
            "0987654321",
        ] {
            let name = "ana".parse().expect("a name");
            assert!(check(&name, password).is_err(), "{password}");
        }
    }

    #[test]
    fn the_list_holds_what_the_rules_can_meet() {
        assert!(100 < COMMONEST.lines().count());
        for line in COMMONEST.lines() {
            assert_eq!(line, line.trim().to_lowercase());
            assert!(!line.is_empty());
        }
    }
}
