//! The last decisions about each user, kept when the log forgets them: one that was accepted and
//! one that was rejected.
//!
//! The log itself has them until then, so nothing is written for them while users log in. Names of
//! strangers are not kept: whoever sends packets could make up any number of them.

use domain::id::TenantId;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, Value};

use super::list::{AuthLogRow, read_row};
use crate::bulk::select_in;
use crate::error::StoreError;
use crate::store::Store;
use crate::write::Write;

/// Of the decisions from before `$1` that are removed now, the last ones of each user. A decision is
/// about somebody known if it names a subscriber, if it let somebody in, or if its trace begins with
/// the rows of FreeRADIUS' tables.
const KEEP: &str = "INSERT INTO auth_last (tenant, username, is_accepted, id, at, nas, subscriber, \
    method, reason, trace, calling_station, called_station, count, last_at) \
    SELECT tenant, username, is_accepted, id, at, nas, subscriber, method, reason, trace, \
    calling_station, called_station, count, last_at FROM (\
    SELECT gone.*, ROW_NUMBER() OVER (PARTITION BY tenant, username, is_accepted ORDER BY id DESC) \
    AS place FROM (\
    SELECT tenant, lower(username) AS username, CASE WHEN reason IS NULL THEN 1 ELSE 0 END \
    AS is_accepted, id, at, nas, subscriber, method, reason, trace, calling_station, \
    called_station, count, last_at FROM auth_log WHERE id < $1 ORDER BY id LIMIT {limit}\
    ) AS gone WHERE username IS NOT NULL AND (subscriber IS NOT NULL OR reason IS NULL \
    OR substr(trace, 1, 1) = 'R')) AS newest WHERE place = 1 \
    ON CONFLICT (tenant, username, is_accepted) DO UPDATE SET id = excluded.id, at = excluded.at, \
    nas = excluded.nas, subscriber = excluded.subscriber, method = excluded.method, \
    reason = excluded.reason, trace = excluded.trace, \
    calling_station = excluded.calling_station, called_station = excluded.called_station, \
    count = excluded.count, last_at = excluded.last_at \
    WHERE auth_last.last_at <= excluded.last_at";

impl Store {
    /// What is left of the decisions about these names as they were sent, in any case, that the log
    /// has forgotten: the newest first.
    pub async fn auth_last_list(
        &self,
        tenant: TenantId,
        usernames: &[String],
    ) -> Result<Vec<AuthLogRow>, StoreError> {
        let tenant = self.dialect().id_literal(tenant.as_uuid());
        let head = format!(
            "SELECT l.*, CAST(0 AS BIGINT) AS number, n.name AS nas_name FROM auth_last l \
             LEFT JOIN nas_name n ON n.nas = l.nas WHERE l.tenant = {tenant} AND l.username IN"
        );
        let keys: Vec<Value> = usernames
            .iter()
            .map(|name| name.to_ascii_lowercase().into())
            .collect();
        let rows = select_in(self.reader(), &head, &keys, "").await?;
        let rows: Result<Vec<AuthLogRow>, StoreError> = rows.iter().map(read_row).collect();
        let mut rows = rows?;
        rows.sort_by_key(|row| std::cmp::Reverse(row.last_at));
        Ok(rows)
    }

    /// Forgets those whose last decision is older than an instant.
    pub async fn auth_last_prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        let write = self.write().await?;
        let sql = "DELETE FROM auth_last WHERE last_at < $1";
        let values = [before.as_micros().into()];
        let statement = write.dialect().statement(sql, values);
        let result = write.connection().execute_raw(statement).await?;
        write.commit().await?;
        Ok(result.rows_affected())
    }
}

impl Write {
    /// Keeps the last decisions among those that are about to be removed.
    pub(super) async fn keep_last(&self, before: Value, limit: u32) -> Result<(), DbErr> {
        let sql = KEEP.replace("{limit}", &limit.to_string());
        let statement = self.dialect().statement(sql, [before]);
        self.connection().execute_raw(statement).await.map(drop)
    }
}
