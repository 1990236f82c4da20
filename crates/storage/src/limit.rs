//! What is stored for the limits of subscribers: the usage of their periods, and their first uses.
//!
//! The journal adds to the usage of periods in the same transaction as to that of hours. A period
//! that was not counted from its beginning, because the plan had no such quota then, begins with
//! the hours that lie within it.

use domain::id::{Id, SubscriberId, TenantId};
use domain::limit::{Counter, LimitFact, LimitNews, Meter, PeriodCounted, Span};
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use sea_orm::{ConnectionTrait, QueryResult, Value};
use uuid::Uuid;

use crate::bulk::{Insert, select_in};
use crate::column::{RowName, loaded_count, stored_text};
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::statistic::sum;
use crate::store::Store;

pub(crate) const FIRST_USE: &str = "first_use";
const HOUR_SECONDS: i64 = 3_600;
const ROWS_MAX: u32 = 20_000;

const COLUMNS: &str = "subscriber, kind, starts_at, ends_at, upload_bytes, download_bytes, \
    session_seconds, updated_at";

/// A fact, and when it was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitRow {
    pub news: LimitNews,
    pub updated_at: Timestamp,
}

/// Whose usage of a period is asked for that nobody has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitQuestion {
    pub tenant: TenantId,
    pub username: String,
    pub meter: Meter,
}

impl Store {
    /// The next facts of all subscribers after `after`, at most 20,000.
    pub async fn limit_list_all(
        &self,
        after: Option<LimitNews>,
        limit: u32,
    ) -> Result<Vec<LimitRow>, StoreError> {
        let (subscriber, kind) = match after {
            Some(after) => (after.subscriber.as_uuid(), kind_of(after.fact)),
            // No id and no kind is less.
            None => (Uuid::nil(), ""),
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM limit_state WHERE (subscriber, kind) > ($1, $2) \
             ORDER BY subscriber, kind LIMIT {}",
            limit.clamp(1, ROWS_MAX)
        );
        self.limit_rows(sql, [subscriber.into(), kind.into()]).await
    }

    /// Facts that were stored at `since` or later by the clock of who stored them, at most 20,000,
    /// in the order of that time.
    pub async fn limit_list_since(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<LimitRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM limit_state WHERE updated_at >= $1 ORDER BY updated_at LIMIT {}",
            limit.clamp(1, ROWS_MAX)
        );
        self.limit_rows(sql, [since.as_micros().into()]).await
    }

    /// The facts of some subscribers.
    pub async fn limit_list_of(&self, ids: &[SubscriberId]) -> Result<Vec<LimitRow>, StoreError> {
        let head = format!("SELECT {COLUMNS} FROM limit_state WHERE subscriber IN");
        let keys: Vec<Value> = ids.iter().map(|id| id.as_uuid().into()).collect();
        let rows = select_in(self.reader(), &head, &keys, "").await?;
        rows.iter().map(read).collect()
    }

    async fn limit_rows(
        &self,
        sql: String,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<LimitRow>, StoreError> {
        let statement = self.dialect().statement(sql, values);
        let rows = self.reader().query_all_raw(statement).await?;
        rows.iter().map(read).collect()
    }

    /// Stores first uses. The earliest one stays, whoever heard of it and however often.
    pub async fn limit_note_first_use(
        &self,
        uses: &[(SubscriberId, Timestamp)],
    ) -> Result<(), StoreError> {
        let write = self.write().await?;
        let least = write.dialect().least();
        let on_conflict = format!(
            "ON CONFLICT (subscriber, kind) DO UPDATE SET \
             starts_at = {least}(limit_state.starts_at, excluded.starts_at), \
             updated_at = excluded.updated_at WHERE excluded.starts_at < limit_state.starts_at"
        );
        let insert = Insert {
            table: "limit_state",
            columns: &[
                "subscriber",
                "kind",
                "starts_at",
                "ends_at",
                "upload_bytes",
                "download_bytes",
                "session_seconds",
                "updated_at",
            ],
            on_conflict: &on_conflict,
        };
        let mut uses = uses.to_vec();
        // Writers take their locks in the same order, and one statement has each row once.
        uses.sort_unstable();
        uses.dedup_by_key(|(subscriber, _)| *subscriber);
        let at = write.at().as_micros();
        let rows = uses.into_iter().map(|(subscriber, first)| {
            let first = first.as_micros();
            [
                subscriber.as_uuid().into(),
                FIRST_USE.into(),
                first.into(),
                first.into(),
                0_i64.into(),
                0_i64.into(),
                0_i64.into(),
                at.into(),
            ]
        });
        insert.run(write.connection(), rows).await?;
        write.commit().await
    }

    /// What the hours say about periods that nobody has counted.
    pub async fn limit_sums(
        &self,
        questions: &[LimitQuestion],
    ) -> Result<Vec<LimitNews>, StoreError> {
        let sql = sums_sql(self.dialect(), ["$1", "$2", "$3"]);
        let mut news = Vec::with_capacity(questions.len());
        for question in questions {
            let LimitQuestion {
                tenant,
                username,
                meter,
            } = question;
            let values = [
                tenant.as_uuid().into(),
                stored_text(username).into(),
                counted_from(meter.subscriber, meter.span)
                    .as_micros()
                    .into(),
            ];
            let statement = self.dialect().statement(sql.as_str(), values);
            let row = self.reader().query_one_raw(statement).await?;
            let used = row.as_ref().map(|row| amount(row, 0)).transpose()?;
            news.push(LimitNews {
                subscriber: meter.subscriber,
                fact: LimitFact::Counted {
                    period: meter.period,
                    counter: Counter {
                        span: meter.span,
                        used: used.unwrap_or_default(),
                    },
                },
            });
        }
        Ok(news)
    }
}

/// What a user moved since an hour, with the days whose hours are removed. A sum of what cannot be
/// is cut, because an overflow would refuse the whole batch.
pub(crate) fn sums_sql(dialect: Dialect, [tenant, username, from]: [&str; 3]) -> String {
    let select = |table: &str| {
        format!(
            "SELECT upload_bytes, download_bytes, session_seconds FROM {table} \
             WHERE tenant = {tenant} AND username = {username} AND starts_at >= {from}"
        )
    };
    format!(
        "SELECT {}, {}, {} FROM ({} UNION ALL {}) AS moved",
        sum(dialect, "upload_bytes"),
        sum(dialect, "download_bytes"),
        sum(dialect, "session_seconds"),
        select("usage_hourly"),
        select("usage_daily"),
    )
}

/// The first full hour of a span in which the subscriber existed: another one may have had the
/// name before.
pub(crate) fn counted_from(subscriber: SubscriberId, span: Span) -> Timestamp {
    let from = span.starts_at.max(subscriber.counted_since());
    let hour = from.hour_start();
    if hour < from {
        hour.plus_seconds(HOUR_SECONDS)
    } else {
        hour
    }
}

fn kind_of(fact: LimitFact) -> &'static str {
    match fact {
        LimitFact::FirstUse(_) => FIRST_USE,
        LimitFact::Counted { period, .. } => period.as_str(),
    }
}

fn read(row: &QueryResult) -> Result<LimitRow, StoreError> {
    let subscriber: Uuid = row.try_get_by_index(0)?;
    let kind: String = row.try_get_by_index(1)?;
    let time = |index| row.try_get_by_index(index).map(Timestamp::from_micros);
    let starts_at = time(2)?;
    let fact = if kind == FIRST_USE {
        LimitFact::FirstUse(starts_at)
    } else {
        let name = RowName {
            table: "limit_state",
            id: subscriber,
        };
        let ends_at = time(3)?;
        LimitFact::Counted {
            period: PeriodCounted::find(&kind).ok_or_else(|| name.corrupt("kind"))?,
            counter: Counter {
                span: Span { starts_at, ends_at },
                used: amount(row, 4)?,
            },
        }
    };
    Ok(LimitRow {
        news: LimitNews {
            subscriber: Id::from_uuid(subscriber),
            fact,
        },
        updated_at: time(7)?,
    })
}

fn amount(row: &QueryResult, first: usize) -> Result<UsageAmount, StoreError> {
    let count = |index| row.try_get_by_index(index).map(loaded_count);
    Ok(UsageAmount {
        upload_bytes: count(first)?,
        download_bytes: count(first + 1)?,
        session_seconds: count(first + 2)?,
    })
}
