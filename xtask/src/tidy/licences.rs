//! Every package we link leaves its users free: its licence is satisfied by the list in `deny.toml`.

use std::path::Path;

use cargo_metadata::MetadataCommand;
use spdx::{Expression, Licensee, ParseMode};

use super::tree::Tree;
use super::{Finding, TidyError};

const LIST: &str = "deny.toml";
const LOCK: &str = "Cargo.lock";

/// A package from outside, as its manifest describes it.
pub(super) struct Linked {
    /// Name and version.
    package: String,
    licence: Option<String>,
}

/// Reads the manifests of every package that this machine builds, without the network.
pub(super) fn read(root: &Path) -> Result<Vec<Linked>, TidyError> {
    let options = ["--locked", "--offline", "--filter-platform", "host-tuple"];
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .other_options(options.map(str::to_owned))
        .exec()
        .map_err(TidyError::Metadata)?;
    Ok(metadata
        .packages
        .iter()
        .filter(|package| package.source.is_some())
        .map(|package| Linked {
            package: format!("{} {}", package.name, package.version),
            licence: package.license.clone(),
        })
        .collect())
}

pub(super) fn check(tree: &Tree, linked: &[Linked], findings: &mut Vec<Finding>) {
    let allowed = allowed(tree, findings);
    for package in linked {
        if let Err(reason) = check_package(&allowed, package) {
            let name = &package.package;
            findings.push(Finding::of(
                LOCK,
                format!("package {name} {reason}: use another, or do without"),
            ));
        }
    }
}

/// The licences that `deny.toml` allows; a bad entry is a finding.
fn allowed(tree: &Tree, findings: &mut Vec<Finding>) -> Vec<Licensee> {
    let names = tree.find_text(LIST).and_then(names).unwrap_or_default();
    if names.is_empty() {
        findings.push(Finding::of(
            LIST,
            "allows no licence: list them in `licenses.allow`",
        ));
    }
    let mut allowed = Vec::new();
    for name in names {
        match Licensee::parse(&name) {
            Ok(licensee) if is_copyleft(&licensee) => {
                findings.push(Finding::of(
                    LIST,
                    format!("allows `{name}`, which is copyleft: remove it"),
                ));
            }
            Ok(licensee) => allowed.push(licensee),
            Err(error) => {
                findings.push(Finding::of(
                    LIST,
                    format!("allows `{name}`, which is no licence: {}", error.reason),
                ));
            }
        }
    }
    allowed
}

fn names(text: &str) -> Option<Vec<String>> {
    let table = text.parse::<toml::Table>().ok()?;
    let list = table.get("licenses")?.get("allow")?.as_array()?;
    Some(
        list.iter()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect(),
    )
}

fn is_copyleft(licensee: &Licensee) -> bool {
    licensee
        .as_ref()
        .license
        .id()
        .is_some_and(spdx::LicenseId::is_copyleft)
}

fn check_package(allowed: &[Licensee], package: &Linked) -> Result<(), String> {
    let Some(licence) = &package.licence else {
        return Err("names no licence".to_owned());
    };
    let expression = Expression::parse_mode(licence, ParseMode::LAX).map_err(|error| {
        format!(
            "has a licence that cannot be read, `{licence}` ({})",
            error.reason
        )
    })?;
    if expression.evaluate(|wanted| allowed.iter().any(|licensee| licensee.satisfies(wanted))) {
        Ok(())
    } else {
        Err(format!("is under `{licence}`, which {LIST} does not allow"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::fixture::{Fixture, assert_findings};

    #[track_caller]
    fn check_licence(allow: &str, licence: Option<&str>, expected: &[&str]) {
        let list = format!("[licenses]\nallow = [{allow}]\n");
        let linked = [Linked {
            package: "other 1.0.0".to_owned(),
            licence: licence.map(str::to_owned),
        }];
        let mut findings = Vec::new();
        check(
            &Fixture::new(&[(LIST, &list)]).tree(),
            &linked,
            &mut findings,
        );
        assert_findings(findings, expected);
    }

    #[test]
    fn licence_is_satisfied_by_one_side_of_or() {
        check_licence("\"MIT\"", Some("GPL-3.0-only OR MIT"), &[]);
        check_licence("\"MIT\"", Some("MIT/Apache-2.0"), &[]);
    }

    #[test]
    fn licence_needs_both_sides_of_and() {
        check_licence(
            "\"MIT\"",
            Some("MIT AND OpenSSL"),
            &["Cargo.lock: package other 1.0.0 is under `MIT AND"],
        );
        check_licence("\"MIT\", \"ISC\"", Some("MIT AND ISC"), &[]);
    }

    #[test]
    fn copyleft_is_refused_in_packages_and_in_the_list() {
        check_licence(
            "\"MIT\"",
            Some("AGPL-3.0-only"),
            &["Cargo.lock: package other 1.0.0 is under `AGPL"],
        );
        check_licence(
            "\"MPL-2.0\"",
            Some("MPL-2.0"),
            &[
                "Cargo.lock: package other 1.0.0 is under `MPL",
                "deny.toml: allows `MPL-2.0`, which is copyleft",
            ],
        );
    }

    #[test]
    fn licence_that_is_absent_or_unreadable_is_refused() {
        check_licence(
            "\"MIT\"",
            None,
            &["Cargo.lock: package other 1.0.0 names no licence"],
        );
        check_licence(
            "\"MIT\"",
            Some("free"),
            &["Cargo.lock: package other 1.0.0 has a licence that cannot be read"],
        );
    }

    #[test]
    fn list_that_is_empty_or_wrong_is_refused() {
        check_licence(
            "",
            None,
            &["Cargo.lock: package other", "deny.toml: allows no licence"],
        );
        check_licence(
            "\"MIT\", \"Mine\"",
            Some("MIT"),
            &["deny.toml: allows `Mine`, which is no licence"],
        );
    }

    #[test]
    fn packages_of_a_workspace_without_dependencies_are_none() {
        let fixture = Fixture::new(&[
            ("Cargo.toml", "[package]\nname = \"alone\"\n"),
            (
                "Cargo.lock",
                "version = 4\n\n[[package]]\nname = \"alone\"\nversion = \"0.0.0\"\n",
            ),
            ("src/lib.rs", "//! Test.\n"),
        ]);
        assert_eq!(read(fixture.root()).unwrap().len(), 0);
    }

    #[test]
    fn lock_file_that_is_absent_is_an_error() {
        let fixture = Fixture::new(&[
            ("Cargo.toml", "[package]\nname = \"alone\"\n"),
            ("src/lib.rs", "//! Test.\n"),
        ]);
        assert!(matches!(read(fixture.root()), Err(TidyError::Metadata(_))));
    }
}
