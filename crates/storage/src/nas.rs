//! Routers in the registry.

use std::collections::HashMap;

use domain::change::Change;
use domain::id::{Id, NasGroupId, NasId, TenantId};
use domain::name::Name;
use domain::nas::{
    MacAuthentication, MessageAuthenticatorPolicy, Nas, NasSettings, NasSharing, OctetView, Vendor,
};
use domain::secret::Secret;
use domain::session_identity::IdentityTemplate;
use domain::time::Timestamp;
use ipnet::IpNet;
use sea_orm::sea_query::{Expr, ExprTrait as _, LikeExpr, Query};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait,
    QueryFilter, QueryResult, Value,
};
use serde::Serialize;
use uuid::Uuid;

use crate::bulk::{Insert, select_in};
use crate::column::{RowName, loaded_count};
use crate::deed::Deed;
use crate::entity::nas::{ActiveModel, Column, Entity, Model};
use crate::error::{Resource, StoreError};
use crate::key_ring::KeyRing;
use crate::keyed::Keyed;
use crate::page::Page;
use crate::seal::NAS_SECRET;
use crate::store::Store;
use crate::write::Write;

pub(crate) const KEYED: Keyed<Entity> = Keyed {
    what: Resource::Nas,
    tenant: Column::Tenant,
    key: Column::NameKey,
    updated: Column::UpdatedAt,
};

/// Names outlive their routers, for the sessions that they had.
const NAS_NAME: Insert<'static> = Insert {
    table: "nas_name",
    columns: &["nas", "tenant", "name", "name_key"],
    on_conflict: "ON CONFLICT (nas) DO UPDATE SET name = excluded.name, name_key = excluded.name_key",
};

/// A router to be registered.
#[derive(Clone, Debug)]
pub struct NewNas {
    pub tenant: TenantId,
    pub name: Name,
    pub source: IpNet,
    pub secret: Secret,
    pub settings: NasSettings,
}

/// What to change of a router; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct NasPatch {
    pub name: Option<Name>,
    pub source: Option<IpNet>,
    pub secret: Option<Secret>,
    pub vendor: Option<Vendor>,
    /// `Some(None)` removes the identifier.
    pub identifier: Option<Option<String>>,
    pub message_authenticator: Option<MessageAuthenticatorPolicy>,
    pub octet_view: Option<OctetView>,
    pub coa_port: Option<u16>,
    pub mac_authentication: Option<MacAuthentication>,
    pub sharing: Option<NasSharing>,
    /// `Some(None)` goes back to the usual way of the vendor.
    pub coa_identity: Option<Option<IdentityTemplate>>,
}

/// Which routers to list; everything that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct NasFilter {
    pub vendor: Option<Vendor>,
    pub group: Option<NasGroupId>,
    /// Part of the name or of the address.
    pub text: Option<String>,
}

/// What is heard of a router now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NasActivity {
    pub open_sessions: u64,
    /// When something was last heard of one of them.
    pub last_report_at: Option<Timestamp>,
}

/// A router as lists show it: without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NasSummary {
    pub id: NasId,
    pub name: Name,
    pub source: IpNet,
    #[serde(flatten)]
    pub settings: NasSettings,
    /// Names of the groups that it is in, in order.
    pub groups: Vec<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A router as the audit log shows it: of its secret only that there is another one.
#[derive(Serialize)]
struct NasSeen<'a> {
    #[serde(flatten)]
    nas: &'a NasSummary,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'static str>,
}

impl Store {
    /// Registers a router and forgets that its addresses knocked.
    pub async fn nas_insert(&self, new: NewNas) -> Result<NasSummary, StoreError> {
        let nas = Nas {
            id: self.new_id(),
            tenant: new.tenant,
            name: new.name,
            source: new.source.trunc(),
            secret: new.secret,
            settings: new.settings,
            groups: Vec::new(),
        };
        let mut write = self.write().await?;
        Entity::insert(new_row(&nas, self.keys(), write.at()))
            .exec_without_returning(write.connection())
            .await
            .map_err(|error| KEYED.refusal(error, nas.name.as_str()))?;
        remember_name(&write, nas.id, nas.tenant, &nas.name).await?;
        write.forget_knocks(nas.source).await?;
        let made = NasSummary {
            id: nas.id,
            name: nas.name,
            source: nas.source,
            settings: nas.settings,
            groups: Vec::new(),
            created_at: write.at(),
            updated_at: write.at(),
        };
        let named = (made.id.as_uuid(), made.name.as_str());
        write.record(Deed::created((nas.tenant, Resource::Nas), named, &made));
        write.note(nas.tenant, Change::Nas(made.id));
        write.commit().await?;
        Ok(made)
    }

    /// Routers by name.
    pub async fn nas_list(
        &self,
        tenant: TenantId,
        filter: &NasFilter,
        page: &Page<Name>,
    ) -> Result<Vec<NasSummary>, StoreError> {
        let after = page.after.as_ref().map(Name::key);
        let mut select = KEYED.page(tenant, after, page.limit());
        if let Some(vendor) = filter.vendor {
            select = select.filter(Column::Vendor.eq(vendor.as_str()));
        }
        if let Some(group) = filter.group {
            let members = Query::select()
                .column("nas")
                .from("nas_group_member")
                .and_where(Expr::col("nas_group").eq(group.as_uuid()))
                .to_owned();
            select = select.filter(Column::Id.in_subquery(members));
        }
        if let Some(text) = &filter.text {
            let pattern = part_pattern(&text.to_lowercase());
            let is_in_name = Expr::col(Column::NameKey).like(pattern.clone());
            let is_in_address = Expr::col(Column::Source).like(pattern);
            select = select.filter(is_in_name.or(is_in_address));
        }
        let models = select.all(self.reader()).await?;
        let mut groups = group_names(self.reader(), &models).await?;
        let summaries = models
            .iter()
            .map(|model| summary(model, groups.remove(&model.id).unwrap_or_default()));
        summaries.collect()
    }

    /// What is heard of the router with this id.
    pub async fn nas_activity(&self, nas: NasId) -> Result<NasActivity, StoreError> {
        let sql = "SELECT COUNT(*), MAX(updated_at) FROM session_open WHERE nas = $1";
        let statement = self.dialect().statement(sql, [nas.as_uuid().into()]);
        let row = self.reader().query_one_raw(statement).await?;
        let row = row.ok_or_else(|| DbErr::RecordNotFound("a row of counts".into()))?;
        let last: Option<i64> = row.try_get_by_index(1)?;
        Ok(NasActivity {
            open_sessions: loaded_count(row.try_get_by_index(0)?),
            last_report_at: last.map(Timestamp::from_micros),
        })
    }

    /// The routers that have or had a name.
    pub(crate) async fn nas_ids_named(
        &self,
        tenant: TenantId,
        name: &Name,
    ) -> Result<Vec<NasId>, StoreError> {
        let sql = "SELECT nas FROM nas_name WHERE tenant = $1 AND name_key = $2";
        let values = [tenant.as_uuid().into(), name.key().into()];
        let statement = self.dialect().statement(sql, values);
        let rows = self.reader().query_all_raw(statement).await?;
        let id = |row: &QueryResult| Ok(Id::from_uuid(row.try_get_by_index(0)?));
        rows.iter().map(id).collect()
    }

    /// The router of this name.
    pub async fn nas_find(
        &self,
        tenant: TenantId,
        name: &Name,
    ) -> Result<Option<NasSummary>, StoreError> {
        let select = KEYED.one(tenant, name.key());
        match select.one(self.reader()).await? {
            Some(model) => shown(self.reader(), &model).await.map(Some),
            None => Ok(None),
        }
    }

    /// Changes the router of this name, and forgets that its new addresses knocked.
    pub async fn nas_update(
        &self,
        tenant: TenantId,
        name: &Name,
        patch: NasPatch,
    ) -> Result<NasSummary, StoreError> {
        let mut write = self.write().await?;
        let model = KEYED.lock(&write, tenant, name.key()).await?;
        let id = Id::from_uuid(model.id);
        let before = shown(write.connection(), &model).await?;
        let secret = patch.secret.is_some().then_some("changed");
        let (new_name, new_source) = (patch.name.clone(), patch.source);
        let row = patched_row(model, patch, self.keys(), write.at());
        let model = row
            .update(write.connection())
            .await
            .map_err(|error| KEYED.refusal(error, new_name.as_ref().unwrap_or(name).as_str()))?;
        if let Some(new_name) = &new_name {
            remember_name(&write, id, tenant, new_name).await?;
        }
        if let Some(new_source) = new_source {
            write.forget_knocks(new_source).await?;
        }
        let changed = shown(write.connection(), &model).await?;
        let after = NasSeen {
            nas: &changed,
            secret,
        };
        let named = (model.id, before.name.as_str());
        let what = (tenant, Resource::Nas);
        write.record(Deed::changed(what, named, &before, &after));
        write.note(tenant, Change::Nas(id));
        write.commit().await?;
        Ok(changed)
    }

    /// Removes the router of this name; its sessions stay.
    pub async fn nas_delete(&self, tenant: TenantId, name: &Name) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let model = KEYED.lock(&write, tenant, name.key()).await?;
        let before = shown(write.connection(), &model).await?;
        Entity::delete_by_id(model.id)
            .exec(write.connection())
            .await?;
        let named = (model.id, before.name.as_str());
        write.record(Deed::removed((tenant, Resource::Nas), named, &before));
        write.note(tenant, Change::Nas(Id::from_uuid(model.id)));
        write.commit().await
    }
}

/// The whole router with its secret, for the node that speaks to it.
pub(crate) fn unsealed(
    model: &Model,
    keys: &KeyRing,
    groups: Vec<NasGroupId>,
) -> Result<Nas, StoreError> {
    let row = row_name(model);
    Ok(Nas {
        id: Id::from_uuid(model.id),
        tenant: Id::from_uuid(model.tenant),
        name: row.parse("name", &model.name)?,
        source: row.parse("source", &model.source)?,
        secret: NAS_SECRET.unseal(keys, model.id, &model.secret)?,
        settings: settings(model)?,
        groups,
    })
}

/// Keeps a name, for sessions that outlive their router.
pub(crate) async fn remember_name(
    write: &Write,
    nas: NasId,
    tenant: TenantId,
    name: &Name,
) -> Result<(), DbErr> {
    let row = [
        nas.as_uuid().into(),
        tenant.as_uuid().into(),
        name.as_str().into(),
        name.key().into(),
    ];
    NAS_NAME.run(write.connection(), [row]).await
}

/// The pattern of texts that have this one in them.
fn part_pattern(text: &str) -> LikeExpr {
    let mut pattern = String::from("%");
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    LikeExpr::new(pattern).escape('\\')
}

fn new_row(nas: &Nas, keys: &KeyRing, now: Timestamp) -> ActiveModel {
    let settings = &nas.settings;
    let id = nas.id.as_uuid();
    Model {
        id,
        tenant: nas.tenant.as_uuid(),
        name: nas.name.as_str().into(),
        name_key: nas.name.key().into(),
        source: nas.source.to_string(),
        secret: NAS_SECRET.seal(keys, id, nas.secret.expose()),
        vendor: settings.vendor.as_str().into(),
        identifier: settings.identifier.clone(),
        message_authenticator: settings.message_authenticator.as_str().into(),
        octet_view: settings.octet_view.as_str().into(),
        coa_port: settings.coa_port.into(),
        mac_authentication: settings.mac_authentication.as_str().into(),
        sharing: settings.sharing.as_str().into(),
        coa_identity: settings.coa_identity.as_ref().map(ToString::to_string),
        created_at: now.as_micros(),
        updated_at: now.as_micros(),
    }
    .into()
}

fn patched_row(model: Model, patch: NasPatch, keys: &KeyRing, now: Timestamp) -> ActiveModel {
    let id = model.id;
    let mut row = ActiveModel::from(model);
    if let Some(name) = patch.name {
        row.name = ActiveValue::Set(name.as_str().into());
        row.name_key = ActiveValue::Set(name.key().into());
    }
    if let Some(source) = patch.source {
        row.source = ActiveValue::Set(source.trunc().to_string());
    }
    if let Some(secret) = patch.secret {
        row.secret = ActiveValue::Set(NAS_SECRET.seal(keys, id, secret.expose()));
    }
    if let Some(vendor) = patch.vendor {
        row.vendor = ActiveValue::Set(vendor.as_str().into());
    }
    if let Some(identifier) = patch.identifier {
        row.identifier = ActiveValue::Set(identifier);
    }
    if let Some(policy) = patch.message_authenticator {
        row.message_authenticator = ActiveValue::Set(policy.as_str().into());
    }
    if let Some(view) = patch.octet_view {
        row.octet_view = ActiveValue::Set(view.as_str().into());
    }
    if let Some(port) = patch.coa_port {
        row.coa_port = ActiveValue::Set(port.into());
    }
    if let Some(switch) = patch.mac_authentication {
        row.mac_authentication = ActiveValue::Set(switch.as_str().into());
    }
    if let Some(sharing) = patch.sharing {
        row.sharing = ActiveValue::Set(sharing.as_str().into());
    }
    if let Some(identity) = patch.coa_identity {
        row.coa_identity = ActiveValue::Set(identity.as_ref().map(ToString::to_string));
    }
    row.updated_at = ActiveValue::Set(now.as_micros());
    row
}

/// A router with the names of its groups.
async fn shown<C: ConnectionTrait>(
    connection: &C,
    model: &Model,
) -> Result<NasSummary, StoreError> {
    let mut groups = group_names(connection, std::slice::from_ref(model)).await?;
    summary(model, groups.remove(&model.id).unwrap_or_default())
}

/// The names of the groups of these routers.
async fn group_names<C: ConnectionTrait>(
    connection: &C,
    models: &[Model],
) -> Result<HashMap<Uuid, Vec<String>>, DbErr> {
    let ids: Vec<Value> = models.iter().map(|model| model.id.into()).collect();
    let head = "SELECT m.nas, g.name FROM nas_group_member m \
        JOIN nas_group g ON g.id = m.nas_group WHERE m.nas IN";
    let mut names: HashMap<Uuid, Vec<String>> = HashMap::new();
    for row in select_in(connection, head, &ids, " ORDER BY g.name_key").await? {
        let nas: Uuid = row.try_get_by_index(0)?;
        names.entry(nas).or_default().push(row.try_get_by_index(1)?);
    }
    Ok(names)
}

fn summary(model: &Model, groups: Vec<String>) -> Result<NasSummary, StoreError> {
    let row = row_name(model);
    Ok(NasSummary {
        id: Id::from_uuid(model.id),
        name: row.parse("name", &model.name)?,
        source: row.parse("source", &model.source)?,
        settings: settings(model)?,
        groups,
        created_at: Timestamp::from_micros(model.created_at),
        updated_at: Timestamp::from_micros(model.updated_at),
    })
}

fn settings(model: &Model) -> Result<NasSettings, StoreError> {
    let row = row_name(model);
    Ok(NasSettings {
        vendor: row.parse("vendor", &model.vendor)?,
        identifier: model.identifier.clone(),
        message_authenticator: row.parse("message_authenticator", &model.message_authenticator)?,
        octet_view: row.parse("octet_view", &model.octet_view)?,
        coa_port: u16::try_from(model.coa_port).map_err(|_| row.corrupt("coa_port"))?,
        mac_authentication: row.parse("mac_authentication", &model.mac_authentication)?,
        sharing: row.parse("sharing", &model.sharing)?,
        coa_identity: match &model.coa_identity {
            Some(text) => Some(row.parse("coa_identity", text)?),
            None => None,
        },
    })
}

const fn row_name(model: &Model) -> RowName {
    RowName {
        table: "router",
        id: model.id,
    }
}
