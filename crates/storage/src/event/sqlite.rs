//! Adding events on SQLite: one visit to the connection that the node writes through.

use domain::id::TenantId;
use domain::time::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::OwnedMutexGuard;

use crate::deed::{ADVANCE, EventText, HASH_LEN, NewEvent};
use crate::error::StoreError;
use crate::sqlite_writer::SqliteWriter;
use crate::store::Store;
use crate::write::Ending;

const INSERT: &str =
    "INSERT INTO event (tenant, seq, at, kind, resource_id, data) VALUES (?, ?, ?, ?, ?, ?)";

/// Adds them while it is this process's turn to write.
pub(super) async fn append(
    writer: &SqliteWriter,
    store: &Store,
    turn: OwnedMutexGuard<()>,
    events: &[(TenantId, NewEvent)],
) -> Result<(), StoreError> {
    let (at, ending) = (store.now(), store.ending());
    let mut tenants: Vec<TenantId> = events.iter().map(|(tenant, _)| *tenant).collect();
    tenants.sort_unstable();
    tenants.dedup();
    let of = |wanted: TenantId| {
        let theirs = events.iter().filter(move |(tenant, _)| *tenant == wanted);
        theirs.map(|(_, event)| EventText::of(event)).collect()
    };
    let events: Vec<(TenantId, Vec<EventText>)> = tenants
        .into_iter()
        .map(|tenant| (tenant, of(tenant)))
        .collect();
    let visit = move |connection: &mut Connection| {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (tenant, events) in &events {
            append_here(&transaction, *tenant, events, at)?;
        }
        match ending {
            Ending::Committed => transaction.commit()?,
            Ending::Undone => transaction.rollback()?,
        }
        Ok(())
    };
    writer.visit(turn, visit).await
}

fn append_here(
    transaction: &Transaction<'_>,
    tenant: TenantId,
    events: &[EventText],
    at: Timestamp,
) -> Result<(), StoreError> {
    let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
    let key = tenant.as_bytes().as_slice();
    let last: i64 = transaction
        .prepare_cached(ADVANCE)?
        .query_row((key, 0_i64, [0_u8; HASH_LEN].as_slice(), count), |row| {
            row.get(1)
        })?;
    let mut insert = transaction.prepare_cached(INSERT)?;
    for (event, seq) in events.iter().zip(last - count + 1..) {
        insert.execute((
            key,
            seq,
            at.as_micros(),
            &*event.kind,
            event.resource.as_ref().map(|id| id.as_bytes().as_slice()),
            &event.data,
        ))?;
    }
    Ok(())
}
