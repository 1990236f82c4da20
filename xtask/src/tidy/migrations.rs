//! Every migration is declared and listed once, in order.

use super::Finding;
use super::tree::Tree;

const DIRECTORY: &str = "crates/storage/src/migration/";
const INDEX: &str = "crates/storage/src/migration.rs";

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    let stems: Vec<&str> = tree
        .rust()
        .filter_map(|(path, _)| path.strip_prefix(DIRECTORY)?.strip_suffix(".rs"))
        .filter(|stem| is_migration(stem))
        .collect();
    if stems.is_empty() {
        if tree.contains("crates/storage/Cargo.toml") {
            findings.push(Finding::of(
                INDEX,
                format!("no migration in {DIRECTORY}: name them `mNNNN_what_it_does.rs`"),
            ));
        }
        return;
    }
    let index = tree.find_text(INDEX).unwrap_or_default();
    let mut listed_last = 0;
    for stem in stems {
        let declared = count(index, &format!("mod {stem};"));
        let listed: Vec<usize> = index
            .match_indices(&format!("{stem}::"))
            .map(|(at, _)| at)
            .collect();
        if declared != 1 || listed.len() != 1 {
            findings.push(Finding::of(
                INDEX,
                format!("migration `{stem}` is declared {declared} times and listed {} times: once each", listed.len()),
            ));
        }
        let at = listed.first().copied().unwrap_or(listed_last);
        if at < listed_last {
            findings.push(Finding::of(
                INDEX,
                format!("migration `{stem}` is listed out of order: sort by name"),
            ));
        }
        listed_last = at;
    }
}

/// True for names like `m0001_first`.
fn is_migration(stem: &str) -> bool {
    stem.strip_prefix('m')
        .is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()))
}

fn count(text: &str, wanted: &str) -> usize {
    text.matches(wanted).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::fixture::{Fixture, assert_findings};

    #[track_caller]
    fn check_index(index: &str, expected: &[&str]) {
        let fixture = Fixture::new(&[
            ("crates/storage/Cargo.toml", ""),
            ("crates/storage/src/migration/m0001_first.rs", ""),
            ("crates/storage/src/migration/m0002_second.rs", ""),
            ("crates/storage/src/migration/triggers.rs", ""),
            (INDEX, index),
        ]);
        let mut findings = Vec::new();
        check(&fixture.tree(), &mut findings);
        assert_findings(findings, expected);
    }

    #[test]
    fn migrations_are_listed_once_in_order() {
        check_index(
            "mod m0001_first;\nmod m0002_second;\n[m0001_first::Migration, m0002_second::Migration]",
            &[],
        );
    }

    #[test]
    fn migration_that_is_not_listed_is_refused() {
        check_index(
            "mod m0001_first;\nmod m0002_second;\n[m0001_first::Migration]",
            &[
                "crates/storage/src/migration.rs: migration `m0002_second` is declared 1 times and listed 0 times",
            ],
        );
    }

    #[test]
    fn migration_that_is_listed_twice_is_refused() {
        check_index(
            "mod m0001_first;\nmod m0002_second;\n[m0001_first::Migration, m0001_first::Migration, m0002_second::Migration]",
            &[
                "crates/storage/src/migration.rs: migration `m0001_first` is declared 1 times and listed 2 times",
            ],
        );
    }

    #[test]
    fn migrations_out_of_order_are_refused() {
        check_index(
            "mod m0001_first;\nmod m0002_second;\n[m0002_second::Migration, m0001_first::Migration]",
            &["crates/storage/src/migration.rs: migration `m0002_second` is listed out of order"],
        );
    }

    #[test]
    fn storage_without_migrations_is_refused() {
        let mut findings = Vec::new();
        check(
            &Fixture::new(&[("crates/storage/Cargo.toml", "")]).tree(),
            &mut findings,
        );
        assert_findings(findings, &["crates/storage/src/migration.rs: no migration"]);
    }
}
