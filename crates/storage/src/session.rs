//! Sessions: reading them, and how they are laid out in their tables.

use std::net::{IpAddr, Ipv4Addr};

use compact_str::CompactString;
use domain::accounting::{SessionKey, SessionPlace, TerminateCause};
use domain::id::{AuthId, NasId, PlanId, SessionId, TenantId};
use domain::name::{Name, Username};
use domain::session::{LiveSession, Session, SessionState};
use domain::terms::TermsMark;
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use ipnet::Ipv6Net;
use sea_orm::{DbErr, QueryResult, Value};
use serde::Serialize;
use uuid::Uuid;

use crate::column::{Row, loaded_count, stored_text};
use crate::error::StoreError;
use crate::query::Query;
use crate::store::Store;

pub mod list;

const LOADED_MAX: u32 = 20_000;
/// The columns of an open session `s`, and whether it has to end. A later session may have its key.
pub(crate) const LIVE_COLUMNS: &str = "s.*, (SELECT COUNT(*) FROM session_ending e \
    WHERE e.key = s.key AND s.started_at <= e.at) AS endings";
const WITH_ENDING: &str = "(SELECT e.reason FROM session_ending e \
    WHERE e.key = s.key AND s.started_at <= e.at) AS ending";
const WITH_NAS_NAME: &str = "LEFT JOIN nas_name n ON n.nas = s.nas";

/// Which sessions to list; everything that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct SessionFilter {
    pub id: Option<SessionId>,
    /// Open, closed, or with `None` both.
    pub state: Option<SessionState>,
    pub username: Option<Username>,
    pub nas: Option<Name>,
    /// Only sessions on one of these routers.
    pub routers: Option<Vec<NasId>>,
    /// Only sessions of subscribers who are on this plan now.
    pub plan: Option<PlanId>,
    /// Only sessions of a device that was written in one of these ways; all when it is empty.
    pub calling_stations: Vec<String>,
    pub framed_ipv4: Option<Ipv4Addr>,
    /// Only sessions that were still going on at this instant or later.
    pub since: Option<Timestamp>,
    pub started_from: Option<Timestamp>,
    /// Before this instant; so are the others.
    pub started_until: Option<Timestamp>,
    pub updated_from: Option<Timestamp>,
    pub updated_until: Option<Timestamp>,
    pub stopped_from: Option<Timestamp>,
    pub stopped_until: Option<Timestamp>,
    /// Only sessions that at this instant nothing was heard of for too long, or that were closed
    /// for it.
    pub silent_at: Option<Timestamp>,
}

/// A session as lists show it. Volumes are in bytes and from the subscriber's view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionRow {
    pub id: SessionId,
    pub user_name: String,
    /// Name of the router, or its id when nothing else is known of it.
    pub nas: String,
    pub nas_id: NasId,
    /// Where its records come from; lists do not show it.
    #[serde(skip)]
    pub nas_address: Option<IpAddr>,
    /// Acct-Session-Id (RFC 2866 §5.5).
    pub session_id: CompactString,
    pub state: SessionState,
    /// Why it has to end, while it is open.
    pub ending: Option<String>,
    pub started_at: Timestamp,
    pub updated_at: Timestamp,
    pub stopped_at: Option<Timestamp>,
    pub upload_bytes: u64,
    pub download_bytes: u64,
    pub session_seconds: u64,
    /// Between the last two reports, in bit/s; of an open session that has reported twice.
    pub upload_bps: Option<u64>,
    pub download_bps: Option<u64>,
    pub terminate_cause: Option<TerminateCause>,
    pub framed_ipv4: Option<Ipv4Addr>,
    pub framed_ipv6_prefix: Option<Ipv6Net>,
    pub delegated_ipv6_prefix: Option<Ipv6Net>,
    pub calling_station: Option<CompactString>,
    pub called_station: Option<CompactString>,
    pub nas_port: Option<CompactString>,
    pub auth_id: Option<AuthId>,
}

impl Store {
    /// The session with this id, or else the newest with this Acct-Session-Id, an open one first.
    pub async fn session_find(
        &self,
        tenant: TenantId,
        id: &str,
    ) -> Result<Option<SessionRow>, StoreError> {
        let parsed = id.parse::<SessionId>().ok();
        let by_id = parsed.map(|id| ("id = ?", Value::from(id.as_uuid())));
        let by_name = ("acct_session_id = ?", Value::from(stored_text(id)));
        for (condition, value) in by_id.into_iter().chain([by_name]) {
            for state in [SessionState::Open, SessionState::Closed] {
                let query = self.find_query(state, tenant, condition, value.clone());
                if let Some(row) = query.all(self.reader()).await?.first() {
                    return read_row(state, row).map(Some);
                }
            }
        }
        Ok(None)
    }

    /// The next open sessions of all tenants in the order of their ids, at most 20,000; an empty
    /// page is the end.
    pub async fn session_open_list_all(
        &self,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<LiveSession>, StoreError> {
        let select = format!("SELECT {LIVE_COLUMNS} FROM session_open s");
        let mut query = Query::new(self.dialect(), &select);
        if let Some(after) = after {
            query.and("s.id > ?", [after.as_uuid().into()]);
        }
        let limit = limit.clamp(1, LOADED_MAX);
        query.end(&format!("ORDER BY s.id LIMIT {limit}"));
        let rows = query.all(self.reader()).await?;
        rows.iter().map(read_live).collect()
    }

    /// The newest session for which a condition holds. The condition goes first: its index has
    /// another order, and PostgreSQL would rather try all sessions from the newest on.
    fn find_query(
        &self,
        state: SessionState,
        tenant: TenantId,
        condition: &str,
        value: Value,
    ) -> Query {
        let (table, ending) = (table(state), ending(state));
        let found = format!("WITH s AS MATERIALIZED (SELECT * FROM {table}");
        let mut query = Query::new(self.dialect(), &found);
        query.and("tenant = ?", [tenant.as_uuid().into()]);
        query.and(condition, [value]);
        query.end(&format!(
            ") SELECT s.*, n.name AS nas_name, {ending} FROM s {WITH_NAS_NAME} \
             ORDER BY s.id DESC LIMIT 1"
        ));
        query
    }
}

pub(crate) const fn table(state: SessionState) -> &'static str {
    match state {
        SessionState::Open => "session_open",
        SessionState::Closed => "session_closed",
    }
}

/// A row of `session_open` with [`LIVE_COLUMNS`].
pub(crate) fn read_live(result: &QueryResult) -> Result<LiveSession, StoreError> {
    let row = Row::new("session_open", result)?;
    let endings: i64 = row.raw("endings")?;
    let terms: Option<Vec<u8>> = row.raw("terms")?;
    let mut session = read_session(&row)?;
    // Those of another version are not known.
    session.terms = terms.as_deref().and_then(TermsMark::from_octets);
    session.place.user_name = row.raw::<Option<String>>("user_name")?.map(Into::into);
    Ok(LiveSession {
        session,
        is_replaced: endings != 0,
    })
}

const fn ending(state: SessionState) -> &'static str {
    match state {
        SessionState::Open => WITH_ENDING,
        SessionState::Closed => "NULL AS ending",
    }
}

fn read_session(row: &Row<'_>) -> Result<Session, StoreError> {
    let key: Uuid = row.raw("key")?;
    let text = |column| -> Result<Option<CompactString>, DbErr> {
        let stored: Option<String> = row.raw(column)?;
        Ok(stored.map(CompactString::from))
    };
    Ok(Session {
        id: row.id(),
        key: SessionKey(key.into_bytes()),
        tenant: row.id_of("tenant")?,
        nas: row.id_of("nas")?,
        auth: row.find_id_of("auth")?,
        subscriber: row.find_id_of("subscriber")?,
        username: row.raw("username")?,
        started_at: row.time("started_at")?,
        updated_at: row.time("updated_at")?,
        total: UsageAmount {
            upload_bytes: row.count("upload_bytes")?,
            download_bytes: row.count("download_bytes")?,
            session_seconds: row.count("session_seconds")?,
        },
        place: SessionPlace {
            acct_session_id: row.raw::<String>("acct_session_id")?.into(),
            user_name: None,
            nas_address: row.find_parsed("nas_address")?,
            nas_port: text("nas_port")?,
            framed_ipv4: row.find_parsed("framed_ipv4")?,
            framed_ipv6_prefix: row.find_parsed("framed_ipv6_prefix")?,
            delegated_ipv6_prefix: row.find_parsed("delegated_ipv6_prefix")?,
            calling_station: text("calling_station")?,
            called_station: text("called_station")?,
        },
        terms: None,
    })
}

fn read_cause(row: &Row<'_>) -> Result<Option<TerminateCause>, StoreError> {
    let stored: Option<i64> = row.raw("cause")?;
    stored
        .map(|stored| {
            TerminateCause::from_stored(stored).ok_or_else(|| row.name().corrupt("cause"))
        })
        .transpose()
}

fn read_row(state: SessionState, result: &QueryResult) -> Result<SessionRow, StoreError> {
    let row = Row::new(table(state), result)?;
    let session = read_session(&row)?;
    let nas: Option<String> = row.raw("nas_name")?;
    let (stopped_at, terminate_cause) = match state {
        SessionState::Open => (None, None),
        SessionState::Closed => (Some(row.time("stopped_at")?), read_cause(&row)?),
    };
    let speed = |column| -> Result<Option<u64>, DbErr> {
        match state {
            SessionState::Open => Ok(row.raw::<Option<i64>>(column)?.map(loaded_count)),
            SessionState::Closed => Ok(None),
        }
    };
    let place = session.place;
    Ok(SessionRow {
        id: session.id,
        user_name: session.username,
        nas: nas.unwrap_or_else(|| session.nas.to_string()),
        nas_id: session.nas,
        nas_address: place.nas_address,
        session_id: place.acct_session_id,
        state,
        ending: match state {
            SessionState::Open => row.raw("ending")?,
            SessionState::Closed => None,
        },
        started_at: session.started_at,
        updated_at: session.updated_at,
        stopped_at,
        upload_bytes: session.total.upload_bytes,
        download_bytes: session.total.download_bytes,
        session_seconds: session.total.session_seconds,
        upload_bps: speed("upload_bps")?,
        download_bps: speed("download_bps")?,
        terminate_cause,
        framed_ipv4: place.framed_ipv4,
        framed_ipv6_prefix: place.framed_ipv6_prefix,
        delegated_ipv6_prefix: place.delegated_ipv6_prefix,
        calling_station: place.calling_station,
        called_station: place.called_station,
        nas_port: place.nas_port,
        auth_id: session.auth,
    })
}

#[cfg(test)]
mod tests;
