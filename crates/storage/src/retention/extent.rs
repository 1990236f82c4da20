//! How much history there is, and how much of it is older than an instant.

use domain::id::AuthId;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, QueryResult, Value};
use uuid::Uuid;

use super::History;
use super::rows::{USERS, id_bound};
use crate::column::loaded_count;
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::partition::Partitioned;
use crate::store::Store;

/// The indexes of a table have its name in `tbl_name`.
const SIZE_SQLITE: &str = "SELECT COALESCE(SUM(pgsize), 0) FROM dbstat WHERE aggregate = TRUE \
    AND name IN (SELECT name FROM sqlite_master WHERE tbl_name = $1)";
/// The number of rows is -1 until the table is analysed for the first time.
const EXTENT_POSTGRES: &str = "SELECT reltuples::BIGINT, pg_total_relation_size(oid)::BIGINT \
    FROM pg_class WHERE oid = $1::regclass";

/// A table of history, or a partition of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryExtent {
    pub name: String,
    /// On PostgreSQL an estimate of the server's.
    pub rows: u64,
    /// The time of the oldest row; of a month, its first instant.
    pub oldest_at: Option<Timestamp>,
    /// With its indexes.
    pub size_bytes: u64,
}

/// What is older than an instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overdue {
    /// All rows, those of the partitions too.
    pub rows: u64,
    /// Partitions that are older as a whole.
    pub partitions: Vec<String>,
}

impl Store {
    /// The table of a history, or its partitions, oldest first.
    pub async fn history_extent(&self, history: History) -> Result<Vec<HistoryExtent>, StoreError> {
        if let Some(table) = history.find_partitioned(self.dialect()) {
            return self.extent_partitioned(table).await;
        }
        let oldest = match history {
            History::Sessions => "SELECT stopped_at FROM session_closed ORDER BY id LIMIT 1".into(),
            History::AuthLog => "SELECT at FROM auth_log ORDER BY id LIMIT 1".into(),
            History::Events => "SELECT at FROM event ORDER BY at LIMIT 1".into(),
            History::UsageHourly => format!("{USERS}) SELECT MIN(starts_at) FROM owner"),
        };
        let mut extent = self.extent(history.table()).await?;
        let oldest = match history {
            History::Sessions | History::AuthLog | History::Events => {
                self.find_number(oldest, Vec::new()).await?
            }
            History::UsageHourly => {
                let mut hours = Vec::new();
                for tenant in self.tenants().await? {
                    hours.extend(self.find_number(oldest.clone(), first_user(tenant)).await?);
                }
                hours.into_iter().min()
            }
        };
        extent.oldest_at = oldest.map(Timestamp::from_micros);
        Ok(vec![extent])
    }

    /// What [`Store::history_prune`] would remove.
    pub async fn history_overdue(
        &self,
        history: History,
        before: Timestamp,
    ) -> Result<Overdue, StoreError> {
        let mut overdue = Overdue::default();
        let micros: Value = before.as_micros().into();
        let (select, values) = match (history, history.find_partitioned(self.dialect())) {
            (_, Some(table)) => {
                let mut partitions = self.partition_list(table).await?;
                partitions.retain(|partition| partition.month.end() <= before);
                for partition in partitions {
                    overdue.rows += self.count(&partition.name).await?;
                    overdue.partitions.push(partition.name);
                }
                let (fallback, moment) = (table.fallback(), table.moment);
                let select = format!("SELECT COUNT(*) FROM {fallback} WHERE {moment} < $1");
                (select, vec![micros])
            }
            (History::Sessions, None) => (
                "SELECT COUNT(*) FROM session_closed WHERE id < $1 AND stopped_at < $2".into(),
                vec![id_bound(before).into(), micros],
            ),
            (History::AuthLog, None) => (
                "SELECT COUNT(*) FROM auth_log WHERE id < $1".into(),
                vec![AuthId::new(before, [0; 10]).as_uuid().into()],
            ),
            (History::Events, None) => (
                "SELECT COUNT(*) FROM event WHERE at < $1".into(),
                vec![micros],
            ),
            (History::UsageHourly, None) => {
                overdue.rows = self.overdue_hours(micros).await?;
                return Ok(overdue);
            }
        };
        let rows = self.find_number(select, values).await?;
        overdue.rows += rows.map_or(0, loaded_count);
        Ok(overdue)
    }

    async fn overdue_hours(&self, before: Value) -> Result<u64, StoreError> {
        let select = format!(
            "{USERS}) SELECT COUNT(*) FROM owner CROSS JOIN usage_hourly hour \
             WHERE hour.tenant = $1 AND hour.username = owner.username AND hour.starts_at < $3"
        );
        let mut rows = 0;
        for tenant in self.tenants().await? {
            let mut values = first_user(tenant);
            values.push(before.clone());
            let found = self.find_number(select.clone(), values).await?;
            rows += found.map_or(0, loaded_count);
        }
        Ok(rows)
    }

    /// The rows of a table or partition.
    pub(super) async fn count(&self, table: &str) -> Result<u64, StoreError> {
        let select = format!("SELECT COUNT(*) FROM {table}");
        let rows = self.find_number(select, Vec::new()).await?;
        Ok(rows.map_or(0, loaded_count))
    }

    async fn extent_partitioned(
        &self,
        table: Partitioned,
    ) -> Result<Vec<HistoryExtent>, StoreError> {
        let fallback = table.fallback();
        let mut extents = Vec::new();
        for partition in self.partition_list(table).await? {
            let mut extent = self.extent(&partition.name).await?;
            extent.oldest_at = (extent.rows != 0).then(|| partition.month.start());
            extents.push(extent);
        }
        let mut strays = self.extent(&fallback).await?;
        let oldest = format!("SELECT MIN({}) FROM {fallback}", table.moment);
        let oldest = self.find_number(oldest, Vec::new()).await?;
        strays.oldest_at = oldest.map(Timestamp::from_micros);
        extents.push(strays);
        Ok(extents)
    }

    /// How much is in a table or partition; its oldest row is for the caller.
    async fn extent(&self, table: &str) -> Result<HistoryExtent, StoreError> {
        let (rows, size) = match self.dialect() {
            Dialect::Sqlite => {
                let size = self.find_number(SIZE_SQLITE.into(), vec![table.into()]);
                (
                    self.count(table).await?,
                    size.await?.map_or(0, loaded_count),
                )
            }
            Dialect::Postgres => {
                let statement = self.dialect().statement(EXTENT_POSTGRES, [table.into()]);
                let row = self.reader().query_one_raw(statement).await?;
                let read = |row: &QueryResult| {
                    row.try_get_by_index(0)
                        .and_then(|rows: i64| Ok((rows, row.try_get_by_index::<i64>(1)?)))
                };
                match row.as_ref().map(read).transpose()? {
                    Some((rows, size)) if 0 <= rows => (loaded_count(rows), loaded_count(size)),
                    Some((_, size)) => (self.count(table).await?, loaded_count(size)),
                    None => (0, 0),
                }
            }
        };
        Ok(HistoryExtent {
            name: table.to_owned(),
            rows,
            oldest_at: None,
            size_bytes: size,
        })
    }

    /// The first number of a result, unless there is none or it is null.
    async fn find_number(
        &self,
        select: String,
        values: Vec<Value>,
    ) -> Result<Option<i64>, StoreError> {
        let statement = self.dialect().statement(select, values);
        let row = self.reader().query_one_raw(statement).await?;
        Ok(match row {
            Some(row) => row.try_get_by_index(0)?,
            None => None,
        })
    }
}

/// A tenant, and what is before its first user.
fn first_user(tenant: Uuid) -> Vec<Value> {
    vec![tenant.into(), String::new().into()]
}
