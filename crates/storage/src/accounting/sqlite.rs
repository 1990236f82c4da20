//! The journal's commit on SQLite: one visit to the connection that the node writes through.

use std::borrow::Cow;

use compact_str::CompactString;
use domain::accounting::{NasRestart, Origin, TerminateCause};
use domain::limit::{Counter, LimitNews, Span};
use domain::session::{ClosedSession, Session};
use domain::terms::TermsMark;
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use rusqlite::{Connection, OptionalExtension, Row, Statement, Transaction, TransactionBehavior};
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use super::cells::{Cells, find_plan, read_closed, read_open};
use super::counts::{Base, Counts, Due, news};
use super::slots::{Changes, Slots};
use super::{Additions, Batch, Committed, RecordOutcome, Segment, mark};
use crate::column::{fitting_text, loaded_count, stored_count};
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::limit;
use crate::sqlite_writer::SqliteWriter;
use crate::store::Store;
use crate::usage::Sums;
use crate::write::Ending;

mod moving;
mod paying;

const SELECT_OPEN: &str = "SELECT id, key, tenant, nas, auth, subscriber, username, started_at, \
    updated_at, upload_bytes, download_bytes, session_seconds, acct_session_id, nas_address, \
    nas_port, framed_ipv4, framed_ipv6_prefix, delegated_ipv6_prefix, calling_station, \
    called_station, terms, user_name, plan FROM session_open WHERE key = ?";

/// The place of `terms` in it.
const TERMS: usize = 20;

/// The session that closed last under a key: under one key, ids grow in the order of sessions. Left
/// to itself SQLite goes through all sessions of the router, because an index has them in this order.
const SELECT_CLOSED: &str = "SELECT id, key, tenant, nas, auth, subscriber, username, started_at, \
    updated_at, upload_bytes, download_bytes, session_seconds, acct_session_id, nas_address, \
    nas_port, framed_ipv4, framed_ipv6_prefix, delegated_ipv6_prefix, calling_station, \
    called_station, stopped_at, cause FROM session_closed \
    INDEXED BY session_closed_by_acct_session_id \
    WHERE tenant = ? AND acct_session_id = ? AND nas = ? AND key = ? AND stopped_at >= ? \
    ORDER BY id DESC LIMIT 1";

const DELETE_OPEN: &str = "DELETE FROM session_open WHERE key = ?";

/// Columns that never change are not named: SQLite rewrites the indexes of every column that is.
const UPSERT_OPEN: &str = "INSERT INTO session_open (id, key, tenant, nas, auth, subscriber, \
    username, started_at, updated_at, upload_bytes, download_bytes, session_seconds, \
    acct_session_id, nas_address, nas_port, framed_ipv4, framed_ipv6_prefix, \
    delegated_ipv6_prefix, calling_station, called_station, terms, user_name, plan) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, \
    (SELECT plan FROM subscriber WHERE id = ?6)) \
    ON CONFLICT (key) DO UPDATE SET auth = excluded.auth, subscriber = excluded.subscriber, \
    started_at = excluded.started_at, updated_at = excluded.updated_at, \
    upload_bytes = excluded.upload_bytes, download_bytes = excluded.download_bytes, \
    session_seconds = excluded.session_seconds, nas_address = excluded.nas_address, \
    nas_port = excluded.nas_port, framed_ipv4 = excluded.framed_ipv4, \
    framed_ipv6_prefix = excluded.framed_ipv6_prefix, \
    delegated_ipv6_prefix = excluded.delegated_ipv6_prefix, \
    calling_station = excluded.calling_station, called_station = excluded.called_station, \
    terms = excluded.terms, user_name = excluded.user_name";

/// The rates are those between the report before and this one, which may have come with others.
const PROGRESS_OPEN: &str = "UPDATE session_open SET \
    upload_bps = CASE WHEN updated_at < ?2 \
        THEN CAST((?3 - upload_bytes) * 8e6 / (?2 - updated_at) AS INTEGER) ELSE upload_bps END, \
    download_bps = CASE WHEN updated_at < ?2 \
        THEN CAST((?4 - download_bytes) * 8e6 / (?2 - updated_at) AS INTEGER) \
        ELSE download_bps END, \
    started_at = ?1, updated_at = ?2, \
    upload_bytes = ?3, download_bytes = ?4, session_seconds = ?5 WHERE key = ?6";

const INSERT_CLOSED: &str = "INSERT INTO session_closed (id, key, tenant, nas, auth, subscriber, \
    username, started_at, updated_at, upload_bytes, download_bytes, session_seconds, \
    acct_session_id, nas_address, nas_port, framed_ipv4, framed_ipv6_prefix, \
    delegated_ipv6_prefix, calling_station, called_station, stopped_at, cause) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

const AMEND_CLOSED: &str = "UPDATE session_closed SET started_at = ?, upload_bytes = ?, \
    download_bytes = ?, session_seconds = ?, stopped_at = ?, cause = ? \
    WHERE id = ? AND stopped_at = ?";

const CLOSE_ALL: &str = "INSERT INTO session_closed (id, key, tenant, nas, auth, subscriber, \
    username, started_at, updated_at, upload_bytes, download_bytes, session_seconds, \
    acct_session_id, nas_address, nas_port, framed_ipv4, framed_ipv6_prefix, \
    delegated_ipv6_prefix, calling_station, called_station, stopped_at, cause) \
    SELECT id, key, tenant, nas, auth, subscriber, username, started_at, updated_at, \
    upload_bytes, download_bytes, session_seconds, acct_session_id, nas_address, nas_port, \
    framed_ipv4, framed_ipv6_prefix, delegated_ipv6_prefix, calling_station, called_station, \
    MAX(updated_at, ?1), ?2 FROM session_open \
    WHERE nas = ?3 AND started_at <= ?1 AND (?4 IS NULL OR nas_address = ?4)";

const DELETE_ALL: &str = "DELETE FROM session_open \
    WHERE nas = ?2 AND started_at <= ?1 AND (?3 IS NULL OR nas_address = ?3)";

const ADD_USAGE: &str = "INSERT INTO usage_hourly \
    (tenant, username, starts_at, upload_bytes, download_bytes, session_seconds) \
    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, username, starts_at) DO UPDATE SET \
    upload_bytes = MIN(upload_bytes, 9223372036854775807 - excluded.upload_bytes) \
        + excluded.upload_bytes, \
    download_bytes = MIN(download_bytes, 9223372036854775807 - excluded.download_bytes) \
        + excluded.download_bytes, \
    session_seconds = MIN(session_seconds, 9223372036854775807 - excluded.session_seconds) \
        + excluded.session_seconds";

const SELECT_COUNTER: &str = "SELECT starts_at, ends_at, upload_bytes, download_bytes, \
    session_seconds FROM limit_state WHERE subscriber = ? AND kind = ?";

const SET_COUNTER: &str = "INSERT INTO limit_state (subscriber, kind, starts_at, ends_at, \
    upload_bytes, download_bytes, session_seconds, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) \
    ON CONFLICT (subscriber, kind) DO UPDATE SET starts_at = excluded.starts_at, \
    ends_at = excluded.ends_at, upload_bytes = excluded.upload_bytes, \
    download_bytes = excluded.download_bytes, session_seconds = excluded.session_seconds, \
    updated_at = excluded.updated_at";

const SELECT_MARK: &str = "SELECT stored FROM accounting_mark WHERE source = ?";

const SET_MARK: &str = "INSERT INTO accounting_mark (source, stored, at) VALUES (?, ?, ?) \
    ON CONFLICT (source) DO UPDATE SET stored = excluded.stored, at = excluded.at";

/// Commits a batch while it is this process's turn to write.
pub(super) async fn commit(
    writer: &SqliteWriter,
    store: &Store,
    turn: OwnedMutexGuard<()>,
    batch: Batch,
) -> Result<Committed, StoreError> {
    let store = store.clone();
    let visit = move |connection: &mut Connection| commit_here(connection, &store, &batch);
    writer.visit(turn, visit).await
}

fn commit_here(
    connection: &mut Connection,
    store: &Store,
    batch: &Batch,
) -> Result<Committed, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let known = match batch.origin {
        Some(origin) => advance(&transaction, origin, batch.len(), store.now())?,
        None => 0,
    };
    let mut committed = Committed {
        outcomes: vec![RecordOutcome::StoredBefore; known],
        ..Committed::default()
    };
    if known == batch.len() {
        return Ok(committed);
    }
    let mut additions = Additions::default();
    for segment in batch.segments(known) {
        match segment {
            Segment::Restart(restart) => {
                let closed = close_all(&transaction, restart)?;
                let outcome = RecordOutcome::NasRestart { closed };
                committed.outcomes.push(outcome);
            }
            Segment::Sessions(records) => {
                let mut slots = Slots::of(records);
                load(&transaction, &mut slots, batch.closed_since)?;
                super::apply(
                    store,
                    batch,
                    &mut slots,
                    records,
                    &mut committed,
                    &mut additions,
                );
                write(&transaction, &slots.changes())?;
            }
        }
    }
    // Before the hours are added to, which a counter may begin with.
    committed.counted = count(&transaction, &additions.counts, store.now())?;
    add_usage(&transaction, &additions.usage)?;
    moving::add(&transaction, additions.traffic)?;
    match store.ending() {
        Ending::Committed => transaction.commit()?,
        Ending::Undone => transaction.rollback()?,
    }
    Ok(committed)
}

/// Moves the mark behind the last of `count` records and says how many are before it already.
fn advance(
    transaction: &Transaction<'_>,
    origin: Origin,
    count: usize,
    at: Timestamp,
) -> Result<usize, StoreError> {
    let source = mark::source_uuid(origin);
    let mut select = transaction.prepare_cached(SELECT_MARK)?;
    let mut rows = select.query([source.as_bytes().as_slice()])?;
    let known = match rows.next()? {
        Some(row) => mark::known(origin, count, row.get::<_, i64>(0)?.unsigned_abs()),
        None => 0,
    };
    if known < count {
        let last = stored_count(mark::last(origin, count));
        let mut set = transaction.prepare_cached(SET_MARK)?;
        set.execute((source.as_bytes().as_slice(), last, at.as_micros()))?;
    }
    Ok(known)
}

/// Loads what is stored under the keys. The closed session matters only while none is open.
fn load(
    transaction: &Transaction<'_>,
    slots: &mut Slots<'_>,
    closed_since: Timestamp,
) -> Result<(), StoreError> {
    let mut select_open = transaction.prepare_cached(SELECT_OPEN)?;
    let mut select_closed = transaction.prepare_cached(SELECT_CLOSED)?;
    for slot in slots.iter_mut() {
        let mut rows = select_open.query([slot.key().0.as_slice()])?;
        if let Some(row) = rows.next()? {
            slot.load_open(read_open(row, TERMS)?, find_plan(row, TERMS)?);
            continue;
        }
        let mut rows = select_closed.query((
            slot.tenant().as_bytes().as_slice(),
            &*fitting_text(slot.acct_session_id()),
            slot.nas().as_bytes().as_slice(),
            slot.key().0.as_slice(),
            closed_since.as_micros(),
        ))?;
        if let Some(row) = rows.next()? {
            slot.load_closed(read_closed(row)?);
        }
    }
    Ok(())
}

fn write(transaction: &Transaction<'_>, changes: &Changes<'_>) -> Result<(), rusqlite::Error> {
    let mut delete = transaction.prepare_cached(DELETE_OPEN)?;
    for key in changes.gone.iter().chain(&changes.replaced) {
        delete.execute([key.0.as_slice()])?;
    }
    let mut upsert = transaction.prepare_cached(UPSERT_OPEN)?;
    for session in &changes.opened {
        bind_session(&mut upsert, session)?;
        let terms = session.terms.map(TermsMark::to_octets);
        upsert.raw_bind_parameter(21, terms.as_ref().map(<[u8; TermsMark::OCTETS]>::as_slice))?;
        let user_name = find_text(session.place.user_name.as_deref());
        upsert.raw_bind_parameter(22, user_name.as_deref())?;
        upsert.raw_execute()?;
    }
    let mut progress = transaction.prepare_cached(PROGRESS_OPEN)?;
    for session in &changes.progressed {
        progress.execute((
            session.started_at.as_micros(),
            session.updated_at.as_micros(),
            stored_count(session.total.upload_bytes),
            stored_count(session.total.download_bytes),
            stored_count(session.total.session_seconds),
            session.key.0.as_slice(),
        ))?;
    }
    let mut insert = transaction.prepare_cached(INSERT_CLOSED)?;
    for closed in &changes.closed {
        bind_session(&mut insert, &closed.session)?;
        insert.raw_bind_parameter(21, closed.stopped_at.as_micros())?;
        insert.raw_bind_parameter(22, closed.cause.map(TerminateCause::to_stored))?;
        insert.raw_execute()?;
    }
    for (stopped_at, closed) in &changes.amended {
        amend(transaction, *stopped_at, closed)?;
    }
    Ok(())
}

fn amend(
    transaction: &Transaction<'_>,
    stopped_at: Timestamp,
    closed: &ClosedSession,
) -> Result<(), rusqlite::Error> {
    let session = &closed.session;
    transaction.prepare_cached(AMEND_CLOSED)?.execute((
        session.started_at.as_micros(),
        stored_count(session.total.upload_bytes),
        stored_count(session.total.download_bytes),
        stored_count(session.total.session_seconds),
        closed.stopped_at.as_micros(),
        closed.cause.map(TerminateCause::to_stored),
        session.id.as_bytes().as_slice(),
        stopped_at.as_micros(),
    ))?;
    Ok(())
}

/// Ends the sessions that a router had before it restarted; what they moved is kept.
fn close_all(transaction: &Transaction<'_>, restart: &NasRestart) -> Result<u64, rusqlite::Error> {
    let at = restart.at.as_micros();
    let nas = restart.nas.as_bytes().as_slice();
    let source = restart.source.map(|address| address.to_string());
    let cause = TerminateCause::NasReboot.to_stored();
    let mut insert = transaction.prepare_cached(CLOSE_ALL)?;
    insert.execute((at, cause, nas, &source))?;
    let mut delete = transaction.prepare_cached(DELETE_ALL)?;
    let ended = delete.execute((at, nas, &source))?;
    Ok(ended as u64)
}

fn add_usage(transaction: &Transaction<'_>, usage: &Sums) -> Result<(), rusqlite::Error> {
    let mut add = transaction.prepare_cached(ADD_USAGE)?;
    for ((tenant, username, starts_at), sum) in usage.iter() {
        add.execute((
            tenant.as_bytes().as_slice(),
            username.as_str(),
            starts_at.as_micros(),
            stored_count(sum.upload_bytes),
            stored_count(sum.download_bytes),
            stored_count(sum.session_seconds),
        ))?;
    }
    Ok(())
}

/// Adds to the counters of limits, and says what they are then.
fn count(
    transaction: &Transaction<'_>,
    counts: &Counts,
    at: Timestamp,
) -> Result<Vec<LimitNews>, StoreError> {
    let mut counted = Vec::new();
    if counts.is_empty() {
        return Ok(counted);
    }
    let mut select = transaction.prepare_cached(SELECT_COUNTER)?;
    let mut set = transaction.prepare_cached(SET_COUNTER)?;
    let sums = limit::sums_sql(Dialect::Sqlite, ["?1", "?2", "?3"]);
    let mut sums = transaction.prepare_cached(&sums)?;
    let mut due = Due::default();
    for (subscriber, period, count) in counts.iter() {
        let key = (subscriber.as_bytes().as_slice(), period.as_str());
        let stored = select.query_row(key, read_counter).optional()?;
        let base = match count.base(stored) {
            Base::Known(used) => used,
            Base::Passed => continue,
            Base::Unknown => {
                let from = limit::counted_from(subscriber, count.span);
                let whose = (count.tenant.as_bytes().as_slice(), count.username.as_str());
                sums.query_row((whose.0, whose.1, from.as_micros()), |row| {
                    read_amount(row, 0)
                })?
            }
        };
        let counter = count.onto(base);
        due.add(subscriber, count, base, counter);
        set.execute((
            key.0,
            key.1,
            counter.span.starts_at.as_micros(),
            counter.span.ends_at.as_micros(),
            stored_count(counter.used.upload_bytes),
            stored_count(counter.used.download_bytes),
            stored_count(counter.used.session_seconds),
            at.as_micros(),
        ))?;
        counted.push(news(subscriber, period, counter));
    }
    for (payer, beyond) in due.into_all() {
        paying::pay(transaction, payer, beyond, at)?;
    }
    Ok(counted)
}

fn read_counter(row: &Row<'_>) -> Result<Counter, rusqlite::Error> {
    Ok(Counter {
        span: Span {
            starts_at: Timestamp::from_micros(row.get(0)?),
            ends_at: Timestamp::from_micros(row.get(1)?),
        },
        used: read_amount(row, 2)?,
    })
}

fn read_amount(row: &Row<'_>, first: usize) -> Result<UsageAmount, rusqlite::Error> {
    Ok(UsageAmount {
        upload_bytes: loaded_count(row.get(first)?),
        download_bytes: loaded_count(row.get(first + 1)?),
        session_seconds: loaded_count(row.get(first + 2)?),
    })
}

/// Binds what open and closed sessions have in common: the first twenty parameters.
fn bind_session(statement: &mut Statement<'_>, session: &Session) -> Result<(), rusqlite::Error> {
    let place = &session.place;
    let total = &session.total;
    let auth = session.auth.map(|id| id.as_uuid());
    let subscriber = session.subscriber.map(|id| id.as_uuid());
    statement.raw_bind_parameter(1, session.id.as_bytes().as_slice())?;
    statement.raw_bind_parameter(2, session.key.0.as_slice())?;
    statement.raw_bind_parameter(3, session.tenant.as_bytes().as_slice())?;
    statement.raw_bind_parameter(4, session.nas.as_bytes().as_slice())?;
    statement.raw_bind_parameter(5, auth.as_ref().map(|id| id.as_bytes().as_slice()))?;
    statement.raw_bind_parameter(6, subscriber.as_ref().map(|id| id.as_bytes().as_slice()))?;
    statement.raw_bind_parameter(7, &*fitting_text(&session.username))?;
    statement.raw_bind_parameter(8, session.started_at.as_micros())?;
    statement.raw_bind_parameter(9, session.updated_at.as_micros())?;
    statement.raw_bind_parameter(10, stored_count(total.upload_bytes))?;
    statement.raw_bind_parameter(11, stored_count(total.download_bytes))?;
    statement.raw_bind_parameter(12, stored_count(total.session_seconds))?;
    statement.raw_bind_parameter(13, &*fitting_text(&place.acct_session_id))?;
    statement.raw_bind_parameter(14, place.nas_address.map(|one| one.to_string()))?;
    statement.raw_bind_parameter(15, find_text(place.nas_port.as_deref()).as_deref())?;
    statement.raw_bind_parameter(16, place.framed_ipv4.map(|one| one.to_string()))?;
    statement.raw_bind_parameter(17, place.framed_ipv6_prefix.map(|one| one.to_string()))?;
    statement.raw_bind_parameter(18, place.delegated_ipv6_prefix.map(|one| one.to_string()))?;
    statement.raw_bind_parameter(19, find_text(place.calling_station.as_deref()).as_deref())?;
    statement.raw_bind_parameter(20, find_text(place.called_station.as_deref()).as_deref())
}

fn find_text(text: Option<&str>) -> Option<Cow<'_, str>> {
    text.map(fitting_text)
}

impl Cells for Row<'_> {
    fn id(&self, index: usize) -> Result<Uuid, StoreError> {
        let octets: [u8; 16] = self.get(index)?;
        Ok(Uuid::from_bytes(octets))
    }

    fn find_id(&self, index: usize) -> Result<Option<Uuid>, StoreError> {
        let octets: Option<[u8; 16]> = self.get(index)?;
        Ok(octets.map(Uuid::from_bytes))
    }

    fn find_integer(&self, index: usize) -> Result<Option<i64>, StoreError> {
        Ok(self.get(index)?)
    }

    fn find_text(&self, index: usize) -> Result<Option<CompactString>, StoreError> {
        let text = self.get_ref(index)?.as_str_or_null();
        Ok(text
            .map_err(rusqlite::Error::from)?
            .map(CompactString::from))
    }

    fn find_octets(&self, index: usize) -> Result<Option<&[u8]>, StoreError> {
        let octets = self.get_ref(index)?.as_blob_or_null();
        Ok(octets.map_err(rusqlite::Error::from)?)
    }
}

#[cfg(test)]
mod tests {
    use testkit::database::{Database, DatabaseKind};

    use super::*;
    use crate::sqlite_writer::open;

    /// What SQLite does for a statement, in its words.
    #[track_caller]
    fn plan(connection: &Connection, sql: &str) -> Vec<String> {
        let mut explain = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let mut rows = explain.raw_query();
        let mut steps = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            steps.push(row.get(3).unwrap());
        }
        steps
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_row_is_found_by_the_index_that_has_few_others() {
        let database = Database::migrated(DatabaseKind::Sqlite).await;
        let connection = open(&database.data_dir().join("lastmile.db")).unwrap();
        let rows = [
            (SELECT_OPEN, "session_open_key_unique (key=?)"),
            (
                SELECT_CLOSED,
                "session_closed_by_acct_session_id (tenant=? AND acct_session_id=? AND nas=?)",
            ),
            (DELETE_OPEN, "session_open_key_unique (key=?)"),
            (PROGRESS_OPEN, "session_open_key_unique (key=?)"),
            (AMEND_CLOSED, "(id=? AND stopped_at=?)"),
            (CLOSE_ALL, "session_open_by_nas (nas=?)"),
            (DELETE_ALL, "session_open_by_nas (nas=?)"),
            (SELECT_MARK, "(source=?)"),
        ];
        for (sql, index) in rows {
            let plan = plan(&connection, sql);
            assert!(plan[0].ends_with(index), "{plan:?}");
        }
    }
}
