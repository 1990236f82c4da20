//! The change feed of a PostgreSQL database that several nodes write.
//!
//! A sequence number is taken before its transaction commits, so a reader that goes by it skips
//! what a slow transaction commits late. The snapshot of the last query has no such gap: it names
//! the transactions that were still running, and their entries are new once they are visible.
//!
//! Numbers of transactions are a server's own. Another server, to which a failover led, may give
//! numbers again that this snapshot takes for past, and the entries that a backup brought along
//! carry numbers that are still to come.

use domain::change::Change;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use sqlx::postgres::PgListener;
use tracing::warn;

use super::{ENTRIES_MAX, FALLBACK_POLL, SERVER, read_change};
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::store::Store;

const CHANNEL: &str = "lastmile_change";
/// How far entries were pruned, unless another server counted.
pub(super) const FLOOR: &str = "CASE WHEN \
    position < pg_snapshot_xmax(pg_current_snapshot())::TEXT::BIGINT THEN position ELSE 0 END";
/// The newest transaction of this server among some entries.
pub(super) const NEWEST: &str =
    "MAX(xid::TEXT::BIGINT) FILTER (WHERE xid < pg_snapshot_xmax(pg_current_snapshot()))";

pub(super) struct PostgresFeed {
    connection: DatabaseConnection,
    /// Only wakes; without it, changes are found by polling.
    listener: Option<PgListener>,
    /// What the last query saw, as `pg_snapshot` text.
    snapshot: String,
    /// The run of the server that the snapshot is of.
    server: i64,
    /// The newest transaction of which entries were pruned, as far as is known here.
    floor: i64,
}

impl PostgresFeed {
    pub(super) async fn open(store: &Store) -> Result<Self, StoreError> {
        let connection = store.reader().clone();
        let sql = format!(
            "SELECT pg_current_snapshot()::TEXT AS snapshot, {SERVER} AS server, \
             position AS floor FROM change_floor WHERE id = 1"
        );
        let row = connection
            .query_one_raw(Dialect::Postgres.statement(sql, []))
            .await?
            .ok_or_else(|| DbErr::RecordNotFound("change_floor".into()))?;
        let snapshot = row.try_get("", "snapshot")?;
        let server = row.try_get("", "server")?;
        let floor = row.try_get("", "floor")?;
        let listener = listen(&connection).await?;
        Ok(Self {
            connection,
            listener: Some(listener),
            snapshot,
            server,
            floor,
        })
    }

    /// Entries committed since the last call; waits until there is one.
    pub(super) async fn next(&mut self) -> Result<Vec<Change>, StoreError> {
        loop {
            if self.listener.is_none() {
                self.listener = Some(listen(&self.connection).await?);
            }
            let entries = self.read().await?;
            if !entries.is_empty() {
                return Ok(entries);
            }
            self.wait().await;
        }
    }

    /// Waits for a notification, at most until the next poll.
    async fn wait(&mut self) {
        let Some(listener) = &mut self.listener else {
            return;
        };
        match tokio::time::timeout(FALLBACK_POLL, listener.try_recv()).await {
            Err(_) | Ok(Ok(Some(_))) => {}
            Ok(Ok(None)) => warn!("Lost the connection that listens for changes"),
            Ok(Err(error)) => {
                warn!("Lost the connection that listens for changes: {error}");
                self.listener = None;
            }
        }
    }

    async fn read(&mut self) -> Result<Vec<Change>, DbErr> {
        // One statement has one snapshot: what it sees is what it says it sees.
        let sql = format!(
            "SELECT s.snapshot, s.server, s.floor, s.is_behind, c.kind, c.key, c.name FROM (\
                SELECT pg_current_snapshot()::TEXT AS snapshot, {SERVER} AS server, \
                    position AS floor, \
                    pg_snapshot_xmin($1::PG_SNAPSHOT)::TEXT::BIGINT <= position AS is_behind \
                FROM change_floor WHERE id = 1\
            ) AS s LEFT JOIN (\
                SELECT seq, kind, key, name FROM change \
                WHERE xid >= pg_snapshot_xmin($1::PG_SNAPSHOT) \
                    AND xid < pg_snapshot_xmax(pg_current_snapshot()) \
                    AND NOT pg_visible_in_snapshot(xid, $1::PG_SNAPSHOT) \
                ORDER BY seq LIMIT $2\
            ) AS c ON TRUE ORDER BY c.seq"
        );
        let limit = i64::try_from(ENTRIES_MAX + 1).unwrap_or(i64::MAX);
        let values = [self.snapshot.as_str().into(), limit.into()];
        let statement = Dialect::Postgres.statement(sql, values);
        let rows = self.connection.query_all_raw(statement).await?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in &rows {
            entries.extend(read_change(row)?);
        }
        let Some(row) = rows.first() else {
            return Err(DbErr::RecordNotFound("change_floor".into()));
        };
        let server: i64 = row.try_get("", "server")?;
        let floor: i64 = row.try_get("", "floor")?;
        let is_behind = self.floor != floor && row.try_get("", "is_behind")?;
        if is_behind || self.server != server {
            entries.push(Change::Everything);
        }
        let snapshot = row.try_get("", "snapshot")?;
        self.server = server;
        self.floor = floor;
        self.snapshot = snapshot;
        Ok(entries)
    }
}

async fn listen(connection: &DatabaseConnection) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(connection.get_postgres_connection_pool()).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}
