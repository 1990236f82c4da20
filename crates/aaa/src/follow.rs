//! What the session table and the counters learn when a record is durable.

use domain::accounting::{AccountingRecord, SessionEvent, SessionRecord};
use domain::session::SessionOutcome as Outcome;
use tracing::error;

use crate::metrics::{Count, Metrics};
use crate::port::Stored;
use crate::session_table::{OpenSession, SessionTable};

/// Whether the table has been told of a record before the database stored it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    First,
    /// The record was spooled by this process, and the table followed it then. A newer record of
    /// the same session may wait behind it, so only an end is news.
    Second,
}

/// Brings the session table up to what the database has stored now.
pub(crate) fn follow_stored(
    sessions: &SessionTable,
    metrics: &Metrics,
    records: &[AccountingRecord],
    stored: &[Stored],
    notice: Notice,
) {
    for (record, stored) in records.iter().zip(stored) {
        match (record, stored) {
            (AccountingRecord::Session(record), Stored::Session { outcome, is_open }) => {
                count(metrics, *outcome);
                if !*is_open {
                    close(sessions, record);
                } else if notice == Notice::First {
                    open(sessions, record);
                }
            }
            (AccountingRecord::NasRestart(restart), Stored::NasRestart { closed }) => {
                metrics.add(Count::SessionClosed, *closed);
                if notice == Notice::First {
                    sessions.remove_nas(restart.nas, restart.source);
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
pub(crate) fn follow_spooled(sessions: &SessionTable, records: &[AccountingRecord]) {
    for record in records {
        match record {
            AccountingRecord::Session(record) => match record.event {
                SessionEvent::Start | SessionEvent::Interim => open(sessions, record),
                SessionEvent::Stop => close(sessions, record),
            },
            AccountingRecord::NasRestart(restart) => {
                sessions.remove_nas(restart.nas, restart.source)
            }
        }
    }
}

fn count(metrics: &Metrics, outcome: Outcome) {
    match outcome {
        Outcome::Opened => metrics.count(Count::SessionOpened),
        Outcome::Closed => metrics.count(Count::SessionClosed),
        Outcome::Stale => metrics.count(Count::SessionStale),
        Outcome::Superseded => {
            metrics.count(Count::SessionClosed);
            metrics.count(Count::SessionOpened);
        }
        Outcome::Updated | Outcome::Amended => {}
    }
}

fn open(sessions: &SessionTable, record: &SessionRecord) {
    let Some(subscriber) = record.subscriber else {
        return;
    };
    let session = OpenSession::of(record.key, record.nas, &record.place);
    sessions.insert(subscriber, session);
}

fn close(sessions: &SessionTable, record: &SessionRecord) {
    if let Some(subscriber) = record.subscriber {
        sessions.remove(subscriber, record.key);
    }
}
