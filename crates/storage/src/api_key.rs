//! API keys: known by their hashes, with what they permit.

use domain::deed::Action;
use domain::id::{ApiKeyId, Id, TenantId};
use domain::name::Name;
use domain::permission::{Role, Scopes};
use domain::time::Timestamp;
use ipnet::IpNet;
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, Condition, EntityTrait, IntoActiveModel,
    QueryFilter,
};
use serde::Serialize;

use crate::column::RowName;
use crate::deed::Deed;
use crate::entity::api_key::{ActiveModel, Column, Entity, Model};
use crate::error::{Resource, StoreError};
use crate::keyed::Keyed;
use crate::operator::{permitted, role_as_text, scopes_as_list};
use crate::page::Page;
use crate::store::Store;
use crate::tenant;

/// The use of a key is written down again after this time.
const USE_NOTED_EVERY_MICROS: i64 = 60 * 1_000_000;

const KEYED: Keyed<Entity> = Keyed {
    what: Resource::ApiKey,
    tenant: Column::Tenant,
    key: Column::NameKey,
    updated: Column::UpdatedAt,
};

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    pub tenant: TenantId,
    pub name: Name,
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// Its beginning, which is no secret.
    pub hint: String,
    /// Whose scopes it has, as they are when it is used.
    pub role: Option<Role>,
    /// What it permits beside those of its role.
    pub scopes: Scopes,
    /// Where it may be used from; from everywhere when there is none.
    pub networks: Vec<IpNet>,
    pub expires_at: Option<Timestamp>,
}

/// What to change of a key; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct ApiKeyPatch {
    pub name: Option<Name>,
    pub role: Option<Option<Role>>,
    pub scopes: Option<Scopes>,
    pub networks: Option<Vec<IpNet>>,
    pub expires_at: Option<Option<Timestamp>>,
}

/// A key as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiKeySummary {
    pub id: ApiKeyId,
    pub tenant: TenantId,
    pub name: Name,
    pub hint: String,
    #[serde(serialize_with = "role_as_text")]
    pub role: Option<Role>,
    #[serde(serialize_with = "scopes_as_list")]
    pub scopes: Scopes,
    pub networks: Vec<IpNet>,
    pub expires_at: Option<Timestamp>,
    /// How long the key before the last rotation holds.
    pub old_until: Option<Timestamp>,
    pub used_at: Option<Timestamp>,
    pub used_from: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl ApiKeySummary {
    /// What it permits now.
    pub fn permitted(&self) -> Scopes {
        permitted(self.role, &self.scopes)
    }
}

impl Store {
    /// Makes a key.
    pub async fn api_key_insert(&self, new: NewApiKey) -> Result<ApiKeySummary, StoreError> {
        let mut write = self.write().await?;
        let id: ApiKeyId = self.new_id();
        let row = Model {
            id: id.as_uuid(),
            tenant: new.tenant.as_uuid(),
            name: new.name.as_str().into(),
            name_key: new.name.key().into(),
            hash: new.hash.to_vec(),
            hint: new.hint,
            role: new.role.map(|role| role.as_str().into()),
            scopes: new.scopes.to_string(),
            networks: stored_networks(&new.networks),
            expires_at: new.expires_at.map(Timestamp::as_micros),
            old_hash: None,
            old_until: None,
            used_at: None,
            used_from: None,
            created_at: write.at().as_micros(),
            updated_at: write.at().as_micros(),
        };
        let shown = summary(&row)?;
        Entity::insert(row.into_active_model())
            .exec_without_returning(write.connection())
            .await
            .map_err(|error| KEYED.refusal(error, new.name.as_str()))?;
        let named = (id.as_uuid(), new.name.as_str());
        write.record(Deed::created((new.tenant, Resource::ApiKey), named, &shown));
        write.commit().await?;
        Ok(shown)
    }

    /// The key with this hash, or that had it before a rotation that is not over yet. Keys of a tenant
    /// that is disabled are no keys.
    pub async fn api_key_find(&self, hash: &[u8; 32]) -> Result<Option<ApiKeySummary>, StoreError> {
        let old = Condition::all()
            .add(Column::OldHash.eq(hash.to_vec()))
            .add(Column::OldUntil.gt(self.now().as_micros()));
        let model = Entity::find()
            .filter(
                Condition::any()
                    .add(Column::Hash.eq(hash.to_vec()))
                    .add(old),
            )
            .one(self.reader())
            .await?;
        let Some(key) = model.as_ref().map(summary).transpose()? else {
            return Ok(None);
        };
        let is_open = tenant::is_open(self.reader(), key.tenant).await?;
        Ok(is_open.then_some(key))
    }

    /// The key of this name.
    pub async fn api_key_named(
        &self,
        tenant: TenantId,
        name: &Name,
    ) -> Result<Option<ApiKeySummary>, StoreError> {
        let model = KEYED.one(tenant, name.key()).one(self.reader()).await?;
        model.as_ref().map(summary).transpose()
    }

    /// Changes the key of this name; the key itself stays.
    pub async fn api_key_update(
        &self,
        tenant: TenantId,
        name: &Name,
        patch: ApiKeyPatch,
    ) -> Result<ApiKeySummary, StoreError> {
        let mut write = self.write().await?;
        let model = KEYED.lock(&write, tenant, name.key()).await?;
        let before = summary(&model)?;
        let new_name = patch.name.clone();
        let model = patched_row(model, patch, write.at())
            .update(write.connection())
            .await
            .map_err(|error| KEYED.refusal(error, new_name.as_ref().unwrap_or(name).as_str()))?;
        let after = summary(&model)?;
        let named = (model.id, before.name.as_str());
        let what = (tenant, Resource::ApiKey);
        write.record(Deed::changed(what, named, &before, &after));
        write.commit().await?;
        Ok(after)
    }

    /// Puts another key in the place of the one of this name, which holds beside it for a while.
    pub async fn api_key_rotate(
        &self,
        tenant: TenantId,
        name: &Name,
        (hash, hint): ([u8; 32], &str),
        overlap_seconds: u32,
    ) -> Result<ApiKeySummary, StoreError> {
        let mut write = self.write().await?;
        let model = KEYED.lock(&write, tenant, name.key()).await?;
        let before = summary(&model)?;
        let until = write.at().plus_seconds(overlap_seconds.into());
        let old = (0 < overlap_seconds).then(|| model.hash.clone());
        let mut row = model.into_active_model();
        row.old_until = ActiveValue::Set(old.is_some().then(|| until.as_micros()));
        row.old_hash = ActiveValue::Set(old);
        row.hash = ActiveValue::Set(hash.to_vec());
        row.hint = ActiveValue::Set(hint.to_owned());
        row.updated_at = ActiveValue::Set(write.at().as_micros());
        let after = summary(&row.update(write.connection()).await?)?;
        let named = (after.id.as_uuid(), before.name.as_str());
        let what = (tenant, Resource::ApiKey);
        write.record(Deed {
            action: Action::Rotated,
            ..Deed::changed(what, named, &before, &after)
        });
        write.commit().await?;
        Ok(after)
    }

    /// Keys of a tenant by name.
    pub async fn api_key_list(
        &self,
        tenant: TenantId,
        page: &Page<Name>,
    ) -> Result<Vec<ApiKeySummary>, StoreError> {
        let after = page.after.as_ref().map(Name::key);
        let select = KEYED.page(tenant, after, page.limit());
        let models = select.all(self.reader()).await?;
        models.iter().map(summary).collect()
    }

    /// Takes a key away for good.
    pub async fn api_key_delete(&self, tenant: TenantId, name: &Name) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let model = KEYED.lock(&write, tenant, name.key()).await?;
        let before = summary(&model)?;
        Entity::delete_by_id(model.id)
            .exec(write.connection())
            .await?;
        let named = (model.id, name.as_str());
        write.record(Deed::removed((tenant, Resource::ApiKey), named, &before));
        write.commit().await
    }

    /// Writes down that a key was used, and from where, once a minute at most.
    pub async fn api_key_used(&self, key: &ApiKeySummary, from: &str) -> Result<(), StoreError> {
        let now = self.now().as_micros();
        let is_known = key
            .used_at
            .is_some_and(|at| now - at.as_micros() < USE_NOTED_EVERY_MICROS);
        if is_known {
            return Ok(());
        }
        let write = self.write().await?;
        let Some(model) = Entity::find_by_id(key.id.as_uuid())
            .one(write.connection())
            .await?
        else {
            return Ok(());
        };
        let mut row = model.into_active_model();
        row.used_at = ActiveValue::Set(Some(now));
        row.used_from = ActiveValue::Set(Some(from.to_owned()));
        row.update(write.connection()).await?;
        write.commit().await
    }
}

fn patched_row(model: Model, patch: ApiKeyPatch, now: Timestamp) -> ActiveModel {
    let mut row = model.into_active_model();
    if let Some(name) = patch.name {
        row.name = ActiveValue::Set(name.as_str().into());
        row.name_key = ActiveValue::Set(name.key().into());
    }
    if let Some(role) = patch.role {
        row.role = ActiveValue::Set(role.map(|role| role.as_str().into()));
    }
    if let Some(scopes) = patch.scopes {
        row.scopes = ActiveValue::Set(scopes.to_string());
    }
    if let Some(networks) = patch.networks {
        row.networks = ActiveValue::Set(stored_networks(&networks));
    }
    if let Some(expires_at) = patch.expires_at {
        row.expires_at = ActiveValue::Set(expires_at.map(Timestamp::as_micros));
    }
    row.updated_at = ActiveValue::Set(now.as_micros());
    row
}

fn stored_networks(networks: &[IpNet]) -> Option<String> {
    let texts: Vec<String> = networks.iter().map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| texts.join(" "))
}

fn summary(model: &Model) -> Result<ApiKeySummary, StoreError> {
    let row = RowName {
        table: "api_key",
        id: model.id,
    };
    let networks = model.networks.as_deref().unwrap_or_default();
    Ok(ApiKeySummary {
        id: Id::from_uuid(model.id),
        tenant: Id::from_uuid(model.tenant),
        name: row.parse("name", &model.name)?,
        hint: model.hint.clone(),
        role: row.find_parsed("role", model.role.as_deref())?,
        scopes: row.parse("scopes", &model.scopes)?,
        networks: networks
            .split_whitespace()
            .map(|text| row.parse("networks", text))
            .collect::<Result<_, _>>()?,
        expires_at: model.expires_at.map(Timestamp::from_micros),
        old_until: model.old_until.map(Timestamp::from_micros),
        used_at: model.used_at.map(Timestamp::from_micros),
        used_from: model.used_from.clone(),
        created_at: Timestamp::from_micros(model.created_at),
        updated_at: Timestamp::from_micros(model.updated_at),
    })
}
