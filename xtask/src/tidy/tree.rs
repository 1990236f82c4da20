//! The files of the repository, read once and shared by the rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path};

use ignore::WalkBuilder;

use super::TidyError;

/// Every file that Git does not ignore, by path relative to the root with `/` between names.
pub(super) struct Tree {
    files: BTreeMap<String, File>,
    directories: BTreeSet<String>,
}

/// One file of the repository.
pub(super) struct File {
    pub(super) len_bytes: usize,
    /// `None` when the content is not UTF-8.
    pub(super) text: Option<String>,
}

impl Tree {
    /// Reads the files below `root`, hidden ones included.
    pub(super) fn read(root: &Path) -> Result<Self, TidyError> {
        let mut tree = Self {
            files: BTreeMap::new(),
            directories: BTreeSet::new(),
        };
        let walk = WalkBuilder::new(root)
            .hidden(false)
            .parents(false)
            .git_global(false)
            .git_exclude(false)
            .require_git(false)
            .filter_entry(|entry| entry.file_name() != ".git")
            .build();
        for entry in walk {
            let entry = entry.map_err(TidyError::List)?;
            let name = relative(root, entry.path());
            match entry.file_type() {
                Some(kind) if kind.is_dir() => {
                    tree.directories.insert(name);
                }
                Some(kind) if kind.is_file() => {
                    tree.files.insert(name, File::read(entry.path())?);
                }
                Some(_) | None => {}
            }
        }
        Ok(tree)
    }

    /// Files with their content, in order of path.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .filter_map(|(path, file)| Some((path.as_str(), file.text.as_deref()?)))
    }

    /// Rust sources with their content, in order of path.
    pub(super) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(|(path, _)| path.ends_with(".rs"))
    }

    /// Every file, in order of path.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &File)> {
        self.files.iter().map(|(path, file)| (path.as_str(), file))
    }

    /// The content of a file, when it is there and is text.
    pub(super) fn find_text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.text.as_deref()
    }

    /// True for a file or a directory.
    pub(super) fn contains(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.files.contains_key(path) || self.directories.contains(path)
    }

    /// Names of the directories directly below `parent`.
    pub(super) fn directories_in(&self, parent: &str) -> impl Iterator<Item = &str> {
        let prefix = format!("{parent}/");
        self.directories
            .iter()
            .filter_map(move |path| path.strip_prefix(&prefix))
            .filter(|name| !name.contains('/'))
    }
}

impl File {
    fn read(path: &Path) -> Result<Self, TidyError> {
        let bytes = fs::read(path).map_err(|source| TidyError::Read {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            len_bytes: bytes.len(),
            text: String::from_utf8(bytes).ok(),
        })
    }
}

/// Joins `target` to `directory` and resolves `.` and `..`; `None` when that leaves the repository.
pub(super) fn resolve(directory: &str, target: &str) -> Option<String> {
    let mut names: Vec<&str> = directory
        .split('/')
        .filter(|name| !name.is_empty())
        .collect();
    for name in target.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop()?;
            }
            name => names.push(name),
        }
    }
    Some(names.join("/"))
}

/// The directory that a file is in; empty for the root.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

fn relative(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    let names: Vec<_> = path
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_string_lossy()),
            Component::Prefix(_)
            | Component::RootDir
            | Component::CurDir
            | Component::ParentDir => None,
        })
        .collect();
    names.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::fixture::Fixture;

    #[test]
    fn tree_leaves_out_what_git_ignores() {
        let fixture = Fixture::new(&[
            (".gitignore", "target/\n"),
            (".git/HEAD", "ref"),
            ("target/junk.rs", "junk"),
            (".ci/run", "make test\n"),
        ]);
        let tree = fixture.tree();
        let paths: Vec<&str> = tree.files().map(|(path, _)| path).collect();
        assert_eq!(paths, [".ci/run", ".gitignore"]);
        assert!(tree.contains(".ci/"));
        assert!(!tree.contains("target"));
    }

    #[test]
    fn tree_keeps_the_size_of_files_that_are_not_text() {
        let fixture = Fixture::new(&[]);
        fixture.write("logo.png", &[0xff, 0xfe]);
        let tree = fixture.tree();
        assert_eq!(tree.find_text("logo.png"), None);
        assert_eq!(
            tree.files()
                .map(|(_, file)| file.len_bytes)
                .collect::<Vec<_>>(),
            [2]
        );
    }

    #[track_caller]
    fn check_resolve(directory: &str, target: &str, expected: Option<&str>) {
        assert_eq!(resolve(directory, target).as_deref(), expected);
    }

    #[test]
    fn resolve_follows_parents_and_stays_inside() {
        check_resolve("docs", "nas.md", Some("docs/nas.md"));
        check_resolve("docs/how", "../../README.md", Some("README.md"));
        check_resolve("", "./LICENSE-MIT", Some("LICENSE-MIT"));
        check_resolve("docs", "../../elsewhere.md", None);
    }
}
