//! How far each source's records are stored: the mark moves in the transaction that stores them.
//!
//! A transaction takes the row of its source before it ends, and what it wrote counts only if the
//! mark was where it expected it. So two that speak of the same records come one after the other,
//! and the later one finds them stored.

use domain::accounting::Origin;
use domain::time::Timestamp;
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::error::StoreError;
use crate::store::Store;

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

/// The number of the last of `count` records.
pub(super) const fn last(origin: Origin, count: usize) -> u64 {
    origin.plus((count as u64).saturating_sub(1)).first
}

/// How many of `count` records, from the first on, are not behind the mark.
pub(super) fn known(origin: Origin, count: usize, stored: u64) -> usize {
    let known = stored.saturating_add(1).saturating_sub(origin.first);
    usize::try_from(known).map_or(count, |known| known.min(count))
}

pub(super) const fn source_uuid(origin: Origin) -> Uuid {
    Uuid::from_bytes(origin.source.0)
}
