//! Events: what happened, in one order for each tenant, kept for a bounded time.

use domain::id::TenantId;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, QueryResult};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::deed::{self, NewEvent};
use crate::error::StoreError;
use crate::page::Page;
use crate::store::Store;

/// One event as readers get it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its place among those of its tenant. None is skipped and none comes later with a lower one.
    pub seq: i64,
    pub at: Timestamp,
    /// As the catalogue names it: `plan.changed`.
    pub kind: String,
    pub resource: Option<Uuid>,
    pub data: Json,
}

/// Which numbers the events of a tenant have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventSpan {
    /// The oldest that is kept; one more than the last when there is none.
    pub first: i64,
    /// The last one; 0 before any.
    pub last: i64,
}

impl Store {
    /// Events of a tenant behind the number `page.after`, in their order.
    pub async fn event_list(
        &self,
        tenant: TenantId,
        page: &Page<i64>,
    ) -> Result<Vec<Event>, StoreError> {
        let sql = format!(
            "SELECT seq, at, kind, resource_id, data FROM event WHERE tenant = $1 AND $2 < seq \
            ORDER BY seq LIMIT {}",
            page.limit()
        );
        let values = [tenant.as_uuid().into(), page.after.unwrap_or(0).into()];
        let statement = self.dialect().statement(sql, values);
        let rows = self.reader().query_all_raw(statement).await?;
        rows.iter().map(event).collect()
    }

    /// From where to where the events of a tenant go now.
    pub async fn event_span(&self, tenant: TenantId) -> Result<EventSpan, StoreError> {
        let sql = "SELECT event_seq, \
            (SELECT MIN(seq) FROM event WHERE event.tenant = tenant_log.tenant) \
            FROM tenant_log WHERE tenant = $1";
        let statement = self.dialect().statement(sql, [tenant.as_uuid().into()]);
        let row = self.reader().query_one_raw(statement).await?;
        let Some(row) = row else {
            return Ok(EventSpan { first: 1, last: 0 });
        };
        let last: i64 = row.try_get_by_index(0)?;
        let first: Option<i64> = row.try_get_by_index(1)?;
        Ok(EventSpan {
            first: first.unwrap_or(last + 1),
            last,
        })
    }

    /// Adds events that no change of the registry made.
    pub async fn event_append(
        &self,
        tenant: TenantId,
        events: &[NewEvent],
    ) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let write = self.write().await?;
        deed::write_events(write.connection(), tenant, events, write.at()).await?;
        write.commit().await?;
        self.wake().notify_waiters();
        Ok(())
    }
}

fn event(row: &QueryResult) -> Result<Event, StoreError> {
    let seq: i64 = row.try_get_by_index(0)?;
    let data: String = row.try_get_by_index(4)?;
    Ok(Event {
        seq,
        at: Timestamp::from_micros(row.try_get_by_index(1)?),
        kind: row.try_get_by_index(2)?,
        resource: row.try_get_by_index(3)?,
        data: serde_json::from_str(&data).map_err(|_| StoreError::Corrupt {
            table: "event",
            column: "data",
            row: seq.to_string(),
        })?,
    })
}
