//! The routers and groups that subscribers are bound to.

use domain::change::Change;
use domain::id::{Id, TenantId};
use domain::name::{Name, Username};
use domain::subscriber::binding::NasBinding;
use sea_orm::{ConnectionTrait, DbErr, Value};
use serde::Serialize;
use uuid::Uuid;

use crate::bulk::Insert;
use crate::deed::Deed;
use crate::dialect::Dialect;
use crate::error::{Resource, StoreError};
use crate::store::Store;
use crate::write::Write;
use crate::{nas, nas_group, subscriber};

const NAS: Insert<'static> = Insert {
    table: "subscriber_nas",
    columns: &["subscriber", "nas"],
    on_conflict: "ON CONFLICT DO NOTHING",
};
const GROUPS: Insert<'static> = Insert {
    table: "subscriber_nas_group",
    columns: &["subscriber", "nas_group"],
    on_conflict: "ON CONFLICT DO NOTHING",
};

/// What a subscriber is bound to, by name. Both empty: every router will do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Default)]
pub struct BindingNames {
    /// Names of routers, also of those that were removed.
    pub nas: Vec<String>,
    pub groups: Vec<String>,
}

/// The routers and groups that a subscriber is to be bound to in place of those before.
#[derive(Clone, Debug, Default)]
pub struct NewBinding {
    pub nas: Vec<Name>,
    pub groups: Vec<Name>,
}

impl Store {
    /// What the subscriber of this name is bound to.
    pub async fn subscriber_binding_find(
        &self,
        tenant: TenantId,
        username: &Username,
    ) -> Result<BindingNames, StoreError> {
        Ok(bound(self.reader(), tenant, username).await?)
    }

    /// Binds the subscriber of this name to routers and groups, in place of those before; an empty
    /// binding sets free.
    pub async fn subscriber_bind(
        &self,
        tenant: TenantId,
        username: &Username,
        binding: &NewBinding,
    ) -> Result<BindingNames, StoreError> {
        let count = binding.nas.len() + binding.groups.len();
        if NasBinding::ENTRIES_MAX < count {
            return Err(StoreError::TooMany {
                what: "routers and groups",
                name: username.to_string(),
                count,
                max: NasBinding::ENTRIES_MAX,
            });
        }
        let mut write = self.write().await?;
        let key = username.as_str();
        let subscriber = subscriber::KEYED.lock(&write, tenant, key).await?.id;
        let before = bound(write.connection(), tenant, username).await?;
        let mut routers = Vec::with_capacity(binding.nas.len());
        for name in &binding.nas {
            routers.push(nas::KEYED.lock(&write, tenant, name.key()).await?.id);
        }
        let mut groups = Vec::with_capacity(binding.groups.len());
        for name in &binding.groups {
            groups.push(nas_group::KEYED.lock(&write, tenant, name.key()).await?.id);
        }
        replace(&write, &NAS, subscriber, routers).await?;
        replace(&write, &GROUPS, subscriber, groups).await?;
        let after = bound(write.connection(), tenant, username).await?;
        if before != after {
            let kind = (tenant, Resource::Subscriber);
            let seen = |names: &BindingNames| serde_json::json!({ "binding": names });
            write.record(Deed::changed(
                kind,
                (subscriber, key),
                &seen(&before),
                &seen(&after),
            ));
        }
        write.note(tenant, Change::Subscriber(Id::from_uuid(subscriber)));
        write.commit().await?;
        Ok(after)
    }
}

/// The names of what a subscriber is bound to.
async fn bound<C: ConnectionTrait>(
    connection: &C,
    tenant: TenantId,
    username: &Username,
) -> Result<BindingNames, DbErr> {
    const NAS_SQL: &str = "SELECT COALESCE(n.name, 'removed') AS name FROM subscriber_nas b \
        JOIN subscriber s ON s.id = b.subscriber LEFT JOIN nas_name n ON n.nas = b.nas \
        WHERE s.tenant = $1 AND s.username = $2 ORDER BY n.name_key";
    const GROUP_SQL: &str = "SELECT g.name FROM subscriber_nas_group b \
        JOIN subscriber s ON s.id = b.subscriber JOIN nas_group g ON g.id = b.nas_group \
        WHERE s.tenant = $1 AND s.username = $2 ORDER BY g.name_key";
    let key = [
        Value::from(tenant.as_uuid()),
        Value::from(username.as_str()),
    ];
    Ok(BindingNames {
        nas: names(connection, NAS_SQL, key.clone()).await?,
        groups: names(connection, GROUP_SQL, key).await?,
    })
}

async fn names<C: ConnectionTrait>(
    connection: &C,
    sql: &str,
    key: [Value; 2],
) -> Result<Vec<String>, DbErr> {
    let statement = Dialect::of(connection).statement(sql, key);
    let rows = connection.query_all_raw(statement).await?;
    rows.iter().map(|row| row.try_get("", "name")).collect()
}

async fn replace(
    write: &Write,
    insert: &Insert<'_>,
    subscriber: Uuid,
    ids: Vec<Uuid>,
) -> Result<(), DbErr> {
    let sql = format!("DELETE FROM {} WHERE subscriber = $1", insert.table);
    let statement = write.dialect().statement(sql, [subscriber.into()]);
    write.connection().execute_raw(statement).await?;
    let rows = ids.into_iter().map(|id| [subscriber.into(), id.into()]);
    insert.run(write.connection(), rows).await
}
