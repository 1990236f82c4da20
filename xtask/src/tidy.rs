//! Rules that no compiler checks: each reads the repository and returns what breaks it.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

mod crates;
mod documents;
mod lexeme;
mod licences;
mod migrations;
mod outline;
mod source;
mod text;
mod tree;

#[cfg(test)]
mod fixture;

use tree::Tree;

/// One place where a rule is broken, with the remedy in its message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the root of the repository.
    pub path: String,
    /// The line in that file, counted from 1; `None` when the whole file is meant.
    pub line: Option<usize>,
    /// What is wrong and what to do about it.
    pub message: String,
}

impl Finding {
    fn at(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line: Some(line),
            message: message.into(),
        }
    }

    fn of(path: &str, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line: None,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(formatter, "{}:{line}: {}", self.path, self.message),
            None => write!(formatter, "{}: {}", self.path, self.message),
        }
    }
}

/// Why the rules could not be checked at all.
#[derive(Debug, thiserror::Error)]
pub enum TidyError {
    /// The current directory is not in the repository.
    #[error("the current directory is not in the repository")]
    Root,
    /// The files of the repository could not be listed.
    #[error("could not list the files of the repository")]
    List(#[source] ignore::Error),
    /// A file of the repository could not be read.
    #[error("could not read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Cargo could not describe the workspace.
    #[error(
        "`cargo metadata --locked --offline` failed; a build downloads what it needs and writes Cargo.lock"
    )]
    Metadata(#[source] cargo_metadata::Error),
}

/// The root of the repository that the current directory is in.
///
/// It is not the directory that this was compiled in: clones may share their build products.
///
/// # Errors
/// When no directory above the current one holds the repository.
pub fn root() -> Result<PathBuf, TidyError> {
    let here = std::env::current_dir().map_err(|_| TidyError::Root)?;
    let root = here
        .ancestors()
        .find(|directory| directory.join("xtask/Cargo.toml").is_file());
    root.map(Path::to_path_buf).ok_or(TidyError::Root)
}

/// Checks every rule against the repository at `root` and returns the findings in order of path.
///
/// # Errors
/// When a file cannot be read, or Cargo cannot describe the workspace without the network.
pub fn check(root: &Path) -> Result<Vec<Finding>, TidyError> {
    let tree = Tree::read(root)?;
    let members = crates::read(root)?;
    let mut findings = Vec::new();
    crates::check(&tree, &members, &mut findings);
    source::check(&tree, &mut findings);
    text::check(&tree, &mut findings);
    documents::check(&tree, &mut findings);
    migrations::check(&tree, &mut findings);
    licences::check(&tree, &licences::read(root)?, &mut findings);
    findings.sort();
    findings.dedup();
    Ok(findings)
}

/// The findings as lines of text, with a count at the end.
pub fn report(findings: &[Finding]) -> String {
    let mut lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    lines.push(format!("{} findings", findings.len()));
    lines.join("\n")
}

/// An error and its sources in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        line = format!("{line}: {inner}");
        source = inner.source();
    }
    line
}
