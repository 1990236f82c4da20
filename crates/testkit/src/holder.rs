//! Processes that hold a namespace for a test, and how commands get into it.
//!
//! A holder ends when its input is closed, so it ends with the test, however the test ends.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::process;

/// What a holder says when the namespace is as it should be.
pub(crate) const HELD: &str = "held";

/// How a namespace is made and entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// As root.
    Privileged,
    /// With a user namespace around it.
    Unprivileged,
}

/// A process that holds a namespace. It ends with the value.
#[derive(Debug)]
pub(crate) struct Holder {
    entry: Entry,
    child: Child,
    /// Closed when the value goes, or the process: then the holder ends.
    _held: Option<ChildStdin>,
}

impl Holder {
    /// Starts what `command` makes of the first entry that is allowed. Panics with the remedy where none is.
    pub(crate) fn new(remedy: &str, command: impl Fn(Entry) -> Command) -> Self {
        let mut refusals = Vec::new();
        for entry in [Entry::Privileged, Entry::Unprivileged] {
            match Self::start(command(entry), entry) {
                Ok(holder) => return holder,
                Err(refusal) => refusals.push(refusal),
            }
        }
        panic!("{remedy}: {}", refusals.join("; "));
    }

    /// Starts a command that says [`HELD`] and then waits until its input is closed.
    pub(crate) fn start(mut command: Command, entry: Entry) -> Result<Self, String> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|error| format!("unshare cannot be started: {error}"))?;
        let mut answer = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        let read = BufReader::new(stdout).read_line(&mut answer);
        if read.is_ok() && answer.trim() == HELD {
            return Ok(Self {
                entry,
                _held: child.stdin.take(),
                child,
            });
        }
        process::end(&mut child);
        let mut said = String::new();
        if let Some(mut stderr) = child.stderr.take() {
            // What it said before it ended is all there is.
            drop(stderr.read_to_string(&mut said));
        }
        Err(said.trim().to_owned())
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) const fn entry(&self) -> Entry {
        self.entry
    }

    /// What to write before a command so that it runs in this namespace, `--net` or `--mount`; it stays one process.
    pub(crate) fn inside(&self, namespace: &str) -> Vec<OsString> {
        let mut words = vec![
            "nsenter".to_owned(),
            format!("--target={}", self.id()),
            namespace.to_owned(),
        ];
        if self.entry == Entry::Unprivileged {
            words.extend(["--user".to_owned(), "--preserve-credentials".to_owned()]);
        }
        words.push("--".to_owned());
        words.into_iter().map(OsString::from).collect()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        process::end(&mut self.child);
    }
}
