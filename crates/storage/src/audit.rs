//! The audit log: who changed what, in a chain of hashes that shows when a line was altered.

use domain::actor::{Actor, ActorKind};
use domain::deed::Action;
use domain::id::TenantId;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, QueryResult, Value};
use serde::Serialize;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::deed::{AuditLine, HASH_LEN};
use crate::error::StoreError;
use crate::page::Page;
use crate::store::Store;

/// Lines that are verified by one query.
const VERIFY_CHUNK: i64 = 1_000;

const COLUMNS: &str = "seq, at, actor_kind, actor_id, actor_name, request, action, resource, \
    resource_id, resource_name, before, after, hash";

/// Which lines to list; everything that is set must hold.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AuditFilter {
    /// As `Resource::as_str` names it.
    pub resource: Option<String>,
    /// Of one thing; with `resource`.
    pub resource_id: Option<Uuid>,
    /// What one operator or key did.
    pub actor_id: Option<Uuid>,
    /// What one kind of actor did.
    pub actor_kind: Option<ActorKind>,
    /// As `Action::as_str` names it.
    pub action: Option<Action>,
    pub since: Option<Timestamp>,
    /// Lines before this instant.
    pub until: Option<Timestamp>,
}

/// One line as lists show it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditEntry {
    pub seq: i64,
    pub at: Timestamp,
    pub actor: Actor,
    pub request: Option<Uuid>,
    pub action: String,
    pub resource: String,
    pub resource_id: Option<Uuid>,
    pub resource_name: String,
    pub before: Option<Json>,
    pub after: Option<Json>,
}

/// What a look at the whole chain of a tenant came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Lines that are as they were written.
    pub lines: i64,
    /// The first line that is not, or is missing.
    pub broken_at: Option<i64>,
}

/// A line as it is stored.
struct Stored {
    seq: i64,
    at: i64,
    actor_kind: String,
    actor_id: Option<Uuid>,
    actor_name: String,
    request: Option<Uuid>,
    action: String,
    resource: String,
    resource_id: Option<Uuid>,
    resource_name: String,
    before: Option<String>,
    after: Option<String>,
    hash: Vec<u8>,
}

impl Store {
    /// The audit log of a tenant, the newest first; a page ends before the line `page.after`.
    pub async fn audit_list(
        &self,
        tenant: TenantId,
        filter: &AuditFilter,
        page: &Page<i64>,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let mut sql = format!("SELECT {COLUMNS} FROM audit WHERE tenant = $1");
        let mut values: Vec<Value> = vec![tenant.as_uuid().into()];
        let mut condition = |text: &str, value: Value| {
            values.push(value);
            sql.push_str(&format!(" AND {text} ${}", values.len()));
        };
        if let Some(before) = page.after {
            condition("seq <", before.into());
        }
        if let Some(resource) = &filter.resource {
            condition("resource =", resource.clone().into());
        }
        if let Some(id) = filter.resource_id {
            condition("resource_id =", id.into());
        }
        if let Some(id) = filter.actor_id {
            condition("actor_id =", id.into());
        }
        if let Some(kind) = filter.actor_kind {
            condition("actor_kind =", kind.as_str().into());
        }
        if let Some(action) = filter.action {
            condition("action =", action.as_str().into());
        }
        if let Some(since) = filter.since {
            condition("at >=", since.as_micros().into());
        }
        if let Some(until) = filter.until {
            condition("at <", until.as_micros().into());
        }
        sql.push_str(&format!(" ORDER BY seq DESC LIMIT {}", page.limit()));
        let statement = self.dialect().statement(sql, values);
        let rows = self.reader().query_all_raw(statement).await?;
        rows.iter().map(|row| entry(Stored::read(row)?)).collect()
    }

    /// Goes through the whole chain of a tenant, up to where it ends now.
    pub async fn audit_verify(&self, tenant: TenantId) -> Result<Verified, StoreError> {
        let (end, last_hash) = self.audit_end(tenant).await?;
        let mut hash = vec![0_u8; HASH_LEN];
        let mut seq = 0_i64;
        while seq < end {
            let sql = format!(
                "SELECT {COLUMNS} FROM audit WHERE tenant = $1 AND $2 < seq AND seq <= $3 \
                ORDER BY seq LIMIT {VERIFY_CHUNK}"
            );
            let values = [tenant.as_uuid().into(), seq.into(), end.into()];
            let statement = self.dialect().statement(sql, values);
            let rows = self.reader().query_all_raw(statement).await?;
            for row in &rows {
                let line = Stored::read(row)?;
                let is_next = line.seq == seq + 1;
                hash = line.line().hash(&hash).to_vec();
                if !is_next || hash != line.hash {
                    return Ok(broken(seq));
                }
                seq = line.seq;
            }
            if rows.is_empty() {
                return Ok(broken(seq));
            }
        }
        Ok(match hash == last_hash {
            true => Verified {
                lines: seq,
                broken_at: None,
            },
            false => broken(seq),
        })
    }

    /// Tenants that have an audit log.
    pub async fn audit_tenants(&self) -> Result<Vec<TenantId>, StoreError> {
        let sql = "SELECT tenant FROM tenant_log ORDER BY tenant";
        let rows = self
            .reader()
            .query_all_raw(self.dialect().statement(sql, []));
        let read = |row: &QueryResult| row.try_get_by_index(0).map(TenantId::from_uuid);
        Ok(rows.await?.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// The number and the hash of the last line that is committed.
    async fn audit_end(&self, tenant: TenantId) -> Result<(i64, Vec<u8>), StoreError> {
        let sql = "SELECT audit_seq, audit_hash FROM tenant_log WHERE tenant = $1";
        let statement = self.dialect().statement(sql, [tenant.as_uuid().into()]);
        Ok(match self.reader().query_one_raw(statement).await? {
            Some(row) => (row.try_get_by_index(0)?, row.try_get_by_index(1)?),
            None => (0, vec![0_u8; HASH_LEN]),
        })
    }
}

const fn broken(good: i64) -> Verified {
    Verified {
        lines: good,
        broken_at: Some(good + 1),
    }
}

impl Stored {
    fn read(row: &QueryResult) -> Result<Self, StoreError> {
        Ok(Self {
            seq: row.try_get("", "seq")?,
            at: row.try_get("", "at")?,
            actor_kind: row.try_get("", "actor_kind")?,
            actor_id: row.try_get("", "actor_id")?,
            actor_name: row.try_get("", "actor_name")?,
            request: row.try_get("", "request")?,
            action: row.try_get("", "action")?,
            resource: row.try_get("", "resource")?,
            resource_id: row.try_get("", "resource_id")?,
            resource_name: row.try_get("", "resource_name")?,
            before: row.try_get("", "before")?,
            after: row.try_get("", "after")?,
            hash: row.try_get("", "hash")?,
        })
    }

    fn line(&self) -> AuditLine<'_> {
        AuditLine {
            seq: self.seq,
            at: Timestamp::from_micros(self.at),
            actor_kind: &self.actor_kind,
            actor_id: self.actor_id,
            actor_name: &self.actor_name,
            request: self.request,
            action: &self.action,
            resource: &self.resource,
            resource_id: self.resource_id,
            resource_name: &self.resource_name,
            before: self.before.as_deref(),
            after: self.after.as_deref(),
        }
    }
}

fn entry(stored: Stored) -> Result<AuditEntry, StoreError> {
    let corrupt = |column| StoreError::Corrupt {
        table: "audit",
        column,
        row: stored.seq.to_string(),
    };
    let side = |text: Option<&String>, column| {
        text.map(|text| serde_json::from_str(text).map_err(|_| corrupt(column)))
            .transpose()
    };
    Ok(AuditEntry {
        seq: stored.seq,
        at: Timestamp::from_micros(stored.at),
        actor: Actor {
            kind: stored
                .actor_kind
                .parse()
                .map_err(|_| corrupt("actor_kind"))?,
            id: stored.actor_id,
            name: stored.actor_name.clone(),
        },
        request: stored.request,
        action: stored.action.clone(),
        resource: stored.resource.clone(),
        resource_id: stored.resource_id,
        resource_name: stored.resource_name.clone(),
        before: side(stored.before.as_ref(), "before")?,
        after: side(stored.after.as_ref(), "after")?,
    })
}
