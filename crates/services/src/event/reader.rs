//! One listener: where it is, and what comes next for it.

use std::sync::Arc;

use domain::id::TenantId;
use storage::error::StoreError;
use storage::page::Page;
use storage::store::Store;
use tokio::sync::watch;

use super::hub::Hub;
use super::ring::{Group, Taken, Told};

/// Events that are given at once.
const BATCH: usize = 64;

/// Events that are looked at at once in the table.
const PAGE: u32 = 500;

/// Listens to the events of a tenant, each once and in order.
#[derive(Debug)]
pub struct Reader {
    hub: Hub,
    store: Store,
    tenant: TenantId,
    group: Arc<Group>,
    news: watch::Receiver<i64>,
    position: i64,
    /// It has caught up once: from then on it may not fall behind.
    is_live: bool,
}

/// Why nobody listens.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    #[error("too many listen already: try again later")]
    TooMany,
    #[error(
        "the events behind {since} are not kept any more: the first one that is kept has the number {first}"
    )]
    Gone { since: i64, first: i64 },
    #[error("there is no event {since} yet: the last one has the number {last}")]
    Ahead { since: i64, last: i64 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why nothing more comes.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is slower than what happens. What it has not seen is in the table.
    #[error("the reader is too slow: go on behind event {position}")]
    TooSlow { position: i64 },
    #[error(
        "the events behind {position} are not kept any more: the first one that is kept has the number {first}"
    )]
    Gone { position: i64, first: i64 },
    #[error("the events began anew: listen again without a position")]
    Ended,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Reader {
    pub(super) fn new(
        hub: Hub,
        store: Store,
        tenant: TenantId,
        group: Arc<Group>,
        position: i64,
    ) -> Self {
        Self {
            hub,
            store,
            tenant,
            news: group.news(),
            group,
            position,
            is_live: false,
        }
    }

    /// Itself, if what is behind `since` is there to be told.
    pub(super) async fn checked(self, since: i64, seen: i64) -> Result<Self, SubscribeError> {
        if since <= seen && self.group.take(since, 1) != Taken::Behind {
            return Ok(self);
        }
        let span = self.store.event_span(self.tenant).await?;
        if span.last < since {
            let last = span.last;
            return Err(SubscribeError::Ahead { since, last });
        }
        if since + 1 < span.first {
            let first = span.first;
            return Err(SubscribeError::Gone { since, first });
        }
        Ok(self)
    }

    /// Waits for the next events. It may be dropped while it waits without losing any.
    pub async fn next(&mut self) -> Result<Vec<Arc<Told>>, ReadError> {
        loop {
            // Marked before the look, so that nothing falls between.
            self.news.mark_unchanged();
            match self.group.take(self.position, BATCH) {
                Taken::Events(events) => {
                    self.is_live = true;
                    self.pass(&events);
                    return Ok(events);
                }
                Taken::Nothing(seen) => {
                    self.is_live = true;
                    self.position = seen;
                    if self.news.changed().await.is_err() {
                        return Err(ReadError::Ended);
                    }
                }
                Taken::Behind if self.is_live => {
                    let position = self.position;
                    return Err(ReadError::TooSlow { position });
                }
                Taken::Behind => {
                    let events = self.page().await?;
                    if !events.is_empty() {
                        return Ok(events);
                    }
                }
                Taken::Ended => return Err(ReadError::Ended),
            }
        }
    }

    /// The last event that was given, or that is known not to be wanted.
    pub fn position(&mut self) -> i64 {
        if let Taken::Nothing(seen) = self.group.take(self.position, 1) {
            self.position = seen;
        }
        self.position
    }

    /// What is wanted of the next page of the table.
    async fn page(&mut self) -> Result<Vec<Arc<Told>>, ReadError> {
        // Closed never.
        let _turn = self.hub.pages().acquire().await;
        let page = Page::after(self.position, PAGE);
        let page = self.store.event_told(self.tenant, &page).await?;
        if page
            .first()
            .is_none_or(|first| first.seq != self.position + 1)
        {
            let span = self.store.event_span(self.tenant).await?;
            if self.position + 1 < span.first {
                return Err(ReadError::Gone {
                    position: self.position,
                    first: span.first,
                });
            }
        }
        let last = page.last().map(|event| event.seq);
        let topics = self.group.topics();
        let wanted = page.into_iter().filter(|event| topics.matches(&event.kind));
        let wanted = wanted.map(|event| Arc::new(Told::from(event))).collect();
        match last {
            Some(last) => self.position = last,
            // What is missing in between was never there.
            None => self.position += 1,
        }
        Ok(wanted)
    }

    fn pass(&mut self, events: &[Arc<Told>]) {
        if let Some(last) = events.last() {
            self.position = last.seq;
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.hub.leave(self.tenant, &self.group);
    }
}
