//! Webhooks: where events are sent, as people set it. How far each has come is in `progress`.

use domain::event::Topics;
use domain::id::{Id, TenantId, WebhookId};
use domain::name::Name;
use domain::secret::Secret;
use domain::time::Timestamp;
use domain::webhook::{WebhookState, WebhookUrl};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryFilter,
};
use serde::{Serialize, Serializer};

use crate::bulk::{execute_in, select_in};
use crate::column::RowName;
use crate::deed::Deed;
use crate::entity::webhook::{Column, Entity, Model};
use crate::error::{Resource, StoreError};
use crate::keyed::Keyed;
use crate::page::Page;
use crate::seal::WEBHOOK_SECRET;
use crate::store::Store;
use crate::write::Write;

pub mod delivery;
pub mod progress;

/// How long a secret holds beside the one that took its place.
const OVERLAP_SECONDS: i64 = 24 * 3_600;

/// Webhooks of one tenant.
const WEBHOOKS_MAX: u64 = 100;

pub(crate) const KEYED: Keyed<Entity> = Keyed {
    what: Resource::Webhook,
    tenant: Column::Tenant,
    key: Column::NameKey,
    updated: Column::UpdatedAt,
};

/// A webhook to be made.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    pub tenant: TenantId,
    pub name: Name,
    pub url: WebhookUrl,
    pub topics: Topics,
    pub description: Option<String>,
    /// What messages are signed with.
    pub secret: Secret,
}

/// What to change; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct WebhookPatch {
    pub name: Option<Name>,
    pub url: Option<WebhookUrl>,
    pub topics: Option<Topics>,
    pub description: Option<Option<String>>,
    pub state: Option<WebhookState>,
    /// Go on behind this event.
    pub position: Option<i64>,
}

/// A webhook as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WebhookSummary {
    pub id: WebhookId,
    pub name: Name,
    pub url: WebhookUrl,
    #[serde(serialize_with = "as_text")]
    pub topics: Topics,
    pub description: Option<String>,
    pub state: WebhookState,
    /// Why the program has disabled it.
    pub reason: Option<String>,
    /// How long the secret before the last rotation holds.
    pub old_secret_until: Option<Timestamp>,
    /// The last event that is delivered, or not wanted.
    pub position: i64,
    /// How often the next one was tried.
    pub attempts: u32,
    pub delivered_at: Option<Timestamp>,
    pub failing_since: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What messages to an endpoint are signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSecrets {
    pub current: Secret,
    /// The one before, while it holds.
    pub old: Option<Secret>,
}

impl Store {
    /// Makes a webhook, which is sent what happens from now on.
    pub async fn webhook_insert(&self, new: NewWebhook) -> Result<WebhookSummary, StoreError> {
        let mut write = self.write().await?;
        let of_tenant = Entity::find().filter(Column::Tenant.eq(new.tenant.as_uuid()));
        let count = of_tenant.count(write.connection()).await?;
        if WEBHOOKS_MAX <= count {
            return Err(StoreError::TooMany {
                what: "webhooks",
                name: new.name.as_str().into(),
                count: usize::try_from(count + 1).unwrap_or(usize::MAX),
                max: WEBHOOKS_MAX as usize,
            });
        }
        let id: WebhookId = self.new_id();
        let model = Model {
            id: id.as_uuid(),
            tenant: new.tenant.as_uuid(),
            name: new.name.as_str().into(),
            name_key: new.name.key().into(),
            url: new.url.as_str().into(),
            topics: new.topics.to_string(),
            description: new.description,
            secret: WEBHOOK_SECRET.seal(self.keys(), id.as_uuid(), new.secret.expose()),
            old_secret: None,
            old_until: None,
            state: WebhookState::Active.as_str().into(),
            reason: None,
            created_at: write.at().as_micros(),
            updated_at: write.at().as_micros(),
        };
        Entity::insert(model.clone().into_active_model())
            .exec_without_returning(write.connection())
            .await
            .map_err(|error| KEYED.refusal(error, new.name.as_str()))?;
        progress::begin(&write, id, new.tenant).await?;
        let shown = summary(&write, model).await?;
        let named = (id.as_uuid(), new.name.as_str());
        write.record(Deed::created(
            (new.tenant, Resource::Webhook),
            named,
            &shown,
        ));
        write.commit().await?;
        Ok(shown)
    }

    /// Webhooks of a tenant by name.
    pub async fn webhook_list(
        &self,
        tenant: TenantId,
        page: &Page<Name>,
    ) -> Result<Vec<WebhookSummary>, StoreError> {
        let after = page.after.as_ref().map(Name::key);
        let models = KEYED.page(tenant, after, page.limit());
        let models = models.all(self.reader()).await?;
        summaries(self.reader(), models).await
    }

    /// The webhook of this name.
    pub async fn webhook_find(
        &self,
        tenant: TenantId,
        name: &Name,
    ) -> Result<Option<WebhookSummary>, StoreError> {
        let model = KEYED.one(tenant, name.key()).one(self.reader()).await?;
        let found = summaries(self.reader(), model.into_iter().collect()).await?;
        Ok(found.into_iter().next())
    }

    /// Changes the webhook of this name. One that becomes active again goes on where it stopped, and
    /// at once.
    pub async fn webhook_update(
        &self,
        tenant: TenantId,
        name: &Name,
        patch: WebhookPatch,
    ) -> Result<WebhookSummary, StoreError> {
        let mut write = self.write().await?;
        let model = KEYED.lock(&write, tenant, name.key()).await?;
        let before = summary(&write, model.clone()).await?;
        let id = before.id;
        if patch.state.is_some() || patch.url.is_some() || patch.position.is_some() {
            progress::restart(&write, id, patch.position).await?;
        }
        let shown_name = patch.name.clone().unwrap_or_else(|| name.clone());
        let mut row = model.into_active_model();
        if let Some(name) = patch.name {
            row.name = ActiveValue::Set(name.as_str().into());
            row.name_key = ActiveValue::Set(name.key().into());
        }
        if let Some(url) = patch.url {
            row.url = ActiveValue::Set(url.as_str().into());
        }
        if let Some(topics) = patch.topics {
            row.topics = ActiveValue::Set(topics.to_string());
        }
        if let Some(description) = patch.description {
            row.description = ActiveValue::Set(description);
        }
        if let Some(state) = patch.state {
            row.state = ActiveValue::Set(state.as_str().into());
            row.reason = ActiveValue::Set(None);
        }
        row.updated_at = ActiveValue::Set(write.at().as_micros());
        let model = row
            .update(write.connection())
            .await
            .map_err(|error| KEYED.refusal(error, shown_name.as_str()))?;
        let after = summary(&write, model).await?;
        let named = (id.as_uuid(), name.as_str());
        let about = (tenant, Resource::Webhook);
        write.record(Deed::changed(about, named, &before, &after));
        write.commit().await?;
        Ok(after)
    }

    /// Gives a webhook a new secret. The one before holds for another day.
    pub async fn webhook_rotate(
        &self,
        tenant: TenantId,
        name: &Name,
        secret: &Secret,
    ) -> Result<WebhookSummary, StoreError> {
        let mut write = self.write().await?;
        let model = KEYED.lock(&write, tenant, name.key()).await?;
        let before = summary(&write, model.clone()).await?;
        let (id, old) = (model.id, model.secret.clone());
        let mut row = model.into_active_model();
        row.secret = ActiveValue::Set(WEBHOOK_SECRET.seal(self.keys(), id, secret.expose()));
        row.old_secret = ActiveValue::Set(Some(old));
        let until = write.at().plus_seconds(OVERLAP_SECONDS);
        row.old_until = ActiveValue::Set(Some(until.as_micros()));
        row.updated_at = ActiveValue::Set(write.at().as_micros());
        let model = row.update(write.connection()).await?;
        let after = summary(&write, model).await?;
        let about = (tenant, Resource::Webhook);
        let deed = Deed::changed(about, (id, name.as_str()), &before, &after);
        write.record(Deed {
            action: domain::deed::Action::Rotated,
            ..deed
        });
        write.commit().await?;
        Ok(after)
    }

    /// Removes a webhook with all that is known of its deliveries.
    pub async fn webhook_delete(&self, tenant: TenantId, name: &Name) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let model = KEYED.lock(&write, tenant, name.key()).await?;
        let id = model.id;
        let before = summary(&write, model).await?;
        for table in ["webhook_delivery", "webhook_state"] {
            let head = format!("DELETE FROM {table} WHERE webhook IN");
            execute_in(write.connection(), &head, &[id.into()]).await?;
        }
        Entity::delete_by_id(id).exec(write.connection()).await?;
        let about = (tenant, Resource::Webhook);
        write.record(Deed::removed(about, (id, name.as_str()), &before));
        write.commit().await
    }

    /// What messages to the endpoint of this name are signed with now.
    pub async fn webhook_secrets(
        &self,
        tenant: TenantId,
        name: &Name,
    ) -> Result<WebhookSecrets, StoreError> {
        let model = KEYED.one(tenant, name.key()).one(self.reader()).await?;
        let model = model.ok_or_else(|| StoreError::NotFound {
            what: Resource::Webhook,
            name: name.as_str().into(),
        })?;
        self.secrets(&model)
    }

    fn secrets(&self, model: &Model) -> Result<WebhookSecrets, StoreError> {
        let now = self.now().as_micros();
        let holds = model.old_until.is_some_and(|until| now < until);
        let old = model.old_secret.as_deref().filter(|_| holds);
        let open = |sealed: &[u8]| WEBHOOK_SECRET.unseal(self.keys(), model.id, sealed);
        Ok(WebhookSecrets {
            current: open(&model.secret)?,
            old: old.map(open).transpose()?,
        })
    }
}

async fn summary(write: &Write, model: Model) -> Result<WebhookSummary, StoreError> {
    let mut found = summaries(write.connection(), vec![model]).await?;
    found.pop().ok_or_else(|| StoreError::NotFound {
        what: Resource::Webhook,
        name: String::new(),
    })
}

/// What rows hold, with how far each has come.
async fn summaries<C: ConnectionTrait>(
    connection: &C,
    models: Vec<Model>,
) -> Result<Vec<WebhookSummary>, StoreError> {
    let ids: Vec<sea_orm::Value> = models.iter().map(|model| model.id.into()).collect();
    let head = "SELECT s.webhook AS id, s.* FROM webhook_state s WHERE s.webhook IN";
    let rows = select_in(connection, head, &ids, "").await?;
    let progress = rows.iter().map(progress::read);
    let progress: Vec<progress::Known> = progress.collect::<Result<_, StoreError>>()?;
    let mut summaries = Vec::with_capacity(models.len());
    for model in models {
        let row = row_name(&model);
        let known = progress
            .iter()
            .find(|known| known.webhook.as_uuid() == model.id)
            .ok_or_else(|| row.corrupt("state"))?;
        summaries.push(WebhookSummary {
            id: Id::from_uuid(model.id),
            name: row.parse("name", &model.name)?,
            url: row.parse("url", &model.url)?,
            topics: row.parse("topics", &model.topics)?,
            description: model.description,
            state: row.parse("state", &model.state)?,
            reason: model.reason,
            old_secret_until: model.old_until.map(Timestamp::from_micros),
            position: known.position,
            attempts: known.attempts,
            delivered_at: known.delivered_at,
            failing_since: known.failing_since,
            created_at: Timestamp::from_micros(model.created_at),
            updated_at: Timestamp::from_micros(model.updated_at),
        });
    }
    Ok(summaries)
}

const fn row_name(model: &Model) -> RowName {
    RowName {
        table: "webhook",
        id: model.id,
    }
}

fn as_text<S: Serializer>(topics: &Topics, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(topics)
}
