//! Who moved most: of each day those who did, found by going over the hours of everybody once in a
//! while, beside everything else.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use domain::id::TenantId;
use domain::name::Username;
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use sea_orm::{ConnectionTrait, QueryResult, Value};
use uuid::Uuid;

use super::traffic::{read_amount, sums};
use super::{DAY_MICROS, Range, volume};
use crate::bulk::Insert;
use crate::column::stored_count;
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::retention::rows::USERS;
use crate::store::Store;
use crate::usage::UsageGrain;
use crate::write::Write;

/// Users that are kept of each day.
pub const KEPT: usize = 200;

/// Users whose hours one query of SQLite sums up, so that no read lasts long.
const USERS_MAX: u32 = 2_000;

/// Hours that one user's sum reads at most.
const HOURS_MAX: u32 = 24 * 400;

const TOP: Insert<'static> = Insert {
    table: "usage_top",
    columns: &[
        "tenant",
        "starts_at",
        "place",
        "username",
        "upload_bytes",
        "download_bytes",
        "session_seconds",
    ],
    on_conflict: "",
};

/// What one user moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopUser {
    pub username: String,
    pub amount: UsageAmount,
}

/// The users who moved most, of those that were offered.
#[derive(Debug, Default)]
struct Top(
    BinaryHeap<Reverse<(u64, Reverse<String>)>>,
    BTreeMap<String, UsageAmount>,
);

impl Store {
    /// Those who moved most on the days of a range: of a user who was among the first of one of
    /// them, everything that was moved on all of them.
    pub async fn usage_top(
        &self,
        tenant: TenantId,
        days: Range,
        limit: usize,
    ) -> Result<Vec<TopUser>, StoreError> {
        let sql = format!(
            "SELECT username FROM usage_top WHERE tenant = $3 AND starts_at >= $1 \
             AND starts_at < $2 GROUP BY username ORDER BY {} DESC, username LIMIT {}",
            volume(self.dialect(), ""),
            2 * limit.min(KEPT),
        );
        let values = days.values().into_iter().chain([tenant.as_uuid().into()]);
        let statement = self.dialect().statement(sql, values);
        let mut users = Vec::new();
        for row in self.reader().query_all_raw(statement).await? {
            let username: String = row.try_get_by_index(0)?;
            let amount = self.usage_sum(tenant, &username, days).await?;
            users.push(TopUser { username, amount });
        }
        users.sort_by_key(|user| (Reverse(moved(user.amount)), user.username.clone()));
        users.truncate(limit);
        Ok(users)
    }

    /// Finds those who moved most on the day that begins at an instant, in all tenants.
    pub async fn usage_top_find(&self, day: Timestamp) -> Result<(), StoreError> {
        let day = day.day_start();
        let until = Timestamp::from_micros(day.as_micros() + DAY_MICROS);
        let range = Range { from: day, until };
        let tenants = self.dialect().statement("SELECT id FROM tenant", []);
        for row in self.reader().query_all_raw(tenants).await? {
            let tenant: Uuid = row.try_get_by_index(0)?;
            let top = match self.dialect() {
                Dialect::Sqlite => self.top_by_user(tenant, range).await?,
                Dialect::Postgres => self.top_by_time(tenant, range).await?,
            };
            let write = self.write().await?;
            let delete = "DELETE FROM usage_top WHERE tenant = $1 AND starts_at = $2";
            let values = [tenant.into(), day.as_micros().into()];
            let statement = write.dialect().statement(delete, values);
            write.connection().execute_raw(statement).await?;
            store(&write, tenant, day, top).await?;
            write.commit().await?;
        }
        Ok(())
    }

    /// What one user moved on the days of a range, whole.
    async fn usage_sum(
        &self,
        tenant: TenantId,
        username: &str,
        days: Range,
    ) -> Result<UsageAmount, StoreError> {
        let Ok(username) = username.parse::<Username>() else {
            return Ok(UsageAmount::default());
        };
        let (from, until) = (days.from, days.until);
        let buckets = self.usage_list(tenant, &username, UsageGrain::Day, from, until, HOURS_MAX);
        let amounts = buckets.await?.into_iter().map(|bucket| bucket.amount);
        Ok(amounts.fold(UsageAmount::default(), UsageAmount::plus))
    }

    /// By the hours, which lie together in the order of time.
    async fn top_by_time(&self, tenant: Uuid, range: Range) -> Result<Vec<TopUser>, StoreError> {
        let sql = format!(
            "SELECT username, {} FROM usage_hourly WHERE tenant = $3 AND starts_at >= $1 \
             AND starts_at < $2 GROUP BY username ORDER BY {} DESC, username LIMIT {KEPT}",
            sums(self.dialect(), ""),
            volume(self.dialect(), ""),
        );
        let values = range.values().into_iter().chain([tenant.into()]);
        let statement = self.dialect().statement(sql, values);
        let rows = self.reader().query_all_raw(statement).await?;
        rows.iter().map(read_user).collect()
    }

    /// By the users, whose hours lie together.
    async fn top_by_user(&self, tenant: Uuid, range: Range) -> Result<Vec<TopUser>, StoreError> {
        let sql = format!(
            "{USERS} LIMIT {USERS_MAX}) SELECT owner.username, {} FROM owner \
             LEFT JOIN usage_hourly hour ON hour.tenant = $1 AND hour.username = owner.username \
             AND hour.starts_at >= $3 AND hour.starts_at < $4 \
             GROUP BY owner.username ORDER BY owner.username",
            sums(Dialect::Sqlite, "hour.")
        );
        let mut top = Top::default();
        let mut after = String::new();
        loop {
            let whose: [Value; 2] = [tenant.into(), after.as_str().into()];
            let values = whose.into_iter().chain(range.values());
            let statement = Dialect::Sqlite.statement(sql.clone(), values);
            let rows = self.reader().query_all_raw(statement).await?;
            for row in &rows {
                top.offer(read_user(row)?);
            }
            let Some(last) = rows.last().filter(|_| rows.len() == USERS_MAX as usize) else {
                return Ok(top.into_list());
            };
            after = last.try_get_by_index(0)?;
        }
    }
}

impl Top {
    fn offer(&mut self, user: TopUser) {
        let TopUser { username, amount } = user;
        if moved(amount) == 0 {
            return;
        }
        self.0
            .push(Reverse((moved(amount), Reverse(username.clone()))));
        self.1.insert(username, amount);
        if KEPT < self.0.len()
            && let Some(Reverse((_, Reverse(least)))) = self.0.pop()
        {
            self.1.remove(&least);
        }
    }

    fn into_list(self) -> Vec<TopUser> {
        let mut users: Vec<TopUser> = self
            .1
            .into_iter()
            .map(|(username, amount)| TopUser { username, amount })
            .collect();
        users.sort_by_key(|user| (Reverse(moved(user.amount)), user.username.clone()));
        users
    }
}

const fn moved(amount: UsageAmount) -> u64 {
    amount.upload_bytes.saturating_add(amount.download_bytes)
}

fn read_user(row: &QueryResult) -> Result<TopUser, StoreError> {
    Ok(TopUser {
        username: row.try_get_by_index(0)?,
        amount: read_amount(row, 1)?,
    })
}

async fn store(
    write: &Write,
    tenant: Uuid,
    day: Timestamp,
    top: Vec<TopUser>,
) -> Result<(), StoreError> {
    let rows = (1_i64..).zip(top).map(|(place, user)| {
        [
            tenant.into(),
            day.as_micros().into(),
            place.into(),
            user.username.into(),
            stored_count(user.amount.upload_bytes).into(),
            stored_count(user.amount.download_bytes).into(),
            stored_count(user.amount.session_seconds).into(),
        ]
    });
    Ok(TOP.run(write.connection(), rows).await?)
}
