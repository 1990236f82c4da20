//! Plans.

use domain::change::Change;
use domain::id::{GardenId, Id, PlanId, TenantId};
use domain::limit::{AtLimit, Limits};
use domain::name::Name;
use domain::plan::access::{AfterExpiry, DeviceLimit, GraceDays};
use domain::plan::change::ChangeNote;
use domain::plan::{InterimInterval, Plan, PlanTerms, PoolName, SessionLimit, TimeoutSeconds};
use domain::rate_limit::RateLimit;
use domain::session_policy::SessionPolicy;
use domain::time::Timestamp;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait,
    QueryFilter, SqlErr,
};
use serde::Serialize;

use self::limits::LimitsPatch;
use self::row::{new_row, patched_row, row_name, terms};
use crate::deed::Deed;
use crate::entity::plan::{Column, Entity, Model};
use crate::entity::subscriber;
use crate::error::{Resource, StoreError};
use crate::garden::{self, GardenNames};
use crate::keyed::Keyed;
use crate::page::Page;
use crate::store::Store;
use crate::tenant::Zones;
use crate::write::Write;

pub mod limits;
pub mod reach;
pub(crate) mod row;
pub mod schedule;
mod stored_patch;
pub mod version;

const KEYED: Keyed<Entity> = Keyed {
    what: Resource::Plan,
    tenant: Column::Tenant,
    key: Column::NameKey,
    updated: Column::UpdatedAt,
};

/// A plan to be made.
#[derive(Clone, Debug)]
pub struct NewPlan {
    pub tenant: TenantId,
    pub name: Name,
    pub terms: PlanTerms,
}

/// What to change of a plan; `None` leaves a field as it is, `Some(None)` removes a limit.
#[derive(Clone, Debug, Default)]
pub struct PlanPatch {
    pub name: Option<Name>,
    pub rate: Option<Option<RateLimit>>,
    pub session_timeout_seconds: Option<Option<TimeoutSeconds>>,
    pub idle_timeout_seconds: Option<Option<TimeoutSeconds>>,
    pub interim: Option<InterimInterval>,
    pub pool: Option<Option<PoolName>>,
    pub session_limit: Option<Option<SessionLimit>>,
    pub session_policy: Option<SessionPolicy>,
    pub limits: LimitsPatch,
    pub access: AccessPatch,
    /// Kept with the version that it makes.
    pub note: Option<ChangeNote>,
}

/// What to change of how access ends and which devices it has.
#[derive(Clone, Debug, Default)]
pub struct AccessPatch {
    pub grace_days: Option<GraceDays>,
    pub after_expiry: Option<AfterExpiry>,
    pub garden: Option<Option<GardenId>>,
    pub device_limit: Option<Option<DeviceLimit>>,
    pub private_device_limit: Option<Option<DeviceLimit>>,
}

/// A plan as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlanSummary {
    pub id: PlanId,
    pub name: Name,
    #[serde(flatten)]
    pub terms: PlanTerms,
    /// The name of the plan that applies at the limit.
    pub plan_at_limit: Option<Name>,
    /// Name of the garden that the terms name.
    pub garden_name: Option<Name>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl PlanPatch {
    /// What gives a plan just these terms.
    pub fn of(terms: &PlanTerms) -> Self {
        let access = &terms.access;
        let unlimited = Limits::default();
        let limits = terms.limits.as_deref().unwrap_or(&unlimited);
        Self {
            name: None,
            rate: Some(terms.rate),
            session_timeout_seconds: Some(terms.session_timeout_seconds),
            idle_timeout_seconds: Some(terms.idle_timeout_seconds),
            interim: Some(terms.interim),
            pool: Some(terms.pool.clone()),
            session_limit: Some(terms.session_limit),
            session_policy: Some(terms.session_policy),
            limits: LimitsPatch::of(limits),
            access: AccessPatch {
                grace_days: Some(access.grace_days),
                after_expiry: Some(access.after_expiry),
                garden: Some(access.garden),
                device_limit: Some(access.device_limit),
                private_device_limit: Some(access.private_device_limit),
            },
            note: None,
        }
    }
}

impl Store {
    /// Makes a plan.
    pub async fn plan_insert(&self, new: NewPlan) -> Result<PlanSummary, StoreError> {
        let plan = Plan {
            id: self.new_id(),
            tenant: new.tenant,
            name: new.name,
            terms: new.terms,
        };
        let mut write = self.write().await?;
        check_garden(&write, plan.tenant, plan.terms.access.garden).await?;
        let model = new_row(&plan, write.at())
            .insert(write.connection())
            .await
            .map_err(|error| refusal(error, plan.name.as_str(), find_other(&plan.terms)))?;
        let made = self.summary_of(&write, plan.tenant, &model).await?;
        let named = (model.id, made.name.as_str());
        write.record(Deed::created((plan.tenant, Resource::Plan), named, &made));
        version::add(&write, model.id, None).await?;
        write.note(plan.tenant, Change::Plan(made.id));
        write.commit().await?;
        Ok(made)
    }

    /// Plans by name.
    pub async fn plan_list(
        &self,
        tenant: TenantId,
        page: &Page<Name>,
    ) -> Result<Vec<PlanSummary>, StoreError> {
        let after = page.after.as_ref().map(Name::key);
        let select = KEYED.page(tenant, after, page.limit());
        let models = select.all(self.reader()).await?;
        self.summaries(self.reader(), tenant, &models).await
    }

    /// The plan of this name.
    pub async fn plan_find(
        &self,
        tenant: TenantId,
        name: &Name,
    ) -> Result<Option<PlanSummary>, StoreError> {
        let select = KEYED.one(tenant, name.key());
        let model = select.one(self.reader()).await?;
        let found = self
            .summaries(self.reader(), tenant, model.as_slice())
            .await?;
        Ok(found.into_iter().next())
    }

    /// Changes the plan of this name, for everyone who is on it.
    pub async fn plan_update(
        &self,
        tenant: TenantId,
        name: &Name,
        patch: PlanPatch,
    ) -> Result<PlanSummary, StoreError> {
        let mut write = self.write().await?;
        let model = KEYED.lock(&write, tenant, name.key()).await?;
        let (plan, _) = self.plan_apply(&mut write, model, patch).await?;
        write.commit().await?;
        Ok(plan)
    }

    /// Changes a plan whose row is locked, and gives the number of the version that this makes; none
    /// when the plan was so already.
    async fn plan_apply(
        &self,
        write: &mut Write,
        model: Model,
        patch: PlanPatch,
    ) -> Result<(PlanSummary, Option<i64>), StoreError> {
        let tenant = Id::from_uuid(model.tenant);
        let before = self.summary_of(write, tenant, &model).await?;
        let new_name = patch.name.as_ref().unwrap_or(&before.name).clone();
        let other = patch.limits.at_limit.and_then(AtLimit::plan);
        let note = patch.note.clone();
        check_garden(write, tenant, patch.access.garden.flatten()).await?;
        let model = patched_row(model, patch, write.at())
            .update(write.connection())
            .await
            .map_err(|error| refusal(error, new_name.as_str(), other))?;
        let after = self.summary_of(write, tenant, &model).await?;
        let is_same = (&after.name, &after.terms) == (&before.name, &before.terms);
        let version = match is_same {
            true => None,
            false => Some(version::add(write, model.id, note.as_ref()).await?),
        };
        let named = (model.id, before.name.as_str());
        let what = (tenant, Resource::Plan);
        write.record(Deed::changed(what, named, &before, &after));
        write.note(tenant, Change::Plan(after.id));
        Ok((after, version))
    }

    /// Removes the plan of this name, unless somebody is on it.
    pub async fn plan_delete(&self, tenant: TenantId, name: &Name) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        // Nobody is put on a plan whose row is locked: the foreign key waits for it.
        let model = KEYED.lock(&write, tenant, name.key()).await?;
        let users = subscriber::Entity::find()
            .filter(subscriber::Column::Plan.eq(model.id))
            .count(write.connection())
            .await?;
        if 0 < users {
            return Err(StoreError::InUse {
                what: Resource::Plan,
                name: name.as_str().into(),
                by: "subscribers",
                users,
            });
        }
        let plans = Entity::find()
            .filter(Column::AtLimitPlan.eq(model.id))
            .count(write.connection())
            .await?;
        if 0 < plans {
            return Err(StoreError::AppliesAtLimit {
                name: name.as_str().into(),
                plans,
            });
        }
        let before = self.summary_of(&write, tenant, &model).await?;
        Entity::delete_by_id(model.id)
            .exec(write.connection())
            .await?;
        let named = (model.id, name.as_str());
        write.record(Deed::removed((tenant, Resource::Plan), named, &before));
        write.note(tenant, Change::Plan(Id::from_uuid(model.id)));
        write.commit().await
    }

    /// A plan as the transaction sees it.
    async fn summary_of(
        &self,
        write: &Write,
        tenant: TenantId,
        model: &Model,
    ) -> Result<PlanSummary, StoreError> {
        let models = std::slice::from_ref(model);
        let mut summaries = self.summaries(write.connection(), tenant, models).await?;
        Ok(summaries.remove(0))
    }

    /// What rows hold, with the names of their gardens and of the plans that apply at their limits.
    async fn summaries<C: ConnectionTrait>(
        &self,
        connection: &C,
        tenant: TenantId,
        models: &[Model],
    ) -> Result<Vec<PlanSummary>, StoreError> {
        let zones = Zones::read(connection, self).await?;
        let gardens = garden::names(connection, tenant).await?;
        let others = models.iter().filter_map(|model| model.at_limit_plan);
        let others = Entity::find().filter(Column::Id.is_in(others));
        let others = others.all(connection).await?;
        let name_of = |id| {
            let other = others.iter().find(|other| Some(other.id) == id);
            other.map(|other| row_name(other).parse("name", &other.name))
        };
        let summary = |model: &Model| {
            let other = name_of(model.at_limit_plan);
            summary(model, &zones, &gardens, other)
        };
        models.iter().map(summary).collect()
    }
}

/// Refuses a garden that the tenant does not have.
async fn check_garden(
    write: &Write,
    tenant: TenantId,
    garden: Option<GardenId>,
) -> Result<(), StoreError> {
    let Some(garden) = garden else {
        return Ok(());
    };
    let names = garden::names(write.connection(), tenant).await?;
    match names.contains_key(&garden.as_uuid()) {
        true => Ok(()),
        false => Err(StoreError::NotFound {
            what: Resource::Garden,
            name: garden.to_string(),
        }),
    }
}

/// The plan that a row holds.
pub(crate) fn plan(model: &Model, zones: &Zones) -> Result<Plan, StoreError> {
    Ok(Plan {
        id: Id::from_uuid(model.id),
        tenant: Id::from_uuid(model.tenant),
        name: row_name(model).parse("name", &model.name)?,
        terms: terms(model, zones)?,
    })
}

fn summary(
    model: &Model,
    zones: &Zones,
    gardens: &GardenNames,
    plan_at_limit: Option<Result<Name, StoreError>>,
) -> Result<PlanSummary, StoreError> {
    Ok(PlanSummary {
        id: Id::from_uuid(model.id),
        name: row_name(model).parse("name", &model.name)?,
        terms: terms(model, zones)?,
        plan_at_limit: plan_at_limit.transpose()?,
        garden_name: model.garden.and_then(|id| gardens.get(&id).cloned()),
        created_at: Timestamp::from_micros(model.created_at),
        updated_at: Timestamp::from_micros(model.updated_at),
    })
}

fn find_other(terms: &PlanTerms) -> Option<PlanId> {
    let limits = terms.limits.as_deref();
    limits.and_then(|limits| limits.at_limit.plan())
}

/// A name that another plan has, a plan at the limit that does not exist, or the error as it is.
fn refusal(error: DbErr, name: &str, other: Option<PlanId>) -> StoreError {
    match (error.sql_err(), other) {
        (Some(SqlErr::ForeignKeyConstraintViolation(_)), Some(other)) => StoreError::NotFound {
            what: Resource::Plan,
            name: other.to_string(),
        },
        _ => KEYED.refusal(error, name),
    }
}
