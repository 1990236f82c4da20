//! The life of a session: how accounting records, in whatever order and number they come, converge
//! to one row.
//!
//! Counters only grow. A closed session is never opened again by a late packet; it is only amended
//! when a record knows more than the row does. A router that reuses an Acct-Session-Id gives
//! itself away by a different Class, by an uptime that begins after the last thing known of the
//! old session, or by a Start long after it.
//!
//! A session of which nothing is heard is closed at the last instant known of it. It stays closed
//! when it is heard of after all: its end moves on and its usage is counted, once.

use serde::Serialize;

use crate::accounting::{SessionEvent, SessionKey, SessionPlace, SessionRecord, TerminateCause};
use crate::id::{AuthId, NasId, SessionId, SubscriberId, TenantId};
use crate::plan::InterimInterval;
use crate::terms::TermsMark;
use crate::time::Timestamp;
use crate::usage::UsageAmount;

/// How far a computed start may be off before it proves another session.
const REUSE_MARGIN_SECONDS: i64 = 60;

/// A Start this long after the last thing known of a session is no retransmission any more, but
/// a new session.
const START_REPLAY_SECONDS: i64 = 3_600;

/// Intervals without an update after which a session is taken to have ended.
pub const SILENCE_INTERVALS: u32 = 3;

/// How much longer is waited: routers are late, and ask again.
pub const SILENCE_MARGIN_SECONDS: u32 = 60;

/// For how many seconds nothing need be heard of a session whose router was told this interval.
pub const fn patience_seconds(interim: InterimInterval) -> u32 {
    SILENCE_INTERVALS * interim.as_seconds() + SILENCE_MARGIN_SECONDS
}

/// A session, open or once open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub key: SessionKey,
    pub tenant: TenantId,
    pub nas: NasId,
    pub auth: Option<AuthId>,
    pub subscriber: Option<SubscriberId>,
    pub username: String,
    pub started_at: Timestamp,
    /// The latest instant that the session is known to have lasted to. A Start that is repeated
    /// proves nothing about it.
    pub updated_at: Timestamp,
    pub total: UsageAmount,
    pub place: SessionPlace,
    /// What the router was told last: what the session was accepted on, until a change of it is
    /// acknowledged. Not kept of a session that has ended.
    pub terms: Option<TermsMark>,
}

/// An open session as others must know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSession {
    pub session: Session,
    /// Another one took its place, and it has to end.
    pub is_replaced: bool,
}

/// A session that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedSession {
    pub session: Session,
    pub stopped_at: Timestamp,
    /// Absent when the NAS gave none.
    pub cause: Option<TerminateCause>,
}

/// Whether a session is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    Open,
    Closed,
}

/// What is stored under one key: the open session and the one that closed last.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SessionSlot {
    pub open: Option<Session>,
    pub closed: Option<ClosedSession>,
}

/// What a record did to its slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    pub outcome: SessionOutcome,
    /// What to add to the user's usage.
    pub usage: UsageAmount,
    /// `SessionSlot::open` must be stored, or deleted when it is `None`.
    pub is_open_changed: bool,
    /// `SessionSlot::closed` must be stored.
    pub is_closed_changed: bool,
    /// Another session under the same key that this record ended; it must be stored too.
    pub superseded: Option<Box<ClosedSession>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionOutcome {
    /// A session began, from its Start or from the first Interim heard of it.
    Opened,
    /// A session under the same id was closed and another one began.
    Superseded,
    Updated,
    Closed,
    /// A closed session learned more from a late record.
    Amended,
    /// The record says nothing new: a duplicate, or late.
    Stale,
}

impl ClosedSession {
    /// The end that Accounting-On or -Off means for a session (RFC 2866 §5.1).
    pub fn by_nas_restart(session: Session, at: Timestamp) -> Self {
        Self {
            stopped_at: at.max(session.updated_at),
            session,
            cause: Some(TerminateCause::NasReboot),
        }
    }

    fn is_end_inferred(&self) -> bool {
        match self.cause {
            None
            | Some(
                TerminateCause::NasReboot
                | TerminateCause::Superseded
                | TerminateCause::Stale { .. },
            ) => true,
            Some(TerminateCause::Reported(_)) => false,
        }
    }

    fn is_stale(&self) -> bool {
        matches!(self.cause, Some(TerminateCause::Stale { .. }))
    }
}

impl Applied {
    fn stale() -> Self {
        Self {
            outcome: SessionOutcome::Stale,
            usage: UsageAmount::default(),
            is_open_changed: false,
            is_closed_changed: false,
            superseded: None,
        }
    }
}

impl SessionSlot {
    /// Applies one record; `new_id` names the session if the record begins one.
    pub fn apply(&mut self, record: &SessionRecord, new_id: SessionId) -> Applied {
        if record.event == SessionEvent::Silence {
            return self.fall_silent(record);
        }
        if let Some(open) = self.open.take() {
            if is_of_predecessor(record, &open) {
                self.open = Some(open);
                return Applied::stale();
            }
            if is_other_session(record, &open) {
                return self.supersede(open, record, new_id);
            }
            return self.apply_to_open(open, record);
        }
        match &mut self.closed {
            Some(closed) if is_of_predecessor(record, &closed.session) => Applied::stale(),
            Some(closed) if !is_after_closed(record, closed) => amend(closed, record),
            _ => self.begin(record, new_id),
        }
    }

    /// Closes the open session where it was last heard of, unless that was after the record.
    fn fall_silent(&mut self, record: &SessionRecord) -> Applied {
        let is_silent = |open: &mut Session| open.updated_at <= record.at;
        let Some(session) = self.open.take_if(is_silent) else {
            return Applied::stale();
        };
        self.closed = Some(ClosedSession {
            stopped_at: session.updated_at.max(session.started_at),
            session,
            cause: record.terminate_cause,
        });
        Applied {
            outcome: SessionOutcome::Closed,
            is_open_changed: true,
            is_closed_changed: true,
            ..Applied::stale()
        }
    }

    fn begin(&mut self, record: &SessionRecord, new_id: SessionId) -> Applied {
        let session = session_from(record, new_id);
        let usage = session.total;
        let outcome = match record.event {
            SessionEvent::Start | SessionEvent::Interim => {
                self.open = Some(session);
                SessionOutcome::Opened
            }
            SessionEvent::Stop | SessionEvent::Silence => {
                self.closed = Some(ClosedSession {
                    session,
                    stopped_at: record.at,
                    cause: record.terminate_cause,
                });
                SessionOutcome::Closed
            }
        };
        Applied {
            outcome,
            usage,
            is_open_changed: outcome == SessionOutcome::Opened,
            is_closed_changed: outcome == SessionOutcome::Closed,
            superseded: None,
        }
    }

    /// Closes the open session at the last instant known of it and begins the next.
    fn supersede(&mut self, old: Session, record: &SessionRecord, new_id: SessionId) -> Applied {
        let superseded = ClosedSession {
            stopped_at: old.updated_at,
            session: old,
            cause: Some(TerminateCause::Superseded),
        };
        self.closed = Some(superseded.clone());
        let begun = self.begin(record, new_id);
        Applied {
            outcome: SessionOutcome::Superseded,
            is_open_changed: true,
            superseded: Some(Box::new(superseded)),
            ..begun
        }
    }

    fn apply_to_open(&mut self, mut session: Session, record: &SessionRecord) -> Applied {
        let before = session.clone();
        session.absorb(record);
        let usage = session.total.since(before.total);
        match record.event {
            SessionEvent::Start | SessionEvent::Interim => {
                let is_open_changed = session != before;
                self.open = Some(session);
                Applied {
                    outcome: if is_open_changed {
                        SessionOutcome::Updated
                    } else {
                        SessionOutcome::Stale
                    },
                    usage,
                    is_open_changed,
                    is_closed_changed: false,
                    superseded: None,
                }
            }
            SessionEvent::Stop | SessionEvent::Silence => {
                self.closed = Some(ClosedSession {
                    stopped_at: record.at.max(session.started_at),
                    session,
                    cause: record.terminate_cause,
                });
                Applied {
                    outcome: SessionOutcome::Closed,
                    usage,
                    is_open_changed: true,
                    is_closed_changed: true,
                    superseded: None,
                }
            }
        }
    }
}

impl Session {
    fn absorb(&mut self, record: &SessionRecord) {
        self.total = self.total.max(total_of(record, self.started_at));
        self.started_at = self.started_at.min(record.started_at());
        if self.updated_at <= record.at {
            self.place.learn(&record.place);
            self.learn_terms(record);
            self.auth = record.auth.or(self.auth);
            // A Start may be that of another session, which only its next record proves.
            if record.event != SessionEvent::Start {
                self.updated_at = record.at;
            }
        }
        self.subscriber = self.subscriber.or(record.subscriber);
    }

    /// A Class that is repeated is older than a change that the router has acknowledged since. That
    /// of another login is what the router was told now.
    fn learn_terms(&mut self, record: &SessionRecord) {
        let is_new_login = record.auth.is_some() && record.auth != self.auth;
        if is_new_login || self.terms.is_none() {
            self.terms = record.terms.or(self.terms);
        }
    }
}

fn session_from(record: &SessionRecord, id: SessionId) -> Session {
    Session {
        id,
        key: record.key,
        tenant: record.tenant,
        nas: record.nas,
        auth: record.auth,
        subscriber: record.subscriber,
        username: record.username.to_string(),
        started_at: record.started_at(),
        updated_at: record.at,
        total: record.total,
        place: record.place.clone(),
        terms: record.terms,
    }
}

/// The record's totals; a Stop without Acct-Session-Time lasted from its start to its end.
fn total_of(record: &SessionRecord, started_at: Timestamp) -> UsageAmount {
    let mut total = record.total;
    if record.event == SessionEvent::Stop && total.session_seconds == 0 {
        total.session_seconds = u64::try_from(record.at.seconds_since(started_at)).unwrap_or(0);
    }
    total
}

/// What the Class of a record says about its session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ClassSays {
    Same,
    Other,
    /// The router does not return it in both.
    Nothing,
}

fn compare_class(record: &SessionRecord, known: &Session) -> ClassSays {
    match (record.auth, known.auth) {
        (Some(new), Some(old)) if new == old => ClassSays::Same,
        (Some(_), Some(_)) => ClassSays::Other,
        _ => ClassSays::Nothing,
    }
}

/// Whether the record is left over from a session that used the id before `known` did.
fn is_of_predecessor(record: &SessionRecord, known: &Session) -> bool {
    let has_ended_before = record.at <= known.started_at.plus_seconds(REUSE_MARGIN_SECONDS);
    let has_begun_before =
        record.started_at().plus_seconds(REUSE_MARGIN_SECONDS) < known.started_at;
    has_ended_before && has_begun_before && compare_class(record, known) == ClassSays::Other
}

/// Whether the record belongs to another session than the one that is open.
fn is_other_session(record: &SessionRecord, open: &Session) -> bool {
    match record.event {
        SessionEvent::Start => match compare_class(record, open) {
            ClassSays::Same => false,
            ClassSays::Other => open.started_at < record.at,
            ClassSays::Nothing => open.updated_at.plus_seconds(START_REPLAY_SECONDS) < record.at,
        },
        SessionEvent::Interim | SessionEvent::Stop | SessionEvent::Silence => {
            has_uptime_begun_since(record, open, open.updated_at)
        }
    }
}

fn is_after_closed(record: &SessionRecord, closed: &ClosedSession) -> bool {
    let stopped_at = closed.stopped_at;
    let class = compare_class(record, &closed.session);
    match record.event {
        SessionEvent::Start => {
            let is_after_restart =
                closed.cause == Some(TerminateCause::NasReboot) && stopped_at < record.at;
            stopped_at.plus_seconds(START_REPLAY_SECONDS) < record.at
                || class == ClassSays::Other && closed.session.started_at < record.at
                || class == ClassSays::Nothing && is_after_restart
        }
        SessionEvent::Interim | SessionEvent::Stop | SessionEvent::Silence => {
            let has_seconds = 0 < record.total.session_seconds;
            let start = record.started_at();
            has_seconds && stopped_at.plus_seconds(REUSE_MARGIN_SECONDS) < start
                || class == ClassSays::Other && stopped_at < start
                || has_uptime_begun_since(record, &closed.session, stopped_at)
        }
    }
}

/// Whether the record's uptime is not that of `known` continued, and began after `known_until`,
/// the last instant known of it.
fn has_uptime_begun_since(record: &SessionRecord, known: &Session, known_until: Timestamp) -> bool {
    let seconds = record.total.session_seconds;
    let start = record.started_at();
    let is_backwards = seconds < known.total.session_seconds;
    let is_other_class = compare_class(record, known) == ClassSays::Other;
    0 < seconds
        && (is_backwards && known_until < start
            || is_other_class && known_until.plus_seconds(REUSE_MARGIN_SECONDS) < start)
}

/// Takes over what a late record knows better. A Stop replaces an end that was only inferred, and
/// an Interim shows that a session which was closed for its silence went on.
fn amend(closed: &mut ClosedSession, record: &SessionRecord) -> Applied {
    let before = closed.clone();
    let mut total = record.total;
    if record.event == SessionEvent::Stop && before.is_end_inferred() {
        closed.stopped_at = record.at.max(closed.session.started_at);
        closed.cause = record.terminate_cause.or(before.cause);
        if before.session.total.session_seconds == 0 {
            total = total_of(record, closed.session.started_at);
        }
    }
    if record.event == SessionEvent::Interim && before.is_stale() {
        closed.stopped_at = before.stopped_at.max(record.at);
    }
    closed.session.total = closed.session.total.max(total);
    let start = record.started_at();
    if record.event == SessionEvent::Start && start < closed.session.started_at {
        closed.session.started_at = start;
    }
    let is_changed = *closed != before;
    Applied {
        outcome: if is_changed {
            SessionOutcome::Amended
        } else {
            SessionOutcome::Stale
        },
        usage: closed.session.total.since(before.session.total),
        is_open_changed: false,
        is_closed_changed: is_changed,
        superseded: None,
    }
}
