//! The journal's commit on PostgreSQL: a lock, a look, a write and a commit, however many records.
//!
//! Rows travel as arrays, one for each column, so a statement has one text and one plan for all
//! sizes of a batch.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use compact_str::CompactString;
use domain::accounting::{NasRestart, Origin, SessionRecord, TerminateCause};
use domain::id::NasId;
use domain::terms::TermsMark;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnection, PgRow, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection, PgPool, Row, Transaction};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::cells::{Cells, find_plan, read_closed, read_open};
use super::slots::{Changes, Slots};
use super::{Additions, Batch, Committed, Part, RecordOutcome, Segment, mark};
use crate::accounting::apply;
use crate::column::{find_stored_text, fitting_text, stored_count};
use crate::error::StoreError;
use crate::store::Store;
use crate::usage::Sums;
use crate::write::Ending;

mod columns;
mod counting;
mod moving;
mod paying;

use columns::{ClosedColumns, SessionColumns};
use moving::{bind_traffic, load_plans};

/// Commits at a time, each with the sessions whose keys are its own. The locks of all nodes go by
/// it, so it is the same in every program that writes to one database. With more of them batches
/// become smaller, and a transaction has its price.
pub(crate) const LANES: usize = 2;

/// One for each lane, and one for the drain of a spool beside them.
pub(crate) const CONNECTIONS: usize = LANES + 1;

/// Locks that keep writers of the same router's sessions apart, lane by lane. A session belongs to
/// one router, so writers of different routers do not meet, except for those that share a stripe.
const NAS_STRIPES: usize = 128;
/// Names our family among the advisory locks with two keys.
const STRIPE_FAMILY: i32 = 0x6163_6374;

/// The open session under each key; where none is open, the one that closed last: under one key,
/// ids grow in the order of sessions. `OFFSET 0` keeps the look where it is: at the sessions of one
/// Acct-Session-Id, and only for keys without an open session.
const LOAD: &str = "SELECT o.id, o.key, o.tenant, o.nas, o.auth, o.subscriber, o.username, \
    o.started_at, o.updated_at, o.upload_bytes, o.download_bytes, o.session_seconds, \
    o.acct_session_id, o.nas_address, o.nas_port, o.framed_ipv4, o.framed_ipv6_prefix, \
    o.delegated_ipv6_prefix, o.calling_station, o.called_station, \
    NULL::BIGINT AS stopped_at, NULL::BIGINT AS cause, o.terms, o.user_name, o.plan \
    FROM unnest($1::UUID[]) AS k (key) JOIN session_open o ON o.key = k.key \
    UNION ALL SELECT c.id, c.key, c.tenant, c.nas, c.auth, c.subscriber, c.username, \
    c.started_at, c.updated_at, c.upload_bytes, c.download_bytes, c.session_seconds, \
    c.acct_session_id, c.nas_address, c.nas_port, c.framed_ipv4, c.framed_ipv6_prefix, \
    c.delegated_ipv6_prefix, c.calling_station, c.called_station, c.stopped_at, c.cause, \
    NULL::BYTEA AS terms, NULL::TEXT AS user_name, NULL::UUID AS plan \
    FROM (SELECT * FROM unnest($1::UUID[], $2::UUID[], $3::TEXT[], $4::UUID[]) \
        AS n (key, tenant, acct_session_id, nas) \
        WHERE NOT EXISTS (SELECT 1 FROM session_open o WHERE o.key = n.key) OFFSET 0) AS k \
    CROSS JOIN LATERAL (SELECT * FROM (\
        SELECT * FROM session_closed s WHERE s.tenant = k.tenant \
        AND s.acct_session_id = k.acct_session_id AND s.nas = k.nas AND s.key = k.key \
        AND s.stopped_at >= $5 OFFSET 0) AS f ORDER BY f.id DESC LIMIT 1) AS c";

/// Everything that a batch without restarts writes, the mark, and the news for other nodes. It answers whether the mark was
/// before the first record, as it should be.
const WRITE: &str = "WITH gone AS (DELETE FROM session_open WHERE key = ANY ($1::UUID[])), \
    opened AS (INSERT INTO session_open (id, key, tenant, nas, auth, subscriber, username, \
        started_at, updated_at, upload_bytes, download_bytes, session_seconds, acct_session_id, \
        nas_address, nas_port, framed_ipv4, framed_ipv6_prefix, delegated_ipv6_prefix, \
        calling_station, called_station, terms, user_name, plan) \
        SELECT n.*, (SELECT u.plan FROM subscriber u WHERE u.id = n.subscriber) FROM unnest($2::UUID[], $3::UUID[], $4::UUID[], $5::UUID[], $6::UUID[], \
        $7::UUID[], $8::TEXT[], $9::BIGINT[], $10::BIGINT[], $11::BIGINT[], $12::BIGINT[], \
        $13::BIGINT[], $14::TEXT[], $15::TEXT[], $16::TEXT[], $17::TEXT[], $18::TEXT[], \
        $19::TEXT[], $20::TEXT[], $21::TEXT[], $61::BYTEA[], $62::TEXT[]) \
        AS n (id, key, tenant, nas, auth, subscriber) \
        ON CONFLICT (key) DO UPDATE SET id = excluded.id, auth = excluded.auth, \
        subscriber = excluded.subscriber, username = excluded.username, \
        started_at = excluded.started_at, updated_at = excluded.updated_at, \
        upload_bytes = excluded.upload_bytes, download_bytes = excluded.download_bytes, \
        session_seconds = excluded.session_seconds, acct_session_id = excluded.acct_session_id, \
        nas_address = excluded.nas_address, nas_port = excluded.nas_port, \
        framed_ipv4 = excluded.framed_ipv4, framed_ipv6_prefix = excluded.framed_ipv6_prefix, \
        delegated_ipv6_prefix = excluded.delegated_ipv6_prefix, \
        calling_station = excluded.calling_station, called_station = excluded.called_station, \
        terms = excluded.terms, user_name = excluded.user_name, plan = excluded.plan), \
    progressed AS (UPDATE session_open s SET \
        upload_bps = CASE WHEN s.updated_at < n.updated_at THEN \
            LEAST((n.upload_bytes - s.upload_bytes) * 8e6::FLOAT8 \
            / (n.updated_at - s.updated_at), 1e15)::BIGINT ELSE s.upload_bps END, \
        download_bps = CASE WHEN s.updated_at < n.updated_at THEN \
            LEAST((n.download_bytes - s.download_bytes) * 8e6::FLOAT8 \
            / (n.updated_at - s.updated_at), 1e15)::BIGINT ELSE s.download_bps END, \
        started_at = n.started_at, \
        updated_at = n.updated_at, upload_bytes = n.upload_bytes, \
        download_bytes = n.download_bytes, session_seconds = n.session_seconds \
        FROM unnest($22::UUID[], $23::BIGINT[], $24::BIGINT[], $25::BIGINT[], $26::BIGINT[], \
        $27::BIGINT[]) AS n (id, started_at, updated_at, upload_bytes, download_bytes, \
        session_seconds) WHERE s.id = n.id), \
    closed AS (INSERT INTO session_closed (id, key, tenant, nas, auth, subscriber, username, \
        started_at, updated_at, upload_bytes, download_bytes, session_seconds, acct_session_id, \
        nas_address, nas_port, framed_ipv4, framed_ipv6_prefix, delegated_ipv6_prefix, \
        calling_station, called_station, stopped_at, cause) \
        SELECT * FROM unnest($28::UUID[], $29::UUID[], $30::UUID[], $31::UUID[], $32::UUID[], \
        $33::UUID[], $34::TEXT[], $35::BIGINT[], $36::BIGINT[], $37::BIGINT[], $38::BIGINT[], \
        $39::BIGINT[], $40::TEXT[], $41::TEXT[], $42::TEXT[], $43::TEXT[], $44::TEXT[], \
        $45::TEXT[], $46::TEXT[], $47::TEXT[], $48::BIGINT[], $49::BIGINT[])), \
    used AS (INSERT INTO usage_hourly AS u \
        (tenant, username, starts_at, upload_bytes, download_bytes, session_seconds) \
        SELECT * FROM unnest($50::UUID[], $51::TEXT[], $52::BIGINT[], $53::BIGINT[], \
        $54::BIGINT[], $55::BIGINT[]) ON CONFLICT (tenant, username, starts_at) DO UPDATE SET \
        upload_bytes = LEAST(u.upload_bytes, 9223372036854775807 - excluded.upload_bytes) \
            + excluded.upload_bytes, \
        download_bytes = LEAST(u.download_bytes, 9223372036854775807 - excluded.download_bytes) \
            + excluded.download_bytes, \
        session_seconds = \
            LEAST(u.session_seconds, 9223372036854775807 - excluded.session_seconds) \
            + excluded.session_seconds), \
    moved AS (INSERT INTO traffic_hourly AS t (tenant, subject, object, starts_at, part, \
        upload_bytes, download_bytes, session_seconds) \
        SELECT * FROM unnest($63::UUID[], $64::TEXT[], $65::UUID[], $66::BIGINT[], $67::BIGINT[], \
        $68::BIGINT[], $69::BIGINT[], $70::BIGINT[]) \
        ON CONFLICT (tenant, subject, object, starts_at, part) DO UPDATE SET \
        upload_bytes = LEAST(t.upload_bytes, 9223372036854775807 - excluded.upload_bytes) \
            + excluded.upload_bytes, \
        download_bytes = LEAST(t.download_bytes, 9223372036854775807 - excluded.download_bytes) \
            + excluded.download_bytes, \
        session_seconds = \
            LEAST(t.session_seconds, 9223372036854775807 - excluded.session_seconds) \
            + excluded.session_seconds), \
    mark AS (INSERT INTO accounting_mark AS m (source, stored, at) \
        SELECT $56::UUID, $57::BIGINT, $58::BIGINT WHERE $56 IS NOT NULL \
        ON CONFLICT (source) DO UPDATE SET stored = excluded.stored, at = excluded.at \
        WHERE m.stored < $59::BIGINT RETURNING 1), \
    news AS (INSERT INTO session_news (kind, key, subscriber) SELECT 'changed', n.key, n.subscriber \
        FROM (SELECT * FROM unnest($3::UUID[], $7::UUID[]) UNION ALL \
            SELECT * FROM unnest($29::UUID[], $33::UUID[])) AS n (key, subscriber) \
        WHERE $60::BOOLEAN AND n.subscriber IS NOT NULL) \
    SELECT $56 IS NULL OR EXISTS (SELECT 1 FROM mark)";

/// The place of `terms` in what [`LOAD`] answers.
const TERMS: usize = 22;

const AMEND: &str = "UPDATE session_closed s SET started_at = n.started_at, \
    upload_bytes = n.upload_bytes, download_bytes = n.download_bytes, \
    session_seconds = n.session_seconds, stopped_at = n.stopped_at, cause = n.cause \
    FROM unnest($1::UUID[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[], \
    $6::BIGINT[], $7::BIGINT[], $8::BIGINT[]) AS n (id, stopped_before, started_at, \
    upload_bytes, download_bytes, session_seconds, stopped_at, cause) \
    WHERE s.id = n.id AND s.stopped_at = n.stopped_before";

const CLOSE_ALL: &str = "WITH ended AS (DELETE FROM session_open \
        WHERE nas = $3 AND started_at <= $1 AND ($4::TEXT IS NULL OR nas_address = $4) \
        RETURNING *), \
    news AS (INSERT INTO session_news (kind, key, subscriber) \
        SELECT 'changed', key, subscriber FROM ended WHERE $5 AND subscriber IS NOT NULL) \
    INSERT INTO session_closed (id, key, tenant, nas, auth, subscriber, username, started_at, \
        updated_at, upload_bytes, download_bytes, session_seconds, acct_session_id, nas_address, \
        nas_port, framed_ipv4, framed_ipv6_prefix, delegated_ipv6_prefix, calling_station, \
        called_station, stopped_at, cause) \
    SELECT id, key, tenant, nas, auth, subscriber, username, started_at, updated_at, \
        upload_bytes, download_bytes, session_seconds, acct_session_id, nas_address, nas_port, \
        framed_ipv4, framed_ipv6_prefix, delegated_ipv6_prefix, calling_station, called_station, \
        GREATEST(updated_at, $1), $2 FROM ended";

const SELECT_MARK: &str = "SELECT stored FROM accounting_mark WHERE source = $1 FOR UPDATE";

const SET_MARK: &str = "INSERT INTO accounting_mark (source, stored, at) VALUES ($1, $2, $3) \
    ON CONFLICT (source) DO UPDATE SET stored = excluded.stored, at = excluded.at";

/// The connections. Those that are not in use are kept out of the pool, which asks the server
/// whether a connection still works each time that it is given back. No one waits in the pool for
/// what others take from here, because there are no more turns than connections. After a failure
/// none of them goes on: a server that hangs may hold each, and new ones find out sooner.
#[derive(Clone, Debug)]
pub(crate) struct PostgresJournal {
    pool: PgPool,
    turns: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<PoolConnection<Postgres>>>>,
}

impl PostgresJournal {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(CONNECTIONS)),
            pool,
            idle: Arc::default(),
        }
    }

    /// Closes the connections; commits fail afterwards.
    pub(crate) async fn close(&self) {
        let closed = self.pool.close();
        self.idle().clear();
        closed.await;
    }

    /// Tries once. What loses a race may be tried again.
    pub(super) async fn commit(
        &self,
        store: &Store,
        batch: &Batch,
    ) -> Result<Committed, StoreError> {
        let turn = self.turns.acquire().await;
        let _turn = turn.map_err(|_| sqlx::Error::PoolClosed)?;
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) if !self.pool.is_closed() => connection,
            Some(_) | None => self.pool.acquire().await?,
        };
        let mut lent = Lent {
            journal: self,
            connection: Some(connection),
        };
        let committed = commit(lent.connection()?, store, batch).await?;
        lent.give_back();
        Ok(committed)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<PoolConnection<Postgres>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that carries a commit. Unless it is given back it is closed, because the commit
/// failed or was given up, and the server may be in its transaction, with its locks, while sqlx
/// counts none: so it is when `BEGIN` was sent and nobody waited for the answer. A server that finds
/// the connection closed undoes what was not committed.
struct Lent<'a> {
    journal: &'a PostgresJournal,
    connection: Option<PoolConnection<Postgres>>,
}

impl Lent<'_> {
    fn connection(&mut self) -> Result<&mut PgConnection, StoreError> {
        let connection = self.connection.as_deref_mut();
        Ok(connection.ok_or(sqlx::Error::PoolClosed)?)
    }

    fn give_back(mut self) {
        self.journal.idle().extend(self.connection.take());
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
            for idle in self.journal.idle().drain(..) {
                drop(idle.detach());
            }
        }
    }
}

async fn commit(
    connection: &mut PgConnection,
    store: &Store,
    batch: &Batch,
) -> Result<Committed, StoreError> {
    if let Some(records) = batch.sessions_alone()
        && let Some(committed) = commit_unknown(connection, store, batch, records).await?
    {
        return Ok(committed);
    }
    commit_carefully(connection, store, batch).await
}

/// Stores records of which none is expected to be stored already, and nothing at all when one is.
async fn commit_unknown(
    connection: &mut PgConnection,
    store: &Store,
    batch: &Batch,
    records: &[SessionRecord],
) -> Result<Option<Committed>, StoreError> {
    let mut transaction = begin(connection, batch).await?;
    let mut committed = Committed::default();
    let mark = batch.origin.map(|origin| (origin, records.len()));
    let is_unknown = apply_sessions(
        &mut transaction,
        store,
        batch,
        records,
        &mut committed,
        mark,
    )
    .await?;
    if !is_unknown {
        transaction.rollback().await?;
        return Ok(None);
    }
    end(transaction, store).await?;
    Ok(Some(committed))
}

/// Looks at the mark first, and goes from restart to restart.
async fn commit_carefully(
    connection: &mut PgConnection,
    store: &Store,
    batch: &Batch,
) -> Result<Committed, StoreError> {
    let mut transaction = begin(connection, batch).await?;
    let known = match batch.origin {
        Some(origin) => advance(&mut transaction, store, origin, batch.len()).await?,
        None => 0,
    };
    let mut committed = Committed {
        outcomes: vec![RecordOutcome::StoredBefore; known],
        ..Committed::default()
    };
    if known == batch.len() {
        transaction.rollback().await?;
        return Ok(committed);
    }
    for segment in batch.segments(known) {
        match segment {
            Segment::Restart(restart) => {
                let has_readers = store.has_session_readers();
                let closed = close_all(&mut transaction, restart, has_readers).await?;
                let outcome = RecordOutcome::NasRestart { closed };
                committed.outcomes.push(outcome);
            }
            Segment::Sessions(records) => {
                apply_sessions(
                    &mut transaction,
                    store,
                    batch,
                    records,
                    &mut committed,
                    None,
                )
                .await?;
            }
        }
    }
    end(transaction, store).await?;
    Ok(committed)
}

/// Begins a transaction and waits for others that write the same sessions. Locks are taken in
/// order, so that two never wait for each other.
async fn begin<'a>(
    connection: &'a mut PgConnection,
    batch: &Batch,
) -> Result<Transaction<'a, Postgres>, StoreError> {
    let mut sql = "BEGIN; SELECT ".to_owned();
    for (index, stripe) in stripes(batch).iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(
            sql,
            "{comma}pg_advisory_xact_lock({STRIPE_FAMILY}, {stripe})"
        )
        .expect("a String takes every write");
    }
    Ok(connection.begin_with(AssertSqlSafe(sql)).await?)
}

fn stripes(batch: &Batch) -> BTreeSet<usize> {
    let mut stripes = BTreeSet::new();
    for part in &batch.parts {
        match part {
            Part::Sessions(records) => stripes.extend(
                records
                    .iter()
                    .map(|record| nas_stripe(record.nas) * LANES + record.key.lane(LANES)),
            ),
            // It ends sessions of every lane.
            Part::Restart(restart) => {
                stripes.extend((0..LANES).map(|lane| nas_stripe(restart.nas) * LANES + lane));
            }
        }
    }
    stripes
}

/// The last octet of an id is random.
fn nas_stripe(nas: NasId) -> usize {
    usize::from(nas.as_bytes()[15]) % NAS_STRIPES
}

/// Applies records between two restarts. With a mark, says whether it was before them, as it
/// should be; if not, nothing of it may stay.
async fn apply_sessions(
    transaction: &mut Transaction<'_, Postgres>,
    store: &Store,
    batch: &Batch,
    records: &[SessionRecord],
    committed: &mut Committed,
    mark: Option<(Origin, usize)>,
) -> Result<bool, StoreError> {
    let mut slots = Slots::of(records);
    load(transaction, &mut slots, batch).await?;
    let mut additions = Additions::default();
    apply(store, batch, &mut slots, records, committed, &mut additions);
    if !additions.counts.is_empty() {
        let counted = counting::count(transaction, &additions.counts, store.now()).await?;
        committed.counted.extend(counted);
    }
    load_plans(transaction, &mut additions.traffic).await?;
    let changes = slots.changes();
    let query = bind_write(&changes, &additions.usage);
    let query = match mark {
        Some((origin, count)) => query
            .bind(Some(mark::source_uuid(origin)))
            .bind(stored_count(mark::last(origin, count)))
            .bind(store.now().as_micros())
            .bind(stored_count(origin.first)),
        None => query.bind(None::<Uuid>).bind(0_i64).bind(0_i64).bind(0_i64),
    };
    let terms: Vec<Option<Vec<u8>>> = changes.opened.iter().map(|one| octets(one.terms)).collect();
    let user_names = changes
        .opened
        .iter()
        .map(|one| one.place.user_name.as_deref());
    let user_names: Vec<Option<String>> = user_names.map(find_stored_text).collect();
    let query = query.bind(store.has_session_readers());
    let query = bind_traffic(
        query.bind(terms).bind(user_names),
        batch,
        &additions.traffic,
    );
    let is_unknown = query.fetch_one(&mut **transaction).await?.try_get(0)?;
    if is_unknown && !changes.amended.is_empty() {
        amend(transaction, &changes).await?;
    }
    Ok(is_unknown)
}

async fn load(
    transaction: &mut Transaction<'_, Postgres>,
    slots: &mut Slots<'_>,
    batch: &Batch,
) -> Result<(), StoreError> {
    let keys: Vec<Uuid> = slots
        .iter()
        .map(|one| Uuid::from_bytes(one.key().0))
        .collect();
    let tenants: Vec<Uuid> = slots.iter().map(|one| one.tenant().as_uuid()).collect();
    let names: Vec<_> = slots
        .iter()
        .map(|one| fitting_text(one.acct_session_id()))
        .collect();
    let routers: Vec<Uuid> = slots.iter().map(|one| one.nas().as_uuid()).collect();
    let rows = sqlx::query(LOAD)
        .bind(keys)
        .bind(tenants)
        .bind(names)
        .bind(routers)
        .bind(batch.closed_since.as_micros())
        .fetch_all(&mut **transaction)
        .await?;
    for row in &rows {
        let is_closed = row.find_integer(20)?.is_some();
        let key = domain::accounting::SessionKey(row.id(1)?.into_bytes());
        let Some(slot) = slots.find_mut(key) else {
            continue;
        };
        if is_closed {
            slot.load_closed(read_closed(row)?);
        } else {
            slot.load_open(read_open(row, TERMS)?, find_plan(row, TERMS)?);
        }
    }
    Ok(())
}

/// All parameters but the mark.
fn bind_write<'q>(changes: &Changes<'_>, usage: &Sums) -> Query<'q, Postgres, PgArguments> {
    let gone: Vec<Uuid> = changes
        .gone
        .iter()
        .map(|key| Uuid::from_bytes(key.0))
        .collect();
    let opened: SessionColumns = changes.opened.iter().copied().collect();
    let progressed: Vec<_> = changes.progressed.iter().collect();
    let closed: ClosedColumns = changes.closed.iter().copied().collect();
    let number = |of: fn(&domain::session::Session) -> i64| -> Vec<i64> {
        progressed.iter().map(|session| of(session)).collect()
    };
    let query = opened.bind(sqlx::query(WRITE).bind(gone));
    let query = query
        .bind(
            progressed
                .iter()
                .map(|one| one.id.as_uuid())
                .collect::<Vec<_>>(),
        )
        .bind(number(|one| one.started_at.as_micros()))
        .bind(number(|one| one.updated_at.as_micros()))
        .bind(number(|one| stored_count(one.total.upload_bytes)))
        .bind(number(|one| stored_count(one.total.download_bytes)))
        .bind(number(|one| stored_count(one.total.session_seconds)));
    let query = closed.bind(query);
    bind_usage(query, usage)
}

fn bind_usage<'q>(
    query: Query<'q, Postgres, PgArguments>,
    usage: &Sums,
) -> Query<'q, Postgres, PgArguments> {
    let mut tenants = Vec::with_capacity(usage.len());
    let mut usernames = Vec::with_capacity(usage.len());
    let mut numbers: [Vec<i64>; 4] = std::array::from_fn(|_| Vec::with_capacity(usage.len()));
    for ((tenant, username, starts_at), sum) in usage.iter() {
        tenants.push(tenant.as_uuid());
        usernames.push(username.to_string());
        let row = [
            starts_at.as_micros(),
            stored_count(sum.upload_bytes),
            stored_count(sum.download_bytes),
            stored_count(sum.session_seconds),
        ];
        for (column, number) in numbers.iter_mut().zip(row) {
            column.push(number);
        }
    }
    let query = query.bind(tenants).bind(usernames);
    numbers.into_iter().fold(query, Query::bind)
}

fn octets(terms: Option<TermsMark>) -> Option<Vec<u8>> {
    terms.map(|terms| terms.to_octets().to_vec())
}

async fn amend(
    transaction: &mut Transaction<'_, Postgres>,
    changes: &Changes<'_>,
) -> Result<(), StoreError> {
    let amended = &changes.amended;
    let ids: Vec<Uuid> = amended
        .iter()
        .map(|(_, one)| one.session.id.as_uuid())
        .collect();
    let before: Vec<i64> = amended
        .iter()
        .map(|(before, _)| before.as_micros())
        .collect();
    let number = |of: fn(&domain::session::ClosedSession) -> i64| -> Vec<i64> {
        amended.iter().map(|(_, one)| of(one)).collect()
    };
    let causes: Vec<Option<i64>> = amended
        .iter()
        .map(|(_, one)| one.cause.map(TerminateCause::to_stored))
        .collect();
    sqlx::query(AMEND)
        .bind(ids)
        .bind(before)
        .bind(number(|one| one.session.started_at.as_micros()))
        .bind(number(|one| stored_count(one.session.total.upload_bytes)))
        .bind(number(|one| stored_count(one.session.total.download_bytes)))
        .bind(number(|one| {
            stored_count(one.session.total.session_seconds)
        }))
        .bind(number(|one| one.stopped_at.as_micros()))
        .bind(causes)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Ends the sessions that a router had before it restarted; what they moved is kept.
async fn close_all(
    transaction: &mut Transaction<'_, Postgres>,
    restart: &NasRestart,
    has_readers: bool,
) -> Result<u64, StoreError> {
    let ended = sqlx::query(CLOSE_ALL)
        .bind(restart.at.as_micros())
        .bind(TerminateCause::NasReboot.to_stored())
        .bind(restart.nas.as_uuid())
        .bind(restart.source.map(|address| address.to_string()))
        .bind(has_readers)
        .execute(&mut **transaction)
        .await?;
    Ok(ended.rows_affected())
}

/// Moves the mark behind the last of `count` records and says how many are before it already.
async fn advance(
    transaction: &mut Transaction<'_, Postgres>,
    store: &Store,
    origin: Origin,
    count: usize,
) -> Result<usize, StoreError> {
    let source = mark::source_uuid(origin);
    let row = sqlx::query(SELECT_MARK)
        .bind(source)
        .fetch_optional(&mut **transaction)
        .await?;
    let known = match row {
        Some(row) => mark::known(origin, count, row.try_get::<i64, _>(0)?.unsigned_abs()),
        None => 0,
    };
    if known < count {
        sqlx::query(SET_MARK)
            .bind(source)
            .bind(stored_count(mark::last(origin, count)))
            .bind(store.now().as_micros())
            .execute(&mut **transaction)
            .await?;
    }
    Ok(known)
}

async fn end(transaction: Transaction<'_, Postgres>, store: &Store) -> Result<(), StoreError> {
    match store.ending() {
        Ending::Committed => transaction.commit().await?,
        Ending::Undone => transaction.rollback().await?,
    }
    Ok(())
}

impl Cells for PgRow {
    fn id(&self, index: usize) -> Result<Uuid, StoreError> {
        Ok(self.try_get(index)?)
    }

    fn find_id(&self, index: usize) -> Result<Option<Uuid>, StoreError> {
        Ok(self.try_get(index)?)
    }

    fn find_integer(&self, index: usize) -> Result<Option<i64>, StoreError> {
        Ok(self.try_get(index)?)
    }

    fn find_text(&self, index: usize) -> Result<Option<CompactString>, StoreError> {
        let text: Option<&str> = self.try_get(index)?;
        Ok(text.map(CompactString::from))
    }

    fn find_octets(&self, index: usize) -> Result<Option<&[u8]>, StoreError> {
        Ok(self.try_get(index)?)
    }
}
