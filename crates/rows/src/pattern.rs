//! Regular expressions of rows: written for PCRE, run by an engine whose time is linear in the text.

use regex::bytes::{Captures, Regex, RegexBuilder};

use crate::cause::PatternProblem;

/// Octets that a compiled expression may take.
const COMPILED_OCTETS_MAX: usize = 256 * 1024;

/// What an expression is.
#[derive(Debug)]
pub(crate) enum Pattern {
    Compiled(Regex),
    /// PCRE refuses it too, so FreeRADIUS never finds a match, whichever way it was asked.
    Never,
}

/// The groups of the last match, as `%{0}` to `%{32}`.
#[derive(Debug, Default)]
pub(crate) struct Matched {
    groups: Vec<Box<[u8]>>,
}

/// The last group that an expansion can name.
pub(crate) const GROUP_MAX: usize = 32;

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// When PCRE has what we do not.
    pub(crate) fn compile(expression: &[u8]) -> Result<Self, PatternProblem> {
        let Ok(expression) = std::str::from_utf8(expression) else {
            return Ok(Self::Never);
        };
        if expression.is_empty() {
            return Ok(Self::Never);
        }
        check_support(expression)?;
        let compiled = RegexBuilder::new(&translated(expression))
            .unicode(false)
            .size_limit(COMPILED_OCTETS_MAX)
            .dfa_size_limit(COMPILED_OCTETS_MAX)
            .build();
        match compiled {
            Ok(regex) => Ok(Self::Compiled(regex)),
            Err(regex::Error::CompiledTooBig(_)) => Err(PatternProblem::TooLarge),
            Err(_) => Ok(Self::Never),
        }
    }

    /// Whether the text matches; `None` when there is nothing to match with.
    pub(crate) fn is_match(&self, text: &[u8]) -> Option<bool> {
        match self {
            Self::Compiled(regex) => Some(regex.is_match(text)),
            Self::Never => None,
        }
    }

    /// The groups of the first match.
    pub(crate) fn find(&self, text: &[u8]) -> Option<Matched> {
        match self {
            Self::Compiled(regex) => regex.captures(text).map(|captures| Matched::new(&captures)),
            Self::Never => None,
        }
    }
}

impl Matched {
    fn new(captures: &Captures<'_>) -> Self {
        let groups = captures
            .iter()
            .take(GROUP_MAX + 1)
            .map(|group| group.map_or(&[][..], |group| group.as_bytes()).into())
            .collect();
        Self { groups }
    }

    /// What the group matched; nothing when there is no such group.
    pub(crate) fn group(&self, index: usize) -> &[u8] {
        self.groups.get(index).map_or(&[], |group| group)
    }
}

/// What PCRE has and we do not, wherever it stands.
const FEATURES: [(&str, PatternProblem); 11] = [
    ("(?=", PatternProblem::LookAround),
    ("(?!", PatternProblem::LookAround),
    ("(?<=", PatternProblem::LookAround),
    ("(?<!", PatternProblem::LookAround),
    ("(?P=", PatternProblem::BackReference),
    ("(?>", PatternProblem::Unsupported),
    ("(?(", PatternProblem::Unsupported),
    ("(?R", PatternProblem::Unsupported),
    ("(?|", PatternProblem::Unsupported),
    ("(?#", PatternProblem::Unsupported),
    ("(?&", PatternProblem::Unsupported),
];

fn check_support(expression: &str) -> Result<(), PatternProblem> {
    for (feature, problem) in FEATURES {
        if expression.contains(feature) {
            return Err(problem);
        }
    }
    let mut octets = expression.bytes();
    let mut is_in_class = false;
    while let Some(octet) = octets.next() {
        match octet {
            b'[' => is_in_class = true,
            b']' => is_in_class = false,
            b'\\' => match octets.next() {
                Some(b'1'..=b'9' | b'g' | b'k') if !is_in_class => {
                    return Err(PatternProblem::BackReference);
                }
                Some(b'Q' | b'E' | b'K' | b'R' | b'X' | b'G' | b'c' | b'h' | b'H' | b'N') => {
                    return Err(PatternProblem::Unsupported);
                }
                _ => {}
            },
            _ => {}
        }
    }
    Ok(())
}

/// Rewrites what the two engines read differently: braces that are no repetition, brackets in classes, odd escapes.
fn translated(expression: &str) -> String {
    let mut out = String::with_capacity(expression.len() + 8);
    let mut rest = expression;
    let mut is_in_class = false;
    while let Some(first) = rest.chars().next() {
        let following = &rest[first.len_utf8()..];
        let mut used = first.len_utf8();
        match first {
            '\\' => {
                let escaped = following.chars().next();
                used += escaped.map_or(0, char::len_utf8);
                push_escape(escaped, &mut out);
            }
            '[' if !is_in_class => {
                is_in_class = true;
                out.push('[');
                // A bracket that comes first in a class is a member of it.
                for opening in ["^]", "]"] {
                    if following.starts_with(opening) {
                        out.push_str(&opening.replace(']', "\\]"));
                        used += opening.len();
                        break;
                    }
                }
            }
            '[' if following.starts_with(':') => out.push('['),
            '[' => out.push_str("\\["),
            ']' => {
                // The end of `[:alpha:]` does not end the class.
                is_in_class = is_in_class && out.ends_with(':');
                out.push(']');
            }
            '&' | '~' if is_in_class => {
                out.push('\\');
                out.push(first);
            }
            '{' if !is_in_class && !is_repetition(following) => out.push_str("\\{"),
            _ => out.push(first),
        }
        rest = &rest[used..];
    }
    out
}

fn push_escape(escaped: Option<char>, out: &mut String) {
    match escaped {
        None => out.push('\\'),
        Some(character @ ('<' | '>' | '\'' | '"' | '`')) => out.push(character),
        Some('e') => out.push_str("\\x1b"),
        Some('Z') => out.push('$'),
        Some(character) => {
            out.push('\\');
            out.push(character);
        }
    }
}

fn is_repetition(following: &str) -> bool {
    let Some((inside, _)) = following.split_once('}') else {
        return false;
    };
    let is_number = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
    let (from, to) = inside.split_once(',').unwrap_or((inside, ""));
    !from.is_empty() && is_number(from) && is_number(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expression: &str, text: &str, expected: Option<bool>) {
        let pattern = Pattern::compile(expression.as_bytes()).expect("supported");
        assert_eq!(
            pattern.is_match(text.as_bytes()),
            expected,
            "{expression:?}"
        );
    }

    #[test]
    fn what_pcre_reads_differently_is_rewritten() {
        check("%{User-Name}", "%{User-Name}", Some(true));
        check("[0-9]{2}:", "02:", Some(true));
        check("[[:xdigit:]]{2}x", "afx", Some(true));
        check("^[]a]+$", "a]", Some(true));
        check("[[a]", "[", Some(true));
        check(r"\<a\:b\>", "<a:b>", Some(true));
        check("(?i)^AA", "aa", Some(true));
        check("a{,2}", "a{,2}", Some(true));
    }

    #[test]
    fn what_pcre_refuses_never_matches() {
        for expression in ["", "(", "[0-9", "*"] {
            check(expression, "", None);
        }
    }

    #[test]
    fn what_we_lack_is_an_error() {
        for (expression, expected) in [
            ("a(?=b)", PatternProblem::LookAround),
            ("(?<!a)b", PatternProblem::LookAround),
            (r"(.)\1", PatternProblem::BackReference),
            (r"\Qa.b\E", PatternProblem::Unsupported),
            ("(?>a)", PatternProblem::Unsupported),
            ("(a{1000}){1000}", PatternProblem::TooLarge),
        ] {
            let actual = Pattern::compile(expression.as_bytes()).map(|_| ());
            assert_eq!(actual, Err(expected), "{expression}");
        }
    }
}
