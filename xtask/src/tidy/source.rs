//! Rules for Rust sources: module lines, function sizes, words that have one place or none.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;

use super::Finding;
use super::lexeme::{self, Lexeme, starts_with};
use super::outline::Outline;
use super::tree::Tree;

const FUNCTION_LINES_MAX: usize = 70;

/// A run of tokens that is refused, at least in some places.
struct Banned {
    /// Identifiers and punctuation, as the lexer separates them.
    tokens: &'static [&'static str],
    /// Where it may appear.
    home: Home,
    remedy: &'static str,
}

/// Where a run of tokens may appear.
enum Home {
    /// Nowhere.
    None,
    /// In files whose path begins with one of these.
    In(&'static [&'static str]),
    /// In files whose path begins with one of these, and in tests.
    InOrTests(&'static [&'static str]),
    /// Everywhere but in files whose path begins with one of these; their tests may.
    NotIn(&'static [&'static str]),
}

const SUPERVISOR: Home = Home::InOrTests(&["crates/lastmile/src/supervisor.rs", "crates/testkit/"]);
const SQL: Home = Home::In(&["crates/storage/", "crates/testkit/"]);
const PURE: Home = Home::NotIn(&["crates/domain/src/", "crates/radius/src/"]);

const SPAWN_REMEDY: &str = "give the task to the supervisor, or join it through a `JoinSet`";
const SQL_REMEDY: &str = "SQL lives in crates/storage: add a `Store` method";
const PURE_REMEDY: &str =
    "this crate has no sockets and no clock: take bytes and time as arguments";

const BANNED: &[Banned] = &[
    Banned {
        tokens: &["#", "[", "ignore"],
        home: Home::None,
        remedy: "a test runs or is deleted",
    },
    Banned {
        tokens: &["#", "[", "should_panic"],
        home: Home::None,
        remedy: "return the error and compare it",
    },
    Banned {
        tokens: &["todo", "!"],
        home: Home::None,
        remedy: "write it, or open an issue",
    },
    Banned {
        tokens: &["unimplemented", "!"],
        home: Home::None,
        remedy: "write it, or open an issue",
    },
    Banned {
        tokens: &["tokio", "::", "spawn"],
        home: SUPERVISOR,
        remedy: SPAWN_REMEDY,
    },
    Banned {
        tokens: &["task", "::", "spawn"],
        home: SUPERVISOR,
        remedy: SPAWN_REMEDY,
    },
    Banned {
        tokens: &["sea_orm"],
        home: SQL,
        remedy: SQL_REMEDY,
    },
    Banned {
        tokens: &["sqlx"],
        home: SQL,
        remedy: SQL_REMEDY,
    },
    Banned {
        tokens: &["UdpSocket"],
        home: PURE,
        remedy: PURE_REMEDY,
    },
    Banned {
        tokens: &["TcpStream"],
        home: PURE,
        remedy: PURE_REMEDY,
    },
    Banned {
        tokens: &["TcpListener"],
        home: PURE,
        remedy: PURE_REMEDY,
    },
    Banned {
        tokens: &["Instant", "::", "now"],
        home: PURE,
        remedy: PURE_REMEDY,
    },
    Banned {
        tokens: &["SystemTime", "::", "now"],
        home: PURE,
        remedy: PURE_REMEDY,
    },
    Banned {
        tokens: &["Timestamp", "::", "now"],
        home: PURE,
        remedy: PURE_REMEDY,
    },
];

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for (path, text) in tree.rust() {
        check_module(path, text, findings);
        match syn::parse_file(text) {
            Ok(file) => check_file(path, text, &file, findings),
            Err(error) => {
                let line = error.span().start().line;
                findings.push(Finding::at(path, line, format!("does not parse: {error}")));
            }
        }
    }
}

fn check_module(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let opening = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("//! "));
    if opening.is_none_or(|sentence| sentence.trim().is_empty()) {
        findings.push(Finding::at(
            path,
            1,
            "opens without a `//!` line: say in one sentence what the module is for",
        ));
    }
    if path == "mod.rs" || path.ends_with("/mod.rs") {
        findings.push(Finding::of(
            path,
            "is a `mod.rs`: call the file after the module, beside its directory",
        ));
    }
}

fn check_file(path: &str, text: &str, file: &syn::File, findings: &mut Vec<Finding>) {
    let Ok(stream) = text.parse::<TokenStream>() else {
        // The shebang line is all that the parser takes and the lexer does not; we write none.
        findings.push(Finding::at(
            path,
            1,
            "opens with a shebang line: scripts live in scripts/",
        ));
        return;
    };
    let mut lexemes = Vec::new();
    lexeme::collect(stream, &mut lexemes);

    let outline = Outline::of(file);
    check_functions(path, &outline, &lexemes, findings);
    check_words(path, &outline, &lexemes, findings);
    check_allows(path, &lexemes, findings);
}

fn check_functions(path: &str, outline: &Outline, lexemes: &[Lexeme], findings: &mut Vec<Finding>) {
    let lines: BTreeSet<usize> = lexemes
        .iter()
        .flat_map(|lexeme| lexeme.lines.clone())
        .collect();
    for function in &outline.functions {
        let count = lines.range(function.inside()).count();
        if FUNCTION_LINES_MAX < count && !function.has_reason {
            findings.push(Finding::at(
                path,
                *function.lines.start(),
                format!(
                    "function `{}` has {count} lines, more than {FUNCTION_LINES_MAX}: split it, or give the reason in \
                     `#[expect(clippy::too_many_lines, reason = \"…\")]`",
                    function.name
                ),
            ));
        }
    }
}

fn check_words(path: &str, outline: &Outline, lexemes: &[Lexeme], findings: &mut Vec<Finding>) {
    let is_test_file = ["/tests/", "/benches/", "/tests.rs"]
        .iter()
        .any(|part| path.contains(part));
    for (at, lexeme) in lexemes.iter().enumerate() {
        let line = *lexeme.lines.start();
        let is_test = is_test_file || outline.tests.iter().any(|lines| lines.contains(&line));
        let rest = &lexemes[at..];
        for banned in BANNED {
            if starts_with(rest, banned.tokens) && !banned.home.admits(path, is_test) {
                let shown = banned.tokens.concat();
                findings.push(Finding::at(
                    path,
                    line,
                    format!("`{shown}` has no place here: {}", banned.remedy),
                ));
            }
        }
    }
}

fn check_allows(path: &str, lexemes: &[Lexeme], findings: &mut Vec<Finding>) {
    for (at, lexeme) in lexemes.iter().enumerate() {
        let rest = &lexemes[at..];
        let is_allow =
            starts_with(rest, &["#", "[", "allow"]) || starts_with(rest, &["#", "!", "[", "allow"]);
        let has_reason = || {
            rest.iter()
                .take_while(|lexeme| lexeme.text != "]")
                .any(|lexeme| lexeme.text == "reason")
        };
        if is_allow && !has_reason() {
            findings.push(Finding::at(
                path,
                *lexeme.lines.start(),
                "an `allow` without a reason: write `#[expect(…, reason = \"…\")]`, which goes when it is no longer true",
            ));
        }
    }
}

impl Home {
    fn admits(&self, path: &str, is_test: bool) -> bool {
        let is_below = |homes: &[&str]| homes.iter().any(|home| path.starts_with(home));
        match self {
            Self::None => false,
            Self::In(homes) => is_below(homes),
            Self::InOrTests(homes) => is_test || is_below(homes),
            Self::NotIn(strangers) => is_test || !is_below(strangers),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::fixture::{Fixture, assert_findings};

    #[track_caller]
    fn check_source(path: &str, body: &str, expected: &[&str]) {
        let text = format!("//! Test.\n{body}\n");
        let mut findings = Vec::new();
        check(&Fixture::new(&[(path, &text)]).tree(), &mut findings);
        assert_findings(findings, expected);
    }

    fn function(lines: usize, attribute: &str) -> String {
        let body =
            "    // Comments and blank lines do not count.\n\n    let _ = 1;\n".repeat(lines);
        format!("{attribute}\nfn long() {{\n{body}}}")
    }

    #[track_caller]
    fn check_opening(path: &str, text: &str, expected: &[&str]) {
        let mut findings = Vec::new();
        check(&Fixture::new(&[(path, text)]).tree(), &mut findings);
        assert_findings(findings, expected);
    }

    #[test]
    fn module_opens_with_a_sentence() {
        check_opening("a/src/lib.rs", "//! What it is for.\n", &[]);
        check_opening("a/src/lib.rs", "//!\n", &["a/src/lib.rs:1: opens without"]);
        check_opening(
            "a/build.rs",
            "fn main() {}\n",
            &["a/build.rs:1: opens without"],
        );
        check_opening("a/benches/b.rs", "", &["a/benches/b.rs:1: opens without"]);
    }

    #[test]
    fn module_is_not_called_mod() {
        check_source("a/src/b/mod.rs", "", &["a/src/b/mod.rs: is a `mod.rs`"]);
        check_source("a/src/b/quasimod.rs", "", &[]);
    }

    #[test]
    fn source_that_does_not_parse_is_a_finding() {
        check_source("a/src/lib.rs", "fn (", &["a/src/lib.rs:2: does not parse"]);
    }

    #[test]
    fn function_is_short() {
        check_source("a/src/lib.rs", &function(70, ""), &[]);
        check_source(
            "a/src/lib.rs",
            &function(71, ""),
            &["a/src/lib.rs:3: function `long` has 71 lines"],
        );
        check_source("a/src/lib.rs", "fn empty() {}\nfn two() {\n}\n", &[]);
    }

    #[test]
    fn documentation_inside_a_function_does_not_count() {
        let body = "let _ = 1;\n".repeat(69);
        let text = format!("fn long() {{\n{body}/// One.\n/// Two.\nconst LIMIT: u8 = 1;\n}}");
        check_source("a/src/lib.rs", &text, &[]);
    }

    #[test]
    fn method_and_default_method_are_short() {
        let body = "let _ = 1;\n".repeat(71);
        let text = format!(
            "impl A {{ fn of() {{\n{body}}} }}\ntrait B {{ fn by() {{\n{body}}}\nfn none(); }}"
        );
        check_source(
            "a/src/lib.rs",
            &text,
            &[
                "a/src/lib.rs:2: function `of`",
                "a/src/lib.rs:75: function `by`",
            ],
        );
    }

    #[test]
    fn long_function_gives_its_reason() {
        let reasoned = "#[expect(clippy::too_many_lines, reason = \"one table\")]";
        check_source("a/src/lib.rs", &function(71, reasoned), &[]);
        let bare = "#[expect(clippy::too_many_lines)]";
        check_source(
            "a/src/lib.rs",
            &function(71, bare),
            &["a/src/lib.rs:3: function `long`"],
        );
    }

    #[test]
    fn tests_are_run_and_do_not_panic_on_purpose() {
        check_source(
            "a/tests/t.rs",
            "#[test]\n#[ignore]\nfn t() {}",
            &["a/tests/t.rs:3: `#[ignore`"],
        );
        check_source(
            "a/tests/t.rs",
            "#[test]\n#[should_panic(expected = \"x\")]\nfn t() {}",
            &["a/tests/t.rs:3: `#[should_panic`"],
        );
    }

    #[test]
    fn unwritten_code_is_refused() {
        check_source(
            "a/src/lib.rs",
            "fn a() { todo!() }\nfn b() { unimplemented!(\"x\") }",
            &[
                "a/src/lib.rs:2: `todo!`",
                "a/src/lib.rs:3: `unimplemented!`",
            ],
        );
    }

    #[test]
    fn allow_gives_its_reason() {
        let refused = &["a/src/lib.rs:2: an `allow` without a reason"];
        check_source("a/src/lib.rs", "#[allow(dead_code)]\nfn a() {}", refused);
        check_source("a/src/lib.rs", "#![allow(dead_code)]", refused);
        check_source(
            "a/src/lib.rs",
            "#[allow(dead_code, reason = \"x\")]\nfn a() {}",
            &[],
        );
        check_source(
            "a/src/lib.rs",
            "fn a() { #[allow(unused)] let b = 1; }",
            refused,
        );
    }

    #[test]
    fn tasks_start_in_the_supervisor_and_in_tests() {
        let spawn = "fn a() { select! { x => tokio::spawn(async {}) } }";
        check_source(
            "crates/aaa/src/node.rs",
            spawn,
            &["crates/aaa/src/node.rs:2: `tokio::spawn`"],
        );
        check_source("crates/lastmile/src/supervisor.rs", spawn, &[]);
        check_source("crates/lastmile/tests/serve.rs", spawn, &[]);
        check_source("crates/testkit/src/lib.rs", spawn, &[]);
        check_source(
            "crates/aaa/src/node.rs",
            &format!("#[cfg(test)]\nmod tests {{\n{spawn}\n}}"),
            &[],
        );
        check_source(
            "crates/aaa/src/node.rs",
            &format!("#[tokio::test]\nasync {spawn}"),
            &[],
        );
        check_source(
            "crates/aaa/src/node.rs",
            "fn a() { task::spawn(b()); task::spawn_blocking(c) }",
            &["crates/aaa/src/node.rs:2: `task::spawn`"],
        );
    }

    #[test]
    fn sql_is_named_in_storage() {
        check_source("crates/storage/src/lib.rs", "use sea_orm::Database;", &[]);
        check_source("crates/testkit/src/lib.rs", "use sqlx::Row;", &[]);
        check_source(
            "crates/lastmile/tests/serve.rs",
            "use sea_orm::Database;\n/// Not sqlx, which a sentence may name.\nuse sqlx::Row;",
            &[
                "crates/lastmile/tests/serve.rs:2: `sea_orm`",
                "crates/lastmile/tests/serve.rs:4: `sqlx`",
            ],
        );
    }

    #[test]
    fn pure_crates_have_no_socket_and_no_clock() {
        check_source(
            "crates/radius/src/client.rs",
            "use std::net::UdpSocket;\nfn a() { Instant::now(); }",
            &[
                "crates/radius/src/client.rs:2: `UdpSocket`",
                "crates/radius/src/client.rs:3: `Instant::now`",
            ],
        );
        check_source(
            "crates/radius/src/client.rs",
            "#[test]\nfn a() { Instant::now(); }",
            &[],
        );
        check_source("crates/aaa/src/node.rs", "fn a() { Instant::now(); }", &[]);
    }
}
