//! What dashboards show: sums by the hour that are kept while things happen, and what is looked at
//! once in a while and written down. Nothing here reads raw history.

use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, QueryResult, Value};
use uuid::Uuid;

use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::store::Store;

pub mod auth;
pub mod expiring;
pub mod gauge;
pub mod top;
pub mod traffic;

const HOUR_MICROS: i64 = 3_600_000_000;
const DAY_MICROS: i64 = 24 * HOUR_MICROS;

/// Rows of one series that are read at most: more than a year of hours of many reasons.
const ROWS_MAX: u32 = 200_000;

/// The steps of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Hour,
    Day,
}

/// From when on and until when, without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub from: Timestamp,
    pub until: Timestamp,
}

impl Step {
    /// The beginning of a step, from that of an hour, as SQL.
    fn of_hour(self, column: &str) -> String {
        match self {
            Self::Hour => column.to_owned(),
            Self::Day => format!("{column} / {DAY_MICROS} * {DAY_MICROS}"),
        }
    }
}

impl Range {
    fn values(self) -> [Value; 2] {
        [self.from.as_micros().into(), self.until.as_micros().into()]
    }
}

impl Store {
    /// Whether it is this process's turn to do what one of them does every so many seconds.
    pub async fn statistic_turn(&self, name: &str, seconds: i64) -> Result<bool, StoreError> {
        let write = self.write().await?;
        let sql = "INSERT INTO statistic_turn (name, at) VALUES ($1, $2) \
            ON CONFLICT (name) DO UPDATE SET at = excluded.at WHERE statistic_turn.at <= $3";
        let now = write.at();
        let values = [
            name.into(),
            now.as_micros().into(),
            now.plus_seconds(-seconds).as_micros().into(),
        ];
        let statement = write.dialect().statement(sql, values);
        let taken = write.connection().execute_raw(statement).await?;
        write.commit().await?;
        Ok(taken.rows_affected() != 0)
    }

    /// Removes what is older than an instant, series by series; says how many rows.
    pub async fn statistic_prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        for table in ["traffic_hourly", "auth_hourly", "gauge_hourly"] {
            let series = format!(
                "SELECT tenant, subject, object FROM {table} GROUP BY tenant, subject, object"
            );
            let statement = self.dialect().statement(series, []);
            for row in self.reader().query_all_raw(statement).await? {
                let delete = format!(
                    "DELETE FROM {table} WHERE tenant = $1 AND subject = $2 AND object = $3 \
                     AND starts_at < $4"
                );
                let values = series_key(table, &row)?;
                let values = values.into_iter().chain([before.as_micros().into()]);
                let write = self.write().await?;
                let statement = write.dialect().statement(delete, values);
                removed += write
                    .connection()
                    .execute_raw(statement)
                    .await?
                    .rows_affected();
                write.commit().await?;
            }
        }
        let write = self.write().await?;
        let delete = "DELETE FROM usage_top WHERE starts_at < $1";
        let statement = write
            .dialect()
            .statement(delete, [before.as_micros().into()]);
        removed += write
            .connection()
            .execute_raw(statement)
            .await?
            .rows_affected();
        write.commit().await?;
        Ok(removed)
    }
}

fn series_key(table: &str, row: &QueryResult) -> Result<[Value; 3], StoreError> {
    let tenant: Uuid = row.try_get_by_index(0)?;
    let subject: String = row.try_get_by_index(1)?;
    let object: Value = match table {
        "gauge_hourly" => row.try_get_by_index::<String>(2)?.into(),
        _ => row.try_get_by_index::<Uuid>(2)?.into(),
    };
    Ok([tenant.into(), subject.into(), object])
}

/// A sum of counters that does not overflow.
pub(crate) fn sum(dialect: Dialect, column: &str) -> String {
    match dialect {
        Dialect::Sqlite => format!("CAST(MIN(TOTAL({column}), 9.2e18) AS INTEGER)"),
        Dialect::Postgres => {
            format!("LEAST(COALESCE(SUM({column}), 0), 9200000000000000000)::BIGINT")
        }
    }
}

/// What was moved both ways, to sort by; it does not overflow either.
fn volume(dialect: Dialect, prefix: &str) -> String {
    let sum = |column: &str| match dialect {
        Dialect::Sqlite => format!("TOTAL({prefix}{column})"),
        Dialect::Postgres => format!("COALESCE(SUM({prefix}{column}), 0)"),
    };
    format!("{} + {}", sum("upload_bytes"), sum("download_bytes"))
}
