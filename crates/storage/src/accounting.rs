//! The journal's commit: many accounting records in one transaction.
//!
//! The rows that the records speak of are loaded once, [`domain::session::SessionSlot`] applies the
//! records in memory in their order, and the final states are written in a few statements. The
//! outcome is what it would be if each record had been applied alone.

use std::collections::BTreeSet;

use domain::accounting::{AccountingRecord, NasRestart, Origin, SessionRecord, TerminateCause};
use domain::id::NasId;
use domain::session::SessionOutcome;
use domain::usage::UsageDelta;
use sea_orm::{ConnectionTrait, DbErr, Value};

use crate::column::stored_count;
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::session::COLUMNS;
use crate::store::Store;
use crate::usage;
use crate::write::{ATTEMPTS_MAX, Write};

mod mark;
mod slots;

use slots::Slots;

/// Locks that keep writers of the same router's sessions apart on PostgreSQL. A session belongs to
/// one router, so writers of different routers do not meet, except for those that share a stripe.
const STRIPES: u8 = 128;
/// Names our family among the advisory locks with two keys.
const STRIPE_FAMILY: i32 = 0x6163_6374;

/// What one record did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordOutcome {
    Session {
        outcome: SessionOutcome,
        /// Whether a session is open under this key after the record.
        is_open: bool,
    },
    NasRestart {
        /// How many sessions it ended.
        closed: u64,
    },
    /// It was stored before, and nothing changed now.
    StoredBefore,
}

impl Store {
    /// Applies the records in their order, all or none, and returns the outcome of each. When this
    /// returns, they are durable.
    pub async fn accounting_commit(
        &self,
        records: &[AccountingRecord],
    ) -> Result<Vec<RecordOutcome>, StoreError> {
        self.commit(None, records).await
    }

    /// The same for numbered records, each of which is applied once, however often it is given: a
    /// commit that nobody saw the end of may be repeated, also later and in other parts, as long
    /// as the numbers of a source come in their order.
    pub async fn accounting_commit_numbered(
        &self,
        origin: Origin,
        records: &[AccountingRecord],
    ) -> Result<Vec<RecordOutcome>, StoreError> {
        self.commit(Some(origin), records).await
    }

    async fn commit(
        &self,
        origin: Option<Origin>,
        records: &[AccountingRecord],
    ) -> Result<Vec<RecordOutcome>, StoreError> {
        let mut attempt = 1;
        loop {
            match self.commit_once(origin, records).await {
                Err(error) if error.is_lost_race() && attempt < ATTEMPTS_MAX => attempt += 1,
                result => return result,
            }
        }
    }

    async fn commit_once(
        &self,
        origin: Option<Origin>,
        records: &[AccountingRecord],
    ) -> Result<Vec<RecordOutcome>, StoreError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let write = self.write().await?;
        let before = match origin {
            Some(origin) => mark::advance(&write, origin, records.len()).await?,
            None => 0,
        };
        let (known, records) = records.split_at(before);
        let mut outcomes = vec![RecordOutcome::StoredBefore; known.len()];
        if records.is_empty() {
            return Ok(outcomes);
        }
        lock_stripes(&write, records).await?;
        outcomes.reserve(records.len());
        let mut usage = Vec::new();
        let mut rest = records;
        while let Some((first, after)) = rest.split_first() {
            if let AccountingRecord::NasRestart(restart) = first {
                let closed = close_all(&write, restart).await?;
                outcomes.push(RecordOutcome::NasRestart { closed });
                rest = after;
                continue;
            }
            let segment: Vec<SessionRecord> = rest.iter().map_while(bounded_session).collect();
            rest = &rest[segment.len()..];
            self.apply_segment(&write, &segment, &mut outcomes, &mut usage)
                .await?;
        }
        usage::add(write.connection(), &usage).await?;
        write.commit().await?;
        Ok(outcomes)
    }

    /// Applies records between two restarts.
    async fn apply_segment(
        &self,
        write: &Write,
        records: &[SessionRecord],
        outcomes: &mut Vec<RecordOutcome>,
        usage: &mut Vec<UsageDelta>,
    ) -> Result<(), StoreError> {
        let mut slots = Slots::load(write.connection(), records).await?;
        for record in records {
            let (applied, is_open) = slots.apply(record, self.new_id());
            if !applied.usage.is_zero() {
                usage.push(UsageDelta {
                    tenant: record.tenant,
                    username: record.username.to_string(),
                    at: record.at,
                    amount: applied.usage,
                });
            }
            outcomes.push(RecordOutcome::Session {
                outcome: applied.outcome,
                is_open,
            });
        }
        slots.store(write.connection()).await?;
        Ok(())
    }
}

/// The session record with counters that fit the database, so that what is applied is what is
/// stored.
fn bounded_session(record: &AccountingRecord) -> Option<SessionRecord> {
    let AccountingRecord::Session(record) = record else {
        return None;
    };
    let mut record = record.clone();
    for counter in [
        &mut record.total.upload_bytes,
        &mut record.total.download_bytes,
        &mut record.total.session_seconds,
    ] {
        *counter = stored_count(*counter).unsigned_abs();
    }
    Some(record)
}

/// Waits for other nodes that write sessions of the same routers. Locks are taken in order, so that
/// two nodes never wait for each other.
async fn lock_stripes(write: &Write, records: &[AccountingRecord]) -> Result<(), DbErr> {
    if write.dialect() != Dialect::Postgres {
        return Ok(());
    }
    let stripes: BTreeSet<u8> = records
        .iter()
        .map(|record| stripe(nas_of(record)))
        .collect();
    let stripes: Vec<String> = stripes.iter().map(ToString::to_string).collect();
    let sql = format!(
        "SELECT pg_advisory_xact_lock({STRIPE_FAMILY}, stripe) FROM \
         (SELECT unnest('{{{}}}'::INT[]) AS stripe ORDER BY 1) AS stripes",
        stripes.join(",")
    );
    write.connection().execute_unprepared(&sql).await?;
    Ok(())
}

const fn nas_of(record: &AccountingRecord) -> NasId {
    match record {
        AccountingRecord::Session(record) => record.nas,
        AccountingRecord::NasRestart(restart) => restart.nas,
    }
}

/// The last octet of an id is random.
fn stripe(nas: NasId) -> u8 {
    nas.as_bytes()[15] % STRIPES
}

/// Ends the sessions that a router had before it restarted; what they moved is kept.
async fn close_all(write: &Write, restart: &NasRestart) -> Result<u64, DbErr> {
    let dialect = write.dialect();
    let greatest = dialect.greatest();
    let columns = COLUMNS.join(", ");
    let cause = TerminateCause::NasReboot.to_stored();
    let mut ended = "nas = $2 AND started_at <= $1".to_owned();
    let mut values: Vec<Value> = vec![restart.at.as_micros().into(), restart.nas.as_uuid().into()];
    if let Some(source) = restart.source {
        ended.push_str(" AND nas_address = $3");
        values.push(source.to_string().into());
    }
    let insert = format!(
        "INSERT INTO session_closed ({columns}, stopped_at, cause) \
         SELECT {columns}, {greatest}(updated_at, $1), {cause} \
         FROM session_open WHERE {ended}"
    );
    let statement = dialect.statement(insert, values.clone());
    write.connection().execute_raw(statement).await?;
    let delete = format!("DELETE FROM session_open WHERE {ended}");
    let statement = dialect.statement(delete, values);
    let result = write.connection().execute_raw(statement).await?;
    Ok(result.rows_affected())
}
