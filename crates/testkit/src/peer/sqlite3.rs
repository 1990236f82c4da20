//! The command line of SQLite, of another version than the one that is built in.

use std::path::Path;
use std::time::Duration;

use super::debian;
use crate::process;

const LIMIT: Duration = Duration::from_secs(60);

/// Runs SQL on a file that others have open, as an operator or a panel would.
#[track_caller]
pub fn run(file: &Path, sql: &str) -> String {
    let mut command = debian("sqlite3", "sqlite3");
    command.args(["-bail", "-cmd", ".timeout 10000"]).arg(file);
    let outcome = process::run(&mut command, sql.as_bytes(), LIMIT);
    assert!(outcome.is_success(), "{sql}: {outcome:?}");
    outcome.stdout
}
