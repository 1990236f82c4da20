//! Operators: the people who sign in, and what they may do.

use domain::id::{Id, OperatorId, OperatorSessionId, TenantId};
use domain::name::Name;
use domain::operator::OperatorStatus;
use domain::permission::{Role, Scopes};
use domain::secret::Secret;
use domain::time::Timestamp;
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect,
};
use serde::Serialize;

use crate::column::RowName;
use crate::deed::Deed;
use crate::entity::operator::{ActiveModel, Column, Entity, Model};
use crate::error::{Resource, StoreError};
use crate::key_ring::KeyRing;
use crate::keyed::Keyed;
use crate::page::Page;
use crate::seal::OPERATOR_PASSWORD;
use crate::store::Store;
use crate::write::Write;

pub mod attempt;
pub mod second_factor;
pub mod session;

const KEYED: Keyed<Entity> = Keyed {
    what: Resource::Operator,
    tenant: Column::Tenant,
    key: Column::NameKey,
    updated: Column::UpdatedAt,
};

/// An operator to be made.
#[derive(Clone, Debug)]
pub struct NewOperator {
    pub tenant: TenantId,
    /// Unique among the operators of all tenants.
    pub name: Name,
    pub role: Option<Role>,
    /// What is permitted beside what the role permits.
    pub scopes: Scopes,
    pub password: PasswordHash,
}

/// A password as it is stored.
#[derive(Clone, Debug)]
pub struct PasswordHash {
    /// In PHC form.
    pub phc: Secret,
    /// It must be replaced after it was used once.
    pub is_one_time: bool,
}

/// What to change of an operator; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct OperatorPatch {
    pub name: Option<Name>,
    pub status: Option<OperatorStatus>,
    pub role: Option<Option<Role>>,
    pub scopes: Option<Scopes>,
}

/// An operator as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OperatorSummary {
    pub id: OperatorId,
    pub tenant: TenantId,
    pub name: Name,
    pub status: OperatorStatus,
    #[serde(serialize_with = "role_as_text")]
    pub role: Option<Role>,
    #[serde(serialize_with = "scopes_as_list")]
    pub scopes: Scopes,
    pub must_change_password: bool,
    pub has_second_factor: bool,
    pub password_set_at: Timestamp,
    pub signed_in_at: Option<Timestamp>,
    pub signed_in_from: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl OperatorSummary {
    /// What is permitted now.
    pub fn permitted(&self) -> Scopes {
        permitted(self.role, &self.scopes)
    }
}

/// What a role and further scopes permit together.
pub fn permitted(role: Option<Role>, scopes: &Scopes) -> Scopes {
    let of_role = role.map(Role::scopes).unwrap_or_default();
    of_role.iter().chain(scopes.iter()).collect()
}

pub(crate) fn role_as_text<S: serde::Serializer>(
    role: &Option<Role>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    role.map(Role::as_str).serialize(serializer)
}

pub(crate) fn scopes_as_list<S: serde::Serializer>(
    scopes: &Scopes,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(scopes.iter())
}

impl Store {
    /// Makes an operator.
    pub async fn operator_insert(&self, new: NewOperator) -> Result<OperatorSummary, StoreError> {
        let mut write = self.write().await?;
        let id: OperatorId = self.new_id();
        let row = new_row(id, &new, self.keys(), write.at());
        let shown = summary(&row)?;
        Entity::insert(row.into_active_model())
            .exec_without_returning(write.connection())
            .await
            .map_err(|error| KEYED.refusal(error, new.name.as_str()))?;
        let named = (id.as_uuid(), new.name.as_str());
        write.record(Deed::created(
            (new.tenant, Resource::Operator),
            named,
            &shown,
        ));
        write.commit().await?;
        Ok(shown)
    }

    /// Operators of a tenant by name.
    pub async fn operator_list(
        &self,
        tenant: TenantId,
        page: &Page<Name>,
    ) -> Result<Vec<OperatorSummary>, StoreError> {
        let after = page.after.as_ref().map(Name::key);
        let select = KEYED.page(tenant, after, page.limit());
        let models = select.all(self.reader()).await?;
        models.iter().map(summary).collect()
    }

    /// The operator of this name.
    pub async fn operator_find(
        &self,
        tenant: TenantId,
        name: &Name,
    ) -> Result<Option<OperatorSummary>, StoreError> {
        let model = KEYED.one(tenant, name.key()).one(self.reader()).await?;
        model.as_ref().map(summary).transpose()
    }

    /// Whether there is any operator in the installation.
    pub async fn operator_is_any(&self) -> Result<bool, StoreError> {
        Ok(Entity::find().one(self.reader()).await?.is_some())
    }

    /// Changes the operator of this name; who is disabled is signed out.
    pub async fn operator_update(
        &self,
        tenant: TenantId,
        name: &Name,
        patch: OperatorPatch,
    ) -> Result<OperatorSummary, StoreError> {
        let mut write = self.write().await?;
        lock_owners(&write, tenant).await?;
        let model = KEYED.lock(&write, tenant, name.key()).await?;
        let before = summary(&model)?;
        let new_name = patch.name.clone();
        let model = patched_row(model, patch, write.at())
            .update(write.connection())
            .await
            .map_err(|error| KEYED.refusal(error, new_name.as_ref().unwrap_or(name).as_str()))?;
        let after = summary(&model)?;
        keep_an_owner(&write, &before).await?;
        if after.status == OperatorStatus::Disabled {
            session::end_all(&write, after.id, None).await?;
        }
        record_change(&mut write, &before, &after);
        write.commit().await?;
        Ok(after)
    }

    /// Removes the operator of this name for good.
    pub async fn operator_delete(&self, tenant: TenantId, name: &Name) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        lock_owners(&write, tenant).await?;
        let model = KEYED.lock(&write, tenant, name.key()).await?;
        let before = summary(&model)?;
        Entity::delete_by_id(model.id)
            .exec(write.connection())
            .await?;
        keep_an_owner(&write, &before).await?;
        let named = (model.id, before.name.as_str());
        write.record(Deed::removed((tenant, Resource::Operator), named, &before));
        write.commit().await
    }

    /// Gives an operator another password, ends all sessions but `kept`, and forgets failed attempts.
    pub async fn operator_set_password(
        &self,
        tenant: TenantId,
        name: &Name,
        password: &PasswordHash,
        kept: Option<OperatorSessionId>,
    ) -> Result<OperatorSummary, StoreError> {
        let mut write = self.write().await?;
        let model = KEYED.lock(&write, tenant, name.key()).await?;
        let before = summary(&model)?;
        let mut row = ActiveModel::from(model);
        let sealed = seal(self.keys(), before.id, &password.phc);
        row.password = ActiveValue::Set(sealed);
        row.password_set_at = ActiveValue::Set(write.at().as_micros());
        row.is_one_time = ActiveValue::Set(password.is_one_time.into());
        row.updated_at = ActiveValue::Set(write.at().as_micros());
        let after = summary(&row.update(write.connection()).await?)?;
        session::end_all(&write, after.id, kept).await?;
        attempt::forget_operator(&write, after.id).await?;
        record_change(&mut write, &before, &after);
        write.commit().await?;
        Ok(after)
    }
}

/// Keeps the active owners of a tenant as they are until the transaction ends, in one order.
async fn lock_owners(write: &Write, tenant: TenantId) -> Result<(), StoreError> {
    Entity::find()
        .filter(Column::Tenant.eq(tenant.as_uuid()))
        .filter(Column::Role.eq(Role::Owner.as_str()))
        .order_by_asc(Column::Id)
        .lock_exclusive()
        .all(write.connection())
        .await?;
    Ok(())
}

/// Refuses what would leave a tenant that had an owner without one.
async fn keep_an_owner(write: &Write, before: &OperatorSummary) -> Result<(), StoreError> {
    let was_owner = before.role == Some(Role::Owner) && before.status == OperatorStatus::Active;
    if !was_owner {
        return Ok(());
    }
    let owners = Entity::find()
        .filter(Column::Tenant.eq(before.tenant.as_uuid()))
        .filter(Column::Role.eq(Role::Owner.as_str()))
        .filter(Column::Status.eq(OperatorStatus::Active.as_str()))
        .count(write.connection())
        .await?;
    match owners {
        0 => Err(StoreError::LastOwner {
            name: before.name.to_string(),
        }),
        _ => Ok(()),
    }
}

fn record_change(write: &mut Write, before: &OperatorSummary, after: &OperatorSummary) {
    let named = (before.id.as_uuid(), before.name.as_str());
    let what = (before.tenant, Resource::Operator);
    write.record(Deed::changed(what, named, before, after));
}

fn new_row(id: OperatorId, new: &NewOperator, keys: &KeyRing, now: Timestamp) -> Model {
    Model {
        id: id.as_uuid(),
        tenant: new.tenant.as_uuid(),
        name: new.name.as_str().into(),
        name_key: new.name.key().into(),
        status: OperatorStatus::Active.as_str().into(),
        role: new.role.map(|role| role.as_str().into()),
        scopes: new.scopes.to_string(),
        password: seal(keys, id, &new.password.phc),
        password_set_at: now.as_micros(),
        is_one_time: new.password.is_one_time.into(),
        totp_secret: None,
        totp_confirmed_at: None,
        totp_step: 0,
        signed_in_at: None,
        signed_in_from: None,
        created_at: now.as_micros(),
        updated_at: now.as_micros(),
    }
}

fn patched_row(model: Model, patch: OperatorPatch, now: Timestamp) -> ActiveModel {
    let mut row = ActiveModel::from(model);
    if let Some(name) = patch.name {
        row.name = ActiveValue::Set(name.as_str().into());
        row.name_key = ActiveValue::Set(name.key().into());
    }
    if let Some(status) = patch.status {
        row.status = ActiveValue::Set(status.as_str().into());
    }
    if let Some(role) = patch.role {
        row.role = ActiveValue::Set(role.map(|role| role.as_str().into()));
    }
    if let Some(scopes) = patch.scopes {
        row.scopes = ActiveValue::Set(scopes.to_string());
    }
    row.updated_at = ActiveValue::Set(now.as_micros());
    row
}

fn seal(keys: &KeyRing, id: OperatorId, phc: &Secret) -> Vec<u8> {
    OPERATOR_PASSWORD.seal(keys, id.as_uuid(), phc.expose())
}

fn summary(model: &Model) -> Result<OperatorSummary, StoreError> {
    let row = row_name(model);
    Ok(OperatorSummary {
        id: Id::from_uuid(model.id),
        tenant: Id::from_uuid(model.tenant),
        name: row.parse("name", &model.name)?,
        status: row.parse("status", &model.status)?,
        role: row.find_parsed("role", model.role.as_deref())?,
        scopes: row.parse("scopes", &model.scopes)?,
        must_change_password: model.is_one_time != 0,
        has_second_factor: model.totp_confirmed_at.is_some(),
        password_set_at: Timestamp::from_micros(model.password_set_at),
        signed_in_at: model.signed_in_at.map(Timestamp::from_micros),
        signed_in_from: model.signed_in_from.clone(),
        created_at: Timestamp::from_micros(model.created_at),
        updated_at: Timestamp::from_micros(model.updated_at),
    })
}

const fn row_name(model: &Model) -> RowName {
    RowName {
        table: "operator",
        id: model.id,
    }
}
