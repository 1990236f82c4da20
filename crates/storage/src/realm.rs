//! Realms.

use domain::change::Change;
use domain::id::{Id, TenantId};
use domain::realm::{Realm, RealmHandling, RealmName};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, SqlErr};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::column::RowName;
use crate::deed::Deed;
use crate::error::{Resource, StoreError, UniqueField};
use crate::store::Store;
use crate::write::NO_REVISION;

/// Realms that one tenant has at most: nodes look through them.
pub const REALMS_MAX: usize = 256;

impl Store {
    /// Adds a realm; its name is unique among all tenants.
    pub async fn realm_insert(
        &self,
        tenant: TenantId,
        name: &RealmName,
        handling: RealmHandling,
    ) -> Result<(), StoreError> {
        let known = self.realm_list(tenant).await?.len();
        if REALMS_MAX <= known {
            return Err(StoreError::TooMany {
                what: "realms",
                name: name.to_string(),
                count: known + 1,
                max: REALMS_MAX,
            });
        }
        let mut write = self.write().await?;
        let sql = "INSERT INTO realm (name, tenant, handling, created_at) VALUES ($1, $2, $3, $4)";
        let values = [
            name.as_str().into(),
            tenant.as_uuid().into(),
            handling.as_str().into(),
            write.at().as_micros().into(),
        ];
        let statement = write.dialect().statement(sql, values);
        let done = write.connection().execute_raw(statement).await;
        done.map_err(|error| taken(error, name))?;
        let what = (tenant, Resource::Realm);
        let named = (Uuid::nil(), name.as_str());
        let after = seen(name.as_str(), handling.as_str());
        write.record(Deed::created(what, named, &after).by_name());
        write.note(tenant, Change::Tenant(tenant));
        write.commit().await
    }

    /// The realms of a tenant by name.
    pub async fn realm_list(&self, tenant: TenantId) -> Result<Vec<Realm>, StoreError> {
        let sql = "SELECT name, tenant, handling FROM realm WHERE tenant = $1 ORDER BY name";
        let statement = self.dialect().statement(sql, [tenant.as_uuid().into()]);
        let rows = self.reader().query_all_raw(statement).await?;
        rows.iter().map(realm).collect()
    }

    /// Removes a realm; subscribers stay.
    pub async fn realm_delete(&self, tenant: TenantId, name: &RealmName) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        write.check_revision(Resource::Realm, name.as_str(), NO_REVISION)?;
        let sql = "DELETE FROM realm WHERE tenant = $1 AND name = $2 RETURNING handling";
        let values = [tenant.as_uuid().into(), name.as_str().into()];
        let statement = write.dialect().statement(sql, values);
        let removed = write.connection().query_one_raw(statement).await?;
        let removed = removed.ok_or_else(|| StoreError::NotFound {
            what: Resource::Realm,
            name: name.to_string(),
        })?;
        let handling: String = removed.try_get_by_index(0)?;
        let what = (tenant, Resource::Realm);
        let named = (Uuid::nil(), name.as_str());
        let before = seen(name.as_str(), &handling);
        write.record(Deed::removed(what, named, &before).by_name());
        write.note(tenant, Change::Tenant(tenant));
        write.commit().await
    }
}

/// The realm that a row holds.
pub(crate) fn realm(row: &QueryResult) -> Result<Realm, StoreError> {
    let tenant = row.try_get("", "tenant")?;
    let text = |column: &str| row.try_get::<String>("", column);
    let name = RowName {
        table: "realm",
        id: tenant,
    };
    Ok(Realm {
        tenant: Id::from_uuid(tenant),
        name: name.parse("name", &text("name")?)?,
        handling: name.parse("handling", &text("handling")?)?,
    })
}

/// A realm as the audit log shows it.
fn seen(name: &str, handling: &str) -> Json {
    json!({ "name": name, "handling": handling })
}

fn taken(error: DbErr, name: &RealmName) -> StoreError {
    if let Some(SqlErr::UniqueConstraintViolation(_)) = error.sql_err() {
        return StoreError::Conflict {
            what: Resource::Realm,
            name: name.to_string(),
            field: UniqueField::Name,
        };
    }
    error.into()
}
