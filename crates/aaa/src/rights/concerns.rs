//! What changed in the directory, and whom it may concern.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::change::Change;
use domain::id::{PlanId, SubscriberId, TenantId};
use tokio::sync::Notify;

use crate::row_table::id_of;

/// Subscribers that are told apart; of more it is only known that there are some.
const SUBSCRIBERS_MAX: usize = 131_072;

/// Groups of rows that are told apart. It matters only to users whose router returns no Class.
const GROUPS_MAX: usize = 16_384;

/// Changes that wait to be looked at.
#[derive(Debug, Default)]
pub struct Concerns {
    waiting: Mutex<Concern>,
    wake: Notify,
}

/// What changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Concern {
    pub(super) subscribers: HashSet<SubscriberId>,
    pub(super) plans: HashSet<PlanId>,
    pub(super) tenants: HashSet<TenantId>,
    pub(super) row_groups: HashSet<Box<str>>,
    /// It may concern anybody, so everybody is looked at.
    pub(super) is_everybody: bool,
}

impl Concerns {
    /// Notes changes that the directory has applied.
    pub fn note(&self, changes: &[Change]) {
        let mut waiting = self.waiting();
        for change in changes {
            waiting.note(change);
        }
        drop(waiting);
        self.wake.notify_one();
    }

    /// Notes that everything was loaded.
    pub(crate) fn note_everything(&self) {
        self.note(&[Change::Everything]);
    }

    pub(super) fn take(&self) -> Concern {
        std::mem::take(&mut *self.waiting())
    }

    /// Puts back what could not be looked at.
    pub(super) fn put_back(&self, concern: Concern) {
        let mut waiting = self.waiting();
        let room = SUBSCRIBERS_MAX.saturating_sub(waiting.subscribers.len());
        waiting.is_everybody |= room < concern.subscribers.len();
        waiting
            .subscribers
            .extend(concern.subscribers.into_iter().take(room));
        waiting.plans.extend(concern.plans);
        waiting.tenants.extend(concern.tenants);
        waiting.row_groups.extend(concern.row_groups);
        waiting.is_everybody |= concern.is_everybody;
    }

    /// Waits until there may be something.
    pub(super) async fn noted(&self) {
        self.wake.notified().await;
    }

    fn waiting(&self) -> MutexGuard<'_, Concern> {
        // Whoever panicked left whole sets behind.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Concern {
    pub(super) fn is_empty(&self) -> bool {
        !self.is_everybody && self.subscribers.is_empty()
    }

    fn note(&mut self, change: &Change) {
        match change {
            Change::Subscriber(id) => self.note_subscriber(*id),
            // A name whose letters are escaped is that of another User-Name.
            Change::RowUser(name) if name.contains('=') => self.is_everybody = true,
            Change::RowUser(name) => self.note_subscriber(id_of(name.as_bytes())),
            Change::Plan(id) => {
                self.plans.insert(*id);
                self.is_everybody = true;
            }
            Change::Tenant(id) => {
                self.tenants.insert(*id);
                self.is_everybody = true;
            }
            Change::RowGroup(name) => {
                if self.row_groups.len() < GROUPS_MAX {
                    self.row_groups.insert((**name).into());
                }
                self.is_everybody = true;
            }
            Change::Nas(_) | Change::RowNas | Change::Everything => self.is_everybody = true,
        }
    }

    fn note_subscriber(&mut self, subscriber: SubscriberId) {
        if self.subscribers.len() < SUBSCRIBERS_MAX {
            self.subscribers.insert(subscriber);
        } else {
            self.is_everybody = true;
        }
    }
}
