//! Follows the events of all tenants that somebody listens to, in one place.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::event::Topics;
use domain::id::TenantId;
use storage::error::StoreError;
use storage::page::Page;
use storage::store::Store;
use tokio::sync::{Notify, Semaphore};
use tracing::warn;

use super::reader::{Reader, SubscribeError};
use super::ring::{Group, Ring, RingLimits, Told};

/// What is kept of each tenant that somebody listens to.
const LIMITS: RingLimits = RingLimits {
    events: 32_768,
    bytes: 16 << 20,
};

/// Readers at a time.
const READERS_MAX: usize = 8_192;

/// Events that are read at once.
const PAGE: u32 = Page::<i64>::LIMIT_MAX;

/// Pages that are read at a time for those who were away for long.
const PAGES_AT_ONCE: usize = 4;

/// What comes within this time is told together.
const PACE: Duration = Duration::from_millis(10);

/// Wait before the table is tried again.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Where events are told; cheap to clone.
#[derive(Clone, Debug)]
pub struct Hub(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: RingLimits,
    listened: Mutex<Listened>,
    newcomer: Notify,
    pages: Semaphore,
}

/// A group, and the last event that is known.
type Joined = (Arc<Group>, i64);

/// Who listens to what.
#[derive(Debug, Default)]
struct Listened {
    rings: HashMap<TenantId, Ring>,
    readers: usize,
}

impl Default for Hub {
    fn default() -> Self {
        Self::with_limits(LIMITS)
    }
}

impl Hub {
    pub(super) fn with_limits(limits: RingLimits) -> Self {
        Self(Arc::new(Inner {
            limits,
            listened: Mutex::default(),
            newcomer: Notify::new(),
            pages: Semaphore::new(PAGES_AT_ONCE),
        }))
    }

    /// Listens to a tenant from behind the event `since` on, or from now on.
    pub async fn subscribe(
        &self,
        store: &Store,
        tenant: TenantId,
        topics: &Topics,
        since: Option<i64>,
    ) -> Result<Reader, SubscribeError> {
        // It joins before anything is compared, so that nothing falls between.
        let (group, seen) = match self.join(tenant, topics)? {
            Some(joined) => joined,
            None => {
                let span = store.event_span(tenant).await?;
                self.begin(tenant, topics, span.last)?
            }
        };
        let reader = Reader::new(
            self.clone(),
            store.clone(),
            tenant,
            group,
            since.unwrap_or(seen),
        );
        match since {
            Some(since) => reader.checked(since, seen).await,
            None => Ok(reader),
        }
    }

    /// Readers at this moment.
    pub fn reader_count(&self) -> usize {
        self.listened().readers
    }

    /// Follows the table for as long as it is not dropped.
    pub async fn run(&self, store: &Store) {
        let mut is_failing = false;
        loop {
            let Err(problem) = self.follow(store, &mut is_failing).await;
            if !is_failing {
                warn!(
                    error = &problem as &dyn std::error::Error,
                    "Events cannot be read; they are told when they can"
                );
            }
            is_failing = true;
            tokio::time::sleep(STORE_PAUSE).await;
        }
    }

    async fn follow(&self, store: &Store, is_failing: &mut bool) -> Result<Infallible, StoreError> {
        let mut watch = store.event_watch().await?;
        loop {
            self.read(store).await?;
            *is_failing = false;
            tokio::select! {
                watched = watch.next() => watched?,
                () = self.0.newcomer.notified() => {}
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// Reads what is new in the tenants that somebody listens to.
    async fn read(&self, store: &Store) -> Result<(), StoreError> {
        let known: HashMap<TenantId, i64> = {
            let listened = self.listened();
            let rings = listened.rings.iter();
            rings.map(|(tenant, ring)| (*tenant, ring.seen())).collect()
        };
        let tenants: Vec<TenantId> = known.keys().copied().collect();
        for (tenant, end) in store.event_ends(&tenants).await? {
            let Some(mut seen) = known.get(&tenant).copied() else {
                continue;
            };
            if end < seen {
                // The database is another one than before: a backup, or a server that lagged.
                if let Some(ring) = self.listened().rings.remove(&tenant) {
                    ring.end();
                }
                continue;
            }
            while seen < end {
                let page = store.event_told(tenant, &Page::after(seen, PAGE)).await?;
                let page: Vec<Arc<Told>> = page
                    .into_iter()
                    .map(|event| Arc::new(event.into()))
                    .collect();
                let Some(last) = page.last() else {
                    break;
                };
                seen = last.seq;
                if let Some(ring) = self.listened().rings.get_mut(&tenant) {
                    ring.publish(&page);
                }
            }
        }
        Ok(())
    }

    /// A group for a reader and the last event that is known, if the tenant is listened to.
    fn join(&self, tenant: TenantId, topics: &Topics) -> Result<Option<Joined>, SubscribeError> {
        let mut listened = self.listened();
        if READERS_MAX <= listened.readers {
            return Err(SubscribeError::TooMany);
        }
        let Some(ring) = listened.rings.get_mut(&tenant) else {
            return Ok(None);
        };
        let joined = (ring.join(topics), ring.seen());
        listened.readers += 1;
        Ok(Some(joined))
    }

    /// The same for the first reader of a tenant whose last event has this number.
    fn begin(
        &self,
        tenant: TenantId,
        topics: &Topics,
        last: i64,
    ) -> Result<Joined, SubscribeError> {
        let mut listened = self.listened();
        if READERS_MAX <= listened.readers {
            return Err(SubscribeError::TooMany);
        }
        let limits = self.0.limits;
        let ring = listened.rings.entry(tenant);
        let ring = ring.or_insert_with(|| Ring::new(last, limits));
        let joined = (ring.join(topics), ring.seen());
        listened.readers += 1;
        drop(listened);
        self.0.newcomer.notify_one();
        Ok(joined)
    }

    /// A reader goes.
    pub(super) fn leave(&self, tenant: TenantId, group: &Arc<Group>) {
        let mut listened = self.listened();
        listened.readers -= 1;
        if let Some(ring) = listened.rings.get_mut(&tenant)
            && ring.leave(group)
        {
            listened.rings.remove(&tenant);
        }
    }

    /// Held by whoever reads a page of the table.
    pub(super) fn pages(&self) -> &Semaphore {
        &self.0.pages
    }

    fn listened(&self) -> MutexGuard<'_, Listened> {
        // Whoever panicked left whole entries behind.
        self.0
            .listened
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
