//! A data directory for one test, and the program run on it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use testkit::process::{self, Outcome};

const COMMAND_TIME: Duration = Duration::from_secs(60);

/// A place where nothing has been run yet.
pub(crate) struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    /// A place with a plan `home` and a subscriber `ana` on it.
    pub(crate) fn with_subscriber() -> Self {
        let place = Self::new();
        place.done("plan add home --rate 25M/50M");
        place.done("subscriber add ana --password first-pass --plan home");
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("the directory is ours");
        path.display().to_string()
    }

    /// Runs a command; its words are separated by spaces.
    pub(crate) fn run(&self, line: &str) -> Outcome {
        self.run_with("", &line.split(' ').collect::<Vec<_>>())
    }

    /// Runs a command with something on its standard input.
    pub(crate) fn run_with(&self, input: &str, words: &[&str]) -> Outcome {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lastmile"));
        command
            .env_clear()
            .current_dir(self.dir.path())
            .args(["--data-dir", "data"])
            .args(words);
        process::run(&mut command, input.as_bytes(), COMMAND_TIME)
    }

    /// Runs a command that must succeed; gives its standard output.
    #[track_caller]
    pub(crate) fn done(&self, line: &str) -> String {
        let outcome = self.run(line);
        assert!(outcome.is_success(), "{line}: {outcome:?}");
        outcome.stdout
    }

    /// Runs a command that must succeed, and reads its JSON.
    #[track_caller]
    pub(crate) fn json(&self, line: &str) -> Value {
        let stdout = self.done(&format!("{line} --output json"));
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{line}: {error}: {stdout}"))
    }

    /// Checks the exit code of a command that fails, and the one line that says why.
    #[track_caller]
    pub(crate) fn check_refused(&self, line: &str, code: i32, expected: &str) {
        let outcome = self.run(line);
        assert_eq!(outcome.code, Some(code), "{line}: {outcome:?}");
        assert_eq!(outcome.stderr, format!("error: {expected}\n"), "{line}");
        assert_eq!(outcome.stdout, "", "{line}");
    }
}
