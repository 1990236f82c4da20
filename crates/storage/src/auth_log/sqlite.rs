//! Appending to the authentication log on SQLite: one visit to the connection that the node writes
//! through.

use domain::auth_log::AuthLogEntry;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::OwnedMutexGuard;

use super::hourly::Counts;
use super::reason_text;
use crate::column::{fitting_text, stored_count};
use crate::error::StoreError;
use crate::sqlite_writer::SqliteWriter;

const INSERT: &str = "INSERT INTO auth_log (id, at, tenant, nas, subscriber, username, method, \
    reason, trace, calling_station, called_station, count, last_at) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING";

const COUNT: &str = "INSERT INTO auth_hourly (tenant, subject, object, starts_at, reason, count) \
    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, subject, object, starts_at, reason) \
    DO UPDATE SET count = MIN(count, 9223372036854775807 - excluded.count) + excluded.count";

pub(super) async fn append(
    writer: &SqliteWriter,
    turn: OwnedMutexGuard<()>,
    entries: Vec<AuthLogEntry>,
) -> Result<(), StoreError> {
    let visit = move |connection: &mut Connection| append_here(connection, &entries);
    writer.visit(turn, visit).await
}

fn append_here(connection: &mut Connection, entries: &[AuthLogEntry]) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut insert = transaction.prepare_cached(INSERT)?;
    let mut counts = Counts::default();
    for entry in entries {
        let inserted = insert.execute((
            entry.id.as_bytes().as_slice(),
            entry.at.as_micros(),
            entry.tenant.as_bytes().as_slice(),
            entry.nas.as_bytes().as_slice(),
            entry.subscriber.as_ref().map(|id| id.as_bytes().as_slice()),
            entry.username.as_deref().map(fitting_text),
            entry.method.as_str(),
            reason_text(entry.outcome),
            entry.trace.as_str(),
            entry.calling_station.as_deref().map(fitting_text),
            entry.called_station.as_deref().map(fitting_text),
            stored_count(entry.count),
            entry.last_at.as_micros(),
        ))?;
        // What somebody tries to append again is counted already.
        if 0 < inserted {
            counts.add(entry);
        }
    }
    drop(insert);
    let mut add = transaction.prepare_cached(COUNT)?;
    for ((tenant, subject, object, starts_at, reason), count) in counts.iter() {
        add.execute((
            tenant.as_bytes().as_slice(),
            subject,
            object.as_bytes().as_slice(),
            starts_at.as_micros(),
            reason,
            stored_count(*count),
        ))?;
    }
    drop(add);
    transaction.commit()?;
    Ok(())
}
