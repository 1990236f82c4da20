//! Names that are nearly the one that was asked about.

use std::collections::BTreeMap;
use std::fmt;

/// Names that are tried at most, so that a long name costs no more than a short one.
const TRIED_MAX: usize = 4_000;

/// What a letter may have been typed for.
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789.-_@";

/// A name that somebody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearName {
    pub name: String,
    pub owner: Owner,
    pub difference: Difference,
}

/// Who has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    Subscriber,
    Rows,
}

/// In what two names differ, the likeliest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Difference {
    Space,
    Case,
    Realm,
    Letter,
}

impl fmt::Display for NearName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            owner,
            difference,
        } = self;
        let owner = match owner {
            Owner::Subscriber => "is a subscriber",
            Owner::Rows => "has rows in FreeRADIUS' tables",
        };
        let difference = match difference {
            Difference::Space => "a space that is too much, or missing",
            Difference::Case => "capital letters, which count there",
            Difference::Realm => "the realm",
            Difference::Letter => "one letter",
        };
        write!(
            formatter,
            "'{name}' {owner}; the difference is {difference}"
        )
    }
}

/// Names of subscribers that are nearly this one, folded.
pub fn subscriber_names(asked: &str, realms: &[&str]) -> BTreeMap<String, Difference> {
    let folded = asked.to_ascii_lowercase();
    let bare: String = folded.split_whitespace().collect();
    let mut found = BTreeMap::new();
    let mut add = |name: String, difference| {
        if name != folded && !name.is_empty() && found.len() < TRIED_MAX {
            found.entry(name).or_insert(difference);
        }
    };
    add(bare.clone(), Difference::Space);
    for name in with_realms(&bare, realms) {
        add(name, Difference::Realm);
    }
    for name in misspelt(&bare) {
        add(name, Difference::Letter);
    }
    found
}

/// Names of FreeRADIUS' tables that are nearly this one.
pub fn row_names(asked: &str, realms: &[&str]) -> BTreeMap<String, Difference> {
    let trimmed = asked.trim();
    let lower = trimmed.to_lowercase();
    let mut capital = lower.clone();
    if let Some(first) = capital.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let mut found = BTreeMap::new();
    let mut add = |name: String, difference| {
        if name != asked && !name.is_empty() && found.len() < TRIED_MAX {
            found.entry(name).or_insert(difference);
        }
    };
    add(trimmed.to_owned(), Difference::Space);
    add(format!("{trimmed} "), Difference::Space);
    add(format!(" {trimmed}"), Difference::Space);
    add(trimmed.to_uppercase(), Difference::Case);
    add(capital, Difference::Case);
    for name in with_realms(trimmed, realms) {
        add(name, Difference::Realm);
    }
    for name in misspelt(&lower) {
        add(name, Difference::Letter);
    }
    add(lower, Difference::Case);
    found
}

/// Without its realm, and with each that there is.
fn with_realms(name: &str, realms: &[&str]) -> Vec<String> {
    let user = crate::realm::split(name).map(|(user, _)| user);
    let without = user.into_iter().map(str::to_owned);
    let user = user.unwrap_or(name);
    let with = realms.iter().map(|realm| format!("{user}@{realm}"));
    without.chain(with).collect()
}

/// One letter too many, one wrong, two the wrong way round, and one missing.
fn misspelt(name: &str) -> Vec<String> {
    let letters = name.as_bytes();
    let mut found: Vec<Vec<u8>> = Vec::new();
    for at in 0..letters.len() {
        found.push([&letters[..at], &letters[at + 1..]].concat());
        if at + 1 < letters.len() {
            let mut swapped = letters.to_vec();
            swapped.swap(at, at + 1);
            found.push(swapped);
        }
    }
    for at in 0..letters.len() {
        found.extend(LETTERS.iter().map(|letter| {
            let mut changed = letters.to_vec();
            changed[at] = *letter;
            changed
        }));
    }
    for at in 0..=letters.len() {
        let (before, behind) = letters.split_at(at);
        found.extend(
            LETTERS
                .iter()
                .map(|letter| [before, &[*letter], behind].concat()),
        );
    }
    found
        .into_iter()
        .filter_map(|octets| String::from_utf8(octets).ok())
        .filter(|other| other != name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(found: &BTreeMap<String, Difference>, name: &str, expected: Option<Difference>) {
        assert_eq!(found.get(name).copied(), expected, "{name}");
    }

    #[test]
    fn subscribers_are_near_by_space_realm_and_letter() {
        let found = subscriber_names("Ana @isp.example", &["isp.example", "old"]);
        check(&found, "ana@isp.example", Some(Difference::Space));
        check(&found, "ana", Some(Difference::Realm));
        check(&found, "ana@old", Some(Difference::Realm));
        let found = subscriber_names("ana", &[]);
        for near in ["an", "naa", "anna", "ena", "ana1"] {
            check(&found, near, Some(Difference::Letter));
        }
        for far in ["ana", "", "bob", "annna"] {
            check(&found, far, None);
        }
    }

    #[test]
    fn rows_are_near_by_case_too() {
        let found = row_names("bob", &["isp"]);
        check(&found, "Bob", Some(Difference::Case));
        check(&found, "BOB", Some(Difference::Case));
        check(&found, "bob ", Some(Difference::Space));
        check(&found, "bob@isp", Some(Difference::Realm));
        check(&found, "bo", Some(Difference::Letter));
        check(&found, "bob", None);
        check(&row_names("Bob ", &[]), "Bob", Some(Difference::Space));
        check(&row_names("Bob", &[]), "bob", Some(Difference::Case));
    }

    #[test]
    fn a_long_name_is_tried_as_far_as_it_goes() {
        assert_eq!(subscriber_names(&"a".repeat(250), &[]).len(), TRIED_MAX);
        assert!(subscriber_names("", &[]).len() <= LETTERS.len());
        let found = row_names("é", &[]);
        check(&found, "É", Some(Difference::Case));
    }
}
