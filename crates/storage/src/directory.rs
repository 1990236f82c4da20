//! What the AAA node keeps in memory: routers, plans and subscribers with their secrets.
//!
//! A row that cannot be read is left out and logged: one damaged subscriber must not keep everyone
//! else from logging in.

use domain::id::{NasId, PlanId, SubscriberId};
use domain::nas::Nas;
use domain::plan::Plan;
use domain::subscriber::Subscriber;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tracing::error;
use uuid::Uuid;

use crate::entity::{nas as nas_entity, plan as plan_entity, subscriber as subscriber_entity};
use crate::error::StoreError;
use crate::store::Store;
use crate::{nas, plan, subscriber};

/// Ids in one query.
const IDS_PER_QUERY: usize = 1_024;
const PAGE_ROWS_MAX: u32 = 20_000;

impl Store {
    /// Every router of every tenant.
    pub async fn directory_nas_all(&self) -> Result<Vec<Nas>, StoreError> {
        let models = nas_entity::Entity::find().all(self.reader()).await?;
        Ok(readable(&models, |model| nas::unsealed(model, self.keys())))
    }

    /// Every plan of every tenant.
    pub async fn directory_plan_all(&self) -> Result<Vec<Plan>, StoreError> {
        let models = plan_entity::Entity::find().all(self.reader()).await?;
        Ok(readable(&models, plan::plan))
    }

    /// The next subscribers of all tenants, in the order of their ids, at most 20,000. A page with
    /// fewer than `limit` may be followed by others; an empty page is the end.
    pub async fn directory_subscriber_page(
        &self,
        after: Option<SubscriberId>,
        limit: u32,
    ) -> Result<Vec<Subscriber>, StoreError> {
        let mut after = after.map(|id| id.as_uuid());
        loop {
            let mut select = subscriber_entity::Entity::find()
                .order_by_asc(subscriber_entity::Column::Id)
                .limit(u64::from(limit.clamp(1, PAGE_ROWS_MAX)));
            if let Some(after) = after {
                select = select.filter(subscriber_entity::Column::Id.gt(after));
            }
            let models = select.all(self.reader()).await?;
            let page = readable(&models, |model| subscriber::unsealed(model, self.keys()));
            match models.last() {
                // A page of damaged rows only is not the end.
                Some(last) if page.is_empty() => after = Some(last.id),
                Some(_) | None => return Ok(page),
            }
        }
    }

    /// These routers; one that is missing was removed.
    pub async fn directory_nas(&self, ids: &[NasId]) -> Result<Vec<Nas>, StoreError> {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(IDS_PER_QUERY) {
            let models = nas_entity::Entity::find()
                .filter(nas_entity::Column::Id.is_in(uuids(chunk.iter().map(|id| id.as_uuid()))))
                .all(self.reader())
                .await?;
            found.extend(readable(&models, |model| nas::unsealed(model, self.keys())));
        }
        Ok(found)
    }

    /// These plans; one that is missing was removed.
    pub async fn directory_plans(&self, ids: &[PlanId]) -> Result<Vec<Plan>, StoreError> {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(IDS_PER_QUERY) {
            let models = plan_entity::Entity::find()
                .filter(plan_entity::Column::Id.is_in(uuids(chunk.iter().map(|id| id.as_uuid()))))
                .all(self.reader())
                .await?;
            found.extend(readable(&models, plan::plan));
        }
        Ok(found)
    }

    /// These subscribers; one that is missing was removed.
    pub async fn directory_subscribers(
        &self,
        ids: &[SubscriberId],
    ) -> Result<Vec<Subscriber>, StoreError> {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(IDS_PER_QUERY) {
            let ids = uuids(chunk.iter().map(|id| id.as_uuid()));
            let models = subscriber_entity::Entity::find()
                .filter(subscriber_entity::Column::Id.is_in(ids))
                .all(self.reader())
                .await?;
            found.extend(readable(&models, |model| {
                subscriber::unsealed(model, self.keys())
            }));
        }
        Ok(found)
    }
}

fn uuids(ids: impl Iterator<Item = Uuid>) -> Vec<Uuid> {
    ids.collect()
}

fn readable<Model, T>(models: &[Model], read: impl Fn(&Model) -> Result<T, StoreError>) -> Vec<T> {
    let mut values = Vec::with_capacity(models.len());
    for model in models {
        match read(model) {
            Ok(value) => values.push(value),
            Err(damage) => {
                let source = std::error::Error::source(&damage).map(ToString::to_string);
                error!(source, "Left out of the directory: {damage}");
            }
        }
    }
    values
}
