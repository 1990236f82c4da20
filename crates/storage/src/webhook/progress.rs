//! How far each webhook has come, and which node sends for it.
//!
//! A webhook belongs to one node at a time, for as long as its lease; what came of deliveries is
//! stored by that node alone, many at once.

use domain::event::{EventKind, Topics};
use domain::id::{Id, TenantId, WebhookId};
use domain::name::Name;
use domain::time::Timestamp;
use domain::webhook::{WebhookState, WebhookUrl};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    QueryResult, QuerySelect, Value,
};
use serde_json::json;

use super::delivery::{self, NewDelivery};
use super::{WebhookSecrets, row_name};
use crate::bulk::{execute_with, select_in};
use crate::column::{Row, loaded_count};
use crate::deed::NewEvent;
use crate::dialect::Dialect;
use crate::entity::webhook::{Entity, Model};
use crate::error::StoreError;
use crate::store::Store;
use crate::write::Write;

/// How long a webhook belongs to the node that took it.
pub const LEASE_SECONDS: i64 = 60;

/// Webhooks that one node sends for.
const LEASED_MAX: u32 = 1_000;

const TABLE: &str = "webhook_state";

/// A lease is taken again when no more is left of it.
const RENEWED_SECONDS: i64 = 40;

/// Those that are sent for, and belong to nobody, or to this node for not much longer.
const FREE: &str = "SELECT s.webhook FROM webhook_state s JOIN webhook w ON w.id = s.webhook \
    WHERE w.state = 'active' AND (s.lease_owner IS NULL OR s.lease_until <= $2 \
        OR (s.lease_owner = $1 AND s.lease_until <= $3))";

const MINE: &str = "SELECT s.webhook AS id, s.* FROM webhook_state s \
    WHERE s.lease_owner = $1 AND s.lease_until > $2";

/// What the database knows of one.
pub(super) struct Known {
    pub(super) webhook: WebhookId,
    pub(super) position: i64,
    pub(super) attempts: u32,
    pub(super) due_at: Timestamp,
    pub(super) delivered_at: Option<Timestamp>,
    pub(super) failing_since: Option<Timestamp>,
}

/// A webhook for which this node sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeasedWebhook {
    pub id: WebhookId,
    pub tenant: TenantId,
    pub name: Name,
    pub url: WebhookUrl,
    pub topics: Topics,
    pub secrets: WebhookSecrets,
    pub position: i64,
    pub attempts: u32,
    /// When the event behind the position is to be tried.
    pub due_at: Timestamp,
    /// Another value says that somebody has changed it.
    pub updated_at: Timestamp,
}

/// What came of sending for one webhook since it was last stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookProgress {
    pub webhook: WebhookId,
    pub position: i64,
    /// How often the next event was tried.
    pub attempts: u32,
    pub due_at: Timestamp,
    pub deliveries: Vec<NewDelivery>,
}

impl Store {
    /// Takes all webhooks that are free, and gives those that this node has. Nothing is written
    /// while there is nothing to take.
    pub async fn webhook_lease(&self) -> Result<Vec<LeasedWebhook>, StoreError> {
        let now = self.now();
        let renewed = now.plus_seconds(RENEWED_SECONDS).as_micros();
        let values: [Value; 3] = [self.node().into(), now.as_micros().into(), renewed.into()];
        let sql = format!("{FREE} LIMIT {LEASED_MAX}");
        let statement = self.dialect().statement(sql, values.clone());
        let free = self.reader().query_all_raw(statement).await?;
        if !free.is_empty() {
            let write = self.write().await?;
            let until = now.plus_seconds(LEASE_SECONDS).as_micros();
            // Of two nodes that take the same, the second finds it taken.
            let sql = format!(
                "UPDATE webhook_state SET lease_owner = $1, lease_until = $4 WHERE webhook IN \
                 ({FREE} LIMIT {LEASED_MAX}) AND (lease_owner IS NULL OR lease_owner = $1 \
                 OR lease_until <= $2)"
            );
            let values = values.clone().into_iter().chain([until.into()]);
            let statement = write.dialect().statement(sql, values);
            write.connection().execute_raw(statement).await?;
            write.commit().await?;
        }
        let [node, now, _] = values;
        let statement = self.dialect().statement(MINE, [node, now]);
        let rows = self.reader().query_all_raw(statement).await?;
        let known = rows.iter().map(read);
        let known: Vec<Known> = known.collect::<Result<_, StoreError>>()?;
        self.leased(&known).await
    }

    async fn leased(&self, known: &[Known]) -> Result<Vec<LeasedWebhook>, StoreError> {
        let mut leased = Vec::with_capacity(known.len());
        for known in known {
            let model = Entity::find_by_id(known.webhook.as_uuid());
            let Some(model) = model.one(self.reader()).await? else {
                continue;
            };
            let row = row_name(&model);
            let state: WebhookState = row.parse("state", &model.state)?;
            if state != WebhookState::Active {
                continue;
            }
            leased.push(LeasedWebhook {
                id: known.webhook,
                tenant: Id::from_uuid(model.tenant),
                name: row.parse("name", &model.name)?,
                url: row.parse("url", &model.url)?,
                topics: row.parse("topics", &model.topics)?,
                secrets: self.secrets(&model)?,
                position: known.position,
                attempts: known.attempts,
                due_at: known.due_at,
                updated_at: Timestamp::from_micros(model.updated_at),
            });
        }
        Ok(leased)
    }

    /// Lets go of all webhooks that this node has, so that another one takes them at once.
    pub async fn webhook_release(&self) -> Result<(), StoreError> {
        let write = self.write().await?;
        let sql = "UPDATE webhook_state SET lease_owner = NULL, lease_until = NULL \
            WHERE lease_owner = $1";
        let statement = write.dialect().statement(sql, [self.node().into()]);
        write.connection().execute_raw(statement).await?;
        write.commit().await
    }

    /// Stores what came of deliveries, in one transaction. Of a webhook that belongs to another node
    /// now, or that somebody has set back, nothing is stored.
    pub async fn webhook_progress(&self, progress: &[WebhookProgress]) -> Result<(), StoreError> {
        if progress.is_empty() {
            return Ok(());
        }
        let write = self.write().await?;
        for step in progress {
            advance(&write, self, step).await?;
        }
        write.commit().await
    }

    /// Gives a webhook up, with an event that says why.
    pub async fn webhook_disable(&self, id: WebhookId, reason: &str) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let select = Entity::find_by_id(id.as_uuid()).lock_exclusive();
        let Some(model) = select.one(write.connection()).await? else {
            return Ok(());
        };
        if model.state != WebhookState::Active.as_str() {
            return Ok(());
        }
        let told = disabled(&model, reason);
        let tenant = Id::from_uuid(model.tenant);
        let mut row = model.into_active_model();
        row.state = ActiveValue::Set(WebhookState::Disabled.as_str().into());
        row.reason = ActiveValue::Set(Some(reason.to_owned()));
        row.updated_at = ActiveValue::Set(write.at().as_micros());
        row.update(write.connection()).await?;
        write.tell(tenant, told);
        write.commit().await
    }
}

fn disabled(model: &Model, reason: &str) -> NewEvent {
    NewEvent {
        kind: EventKind::WebhookDisabled,
        resource: Some(model.id),
        data: json!({ "name": model.name, "url": model.url, "reason": reason }),
    }
}

/// What a new webhook begins with: everything until now is not for it.
pub(super) async fn begin(write: &Write, id: WebhookId, tenant: TenantId) -> Result<(), DbErr> {
    let sql = "INSERT INTO webhook_state (webhook, position, deliveries, attempts, due_at) \
        VALUES ($1, COALESCE((SELECT event_seq FROM tenant_log WHERE tenant = $2), 0), 0, 0, $3)";
    let values = [
        id.as_uuid().into(),
        tenant.as_uuid().into(),
        write.at().as_micros().into(),
    ];
    let statement = write.dialect().statement(sql, values);
    write.connection().execute_raw(statement).await?;
    Ok(())
}

/// Begins anew with the next event, or with the one behind a position, and with whoever takes it
/// next: what is under way counts for nothing.
pub(super) async fn restart(
    write: &Write,
    id: WebhookId,
    position: Option<i64>,
) -> Result<(), DbErr> {
    let sql = "UPDATE webhook_state SET attempts = 0, due_at = $2, failing_since = NULL, \
        lease_owner = NULL, lease_until = NULL, position = COALESCE($3, position) \
        WHERE webhook = $1";
    let values = [
        id.as_uuid().into(),
        write.at().as_micros().into(),
        position.into(),
    ];
    let statement = write.dialect().statement(sql, values);
    write.connection().execute_raw(statement).await?;
    Ok(())
}

/// Stores the progress of one webhook, if it still belongs to this node.
async fn advance(write: &Write, store: &Store, step: &WebhookProgress) -> Result<(), StoreError> {
    let id: Value = step.webhook.as_uuid().into();
    let head = "SELECT s.deliveries FROM webhook_state s WHERE s.webhook IN";
    let owner = write.dialect().id_literal(store.node());
    // Whoever sets it meanwhile waits, or is waited for.
    let lock = match write.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => " FOR UPDATE",
    };
    let tail = format!(" AND s.lease_owner = {owner}{lock}");
    let rows = select_in(write.connection(), head, &[id], &tail).await?;
    let Some(row) = rows.first() else {
        return Ok(());
    };
    let last: i64 = row.try_get_by_index(0)?;
    let last = delivery::append(write, step.webhook, last, &step.deliveries).await?;
    let delivered = step.deliveries.iter().filter(|one| one.is_success());
    let delivered_at = delivered.map(|one| one.at).max();
    let tail = "UPDATE webhook_state SET position = n.position, deliveries = n.deliveries, \
        attempts = n.attempts, due_at = n.due_at, \
        delivered_at = COALESCE(n.delivered_at, webhook_state.delivered_at), \
        failing_since = CASE WHEN n.attempts = 0 THEN NULL \
            ELSE COALESCE(webhook_state.failing_since, n.at) END \
        FROM n WHERE webhook_state.webhook = n.webhook";
    let columns = [
        "webhook",
        "position",
        "deliveries",
        "attempts",
        "due_at",
        "delivered_at",
        "at",
    ];
    let row = [
        step.webhook.as_uuid().into(),
        step.position.into(),
        last.into(),
        i64::from(step.attempts).into(),
        step.due_at.as_micros().into(),
        delivered_at.map(Timestamp::as_micros).into(),
        write.at().as_micros().into(),
    ];
    execute_with(write.connection(), columns, [row], tail).await?;
    Ok(())
}

pub(super) fn read(result: &QueryResult) -> Result<Known, StoreError> {
    let row = Row::new(TABLE, result)?;
    let time = |column| -> Result<Option<Timestamp>, DbErr> {
        let micros: Option<i64> = row.raw(column)?;
        Ok(micros.map(Timestamp::from_micros))
    };
    let attempts = loaded_count(row.raw("attempts")?);
    Ok(Known {
        webhook: row.id(),
        position: row.raw("position")?,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        due_at: row.time("due_at")?,
        delivered_at: time("delivered_at")?,
        failing_since: time("failing_since")?,
    })
}
