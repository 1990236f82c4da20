//! Tenants: the providers of an installation, and the time zone that each of them keeps.

use std::collections::HashMap;

use domain::change::Change;
use domain::id::TenantId;
use domain::limit::Zone;
use domain::name::Name;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use serde::Serialize;
use uuid::Uuid;

use crate::column::Row;
use crate::deed::Deed;
use crate::dialect::Dialect;
use crate::directory::readable_or_told;
use crate::error::{Resource, StoreError, UniqueField, find_conflict};
use crate::page::Page;
use crate::store::Store;
use crate::write::Write;

const COLUMNS: &str = "id, name, time_zone, disabled_at, created_at, updated_at";

/// Whose log holds what is done to tenants: that of the provider who runs the installation.
const HOUSE: TenantId = TenantId::DEFAULT;

/// A tenant to be made.
#[derive(Clone, Debug)]
pub struct NewTenant {
    pub name: Name,
    pub time_zone: Zone,
}

/// What to change of a tenant; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct TenantPatch {
    pub name: Option<Name>,
    pub time_zone: Option<Zone>,
    /// Whether its operators and keys are refused.
    pub is_disabled: Option<bool>,
}

/// By what a tenant is meant.
#[derive(Clone, Debug)]
pub enum TenantReference {
    Id(TenantId),
    Name(Name),
}

/// A tenant as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TenantSummary {
    pub id: TenantId,
    pub name: Name,
    /// In which days, weeks and months of quotas begin, and hours of plans are read.
    pub time_zone: Zone,
    /// Since when its operators and keys are refused.
    pub disabled_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Store {
    /// Makes a tenant.
    pub async fn tenant_insert(&self, new: &NewTenant) -> Result<TenantSummary, StoreError> {
        let mut write = self.write().await?;
        let id: TenantId = self.new_id();
        let sql = "INSERT INTO tenant (id, name, name_key, time_zone, created_at, updated_at) \
            VALUES ($1, $2, $3, $4, $5, $5)";
        let values = [
            id.as_uuid().into(),
            new.name.as_str().into(),
            new.name.key().into(),
            new.time_zone.as_str().into(),
            write.at().as_micros().into(),
        ];
        let statement = write.dialect().statement(sql, values);
        let done = write.connection().execute_raw(statement).await;
        done.map_err(|error| refusal(error, &new.name))?;
        let tenant = locked(&write, id).await?;
        let named = (id.as_uuid(), tenant.name.as_str());
        write.record(Deed::created((HOUSE, Resource::Tenant), named, &tenant));
        write.note(id, Change::Tenant(id));
        write.commit().await?;
        Ok(tenant)
    }

    /// Tenants by name.
    pub async fn tenant_list(&self, page: &Page<Name>) -> Result<Vec<TenantSummary>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM tenant WHERE $1 < name_key ORDER BY name_key LIMIT {}",
            page.limit()
        );
        let after = page.after.as_ref().map(Name::key).unwrap_or_default();
        let statement = self.dialect().statement(sql, [after.into()]);
        let rows = self.reader().query_all_raw(statement).await?;
        rows.iter().map(summary).collect()
    }

    /// The tenant with this id.
    pub async fn tenant_find(&self, tenant: TenantId) -> Result<Option<TenantSummary>, StoreError> {
        self.tenant_referred(&TenantReference::Id(tenant)).await
    }

    /// The tenant that is meant.
    pub async fn tenant_referred(
        &self,
        reference: &TenantReference,
    ) -> Result<Option<TenantSummary>, StoreError> {
        let (condition, value): (_, Value) = match reference {
            TenantReference::Id(id) => ("id", id.as_uuid().into()),
            TenantReference::Name(name) => ("name_key", name.key().into()),
        };
        let sql = format!("SELECT {COLUMNS} FROM tenant WHERE {condition} = $1");
        let statement = self.dialect().statement(sql, [value]);
        let row = self.reader().query_one_raw(statement).await?;
        row.as_ref().map(summary).transpose()
    }

    /// Changes a tenant.
    pub async fn tenant_update(
        &self,
        tenant: TenantId,
        patch: &TenantPatch,
    ) -> Result<TenantSummary, StoreError> {
        if tenant == HOUSE && patch.is_disabled == Some(true) {
            return Err(StoreError::HouseTenant);
        }
        self.tenant_change(tenant, HOUSE, patch).await
    }

    /// Gives a tenant another time zone, which is a setting of its own.
    pub async fn tenant_set_zone(
        &self,
        tenant: TenantId,
        zone: &Zone,
    ) -> Result<TenantSummary, StoreError> {
        let patch = TenantPatch {
            time_zone: Some(zone.clone()),
            ..TenantPatch::default()
        };
        self.tenant_change(tenant, tenant, &patch).await
    }

    /// Changes a tenant, with a line in a log. With another time zone every node loads all plans anew.
    async fn tenant_change(
        &self,
        tenant: TenantId,
        log: TenantId,
        patch: &TenantPatch,
    ) -> Result<TenantSummary, StoreError> {
        let mut write = self.write().await?;
        let before = locked(&write, tenant).await?;
        let revision = before.updated_at.as_micros();
        write.check_revision(Resource::Tenant, before.name.as_str(), revision)?;
        let at = write.at();
        let after = TenantSummary {
            name: patch.name.clone().unwrap_or_else(|| before.name.clone()),
            time_zone: patch
                .time_zone
                .clone()
                .unwrap_or_else(|| before.time_zone.clone()),
            disabled_at: match patch.is_disabled {
                Some(true) => before.disabled_at.or(Some(at)),
                Some(false) => None,
                None => before.disabled_at,
            },
            updated_at: at,
            ..before.clone()
        };
        let sql = "UPDATE tenant SET name = $2, name_key = $3, time_zone = $4, disabled_at = $5, \
            updated_at = $6 WHERE id = $1";
        let values = [
            tenant.as_uuid().into(),
            after.name.as_str().into(),
            after.name.key().into(),
            after.time_zone.as_str().into(),
            after.disabled_at.map(Timestamp::as_micros).into(),
            at.as_micros().into(),
        ];
        let statement = write.dialect().statement(sql, values);
        let done = write.connection().execute_raw(statement).await;
        done.map_err(|error| refusal(error, &after.name))?;
        let named = (tenant.as_uuid(), before.name.as_str());
        let what = (log, Resource::Tenant);
        write.record(Deed::changed(what, named, &before, &after));
        let change = match before.time_zone == after.time_zone {
            true => Change::Tenant(tenant),
            false => Change::Everything,
        };
        write.note(tenant, change);
        write.commit().await?;
        Ok(after)
    }
}

/// Whether the operators and keys of a tenant are let in.
pub(crate) async fn is_open<C: ConnectionTrait>(
    connection: &C,
    tenant: TenantId,
) -> Result<bool, DbErr> {
    let sql = "SELECT 1 FROM tenant WHERE id = $1 AND disabled_at IS NULL";
    let statement = Dialect::of(connection).statement(sql, [tenant.as_uuid().into()]);
    Ok(connection.query_one_raw(statement).await?.is_some())
}

/// A tenant, kept from other writers until the transaction ends.
async fn locked(write: &Write, tenant: TenantId) -> Result<TenantSummary, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM tenant WHERE id = $1{}",
        write.dialect().for_update()
    );
    let statement = write.dialect().statement(sql, [tenant.as_uuid().into()]);
    let row = write.connection().query_one_raw(statement).await?;
    let row = row.ok_or_else(|| StoreError::NotFound {
        what: Resource::Tenant,
        name: tenant.to_string(),
    })?;
    summary(&row)
}

fn refusal(error: DbErr, name: &Name) -> StoreError {
    match find_conflict(&error) {
        Some(field @ UniqueField::Name) => StoreError::Conflict {
            what: Resource::Tenant,
            name: name.to_string(),
            field,
        },
        Some(_) | None => error.into(),
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
    let disabled_at: Option<i64> = row.raw("disabled_at")?;
    Ok(TenantSummary {
        id: row.id(),
        name: row.name().parse("name", &row.raw::<String>("name")?)?,
        time_zone: zone.unwrap_or_default(),
        disabled_at: disabled_at.map(Timestamp::from_micros),
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
