//! The sessions that a batch of records speaks of, while they are in memory.

use std::collections::BTreeMap;

use domain::accounting::{SessionKey, SessionRecord};
use domain::id::{NasId, PlanId, SessionId, TenantId};
use domain::session::{Applied, ClosedSession, Session, SessionOutcome, SessionSlot};
use domain::time::Timestamp;
use uuid::Uuid;

use super::SessionTurn;

/// One slot for each key, sorted so that two writers go through them in the same order.
pub(super) struct Slots<'a>(Vec<Slot<'a>>);

/// A slot, what the database has of it, and what must be written.
pub(super) struct Slot<'a> {
    key: SessionKey,
    /// A record of the session: what its key was made of.
    record: &'a SessionRecord,
    slot: SessionSlot,
    /// The open session that is in the database.
    open_row: Option<Session>,
    /// The plan that the database has for it.
    plan: Option<PlanId>,
    is_open_changed: bool,
    /// The closed session that is already in the database, and the end that it has there.
    closed_row: Option<(SessionId, Timestamp)>,
    closed_changed: BTreeMap<SessionId, ClosedSession>,
}

/// What must be written so that the database has the final states, in the order of the keys.
#[derive(Default)]
pub(super) struct Changes<'a> {
    /// Open sessions whose row must go, because they ended.
    pub(super) gone: Vec<SessionKey>,
    /// Open sessions whose row another session takes, which is in `opened`.
    pub(super) replaced: Vec<SessionKey>,
    /// Open sessions that have no row, or one in which more than their progress changed.
    pub(super) opened: Vec<&'a Session>,
    /// Open sessions that went on: their times and counters changed and nothing else.
    pub(super) progressed: Vec<&'a Session>,
    /// Closed sessions that have no row.
    pub(super) closed: Vec<&'a ClosedSession>,
    /// Closed sessions that learned more, with the end that their row has.
    pub(super) amended: Vec<(Timestamp, &'a ClosedSession)>,
}

impl<'a> Slots<'a> {
    /// Empty slots for the keys of the records.
    pub(super) fn of(records: &'a [SessionRecord]) -> Self {
        let mut slots: Vec<Slot<'a>> = records.iter().map(Slot::of).collect();
        slots.sort_unstable_by_key(|slot| slot.key);
        slots.dedup_by_key(|slot| slot.key);
        Self(slots)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot<'a>> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot<'a>> {
        self.0.iter_mut()
    }

    pub(super) fn find_mut(&mut self, key: SessionKey) -> Option<&mut Slot<'a>> {
        let index = self.0.binary_search_by_key(&key, |slot| slot.key).ok()?;
        self.0.get_mut(index)
    }

    /// Applies a record; says also whether a session is open under its key afterwards.
    pub(super) fn apply(&mut self, record: &SessionRecord, new_id: SessionId) -> (Applied, bool) {
        let slot = self
            .find_mut(record.key)
            .expect("slots were made for the keys of these records");
        slot.apply(record, new_id)
    }

    /// Adds what began and ended with a record that was applied just now.
    pub(super) fn note_turns(
        &mut self,
        record: &SessionRecord,
        applied: &Applied,
        turns: &mut Vec<SessionTurn>,
    ) {
        let (has_begun, has_ended) = match applied.outcome {
            SessionOutcome::Opened => (true, false),
            SessionOutcome::Closed => (false, true),
            // What took its place may be a session of which only the Stop was heard.
            SessionOutcome::Superseded => (!applied.is_closed_changed, applied.is_closed_changed),
            SessionOutcome::Updated | SessionOutcome::Amended | SessionOutcome::Stale => return,
        };
        let superseded = applied.superseded.as_deref().cloned();
        turns.extend(superseded.map(SessionTurn::Ended));
        let Some(Slot { slot, .. }) = self.find_mut(record.key) else {
            return;
        };
        let begun = slot.open.clone().filter(|_| has_begun);
        let ended = slot.closed.clone().filter(|_| has_ended);
        turns.extend(begun.map(SessionTurn::Began));
        turns.extend(ended.map(SessionTurn::Ended));
    }

    /// The plan of the session that the database has open under a key.
    pub(super) fn find_plan(&self, key: SessionKey) -> Option<PlanId> {
        let index = self.0.binary_search_by_key(&key, |slot| slot.key).ok()?;
        self.0.get(index)?.plan
    }

    pub(super) fn changes(&self) -> Changes<'_> {
        let mut changes = Changes::default();
        for slot in &self.0 {
            slot.note_open(&mut changes);
            slot.note_closed(&mut changes);
        }
        changes
    }
}

impl<'a> Slot<'a> {
    fn of(record: &'a SessionRecord) -> Self {
        Self {
            key: record.key,
            record,
            slot: SessionSlot::default(),
            open_row: None,
            plan: None,
            is_open_changed: false,
            closed_row: None,
            closed_changed: BTreeMap::new(),
        }
    }

    /// Takes over the open session that the database has.
    pub(super) fn load_open(&mut self, open: Session, plan: Option<PlanId>) {
        self.plan = plan;
        self.open_row = Some(open.clone());
        self.slot.open = Some(open);
    }

    /// Takes over the session that closed last, which matters only while none is open.
    pub(super) fn load_closed(&mut self, closed: ClosedSession) {
        self.closed_row = Some((closed.session.id, closed.stopped_at));
        self.slot.closed = Some(closed);
    }

    pub(super) const fn key(&self) -> SessionKey {
        self.key
    }

    pub(super) const fn tenant(&self) -> TenantId {
        self.record.tenant
    }

    pub(super) const fn nas(&self) -> NasId {
        self.record.nas
    }

    pub(super) fn acct_session_id(&self) -> &str {
        &self.record.place.acct_session_id
    }

    fn apply(&mut self, record: &SessionRecord, new_id: SessionId) -> (Applied, bool) {
        let applied = self.slot.apply(record, self.id_after_known(new_id));
        self.is_open_changed |= applied.is_open_changed;
        let superseded = applied.superseded.as_deref();
        let closed = self.slot.closed.as_ref();
        let closed = closed.filter(|_| applied.is_closed_changed);
        for closed in superseded.into_iter().chain(closed) {
            self.closed_changed
                .insert(closed.session.id, closed.clone());
        }
        (applied, self.slot.open.is_some())
    }

    fn note_open<'b>(&'b self, changes: &mut Changes<'b>) {
        if !self.is_open_changed {
            return;
        }
        match (&self.open_row, &self.slot.open) {
            (None, None) => {}
            (Some(_), None) => changes.gone.push(self.key),
            (None, Some(now)) => changes.opened.push(now),
            (Some(row), Some(now)) if has_only_gone_on(row, now) => changes.progressed.push(now),
            (Some(row), Some(now)) => {
                if row.id != now.id {
                    changes.replaced.push(self.key);
                }
                changes.opened.push(now);
            }
        }
    }

    fn note_closed<'b>(&'b self, changes: &mut Changes<'b>) {
        for (id, closed) in &self.closed_changed {
            match self.closed_row {
                Some((row, stopped_at)) if row == *id => changes.amended.push((stopped_at, closed)),
                Some(_) | None => changes.closed.push(closed),
            }
        }
    }

    /// The id, or if the clock of this node is behind that of another, the one after the latest
    /// session under this key.
    fn id_after_known(&self, new_id: SessionId) -> SessionId {
        let open = self.slot.open.as_ref().map(|open| open.id);
        let closed = self.slot.closed.as_ref().map(|closed| closed.session.id);
        match open.max(closed) {
            Some(known) if new_id <= known => {
                let next = known.as_uuid().as_u128().saturating_add(1);
                SessionId::from_uuid(Uuid::from_u128(next))
            }
            Some(_) | None => new_id,
        }
    }
}

/// Whether nothing changed but times and counters, as with nearly every Interim-Update.
fn has_only_gone_on(row: &Session, now: &Session) -> bool {
    row.id == now.id
        && row.auth == now.auth
        && row.terms == now.terms
        && row.subscriber == now.subscriber
        && row.place == now.place
}
