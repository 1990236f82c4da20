//! Making months, and moving what is theirs out of the default partition.
//!
//! A row is in one partition, and no month is attached while the default partition has rows of it.
//! So all rows of a month move in the transaction that attaches it, for which accounting waits, and
//! readers see each of them once. What that would take too long for stays where it is.

use domain::month::Month;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr};

use super::{PARTITIONED, PartitionReport, Partitioned, exists, is_locked};
use crate::column::loaded_count;
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::store::Store;
use crate::write::Write;

/// Months after the present one that are made ahead, so that nothing stops when a node is away.
const MONTHS_AHEAD: u16 = 3;
/// Months that one call makes; a history that is older than that takes several.
const MADE_MAX: usize = 24;
/// Rows that move at once: with their indexes about a second.
const MOVED_MAX: u32 = 50_000;
/// Attaching a month reads the default partition from its beginning to its end while nobody else
/// can, unless a constraint says that it has no rows of that month.
const SCANNED_MAX: u32 = 500_000;
/// Until the month is attached that constraint refuses its rows, so it must be far away: a node that
/// stops in between is back by then.
const CONSTRAINED_SECONDS: i64 = 7 * 86_400;

impl Store {
    /// Makes the partitions of this month and the next three, and then those of earlier months that
    /// have rows in the default partition, the latest first. On SQLite there are none.
    pub async fn partition_prepare(&self) -> Result<PartitionReport, StoreError> {
        let mut report = PartitionReport::default();
        let Some(present) = Month::containing(self.now()) else {
            return Ok(report);
        };
        if self.dialect() == Dialect::Sqlite {
            return Ok(report);
        }
        for table in PARTITIONED {
            let is_vast = self.is_vast(table).await?;
            for month in self.missing_months(table, present, is_vast).await? {
                let made = if !is_vast {
                    self.partition_make(table, month, &mut report).await
                } else if CONSTRAINED_SECONDS <= month.start().seconds_since(self.now()) {
                    self.partition_make_ahead(table, month, &mut report).await
                } else {
                    report.left.push(table.partition(month));
                    Ok(())
                };
                match made {
                    Err(error) if error.is_lock_refused() => report.is_postponed = true,
                    made => made?,
                }
            }
        }
        Ok(report)
    }

    /// Months that should have a partition and have none: the present one and those ahead, and
    /// earlier ones, the latest first.
    async fn missing_months(
        &self,
        table: Partitioned,
        present: Month,
        is_vast: bool,
    ) -> Result<Vec<Month>, StoreError> {
        let made = self.partition_list(table).await?;
        let mut wanted: Vec<Month> = (0..=MONTHS_AHEAD)
            .filter_map(|months| present.plus(months))
            .collect();
        if !is_vast {
            let mut strays = self.stray_months(table, present.start()).await?;
            strays.sort_unstable();
            wanted.extend(strays.into_iter().rev());
        }
        wanted.retain(|month| made.iter().all(|partition| partition.month != *month));
        wanted.truncate(MADE_MAX);
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

    /// Whether the default partition has more rows than may be read while everybody waits.
    async fn is_vast(&self, table: Partitioned) -> Result<bool, StoreError> {
        let rows = format!("FROM {}", table.fallback());
        self.has_more_than(SCANNED_MAX, &rows).await
    }

    async fn has_more_than(&self, limit: u32, rows: &str) -> Result<bool, StoreError> {
        let select = format!("SELECT COUNT(*) FROM (SELECT 1 {rows} LIMIT {limit} + 1) AS first");
        let statement = self.dialect().statement(select, []);
        let count = match self.reader().query_one_raw(statement).await? {
            Some(row) => row.try_get_by_index(0)?,
            None => 0,
        };
        Ok(u64::from(limit) < loaded_count(count))
    }

    /// Makes the partition of a month and moves its rows there. Another node that is changing
    /// partitions goes first.
    async fn partition_make(
        &self,
        table: Partitioned,
        month: Month,
        report: &mut PartitionReport,
    ) -> Result<(), StoreError> {
        let partition = table.partition(month);
        let (fallback, rows) = (table.fallback(), rows_of(table, month));
        let theirs = format!("FROM {fallback} WHERE {rows}");
        if self.has_more_than(MOVED_MAX, &theirs).await? {
            report.left.push(partition);
            return Ok(());
        }
        let write = self.write().await?;
        if !is_locked(&write).await? {
            report.is_postponed = true;
            return Ok(());
        }
        if exists(&write, &partition).await? {
            return Ok(());
        }
        create(&write, table, month).await?;
        let connection = write.connection();
        let lock = format!("LOCK TABLE {fallback} IN SHARE ROW EXCLUSIVE MODE");
        connection.execute_unprepared(&lock).await?;
        let fill = format!(
            "WITH moved AS (DELETE {theirs} RETURNING *) INSERT INTO {partition} SELECT * FROM moved"
        );
        let moved = connection.execute_unprepared(&fill).await?.rows_affected();
        attach(&write, table, month).await?;
        write.commit().await?;
        report.made.push(partition);
        report.moved += moved;
        Ok(())
    }

    /// Makes the partition of a month that is far ahead beside a vast default partition, which is
    /// read while everybody else goes on.
    async fn partition_make_ahead(
        &self,
        table: Partitioned,
        month: Month,
        report: &mut PartitionReport,
    ) -> Result<(), StoreError> {
        let partition = table.partition(month);
        let write = self.write().await?;
        if !is_locked(&write).await? {
            report.is_postponed = true;
            return Ok(());
        }
        let refuse = format!(
            "{}, ADD CONSTRAINT not_{partition} CHECK (NOT ({})) NOT VALID",
            welcome(table, month),
            rows_of(table, month)
        );
        write.connection().execute_unprepared(&refuse).await?;
        write.commit().await?;
        let attached = self.attach_constrained(table, month, report).await;
        if attached.is_err() || !report.made.contains(&partition) {
            let write = self.write().await?;
            if is_locked(&write).await? {
                let welcome = welcome(table, month);
                write.connection().execute_unprepared(&welcome).await?;
                write.commit().await?;
            }
        }
        match attached {
            Err(StoreError::Refused(error)) if error.is_check_violated() => {
                report.left.push(partition);
                Ok(())
            }
            attached => attached,
        }
    }

    async fn attach_constrained(
        &self,
        table: Partitioned,
        month: Month,
        report: &mut PartitionReport,
    ) -> Result<(), StoreError> {
        let (fallback, partition) = (table.fallback(), table.partition(month));
        let write = self.write().await?;
        if !is_locked(&write).await? || exists(&write, &partition).await? {
            report.is_postponed = true;
            return Ok(());
        }
        let connection = write.connection();
        let validate = format!("ALTER TABLE {fallback} VALIDATE CONSTRAINT not_{partition}");
        connection.execute_unprepared(&validate).await?;
        create(&write, table, month).await?;
        attach(&write, table, month).await?;
        write.commit().await?;
        report.made.push(partition);
        Ok(())
    }
}

/// What is true of the rows of a month.
fn rows_of(table: Partitioned, month: Month) -> String {
    let moment = table.moment;
    let (start, end) = (month.start().as_micros(), month.end().as_micros());
    format!("{start} <= {moment} AND {moment} < {end}")
}

/// Makes the table of a month. It is attached when it is filled, so that others wait for the last
/// step only.
async fn create(write: &Write, table: Partitioned, month: Month) -> Result<(), DbErr> {
    let (parent, partition) = (table.table, table.partition(month));
    let parameters = storage_parameters(write, &table.fallback()).await?;
    let create = format!("CREATE TABLE {partition} (LIKE {parent} INCLUDING ALL){parameters}");
    write.connection().execute_unprepared(&create).await?;
    Ok(())
}

async fn attach(write: &Write, table: Partitioned, month: Month) -> Result<(), DbErr> {
    let (parent, partition) = (table.table, table.partition(month));
    let (start, end) = (month.start().as_micros(), month.end().as_micros());
    let attach = format!(
        "ALTER TABLE {parent} ATTACH PARTITION {partition} FOR VALUES FROM ({start}) TO ({end})"
    );
    let connection = write.connection();
    connection.execute_unprepared(&attach).await?;
    connection
        .execute_unprepared(&welcome(table, month))
        .await?;
    Ok(())
}

/// Takes the constraint away that keeps a month out of the default partition. That there is none is
/// nothing to tell.
fn welcome(table: Partitioned, month: Month) -> String {
    let (fallback, partition) = (table.fallback(), table.partition(month));
    format!(
        "SET LOCAL client_min_messages = warning; \
         ALTER TABLE {fallback} DROP CONSTRAINT IF EXISTS not_{partition}"
    )
}

/// `LIKE` leaves the storage parameters of a table out, and a partitioned table has none.
async fn storage_parameters(write: &Write, table: &str) -> Result<String, DbErr> {
    let select = "SELECT array_to_string(reloptions, ', ') FROM pg_class WHERE oid = $1::regclass";
    let statement = write.dialect().statement(select, [table.into()]);
    let found: Option<String> = match write.connection().query_one_raw(statement).await? {
        Some(row) => row.try_get_by_index(0)?,
        None => None,
    };
    Ok(found.map_or_else(String::new, |list| format!(" WITH ({list})")))
}
