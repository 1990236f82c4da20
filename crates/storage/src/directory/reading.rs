//! Subscribers as the directory reads them: unsealed on threads of their own while the database
//! looks for the next ones.

use std::collections::VecDeque;

use domain::subscriber::Subscriber;
use sea_orm::{DbErr, QueryResult, RuntimeErr};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{ColumnIndex, Decode, Row, Type};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use uuid::Uuid;

use super::bound::Bound;
use super::readable_or_told;
use crate::error::StoreError;
use crate::key_ring::KeyRing;
use crate::subscriber::row::StoredSubscriber;

/// The columns of a row, in the order in which they are read.
pub(super) const COLUMNS: &str = "id, tenant, username, credential_kind, credential, plan, \
    status, expires_at, ipv4, ipv6_prefix, ipv6_delegated, session_limit, session_policy, \
    credential_set_at, device_forgotten_at, starts_at";

/// Lots of rows that are unsealed at the same time.
const LOTS_MAX: usize = 2;

/// Lots of rows on their way to be subscribers, in the order in which they were read.
pub(super) struct Reading<'k> {
    keys: &'k KeyRing,
    lots: VecDeque<JoinHandle<Vec<Subscriber>>>,
    done: Vec<Subscriber>,
}

impl<'k> Reading<'k> {
    pub(super) const fn new(keys: &'k KeyRing) -> Self {
        Self {
            keys,
            lots: VecDeque::new(),
            done: Vec::new(),
        }
    }

    /// Adds rows; waits while enough are under way.
    pub(super) async fn push(
        &mut self,
        rows: Vec<QueryResult>,
        mut bound: Bound,
    ) -> Result<(), StoreError> {
        if LOTS_MAX <= self.lots.len() {
            self.wait().await?;
        }
        let keys = self.keys.clone();
        let lot = spawn_blocking(move || {
            let read = |row| readable_or_told(unsealed(row, &keys, &mut bound));
            rows.iter().filter_map(read).collect()
        });
        self.lots.push_back(lot);
        Ok(())
    }

    pub(super) async fn finish(mut self) -> Result<Vec<Subscriber>, StoreError> {
        while !self.lots.is_empty() {
            self.wait().await?;
        }
        Ok(self.done)
    }

    /// Waits for the oldest lot.
    async fn wait(&mut self) -> Result<(), StoreError> {
        if let Some(lot) = self.lots.pop_front() {
            self.done.extend(lot.await.map_err(interrupted)?);
        }
        Ok(())
    }
}

/// The id of a row.
pub(super) fn id(row: &QueryResult) -> Result<Uuid, DbErr> {
    row.try_get_by_index(0)
}

fn unsealed(
    row: &QueryResult,
    keys: &KeyRing,
    bound: &mut Bound,
) -> Result<Subscriber, StoreError> {
    let stored = match (row.try_as_sqlite_row(), row.try_as_pg_row()) {
        (Some(row), _) => stored::<SqliteRow>(row),
        (None, Some(row)) => stored::<PgRow>(row),
        (None, None) => Err(sqlx::Error::RowNotFound),
    };
    let stored = stored?;
    let (bindings, top_ups) = bound.take(stored.id);
    stored.unsealed(keys, bindings, top_ups)
}

fn stored<'r, R: Row>(row: &'r R) -> Result<StoredSubscriber<'r>, sqlx::Error>
where
    usize: ColumnIndex<R>,
    Uuid: Decode<'r, R::Database> + Type<R::Database>,
    &'r str: Decode<'r, R::Database> + Type<R::Database>,
    &'r [u8]: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    Ok(StoredSubscriber {
        id: row.try_get(0)?,
        tenant: row.try_get(1)?,
        username: row.try_get(2)?,
        credential_kind: row.try_get(3)?,
        credential: row.try_get(4)?,
        plan: row.try_get(5)?,
        status: row.try_get(6)?,
        expires_at: row.try_get(7)?,
        ipv4: row.try_get(8)?,
        ipv6_prefix: row.try_get(9)?,
        ipv6_delegated: row.try_get(10)?,
        session_limit: row.try_get(11)?,
        session_policy: row.try_get(12)?,
        credential_set_at: row.try_get(13)?,
        device_forgotten_at: row.try_get(14)?,
        starts_at: row.try_get(15)?,
    })
}

/// The program ends, or a thread panicked; either way nothing more is read.
fn interrupted(error: JoinError) -> StoreError {
    DbErr::Exec(RuntimeErr::Internal(error.to_string())).into()
}
