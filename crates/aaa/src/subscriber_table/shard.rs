//! Some subscribers whose names fall together, and how others come into their place.

use std::sync::Arc;

use domain::id::{SubscriberId, TenantId};
use domain::subscriber::Subscriber;
use smallvec::SmallVec;

use crate::directory::SubscriberEntry;

/// Subscribers that lie in the shard itself, as nearly always when there are a million.
const INLINE: usize = 24;

/// Subscribers whose names fall together. Never changed once it is in the table.
#[derive(Default)]
pub(super) struct Shard {
    /// Some bits of the hash of each name, to find one without looking at the others.
    tags: SmallVec<[u8; INLINE]>,
    entries: SmallVec<[Arc<SubscriberEntry>; INLINE]>,
}

/// What happens in a shard.
pub(super) struct Edit {
    pub(super) shard: u16,
    pub(super) kind: EditKind,
}

pub(super) enum EditKind {
    /// The subscriber of this id is here no longer.
    Take(SubscriberId),
    Put {
        tag: u8,
        entry: Arc<SubscriberEntry>,
    },
}

impl Edit {
    pub(super) const fn take(shard: u16, id: SubscriberId) -> Self {
        let kind = EditKind::Take(id);
        Self { shard, kind }
    }
}

impl Shard {
    /// What comes into the place of a shard by some edits, or nothing when they change nothing. Of
    /// two that put the same name, the later one has it.
    pub(super) fn edited(
        known: Option<&Self>,
        edits: impl IntoIterator<Item = Edit>,
    ) -> Option<Self> {
        let mut taken = Vec::new();
        let mut new = Self::default();
        for edit in edits {
            match edit.kind {
                EditKind::Take(id) => taken.push(id),
                EditKind::Put { tag, entry } => {
                    if let Some(before) = new.displaced_by(&entry) {
                        new.tags.remove(before);
                        new.entries.remove(before);
                    }
                    new.push(tag, entry);
                }
            }
        }
        if let Some(known) = known {
            if taken.is_empty() && new.entries.iter().all(|entry| known.has_same(entry)) {
                return None;
            }
            new.keep_from(known, &taken);
        }
        Some(new)
    }

    pub(super) fn find(
        &self,
        tag: u8,
        tenant: TenantId,
        username: &str,
    ) -> Option<&Arc<SubscriberEntry>> {
        let mut tagged = self.tags.iter().zip(&self.entries);
        tagged
            .find(|(known, entry)| **known == tag && is_named(entry, tenant, username))
            .map(|(_, entry)| entry)
    }

    pub(super) fn entries(&self) -> &[Arc<SubscriberEntry>] {
        &self.entries
    }

    fn push(&mut self, tag: u8, entry: Arc<SubscriberEntry>) {
        self.tags.push(tag);
        self.entries.push(entry);
    }

    fn displaced_by(&self, entry: &SubscriberEntry) -> Option<usize> {
        let id = entry.subscriber.id;
        let mut entries = self.entries.iter();
        entries.position(|known| known.subscriber.id == id || has_same_name(known, entry))
    }

    fn has_same(&self, entry: &SubscriberEntry) -> bool {
        self.entries.iter().any(|known| {
            known.subscriber == entry.subscriber && Arc::ptr_eq(&known.plan, &entry.plan)
        })
    }

    /// Takes over what stays: who is neither taken nor put anew, and what was remembered of those
    /// who are.
    fn keep_from(&mut self, known: &Self, taken: &[SubscriberId]) {
        let fresh = self.entries.len();
        for (tag, entry) in known.tags.iter().zip(&known.entries) {
            let id = entry.subscriber.id;
            let new = &self.entries[..fresh];
            if let Some(same) = new.iter().find(|one| one.subscriber.id == id) {
                same.remember_from(entry);
            } else if !taken.contains(&id) && !new.iter().any(|one| has_same_name(one, entry)) {
                self.push(*tag, Arc::clone(entry));
            }
        }
    }
}

fn is_named(entry: &SubscriberEntry, tenant: TenantId, username: &str) -> bool {
    entry.subscriber.username.as_str() == username && entry.subscriber.tenant == tenant
}

fn has_same_name(one: &SubscriberEntry, other: &SubscriberEntry) -> bool {
    let Subscriber {
        tenant, username, ..
    } = &other.subscriber;
    is_named(one, *tenant, username.as_str())
}
