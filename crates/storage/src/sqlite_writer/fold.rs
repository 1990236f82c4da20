//! Folding the write-ahead log into the database file, beside the commits.
//!
//! SQLite does it within a commit when the log has grown enough, and that commit then waits for
//! thousands of pages and for the disk. Here another thread folds while commits go on. What they
//! add meanwhile is folded by the second turn, and what is added to that within a commit: it is
//! little, and only a log that is folded whole begins at its front again.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use rusqlite::hooks::Wal;
use tracing::warn;

/// Pages of 4 KiB that the log has grown by when they are folded: 32 MiB. A page that many commits
/// touched is written once.
const PAGES: u32 = 8_192;

/// Pages at which commits wait for the other thread: 128 MiB.
const PAGES_MAX: u32 = 4 * PAGES;

/// Turns of the other thread before the rest is folded within a commit.
const TURNS: u8 = 2;

/// Folds what is committed, whether or not somebody reads; it waits for nobody.
const FOLD: &str = "PRAGMA wal_checkpoint(PASSIVE)";

thread_local! {
    /// Pages in the log after the last commit on this thread.
    static PAGES_NOW: Cell<u32> = const { Cell::new(0) };
}

/// Lets commits on this connection say how long the log is. SQLite folds nothing by itself then.
pub(super) fn count_pages(connection: &Connection) {
    connection.wal_hook(Some(note_pages));
}

fn note_pages(_: &Wal, pages: i32) -> rusqlite::Result<()> {
    PAGES_NOW.set(pages.unsigned_abs());
    Ok(())
}

/// How far the log is folded.
#[derive(Debug)]
pub(super) struct Folding {
    path: PathBuf,
    /// Pages after the last commit. When there are fewer, the log began again.
    pages: u32,
    /// Pages at which it is folded next.
    due: u32,
    turn: u8,
    /// For the other thread, while it has nothing to do.
    connection: Option<Connection>,
    running: Option<JoinHandle<Folded>>,
}

/// The connection of a turn that has come to its end, and how it came out.
type Folded = Result<Connection, rusqlite::Error>;

impl Folding {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.into(),
            pages: 0,
            due: PAGES,
            turn: 0,
            connection: None,
            running: None,
        }
    }

    /// Does what is due after a commit on `connection`. Whatever fails is tried again when the log
    /// has grown as much again; what is committed is safe in the log.
    pub(super) fn go_on(&mut self, connection: &Connection) {
        let pages = PAGES_NOW.get();
        if pages < self.pages {
            self.due = PAGES;
        }
        self.pages = pages;
        let is_running = self.running.is_some();
        let is_long = PAGES_MAX <= pages;
        if let Some(ended) = self
            .running
            .take_if(|running| is_long || running.is_finished())
        {
            self.end_turn(ended, connection);
        } else if !is_running && self.due <= pages {
            self.turn = 0;
            self.begin_turn();
        }
    }

    /// Waits for a turn that is under way.
    pub(super) fn finish(self) {
        if let Some(running) = self.running {
            // How it came out does not matter: the log stays valid.
            let _ = running.join();
        }
    }

    fn begin_turn(&mut self) {
        self.due = self.pages + PAGES;
        let path = self.path.clone();
        let known = self.connection.take();
        let turn = move || -> Folded {
            let connection = match known {
                Some(connection) => connection,
                None => super::connect(&path)?,
            };
            fold(&connection)?;
            Ok(connection)
        };
        match thread::Builder::new().name("fold".into()).spawn(turn) {
            Ok(running) => self.running = Some(running),
            Err(problem) => warn!(%problem, "No thread to fold SQLite's log; it is tried again"),
        }
    }

    fn end_turn(&mut self, ended: JoinHandle<Folded>, connection: &Connection) {
        self.turn += 1;
        let outcome = match ended.join() {
            Ok(Ok(known)) => {
                self.connection = Some(known);
                if self.turn < TURNS {
                    return self.begin_turn();
                }
                fold(connection)
            }
            Ok(Err(problem)) => Err(problem),
            Err(_) => return warn!("Folding SQLite's log panicked; it is tried again"),
        };
        if let Err(problem) = outcome {
            warn!(%problem, "SQLite's log cannot be folded into the database; it is tried again");
        }
    }
}

/// Answers whether somebody else was at it, and how far it came, which the next turn finds out.
fn fold(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.query_row(FOLD, [], |_| Ok(()))
}

#[cfg(test)]
mod tests;
