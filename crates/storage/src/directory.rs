//! What the AAA node keeps in memory: routers, plans and subscribers with their secrets.
//!
//! A row that cannot be read is left out and logged: one damaged subscriber must not keep everyone
//! else from logging in.

use domain::change::Change;
use domain::deed::Action;
use domain::id::{PlanId, SubscriberId, TenantId};
use domain::nas::Nas;
use domain::plan::Plan;
use domain::subscriber::Subscriber;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, Value};
use tracing::error;

use crate::bulk::select_in;
use crate::column::loaded_count;
use crate::deed::Deed;
use crate::entity::{nas as nas_entity, plan as plan_entity};
use crate::error::{Resource, StoreError};
use crate::store::Store;
use crate::tenant::Zones;
use crate::{nas, plan};
use bound::Bound;
use reading::{COLUMNS, Reading};

mod bound;
mod named;
mod reading;

/// Plans in one query.
const PLANS_PER_QUERY: usize = 1_024;
const PAGE_ROWS_MAX: u32 = 20_000;
/// Rows that are unsealed together, while the next ones are read.
const ROWS_PER_QUERY: u32 = 2_048;

/// How much there is for a node to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryExtent {
    pub subscribers: u64,
    pub plans: u64,
    pub nas: u64,
    pub open_sessions: u64,
}

impl Store {
    /// Every router of every tenant, and those of FreeRADIUS' table that are at other addresses.
    pub async fn directory_nas_all(&self) -> Result<Vec<Nas>, StoreError> {
        let models = nas_entity::Entity::find().all(self.reader()).await?;
        let mut groups = self.nas_group_members().await?;
        let mut all = readable(&models, |model| {
            let groups = groups.remove(&model.id).unwrap_or_default();
            nas::unsealed(model, self.keys(), groups)
        });
        let beside = self.row_nas_beside(&all).await?;
        all.extend(beside);
        Ok(all)
    }

    /// Every plan of every tenant.
    pub async fn directory_plan_all(&self) -> Result<Vec<Plan>, StoreError> {
        let zones = Zones::read(self.reader(), self).await?;
        let models = plan_entity::Entity::find().all(self.reader()).await?;
        Ok(readable(&models, |model| plan::plan(model, &zones)))
    }

    /// The next subscribers of all tenants, in the order of their ids, at most 20,000. A page with
    /// fewer than `limit` may be followed by others; an empty page is the end.
    pub async fn directory_subscriber_page(
        &self,
        after: Option<SubscriberId>,
        limit: u32,
    ) -> Result<Vec<Subscriber>, StoreError> {
        // No id is less than this one.
        let mut after = after.map_or(uuid::Uuid::nil(), |id| id.as_uuid());
        let mut left = limit.clamp(1, PAGE_ROWS_MAX);
        let mut reading = Reading::new(self.keys());
        let sql = format!("SELECT {COLUMNS} FROM subscriber WHERE id > $1 ORDER BY id LIMIT $2");
        loop {
            let rows_max = left.min(ROWS_PER_QUERY);
            let values = [after.into(), i64::from(rows_max).into()];
            let statement = self.dialect().statement(sql.as_str(), values);
            let rows = self.reader().query_all_raw(statement).await?;
            let is_last = rows.len() < rows_max as usize;
            if let Some(last) = rows.last() {
                let last = reading::id(last)?;
                let bound = Bound::between(self.reader(), after, last, self.now()).await?;
                after = last;
                reading.push(rows, bound).await?;
            }
            left -= rows_max;
            if is_last {
                return reading.finish().await;
            }
            if left == 0 {
                let page = reading.finish().await?;
                if !page.is_empty() {
                    return Ok(page);
                }
                // A page of damaged rows only is not the end.
                reading = Reading::new(self.keys());
                left = limit.clamp(1, PAGE_ROWS_MAX);
            }
        }
    }

    /// These plans; one that is missing was removed.
    pub async fn directory_plans(&self, ids: &[PlanId]) -> Result<Vec<Plan>, StoreError> {
        let zones = Zones::read(self.reader(), self).await?;
        let mut models = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(PLANS_PER_QUERY) {
            let ids = chunk.iter().map(|id| id.as_uuid());
            let select = plan_entity::Entity::find().filter(plan_entity::Column::Id.is_in(ids));
            models.extend(select.all(self.reader()).await?);
        }
        Ok(readable(&models, |model| plan::plan(model, &zones)))
    }

    /// These subscribers; one that is missing was removed.
    pub async fn directory_subscribers(
        &self,
        ids: &[SubscriberId],
    ) -> Result<Vec<Subscriber>, StoreError> {
        let head = format!("SELECT {COLUMNS} FROM subscriber WHERE id IN");
        let mut reading = Reading::new(self.keys());
        for chunk in ids.chunks(ROWS_PER_QUERY as usize) {
            let ids: Vec<Value> = chunk.iter().map(|id| id.as_uuid().into()).collect();
            let rows = select_in(self.reader(), &head, &ids, "").await?;
            let bound = Bound::of(self.reader(), &ids, self.now()).await?;
            reading.push(rows, bound).await?;
        }
        reading.finish().await
    }

    /// Has every node load everything anew.
    pub async fn directory_reload(&self) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        write.note(TenantId::DEFAULT, Change::Everything);
        write.record(Deed {
            tenant: TenantId::DEFAULT,
            action: Action::Changed,
            what: Resource::Directory,
            id: None,
            name: "reload".to_owned(),
            before: None,
            after: None,
        });
        write.commit().await
    }

    /// Counts what a node loads, of every tenant.
    pub async fn directory_extent(&self) -> Result<DirectoryExtent, StoreError> {
        const SQL: &str = "SELECT (SELECT COUNT(*) FROM subscriber) AS subscribers, \
            (SELECT COUNT(*) FROM plan) AS plans, (SELECT COUNT(*) FROM router) AS nas, \
            (SELECT COUNT(*) FROM session_open) AS open_sessions";
        let statement = self.dialect().statement(SQL, []);
        let row = self.reader().query_one_raw(statement).await?;
        let row = row.ok_or_else(|| DbErr::RecordNotFound("a row of counts".into()))?;
        let count = |column: &str| row.try_get("", column).map(loaded_count);
        Ok(DirectoryExtent {
            subscribers: count("subscribers")?,
            plans: count("plans")?,
            nas: count("nas")?,
            open_sessions: count("open_sessions")?,
        })
    }
}

fn readable<Model, T>(
    models: &[Model],
    mut read: impl FnMut(&Model) -> Result<T, StoreError>,
) -> Vec<T> {
    let mut values = Vec::with_capacity(models.len());
    for model in models {
        values.extend(readable_or_told(read(model)));
    }
    values
}

/// The value, or nothing when it cannot be read and that was logged.
pub(crate) fn readable_or_told<T>(read: Result<T, StoreError>) -> Option<T> {
    read.inspect_err(|damage| {
        let source = std::error::Error::source(damage).map(ToString::to_string);
        error!(source, "Left out of the directory: {damage}");
    })
    .ok()
}
