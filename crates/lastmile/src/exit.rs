//! Exit codes, and how an error is told: one line, the chain of its causes.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

/// How a command ended, as scripts see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It did what it was asked.
    Done,
    /// It could not.
    Failed,
    /// It was asked in a way that means nothing.
    Usage,
    /// What it was asked about is not there.
    NotFound,
    /// The system refused it.
    Denied,
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(match status {
            ExitStatus::Done => 0,
            ExitStatus::Failed => 1,
            ExitStatus::Usage => 2,
            ExitStatus::NotFound => 3,
            ExitStatus::Denied => 4,
        })
    }
}

/// Shows an error and its causes, separated by colons, on one line.
pub struct ErrorChain<'e>(pub &'e (dyn Error + 'static));

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = String::new();
        for cause in causes(self.0) {
            let text = one_line(&cause.to_string());
            // Some libraries repeat the cause in their own message.
            if told.ends_with(&text) {
                continue;
            }
            if !told.is_empty() {
                told.push_str(": ");
            }
            told.push_str(&text);
        }
        formatter.write_str(&told)
    }
}

/// Whether the system refused something: a file, a directory, a port.
pub(crate) fn is_denied(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    })
}

fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'e (dyn Error + 'static)| {
        (*error).source()
    })
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("could not open the file")]
    struct Outer(#[source] io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("could not start: {0}")]
    struct Repeating(#[source] io::Error);

    #[test]
    fn a_chain_is_one_line_and_says_nothing_twice() {
        let inner = || io::Error::new(io::ErrorKind::PermissionDenied, "not\nyours");
        assert_eq!(
            ErrorChain(&Outer(inner())).to_string(),
            "could not open the file: not yours"
        );
        assert_eq!(
            ErrorChain(&Repeating(inner())).to_string(),
            "could not start: not yours"
        );
    }

    #[test]
    fn a_refusal_of_the_system_is_seen_through_the_chain() {
        assert!(is_denied(&Outer(io::ErrorKind::PermissionDenied.into())));
        assert!(!is_denied(&Outer(io::ErrorKind::NotFound.into())));
    }
}
