//! Monthly partitions of history on PostgreSQL: made ahead, filled with what is theirs, dropped.
//!
//! What no month covers is in the default partition, so storing never fails for want of one. When a
//! month is made, the rows that it covers move there in the same transaction.

use domain::month::Month;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, Value};

use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::store::Store;
use crate::write::Write;

/// Months after the present one that are made ahead, so that nothing stops when a node is away.
const MONTHS_AHEAD: u16 = 3;
/// Months that one call makes; a history that is older than that takes several.
const MADE_MAX: usize = 24;

/// Names our lock among the advisory locks: one node at a time changes partitions.
const PARTITION_LOCK: i64 = 0x6c61_7374_7061_7274;
/// Whoever reads a table for longer keeps us from changing its partitions, and while we wait,
/// accounting waits behind us.
const LOCK_PATIENCE: &str = "1s";

/// A table that is cut into months by one of its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Partitioned {
    pub(crate) table: &'static str,
    /// Microseconds since 1970.
    pub(crate) moment: &'static str,
}

pub(crate) const SESSION_CLOSED: Partitioned = Partitioned {
    table: "session_closed",
    moment: "stopped_at",
};
pub(crate) const USAGE_HOURLY: Partitioned = Partitioned {
    table: "usage_hourly",
    moment: "starts_at",
};
const PARTITIONED: [Partitioned; 2] = [SESSION_CLOSED, USAGE_HOURLY];

/// What making partitions came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionReport {
    /// Names of the partitions that were made.
    pub made: Vec<String>,
    /// Rows that moved there from the default partition.
    pub moved: u64,
    /// Another node is at it, or somebody reads the table for long: the rest is for another time.
    pub is_postponed: bool,
}

/// A partition with a month of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Partition {
    pub(crate) name: String,
    pub(crate) month: Month,
}

impl Store {
    /// Makes the partitions of this month and the next three, and those of earlier months that have
    /// rows in the default partition. On SQLite there are none.
    pub async fn partition_prepare(&self) -> Result<PartitionReport, StoreError> {
        let mut report = PartitionReport::default();
        if self.dialect() == Dialect::Sqlite {
            return Ok(report);
        }
        for table in PARTITIONED {
            for month in self.missing_months(table).await? {
                match self.partition_make(table, month).await {
                    Ok(Some(moved)) => {
                        report.made.push(table.partition(month));
                        report.moved += moved;
                    }
                    Ok(None) => report.is_postponed = true,
                    Err(error) if error.is_lock_refused() => report.is_postponed = true,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(report)
    }

    /// The partitions that cover a month, oldest first.
    pub(crate) async fn partition_list(
        &self,
        table: Partitioned,
    ) -> Result<Vec<Partition>, StoreError> {
        let select = "SELECT relname::TEXT FROM pg_inherits JOIN pg_class ON oid = inhrelid \
                      WHERE inhparent = $1::regclass ORDER BY relname";
        let statement = self.dialect().statement(select, [table.table.into()]);
        let rows = self.reader().query_all_raw(statement).await?;
        let mut partitions = Vec::with_capacity(rows.len());
        for row in rows {
            let name: String = row.try_get_by_index(0)?;
            // What somebody else attached has a name of its own, and is left alone.
            partitions.extend(
                table
                    .find_month(&name)
                    .map(|month| Partition { name, month }),
            );
        }
        Ok(partitions)
    }

    /// Drops a partition with all that is in it, after a statement that takes from it what is to
    /// be kept. `false` when another node is changing partitions, somebody reads the table for
    /// long, or it is gone already.
    pub(crate) async fn partition_drop(
        &self,
        partition: &Partition,
        before: Option<&str>,
    ) -> Result<bool, StoreError> {
        let dropped = async {
            let write = self.write().await?;
            let name = &partition.name;
            if !is_locked(&write).await? || !exists(&write, name).await? {
                return Ok(false);
            }
            let connection = write.connection();
            if let Some(statement) = before {
                let lock = format!("LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE");
                connection.execute_unprepared(&lock).await?;
                connection.execute_unprepared(statement).await?;
            }
            let drop = format!("DROP TABLE {name}");
            connection.execute_unprepared(&drop).await?;
            write.commit().await?;
            Ok(true)
        };
        match dropped.await {
            Err(error) if StoreError::is_lock_refused(&error) => Ok(false),
            result => result,
        }
    }

    /// Months that should have a partition and have none, oldest first.
    async fn missing_months(&self, table: Partitioned) -> Result<Vec<Month>, StoreError> {
        let Some(present) = Month::containing(self.now()) else {
            return Ok(Vec::new());
        };
        let made: Vec<Month> = self
            .partition_list(table)
            .await?
            .into_iter()
            .map(|partition| partition.month)
            .collect();
        let ahead: Vec<Month> = (0..=MONTHS_AHEAD)
            .filter_map(|months| present.plus(months))
            .collect();
        let mut wanted = self.stray_months(table, present.start()).await?;
        wanted.extend(ahead);
        wanted.retain(|month| !made.contains(month));
        wanted.sort_unstable();
        wanted.dedup();
        // The latest are those that are written to.
        wanted.drain(..wanted.len().saturating_sub(MADE_MAX));
        Ok(wanted)
    }

    /// Months before an instant that have rows in the default partition.
    async fn stray_months(
        &self,
        table: Partitioned,
        before: Timestamp,
    ) -> Result<Vec<Month>, StoreError> {
        let (fallback, moment) = (table.fallback(), table.moment);
        let select = format!(
            "SELECT DISTINCT EXTRACT(EPOCH FROM date_trunc('month', \
             to_timestamp({moment} / 1000000) AT TIME ZONE 'UTC'))::BIGINT \
             FROM {fallback} WHERE 0 <= {moment} AND {moment} < $1"
        );
        let values = [before.as_micros().into()];
        let statement = self.dialect().statement(select, values);
        let rows = self.reader().query_all_raw(statement).await?;
        let mut months = Vec::with_capacity(rows.len());
        for row in rows {
            let seconds = row.try_get_by_index(0)?;
            months.extend(Month::containing(Timestamp::from_seconds(seconds)));
        }
        Ok(months)
    }

    /// Makes the partition of a month and says how many rows moved there; nothing when another node
    /// is changing partitions.
    async fn partition_make(
        &self,
        table: Partitioned,
        month: Month,
    ) -> Result<Option<u64>, StoreError> {
        let write = self.write().await?;
        if !is_locked(&write).await? {
            return Ok(None);
        }
        let partition = table.partition(month);
        if exists(&write, &partition).await? {
            return Ok(Some(0));
        }
        let connection = write.connection();
        let (parent, fallback, moment) = (table.table, table.fallback(), table.moment);
        let (start, end) = (month.start().as_micros(), month.end().as_micros());
        let parameters = storage_parameters(&write, &fallback).await?;
        // Attached when it is filled, so that others wait for the last step only.
        let create = format!("CREATE TABLE {partition} (LIKE {parent} INCLUDING ALL){parameters}");
        connection.execute_unprepared(&create).await?;
        let lock = format!("LOCK TABLE {fallback} IN SHARE ROW EXCLUSIVE MODE");
        connection.execute_unprepared(&lock).await?;
        let fill = format!(
            "WITH moved AS (DELETE FROM {fallback} WHERE {start} <= {moment} AND {moment} < {end} \
             RETURNING *) INSERT INTO {partition} SELECT * FROM moved"
        );
        let moved = connection.execute_unprepared(&fill).await?.rows_affected();
        let attach = format!(
            "ALTER TABLE {parent} ATTACH PARTITION {partition} FOR VALUES FROM ({start}) TO ({end})"
        );
        connection.execute_unprepared(&attach).await?;
        write.commit().await?;
        Ok(Some(moved))
    }
}

impl Partitioned {
    /// Whether what is removed becomes part of something that is kept.
    pub(crate) fn is_rolled_up(self) -> bool {
        self == USAGE_HOURLY
    }

    /// The partition of what no month covers.
    pub(crate) fn fallback(self) -> String {
        format!("{}_default", self.table)
    }

    fn partition(self, month: Month) -> String {
        format!("{}_{}", self.table, month.to_string().replace('-', "_"))
    }

    fn find_month(self, partition: &str) -> Option<Month> {
        let suffix = partition.strip_prefix(self.table)?.strip_prefix('_')?;
        suffix.replacen('_', "-", 1).parse().ok()
    }
}

/// Takes the lock that keeps two nodes from changing partitions at once, unless another node has
/// it. From here on the transaction waits for other locks for a moment only.
async fn is_locked(write: &Write) -> Result<bool, DbErr> {
    let patience = format!("SET LOCAL lock_timeout = '{LOCK_PATIENCE}'");
    write.connection().execute_unprepared(&patience).await?;
    let lock = format!("SELECT pg_try_advisory_xact_lock({PARTITION_LOCK})");
    let statement = write.dialect().statement(lock, []);
    match write.connection().query_one_raw(statement).await? {
        Some(row) => row.try_get_by_index(0),
        None => Ok(false),
    }
}

async fn exists(write: &Write, table: &str) -> Result<bool, DbErr> {
    let select = "SELECT 1 WHERE to_regclass($1) IS NOT NULL";
    let statement = write.dialect().statement(select, [Value::from(table)]);
    Ok(write.connection().query_one_raw(statement).await?.is_some())
}

/// `LIKE` leaves the storage parameters of a table out, and a partitioned table has none.
async fn storage_parameters(write: &Write, table: &str) -> Result<String, DbErr> {
    let select = "SELECT array_to_string(reloptions, ', ') FROM pg_class WHERE oid = $1::regclass";
    let statement = write.dialect().statement(select, [Value::from(table)]);
    let found: Option<String> = match write.connection().query_one_raw(statement).await? {
        Some(row) => row.try_get_by_index(0)?,
        None => None,
    };
    Ok(found.map_or_else(String::new, |list| format!(" WITH ({list})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_named_after_its_month() {
        let month: Month = "2026-11".parse().expect("the month is one");
        let name = SESSION_CLOSED.partition(month);
        assert_eq!(name, "session_closed_2026_11");
        assert_eq!(SESSION_CLOSED.find_month(&name), Some(month));
        for other in [
            "session_closed_default",
            "session_closed_2026_13",
            "session_closed_2026_11_old",
            "usage_hourly_2026_11",
        ] {
            assert_eq!(SESSION_CLOSED.find_month(other), None, "{other}");
        }
    }
}
