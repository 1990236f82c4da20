//! Reading the authentication log, what was stored last first.

use compact_str::CompactString;
use domain::access::{Method, RejectReason, TraceStep};
use domain::auth_log::shorthand::{Logged, TraceText};
use domain::id::{AuthId, NasId, SubscriberId, TenantId};
use domain::name::Name;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, QueryResult, Statement, Value};

use crate::column::Row;
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

/// Which entries to list; everything that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct AuthLogFilter {
    /// Any of these names as they were sent, in any case; all when it is empty.
    pub usernames: Vec<String>,
    pub nas: Option<Name>,
    pub is_accepted: Option<bool>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// The place of a row in the order in which rows were stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
        let Some(floor) = self.auth_log_floor(filter.since).await? else {
            return Ok(Vec::new());
        };
        let conditions = Conditions {
            tenant,
            usernames: filter
                .usernames
                .iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
            nas: match &filter.nas {
                Some(name) => Some(self.nas_ids_named(tenant, name).await?),
                None => None,
            },
            is_accepted: filter.is_accepted,
            since: filter.since,
            until: filter.until,
            floor,
            ceiling: page.after.map(|place| place.0),
        };
        if conditions.nas.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Vec::new());
        }
        if !conditions.usernames.is_empty() {
            return self.auth_log_search(&conditions, page.limit()).await;
        }
        let query = conditions.query(self.dialect(), None, page.limit());
        let rows = query.all(self.reader()).await?;
        rows.iter().map(read_row).collect()
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
        let ceiling = match conditions.ceiling {
            Some(ceiling) => ceiling,
            None => {
                let sql = "SELECT MAX(number) FROM auth_log";
                let newest = self.auth_log_number(self.dialect().statement(sql, []));
                newest.await?.unwrap_or_default() + 1
            }
        };
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
