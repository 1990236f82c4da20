//! Runs a program to its end, but not for longer than it may take.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How a program ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
    /// How long it ran.
    pub elapsed: Duration,
}

impl Outcome {
    /// Whether it ended with exit code 0.
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }
}

/// Starts `command`, hands it `input`, and waits until it has closed its output and ended.
///
/// Panics when it cannot be started or takes longer than `limit`.
pub fn run(command: &mut Command, input: &[u8], limit: Duration) -> Outcome {
    let begun = Instant::now();
    let name = command.get_program().to_owned();
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("could not start {}: {error}", name.display()));
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.to_owned();
    // A program that does not read its input closes the pipe: that is its right.
    thread::spawn(move || drop(stdin.write_all(&input)));
    let (done, endings) = mpsc::channel();
    collect(
        child.stdout.take().expect("it is piped"),
        Stream::Out,
        done.clone(),
    );
    collect(
        child.stderr.take().expect("it is piped"),
        Stream::Error,
        done,
    );
    let (mut stdout, mut stderr) = (String::new(), String::new());
    for _ in 0..2 {
        match endings.recv_timeout(limit.saturating_sub(begun.elapsed())) {
            Ok((Stream::Out, text)) => stdout = text,
            Ok((Stream::Error, text)) => stderr = text,
            Err(_) => {
                end(&mut child);
                panic!(
                    "{} did not end within {limit:?}: {stdout}{stderr}",
                    name.display()
                );
            }
        }
    }
    let status = child.wait().expect("it is our child");
    Outcome {
        code: status.code(),
        stdout,
        stderr,
        elapsed: begun.elapsed(),
    }
}

/// Ends a child that is no longer wanted.
pub(crate) fn end(child: &mut Child) {
    // It may have ended by itself.
    drop(child.kill());
    drop(child.wait());
}

#[derive(Clone, Copy)]
enum Stream {
    Out,
    Error,
}

fn collect(
    mut pipe: impl Read + Send + 'static,
    stream: Stream,
    done: mpsc::Sender<(Stream, String)>,
) {
    thread::spawn(move || {
        let mut octets = Vec::new();
        // What was read before a failure is still worth showing.
        drop(pipe.read_to_end(&mut octets));
        let text = String::from_utf8_lossy(&octets).into_owned();
        drop(done.send((stream, text)));
    });
}
