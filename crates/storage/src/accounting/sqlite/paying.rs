//! What goes beyond a quota is taken from the subscriber's top-ups.

use domain::id::Id;
use domain::limit::{Beyond, TopUp, TopUpMeasure, consume};
use domain::time::Timestamp;
use rusqlite::{Row, Transaction};
use uuid::Uuid;

use crate::column::{loaded_count, stored_count};
use crate::error::StoreError;
use crate::top_up::{Payer, live_at};

const SET: &str = "UPDATE top_up SET used = ? WHERE id = ?";
const TELL: &str = "INSERT INTO change (tenant, kind, key, at) VALUES (?, 'subscriber', ?, ?)";

/// A top-up as it is stored.
struct Stored {
    id: Uuid,
    measure: String,
    amount: i64,
    used: i64,
    ends_at: Option<i64>,
}

pub(super) fn pay(
    transaction: &Transaction<'_>,
    payer: Payer,
    beyond: Beyond,
    at: Timestamp,
) -> Result<(), StoreError> {
    let subscriber = payer.subscriber.as_bytes().as_slice();
    let sql = format!(
        "SELECT id, measure, amount, used, ends_at FROM top_up WHERE subscriber = ? AND {}",
        live_at(at)
    );
    let mut select = transaction.prepare(&sql)?;
    let stored = select.query_map([subscriber], read)?;
    let stored: Vec<Stored> = stored.collect::<Result<_, _>>()?;
    // One that cannot be read is worth nothing, and holds up no accounting.
    let mut top_ups: Vec<_> = stored.iter().filter_map(Stored::to_domain).collect();
    let changed = consume(&mut top_ups, beyond, at);
    let mut set = transaction.prepare_cached(SET)?;
    for place in &changed {
        let TopUp { id, used, .. } = top_ups[*place];
        set.execute((stored_count(used), id.as_bytes().as_slice()))?;
    }
    if !changed.is_empty() {
        let mut tell = transaction.prepare_cached(TELL)?;
        let tenant = payer.tenant.as_bytes().as_slice();
        tell.execute((tenant, subscriber, at.as_micros()))?;
    }
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Stored, rusqlite::Error> {
    let id: [u8; 16] = row.get(0)?;
    Ok(Stored {
        id: Uuid::from_bytes(id),
        measure: row.get(1)?,
        amount: row.get(2)?,
        used: row.get(3)?,
        ends_at: row.get(4)?,
    })
}

impl Stored {
    fn to_domain(&self) -> Option<TopUp> {
        Some(TopUp {
            id: Id::from_uuid(self.id),
            measure: TopUpMeasure::find(&self.measure)?,
            amount: loaded_count(self.amount),
            used: loaded_count(self.used),
            ends_at: self.ends_at.map(Timestamp::from_micros),
        })
    }
}
