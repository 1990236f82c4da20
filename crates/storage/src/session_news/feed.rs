//! The news of other nodes, read one after the other.
//!
//! As with the change feed, a reader remembers the snapshot of its last query: what comes next is
//! exactly what was committed since. News are kept for two minutes; who comes later, who finds
//! another node or another run of the server, is told to load everything.

use std::time::Duration;

use domain::accounting::SessionKey;
use domain::id::{Id, NasId, SubscriberId};
use domain::session_news::{EndingReason, SessionEnding, SessionNews};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, QueryResult};
use tokio::time::Instant;
use uuid::Uuid;

use super::{CHANGED, ENDING_KIND, RESERVED};
use crate::change_feed::SERVER;
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::store::Store;

/// How often news are looked for while another node is there.
const POLL: Duration = Duration::from_millis(50);

/// How often a node says that it is there, and looks who else is.
const PRESENCE_EVERY: Duration = Duration::from_secs(5);

/// Who has said nothing for longer is not there.
const PRESENT_SECONDS: i64 = 20;

/// When everything is loaded again after another node was found: it may have taken so long to hear
/// of this one, and has told it nothing until then.
const CATCH_UP_AFTER: Duration = Duration::from_secs(10);

/// How long news are kept.
const KEPT_SECONDS: i64 = 120;

/// A reader that has not looked for longer may have missed some.
const GAP_MAX: Duration = Duration::from_secs(60);

/// News that are told apart.
const NEWS_MAX: usize = 20_000;

/// The microseconds of the server's clock, which all nodes share.
const NOW: &str = "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT";

/// A reader of what other nodes tell.
#[derive(Debug)]
pub struct SessionNewsFeed {
    store: Store,
    connection: DatabaseConnection,
    /// What the last query saw, as `pg_snapshot` text, and the run of the server it is of.
    seen: Option<(String, i64)>,
    looked_at: Instant,
    present_at: Option<Instant>,
    /// How many other nodes there are.
    others: i64,
    catch_up_at: Option<Instant>,
}

impl Store {
    /// Opens a reader at the current end. On SQLite there is one node and nothing to read.
    pub fn session_news_feed(&self) -> Option<SessionNewsFeed> {
        (self.dialect() == Dialect::Postgres).then(|| SessionNewsFeed {
            store: self.clone(),
            connection: self.reader().clone(),
            seen: None,
            looked_at: Instant::now(),
            present_at: None,
            others: 0,
            catch_up_at: None,
        })
    }
}

impl SessionNewsFeed {
    /// Begins to read now, if it has not begun: what is loaded afterwards misses nothing.
    pub async fn open(&mut self) -> Result<(), StoreError> {
        if self.seen.is_none() {
            self.read().await?;
        }
        Ok(())
    }

    /// Waits until there is something. After an error it may be called again and goes on where it
    /// was.
    pub async fn next(&mut self) -> Result<Vec<SessionNews>, StoreError> {
        loop {
            let mut news = self.say_present().await?;
            let was_seen = self.seen.is_some();
            if 0 < self.others || !was_seen {
                news.extend(self.read().await?);
            }
            if self.catch_up_at.is_some_and(|at| at <= Instant::now()) {
                self.catch_up_at = None;
                news.push(SessionNews::Everything);
            }
            if news.contains(&SessionNews::Everything) {
                return Ok(vec![SessionNews::Everything]);
            }
            if !news.is_empty() {
                return Ok(news);
            }
            tokio::time::sleep(self.pause()).await;
        }
    }

    fn pause(&self) -> Duration {
        if 0 < self.others {
            return POLL;
        }
        let due = self.present_at.map(|at| at + PRESENCE_EVERY);
        let due = due.into_iter().chain(self.catch_up_at).min();
        due.map_or(POLL, |due| due.saturating_duration_since(Instant::now()))
    }

    /// Says that this node is there, when it is time to. Another one that is found is a reason to
    /// load everything, and what is told from now on is read.
    async fn say_present(&mut self) -> Result<Vec<SessionNews>, DbErr> {
        let now = Instant::now();
        if self.present_at.is_some_and(|at| now < at + PRESENCE_EVERY) {
            return Ok(Vec::new());
        }
        let values = [self.store.node().into()];
        let sql = format!(
            "INSERT INTO node_presence (node, seen_at) VALUES ($1, {NOW}) \
             ON CONFLICT (node) DO UPDATE SET seen_at = excluded.seen_at"
        );
        let statement = Dialect::Postgres.statement(sql, values.clone());
        self.connection.execute_raw(statement).await?;
        let sql = format!(
            "SELECT COUNT(*) FROM node_presence \
             WHERE node <> $1 AND {NOW} - {PRESENT_SECONDS}000000 < seen_at"
        );
        let statement = Dialect::Postgres.statement(sql, values);
        let row = self.connection.query_one_raw(statement).await?;
        let others: i64 = row.map_or(Ok(0), |row| row.try_get_by_index(0))?;
        let before = std::mem::replace(&mut self.others, others);
        self.store.set_session_readers(0 < others);
        self.present_at = Some(now);
        let mut news = Vec::new();
        if before < others {
            // What was told while nobody was known to be there was not read.
            self.seen = None;
            self.catch_up_at = Some(now + CATCH_UP_AFTER);
            news.push(SessionNews::Everything);
        }
        if 0 < others || 0 < before {
            self.forget_old().await?;
        }
        Ok(news)
    }

    async fn forget_old(&self) -> Result<(), DbErr> {
        for (table, column, seconds) in [
            ("session_news", "at", KEPT_SECONDS),
            ("node_presence", "seen_at", KEPT_SECONDS),
        ] {
            let sql = format!("DELETE FROM {table} WHERE {column} < {NOW} - {seconds}000000");
            let statement = Dialect::Postgres.statement(sql, []);
            self.connection.execute_raw(statement).await?;
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<Vec<SessionNews>, StoreError> {
        let Some((snapshot, server)) = &self.seen else {
            let sql = format!("SELECT pg_current_snapshot()::TEXT AS snapshot, {SERVER} AS server");
            let statement = Dialect::Postgres.statement(sql, []);
            let row = self.connection.query_one_raw(statement).await?;
            let row = row.ok_or_else(|| DbErr::RecordNotFound("a snapshot".into()))?;
            self.seen = Some((row.try_get("", "snapshot")?, row.try_get("", "server")?));
            self.looked_at = Instant::now();
            return Ok(Vec::new());
        };
        // One statement has one snapshot: what it sees is what it says it sees.
        let sql = format!(
            "SELECT s.snapshot, s.server, c.* FROM (\
                SELECT pg_current_snapshot()::TEXT AS snapshot, {SERVER} AS server\
             ) AS s LEFT JOIN (\
                SELECT seq, kind, key, subscriber, nas, device FROM session_news \
                WHERE xid >= pg_snapshot_xmin($1::PG_SNAPSHOT) \
                    AND xid < pg_snapshot_xmax(pg_current_snapshot()) \
                    AND NOT pg_visible_in_snapshot(xid, $1::PG_SNAPSHOT) \
                    AND node IS DISTINCT FROM $2 \
                ORDER BY seq LIMIT {}\
             ) AS c ON TRUE ORDER BY c.seq",
            NEWS_MAX + 1
        );
        let values = [snapshot.as_str().into(), self.store.node().into()];
        let statement = Dialect::Postgres.statement(sql, values);
        let rows = self.connection.query_all_raw(statement).await?;
        let first = rows.first();
        let first = first.ok_or_else(|| DbErr::RecordNotFound("a snapshot".into()))?;
        let found: (String, i64) = (first.try_get("", "snapshot")?, first.try_get("", "server")?);
        let is_another_server = found.1 != *server;
        let mut news = Vec::with_capacity(rows.len());
        for row in &rows {
            news.extend(read_news(row)?);
        }
        let looked_at = std::mem::replace(&mut self.looked_at, Instant::now());
        if is_another_server || NEWS_MAX < rows.len() || GAP_MAX < looked_at.elapsed() {
            news = vec![SessionNews::Everything];
        }
        self.seen = Some(found);
        Ok(news)
    }
}

/// What a row tells; nothing when there is none, or a later version wrote it.
fn read_news(row: &QueryResult) -> Result<Option<SessionNews>, DbErr> {
    let kind: Option<String> = row.try_get("", "kind")?;
    let key: Option<Uuid> = row.try_get("", "key")?;
    let subscriber: Option<Uuid> = row.try_get("", "subscriber")?;
    let nas: Option<Uuid> = row.try_get("", "nas")?;
    let device: Option<String> = row.try_get("", "device")?;
    let key = key.map(|key| SessionKey(key.into_bytes()));
    let subscriber: Option<SubscriberId> = subscriber.map(Id::from_uuid);
    let nas: Option<NasId> = nas.map(Id::from_uuid);
    Ok(match (kind.as_deref(), key, subscriber, nas) {
        (Some(CHANGED), Some(key), Some(subscriber), _) => {
            Some(SessionNews::Changed { key, subscriber })
        }
        (Some(RESERVED), _, Some(subscriber), Some(nas)) => Some(SessionNews::Reserved {
            subscriber,
            nas,
            device: device.map(Into::into),
        }),
        (Some(ENDING_KIND), Some(key), Some(subscriber), Some(nas)) => {
            Some(SessionNews::Ending(SessionEnding {
                key,
                nas,
                subscriber,
                reason: EndingReason::Replaced,
            }))
        }
        _ => None,
    })
}
