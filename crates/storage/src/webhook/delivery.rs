//! The last deliveries of each webhook.

use domain::deed::Action;
use domain::id::{TenantId, WebhookId};
use domain::name::Name;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use serde::Serialize;

use super::{KEYED, summary};
use crate::bulk::{Insert, execute_in};
use crate::column::{loaded_count, stored_count, stored_text};
use crate::deed::Deed;
use crate::error::{Resource, StoreError};
use crate::page::Page;
use crate::store::Store;
use crate::write::Write;

/// Deliveries of one webhook that are kept.
pub const KEPT_MAX: usize = 1_000;

const DELIVERY: Insert<'static> = Insert {
    table: "webhook_delivery",
    columns: &[
        "webhook",
        "number",
        "at",
        "event_seq",
        "kind",
        "attempt",
        "status",
        "problem",
        "duration_ms",
    ],
    on_conflict: "",
};

/// One attempt to deliver an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    pub at: Timestamp,
    /// Absent for one that was only tried out.
    pub event: Option<i64>,
    pub kind: String,
    pub attempt: u32,
    /// What the endpoint answered.
    pub status: Option<u16>,
    /// Why it does not count as delivered.
    pub problem: Option<String>,
    pub duration_ms: u64,
}

/// One attempt as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeliveryRow {
    pub number: i64,
    pub at: Timestamp,
    pub event: Option<i64>,
    pub kind: String,
    pub attempt: u32,
    pub status: Option<u16>,
    pub problem: Option<String>,
    pub duration_ms: u64,
}

impl NewDelivery {
    pub const fn is_success(&self) -> bool {
        self.problem.is_none()
    }
}

impl Store {
    /// The deliveries of a webhook, the newest first; a page begins below the number `page.after`.
    pub async fn webhook_delivery_list(
        &self,
        webhook: WebhookId,
        page: &Page<i64>,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        let sql = format!(
            "SELECT number, at, event_seq, kind, attempt, status, problem, duration_ms \
             FROM webhook_delivery WHERE webhook = $1 AND number < $2 \
             ORDER BY number DESC LIMIT {}",
            page.limit()
        );
        let before = page.after.unwrap_or(i64::MAX);
        let values = [webhook.as_uuid().into(), before.into()];
        let statement = self.dialect().statement(sql, values);
        let rows = self.reader().query_all_raw(statement).await?;
        Ok(rows.iter().map(read).collect::<Result<_, DbErr>>()?)
    }

    /// Keeps what came of an attempt that somebody asked for.
    pub async fn webhook_attempted(
        &self,
        tenant: TenantId,
        name: &Name,
        delivery: &NewDelivery,
    ) -> Result<DeliveryRow, StoreError> {
        let mut write = self.write().await?;
        let model = KEYED.lock(&write, tenant, name.key()).await?;
        let id = model.id;
        let shown = summary(&write, model).await?;
        let sql = "UPDATE webhook_state SET deliveries = deliveries + 1 WHERE webhook = $1 \
            RETURNING deliveries";
        let statement = write.dialect().statement(sql, [id.into()]);
        let row = write.connection().query_one_raw(statement).await?;
        let last: i64 = row.map_or(Ok(1), |row| row.try_get_by_index(0))?;
        append(&write, shown.id, last - 1, std::slice::from_ref(delivery)).await?;
        let deed = Deed::created((tenant, Resource::Webhook), (id, name.as_str()), &shown);
        write.record(Deed {
            action: match delivery.event {
                Some(_) => Action::Redelivered,
                None => Action::Tested,
            },
            ..deed
        });
        write.commit().await?;
        Ok(DeliveryRow {
            number: last,
            at: delivery.at,
            event: delivery.event,
            kind: delivery.kind.clone(),
            attempt: delivery.attempt,
            status: delivery.status,
            problem: delivery.problem.clone(),
            duration_ms: delivery.duration_ms,
        })
    }

    /// Forgets deliveries from before an instant, and says how many.
    pub async fn webhook_delivery_prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        let write = self.write().await?;
        let sql = "DELETE FROM webhook_delivery WHERE at < $1";
        let statement = write.dialect().statement(sql, [before.as_micros().into()]);
        let done = write.connection().execute_raw(statement).await?;
        write.commit().await?;
        Ok(done.rows_affected())
    }
}

/// Adds deliveries behind the one of the number `last`, forgets those that are too many, and gives
/// the number of the last one.
pub(super) async fn append(
    write: &Write,
    webhook: WebhookId,
    last: i64,
    deliveries: &[NewDelivery],
) -> Result<i64, StoreError> {
    if deliveries.is_empty() {
        return Ok(last);
    }
    let id: Value = webhook.as_uuid().into();
    let end = last.saturating_add(i64::try_from(deliveries.len()).unwrap_or(i64::MAX));
    let kept = deliveries
        .iter()
        .zip(last + 1..)
        .skip(deliveries.len().saturating_sub(KEPT_MAX));
    let rows: Vec<_> = kept
        .map(|(one, number)| {
            [
                id.clone(),
                number.into(),
                one.at.as_micros().into(),
                one.event.into(),
                stored_text(&one.kind).into(),
                i64::from(one.attempt).into(),
                one.status.map(i64::from).into(),
                one.problem.as_deref().map(stored_text).into(),
                stored_count(one.duration_ms).into(),
            ]
        })
        .collect();
    DELIVERY.run(write.connection(), rows).await?;
    let oldest = end.saturating_sub(i64::try_from(KEPT_MAX).unwrap_or(i64::MAX));
    let head = format!("DELETE FROM webhook_delivery WHERE number <= {oldest} AND webhook IN");
    execute_in(write.connection(), &head, &[id]).await?;
    Ok(end)
}

fn read(row: &QueryResult) -> Result<DeliveryRow, DbErr> {
    let status: Option<i64> = row.try_get("", "status")?;
    let attempt: i64 = row.try_get("", "attempt")?;
    Ok(DeliveryRow {
        number: row.try_get("", "number")?,
        at: row.try_get("", "at").map(Timestamp::from_micros)?,
        event: row.try_get("", "event_seq")?,
        kind: row.try_get("", "kind")?,
        attempt: u32::try_from(attempt).unwrap_or(0),
        status: status.and_then(|status| u16::try_from(status).ok()),
        problem: row.try_get("", "problem")?,
        duration_ms: row.try_get("", "duration_ms").map(loaded_count)?,
    })
}
