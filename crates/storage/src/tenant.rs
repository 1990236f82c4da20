//! Tenants: the providers of an installation, and the time zone that each of them keeps.

use std::collections::HashMap;

use domain::change::Change;
use domain::id::TenantId;
use domain::limit::Zone;
use sea_orm::{ConnectionTrait, QueryResult};
use serde::Serialize;
use uuid::Uuid;

use crate::column::Row;
use crate::directory::readable_or_told;
use crate::error::{Resource, StoreError};
use crate::store::Store;
use crate::tenant_policy;

const COLUMNS: &str = "id, name, time_zone";

/// A tenant as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TenantSummary {
    pub id: TenantId,
    pub name: String,
    /// In which days, weeks and months of quotas begin, and hours of plans are read.
    pub time_zone: Zone,
}

impl Store {
    /// The tenant with this id.
    pub async fn tenant_find(&self, tenant: TenantId) -> Result<Option<TenantSummary>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM tenant WHERE id = $1");
        let statement = self.dialect().statement(sql, [tenant.as_uuid().into()]);
        let row = self.reader().query_one_raw(statement).await?;
        row.as_ref().map(summary).transpose()
    }

    /// Gives a tenant another time zone. Every node loads all plans anew.
    pub async fn tenant_set_zone(
        &self,
        tenant: TenantId,
        zone: &Zone,
    ) -> Result<TenantSummary, StoreError> {
        let mut write = self.write().await?;
        tenant_policy::set(&mut write, tenant, ("time_zone", zone.as_str().into())).await?;
        let sql = format!("SELECT {COLUMNS} FROM tenant WHERE id = $1");
        let statement = write.dialect().statement(sql, [tenant.as_uuid().into()]);
        let row = write.connection().query_one_raw(statement).await?;
        let row = row.ok_or_else(|| StoreError::NotFound {
            what: Resource::Tenant,
            name: tenant.to_string(),
        })?;
        write.note(tenant, Change::Everything);
        write.commit().await?;
        summary(&row)
    }
}

/// The time zones of all tenants.
pub(crate) struct Zones(HashMap<Uuid, Zone>);

impl Zones {
    pub(crate) async fn read<C: ConnectionTrait>(
        connection: &C,
        store: &Store,
    ) -> Result<Self, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM tenant");
        let statement = store.dialect().statement(sql, []);
        let rows = connection.query_all_raw(statement).await?;
        let zones = rows.iter().map(|row| {
            let tenant = summary(row)?;
            Ok::<_, StoreError>((tenant.id.as_uuid(), tenant.time_zone))
        });
        Ok(Self(zones.collect::<Result<_, _>>()?))
    }

    /// That of a tenant; UTC for one that is not there.
    pub(crate) fn of(&self, tenant: Uuid) -> Zone {
        self.0.get(&tenant).cloned().unwrap_or_default()
    }
}

/// A zone that is not in the time zone database of this program is told, and UTC holds: it must not
/// keep everybody else from being served.
fn summary(row: &QueryResult) -> Result<TenantSummary, StoreError> {
    let row = Row::new("tenant", row)?;
    let zone: Option<Zone> = readable_or_told(row.find_parsed("time_zone")).flatten();
    Ok(TenantSummary {
        id: row.id(),
        name: row.raw("name")?,
        time_zone: zone.unwrap_or_default(),
    })
}
