//! Usage roll-ups: what a user moved in each hour and each day.

use std::collections::BTreeMap;

use domain::id::TenantId;
use domain::name::Username;
use domain::time::Timestamp;
use domain::usage::{UsageAmount, UsageBucket, UsageDelta};
use sea_orm::{ConnectionTrait, DbErr, Value};
use serde::{Deserialize, Serialize};

use crate::bulk::Insert;
use crate::column::{loaded_count, stored_count, stored_text};
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::store::Store;

const BUCKETS_MAX: u32 = 10_000;
const COUNTERS: [&str; 3] = ["upload_bytes", "download_bytes", "session_seconds"];

/// How long a bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageGrain {
    Hour,
    Day,
}

/// Sums for one roll-up, in the order of its primary key, so that writers of two nodes take their
/// locks in the same order.
#[derive(Debug, Default)]
struct Sums(BTreeMap<(TenantId, String, Timestamp), UsageAmount>);

impl UsageGrain {
    const ALL: [Self; 2] = [Self::Hour, Self::Day];

    const fn table(self) -> &'static str {
        match self {
            Self::Hour => "usage_hourly",
            Self::Day => "usage_daily",
        }
    }

    const fn start(self, at: Timestamp) -> Timestamp {
        match self {
            Self::Hour => at.hour_start(),
            Self::Day => at.day_start(),
        }
    }
}

impl Store {
    /// A user's buckets that begin in `from..to`, newest first, at most 10,000.
    pub async fn usage_list(
        &self,
        tenant: TenantId,
        username: &Username,
        grain: UsageGrain,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        let sql = format!(
            "SELECT starts_at, upload_bytes, download_bytes, session_seconds FROM {} \
             WHERE tenant = $1 AND username = $2 AND $3 <= starts_at AND starts_at < $4 \
             ORDER BY starts_at DESC LIMIT {}",
            grain.table(),
            limit.min(BUCKETS_MAX)
        );
        let values: [Value; 4] = [
            tenant.as_uuid().into(),
            username.as_str().into(),
            from.as_micros().into(),
            to.as_micros().into(),
        ];
        let statement = self.dialect().statement(sql, values);
        let rows = self.reader().query_all_raw(statement).await?;
        let bucket = |row: &sea_orm::QueryResult| {
            Ok(UsageBucket {
                starts_at: Timestamp::from_micros(row.try_get_by_index(0)?),
                amount: UsageAmount {
                    upload_bytes: loaded_count(row.try_get_by_index(1)?),
                    download_bytes: loaded_count(row.try_get_by_index(2)?),
                    session_seconds: loaded_count(row.try_get_by_index(3)?),
                },
            })
        };
        rows.iter().map(bucket).collect()
    }
}

/// Adds the deltas to both roll-ups.
pub(crate) async fn add<C: ConnectionTrait>(
    connection: &C,
    deltas: &[UsageDelta],
) -> Result<(), DbErr> {
    let dialect = Dialect::of(connection);
    for grain in UsageGrain::ALL {
        let mut sums = Sums::default();
        for delta in deltas {
            sums.add(grain, delta);
        }
        let table = grain.table();
        let assignments = COUNTERS.map(|counter| dialect.sum_assignment(table, counter));
        let on_conflict = format!(
            "ON CONFLICT (tenant, username, starts_at) DO UPDATE SET {}",
            assignments.join(", ")
        );
        let insert = Insert {
            table,
            columns: &[
                "tenant",
                "username",
                "starts_at",
                "upload_bytes",
                "download_bytes",
                "session_seconds",
            ],
            on_conflict: &on_conflict,
        };
        insert.run(connection, sums.rows()).await?;
    }
    Ok(())
}

impl Sums {
    fn add(&mut self, grain: UsageGrain, delta: &UsageDelta) {
        let key = (
            delta.tenant,
            stored_text(&delta.username),
            grain.start(delta.at),
        );
        let sum = self.0.entry(key).or_default();
        *sum = sum.plus(delta.amount);
    }

    fn rows(self) -> impl Iterator<Item = [Value; 6]> {
        self.0.into_iter().map(|((tenant, username, start), sum)| {
            [
                tenant.as_uuid().into(),
                username.into(),
                start.as_micros().into(),
                stored_count(sum.upload_bytes).into(),
                stored_count(sum.download_bytes).into(),
                stored_count(sum.session_seconds).into(),
            ]
        })
    }
}
