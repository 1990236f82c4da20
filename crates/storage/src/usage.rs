//! Usage: what a user moved in each hour and each day.
//!
//! The journal adds to hours alone. A day is the sum of its hours when it is read, and what was
//! rolled up when hours were removed.

use std::collections::BTreeMap;

use compact_str::CompactString;
use domain::id::TenantId;
use domain::name::Username;
use domain::time::Timestamp;
use domain::usage::{UsageAmount, UsageBucket};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use serde::{Deserialize, Serialize};

use crate::column::{fitting_text, loaded_count};
use crate::error::StoreError;
use crate::page::Page;
use crate::query::Query;
use crate::store::Store;

const BUCKETS_MAX: u32 = 10_000;
const HOURS_IN_DAY: u32 = 24;
const DAY_SECONDS: i64 = 86_400;

/// How long a bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageGrain {
    Hour,
    Day,
}

/// Who moved something, and in which hour.
pub(crate) type HourKey = (TenantId, CompactString, Timestamp);

/// Sums of hours, in the order of their primary key, so that writers take their locks in the same
/// order.
#[derive(Debug, Default)]
pub(crate) struct Sums(BTreeMap<HourKey, UsageAmount>);

/// Whose buckets are read, and which.
struct Range<'a> {
    tenant: TenantId,
    username: &'a Username,
    from: Timestamp,
    to: Timestamp,
    limit: u32,
}

/// What a user moved in an hour, as files have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UserHour {
    pub username: String,
    pub starts_at: Timestamp,
    pub upload_bytes: u64,
    pub download_bytes: u64,
    pub session_seconds: u64,
}

impl Store {
    /// The hours of all users that begin in a span, by user and hour, behind `page.after`.
    pub async fn usage_hours(
        &self,
        tenant: TenantId,
        span: &std::ops::Range<Timestamp>,
        page: &Page<(String, Timestamp)>,
    ) -> Result<Vec<UserHour>, StoreError> {
        let select = "SELECT username, starts_at, upload_bytes, download_bytes, session_seconds \
            FROM usage_hourly";
        let mut query = Query::new(self.dialect(), select);
        query.and("tenant = ?", [tenant.as_uuid().into()]);
        if let Some((username, hour)) = &page.after {
            query.and(
                "(username, starts_at) > (?, ?)",
                [username.as_str().into(), hour.as_micros().into()],
            );
        }
        query.and("? <= starts_at", [span.start.as_micros().into()]);
        query.and("starts_at < ?", [span.end.as_micros().into()]);
        query.end(&format!(
            "ORDER BY username, starts_at LIMIT {}",
            page.limit()
        ));
        let rows = query.all(self.reader()).await?;
        let read = |row: &QueryResult| -> Result<UserHour, DbErr> {
            Ok(UserHour {
                username: row.try_get_by_index(0)?,
                starts_at: Timestamp::from_micros(row.try_get_by_index(1)?),
                upload_bytes: loaded_count(row.try_get_by_index(2)?),
                download_bytes: loaded_count(row.try_get_by_index(3)?),
                session_seconds: loaded_count(row.try_get_by_index(4)?),
            })
        };
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

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
        let limit = limit.min(BUCKETS_MAX);
        let range = Range {
            tenant,
            username,
            from,
            to,
            limit,
        };
        match grain {
            UsageGrain::Hour => self.buckets("usage_hourly", &range).await,
            UsageGrain::Day => self.days(&range).await,
        }
    }

    async fn days(&self, range: &Range<'_>) -> Result<Vec<UsageBucket>, StoreError> {
        let hours = Range {
            from: first_day(range.from),
            to: first_day(range.to),
            limit: range.limit * HOURS_IN_DAY,
            ..*range
        };
        let rolled_up = self.buckets("usage_daily", range).await?;
        let mut days: BTreeMap<Timestamp, UsageAmount> = BTreeMap::new();
        for bucket in self
            .buckets("usage_hourly", &hours)
            .await?
            .into_iter()
            .chain(rolled_up)
        {
            let day = days.entry(bucket.starts_at.day_start()).or_default();
            *day = day.plus(bucket.amount);
        }
        let newest = days.into_iter().rev().take(range.limit as usize);
        let bucket = |(starts_at, amount): (Timestamp, UsageAmount)| UsageBucket {
            starts_at,
            amount: fitting(amount),
        };
        Ok(newest.map(bucket).collect())
    }

    async fn buckets(
        &self,
        table: &'static str,
        range: &Range<'_>,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        let sql = format!(
            "SELECT starts_at, upload_bytes, download_bytes, session_seconds FROM {table} \
             WHERE tenant = $1 AND username = $2 AND $3 <= starts_at AND starts_at < $4 \
             ORDER BY starts_at DESC LIMIT {}",
            range.limit
        );
        let values: [Value; 4] = [
            range.tenant.as_uuid().into(),
            range.username.as_str().into(),
            range.from.as_micros().into(),
            range.to.as_micros().into(),
        ];
        let statement = self.dialect().statement(sql, values);
        let rows = self.reader().query_all_raw(statement).await?;
        let buckets = rows.iter().map(read_bucket).collect::<Result<_, DbErr>>();
        Ok(buckets?)
    }
}

impl Sums {
    pub(crate) fn add(
        &mut self,
        tenant: TenantId,
        username: &str,
        at: Timestamp,
        amount: UsageAmount,
    ) {
        let username = CompactString::from(fitting_text(username));
        let sum = self
            .0
            .entry((tenant, username, at.hour_start()))
            .or_default();
        *sum = sum.plus(amount);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&HourKey, &UsageAmount)> {
        self.0.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

fn read_bucket(row: &QueryResult) -> Result<UsageBucket, DbErr> {
    Ok(UsageBucket {
        starts_at: Timestamp::from_micros(row.try_get_by_index(0)?),
        amount: UsageAmount {
            upload_bytes: loaded_count(row.try_get_by_index(1)?),
            download_bytes: loaded_count(row.try_get_by_index(2)?),
            session_seconds: loaded_count(row.try_get_by_index(3)?),
        },
    })
}

/// The first midnight that is not before.
fn first_day(at: Timestamp) -> Timestamp {
    let start = at.day_start();
    if start < at {
        start.plus_seconds(DAY_SECONDS)
    } else {
        start
    }
}

/// The amount as a row could hold it.
fn fitting(amount: UsageAmount) -> UsageAmount {
    let most = i64::MAX.unsigned_abs();
    UsageAmount {
        upload_bytes: amount.upload_bytes.min(most),
        download_bytes: amount.download_bytes.min(most),
        session_seconds: amount.session_seconds.min(most),
    }
}
