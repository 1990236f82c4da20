//! The connection through which the node writes to SQLite: accounting and the authentication log.
//!
//! The pool that the rest of the store uses hands every statement and every row from thread to
//! thread, which costs more than the statements themselves. Here a whole transaction is one visit
//! to a thread that may block.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::OwnedMutexGuard;

use crate::connection::{SQLITE_BUSY_TIMEOUT, SQLITE_WRITER_CACHE};
use crate::error::StoreError;

mod fold;

use fold::Folding;

/// More statements than its visitors have.
const STATEMENTS_CACHED: usize = 32;

/// The connection, opened by the first visit: commands that write none of this need none.
#[derive(Clone, Debug)]
pub(crate) struct SqliteWriter {
    path: Arc<PathBuf>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of it")]
enum State {
    Idle,
    Open {
        connection: Connection,
        folding: Folding,
    },
    Closed,
}

impl SqliteWriter {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: Arc::new(path.into()),
            state: Arc::new(Mutex::new(State::Idle)),
        }
    }

    /// Closes the connections; visits fail afterwards.
    pub(crate) fn close(&self) {
        let before = std::mem::replace(&mut *self.state(), State::Closed);
        if let State::Open { folding, .. } = before {
            folding.finish();
        }
    }

    /// Does something with the connection, on a thread that may block, while it is this process's
    /// turn to write. What was begun comes to its end even if nobody waits for it.
    pub(crate) async fn visit<T: Send + 'static>(
        &self,
        turn: OwnedMutexGuard<()>,
        visit: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let writer = self.clone();
        let visit = tokio::task::spawn_blocking(move || {
            let result = writer.visit_here(visit);
            drop(turn);
            result
        });
        match visit.await {
            Ok(result) => result,
            Err(gone) if gone.is_panic() => std::panic::resume_unwind(gone.into_panic()),
            // Only a runtime that ends gives up what has not begun.
            Err(_) => Err(sqlx::Error::WorkerCrashed.into()),
        }
    }

    fn visit_here<T>(
        &self,
        visit: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut state = self.state();
        if matches!(*state, State::Idle) {
            *state = State::Open {
                connection: open(&self.path)?,
                folding: Folding::new(&self.path),
            };
        }
        match &mut *state {
            State::Open {
                connection,
                folding,
            } => {
                let result = visit(connection)?;
                folding.go_on(connection);
                Ok(result)
            }
            State::Idle | State::Closed => Err(sqlx::Error::PoolClosed.into()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What a visit that panicked had begun was undone.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn open(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = connect(path)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    connection.pragma_update(None, "cache_size", SQLITE_WRITER_CACHE)?;
    fold::count_pages(&connection);
    Ok(connection)
}

/// A connection to a database that is there, whose journal is a write-ahead log already.
fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(SQLITE_BUSY_TIMEOUT)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}
