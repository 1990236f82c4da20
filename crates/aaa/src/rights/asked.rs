//! What was asked about sessions, so that it is asked once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use domain::accounting::SessionKey;
use domain::session_command::EndReason;
use domain::terms::TermsMark;

/// Sessions that are remembered. Of others it may be asked again what was asked; whoever takes it
/// in knows.
const ASKED_MAX: usize = 262_144;

/// For how long a session of which nothing is wanted any more is compared with what is stored, and
/// not only with what is known here: a command may be under way.
const SETTLING: Duration = Duration::from_secs(900);

/// What was wanted of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// It should end. What a reason says of times and amounts does not matter.
    End(std::mem::Discriminant<EndReason>, &'static str),
    /// It should go on on these terms.
    Terms(TermsMark),
    /// Nothing any more.
    Nothing,
}

/// Sessions about which something was asked.
#[derive(Debug, Default)]
pub(super) struct Asked {
    sessions: HashMap<SessionKey, Entry>,
    round: u64,
}

#[derive(Debug)]
struct Entry {
    wanted: Wanted,
    at: Instant,
    /// The round in which the session was there.
    seen: u64,
}

impl Wanted {
    pub(super) fn end(reason: &EndReason) -> Self {
        let code = match reason {
            EndReason::Refused(why) => why.code(),
            EndReason::TermsChanged(term) => term.as_str(),
            EndReason::Kicked
            | EndReason::Replaced
            | EndReason::CredentialChanged
            | EndReason::DeviceForgotten
            | EndReason::UserRemoved
            | EndReason::NasRemoved => "",
        };
        Self::End(std::mem::discriminant(reason), code)
    }
}

impl Asked {
    /// What was wanted of a session last, if anything was.
    pub(super) fn find(&mut self, key: SessionKey) -> Option<Wanted> {
        let entry = self.sessions.get_mut(&key)?;
        entry.seen = self.round;
        Some(entry.wanted)
    }

    /// Remembers what was asked; says whether there was room.
    pub(super) fn note(&mut self, key: SessionKey, wanted: Wanted, at: Instant) -> bool {
        let has_room = self.sessions.len() < ASKED_MAX || self.sessions.contains_key(&key);
        if has_room {
            let seen = self.round;
            self.sessions.insert(key, Entry { wanted, at, seen });
        }
        has_room
    }

    /// Nothing is wanted of a session, as it is stored.
    pub(super) fn settle(&mut self, key: SessionKey, now: Instant) {
        if let Some(entry) = self.sessions.get_mut(&key) {
            entry.wanted = Wanted::Nothing;
            if SETTLING <= now.saturating_duration_since(entry.at) {
                self.sessions.remove(&key);
            }
        }
    }

    /// A session has ended.
    pub(super) fn forget(&mut self, key: SessionKey) {
        self.sessions.remove(&key);
    }

    /// Everybody is going to be looked at.
    pub(super) const fn begin_round(&mut self) {
        self.round += 1;
    }

    /// Everybody was looked at: forgets the sessions that were not there.
    pub(super) fn end_round(&mut self) {
        let round = self.round;
        self.sessions.retain(|_, entry| entry.seen == round);
    }
}
