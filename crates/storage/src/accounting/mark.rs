//! How far each source's records are stored: the mark moves in the transaction that stores them.
//!
//! A transaction takes the row of its source before it applies anything, so two that speak of the
//! same records come one after the other, and the later one finds them stored.

use domain::accounting::{Origin, SourceId};
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, Value};
use uuid::Uuid;

use crate::column::stored_count;
use crate::error::StoreError;
use crate::store::Store;
use crate::write::Write;

/// Leaves a mark alone that is not before the new records; PostgreSQL locks its row all the same.
const ADVANCE: &str = "INSERT INTO accounting_mark (source, stored, at) VALUES ($1, $2, $3) \
    ON CONFLICT (source) DO UPDATE SET stored = excluded.stored, at = excluded.at \
    WHERE accounting_mark.stored < $4";

impl Store {
    /// Forgets the marks of sources that have stored nothing since `before`, and says how many.
    pub async fn accounting_mark_prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        let write = self.write().await?;
        let delete = "DELETE FROM accounting_mark WHERE at < $1";
        let statement = write
            .dialect()
            .statement(delete, [before.as_micros().into()]);
        let result = write.connection().execute_raw(statement).await?;
        write.commit().await?;
        Ok(result.rows_affected())
    }
}

/// Moves the mark of the source behind the last of `count` records, and says how many of them,
/// from the first on, are stored already.
pub(super) async fn advance(
    write: &Write,
    origin: Origin,
    count: usize,
) -> Result<usize, StoreError> {
    let source = source_value(origin.source);
    let last = origin.plus(count as u64 - 1).first;
    let dialect = write.dialect();
    let at: Value = write.at().as_micros().into();
    let values: [Value; 4] = [
        source.clone(),
        stored_count(last).into(),
        at.clone(),
        stored_count(origin.first).into(),
    ];
    let advance = dialect.statement(ADVANCE, values);
    let result = write.connection().execute_raw(advance).await?;
    if result.rows_affected() != 0 {
        return Ok(0);
    }
    let select = "SELECT stored FROM accounting_mark WHERE source = $1";
    let select = dialect.statement(select, [source.clone()]);
    let stored = match write.connection().query_one_raw(select).await? {
        Some(row) => row.try_get_by_index::<i64>(0)?.unsigned_abs(),
        None => 0,
    };
    let before = stored.saturating_add(1).saturating_sub(origin.first);
    let before = usize::try_from(before).map_or(count, |before| before.min(count));
    if before < count {
        let update = "UPDATE accounting_mark SET stored = $2, at = $3 WHERE source = $1";
        let update = dialect.statement(update, [source, stored_count(last).into(), at]);
        write.connection().execute_raw(update).await?;
    }
    Ok(before)
}

fn source_value(source: SourceId) -> Value {
    Uuid::from_bytes(source.0).into()
}
