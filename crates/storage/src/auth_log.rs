//! The authentication log, and the addresses that knock without being registered.

use std::collections::BTreeMap;
use std::net::IpAddr;

use domain::auth_log::shorthand::write_reason;
use domain::auth_log::{AuthLogEntry, AuthOutcome, Knock};
use domain::id::AuthId;
use domain::time::Timestamp;
use ipnet::IpNet;
use sea_orm::{ConnectionTrait, DbErr, Value};
use serde::Serialize;

use crate::bulk::{Insert, execute_in};
use crate::column::{find_stored_text, loaded_count, stored_count};
use crate::connection::JournalConnection;
use crate::error::StoreError;
use crate::store::Store;
use crate::write::{ATTEMPTS_MAX, Write};
use hourly::Counts;

pub(crate) mod hourly;
mod last;
pub mod list;
mod sqlite;

/// Sources that are remembered; beyond it the one that has been silent longest is forgotten.
const KNOCKS_MAX: u32 = 1_000;

/// An entry is appended once, however often the writer has to try.
const ENTRIES: Insert<'static> = Insert {
    table: "auth_log",
    columns: &[
        "id",
        "at",
        "tenant",
        "nas",
        "subscriber",
        "username",
        "method",
        "reason",
        "trace",
        "calling_station",
        "called_station",
        "count",
        "last_at",
    ],
    on_conflict: "ON CONFLICT (id) DO NOTHING RETURNING id",
};

/// An unregistered address that tried to speak RADIUS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KnockRow {
    pub source: IpAddr,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub packets: u64,
}

impl Store {
    /// Appends decisions and knocks, all or none.
    pub async fn auth_log_append(
        &self,
        entries: &[&AuthLogEntry],
        knocks: &[Knock],
    ) -> Result<(), StoreError> {
        let mut attempt = 1;
        loop {
            match self.append_once(entries, knocks).await {
                Err(error) if error.is_lost_race() && attempt < ATTEMPTS_MAX => attempt += 1,
                result => return result,
            }
        }
    }

    /// Removes entries from before an instant, at most `limit`; says how many. The last ones of each
    /// user are kept beside the log.
    pub async fn auth_log_prune(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let write = self.write().await?;
        // Ids grow with time, so their index finds the old entries.
        let sql = format!(
            "DELETE FROM auth_log WHERE number IN \
             (SELECT number FROM auth_log WHERE id < $1 ORDER BY id LIMIT {limit})"
        );
        let before: Value = AuthId::new(before, [0; 10]).as_uuid().into();
        write.keep_last(before.clone(), limit).await?;
        let statement = write.dialect().statement(sql, [before]);
        let result = write.connection().execute_raw(statement).await?;
        write.commit().await?;
        Ok(result.rows_affected())
    }

    /// Unregistered addresses, the one heard last first.
    pub async fn knock_list(&self, limit: u32) -> Result<Vec<KnockRow>, StoreError> {
        let sql = format!(
            "SELECT source, first_at, last_at, packets FROM knock \
             ORDER BY last_at DESC, source LIMIT {}",
            limit.min(KNOCKS_MAX)
        );
        let statement = self.dialect().statement(sql, []);
        let rows = self.reader().query_all_raw(statement).await?;
        let mut knocks = Vec::with_capacity(rows.len());
        for row in &rows {
            let source: String = row.try_get_by_index(0)?;
            let Ok(source) = source.parse() else {
                continue;
            };
            knocks.push(KnockRow {
                source,
                first_at: Timestamp::from_micros(row.try_get_by_index(1)?),
                last_at: Timestamp::from_micros(row.try_get_by_index(2)?),
                packets: loaded_count(row.try_get_by_index(3)?),
            });
        }
        Ok(knocks)
    }

    async fn append_once(
        &self,
        entries: &[&AuthLogEntry],
        knocks: &[Knock],
    ) -> Result<(), StoreError> {
        if knocks.is_empty()
            && let JournalConnection::Sqlite(writer) = self.journal()
        {
            let turn = self.turn_to_write().await?;
            let entries = entries.iter().map(|entry| (*entry).clone()).collect();
            return sqlite::append(writer, turn, entries).await;
        }
        let write = self.write().await?;
        insert_counted(&write, entries).await?;
        if !knocks.is_empty() {
            remember_knocks(&write, knocks).await?;
        }
        write.commit().await
    }
}

impl Write {
    /// Removes the knocks of addresses that are now registered.
    pub(crate) async fn forget_knocks(&self, source: IpNet) -> Result<(), DbErr> {
        let statement = self.dialect().statement("SELECT source FROM knock", []);
        let rows = self.connection().query_all_raw(statement).await?;
        let mut known: Vec<Value> = Vec::new();
        for row in &rows {
            let text: String = row.try_get_by_index(0)?;
            if text
                .parse::<IpAddr>()
                .is_ok_and(|address| source.contains(&address))
            {
                known.push(text.into());
            }
        }
        execute_in(
            self.connection(),
            "DELETE FROM knock WHERE source IN",
            &known,
        )
        .await
    }
}

/// Adds up what each source sent and forgets the quietest beyond the limit.
async fn remember_knocks(write: &Write, knocks: &[Knock]) -> Result<(), DbErr> {
    let dialect = write.dialect();
    let mut sources: BTreeMap<IpAddr, (Timestamp, u64)> = BTreeMap::new();
    for knock in knocks {
        let (last_at, packets) = sources.entry(knock.source).or_insert((knock.last_at, 0));
        *last_at = knock.last_at.max(*last_at);
        *packets = packets.saturating_add(knock.packets);
    }
    let on_conflict = format!(
        "ON CONFLICT (source) DO UPDATE SET last_at = excluded.last_at, {}",
        dialect.sum_assignment("knock", "packets")
    );
    let insert = Insert {
        table: "knock",
        columns: &["source", "first_at", "last_at", "packets"],
        on_conflict: &on_conflict,
    };
    let rows = sources.into_iter().map(|(source, (last_at, packets))| {
        [
            source.to_string().into(),
            last_at.as_micros().into(),
            last_at.as_micros().into(),
            stored_count(packets).into(),
        ]
    });
    insert.run(write.connection(), rows).await?;
    let sql = format!(
        "DELETE FROM knock WHERE source NOT IN \
         (SELECT source FROM knock ORDER BY last_at DESC, source LIMIT {KNOCKS_MAX})"
    );
    write
        .connection()
        .execute_raw(dialect.statement(sql, []))
        .await?;
    Ok(())
}

/// Inserts entries, and counts those that were not there already because somebody tries again.
async fn insert_counted(write: &Write, entries: &[&AuthLogEntry]) -> Result<(), DbErr> {
    let rows = entries.iter().copied().map(entry_values);
    let new = ENTRIES.run_for_new(write.connection(), rows).await?;
    let mut counts = Counts::default();
    for entry in entries
        .iter()
        .filter(|entry| new.contains(&entry.id.as_uuid()))
    {
        counts.add(entry);
    }
    counts.store(write.connection()).await
}

fn entry_values(entry: &AuthLogEntry) -> [Value; 13] {
    [
        entry.id.as_uuid().into(),
        entry.at.as_micros().into(),
        entry.tenant.as_uuid().into(),
        entry.nas.as_uuid().into(),
        entry.subscriber.map(|id| id.as_uuid()).into(),
        find_stored_text(entry.username.as_deref()).into(),
        entry.method.as_str().into(),
        reason_text(entry.outcome).into(),
        entry.trace.as_str().into(),
        find_stored_text(entry.calling_station.as_deref()).into(),
        find_stored_text(entry.called_station.as_deref()).into(),
        stored_count(entry.count).into(),
        entry.last_at.as_micros().into(),
    ]
}

fn reason_text(outcome: AuthOutcome) -> Option<String> {
    match outcome {
        AuthOutcome::Accepted => None,
        AuthOutcome::Rejected(reason) => Some(write_reason(reason).to_string()),
    }
}
