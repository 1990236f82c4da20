//! Accounts that end soon.

use domain::id::{SubscriberId, TenantId};
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use uuid::Uuid;

use super::Range;
use crate::column::loaded_count;
use crate::error::StoreError;
use crate::store::Store;

/// An account that ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiring {
    pub id: SubscriberId,
    pub username: String,
    pub plan: String,
    pub expires_at: Timestamp,
}

impl Store {
    /// The active accounts that end in a time, the first first, and how many there are.
    pub async fn subscriber_expiring(
        &self,
        tenant: TenantId,
        range: Range,
        limit: u32,
    ) -> Result<(u64, Vec<Expiring>), StoreError> {
        let whose = "u.tenant = $3 AND u.status = 'active' \
            AND u.expires_at >= $1 AND u.expires_at < $2";
        let tenant: Value = tenant.as_uuid().into();
        let values = || range.values().into_iter().chain([tenant.clone()]);
        let count = format!("SELECT COUNT(*) FROM subscriber u WHERE {whose}");
        let statement = self.dialect().statement(count, values());
        let row = self.reader().query_one_raw(statement).await?;
        let count: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?;
        let list = format!(
            "SELECT u.id, u.username, p.name, u.expires_at FROM subscriber u \
             JOIN plan p ON p.id = u.plan WHERE {whose} ORDER BY u.expires_at, u.id LIMIT {}",
            limit.clamp(1, 1_000)
        );
        let statement = self.dialect().statement(list, values());
        let rows = self.reader().query_all_raw(statement).await?;
        let read = |row: &QueryResult| {
            let id: Uuid = row.try_get_by_index(0)?;
            Ok(Expiring {
                id: SubscriberId::from_uuid(id),
                username: row.try_get_by_index(1)?,
                plan: row.try_get_by_index(2)?,
                expires_at: Timestamp::from_micros(row.try_get_by_index(3)?),
            })
        };
        let expiring = rows.iter().map(read).collect::<Result<_, DbErr>>();
        Ok((count.map_or(0, loaded_count), expiring?))
    }
}
