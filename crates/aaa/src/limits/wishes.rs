//! What the packet path and the journal want of the database, until somebody has time for it.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::id::SubscriberId;
use domain::limit::Meter;
use domain::time::Timestamp;
use tokio::sync::Notify;

use crate::port::LimitQuestion;

/// First uses, and questions, that may wait; what comes on top is counted, and the next login
/// wishes the same.
pub(super) const WISHES_MAX: usize = 8_192;

#[derive(Debug, Default)]
pub(super) struct Wishes {
    waiting: Mutex<Waiting>,
    /// Something waits.
    pub(super) filled: Notify,
}

#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) first_uses: HashMap<SubscriberId, Timestamp>,
    pub(super) questions: Vec<LimitQuestion>,
    asked: HashSet<Meter>,
}

impl Wishes {
    /// Asks for the usage of a period, once; says whether there was room.
    pub(super) fn ask(&self, question: LimitQuestion) -> bool {
        let mut waiting = self.waiting();
        if waiting.asked.contains(&question.meter) {
            return true;
        }
        if WISHES_MAX <= waiting.questions.len() {
            return false;
        }
        waiting.asked.insert(question.meter);
        waiting.questions.push(question);
        self.filled.notify_one();
        true
    }

    /// Wants a first use stored; says whether there was room.
    pub(super) fn note_first_use(&self, subscriber: SubscriberId, at: Timestamp) -> bool {
        let mut waiting = self.waiting();
        let is_full = WISHES_MAX <= waiting.first_uses.len();
        if is_full && !waiting.first_uses.contains_key(&subscriber) {
            return false;
        }
        let first = waiting.first_uses.entry(subscriber).or_insert(at);
        *first = at.min(*first);
        self.filled.notify_one();
        true
    }

    /// Takes everything that waits.
    pub(super) fn take(&self) -> Waiting {
        std::mem::take(&mut *self.waiting())
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Whoever panicked left whole entries behind.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
