//! Subscribers by name, in memory: read without locks, rewritten a few at a time.
//!
//! A name belongs to one of 65,536 shards. A shard never changes: whoever writes puts another one
//! in its place, so a reader sees each subscriber as it was or as it is, and none is missing
//! meanwhile. Finding one touches the shard and the entry and nothing else that is far away: with a
//! million subscribers every further place costs a wait for memory.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::ArcSwapOption;
use domain::id::{SubscriberId, TenantId};
use domain::subscriber::Subscriber;
use foldhash::quality::RandomState;

use crate::directory::SubscriberEntry;
use shard::{Edit, EditKind, Shard};

mod shard;

/// Blocks of shards, and shards in a block. About 15 subscribers share a shard when there are a
/// million.
const BLOCKS: usize = 256;
const BLOCK_SHARDS: usize = 256;

/// All subscribers.
pub(crate) struct SubscriberTable {
    /// Blocks are made when somebody belongs there, so that a small table is small.
    blocks: Box<[OnceLock<Block>]>,
    hasher: RandomState,
    writing: Writing,
}

/// What only whoever writes touches, apart from what every look-up reads.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Writing {
    count: AtomicUsize,
    /// Where each subscriber is. Whoever holds it is the one that writes.
    seats: Mutex<Seats>,
}

type Block = Box<[ArcSwapOption<Shard>]>;

#[derive(Debug, Default)]
struct Seats {
    by_id: HashMap<SubscriberId, Seat, RandomState>,
    /// How many loads have begun.
    load: u32,
}

#[derive(Clone, Copy, Debug)]
struct Seat {
    shard: u16,
    /// The load that saw the subscriber last.
    load: u32,
}

/// The loads before this one: who is not put again is gone when it ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load(u32);

/// Where a name belongs.
#[derive(Clone, Copy, Debug)]
struct Place {
    shard: u16,
    tag: u8,
}

impl SubscriberTable {
    pub(crate) fn new() -> Self {
        Self {
            blocks: (0..BLOCKS).map(|_| OnceLock::new()).collect(),
            hasher: RandomState::default(),
            writing: Writing::default(),
        }
    }

    pub(crate) fn find(&self, tenant: TenantId, username: &str) -> Option<Arc<SubscriberEntry>> {
        let place = self.place(tenant, username);
        let [block, shard] = place.shard.to_be_bytes();
        let block = self.blocks[usize::from(block)].get()?;
        let shard = block[usize::from(shard)].load();
        shard.as_deref()?.find(place.tag, tenant, username).cloned()
    }

    /// Slower than by name, and waits for whoever writes.
    pub(crate) fn find_by_id(&self, id: SubscriberId) -> Option<Arc<SubscriberEntry>> {
        let [block, shard] = self.seats().by_id.get(&id)?.shard.to_be_bytes();
        let block = self.blocks[usize::from(block)].get()?;
        let shard = block[usize::from(shard)].load();
        let mut entries = shard.as_deref()?.entries().iter();
        entries.find(|entry| entry.subscriber.id == id).cloned()
    }

    pub(crate) fn len(&self) -> usize {
        self.writing.count.load(Relaxed)
    }

    /// Visits every subscriber once, in no order, until a visit fails. What changes meanwhile may be
    /// visited as it was.
    pub(crate) fn try_for_each<E>(
        &self,
        mut visit: impl FnMut(&Subscriber) -> Result<(), E>,
    ) -> Result<(), E> {
        for shard in self.blocks.iter().filter_map(OnceLock::get).flatten() {
            // Taken and not only borrowed: a visit may take long.
            let shard = shard.load_full();
            let entries = shard.iter().flat_map(|shard| shard.entries());
            entries
                .map(|entry| &entry.subscriber)
                .try_for_each(&mut visit)?;
        }
        Ok(())
    }

    /// Adds subscribers or puts them in the place of those of the same id or the same name.
    pub(crate) fn put(&self, entries: impl IntoIterator<Item = Arc<SubscriberEntry>>) {
        let mut seats = self.seats();
        let mut edits = Vec::new();
        for entry in entries {
            let Subscriber {
                id,
                tenant,
                ref username,
                ..
            } = entry.subscriber;
            let Place { shard, tag } = self.place(tenant, username.as_str());
            let load = seats.load;
            let left = seats.by_id.insert(id, Seat { shard, load });
            if let Some(left) = left.filter(|left| left.shard != shard) {
                edits.push(Edit::take(left.shard, id));
            }
            edits.push(Edit {
                shard,
                kind: EditKind::Put { tag, entry },
            });
        }
        self.rewrite(edits);
    }

    /// Forgets subscribers; unknown ones are nothing to forget.
    pub(crate) fn take(&self, ids: impl IntoIterator<Item = SubscriberId>) {
        let mut seats = self.seats();
        let edits = ids.into_iter().filter_map(|id| {
            let seat = seats.by_id.remove(&id)?;
            Some(Edit::take(seat.shard, id))
        });
        let edits = edits.collect();
        self.rewrite(edits);
    }

    /// Everybody is going to be put again.
    pub(crate) fn begin_load(&self) -> Load {
        let mut seats = self.seats();
        seats.load = seats.load.wrapping_add(1);
        Load(seats.load)
    }

    /// Forgets those who were not put since the load began.
    pub(crate) fn finish_load(&self, load: Load) {
        let mut seats = self.seats();
        let mut edits = Vec::new();
        seats.by_id.retain(|id, seat| {
            let is_kept = seat.load == load.0;
            if !is_kept {
                edits.push(Edit::take(seat.shard, *id));
            }
            is_kept
        });
        self.rewrite(edits);
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.writing
            .seats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, tenant: TenantId, username: &str) -> Place {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(tenant.as_bytes());
        hasher.write(username.as_bytes());
        let [high, low, tag, ..] = hasher.finish().to_be_bytes();
        Place {
            shard: u16::from_be_bytes([high, low]),
            tag,
        }
    }

    /// Only for whoever holds the seats.
    fn rewrite(&self, mut edits: Vec<Edit>) {
        // Stable: what comes later in a shard stays later.
        edits.sort_by_cached_key(|edit| edit.shard);
        let mut edits = edits.into_iter().peekable();
        while let Some(shard) = edits.peek().map(|edit| edit.shard) {
            let here = std::iter::from_fn(|| edits.next_if(|edit| edit.shard == shard));
            let [block, shard] = shard.to_be_bytes();
            let block = self.blocks[usize::from(block)].get_or_init(empty_block);
            self.rewrite_shard(&block[usize::from(shard)], here);
        }
    }

    fn rewrite_shard(&self, place: &ArcSwapOption<Shard>, edits: impl IntoIterator<Item = Edit>) {
        let known = place.load();
        let known = known.as_deref();
        if let Some(new) = Shard::edited(known, edits) {
            let before = known.map_or(0, |known| known.entries().len());
            let change = new.entries().len().wrapping_sub(before);
            self.writing.count.fetch_add(change, Relaxed);
            let is_empty = new.entries().is_empty();
            place.store((!is_empty).then(|| Arc::new(new)));
        }
    }
}

fn empty_block() -> Block {
    (0..BLOCK_SHARDS).map(|_| ArcSwapOption::empty()).collect()
}
