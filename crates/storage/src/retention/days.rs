//! Hours that go become part of their days, which are kept: a day is the sum of the hours that are
//! there and of what was rolled up here.

use std::collections::BTreeMap;

use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use uuid::Uuid;

use crate::bulk::Insert;
use crate::column::MICROS_PER_DAY;
use crate::dialect::Dialect;

const COUNTERS: [&str; 3] = ["upload_bytes", "download_bytes", "session_seconds"];
const COLUMNS: [&str; 6] = [
    "tenant",
    "username",
    "starts_at",
    COUNTERS[0],
    COUNTERS[1],
    COUNTERS[2],
];

/// The statement with which PostgreSQL adds the hours of a table to their days. They are summed
/// first, because a statement changes a row once.
pub(super) fn roll_up(hours: &str) -> String {
    let day =
        format!("starts_at - (starts_at % {MICROS_PER_DAY} + {MICROS_PER_DAY}) % {MICROS_PER_DAY}");
    let sums = COUNTERS.map(|counter| format!("LEAST(SUM({counter}), {})::BIGINT", i64::MAX));
    format!(
        "INSERT INTO usage_daily ({}) SELECT tenant, username, {day}, {} FROM {hours} \
         GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 {}",
        COLUMNS.join(", "),
        sums.join(", "),
        on_conflict(Dialect::Postgres)
    )
}

/// Hours in memory, summed by their days.
#[derive(Debug, Default)]
pub(super) struct Days(BTreeMap<(Uuid, String, i64), [i64; 3]>);

impl Days {
    /// Adds a row of `usage_hourly` with its columns in their order.
    pub(super) fn add(&mut self, row: &QueryResult) -> Result<(), DbErr> {
        let starts_at = Timestamp::from_micros(row.try_get_by_index(2)?);
        let day = starts_at.day_start().as_micros();
        let key = (row.try_get_by_index(0)?, row.try_get_by_index(1)?, day);
        let sums = self.0.entry(key).or_default();
        for (index, sum) in (3..).zip(sums) {
            *sum = sum.saturating_add(row.try_get_by_index(index)?);
        }
        Ok(())
    }

    /// Adds the sums to the days that are stored.
    pub(super) async fn store<C: ConnectionTrait>(self, connection: &C) -> Result<(), DbErr> {
        let on_conflict = on_conflict(Dialect::of(connection));
        let insert = Insert {
            table: "usage_daily",
            columns: &COLUMNS,
            on_conflict: &on_conflict,
        };
        let rows = self.0.into_iter().map(|((tenant, username, day), sums)| {
            let [upload, download, seconds] = sums.map(Value::from);
            [
                tenant.into(),
                username.into(),
                day.into(),
                upload,
                download,
                seconds,
            ]
        });
        insert.run(connection, rows).await
    }
}

fn on_conflict(dialect: Dialect) -> String {
    let assignments = COUNTERS.map(|counter| dialect.sum_assignment("usage_daily", counter));
    format!(
        "ON CONFLICT (tenant, username, starts_at) DO UPDATE SET {}",
        assignments.join(", ")
    )
}
