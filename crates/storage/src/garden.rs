//! Walled gardens.

use std::collections::HashMap;

use domain::change::Change;
use domain::garden::{AddressList, Garden, GardenTerms, RedirectUrl};
use domain::id::{GardenId, Id, TenantId};
use domain::name::Name;
use domain::plan::{PoolName, TimeoutSeconds};
use domain::rate_limit::RateLimit;
use domain::time::Timestamp;
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait,
    QueryFilter,
};
use serde::Serialize;
use uuid::Uuid;

use crate::column::RowName;
use crate::deed::Deed;
use crate::dialect::Dialect;
use crate::entity::garden::{ActiveModel, Column, Entity, Model};
use crate::entity::plan;
use crate::error::{Resource, StoreError};
use crate::keyed::Keyed;
use crate::page::Page;
use crate::store::Store;
use crate::tenant_policy;

const KEYED: Keyed<Entity> = Keyed {
    what: Resource::Garden,
    tenant: Column::Tenant,
    key: Column::NameKey,
    updated: Column::UpdatedAt,
};

/// What to change of a garden; `None` leaves a field as it is, `Some(None)` empties it.
#[derive(Clone, Debug, Default)]
pub struct GardenPatch {
    pub name: Option<Name>,
    pub pool: Option<Option<PoolName>>,
    pub address_list: Option<Option<AddressList>>,
    pub rate: Option<Option<RateLimit>>,
    pub redirect: Option<Option<RedirectUrl>>,
    pub session_timeout_seconds: Option<TimeoutSeconds>,
}

/// A garden as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GardenSummary {
    pub id: GardenId,
    pub name: Name,
    #[serde(flatten)]
    pub terms: GardenTerms,
    /// Whether plans that name no garden use it.
    pub is_default: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Store {
    /// Makes a garden. The first one of a tenant is the garden of plans that name none.
    pub async fn garden_insert(
        &self,
        tenant: TenantId,
        name: Name,
        terms: GardenTerms,
    ) -> Result<GardenSummary, StoreError> {
        let mut write = self.write().await?;
        let id: GardenId = self.new_id();
        let garden = Garden {
            id,
            tenant,
            name,
            terms,
        };
        Entity::insert(new_row(&garden, write.at()))
            .exec_without_returning(write.connection())
            .await
            .map_err(|error| KEYED.refusal(error, garden.name.as_str()))?;
        let sql = "UPDATE tenant SET garden = $1 WHERE id = $2 AND garden IS NULL";
        let values = [id.as_uuid().into(), tenant.as_uuid().into()];
        let statement = write.dialect().statement(sql, values);
        write.connection().execute_raw(statement).await?;
        write.note(tenant, Change::Tenant(tenant));
        let default = find_default(write.connection(), tenant).await?;
        let made = GardenSummary {
            id,
            name: garden.name,
            terms: garden.terms,
            is_default: default == Some(id),
            created_at: write.at(),
            updated_at: write.at(),
        };
        let named = (id.as_uuid(), made.name.as_str());
        write.record(Deed::created((tenant, Resource::Garden), named, &made));
        write.commit().await?;
        Ok(made)
    }

    /// Gardens by name.
    pub async fn garden_list(
        &self,
        tenant: TenantId,
        page: &Page<Name>,
    ) -> Result<Vec<GardenSummary>, StoreError> {
        let default = find_default(self.reader(), tenant).await?;
        let after = page.after.as_ref().map(Name::key);
        let select = KEYED.page(tenant, after, page.limit());
        let models = select.all(self.reader()).await?;
        let summaries = models.iter().map(|model| summary(model, default));
        summaries.collect()
    }

    /// The garden of this name.
    pub async fn garden_find(
        &self,
        tenant: TenantId,
        name: &Name,
    ) -> Result<Option<GardenSummary>, StoreError> {
        let default = find_default(self.reader(), tenant).await?;
        let select = KEYED.one(tenant, name.key());
        let model = select.one(self.reader()).await?;
        model
            .as_ref()
            .map(|model| summary(model, default))
            .transpose()
    }

    /// Changes the garden of this name, for everyone who is sent there.
    pub async fn garden_update(
        &self,
        tenant: TenantId,
        name: &Name,
        patch: GardenPatch,
    ) -> Result<GardenSummary, StoreError> {
        let mut write = self.write().await?;
        let model = KEYED.lock(&write, tenant, name.key()).await?;
        let default = find_default(write.connection(), tenant).await?;
        let before = summary(&model, default)?;
        let new_name = patch.name.clone();
        let model = patched_row(model, patch, write.at())
            .update(write.connection())
            .await
            .map_err(|error| KEYED.refusal(error, new_name.as_ref().unwrap_or(name).as_str()))?;
        let changed = summary(&model, default)?;
        changed.terms.check().map_err(StoreError::Garden)?;
        let named = (model.id, before.name.as_str());
        let what = (tenant, Resource::Garden);
        write.record(Deed::changed(what, named, &before, &changed));
        write.note(tenant, Change::Tenant(tenant));
        write.commit().await?;
        Ok(changed)
    }

    /// Removes the garden of this name, unless it is used.
    pub async fn garden_delete(&self, tenant: TenantId, name: &Name) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let model = KEYED.lock(&write, tenant, name.key()).await?;
        let users = plan::Entity::find()
            .filter(plan::Column::Garden.eq(model.id))
            .count(write.connection())
            .await?;
        if 0 < users {
            return Err(StoreError::InUse {
                what: Resource::Garden,
                name: name.as_str().into(),
                by: "plans",
                users,
            });
        }
        let default = find_default(write.connection(), tenant).await?;
        let before = summary(&model, default)?;
        let sql = "UPDATE tenant SET garden = NULL WHERE garden = $1";
        let statement = write.dialect().statement(sql, [model.id.into()]);
        write.connection().execute_raw(statement).await?;
        Entity::delete_by_id(model.id)
            .exec(write.connection())
            .await?;
        let named = (model.id, before.name.as_str());
        write.record(Deed::removed((tenant, Resource::Garden), named, &before));
        write.note(tenant, Change::Tenant(tenant));
        write.commit().await
    }

    /// Makes the garden of this name that of the plans that name none, or has them none.
    pub async fn garden_set_default(
        &self,
        tenant: TenantId,
        name: Option<&Name>,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let garden = match name {
            Some(name) => Some(KEYED.lock(&write, tenant, name.key()).await?.id),
            None => None,
        };
        tenant_policy::set(&mut write, tenant, ("garden", garden.into())).await?;
        write.note(tenant, Change::Tenant(tenant));
        write.commit().await
    }
}

/// The names of gardens by their ids.
pub(crate) type GardenNames = HashMap<Uuid, Name>;

/// The names of a tenant's gardens.
pub(crate) async fn names<C: ConnectionTrait>(
    connection: &C,
    tenant: TenantId,
) -> Result<GardenNames, StoreError> {
    let models = Entity::find()
        .filter(Column::Tenant.eq(tenant.as_uuid()))
        .all(connection)
        .await?;
    let names = models
        .iter()
        .map(|model| Ok((model.id, row_name(model).parse("name", &model.name)?)));
    names.collect()
}

async fn find_default<C: ConnectionTrait>(
    connection: &C,
    tenant: TenantId,
) -> Result<Option<GardenId>, StoreError> {
    let sql = "SELECT garden FROM tenant WHERE id = $1";
    let statement = Dialect::of(connection).statement(sql, [tenant.as_uuid().into()]);
    let row = connection.query_one_raw(statement).await?;
    let id: Option<Uuid> = match row {
        Some(row) => row.try_get("", "garden")?,
        None => None,
    };
    Ok(id.map(Id::from_uuid))
}

/// The garden that a row holds.
pub(crate) fn garden(model: &Model) -> Result<Garden, StoreError> {
    Ok(Garden {
        id: Id::from_uuid(model.id),
        tenant: Id::from_uuid(model.tenant),
        name: row_name(model).parse("name", &model.name)?,
        terms: terms(model)?,
    })
}

fn new_row(garden: &Garden, now: Timestamp) -> ActiveModel {
    let terms = &garden.terms;
    Model {
        id: garden.id.as_uuid(),
        tenant: garden.tenant.as_uuid(),
        name: garden.name.as_str().into(),
        name_key: garden.name.key().into(),
        pool: terms.pool.as_ref().map(ToString::to_string),
        address_list: terms.address_list.as_ref().map(ToString::to_string),
        rate: terms.rate.map(|rate| rate.to_string()),
        redirect: terms.redirect.as_ref().map(ToString::to_string),
        session_timeout_seconds: terms.session_timeout_seconds.as_seconds().into(),
        created_at: now.as_micros(),
        updated_at: now.as_micros(),
    }
    .into()
}

fn patched_row(model: Model, patch: GardenPatch, now: Timestamp) -> ActiveModel {
    let mut row = ActiveModel::from(model);
    if let Some(name) = patch.name {
        row.name = ActiveValue::Set(name.as_str().into());
        row.name_key = ActiveValue::Set(name.key().into());
    }
    if let Some(pool) = patch.pool {
        row.pool = ActiveValue::Set(pool.map(|pool| pool.to_string()));
    }
    if let Some(list) = patch.address_list {
        row.address_list = ActiveValue::Set(list.map(|list| list.to_string()));
    }
    if let Some(rate) = patch.rate {
        row.rate = ActiveValue::Set(rate.map(|rate| rate.to_string()));
    }
    if let Some(redirect) = patch.redirect {
        row.redirect = ActiveValue::Set(redirect.map(|redirect| redirect.to_string()));
    }
    if let Some(timeout) = patch.session_timeout_seconds {
        row.session_timeout_seconds = ActiveValue::Set(timeout.as_seconds().into());
    }
    row.updated_at = ActiveValue::Set(now.as_micros());
    row
}

fn summary(model: &Model, default: Option<GardenId>) -> Result<GardenSummary, StoreError> {
    let id = Id::from_uuid(model.id);
    Ok(GardenSummary {
        id,
        name: row_name(model).parse("name", &model.name)?,
        terms: terms(model)?,
        is_default: default == Some(id),
        created_at: Timestamp::from_micros(model.created_at),
        updated_at: Timestamp::from_micros(model.updated_at),
    })
}

fn terms(model: &Model) -> Result<GardenTerms, StoreError> {
    let row = row_name(model);
    Ok(GardenTerms {
        pool: row.find_parsed("pool", model.pool.as_deref())?,
        address_list: row.find_parsed("address_list", model.address_list.as_deref())?,
        rate: row.find_parsed("rate", model.rate.as_deref())?,
        redirect: row.find_parsed("redirect", model.redirect.as_deref())?,
        session_timeout_seconds: row.number(
            "session_timeout_seconds",
            model.session_timeout_seconds,
            TimeoutSeconds::new,
        )?,
    })
}

const fn row_name(model: &Model) -> RowName {
    RowName {
        table: "garden",
        id: model.id,
    }
}
