//! What the AAA node keeps in memory: routers, plans and subscribers with their secrets.
//!
//! A row that cannot be read is left out and logged: one damaged subscriber must not keep everyone
//! else from logging in.

use domain::id::{PlanId, SubscriberId};
use domain::nas::Nas;
use domain::plan::Plan;
use domain::subscriber::Subscriber;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
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

    /// These plans; one that is missing was removed.
    pub async fn directory_plans(&self, ids: &[PlanId]) -> Result<Vec<Plan>, StoreError> {
        let ids = ids.iter().map(|id| id.as_uuid()).collect();
        let models = self
            .rows_with_ids::<plan_entity::Entity>(plan_entity::Column::Id, ids)
            .await?;
        Ok(readable(&models, plan::plan))
    }

    /// These subscribers; one that is missing was removed.
    pub async fn directory_subscribers(
        &self,
        ids: &[SubscriberId],
    ) -> Result<Vec<Subscriber>, StoreError> {
        let ids = ids.iter().map(|id| id.as_uuid()).collect();
        let models = self
            .rows_with_ids::<subscriber_entity::Entity>(subscriber_entity::Column::Id, ids)
            .await?;
        Ok(readable(&models, |model| {
            subscriber::unsealed(model, self.keys())
        }))
    }

    async fn rows_with_ids<E: EntityTrait>(
        &self,
        id: E::Column,
        ids: Vec<Uuid>,
    ) -> Result<Vec<E::Model>, DbErr> {
        let mut models = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(IDS_PER_QUERY) {
            let select = E::find().filter(id.is_in(chunk.iter().copied()));
            models.extend(select.all(self.reader()).await?);
        }
        Ok(models)
    }
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
