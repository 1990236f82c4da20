//! How authentications came out.

use domain::id::{NasId, TenantId};
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};

use super::{ROWS_MAX, Range, Step, sum};
use crate::auth_log::hourly::{OF_NAS, OF_TENANT};
use crate::column::loaded_count;
use crate::error::StoreError;
use crate::store::Store;

/// Authentications that came out alike in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthCount {
    pub starts_at: Timestamp,
    /// The code of the reason; absent when they were accepted.
    pub reason: Option<String>,
    pub count: u64,
}

impl Store {
    /// Authentications of a tenant, or at one router, in steps and by how they came out, oldest
    /// first.
    pub async fn auth_counts(
        &self,
        tenant: TenantId,
        nas: Option<NasId>,
        step: Step,
        range: Range,
    ) -> Result<Vec<AuthCount>, StoreError> {
        let (subject, object) = match nas {
            Some(nas) => (OF_NAS, nas.as_uuid()),
            None => (OF_TENANT, tenant.as_uuid()),
        };
        let starts_at = step.of_hour("starts_at");
        let sql = format!(
            "SELECT {starts_at} AS step, reason, {} FROM auth_hourly WHERE tenant = $3 \
             AND subject = $4 AND object = $5 AND starts_at >= $1 AND starts_at < $2 \
             GROUP BY {starts_at}, reason ORDER BY 1, 2 LIMIT {ROWS_MAX}",
            sum(self.dialect(), "count")
        );
        let whose: [Value; 3] = [tenant.as_uuid().into(), subject.into(), object.into()];
        let values = range.values().into_iter().chain(whose);
        let statement = self.dialect().statement(sql, values);
        let rows = self.reader().query_all_raw(statement).await?;
        let read = |row: &QueryResult| {
            let reason: String = row.try_get_by_index(1)?;
            Ok(AuthCount {
                starts_at: Timestamp::from_micros(row.try_get_by_index(0)?),
                reason: (!reason.is_empty()).then_some(reason),
                count: loaded_count(row.try_get_by_index(2)?),
            })
        };
        let counts = rows.iter().map(read).collect::<Result<_, DbErr>>();
        Ok(counts?)
    }
}
