//! Monthly partitions of history on PostgreSQL: made ahead, filled with what is theirs, dropped.
//!
//! What no month covers is in the default partition, so storing never fails for want of one.

use domain::month::Month;
use sea_orm::{ConnectionTrait, DbErr, Value};

use crate::error::StoreError;
use crate::store::Store;
use crate::write::Write;

mod making;

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
    /// Those that were not made, because accounting would wait for so many rows: they stay in the
    /// default partition until they are too old to be kept.
    pub left: Vec<String>,
}

/// A partition with a month of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Partition {
    pub(crate) name: String,
    pub(crate) month: Month,
}

impl Store {
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
