//! The authentication log, and the addresses that knock without being registered.

use std::collections::BTreeMap;
use std::net::IpAddr;

use compact_str::CompactString;
use domain::access::{Method, Trace};
use domain::auth_log::{AuthLogEntry, AuthOutcome, Knock};
use domain::id::{AuthId, NasId, SubscriberId, TenantId};
use domain::name::{Name, Username};
use domain::time::Timestamp;
use ipnet::IpNet;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use serde::Serialize;

use crate::bulk::{Insert, execute_in};
use crate::column::{Row, find_stored_text, loaded_count, stored_count, stored_text};
use crate::error::StoreError;
use crate::page::Page;
use crate::query::Query;
use crate::store::Store;
use crate::write::{ATTEMPTS_MAX, Write};

/// Sources that are remembered; beyond it the one that has been silent longest is forgotten.
const KNOCKS_MAX: u32 = 1_000;

const METHODS: [Method; 6] = [
    Method::Pap,
    Method::Chap,
    Method::MsChapV1,
    Method::MsChapV2,
    Method::Eap,
    Method::None,
];

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
        "username_key",
        "method",
        "is_accepted",
        "reason",
        "trace",
        "calling_station",
        "called_station",
    ],
    on_conflict: "ON CONFLICT (tenant, id) DO NOTHING",
};

/// Which entries to list; everything that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct AuthLogFilter {
    pub username: Option<Username>,
    pub nas: Option<Name>,
    pub is_accepted: Option<bool>,
    pub since: Option<Timestamp>,
}

/// One decision as it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthLogRow {
    pub id: AuthId,
    pub at: Timestamp,
    pub username: String,
    /// Name of the router, or its id when nothing else is known of it.
    pub nas: String,
    pub nas_id: NasId,
    pub subscriber: Option<SubscriberId>,
    pub method: Method,
    pub outcome: AuthOutcome,
    pub trace: Trace,
    pub calling_station: Option<CompactString>,
    pub called_station: Option<CompactString>,
}

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
        entries: &[AuthLogEntry],
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

    /// Decisions, newest first.
    pub async fn auth_log_list(
        &self,
        tenant: TenantId,
        filter: &AuthLogFilter,
        page: &Page<AuthId>,
    ) -> Result<Vec<AuthLogRow>, StoreError> {
        let mut query = Query::new(
            self.dialect(),
            "SELECT l.*, n.name AS nas_name FROM auth_log l LEFT JOIN nas_name n ON n.nas = l.nas",
        );
        query.and("l.tenant = ?", [tenant.as_uuid().into()]);
        if let Some(username) = &filter.username {
            query.and("l.username_key = ?", [username.as_str().into()]);
        }
        if let Some(nas) = &filter.nas {
            query.and(
                "l.nas IN (SELECT nas FROM nas_name WHERE tenant = ? AND name_key = ?)",
                [tenant.as_uuid().into(), nas.key().into()],
            );
        }
        if let Some(is_accepted) = filter.is_accepted {
            query.and("l.is_accepted = ?", [i64::from(is_accepted).into()]);
        }
        if let Some(since) = filter.since {
            query.and("l.at >= ?", [since.as_micros().into()]);
        }
        if let Some(after) = page.after {
            query.and("l.id < ?", [after.as_uuid().into()]);
        }
        query.end(&format!("ORDER BY l.id DESC LIMIT {}", page.limit()));
        let rows = query.all(self.reader()).await?;
        rows.iter().map(read_entry).collect()
    }

    /// Removes entries from before an instant, at most `limit`; says how many.
    pub async fn auth_log_prune(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let write = self.write().await?;
        // Ids grow with time, so the primary key finds the old entries.
        let sql = format!(
            "DELETE FROM auth_log WHERE (tenant, id) IN (SELECT tenant, id FROM auth_log \
             WHERE id < $1 AND tenant IN (SELECT id FROM tenant) LIMIT {limit})"
        );
        let values = [AuthId::new(before, [0; 10]).as_uuid().into()];
        let statement = write.dialect().statement(sql, values);
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
        entries: &[AuthLogEntry],
        knocks: &[Knock],
    ) -> Result<(), StoreError> {
        let write = self.write().await?;
        ENTRIES
            .run(write.connection(), entries.iter().map(entry_values))
            .await?;
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

fn entry_values(entry: &AuthLogEntry) -> [Value; 13] {
    let (is_accepted, reason) = match &entry.outcome {
        AuthOutcome::Accepted => (true, None),
        AuthOutcome::Rejected(reason) => (false, Some(json(reason))),
    };
    let username = stored_text(&entry.username);
    [
        entry.id.as_uuid().into(),
        entry.at.as_micros().into(),
        entry.tenant.as_uuid().into(),
        entry.nas.as_uuid().into(),
        entry.subscriber.map(|id| id.as_uuid()).into(),
        username.as_str().into(),
        username.to_ascii_lowercase().into(),
        entry.method.as_str().into(),
        i64::from(is_accepted).into(),
        reason.into(),
        json(&entry.trace).into(),
        find_stored_text(entry.calling_station.as_deref()).into(),
        find_stored_text(entry.called_station.as_deref()).into(),
    ]
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("reasons and traces are plain data")
}

fn read_entry(result: &QueryResult) -> Result<AuthLogRow, StoreError> {
    let row = Row::new("auth_log", result)?;
    let name = row.name();
    let nas_id: NasId = row.id_of("nas")?;
    let nas: Option<String> = row.raw("nas_name")?;
    let method: String = row.raw("method")?;
    let trace: String = row.raw("trace")?;
    let reason: Option<String> = row.raw("reason")?;
    let outcome = match reason {
        None => AuthOutcome::Accepted,
        Some(reason) => serde_json::from_str(&reason)
            .map(AuthOutcome::Rejected)
            .map_err(|_| name.corrupt("reason"))?,
    };
    Ok(AuthLogRow {
        id: row.id(),
        at: row.time("at")?,
        username: row.raw("username")?,
        nas: nas.unwrap_or_else(|| nas_id.to_string()),
        nas_id,
        subscriber: row.find_id_of("subscriber")?,
        method: METHODS
            .into_iter()
            .find(|known| known.as_str() == method)
            .ok_or_else(|| name.corrupt("method"))?,
        outcome,
        trace: serde_json::from_str(&trace).map_err(|_| name.corrupt("trace"))?,
        calling_station: row
            .raw::<Option<String>>("calling_station")?
            .map(Into::into),
        called_station: row.raw::<Option<String>>("called_station")?.map(Into::into),
    })
}
