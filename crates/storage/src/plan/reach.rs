//! Whom a change of a plan touches.

use domain::id::{PlanId, TenantId};
use domain::nas::Vendor;
use sea_orm::{ConnectionTrait, DbErr};

use crate::column::{RowName, loaded_count};
use crate::error::StoreError;
use crate::store::Store;

/// Plans that are named, of those at whose limit another one applies.
const NAMED_MAX: u32 = 100;

/// Who is on a plan now.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PlanReach {
    pub subscribers: u64,
    /// Their open sessions by the vendor of the router; those of a router that is gone have none.
    pub sessions: Vec<(Option<Vendor>, u64)>,
    /// Names of the plans at whose limit it applies, at most a hundred.
    pub at_limit_of: Vec<String>,
}

impl Store {
    /// Who is on a plan, and what they have open.
    pub async fn plan_reach(
        &self,
        tenant: TenantId,
        plan: PlanId,
    ) -> Result<PlanReach, StoreError> {
        let ask = async |sql: &str| {
            let values = [plan.as_uuid().into(), tenant.as_uuid().into()];
            let statement = self.dialect().statement(sql, values);
            self.reader().query_all_raw(statement).await
        };
        let users = ask("SELECT COUNT(*) FROM subscriber WHERE plan = $1 AND tenant = $2").await?;
        let subscribers = users.first().map(|row| row.try_get_by_index(0));
        let by_vendor = ask("SELECT r.vendor, COUNT(*) FROM session_open s \
            JOIN subscriber u ON u.id = s.subscriber LEFT JOIN router r ON r.id = s.nas \
            WHERE u.plan = $1 AND s.tenant = $2 GROUP BY r.vendor ORDER BY r.vendor")
        .await?;
        let name = RowName {
            table: "router",
            id: plan.as_uuid(),
        };
        let mut sessions = Vec::with_capacity(by_vendor.len());
        for row in &by_vendor {
            let vendor: Option<String> = row.try_get_by_index(0)?;
            let vendor = name.find_parsed("vendor", vendor.as_deref())?;
            sessions.push((vendor, loaded_count(row.try_get_by_index(1)?)));
        }
        let others = ask(&format!(
            "SELECT name FROM plan WHERE at_limit_plan = $1 AND tenant = $2 \
            ORDER BY name_key LIMIT {NAMED_MAX}"
        ))
        .await?;
        let names = others.iter().map(|row| row.try_get_by_index(0));
        Ok(PlanReach {
            subscribers: loaded_count(subscribers.transpose()?.unwrap_or(0)),
            sessions,
            at_limit_of: names.collect::<Result<_, DbErr>>()?,
        })
    }
}
