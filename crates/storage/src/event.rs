//! Events: what happened, in one order for each tenant, kept for a bounded time.

use domain::deed::Action;
use domain::id::{Id, TenantId};
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::bulk::select_in;
use crate::connection::JournalConnection;
use crate::deed::NewEvent;
use crate::error::{Resource, StoreError};
use crate::page::Page;
use crate::store::Store;

mod sqlite;
pub mod watch;

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

/// One event as one line of JSON, with the members `seq`, `at`, `type`, `resource_id` and `data`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldEvent {
    pub seq: i64,
    pub kind: String,
    pub json: String,
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
        let rows = self.event_rows(tenant, page).await?;
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

    /// The same as whoever listens is told, which costs less to read.
    pub async fn event_told(
        &self,
        tenant: TenantId,
        page: &Page<i64>,
    ) -> Result<Vec<ToldEvent>, StoreError> {
        let rows = self.event_rows(tenant, page).await?;
        rows.iter().map(told).collect()
    }

    /// The last number of each of these tenants that has events.
    pub async fn event_ends(
        &self,
        tenants: &[TenantId],
    ) -> Result<Vec<(TenantId, i64)>, StoreError> {
        let keys: Vec<Value> = tenants
            .iter()
            .map(|tenant| tenant.as_uuid().into())
            .collect();
        let head = "SELECT tenant, event_seq FROM tenant_log WHERE tenant IN";
        let rows = select_in(self.reader(), head, &keys, "").await?;
        let end = |row: &QueryResult| {
            let tenant = Id::from_uuid(row.try_get_by_index(0)?);
            Ok((tenant, row.try_get_by_index(1)?))
        };
        Ok(rows.iter().map(end).collect::<Result<_, DbErr>>()?)
    }

    /// Adds events that no change of the registry made, all or none.
    pub async fn event_append(&self, events: &[(TenantId, NewEvent)]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        if let JournalConnection::Sqlite(writer) = self.journal() {
            let turn = self.turn_to_write().await?;
            sqlite::append(writer, self, turn, events).await?;
            self.wake().notify_waiters();
            return Ok(());
        }
        let mut write = self.write().await?;
        for (tenant, event) in events {
            write.tell(*tenant, event.clone());
        }
        write.commit().await
    }

    /// Removes events from before an instant, at most `limit`; says how many.
    pub(crate) async fn event_prune(
        &self,
        before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let write = self.write().await?;
        let sql = format!(
            "DELETE FROM event WHERE (tenant, seq) IN \
             (SELECT tenant, seq FROM event WHERE at < $1 ORDER BY at LIMIT {limit})"
        );
        let statement = write.dialect().statement(sql, [before.as_micros().into()]);
        let done = write.connection().execute_raw(statement).await?;
        write.commit().await?;
        Ok(done.rows_affected())
    }

    async fn event_rows(
        &self,
        tenant: TenantId,
        page: &Page<i64>,
    ) -> Result<Vec<QueryResult>, StoreError> {
        let sql = format!(
            "SELECT seq, at, kind, resource_id, data FROM event WHERE tenant = $1 AND $2 < seq \
            ORDER BY seq LIMIT {}",
            page.limit()
        );
        let values = [tenant.as_uuid().into(), page.after.unwrap_or(0).into()];
        let statement = self.dialect().statement(sql, values);
        Ok(self.reader().query_all_raw(statement).await?)
    }
}

/// What is done to things of a kind, each of which is an event.
pub fn actions(what: Resource) -> impl Iterator<Item = Action> {
    let actions = Action::ALL.into_iter();
    actions.filter(move |action| is_done_to(what, *action))
}

/// Whether an action is ever done to such a thing. A deed that is not foreseen here is in no
/// catalogue, which the tests do not let pass.
pub(crate) const fn is_done_to(what: Resource, action: Action) -> bool {
    match action {
        Action::Created | Action::Changed | Action::Removed => {
            !matches!(what, Resource::Delivery | Resource::PlanVersion)
        }
        Action::Revealed => matches!(what, Resource::Nas | Resource::Subscriber),
        Action::Imported => {
            matches!(
                what,
                Resource::Subscriber | Resource::RowUser | Resource::RowGroup
            )
        }
        Action::SignedIn | Action::SignInFailed | Action::SignedOut | Action::LockedOut => {
            matches!(what, Resource::Operator)
        }
        Action::Rotated => matches!(what, Resource::Webhook | Resource::ApiKey),
        Action::Tested | Action::Redelivered => matches!(what, Resource::Webhook),
    }
}

/// The row as it is told: one line of JSON, put together from what is JSON already.
fn told(row: &QueryResult) -> Result<ToldEvent, StoreError> {
    let seq: i64 = row.try_get_by_index(0)?;
    let at = Timestamp::from_micros(row.try_get_by_index(1)?);
    let kind: String = row.try_get_by_index(2)?;
    let resource: Option<Uuid> = row.try_get_by_index(3)?;
    let data: String = row.try_get_by_index(4)?;
    let resource = resource.map_or_else(|| "null".to_owned(), |id| format!("\"{id}\""));
    let json = format!(
        "{{\"seq\":{seq},\"at\":\"{at}\",\"type\":\"{kind}\",\"resource_id\":{resource},\"data\":{data}}}"
    );
    Ok(ToldEvent { seq, kind, json })
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
