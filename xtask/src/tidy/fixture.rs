//! Small repositories in temporary directories, for the tests of the rules.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::{Finding, Tree};

/// A repository that lives as long as the value.
pub(super) struct Fixture {
    root: TempDir,
}

impl Fixture {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let fixture = Self {
            root: TempDir::new().unwrap(),
        };
        for (path, text) in files {
            fixture.write(path, text.as_bytes());
        }
        fixture
    }

    pub(super) fn write(&self, path: &str, content: &[u8]) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(super) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(super) fn tree(&self) -> Tree {
        Tree::read(self.root()).unwrap()
    }
}

/// Compares findings, printed, with rows of `path:line: start of the message`.
#[track_caller]
pub(super) fn assert_findings(mut findings: Vec<Finding>, expected: &[&str]) {
    findings.sort();
    let actual: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert_eq!(actual.len(), expected.len(), "{actual:#?}");
    for (actual, expected) in actual.iter().zip(expected) {
        assert!(
            actual.starts_with(expected),
            "{actual:?} does not start with {expected:?}"
        );
    }
}
