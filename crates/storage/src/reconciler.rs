//! How what converges stands: what each node says of it, and whether somebody wants it looked at.

use domain::id::TenantId;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use serde::Serialize;
use uuid::Uuid;

use crate::column::{loaded_count, stored_count, stored_text};
use crate::deed::Deed;
use crate::error::{Resource, StoreError};
use crate::store::Store;

/// The most octets of an error.
const ERROR_MAX: usize = 2_000;

/// What a node says about something that converges there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation<'a> {
    pub name: &'a str,
    /// What is not yet as it should be; or why that could not be found out.
    pub drift: Result<u64, &'a str>,
}

/// How something that converges stands on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReconcilerStatus {
    pub name: String,
    pub node: Uuid,
    pub looked_at: Timestamp,
    pub succeeded_at: Option<Timestamp>,
    pub failed_at: Option<Timestamp>,
    /// Why the last failure failed.
    pub error: Option<String>,
    /// How many things were not yet as they should be when it was last looked at.
    pub drift: u64,
    /// Since when somebody wants it looked at.
    pub asked_at: Option<Timestamp>,
}

impl Store {
    /// Notes what this node says. What is asked of it at this moment is as good as done.
    pub async fn reconciler_note(
        &self,
        observations: &[Observation<'_>],
    ) -> Result<(), StoreError> {
        let write = self.write().await?;
        let now = write.at().as_micros();
        for observation in observations {
            let (drift, error) = match observation.drift {
                Ok(drift) => (stored_count(drift), None),
                Err(error) => (
                    0,
                    Some(stored_text(&error[..error.floor_char_boundary(ERROR_MAX)])),
                ),
            };
            let failed_at = error.as_ref().map(|_| now);
            let succeeded_at = error.is_none().then_some(now);
            let sql = "INSERT INTO reconciler \
                (name, node, looked_at, succeeded_at, failed_at, error, drift) \
                VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name, node) DO UPDATE SET \
                looked_at = excluded.looked_at, asked_at = NULL, \
                succeeded_at = COALESCE(excluded.succeeded_at, reconciler.succeeded_at), \
                failed_at = COALESCE(excluded.failed_at, reconciler.failed_at), \
                error = COALESCE(excluded.error, reconciler.error), \
                drift = CASE WHEN excluded.succeeded_at IS NULL THEN reconciler.drift \
                    ELSE excluded.drift END";
            let values: [Value; 7] = [
                observation.name.into(),
                self.node().into(),
                now.into(),
                succeeded_at.into(),
                failed_at.into(),
                error.into(),
                drift.into(),
            ];
            let statement = write.dialect().statement(sql, values);
            write.connection().execute_raw(statement).await?;
        }
        write.commit().await
    }

    /// Names of what somebody wants this node to look at.
    pub async fn reconciler_asked(&self) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT name FROM reconciler WHERE node = $1 AND asked_at IS NOT NULL";
        let statement = self.dialect().statement(sql, [self.node().into()]);
        let rows = self.reader().query_all_raw(statement).await?;
        let names = rows.iter().map(|row| row.try_get_by_index(0));
        Ok(names.collect::<Result<_, DbErr>>()?)
    }

    /// How everything that converges stands, by name, on nodes that were heard of since an instant.
    pub async fn reconciler_list(
        &self,
        since: Timestamp,
    ) -> Result<Vec<ReconcilerStatus>, StoreError> {
        let sql = "SELECT * FROM reconciler WHERE $1 <= looked_at ORDER BY name, node";
        let statement = self.dialect().statement(sql, [since.as_micros().into()]);
        let rows = self.reader().query_all_raw(statement).await?;
        rows.iter().map(read).collect()
    }

    /// Wants every node to look at something now, and says how it stands.
    pub async fn reconciler_ask(
        &self,
        (tenant, since): (TenantId, Timestamp),
        name: &str,
    ) -> Result<Vec<ReconcilerStatus>, StoreError> {
        let mut write = self.write().await?;
        let sql = "UPDATE reconciler SET asked_at = COALESCE(asked_at, $2) \
            WHERE name = $1 AND $3 <= looked_at RETURNING *";
        let values: [Value; 3] = [
            name.into(),
            write.at().as_micros().into(),
            since.as_micros().into(),
        ];
        let statement = write.dialect().statement(sql, values);
        let rows = write.connection().query_all_raw(statement).await?;
        let asked: Vec<ReconcilerStatus> = rows.iter().map(read).collect::<Result<_, _>>()?;
        if asked.is_empty() {
            return Err(StoreError::NotFound {
                what: Resource::Reconciler,
                name: name.to_owned(),
            });
        }
        let deed = Deed::created((tenant, Resource::Reconciler), (Uuid::nil(), name), &asked);
        write.record(Deed {
            id: None,
            action: domain::deed::Action::Changed,
            ..deed
        });
        write.commit().await?;
        Ok(asked)
    }

    /// Forgets what nodes said that were not heard of since an instant.
    pub async fn reconciler_prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        let write = self.write().await?;
        let sql = "DELETE FROM reconciler WHERE looked_at < $1";
        let statement = write.dialect().statement(sql, [before.as_micros().into()]);
        let removed = write.connection().execute_raw(statement).await?;
        write.commit().await?;
        Ok(removed.rows_affected())
    }
}

fn read(row: &QueryResult) -> Result<ReconcilerStatus, StoreError> {
    let time = |column: &str| -> Result<Option<Timestamp>, DbErr> {
        let stored: Option<i64> = row.try_get("", column)?;
        Ok(stored.map(Timestamp::from_micros))
    };
    Ok(ReconcilerStatus {
        name: row.try_get("", "name")?,
        node: row.try_get("", "node")?,
        looked_at: Timestamp::from_micros(row.try_get("", "looked_at")?),
        succeeded_at: time("succeeded_at")?,
        failed_at: time("failed_at")?,
        error: row.try_get("", "error")?,
        drift: loaded_count(row.try_get("", "drift")?),
        asked_at: time("asked_at")?,
    })
}
