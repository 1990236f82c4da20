//! What tenants, plans and routers moved.

use domain::id::{NasId, PlanId, TenantId};
use domain::time::Timestamp;
use domain::usage::{UsageAmount, UsageBucket};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use uuid::Uuid;

use super::{ROWS_MAX, Range, Step, sum, volume};
use crate::accounting::traffic::TrafficSubject;
use crate::column::loaded_count;
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::store::Store;

/// Whose traffic is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrafficOf {
    Tenant,
    Plan(PlanId),
    Nas(NasId),
}

/// By what a tenant's traffic is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrafficBy {
    Plan,
    Nas,
}

/// What one plan or router moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficShare {
    pub id: Uuid,
    pub name: String,
    pub amount: UsageAmount,
}

impl Store {
    /// Traffic in steps, oldest first. Steps in which nothing was moved are left out.
    pub async fn traffic_list(
        &self,
        tenant: TenantId,
        of: TrafficOf,
        step: Step,
        range: Range,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        let (subject, object) = match of {
            TrafficOf::Tenant => (TrafficSubject::Tenant, tenant.as_uuid()),
            TrafficOf::Plan(plan) => (TrafficSubject::Plan, plan.as_uuid()),
            TrafficOf::Nas(nas) => (TrafficSubject::Nas, nas.as_uuid()),
        };
        let starts_at = step.of_hour("starts_at");
        let sql = format!(
            "SELECT {starts_at} AS step, {} FROM traffic_hourly WHERE tenant = $3 \
             AND subject = $4 AND object = $5 AND starts_at >= $1 AND starts_at < $2 \
             GROUP BY {starts_at} ORDER BY 1 LIMIT {ROWS_MAX}",
            sums(self.dialect(), "")
        );
        let whose: [Value; 3] = [
            tenant.as_uuid().into(),
            subject.as_str().into(),
            object.into(),
        ];
        let values = range.values().into_iter().chain(whose);
        let statement = self.dialect().statement(sql, values);
        let rows = self.reader().query_all_raw(statement).await?;
        let read = |row: &QueryResult| {
            Ok(UsageBucket {
                starts_at: Timestamp::from_micros(row.try_get_by_index(0)?),
                amount: read_amount(row, 1)?,
            })
        };
        let buckets = rows.iter().map(read).collect::<Result<_, DbErr>>();
        Ok(buckets?)
    }

    /// What each plan or router moved, the most first.
    pub async fn traffic_shares(
        &self,
        tenant: TenantId,
        by: TrafficBy,
        range: Range,
        limit: u32,
    ) -> Result<Vec<TrafficShare>, StoreError> {
        let (subject, objects) = match by {
            TrafficBy::Plan => (TrafficSubject::Plan, "SELECT id, name, tenant FROM plan"),
            TrafficBy::Nas => (
                TrafficSubject::Nas,
                "SELECT nas AS id, name, tenant FROM nas_name",
            ),
        };
        let both = volume(self.dialect(), "t.");
        let sql = format!(
            "SELECT o.id, o.name, {} FROM ({objects}) AS o JOIN traffic_hourly t \
             ON t.tenant = o.tenant AND t.subject = $4 AND t.object = o.id \
             AND t.starts_at >= $1 AND t.starts_at < $2 WHERE o.tenant = $3 \
             GROUP BY o.id, o.name ORDER BY {both} DESC, o.id LIMIT {}",
            sums(self.dialect(), "t."),
            limit.clamp(1, 1_000)
        );
        let whose: [Value; 2] = [tenant.as_uuid().into(), subject.as_str().into()];
        let values = range.values().into_iter().chain(whose);
        let statement = self.dialect().statement(sql, values);
        let rows = self.reader().query_all_raw(statement).await?;
        let read = |row: &QueryResult| {
            Ok(TrafficShare {
                id: row.try_get_by_index(0)?,
                name: row.try_get_by_index(1)?,
                amount: read_amount(row, 2)?,
            })
        };
        let shares = rows.iter().map(read).collect::<Result<_, DbErr>>();
        Ok(shares?)
    }
}

/// The three sums of rows with these columns.
pub(super) fn sums(dialect: Dialect, prefix: &str) -> String {
    let columns = ["upload_bytes", "download_bytes", "session_seconds"];
    let sums = columns.map(|column| sum(dialect, &format!("{prefix}{column}")));
    sums.join(", ")
}

pub(super) fn read_amount(row: &QueryResult, first: usize) -> Result<UsageAmount, DbErr> {
    Ok(UsageAmount {
        upload_bytes: loaded_count(row.try_get_by_index(first)?),
        download_bytes: loaded_count(row.try_get_by_index(first + 1)?),
        session_seconds: loaded_count(row.try_get_by_index(first + 2)?),
    })
}
