//! What the session table, the vigil and the counters learn when a record is durable, and from what
//! is loaded.

use std::fmt;
use std::sync::Arc;

use domain::accounting::{AccountingRecord, SessionEvent, SessionKey, SessionRecord};
use domain::id::{SubscriberId, TenantId};
use domain::limit::Meter;
use domain::plan::InterimInterval;
use domain::session::{LiveSession, SessionOutcome as Outcome};
use domain::time::Timestamp;
use rows::interim::longest_interim;
use tracing::error;

use crate::directory::Directory;
use crate::limits::LimitTable;
use crate::metrics::{Count, Metrics};
use crate::port::{Clock, Committed, Stored};
use crate::session_table::{OpenSession, SessionTable};

/// Of a router that rows tell no interval nothing need be heard between Start and Stop: its sessions
/// are taken to have ended after a day.
const UNTOLD_INTERIM: InterimInterval = match InterimInterval::new(8 * 3_600) {
    Ok(interim) => interim,
    Err(_) => InterimInterval::DEFAULT,
};

/// Whether the table has been told of a record before the database stored it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    First,
    /// The record was spooled by this process, and the table followed it then. A newer record of
    /// the same session may wait behind it, so only an end is news.
    Second,
}

/// Who learns of sessions.
#[derive(Clone, Debug)]
pub struct Follow {
    pub directory: Arc<Directory>,
    pub sessions: Arc<SessionTable>,
    pub metrics: Arc<Metrics>,
}

/// Who learns of everything that is stored: sessions, and what was used of limits.
#[derive(Clone)]
pub struct Followers {
    pub sessions: Follow,
    pub limits: Arc<LimitTable>,
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for Followers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Followers")
            .field("sessions", &self.sessions)
            .field("limits", &self.limits.len())
            .finish_non_exhaustive()
    }
}

impl Followers {
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.sessions.metrics
    }

    /// What of the records counts for limits, each with the place of its record.
    pub(crate) fn meters(&self, records: &[AccountingRecord]) -> Vec<(usize, Meter)> {
        let now = self.clock.timestamp();
        self.limits.meters(&self.sessions.directory, records, now)
    }

    /// Brings the tables up to what the database has stored now.
    pub(crate) fn stored(
        &self,
        records: &[AccountingRecord],
        committed: &Committed,
        notice: Notice,
    ) {
        self.sessions.stored(records, &committed.stored, notice);
        let (directory, now) = (&self.sessions.directory, self.clock.timestamp());
        self.limits.follow(directory, records, committed, now);
    }
}

impl Follow {
    /// Brings the session table up to what the database has stored now.
    fn stored(&self, records: &[AccountingRecord], stored: &[Stored], notice: Notice) {
        for (record, stored) in records.iter().zip(stored) {
            match (record, stored) {
                (AccountingRecord::Session(record), Stored::Session { outcome, is_open }) => {
                    self.count(record, *outcome);
                    if !*is_open {
                        self.passed(record);
                        self.ended(record.key, record.subscriber);
                    } else if notice == Notice::First && record.event != SessionEvent::Silence {
                        self.heard(record);
                    }
                }
                (AccountingRecord::NasRestart(restart), Stored::NasRestart { closed }) => {
                    self.metrics.add(Count::SessionClosed, *closed);
                    if notice == Notice::First {
                        self.sessions.remove_nas(restart.nas, restart.source);
                    }
                }
                (_, Stored::Before) => {}
                (AccountingRecord::Session(_), Stored::NasRestart { .. })
                | (AccountingRecord::NasRestart(_), Stored::Session { .. }) => {
                    error!("The store answered another record than the one it was given");
                }
            }
        }
    }

    /// Brings the session table up to what was spooled: what the records say themselves, because
    /// nobody has compared them with what is stored.
    pub(crate) fn spooled(&self, records: &[AccountingRecord]) {
        for record in records {
            match record {
                AccountingRecord::Session(record) => match record.event {
                    SessionEvent::Start | SessionEvent::Interim => self.heard(record),
                    SessionEvent::Stop | SessionEvent::Silence => {
                        self.ended(record.key, record.subscriber);
                    }
                },
                AccountingRecord::NasRestart(restart) => {
                    self.sessions.remove_nas(restart.nas, restart.source);
                }
            }
        }
    }

    /// Notes a session that the database knows as open.
    pub(crate) fn loaded(&self, live: &LiveSession, now: Timestamp) {
        let session = &live.session;
        let interim = self.interim_of(session.tenant, &session.username, session.subscriber);
        let age = now.seconds_since(session.updated_at);
        let vigil = self.sessions.vigil();
        let loaded = vigil.load(
            session.key,
            session.subscriber,
            session.updated_at,
            age,
            interim,
        );
        if loaded.is_err() {
            self.metrics.count(Count::SessionUnwatched);
        }
        if let Some(subscriber) = session.subscriber {
            let open = OpenSession {
                is_replaced: live.is_replaced,
                ..OpenSession::of(session.key, session.nas, &session.place, session.started_at)
                    .begun_by(&*session.username, session.auth, session.terms)
            };
            self.sessions.insert_stored(subscriber, open);
        }
    }

    /// Notes that a session is no longer open.
    pub(crate) fn ended(&self, key: SessionKey, subscriber: Option<SubscriberId>) {
        self.sessions.vigil().forget(key);
        if let Some(subscriber) = subscriber {
            self.sessions.remove(subscriber, key);
        }
    }

    /// The interval that routers are told for a user now; for who is not known, the usual one.
    pub(crate) fn interim_of(
        &self,
        tenant: TenantId,
        username: &str,
        subscriber: Option<SubscriberId>,
    ) -> InterimInterval {
        if let Some(entry) = self.directory.find_subscriber(tenant, username) {
            let plan = entry.plan.load();
            let interim = plan.as_deref().map(|plan| plan.terms.interim);
            return interim.unwrap_or_default();
        }
        let rows = self.directory.rows();
        let user = subscriber.and_then(|id| rows.find_accounted(id, username));
        user.map_or(InterimInterval::DEFAULT, |user| {
            let told = longest_interim(&user.program, rows);
            let told = told.and_then(|seconds| InterimInterval::new(seconds).ok());
            told.unwrap_or(UNTOLD_INTERIM)
        })
    }

    /// A Stop may be all that is heard of a session.
    fn passed(&self, record: &SessionRecord) {
        if record.event == SessionEvent::Stop
            && 0 < record.total.session_seconds
            && let Some(subscriber) = record.subscriber
        {
            let session =
                OpenSession::of(record.key, record.nas, &record.place, record.started_at());
            self.sessions.release(subscriber, &session);
        }
    }

    fn heard(&self, record: &SessionRecord) {
        let interim = || self.interim_of(record.tenant, &record.username, record.subscriber);
        let vigil = self.sessions.vigil();
        let heard = vigil.hear(record.key, record.subscriber, record.at, interim);
        if heard.is_err() {
            self.metrics.count(Count::SessionUnwatched);
        }
        let Some(subscriber) = record.subscriber else {
            return;
        };
        let session = OpenSession::of(record.key, record.nas, &record.place, record.started_at())
            .begun_by(record.username.clone(), record.auth, record.terms);
        if record.event == SessionEvent::Start || 0 < record.total.session_seconds {
            self.sessions.insert(subscriber, session);
        } else {
            self.sessions.insert_begun(subscriber, session);
        }
    }

    fn count(&self, record: &SessionRecord, outcome: Outcome) {
        let metrics = &self.metrics;
        match outcome {
            Outcome::Opened => metrics.count(Count::SessionOpened),
            Outcome::Closed => {
                metrics.count(Count::SessionClosed);
                if record.event == SessionEvent::Silence {
                    metrics.count(Count::SessionSilenced);
                }
            }
            Outcome::Stale => metrics.count(Count::SessionStale),
            Outcome::Superseded => {
                metrics.count(Count::SessionClosed);
                metrics.count(Count::SessionOpened);
            }
            Outcome::Updated | Outcome::Amended => {}
        }
    }
}
