//! Rules for every text file: sizes, paths of one machine, promises without an issue.

use super::Finding;
use super::tree::Tree;

const FILE_LEN_BYTES_MAX: usize = 512 * 1024;
const FILE_LINES_MAX: usize = 1_000;

/// Files that people write line by line, and so must be able to read.
const WRITTEN: [&str; 5] = [".rs", ".sh", ".py", ".md", "Makefile"];

/// First names of absolute paths that exist on one machine only.
const PRIVATE_ROOTS: [&str; 4] = ["work", "home", "root", "Users"];

/// Words that promise work; spelled in two halves, so that this file does not break its own rule.
const PROMISES: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for (path, file) in tree.files() {
        if FILE_LEN_BYTES_MAX < file.len_bytes {
            findings.push(Finding::of(
                path,
                format!(
                    "{} bytes, more than {FILE_LEN_BYTES_MAX}: generate it, or fetch it in the test that needs it",
                    file.len_bytes
                ),
            ));
        }
    }
    for (path, text) in tree.texts() {
        check_length(path, text, findings);
        if path != "Cargo.lock" {
            check_lines(path, text, findings);
        }
    }
}

fn check_length(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let lines = text.lines().count();
    if FILE_LINES_MAX < lines && WRITTEN.iter().any(|suffix| path.ends_with(suffix)) {
        findings.push(Finding::of(
            path,
            format!("{lines} lines, more than {FILE_LINES_MAX}: split it by subject"),
        ));
    }
}

fn check_lines(path: &str, text: &str, findings: &mut Vec<Finding>) {
    for (index, line) in text.lines().enumerate() {
        if let Some(root) = PRIVATE_ROOTS.iter().find(|root| names_root(line, root)) {
            findings.push(Finding::at(
                path,
                index + 1,
                format!(
                    "names a path below /{root}, which only one machine has: use a relative path"
                ),
            ));
        }
        if let Some(word) = PROMISES
            .iter()
            .find(|word| promises_without_issue(line, word))
        {
            findings.push(Finding::at(
                path,
                index + 1,
                format!("{word} without an issue: open one and write `{word}(#123)`, or do it now"),
            ));
        }
    }
}

/// True when `line` has `root` as the first name of an absolute path.
fn names_root(line: &str, root: &str) -> bool {
    line.match_indices(root).any(|(at, _)| {
        let Some(before) = line[..at].strip_suffix('/') else {
            return false;
        };
        let starts_path = !before
            .ends_with(|letter: char| letter.is_alphanumeric() || "_-./}>*)".contains(letter));
        let after = &line[at + root.len()..];
        let ends_name =
            !after.starts_with(|letter: char| letter.is_alphanumeric() || "_-".contains(letter));
        starts_path && ends_name
    })
}

fn promises_without_issue(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let after = &line[at + word.len()..];
        let is_word = !line[..at]
            .ends_with(|letter: char| letter.is_alphanumeric() || letter == '_')
            && !after.starts_with(|letter: char| letter.is_alphanumeric() || letter == '_');
        is_word && !names_issue(after)
    })
}

fn names_issue(after: &str) -> bool {
    after
        .strip_prefix("(#")
        .and_then(|rest| rest.split_once(')'))
        .is_some_and(|(number, _)| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::fixture::{Fixture, assert_findings};

    #[track_caller]
    fn check_text(path: &str, text: &str, expected: &[&str]) {
        let mut findings = Vec::new();
        check(&Fixture::new(&[(path, text)]).tree(), &mut findings);
        assert_findings(findings, expected);
    }

    #[test]
    fn file_of_many_lines_is_split() {
        check_text("src/lib.rs", &"\n".repeat(FILE_LINES_MAX), &[]);
        check_text(
            "src/lib.rs",
            &"\n".repeat(FILE_LINES_MAX + 1),
            &["src/lib.rs: 1001 lines"],
        );
        check_text("Cargo.lock", &"\n".repeat(FILE_LINES_MAX + 1), &[]);
    }

    #[test]
    fn file_of_many_bytes_is_refused() {
        check_text("capture.txt", &"x".repeat(FILE_LEN_BYTES_MAX), &[]);
        check_text(
            "capture.txt",
            &"x".repeat(FILE_LEN_BYTES_MAX + 1),
            &["capture.txt: 524289 bytes"],
        );
    }

    #[test]
    fn path_of_one_machine_is_refused() {
        for root in PRIVATE_ROOTS {
            check_text(
                "run.sh",
                &format!("\ncd /{root}/x\n"),
                &["run.sh:2: names a path below"],
            );
            check_text(
                "notes.md",
                &format!("see `/{root}`."),
                &["notes.md:1: names a path below"],
            );
        }
    }

    #[test]
    fn path_that_only_looks_like_one_machine_is_kept() {
        for text in [
            "https://example.net/home/x",
            "and/work",
            "$HOME/root/x",
            "/homes",
            "./root/x",
            "/rootfs",
        ] {
            check_text("notes.md", text, &[]);
        }
    }

    #[test]
    fn promise_needs_an_issue() {
        for word in PROMISES {
            check_text("a.rs", &format!("// {word}: later"), &["a.rs:1: "]);
            check_text("a.rs", &format!("// {word}(#): later"), &["a.rs:1: "]);
            check_text("a.rs", &format!("// {word}(#12): later"), &[]);
            check_text("a.rs", &format!("{word}S and a{word}"), &[]);
        }
    }
}
