//! Sessions as columns: an array for each, in the order in which the statements name them.

use domain::accounting::TerminateCause;
use domain::session::{ClosedSession, Session};
use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query::Query;
use uuid::Uuid;

use crate::column::{find_stored_text, stored_count, stored_text};

/// What open and closed sessions have in common.
#[derive(Default)]
pub(super) struct SessionColumns {
    id: Vec<Uuid>,
    key: Vec<Uuid>,
    tenant: Vec<Uuid>,
    nas: Vec<Uuid>,
    auth: Vec<Option<Uuid>>,
    subscriber: Vec<Option<Uuid>>,
    username: Vec<String>,
    started_at: Vec<i64>,
    updated_at: Vec<i64>,
    upload_bytes: Vec<i64>,
    download_bytes: Vec<i64>,
    session_seconds: Vec<i64>,
    acct_session_id: Vec<String>,
    nas_address: Vec<Option<String>>,
    nas_port: Vec<Option<String>>,
    framed_ipv4: Vec<Option<String>>,
    framed_ipv6_prefix: Vec<Option<String>>,
    delegated_ipv6_prefix: Vec<Option<String>>,
    calling_station: Vec<Option<String>>,
    called_station: Vec<Option<String>>,
}

/// The same with the end and its cause.
#[derive(Default)]
pub(super) struct ClosedColumns {
    session: SessionColumns,
    stopped_at: Vec<i64>,
    cause: Vec<Option<i64>>,
}

impl SessionColumns {
    fn push(&mut self, session: &Session) {
        let place = &session.place;
        self.id.push(session.id.as_uuid());
        self.key.push(Uuid::from_bytes(session.key.0));
        self.tenant.push(session.tenant.as_uuid());
        self.nas.push(session.nas.as_uuid());
        self.auth.push(session.auth.map(|id| id.as_uuid()));
        self.subscriber
            .push(session.subscriber.map(|id| id.as_uuid()));
        self.username.push(stored_text(&session.username));
        self.started_at.push(session.started_at.as_micros());
        self.updated_at.push(session.updated_at.as_micros());
        self.upload_bytes
            .push(stored_count(session.total.upload_bytes));
        self.download_bytes
            .push(stored_count(session.total.download_bytes));
        self.session_seconds
            .push(stored_count(session.total.session_seconds));
        self.acct_session_id
            .push(stored_text(&place.acct_session_id));
        self.nas_address
            .push(place.nas_address.map(|address| address.to_string()));
        self.nas_port
            .push(find_stored_text(place.nas_port.as_deref()));
        self.framed_ipv4
            .push(place.framed_ipv4.map(|address| address.to_string()));
        self.framed_ipv6_prefix
            .push(place.framed_ipv6_prefix.map(|prefix| prefix.to_string()));
        self.delegated_ipv6_prefix
            .push(place.delegated_ipv6_prefix.map(|prefix| prefix.to_string()));
        self.calling_station
            .push(find_stored_text(place.calling_station.as_deref()));
        self.called_station
            .push(find_stored_text(place.called_station.as_deref()));
    }

    /// Binds twenty parameters.
    pub(super) fn bind<'q>(
        self,
        query: Query<'q, Postgres, PgArguments>,
    ) -> Query<'q, Postgres, PgArguments> {
        query
            .bind(self.id)
            .bind(self.key)
            .bind(self.tenant)
            .bind(self.nas)
            .bind(self.auth)
            .bind(self.subscriber)
            .bind(self.username)
            .bind(self.started_at)
            .bind(self.updated_at)
            .bind(self.upload_bytes)
            .bind(self.download_bytes)
            .bind(self.session_seconds)
            .bind(self.acct_session_id)
            .bind(self.nas_address)
            .bind(self.nas_port)
            .bind(self.framed_ipv4)
            .bind(self.framed_ipv6_prefix)
            .bind(self.delegated_ipv6_prefix)
            .bind(self.calling_station)
            .bind(self.called_station)
    }
}

impl ClosedColumns {
    /// Binds twenty-two parameters.
    pub(super) fn bind<'q>(
        self,
        query: Query<'q, Postgres, PgArguments>,
    ) -> Query<'q, Postgres, PgArguments> {
        self.session
            .bind(query)
            .bind(self.stopped_at)
            .bind(self.cause)
    }
}

impl<'a> FromIterator<&'a Session> for SessionColumns {
    fn from_iter<I: IntoIterator<Item = &'a Session>>(sessions: I) -> Self {
        let mut columns = Self::default();
        for session in sessions {
            columns.push(session);
        }
        columns
    }
}

impl<'a> FromIterator<&'a ClosedSession> for ClosedColumns {
    fn from_iter<I: IntoIterator<Item = &'a ClosedSession>>(sessions: I) -> Self {
        let mut columns = Self::default();
        for closed in sessions {
            columns.session.push(&closed.session);
            columns.stopped_at.push(closed.stopped_at.as_micros());
            columns
                .cause
                .push(closed.cause.map(TerminateCause::to_stored));
        }
        columns
    }
}
