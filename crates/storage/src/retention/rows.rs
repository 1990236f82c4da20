//! Old rows on SQLite, found through the primary keys that are there anyway: an index by time would
//! cost the journal more than it is worth here.

use std::collections::VecDeque;

use domain::id::SessionId;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, Value};
use uuid::Uuid;

use super::days::Days;
use super::{HistoryPrune, ROWS_SQLITE};
use crate::error::StoreError;
use crate::store::Store;
use crate::write::Write;

/// Ids grow with the time at which a session was first heard of. A session that ended before an
/// instant was heard of before it, or at most a week later when its records were delayed: so long
/// is Acct-Delay-Time believed. A day is left for clocks that differ.
const DELAY_SECONDS_MAX: i64 = 8 * 86_400;

/// Users whose hours one transaction looks at.
const USERS_MAX: u32 = 500;
/// The columns of `usage_hourly` in their order.
const HOUR: &str = "tenant, username, starts_at, upload_bytes, download_bytes, session_seconds";

/// The users of tenant `$1` after `$2` with their first hours, each found with one search in the
/// primary key. The text ends before the closing parenthesis, where a limit may stand.
pub(crate) const USERS: &str = "WITH RECURSIVE owner (username, starts_at) AS (\
    SELECT * FROM (SELECT username, starts_at FROM usage_hourly \
        WHERE tenant = $1 AND $2 < username ORDER BY username, starts_at LIMIT 1) \
    UNION ALL \
    SELECT hour.username, hour.starts_at FROM owner JOIN usage_hourly hour \
        ON hour.tenant = $1 AND (hour.username, hour.starts_at) = (\
            SELECT username, starts_at FROM usage_hourly \
            WHERE tenant = $1 AND owner.username < username \
            ORDER BY username, starts_at LIMIT 1)";

/// How much of the roll-up by the hour has been looked at: the tenants that are left, and the last
/// user of the first of them.
#[derive(Debug)]
pub(super) struct UserPosition {
    tenants: VecDeque<Uuid>,
    username: String,
}

impl HistoryPrune {
    /// Removes closed sessions in the order of their ids.
    pub(super) async fn next_sessions(&mut self) -> Result<u64, StoreError> {
        let bound = id_bound(self.before);
        let after = self.position.session.unwrap_or_default();
        let before: Value = self.before.as_micros().into();
        let select = format!(
            "SELECT MAX(id), COUNT(*) FROM (SELECT id FROM session_closed \
             WHERE $1 < id AND id < $2 AND stopped_at < $3 ORDER BY id LIMIT {ROWS_SQLITE})"
        );
        let write = self.store.write().await?;
        let dialect = write.dialect();
        let values: [Value; 3] = [after.into(), bound.into(), before.clone()];
        let statement = dialect.statement(select, values);
        let Some(row) = write.connection().query_one_raw(statement).await? else {
            self.is_done = true;
            return Ok(0);
        };
        let last: Option<Uuid> = row.try_get_by_index(0)?;
        let found: i64 = row.try_get_by_index(1)?;
        let is_last = found < i64::from(ROWS_SQLITE);
        let Some(last) = last else {
            self.is_done = true;
            return Ok(0);
        };
        let delete = "DELETE FROM session_closed WHERE $1 < id AND id <= $2 AND stopped_at < $3";
        let statement = dialect.statement(delete, [after.into(), last.into(), before]);
        let result = write.connection().execute_raw(statement).await?;
        write.commit().await?;
        self.position.session = Some(last);
        self.is_done = is_last;
        Ok(result.rows_affected())
    }

    /// Removes hours, user by user; they become part of their days.
    pub(super) async fn next_usage(&mut self) -> Result<u64, StoreError> {
        let mut position = match self.position.user.take() {
            Some(position) => position,
            None => UserPosition {
                tenants: self.store.tenants().await?.into(),
                username: String::new(),
            },
        };
        let Some(tenant) = position.tenants.front().copied() else {
            self.is_done = true;
            return Ok(0);
        };
        let write = self.store.write().await?;
        let username: Value = position.username.as_str().into();
        let last = find_last_user(&write, tenant, username.clone()).await?;
        let delete = format!(
            "{USERS} LIMIT {USERS_MAX}) \
             DELETE FROM usage_hourly WHERE (tenant, username, starts_at) IN (\
             SELECT $1, hour.username, hour.starts_at FROM owner CROSS JOIN usage_hourly hour \
             WHERE hour.tenant = $1 AND hour.username = owner.username AND hour.starts_at < $3 \
             LIMIT {ROWS_SQLITE}) RETURNING {HOUR}"
        );
        let values = [tenant.into(), username, self.before.as_micros().into()];
        let statement = write.dialect().statement(delete, values);
        let gone = write.connection().query_all_raw(statement).await?;
        let mut days = Days::default();
        for row in &gone {
            days.add(row)?;
        }
        days.store(write.connection()).await?;
        write.commit().await?;
        // The same users again, when they have more than one transaction removes.
        if gone.len() < ROWS_SQLITE as usize {
            match last {
                Some(last) => position.username = last,
                None => position.pass_tenant(),
            }
        }
        self.position.user = Some(position);
        Ok(gone.len() as u64)
    }
}

impl UserPosition {
    fn pass_tenant(&mut self) {
        self.tenants.pop_front();
        self.username.clear();
    }
}

impl Store {
    /// Every tenant.
    pub(super) async fn tenants(&self) -> Result<Vec<Uuid>, StoreError> {
        let statement = self
            .dialect()
            .statement("SELECT id FROM tenant ORDER BY id", []);
        let rows = self.reader().query_all_raw(statement).await?;
        let ids = rows.iter().map(|row| row.try_get_by_index(0));
        Ok(ids.collect::<Result<_, DbErr>>()?)
    }
}

/// The last of the users that one transaction looks at.
async fn find_last_user(
    write: &Write,
    tenant: Uuid,
    username: Value,
) -> Result<Option<String>, DbErr> {
    let last = format!("{USERS} LIMIT {USERS_MAX}) SELECT MAX(username) FROM owner");
    let statement = write.dialect().statement(last, [tenant.into(), username]);
    match write.connection().query_one_raw(statement).await? {
        Some(row) => row.try_get_by_index(0),
        None => Ok(None),
    }
}

/// The ids of all sessions that may have ended before an instant are before this one.
pub(crate) fn id_bound(before: Timestamp) -> Uuid {
    SessionId::new(before.plus_seconds(DELAY_SECONDS_MAX), [0; 10]).as_uuid()
}
