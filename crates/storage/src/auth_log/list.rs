//! Reading the authentication log, what was stored last first.

use compact_str::CompactString;
use domain::access::{Method, RejectReason, TraceStep};
use domain::auth_log::shorthand::{Logged, TraceText};
use domain::id::{AuthId, NasId, SubscriberId, TenantId};
use domain::name::Name;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, QueryResult, Statement, Value};
use serde::{Deserialize, Serialize};

use crate::column::{Row, stored_text};
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::page::Page;
use crate::query::Query;
use crate::store::Store;

/// Two to this power rows are a block. The index by user begins with the block, so that it grows
/// in one place however many rows there are, and a user is looked up in each block.
const BLOCK_BITS: u32 = 16;

/// Blocks that one query looks at, first and at most.
const BLOCKS: i64 = 8;
const BLOCKS_MAX: i64 = 512;

/// Rows that one page looks at when no index finds the few that are wanted.
const LOOKED_AT_MAX: i64 = 50_000;

/// Decisions that wait longer for the database are found by pages that begin later.
const STORED_LATER_SECONDS: i64 = 3_600;

/// Which entries to list; everything that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct AuthLogFilter {
    /// Any of these names as they were sent, in any case; all when it is empty.
    pub usernames: Vec<String>,
    pub nas: Option<Name>,
    pub is_accepted: Option<bool>,
    /// The code of a reason.
    pub reason: Option<String>,
    /// A device, written in any of these ways; all when it is empty.
    pub calling_stations: Vec<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// What was found in a part of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthLogPage {
    pub rows: Vec<AuthLogRow>,
    /// Where to look on; absent when everything was looked at.
    pub next: Option<AuthLogPlace>,
}

/// The place of a row in the order in which rows were stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AuthLogPlace(i64);

/// One decision as it was kept, or several that came out alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthLogRow {
    pub place: AuthLogPlace,
    /// Of several decisions, that of the first.
    pub id: AuthId,
    pub at: Timestamp,
    /// Absent when the row stands for several users.
    pub username: Option<String>,
    /// Name of the router, or its id when nothing else is known of it.
    pub nas: String,
    pub nas_id: NasId,
    pub subscriber: Option<SubscriberId>,
    pub method: Logged<Method>,
    /// Absent when it was accepted.
    pub reason: Option<Logged<RejectReason>>,
    pub trace: Vec<Logged<TraceStep>>,
    pub calling_station: Option<CompactString>,
    pub called_station: Option<CompactString>,
    /// Decisions that the row stands for.
    pub count: u64,
    /// When the last of them was made.
    pub last_at: Timestamp,
}

/// The conditions of one list, with names found and times turned into places.
struct Conditions {
    tenant: TenantId,
    usernames: Vec<String>,
    nas: Option<Vec<NasId>>,
    is_accepted: Option<bool>,
    reason: Option<String>,
    calling_stations: Vec<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    /// Below it there is nothing.
    floor: i64,
    /// At it and above there is nothing that is wanted.
    ceiling: Option<i64>,
}

impl Store {
    /// Decisions, what was stored last first.
    pub async fn auth_log_list(
        &self,
        tenant: TenantId,
        filter: &AuthLogFilter,
        page: &Page<AuthLogPlace>,
    ) -> Result<Vec<AuthLogRow>, StoreError> {
        let Some(conditions) = self.auth_log_conditions(tenant, filter, page).await? else {
            return Ok(Vec::new());
        };
        if !conditions.usernames.is_empty() {
            return self.auth_log_search(&conditions, page.limit()).await;
        }
        let query = conditions.query(self.dialect(), None, page.limit());
        let rows = query.all(self.reader()).await?;
        rows.iter().map(read_row).collect()
    }

    /// The same, without looking at more than a part of the log at once: a page may be short, or
    /// empty, and others follow.
    pub async fn auth_log_page(
        &self,
        tenant: TenantId,
        filter: &AuthLogFilter,
        page: &Page<AuthLogPlace>,
    ) -> Result<AuthLogPage, StoreError> {
        let done = |rows: Vec<AuthLogRow>| {
            let is_full = page.limit() as usize <= rows.len();
            let next = rows.last().map(|row| row.place).filter(|_| is_full);
            AuthLogPage { rows, next }
        };
        let Some(mut conditions) = self.auth_log_conditions(tenant, filter, page).await? else {
            return Ok(done(Vec::new()));
        };
        if !conditions.usernames.is_empty() {
            let rows = self.auth_log_search(&conditions, page.limit()).await?;
            return Ok(done(rows));
        }
        let ceiling = self.auth_log_ceiling(&conditions).await?;
        let bottom = ceiling.saturating_sub(LOOKED_AT_MAX);
        let is_last = bottom <= conditions.floor;
        conditions.floor = conditions.floor.max(bottom);
        let query = conditions.query(self.dialect(), None, page.limit());
        let rows = query.all(self.reader()).await?;
        let mut found = done(rows.iter().map(read_row).collect::<Result<_, _>>()?);
        if found.next.is_none() && !is_last {
            found.next = Some(AuthLogPlace(bottom));
        }
        Ok(found)
    }

    /// The decision with this id.
    pub async fn auth_log_find(
        &self,
        tenant: TenantId,
        id: AuthId,
    ) -> Result<Option<AuthLogRow>, StoreError> {
        let select = "SELECT l.*, n.name AS nas_name FROM auth_log l \
            LEFT JOIN nas_name n ON n.nas = l.nas";
        let mut query = Query::new(self.dialect(), select);
        query.and("l.id = ?", [id.as_uuid().into()]);
        query.and("l.tenant = ?", [tenant.as_uuid().into()]);
        let rows = query.all(self.reader()).await?;
        rows.first().map(read_row).transpose()
    }

    /// What a filter means here and now; nothing when nothing can pass it.
    async fn auth_log_conditions(
        &self,
        tenant: TenantId,
        filter: &AuthLogFilter,
        page: &Page<AuthLogPlace>,
    ) -> Result<Option<Conditions>, StoreError> {
        let Some(floor) = self.auth_log_floor(filter.since).await? else {
            return Ok(None);
        };
        let usernames = filter.usernames.iter();
        let conditions = Conditions {
            tenant,
            usernames: usernames.map(|name| name.to_ascii_lowercase()).collect(),
            nas: match &filter.nas {
                Some(name) => Some(self.nas_ids_named(tenant, name).await?),
                None => None,
            },
            is_accepted: filter.is_accepted,
            reason: filter.reason.clone(),
            calling_stations: filter.calling_stations.clone(),
            since: filter.since,
            until: filter.until,
            floor,
            ceiling: page.after.map(|place| place.0),
        };
        let has_nobody = conditions.nas.as_ref().is_some_and(Vec::is_empty);
        Ok((!has_nobody).then_some(conditions))
    }

    /// Where a part of the list begins: behind the last row that may be wanted.
    async fn auth_log_ceiling(&self, conditions: &Conditions) -> Result<i64, StoreError> {
        if let (None, Some(until)) = (conditions.ceiling, conditions.until) {
            let later = until.plus_seconds(STORED_LATER_SECONDS);
            let sql = "SELECT number FROM auth_log WHERE id > $1 ORDER BY id LIMIT 1";
            let values = [AuthId::new(later, [0; 10]).as_uuid().into()];
            let statement = self.dialect().statement(sql, values);
            if let Some(number) = self.auth_log_number(statement).await? {
                return Ok(number);
            }
        }
        self.auth_log_end(conditions).await
    }

    /// Where the list begins when it is not known where it went on.
    async fn auth_log_end(&self, conditions: &Conditions) -> Result<i64, StoreError> {
        if let Some(ceiling) = conditions.ceiling {
            return Ok(ceiling);
        }
        let sql = "SELECT MAX(number) FROM auth_log";
        let newest = self.auth_log_number(self.dialect().statement(sql, []));
        Ok(newest.await?.unwrap_or_default() + 1)
    }

    /// When the latest decision in the log was made.
    pub async fn auth_log_latest(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT at FROM auth_log ORDER BY id DESC LIMIT 1";
        let statement = self.dialect().statement(sql, []);
        let row = self.reader().query_one_raw(statement).await?;
        let at: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?;
        Ok(at.map(Timestamp::from_micros))
    }

    /// Looks a user up, block by block, until there are enough rows.
    async fn auth_log_search(
        &self,
        conditions: &Conditions,
        limit: u32,
    ) -> Result<Vec<AuthLogRow>, StoreError> {
        let mut rows = Vec::new();
        let ceiling = self.auth_log_end(conditions).await?;
        let oldest = conditions.floor >> BLOCK_BITS;
        let mut newest = (ceiling - 1) >> BLOCK_BITS;
        let mut blocks = BLOCKS;
        let mut left = limit as usize;
        while oldest <= newest && 0 < left {
            let first = oldest.max(newest - blocks + 1);
            let found = (first..=newest).rev().map(|block| block.to_string());
            let list = found.collect::<Vec<_>>().join(", ");
            let left_limit = u32::try_from(left).unwrap_or(limit);
            let query = conditions.query(self.dialect(), Some(&list), left_limit);
            for row in &query.all(self.reader()).await? {
                rows.push(read_row(row)?);
            }
            left = (limit as usize).saturating_sub(rows.len());
            newest = first - 1;
            blocks = BLOCKS_MAX.min(4 * blocks);
        }
        Ok(rows)
    }

    /// Where the list ends: the first place that has a decision from `since` on.
    async fn auth_log_floor(&self, since: Option<Timestamp>) -> Result<Option<i64>, StoreError> {
        let Some(since) = since else {
            let sql = "SELECT MIN(number) FROM auth_log";
            return self
                .auth_log_number(self.dialect().statement(sql, []))
                .await;
        };
        // Ids grow with time, but what waited in memory was stored later than what did not.
        // The sum keeps PostgreSQL from going through all rows for the first number that fits.
        let sql = "SELECT MIN(number + 0) FROM auth_log WHERE id >= $1";
        let values = [AuthId::new(since, [0; 10]).as_uuid().into()];
        let statement = self.dialect().statement(sql, values);
        self.auth_log_number(statement).await
    }

    async fn auth_log_number(&self, statement: Statement) -> Result<Option<i64>, StoreError> {
        let row = self.reader().query_one_raw(statement).await?;
        let number: Option<Option<i64>> = row.map(|row| row.try_get_by_index(0)).transpose()?;
        Ok(number.flatten())
    }
}

impl Conditions {
    fn query(&self, dialect: Dialect, blocks: Option<&str>, limit: u32) -> Query {
        // Which index is right is known here: SQLite would have to guess.
        let index = match (blocks, dialect) {
            (Some(_), Dialect::Sqlite) => "INDEXED BY auth_log_by_username",
            (Some(_), Dialect::Postgres) | (None, _) => "",
        };
        let select = format!(
            "SELECT l.*, n.name AS nas_name FROM auth_log l {index} \
             LEFT JOIN nas_name n ON n.nas = l.nas"
        );
        let mut query = Query::new(dialect, &select);
        query.and("l.number >= ?", [self.floor.into()]);
        if let Some(ceiling) = self.ceiling {
            query.and("l.number < ?", [ceiling.into()]);
        }
        if let Some(blocks) = blocks {
            query.and(&format!("l.number >> {BLOCK_BITS} IN ({blocks})"), []);
        }
        if !self.usernames.is_empty() {
            let usernames = self.usernames.iter().map(Value::from);
            query.and_any("lower(l.username)", usernames);
        }
        query.and("l.tenant = ?", [self.tenant.as_uuid().into()]);
        if let Some(nas) = &self.nas {
            let ids: Vec<_> = nas
                .iter()
                .map(|id| dialect.id_literal(id.as_uuid()))
                .collect();
            query.and(&format!("l.nas IN ({})", ids.join(", ")), []);
        }
        match self.is_accepted {
            None => {}
            Some(true) => query.and("l.reason IS NULL", []),
            Some(false) => query.and("l.reason IS NOT NULL", []),
        }
        if let Some(reason) = &self.reason {
            // What else a reason says stands behind its code.
            let begins = format!("substr(l.reason, 1, {}) IN (?, ?)", reason.len() + 1);
            query.and(
                &begins,
                [
                    stored_text(reason).into(),
                    format!("{} ", stored_text(reason)).into(),
                ],
            );
        }
        if !self.calling_stations.is_empty() {
            let stations = self.calling_stations.iter();
            query.and_any(
                "l.calling_station",
                stations.map(|text| stored_text(text).into()),
            );
        }
        if let Some(since) = self.since {
            query.and("l.at >= ?", [since.as_micros().into()]);
        }
        if let Some(until) = self.until {
            query.and("l.at <= ?", [until.as_micros().into()]);
        }
        // A sum is in no index: PostgreSQL would go through all rows in their order rather than
        // sort the few that the index by user finds.
        let order = if blocks.is_some() {
            "l.number + 0"
        } else {
            "l.number"
        };
        query.end(&format!("ORDER BY {order} DESC LIMIT {limit}"));
        query
    }
}

pub(super) fn read_row(result: &QueryResult) -> Result<AuthLogRow, StoreError> {
    let row = Row::new("auth_log", result)?;
    let nas_id: NasId = row.id_of("nas")?;
    let nas: Option<String> = row.raw("nas_name")?;
    let method: String = row.raw("method")?;
    let trace: String = row.raw("trace")?;
    let reason: Option<String> = row.raw("reason")?;
    let reason = reason.map(|text| Logged::read_reason(&text));
    Ok(AuthLogRow {
        place: AuthLogPlace(row.raw("number")?),
        id: row.id(),
        at: row.time("at")?,
        username: row.raw("username")?,
        nas: nas.unwrap_or_else(|| nas_id.to_string()),
        nas_id,
        subscriber: row.find_id_of("subscriber")?,
        method: Logged::read_method(&method),
        trace: TraceText::from_stored(&trace).steps(reason.as_ref()),
        reason,
        calling_station: row
            .raw::<Option<String>>("calling_station")?
            .map(Into::into),
        called_station: row.raw::<Option<String>>("called_station")?.map(Into::into),
        count: row.count("count")?,
        last_at: row.time("last_at")?,
    })
}
