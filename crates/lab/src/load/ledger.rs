//! Which accounting records the server has acknowledged, to be compared with its database after a crash.

use serde::Serialize;

use crate::request::{Event, Totals};

/// Sessions that a ledger holds at most.
pub const SESSIONS_MAX: usize = 1_000_000;

/// Every session that was reported, with what the server owes for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// In the order they began, a thread after the other.
    pub sessions: Vec<LedgerSession>,
    /// Sessions beyond the limit, of which nothing is known here.
    pub omitted: u64,
}

/// One session's account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LedgerSession {
    /// Acct-Session-Id.
    pub session_id: String,
    /// User-Name.
    pub user_name: String,
    /// What the server has answered for: it must be in the database.
    pub acknowledged: Acknowledged,
    /// What was sent last: it may be in the database, and nothing beyond it may.
    pub attempted: Attempted,
}

/// The records that were answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Acknowledged {
    /// Whether the Start was.
    pub start: bool,
    /// How many Interim-Updates were.
    pub interims: u32,
    /// Whether the Stop was.
    pub stop: bool,
    /// Octets from the subscriber in the last answered record.
    pub input_octets: u64,
    /// Octets to the subscriber in it.
    pub output_octets: u64,
}

/// The last record that was sent at least once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Attempted {
    /// Which one.
    pub event: Event,
    /// Octets from the subscriber in it.
    pub input_octets: u64,
    /// Octets to the subscriber in it.
    pub output_octets: u64,
}

impl Ledger {
    /// Opens an account, and gives its number unless the ledger is full.
    pub(crate) fn open(&mut self, session_id: &str, user_name: &str) -> Option<usize> {
        if SESSIONS_MAX <= self.sessions.len() {
            self.omitted += 1;
            return None;
        }
        self.sessions.push(LedgerSession {
            session_id: session_id.into(),
            user_name: user_name.into(),
            acknowledged: Acknowledged::default(),
            attempted: Attempted {
                event: Event::Start,
                input_octets: 0,
                output_octets: 0,
            },
        });
        Some(self.sessions.len() - 1)
    }

    pub(crate) fn attempt(&mut self, number: usize, event: Event, totals: Totals) {
        if let Some(session) = self.sessions.get_mut(number) {
            session.attempted = Attempted {
                event,
                input_octets: totals.input_octets,
                output_octets: totals.output_octets,
            };
        }
    }

    pub(crate) fn acknowledge(&mut self, number: usize, event: Event, totals: Totals) {
        let Some(session) = self.sessions.get_mut(number) else {
            return;
        };
        let acknowledged = &mut session.acknowledged;
        match event {
            Event::Start => acknowledged.start = true,
            Event::Interim => acknowledged.interims += 1,
            Event::Stop => acknowledged.stop = true,
        }
        acknowledged.input_octets = totals.input_octets;
        acknowledged.output_octets = totals.output_octets;
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        let room = SESSIONS_MAX.saturating_sub(self.sessions.len());
        let cut = other.sessions.len().saturating_sub(room) as u64;
        other.sessions.truncate(room);
        self.sessions.append(&mut other.sessions);
        self.omitted += other.omitted + cut;
    }
}
