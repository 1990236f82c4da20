//! Sessions: reading them, and how they are laid out in their tables.

use std::cmp::Reverse;
use std::net::Ipv4Addr;

use compact_str::CompactString;
use domain::accounting::{SessionKey, SessionPlace, TerminateCause};
use domain::id::{AuthId, NasId, SessionId, TenantId};
use domain::name::{Name, Username};
use domain::session::{Session, SessionState};
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use ipnet::Ipv6Net;
use sea_orm::{DbErr, QueryResult, Value};
use serde::Serialize;
use uuid::Uuid;

use crate::column::{Row, stored_text};
use crate::error::StoreError;
use crate::page::Page;
use crate::query::Query;
use crate::store::Store;

const LOADED_MAX: u32 = 20_000;

/// Which sessions to list; everything that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct SessionFilter {
    /// Open, closed, or with `None` both.
    pub state: Option<SessionState>,
    pub username: Option<Username>,
    pub nas: Option<Name>,
    /// Only sessions that were still going on at this instant or later.
    pub since: Option<Timestamp>,
}

/// A session as lists show it. Volumes are in bytes and from the subscriber's view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionRow {
    pub id: SessionId,
    pub user_name: String,
    /// Name of the router, or its id when nothing else is known of it.
    pub nas: String,
    pub nas_id: NasId,
    /// Acct-Session-Id (RFC 2866 §5.5).
    pub session_id: CompactString,
    pub state: SessionState,
    pub started_at: Timestamp,
    pub updated_at: Timestamp,
    pub stopped_at: Option<Timestamp>,
    pub upload_bytes: u64,
    pub download_bytes: u64,
    pub session_seconds: u64,
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
    /// Sessions, newest first.
    pub async fn session_list(
        &self,
        tenant: TenantId,
        filter: &SessionFilter,
        page: &Page<SessionId>,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let states = [SessionState::Open, SessionState::Closed]
            .into_iter()
            .filter(|state| filter.state.is_none_or(|wanted| wanted == *state));
        let mut sessions = Vec::new();
        for state in states {
            let mut query = self.rows_of(state, tenant);
            if let Some(username) = &filter.username {
                query.and("s.username = ?", [username.as_str().into()]);
            }
            if let Some(nas) = &filter.nas {
                query.and(
                    "s.nas IN (SELECT nas FROM nas_name WHERE tenant = ? AND name_key = ?)",
                    [tenant.as_uuid().into(), nas.key().into()],
                );
            }
            if let (Some(since), SessionState::Closed) = (filter.since, state) {
                query.and("s.stopped_at >= ?", [since.as_micros().into()]);
            }
            if let Some(after) = page.after {
                query.and("s.id < ?", [after.as_uuid().into()]);
            }
            query.end(&format!("ORDER BY s.id DESC LIMIT {}", page.limit()));
            for row in query.all(self.reader()).await? {
                sessions.push(read_row(state, &row)?);
            }
        }
        sessions.sort_by_key(|session| Reverse(session.id));
        // A session that closed between the two queries is in both; it is closed.
        sessions.dedup_by(|later, kept| {
            let is_same = later.id == kept.id;
            if is_same && later.state == SessionState::Closed {
                std::mem::swap(later, kept);
            }
            is_same
        });
        sessions.truncate(page.limit() as usize);
        Ok(sessions)
    }

    /// The session with this id, or else the newest with this Acct-Session-Id, an open one first.
    pub async fn session_find(
        &self,
        tenant: TenantId,
        id: &str,
    ) -> Result<Option<SessionRow>, StoreError> {
        let parsed = id.parse::<SessionId>().ok();
        let by_id = parsed.map(|id| ("s.id = ?", Value::from(id.as_uuid())));
        let by_name = ("s.acct_session_id = ?", Value::from(stored_text(id)));
        for (condition, value) in by_id.into_iter().chain([by_name]) {
            for state in [SessionState::Open, SessionState::Closed] {
                let mut query = self.rows_of(state, tenant);
                query.and(condition, [value.clone()]);
                query.end("ORDER BY s.id DESC LIMIT 1");
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
    ) -> Result<Vec<Session>, StoreError> {
        let mut query = Query::new(self.dialect(), "SELECT * FROM session_open");
        if let Some(after) = after {
            query.and("id > ?", [after.as_uuid().into()]);
        }
        query.end(&format!("ORDER BY id LIMIT {}", limit.clamp(1, LOADED_MAX)));
        let rows = query.all(self.reader()).await?;
        rows.iter().map(read_open).collect()
    }

    fn rows_of(&self, state: SessionState, tenant: TenantId) -> Query {
        let table = table(state);
        let mut query = Query::new(
            self.dialect(),
            &format!(
                "SELECT s.*, n.name AS nas_name FROM {table} s LEFT JOIN nas_name n ON n.nas = s.nas"
            ),
        );
        query.and("s.tenant = ?", [tenant.as_uuid().into()]);
        query
    }
}

pub(crate) const fn table(state: SessionState) -> &'static str {
    match state {
        SessionState::Open => "session_open",
        SessionState::Closed => "session_closed",
    }
}

/// A row of `session_open`.
pub(crate) fn read_open(result: &QueryResult) -> Result<Session, StoreError> {
    read_session(&Row::new("session_open", result)?)
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
            nas_address: row.find_parsed("nas_address")?,
            nas_port: text("nas_port")?,
            framed_ipv4: row.find_parsed("framed_ipv4")?,
            framed_ipv6_prefix: row.find_parsed("framed_ipv6_prefix")?,
            delegated_ipv6_prefix: row.find_parsed("delegated_ipv6_prefix")?,
            calling_station: text("calling_station")?,
            called_station: text("called_station")?,
        },
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
    let place = session.place;
    Ok(SessionRow {
        id: session.id,
        user_name: session.username,
        nas: nas.unwrap_or_else(|| session.nas.to_string()),
        nas_id: session.nas,
        session_id: place.acct_session_id,
        state,
        started_at: session.started_at,
        updated_at: session.updated_at,
        stopped_at,
        upload_bytes: session.total.upload_bytes,
        download_bytes: session.total.download_bytes,
        session_seconds: session.total.session_seconds,
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
