//! What each crate may depend on, what it must never name, and how it presents itself.

use std::path::Path;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use super::tree::{self, Tree};
use super::{Finding, TidyError};

/// One row of the dependency table.
struct Layer {
    package: &'static str,
    /// Where the package lives.
    directory: &'static str,
    /// Packages of the workspace it may use.
    may_use: &'static [&'static str],
    /// Packages from outside it must not use, with the families that begin with `NAME-`.
    never: &'static [&'static str],
}

const SANS_IO: &[&str] = &["tokio", "mio", "socket2", "nix", "jiff", "chrono", "time"];
const SQL: [&str; 2] = ["sea-orm", "sqlx"];

/// The dependency table: a crate earns its place by what it must not know.
const LAYERS: &[Layer] = &[
    Layer {
        package: "lastmile-domain",
        directory: "crates/domain",
        may_use: &[],
        never: &["tokio", SQL[0], SQL[1], "axum", "tracing"],
    },
    Layer {
        package: "lastmile-radius",
        directory: "crates/radius",
        may_use: &[],
        never: SANS_IO,
    },
    Layer {
        package: "lastmile-udp",
        directory: "crates/udp",
        may_use: &[],
        never: &["tokio", "mio", SQL[0], SQL[1], "axum", "tracing"],
    },
    Layer {
        package: "lastmile-rows",
        directory: "crates/rows",
        may_use: &["lastmile-domain", "lastmile-radius"],
        never: &[
            "tokio", "mio", "socket2", "nix", SQL[0], SQL[1], "axum", "tracing",
        ],
    },
    Layer {
        package: "lastmile-aaa",
        directory: "crates/aaa",
        may_use: &[
            "lastmile-domain",
            "lastmile-radius",
            "lastmile-rows",
            "lastmile-udp",
        ],
        never: &[SQL[0], SQL[1], "axum"],
    },
    Layer {
        package: "lastmile-storage",
        directory: "crates/storage",
        may_use: &["lastmile-domain"],
        never: &["axum", "clap"],
    },
    Layer {
        package: "lastmile-services",
        directory: "crates/services",
        may_use: &["lastmile-domain", "lastmile-storage"],
        never: &["axum", SQL[0], SQL[1], "mio", "socket2", "nix"],
    },
    Layer {
        package: "lastmile-api",
        directory: "crates/api",
        may_use: &["lastmile-domain", "lastmile-services", "lastmile-storage"],
        never: &[SQL[0], SQL[1], "mio", "socket2", "nix"],
    },
    Layer {
        package: "lastmile-lab",
        directory: "crates/lab",
        may_use: &["lastmile-domain", "lastmile-radius", "lastmile-udp"],
        never: &[SQL[0], SQL[1], "axum"],
    },
    Layer {
        package: "lastmile",
        directory: "crates/lastmile",
        may_use: &[
            "lastmile-domain",
            "lastmile-radius",
            "lastmile-rows",
            "lastmile-aaa",
            "lastmile-storage",
            "lastmile-services",
            "lastmile-api",
            "lastmile-lab",
        ],
        never: &SQL,
    },
    Layer {
        package: TESTKIT,
        directory: "crates/testkit",
        may_use: &[
            "lastmile-domain",
            "lastmile-radius",
            "lastmile-rows",
            "lastmile-aaa",
            "lastmile-storage",
            "lastmile-lab",
        ],
        never: &[],
    },
    Layer {
        package: "xtask",
        directory: "xtask",
        may_use: &[],
        never: &[],
    },
];

/// The only package that tests of every crate may use.
const TESTKIT: &str = "lastmile-testkit";

/// A package of the workspace, as its manifest describes it.
pub(super) struct Member {
    package: String,
    directory: String,
    library: Option<String>,
    description: Option<String>,
    dependencies: Vec<Dependency>,
}

/// A dependency that a manifest names.
struct Dependency {
    package: String,
    is_ours: bool,
    is_for_tests: bool,
}

/// Reads the manifests of the workspace, without resolving what they depend on.
pub(super) fn read(root: &Path) -> Result<Vec<Member>, TidyError> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .map_err(TidyError::Metadata)?;
    Ok(members(&metadata))
}

pub(super) fn check(tree: &Tree, members: &[Member], findings: &mut Vec<Finding>) {
    for member in members {
        match LAYERS.iter().find(|layer| layer.package == member.package) {
            Some(layer) => check_member(layer, member, findings),
            None => findings.push(Finding::of(
                &member.manifest(),
                format!(
                    "package `{}` is not in the dependency table: add a row to `LAYERS` in xtask/src/tidy/crates.rs",
                    member.package
                ),
            )),
        }
        check_presentation(tree, member, findings);
    }
    check_map(tree, findings);
}

fn check_member(layer: &Layer, member: &Member, findings: &mut Vec<Finding>) {
    let manifest = member.manifest();
    if member.directory != layer.directory {
        let message = format!(
            "package `{}` belongs in {}",
            member.package, layer.directory
        );
        findings.push(Finding::of(&manifest, message));
    }
    for dependency in &member.dependencies {
        let package = dependency.package.as_str();
        let is_allowed =
            layer.may_use.contains(&package) || (dependency.is_for_tests && package == TESTKIT);
        if dependency.is_ours && !is_allowed {
            findings.push(Finding::of(
                &manifest,
                format!(
                    "`{}` must not use `{package}`, only {:?}: move the code, or state the need as a port",
                    member.package, layer.may_use
                ),
            ));
        }
        let is_forbidden = layer
            .never
            .iter()
            .any(|family| is_in_family(package, family));
        if is_forbidden && !dependency.is_for_tests {
            findings.push(Finding::of(
                &manifest,
                format!(
                    "`{}` must never name `{package}`: move the code to a crate that may",
                    member.package
                ),
            ));
        }
    }
}

fn check_presentation(tree: &Tree, member: &Member, findings: &mut Vec<Finding>) {
    let manifest = member.manifest();
    if member
        .description
        .as_deref()
        .is_none_or(|text| text.trim().is_empty())
    {
        findings.push(Finding::of(
            &manifest,
            "no description: say in one line what the crate is for",
        ));
    }
    let short = member
        .package
        .strip_prefix("lastmile-")
        .unwrap_or(&member.package);
    if let Some(library) = member
        .library
        .as_deref()
        .filter(|library| *library != short)
    {
        findings.push(Finding::of(
            &manifest,
            format!("library `{library}` is to be called `{short}`: set `name` in `[lib]`"),
        ));
    }
    let text = tree.find_text(&manifest).unwrap_or_default();
    let inherits_lints = text
        .parse::<toml::Table>()
        .ok()
        .and_then(|table| table.get("lints")?.get("workspace")?.as_bool())
        .unwrap_or(false);
    if !inherits_lints {
        findings.push(Finding::of(
            &manifest,
            "lints are not inherited: add `[lints]` with `workspace = true`",
        ));
    }
}

/// The map names every crate.
fn check_map(tree: &Tree, findings: &mut Vec<Finding>) {
    const MAP: &str = "ARCHITECTURE.md";
    let Some(map) = tree.find_text(MAP) else {
        findings.push(Finding::of(MAP, "is missing: it is the map of the crates"));
        return;
    };
    for name in tree.directories_in("crates") {
        if !map.contains(&format!("`{name}`")) && !map.contains(&format!("crates/{name}")) {
            findings.push(Finding::of(
                MAP,
                format!("crate `{name}` is not on the map: describe it"),
            ));
        }
    }
}

impl Member {
    fn manifest(&self) -> String {
        tree::resolve(&self.directory, "Cargo.toml").unwrap_or_default()
    }
}

fn members(metadata: &Metadata) -> Vec<Member> {
    let root = metadata.workspace_root.as_path();
    let packages = metadata.workspace_packages();
    let mut members: Vec<Member> = packages
        .iter()
        .map(|package| Member {
            package: package.name.to_string(),
            directory: package
                .manifest_path
                .parent()
                .and_then(|directory| directory.strip_prefix(root).ok())
                .map(ToString::to_string)
                .unwrap_or_default(),
            library: package
                .targets
                .iter()
                .find(|target| target.is_lib())
                .map(|target| target.name.clone()),
            description: package.description.clone(),
            dependencies: package
                .dependencies
                .iter()
                .map(|dependency| Dependency {
                    package: dependency.name.clone(),
                    is_ours: packages.iter().any(|ours| *ours.name == dependency.name),
                    is_for_tests: dependency.kind == DependencyKind::Development,
                })
                .collect(),
        })
        .collect();
    members.sort_by(|left, right| left.package.cmp(&right.package));
    members
}

fn is_in_family(package: &str, family: &str) -> bool {
    package
        .strip_prefix(family)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::fixture::{Fixture, assert_findings};

    const LINTS: &str = "[lints]\nworkspace = true\n";

    /// A workspace of `domain`, `aaa`, `storage` and `testkit`, where one manifest has an addition.
    fn fixture(changed: &str, addition: &str) -> Fixture {
        let fixture = Fixture::new(&[
            (
                "Cargo.toml",
                "[workspace]\nmembers = [\"crates/*\"]\nresolver = \"3\"\n[workspace.lints]\n",
            ),
            (
                "ARCHITECTURE.md",
                "`domain`, `aaa`, crates/storage and `testkit`\n",
            ),
        ]);
        for name in ["domain", "aaa", "storage", "testkit"] {
            let addition = if name == changed { addition } else { "" };
            let manifest = format!(
                "[package]\nname = \"lastmile-{name}\"\ndescription = \"what it is for\"\n[lib]\nname = \"{name}\"\n{LINTS}{addition}"
            );
            fixture.write(&format!("crates/{name}/Cargo.toml"), manifest.as_bytes());
            fixture.write(&format!("crates/{name}/src/lib.rs"), b"//! Test.\n");
        }
        fixture
    }

    #[track_caller]
    fn check_addition(changed: &str, addition: &str, expected: &[&str]) {
        assert_fixture(&fixture(changed, addition), expected);
    }

    #[track_caller]
    fn assert_fixture(fixture: &Fixture, expected: &[&str]) {
        let mut findings = Vec::new();
        check(
            &fixture.tree(),
            &read(fixture.root()).unwrap(),
            &mut findings,
        );
        assert_findings(findings, expected);
    }

    #[test]
    fn table_allows_what_it_lists() {
        check_addition(
            "aaa",
            "[dependencies]\nlastmile-domain = { path = \"../domain\" }\n",
            &[],
        );
    }

    #[test]
    fn table_refuses_an_arrow_it_does_not_list() {
        check_addition(
            "aaa",
            "[dependencies]\nlastmile-storage = { path = \"../storage\" }\n",
            &["crates/aaa/Cargo.toml: `lastmile-aaa` must not use `lastmile-storage`"],
        );
    }

    #[test]
    fn table_sees_renamed_and_target_dependencies() {
        check_addition(
            "domain",
            "[target.'cfg(unix)'.build-dependencies]\nrows = { path = \"../storage\", package = \"lastmile-storage\" }\n",
            &["crates/domain/Cargo.toml: `lastmile-domain` must not use `lastmile-storage`"],
        );
    }

    #[test]
    fn table_refuses_families_of_forbidden_packages() {
        check_addition(
            "domain",
            "[dependencies]\ntokio-util = \"0.7\"\ntokio = { version = \"1\", optional = true }\n",
            &[
                "crates/domain/Cargo.toml: `lastmile-domain` must never name `tokio-util`",
                "crates/domain/Cargo.toml: `lastmile-domain` must never name `tokio`",
            ],
        );
    }

    #[test]
    fn tests_may_use_the_testkit_and_nothing_else_of_ours() {
        check_addition(
            "domain",
            "[dev-dependencies]\nlastmile-testkit = { path = \"../testkit\" }\ntokio = \"1\"\n",
            &[],
        );
        check_addition(
            "domain",
            "[dependencies]\nlastmile-testkit = { path = \"../testkit\" }\n",
            &["crates/domain/Cargo.toml: `lastmile-domain` must not use `lastmile-testkit`"],
        );
        check_addition(
            "domain",
            "[dev-dependencies]\nlastmile-aaa = { path = \"../aaa\" }\n",
            &["crates/domain/Cargo.toml: `lastmile-domain` must not use `lastmile-aaa`"],
        );
    }

    #[test]
    fn package_outside_the_table_is_refused() {
        let fixture = fixture("", "");
        fixture.write(
            "crates/billing/Cargo.toml",
            format!("[package]\nname = \"lastmile-billing\"\n[lib]\nname = \"bills\"\n{LINTS}")
                .as_bytes(),
        );
        fixture.write("crates/billing/src/lib.rs", b"//! Test.\n");
        assert_fixture(
            &fixture,
            &[
                "ARCHITECTURE.md: crate `billing` is not on the map",
                "crates/billing/Cargo.toml: library `bills` is to be called `billing`",
                "crates/billing/Cargo.toml: no description",
                "crates/billing/Cargo.toml: package `lastmile-billing` is not in the dependency table",
            ],
        );
    }

    #[test]
    fn map_is_there() {
        let fixture = fixture("", "");
        std::fs::remove_file(fixture.root().join("ARCHITECTURE.md")).unwrap();
        assert_fixture(&fixture, &["ARCHITECTURE.md: is missing"]);
    }

    #[test]
    fn package_is_held_to_its_directory_and_lints() {
        let fixture = fixture("", "");
        fixture.write(
            "crates/rules/Cargo.toml",
            b"[package]\nname = \"xtask\"\ndescription = \"chores\"\n",
        );
        fixture.write("crates/rules/src/lib.rs", b"//! Test.\n");
        fixture.write(
            "ARCHITECTURE.md",
            b"`domain`, `aaa`, `storage`, `testkit`, `rules`\n",
        );
        assert_fixture(
            &fixture,
            &[
                "crates/rules/Cargo.toml: lints are not inherited",
                "crates/rules/Cargo.toml: package `xtask` belongs in xtask",
            ],
        );
    }
}
