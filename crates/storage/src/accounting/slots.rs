//! The sessions that a batch of records speaks of, while they are in memory.

use std::collections::{BTreeMap, HashMap};

use domain::accounting::{SessionKey, SessionRecord, TerminateCause};
use domain::id::SessionId;
use domain::session::{Applied, ClosedSession, Session, SessionSlot};
use sea_orm::{ConnectionTrait, DbErr, Value};
use uuid::Uuid;

use crate::bulk::{Insert, execute_in, select_in};
use crate::error::StoreError;
use crate::session::{COLUMNS, key_uuid, read_closed, read_open, values};

/// Closed sessions have two columns more.
const CLOSED_WIDTH: usize = COLUMNS.len() + 2;
const CLOSED_COLUMNS: [&str; CLOSED_WIDTH] = closed_columns();

/// What never changes of a session. Leaving it alone spares the indexes, which SQLite rewrites for
/// every column that an update names.
const FIXED_COLUMNS: [&str; 6] = ["id", "key", "tenant", "nas", "username", "acct_session_id"];

/// The session that closed last under each key: under one key, ids grow in the order of sessions.
const LAST_CLOSED: &str = "SELECT * FROM (\
    SELECT s.*, ROW_NUMBER() OVER (PARTITION BY key ORDER BY id DESC) AS age \
    FROM session_closed s WHERE key IN";
const LAST_CLOSED_TAIL: &str = ") AS newest WHERE age = 1";

/// One slot for each key, sorted so that two writers go through them in the same order.
pub(super) struct Slots {
    slots: Vec<Loaded>,
    index: HashMap<SessionKey, usize>,
}

/// A slot, what the database has of it, and what must be written.
struct Loaded {
    key: SessionKey,
    slot: SessionSlot,
    /// The open session that is in the database.
    open_row: Option<SessionId>,
    is_open_changed: bool,
    /// The closed session that is already in the database.
    closed_row: Option<SessionId>,
    closed_changed: BTreeMap<SessionId, ClosedSession>,
}

impl Slots {
    /// Loads what is stored under the keys of the records. The closed session matters only while
    /// none is open.
    pub(super) async fn load<C: ConnectionTrait>(
        connection: &C,
        records: &[SessionRecord],
    ) -> Result<Self, StoreError> {
        let mut slots = Self::empty(records);
        let keys: Vec<Value> = slots.slots.iter().map(|slot| key_value(slot.key)).collect();
        for row in select_in(
            connection,
            "SELECT * FROM session_open WHERE key IN",
            &keys,
            "",
        )
        .await?
        {
            let open = read_open(&row)?;
            if let Some(loaded) = slots.find_mut(open.key) {
                loaded.open_row = Some(open.id);
                loaded.slot.open = Some(open);
            }
        }
        let keys: Vec<Value> = slots
            .slots
            .iter()
            .filter(|loaded| loaded.open_row.is_none())
            .map(|loaded| key_value(loaded.key))
            .collect();
        for row in select_in(connection, LAST_CLOSED, &keys, LAST_CLOSED_TAIL).await? {
            let closed = read_closed(&row)?;
            if let Some(loaded) = slots.find_mut(closed.session.key) {
                loaded.closed_row = Some(closed.session.id);
                loaded.slot.closed = Some(closed);
            }
        }
        Ok(slots)
    }

    /// Applies a record; says also whether a session is open under its key afterwards.
    pub(super) fn apply(&mut self, record: &SessionRecord, new_id: SessionId) -> (Applied, bool) {
        let loaded = self
            .find_mut(record.key)
            .expect("slots were loaded for the keys of these records");
        let applied = loaded.slot.apply(record, loaded.id_after_known(new_id));
        loaded.is_open_changed |= applied.is_open_changed;
        let superseded = applied.superseded.as_deref();
        let closed = loaded
            .slot
            .closed
            .as_ref()
            .filter(|_| applied.is_closed_changed);
        for closed in superseded.into_iter().chain(closed) {
            loaded
                .closed_changed
                .insert(closed.session.id, closed.clone());
        }
        (applied, loaded.slot.open.is_some())
    }

    /// Writes the final states.
    pub(super) async fn store<C: ConnectionTrait>(&self, connection: &C) -> Result<(), DbErr> {
        let gone: Vec<Value> = self
            .changed_open()
            .filter(|loaded| loaded.open_row.is_some() && loaded.open_row != loaded.open_id())
            .map(|loaded| key_value(loaded.key))
            .collect();
        execute_in(connection, "DELETE FROM session_open WHERE key IN", &gone).await?;
        let on_conflict = open_on_conflict();
        let open = Insert {
            table: "session_open",
            columns: &COLUMNS,
            on_conflict: &on_conflict,
        };
        let rows = self
            .changed_open()
            .filter_map(|loaded| loaded.slot.open.as_ref().map(values));
        open.run(connection, rows.collect::<Vec<_>>()).await?;

        // The time of the end is part of the primary key and may have changed.
        let amended: Vec<Value> = self
            .slots
            .iter()
            .filter_map(|loaded| {
                let id = loaded.closed_row?;
                loaded.closed_changed.contains_key(&id).then_some(id)
            })
            .map(|id| id.as_uuid().into())
            .collect();
        execute_in(
            connection,
            "DELETE FROM session_closed WHERE id IN",
            &amended,
        )
        .await?;
        let closed = Insert {
            table: "session_closed",
            columns: &CLOSED_COLUMNS,
            on_conflict: "",
        };
        let rows = self
            .slots
            .iter()
            .flat_map(|loaded| loaded.closed_changed.values())
            .map(closed_values);
        closed.run(connection, rows.collect::<Vec<_>>()).await
    }

    fn empty(records: &[SessionRecord]) -> Self {
        let mut keys: Vec<SessionKey> = records.iter().map(|record| record.key).collect();
        keys.sort_unstable();
        keys.dedup();
        let index = keys.iter().copied().zip(0..).collect();
        let slots = keys
            .into_iter()
            .map(|key| Loaded {
                key,
                slot: SessionSlot::default(),
                open_row: None,
                is_open_changed: false,
                closed_row: None,
                closed_changed: BTreeMap::new(),
            })
            .collect();
        Self { slots, index }
    }

    fn find_mut(&mut self, key: SessionKey) -> Option<&mut Loaded> {
        let index = *self.index.get(&key)?;
        self.slots.get_mut(index)
    }

    fn changed_open(&self) -> impl Iterator<Item = &Loaded> {
        self.slots.iter().filter(|loaded| loaded.is_open_changed)
    }
}

impl Loaded {
    fn open_id(&self) -> Option<SessionId> {
        self.slot.open.as_ref().map(|open| open.id)
    }

    /// The id, or if the clock of this node is behind that of another, the one after the latest
    /// session under this key.
    fn id_after_known(&self, new_id: SessionId) -> SessionId {
        let closed = self.slot.closed.as_ref().map(|closed| closed.session.id);
        match self.open_id().max(closed) {
            Some(known) if new_id <= known => {
                let next = known.as_uuid().as_u128().saturating_add(1);
                SessionId::from_uuid(Uuid::from_u128(next))
            }
            Some(_) | None => new_id,
        }
    }
}

fn key_value(key: SessionKey) -> Value {
    key_uuid(key).into()
}

/// The row of an open session takes over what changes.
fn open_on_conflict() -> String {
    let assignments: Vec<String> = COLUMNS
        .iter()
        .filter(|column| !FIXED_COLUMNS.contains(column))
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
    format!("ON CONFLICT (key) DO UPDATE SET {}", assignments.join(", "))
}

const fn closed_columns() -> [&'static str; CLOSED_WIDTH] {
    let mut columns = [""; CLOSED_WIDTH];
    let mut index = 0;
    while index < COLUMNS.len() {
        columns[index] = COLUMNS[index];
        index += 1;
    }
    columns[CLOSED_WIDTH - 2] = "stopped_at";
    columns[CLOSED_WIDTH - 1] = "cause";
    columns
}

fn closed_values(closed: &ClosedSession) -> [Value; CLOSED_WIDTH] {
    let session: &Session = &closed.session;
    let mut shared = values(session).into_iter();
    std::array::from_fn(|index| match index {
        _ if index < COLUMNS.len() => shared.next().expect("a value for each shared column"),
        _ if index == COLUMNS.len() => closed.stopped_at.as_micros().into(),
        _ => closed.cause.map(TerminateCause::to_stored).into(),
    })
}
