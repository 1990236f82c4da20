//! Lists of sessions: each query has one index that finds its rows, however many sessions there
//! are.

use std::cmp::Reverse;

use domain::accounting::TerminateCause;
use domain::id::{NasId, SessionId, TenantId};
use domain::plan::InterimInterval;
use domain::session::{SILENCE_INTERVALS, SILENCE_MARGIN_SECONDS, Session, SessionState};
use domain::time::Timestamp;
use sea_orm::Value;

use super::{SessionFilter, SessionRow, WITH_NAS_NAME, ending, read_row, read_session, table};
use crate::column::{MICROS_PER_DAY, Row, stored_count, stored_text};
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::page::Page;
use crate::query::Query;
use crate::retention::rows::id_bound;
use crate::store::Store;

/// In which order sessions are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SessionOrder {
    /// By when they were first heard of.
    #[default]
    Newest,
    Oldest,
    /// Open ones by how fast they are.
    UploadRate,
    DownloadRate,
    /// Open ones by what they have moved.
    UploadVolume,
    DownloadVolume,
}

/// Where a list goes on: the last session that was shown, and by what it is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionPlace {
    /// Of an order by number, the number.
    pub measure: i64,
    pub id: SessionId,
}

impl SessionOrder {
    /// What it is sorted by, unless it is the id alone.
    const fn measure(self) -> Option<&'static str> {
        match self {
            Self::Newest | Self::Oldest => None,
            Self::UploadRate => Some("COALESCE(s.upload_bps, 0)"),
            Self::DownloadRate => Some("COALESCE(s.download_bps, 0)"),
            Self::UploadVolume => Some("s.upload_bytes"),
            Self::DownloadVolume => Some("s.download_bytes"),
        }
    }

    /// Where a list goes on after a row.
    pub fn place(self, row: &SessionRow) -> SessionPlace {
        let measure = match self {
            Self::Newest | Self::Oldest => 0,
            Self::UploadRate => row.upload_bps.unwrap_or(0),
            Self::DownloadRate => row.download_bps.unwrap_or(0),
            Self::UploadVolume => row.upload_bytes,
            Self::DownloadVolume => row.download_bytes,
        };
        SessionPlace {
            measure: stored_count(measure),
            id: row.id,
        }
    }

    fn sort(self, sessions: &mut [SessionRow]) {
        match self {
            Self::Oldest => sessions.sort_by_key(|session| session.id),
            Self::Newest
            | Self::UploadRate
            | Self::DownloadRate
            | Self::UploadVolume
            | Self::DownloadVolume => sessions.sort_by_key(|session| {
                let place = self.place(session);
                Reverse((place.measure, place.id))
            }),
        }
    }
}

/// What a list asks of one table.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) state: SessionState,
    pub(super) tenant: TenantId,
    pub(super) filter: &'a SessionFilter,
    pub(super) router: Option<NasId>,
    pub(super) order: SessionOrder,
    pub(super) page: &'a Page<SessionPlace>,
}

impl Store {
    /// Sessions, newest first.
    pub async fn session_list(
        &self,
        tenant: TenantId,
        filter: &SessionFilter,
        page: &Page<SessionId>,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let page = placed(page);
        let order = SessionOrder::Newest;
        self.session_page(tenant, filter, order, &page).await
    }

    /// Sessions in an order. Orders by number are for open ones.
    pub async fn session_page(
        &self,
        tenant: TenantId,
        filter: &SessionFilter,
        order: SessionOrder,
        page: &Page<SessionPlace>,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let states = [SessionState::Open, SessionState::Closed]
            .into_iter()
            .filter(|state| filter.state.is_none_or(|wanted| wanted == *state));
        let routers = self.routers(tenant, filter).await?;
        let mut sessions = Vec::new();
        for state in states {
            for router in &routers {
                let wanted = Wanted {
                    state,
                    tenant,
                    filter,
                    router: *router,
                    order,
                    page,
                };
                for row in self.list_query(wanted).all(self.reader()).await? {
                    sessions.push(read_row(state, &row)?);
                }
            }
        }
        // A session that closed between the two queries is in both; it is closed.
        sessions.sort_by_key(|session| (session.id, session.state == SessionState::Open));
        sessions.dedup_by_key(|session| session.id);
        order.sort(&mut sessions);
        sessions.truncate(page.limit() as usize);
        Ok(sessions)
    }

    /// Open sessions, newest first, with all that is known of them.
    pub async fn session_open_list(
        &self,
        tenant: TenantId,
        filter: &SessionFilter,
        page: &Page<SessionId>,
    ) -> Result<Vec<Session>, StoreError> {
        let (state, order) = (SessionState::Open, SessionOrder::Newest);
        let page = placed(page);
        let mut sessions = Vec::new();
        for router in self.routers(tenant, filter).await? {
            let wanted = Wanted {
                state,
                tenant,
                filter,
                router,
                order,
                page: &page,
            };
            for row in self.list_query(wanted).all(self.reader()).await? {
                sessions.push(read_session(&Row::new(table(state), &row)?)?);
            }
        }
        sessions.sort_by_key(|session| Reverse(session.id));
        sessions.truncate(page.limit() as usize);
        Ok(sessions)
    }

    /// The routers that a filter means, or nothing once when it means all.
    async fn routers(
        &self,
        tenant: TenantId,
        filter: &SessionFilter,
    ) -> Result<Vec<Option<NasId>>, StoreError> {
        let named = match &filter.nas {
            Some(name) => Some(self.nas_ids_named(tenant, name).await?),
            None => None,
        };
        let routers = match (named, &filter.routers) {
            (None, None) => return Ok(vec![None]),
            (Some(named), None) => named,
            (None, Some(listed)) => listed.clone(),
            (Some(named), Some(listed)) => {
                named.into_iter().filter(|id| listed.contains(id)).collect()
            }
        };
        Ok(routers.into_iter().map(Some).collect())
    }

    /// One page of the sessions in one state, and on one router if there is one.
    pub(super) fn list_query(&self, wanted: Wanted<'_>) -> Query {
        let Wanted {
            state,
            tenant,
            filter,
            router,
            order,
            page,
        } = wanted;
        let mut query = self.source(wanted);
        let user = filter.username.as_ref();
        // A router has one tenant, and naming that too would have the database choose an index.
        if router.is_none() || user.is_some() {
            query.and("s.tenant = ?", [tenant.as_uuid().into()]);
        }
        if let Some(router) = router {
            query.and("s.nas = ?", [router.as_uuid().into()]);
        }
        if let Some(username) = user {
            query.and("s.username = ?", [username.as_str().into()]);
        }
        if let Some(id) = filter.id {
            query.and("s.id = ?", [id.as_uuid().into()]);
        }
        if !filter.calling_stations.is_empty() {
            query.and_any("s.calling_station", stations(filter));
        }
        if let Some(address) = filter.framed_ipv4 {
            query.and("s.framed_ipv4 = ?", [address.to_string().into()]);
        }
        and_plan(&mut query, state, filter);
        and_times(&mut query, state, filter);
        if let Some(now) = filter.silent_at {
            and_silent(&mut query, state, tenant, now);
        }
        let measure = order.measure();
        match (page.after, measure) {
            (None, _) => {}
            (Some(after), None) if order == SessionOrder::Oldest => {
                query.and("s.id > ?", [after.id.as_uuid().into()]);
            }
            (Some(after), None) => query.and("s.id < ?", [after.id.as_uuid().into()]),
            (Some(after), Some(measure)) => query.and(
                &format!("({measure}, s.id) < (?, ?)"),
                [after.measure.into(), after.id.as_uuid().into()],
            ),
        }
        let order_by = match measure {
            None if order == SessionOrder::Oldest => "s.id".to_owned(),
            None => "s.id DESC".to_owned(),
            Some(measure) => format!("{measure} DESC, s.id DESC"),
        };
        query.end(&format!("ORDER BY {order_by} LIMIT {}", page.limit()));
        query
    }

    /// Where the sessions come from: what finds few of them goes first.
    fn source(&self, wanted: Wanted<'_>) -> Query {
        let Wanted {
            state,
            tenant,
            filter,
            ..
        } = wanted;
        let (table, ending) = (table(state), ending(state));
        let column = if filter.username.is_some() {
            "username"
        } else if !filter.calling_stations.is_empty() {
            "calling_station"
        } else if filter.framed_ipv4.is_some() {
            "framed_ipv4"
        } else {
            let select =
                format!("SELECT s.*, n.name AS nas_name, {ending} FROM {table} s {WITH_NAS_NAME}");
            return Query::new(self.dialect(), &select);
        };
        match (self.dialect(), state) {
            (Dialect::Sqlite, SessionState::Closed) => {
                let since = filter.since.max(filter.stopped_from);
                days_query(tenant, since, column)
            }
            (Dialect::Sqlite, SessionState::Open) => {
                let select = format!(
                    "SELECT s.*, n.name AS nas_name, {ending} FROM {table} s \
                     INDEXED BY {table}_by_{column} {WITH_NAS_NAME}"
                );
                Query::new(Dialect::Sqlite, &select)
            }
            (Dialect::Postgres, _) if column == "username" => {
                let select = format!(
                    "SELECT s.*, n.name AS nas_name, {ending} FROM {table} s {WITH_NAS_NAME}"
                );
                Query::new(Dialect::Postgres, &select)
            }
            (Dialect::Postgres, _) => self.fenced(wanted, column),
        }
    }

    /// The sessions that have a device or an address, found before anything else is asked of them:
    /// PostgreSQL would rather try all sessions from the newest on.
    fn fenced(&self, wanted: Wanted<'_>, column: &str) -> Query {
        let (table, ending) = (table(wanted.state), ending(wanted.state));
        let mut values: Vec<Value> = vec![wanted.tenant.as_uuid().into()];
        match wanted.filter.framed_ipv4 {
            Some(address) if column == "framed_ipv4" => values.push(address.to_string().into()),
            Some(_) | None => values.extend(stations(wanted.filter)),
        }
        let marks = vec!["?"; values.len() - 1].join(", ");
        let select = format!(
            "WITH s AS MATERIALIZED (SELECT * FROM {table} WHERE tenant = ? \
             AND {column} IN ({marks})) \
             SELECT s.*, n.name AS nas_name, {ending} FROM s {WITH_NAS_NAME}"
        );
        Query::with(Dialect::Postgres, &select, values)
    }
}

fn placed(page: &Page<SessionId>) -> Page<SessionPlace> {
    match page.after {
        None => Page::first(page.limit()),
        Some(id) => Page::after(SessionPlace { measure: 0, id }, page.limit()),
    }
}

fn stations(filter: &SessionFilter) -> impl Iterator<Item = Value> {
    filter
        .calling_stations
        .iter()
        .map(|text| Value::from(stored_text(text)))
}

/// The closed sessions of a user, a device or an address on SQLite, whose indexes go by the day
/// before they go by that: what is stored today goes to a few pages that are at hand, instead of to
/// any page of a year. The days that there are, each found with one search, are looked through one
/// by one.
fn days_query(tenant: TenantId, since: Option<Timestamp>, column: &str) -> Query {
    let since = since.map_or(i64::MIN, Timestamp::as_micros) / MICROS_PER_DAY;
    let tenant: Value = tenant.as_uuid().into();
    let day = format!("stopped_at / {MICROS_PER_DAY}");
    let select = format!(
        "WITH RECURSIVE day (number) AS (\
         SELECT MIN({day}) FROM session_closed WHERE tenant = ? AND {day} >= ? \
         UNION ALL \
         SELECT (SELECT MIN({day}) FROM session_closed WHERE tenant = ? AND {day} > number) \
         FROM day WHERE number IS NOT NULL) \
         SELECT s.*, n.name AS nas_name FROM day CROSS JOIN session_closed s \
         INDEXED BY session_closed_by_{column} ON s.{day} = day.number {WITH_NAS_NAME}"
    );
    let values = [tenant.clone(), since.into(), tenant];
    Query::with(Dialect::Sqlite, &select, values)
}

/// Open sessions have the plan of their subscribers beside them; of closed ones nobody asks.
fn and_plan(query: &mut Query, state: SessionState, filter: &SessionFilter) {
    let Some(plan) = filter.plan else { return };
    let plan: Value = plan.as_uuid().into();
    match state {
        SessionState::Open => query.and("s.plan = ?", [plan]),
        SessionState::Closed => query.and(
            "(SELECT u.plan FROM subscriber u WHERE u.id = s.subscriber) = ?",
            [plan],
        ),
    }
}

fn and_times(query: &mut Query, state: SessionState, filter: &SessionFilter) {
    let mut and = |condition, at: Option<Timestamp>| {
        if let Some(at) = at {
            query.and(condition, [at.as_micros().into()]);
        }
    };
    and("s.started_at >= ?", filter.started_from);
    and("s.started_at < ?", filter.started_until);
    and("s.updated_at >= ?", filter.updated_from);
    and("s.updated_at < ?", filter.updated_until);
    if state == SessionState::Open {
        return;
    }
    and("s.stopped_at >= ?", filter.since);
    and("s.stopped_at >= ?", filter.stopped_from);
    and("s.stopped_at < ?", filter.stopped_until);
    if let Some(until) = filter.stopped_until {
        // Ids grow with time, so the index in their order begins here.
        query.and("s.id < ?", [id_bound(until).into()]);
    }
}

/// Keeps those that nothing was heard of for too long: open ones, which are about to be closed, or
/// ones that were closed for it.
fn and_silent(query: &mut Query, state: SessionState, tenant: TenantId, now: Timestamp) {
    match state {
        SessionState::Open => {
            let now: Value = now.as_micros().into();
            let interim = InterimInterval::DEFAULT.as_seconds();
            let patience = |interval: &str| {
                format!("{SILENCE_INTERVALS} * {interval} + {SILENCE_MARGIN_SECONDS}")
            };
            // Most have been heard of so lately that their plans need not be looked at.
            let least = format!(
                "(SELECT CASE WHEN MIN(p.interim_seconds) < {interim} THEN MIN(p.interim_seconds) \
                 ELSE {interim} END FROM plan p WHERE p.tenant = ?)"
            );
            let condition = format!("s.updated_at < ? - 1000000 * ({})", patience(&least));
            query.and(&condition, [now.clone(), tenant.as_uuid().into()]);
            let theirs = format!(
                "COALESCE((SELECT p.interim_seconds FROM plan p WHERE p.id = s.plan), {interim})"
            );
            let condition = format!("s.updated_at + 1000000 * ({}) < ?", patience(&theirs));
            query.and(&condition, [now]);
        }
        SessionState::Closed => {
            // The number is part of the condition of an index, so it is no parameter.
            let least = TerminateCause::STALE_MIN;
            query.and(&format!("s.cause >= {least}"), []);
        }
    }
}
