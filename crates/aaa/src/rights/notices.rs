//! Whose sessions have to be looked at, gathered beside the packet path.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::id::SubscriberId;
use tokio::sync::Notify;

/// Subscribers that wait to be looked at; when there are more, everybody is looked at.
const WAITING_MAX: usize = 65_536;

/// Subscribers, each once.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    waiting: Mutex<Waiting>,
    wake: Notify,
}

#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) subscribers: HashSet<SubscriberId>,
    /// There were too many of them.
    pub(super) is_everybody: bool,
}

impl Notices {
    pub(crate) fn look_at(&self, subscriber: SubscriberId) {
        let mut waiting = self.waiting();
        if waiting.subscribers.len() < WAITING_MAX {
            waiting.subscribers.insert(subscriber);
        } else {
            waiting.is_everybody = true;
        }
        drop(waiting);
        self.wake.notify_one();
    }

    pub(super) fn take(&self) -> Waiting {
        std::mem::take(&mut *self.waiting())
    }

    /// Waits until there may be something.
    pub(super) async fn noticed(&self) {
        self.wake.notified().await;
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Whoever panicked left a whole set behind.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
