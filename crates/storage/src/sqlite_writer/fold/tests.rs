//! A log that grows is folded, keeps its size, and loses nothing.

use std::fs;

use super::*;

const ROWS: i64 = 40_000;
/// The most that the log grows to, with what is folded last.
const LOG_OCTETS_MAX: u64 = (4_096 + 24) * (PAGES_MAX + 1_024) as u64;

#[test]
fn a_log_that_grows_for_long_is_folded_and_begins_again() -> Result<(), Box<dyn std::error::Error>>
{
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("some.db");
    let connection = Connection::open(&path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // What a crash would cost is not asked here.
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.execute_batch("CREATE TABLE note (id INTEGER PRIMARY KEY, text BLOB NOT NULL)")?;
    count_pages(&connection);
    let mut folding = Folding::new(&path);
    let mut largest = 0;
    for id in 0..ROWS {
        connection.execute("INSERT INTO note VALUES (?, zeroblob(3000))", [id])?;
        folding.go_on(&connection);
        largest = largest.max(folding.pages);
    }
    let log = fs::metadata(directory.path().join("some.db-wal"))?.len();
    assert!(PAGES <= largest, "{largest} pages are no test");
    assert!(log <= LOG_OCTETS_MAX, "{log} octets");
    folding.finish();
    drop(connection);
    let connection = Connection::open(&path)?;
    let count: i64 = connection.query_row("SELECT count(*) FROM note", [], |row| row.get(0))?;
    assert_eq!(count, ROWS);
    Ok(())
}
