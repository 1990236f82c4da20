//! Groups of routers.

use std::collections::HashMap;

use domain::change::Change;
use domain::id::{Id, NasGroupId, NasId, TenantId};
use domain::name::Name;
use domain::time::Timestamp;
use sea_orm::{
    ActiveModelTrait, ActiveValue, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
};
use serde::Serialize;
use uuid::Uuid;

use crate::bulk::Insert;
use crate::column::{RowName, loaded_count};
use crate::deed::Deed;
use crate::dialect::Dialect;
use crate::entity::nas_group::{ActiveModel, Column, Entity, Model};
use crate::error::{Resource, StoreError};
use crate::keyed::Keyed;
use crate::nas;
use crate::page::Page;
use crate::store::Store;
use crate::write::Write;

pub(crate) const KEYED: Keyed<Entity> = Keyed {
    what: Resource::NasGroup,
    tenant: Column::Tenant,
    key: Column::NameKey,
    updated: Column::UpdatedAt,
};

/// A group as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NasGroupSummary {
    pub id: NasGroupId,
    pub name: Name,
    /// Names of its routers, in order.
    pub members: Vec<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Routers that are put into a group at once.
pub const MEMBERS_MAX: usize = 2_000;

const MEMBER: Insert<'static> = Insert {
    table: "nas_group_member",
    columns: &["nas_group", "nas"],
    on_conflict: "ON CONFLICT DO NOTHING",
};

/// What to change of a group; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct NasGroupPatch {
    pub name: Option<Name>,
    /// In place of those that it has.
    pub members: Option<Vec<Name>>,
}

impl Store {
    /// Makes an empty group.
    pub async fn nas_group_insert(
        &self,
        tenant: TenantId,
        name: Name,
    ) -> Result<NasGroupSummary, StoreError> {
        let mut write = self.write().await?;
        let id: NasGroupId = self.new_id();
        let at = write.at();
        let row = ActiveModel {
            id: ActiveValue::Set(id.as_uuid()),
            tenant: ActiveValue::Set(tenant.as_uuid()),
            name: ActiveValue::Set(name.as_str().into()),
            name_key: ActiveValue::Set(name.key().into()),
            created_at: ActiveValue::Set(at.as_micros()),
            updated_at: ActiveValue::Set(at.as_micros()),
        };
        Entity::insert(row)
            .exec_without_returning(write.connection())
            .await
            .map_err(|error| KEYED.refusal(error, name.as_str()))?;
        let made = NasGroupSummary {
            id,
            name,
            members: Vec::new(),
            created_at: at,
            updated_at: at,
        };
        let named = (id.as_uuid(), made.name.as_str());
        write.record(Deed::created((tenant, Resource::NasGroup), named, &made));
        write.commit().await?;
        Ok(made)
    }

    /// Groups by name.
    pub async fn nas_group_list(
        &self,
        tenant: TenantId,
        page: &Page<Name>,
    ) -> Result<Vec<NasGroupSummary>, StoreError> {
        let after = page.after.as_ref().map(Name::key);
        let select = KEYED.page(tenant, after, page.limit());
        let mut groups = Vec::new();
        for model in select.all(self.reader()).await? {
            groups.push(summary(self.reader(), &model).await?);
        }
        Ok(groups)
    }

    /// The routers of a group.
    pub async fn nas_group_ids(
        &self,
        tenant: TenantId,
        name: &Name,
    ) -> Result<Option<Vec<NasId>>, StoreError> {
        let select = KEYED.one(tenant, name.key());
        let Some(group) = select.one(self.reader()).await? else {
            return Ok(None);
        };
        let sql = "SELECT nas FROM nas_group_member WHERE nas_group = $1";
        let statement = self.dialect().statement(sql, [group.id.into()]);
        let rows = self.reader().query_all_raw(statement).await?;
        let ids = rows
            .iter()
            .map(|row| Ok(NasId::from_uuid(row.try_get_by_index(0)?)));
        Ok(Some(ids.collect::<Result<_, DbErr>>()?))
    }

    /// The group of this name.
    pub async fn nas_group_find(
        &self,
        tenant: TenantId,
        name: &Name,
    ) -> Result<Option<NasGroupSummary>, StoreError> {
        let select = KEYED.one(tenant, name.key());
        match select.one(self.reader()).await? {
            Some(model) => summary(self.reader(), &model).await.map(Some),
            None => Ok(None),
        }
    }

    /// Changes the group of this name.
    pub async fn nas_group_update(
        &self,
        tenant: TenantId,
        name: &Name,
        patch: NasGroupPatch,
    ) -> Result<NasGroupSummary, StoreError> {
        let mut write = self.write().await?;
        let group = KEYED.lock(&write, tenant, name.key()).await?;
        let before = summary(write.connection(), &group).await?;
        if let Some(members) = &patch.members {
            set_members(&mut write, tenant, &group, members).await?;
        }
        let mut row = group.into_active_model();
        let new_name = patch.name.unwrap_or_else(|| before.name.clone());
        row.name = ActiveValue::Set(new_name.as_str().into());
        row.name_key = ActiveValue::Set(new_name.key().into());
        row.updated_at = ActiveValue::Set(write.at().as_micros());
        let group = row
            .update(write.connection())
            .await
            .map_err(|error| KEYED.refusal(error, new_name.as_str()))?;
        let changed = summary(write.connection(), &group).await?;
        let named = (group.id, before.name.as_str());
        let what = (tenant, Resource::NasGroup);
        write.record(Deed::changed(what, named, &before, &changed));
        write.commit().await?;
        Ok(changed)
    }

    /// Puts a router into the group of this name; one that is in it stays.
    pub async fn nas_group_add(
        &self,
        tenant: TenantId,
        name: &Name,
        nas: &Name,
    ) -> Result<NasGroupSummary, StoreError> {
        const SQL: &str = "INSERT INTO nas_group_member (nas_group, nas) VALUES ($1, $2) \
            ON CONFLICT DO NOTHING";
        self.nas_group_change(tenant, name, nas, SQL).await
    }

    /// Takes a router out of the group of this name.
    pub async fn nas_group_take(
        &self,
        tenant: TenantId,
        name: &Name,
        nas: &Name,
    ) -> Result<NasGroupSummary, StoreError> {
        const SQL: &str = "DELETE FROM nas_group_member WHERE nas_group = $1 AND nas = $2";
        self.nas_group_change(tenant, name, nas, SQL).await
    }

    /// Removes the group of this name, unless a subscriber is bound to it.
    pub async fn nas_group_delete(&self, tenant: TenantId, name: &Name) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let group = KEYED.lock(&write, tenant, name.key()).await?;
        let users = count_bound(&write, group.id).await?;
        if 0 < users {
            return Err(StoreError::InUse {
                what: Resource::NasGroup,
                name: name.as_str().into(),
                by: "subscribers",
                users,
            });
        }
        let members = member_ids(&write, group.id).await?;
        let before = summary(write.connection(), &group).await?;
        Entity::delete_by_id(group.id)
            .exec(write.connection())
            .await?;
        if let Some(member) = members.first() {
            // Routers are read all together.
            write.note(tenant, Change::Nas(Id::from_uuid(*member)));
        }
        let named = (group.id, before.name.as_str());
        write.record(Deed::removed((tenant, Resource::NasGroup), named, &before));
        write.commit().await
    }

    async fn nas_group_change(
        &self,
        tenant: TenantId,
        name: &Name,
        nas: &Name,
        sql: &str,
    ) -> Result<NasGroupSummary, StoreError> {
        let mut write = self.write().await?;
        let group = KEYED.lock(&write, tenant, name.key()).await?;
        let nas = nas::KEYED.lock(&write, tenant, nas.key()).await?;
        let before = summary(write.connection(), &group).await?;
        let statement = write
            .dialect()
            .statement(sql, [group.id.into(), nas.id.into()]);
        let done = write.connection().execute_raw(statement).await?;
        if done.rows_affected() == 0 {
            return Ok(before);
        }
        let mut row = group.into_active_model();
        row.updated_at = ActiveValue::Set(write.at().as_micros());
        let group = row.update(write.connection()).await?;
        let changed = summary(write.connection(), &group).await?;
        let named = (group.id, changed.name.as_str());
        let what = (tenant, Resource::NasGroup);
        write.record(Deed::changed(what, named, &before, &changed));
        write.note(tenant, Change::Nas(Id::from_uuid(nas.id)));
        write.commit().await?;
        Ok(changed)
    }

    /// The groups of every router.
    pub(crate) async fn nas_group_members(
        &self,
    ) -> Result<HashMap<Uuid, Vec<NasGroupId>>, StoreError> {
        let sql = "SELECT nas, nas_group FROM nas_group_member ORDER BY nas_group";
        let statement = self.dialect().statement(sql, []);
        let mut groups: HashMap<Uuid, Vec<NasGroupId>> = HashMap::new();
        for row in self.reader().query_all_raw(statement).await? {
            let group: Uuid = row.try_get("", "nas_group")?;
            let nas: Uuid = row.try_get("", "nas")?;
            groups.entry(nas).or_default().push(Id::from_uuid(group));
        }
        Ok(groups)
    }
}

/// Gives a group just these routers.
async fn set_members(
    write: &mut Write,
    tenant: TenantId,
    group: &Model,
    members: &[Name],
) -> Result<(), StoreError> {
    if MEMBERS_MAX < members.len() {
        return Err(StoreError::TooMany {
            what: "routers",
            name: group.name.clone(),
            count: members.len(),
            max: MEMBERS_MAX,
        });
    }
    let before = member_ids(write, group.id).await?;
    let mut routers = Vec::with_capacity(members.len());
    for name in members {
        let select = nas::KEYED.one(tenant, name.key());
        let router = select.one(write.connection()).await?;
        let router = router.ok_or_else(|| StoreError::NotFound {
            what: Resource::Nas,
            name: name.to_string(),
        })?;
        routers.push(router.id);
    }
    let sql = "DELETE FROM nas_group_member WHERE nas_group = $1";
    let statement = write.dialect().statement(sql, [group.id.into()]);
    write.connection().execute_raw(statement).await?;
    let rows = routers.iter().map(|nas| [group.id.into(), (*nas).into()]);
    MEMBER.run(write.connection(), rows).await?;
    if let Some(router) = routers.first().or_else(|| before.first()) {
        // Routers are read all together.
        write.note(tenant, Change::Nas(Id::from_uuid(*router)));
    }
    Ok(())
}

async fn count_bound(write: &Write, group: Uuid) -> Result<u64, DbErr> {
    let sql = "SELECT COUNT(*) AS users FROM subscriber_nas_group WHERE nas_group = $1";
    let statement = write.dialect().statement(sql, [group.into()]);
    let row = write.connection().query_one_raw(statement).await?;
    row.map_or(Ok(0), |row| row.try_get("", "users").map(loaded_count))
}

async fn member_ids(write: &Write, group: Uuid) -> Result<Vec<Uuid>, DbErr> {
    let sql = "SELECT nas FROM nas_group_member WHERE nas_group = $1";
    let statement = write.dialect().statement(sql, [group.into()]);
    let rows = write.connection().query_all_raw(statement).await?;
    rows.iter().map(|row| row.try_get("", "nas")).collect()
}

async fn summary<C: ConnectionTrait>(
    connection: &C,
    model: &Model,
) -> Result<NasGroupSummary, StoreError> {
    let sql = "SELECT n.name FROM nas_group_member m JOIN router n ON n.id = m.nas \
        WHERE m.nas_group = $1 ORDER BY n.name_key";
    let dialect = Dialect::of(connection);
    let statement = dialect.statement(sql, [model.id.into()]);
    let rows = connection.query_all_raw(statement).await?;
    let members = rows.iter().map(|row| row.try_get("", "name"));
    let row = RowName {
        table: "nas_group",
        id: model.id,
    };
    Ok(NasGroupSummary {
        id: Id::from_uuid(model.id),
        name: row.parse("name", &model.name)?,
        members: members.collect::<Result<_, DbErr>>()?,
        created_at: Timestamp::from_micros(model.created_at),
        updated_at: Timestamp::from_micros(model.updated_at),
    })
}
