//! Stores what happens beside the packet path: it waits in a bounded queue, and a writer takes all of
//! it at once.
//!
//! Under load the writer rests for many times the time that it wrote, so that accounting has the
//! database. What does not fit into the queue is counted, and an event tells how much is missing.

use std::collections::HashMap;
use std::mem::take;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::id::TenantId;
use storage::deed::NewEvent;
use storage::error::StoreError;
use storage::store::Store;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

use super::fold::Folds;
use super::news::News;

/// News that may wait.
const WAITING_MAX: usize = 65_536;

/// How long the first news wait for others.
const WINDOW: Duration = Duration::from_millis(50);

/// Events in one transaction: few, because accounting waits for the same writer.
const BATCH: usize = 1_024;

/// More than so many at once is load, and the writer rests for so many times the time that it wrote:
/// a twentieth of the database is its share.
const LOAD: usize = 256;
const REST: u32 = 19;

/// Wait before a store that is away is tried again; doubled each time up to the most.
const RETRY: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(4);

/// Where news are handed in; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Teller(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    has_news: Notify,
    stored: AtomicU64,
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    news: Vec<News>,
    /// What had no room.
    lost: HashMap<TenantId, u64>,
}

/// Stores what is handed in.
#[derive(Debug)]
pub struct TellingWriter {
    teller: Teller,
    folds: Folds,
    /// What is being written, which a panic leaves here.
    writing: Vec<(TenantId, NewEvent)>,
    is_failing: bool,
}

impl Teller {
    /// Hands news in. It never waits; what has no room is counted.
    pub fn tell(&self, news: impl IntoIterator<Item = News>) {
        let mut waiting = self.waiting();
        let was_empty = waiting.is_empty();
        for one in news {
            if waiting.news.len() < WAITING_MAX {
                waiting.news.push(one);
            } else {
                waiting.lose(one.tenant(), 1);
                self.0.lost.fetch_add(1, Relaxed);
            }
        }
        let has_news = !waiting.is_empty();
        drop(waiting);
        if was_empty && has_news {
            self.0.has_news.notify_one();
        }
    }

    /// Events that were stored.
    pub fn stored(&self) -> u64 {
        self.0.stored.load(Relaxed)
    }

    /// Events that were not.
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Relaxed)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Whoever panicked left whole entries behind.
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.news.is_empty() && self.lost.is_empty()
    }

    fn lose(&mut self, tenant: TenantId, count: u64) {
        *self.lost.entry(tenant).or_default() += count;
    }
}

impl TellingWriter {
    pub fn new(teller: &Teller) -> Self {
        Self {
            teller: teller.clone(),
            folds: Folds::default(),
            writing: Vec::new(),
            is_failing: false,
        }
    }

    /// Stores what comes for as long as it is not dropped. After a panic it may be called again.
    pub async fn run(&mut self, store: &Store) {
        loop {
            self.write_on(store).await;
            self.wait().await;
            sleep(WINDOW).await;
            self.take(Instant::now());
            let count = self.writing.len();
            let start = Instant::now();
            self.write_on(store).await;
            if LOAD < count {
                sleep(start.elapsed() * REST).await;
            }
        }
    }

    /// Stores what waits now, and what is still folded together. What cannot be stored is lost.
    pub async fn finish(&mut self, store: &Store) -> Result<(), StoreError> {
        self.take(Instant::now());
        let folded = self.folds.drain();
        self.writing.extend(folded.iter().map(event));
        let writing = take(&mut self.writing);
        for batch in writing.chunks(BATCH) {
            store.event_append(batch).await?;
        }
        Ok(())
    }

    /// Waits until there is something to store.
    async fn wait(&self) {
        let has_news = self.teller.0.has_news.notified();
        if !self.teller.waiting().is_empty() {
            return;
        }
        match self.folds.due() {
            Some(due) => tokio::select! {
                () = has_news => {}
                () = sleep_until(due) => {}
            },
            None => has_news.await,
        }
    }

    /// Takes what waits, and what was folded together for long enough.
    fn take(&mut self, now: Instant) {
        let waiting = take(&mut *self.teller.waiting());
        #[expect(
            clippy::iter_over_hash_type,
            reason = "each is served by itself, in any order"
        )]
        for (tenant, count) in waiting.lost {
            let lost = News::Lost { tenant, count };
            self.writing.push(event(&lost));
        }
        for news in waiting.news {
            if let Some(news) = self.folds.admit(news, now) {
                self.writing.push(event(&news));
            }
        }
        let folded = self.folds.poll(now);
        self.writing.extend(folded.iter().map(event));
    }

    /// Stores what is being written, however long the store is away.
    async fn write_on(&mut self, store: &Store) {
        let mut wait = RETRY;
        while !self.writing.is_empty() {
            let len = self.writing.len().min(BATCH);
            match store.event_append(&self.writing[..len]).await {
                Ok(()) => {
                    if take(&mut self.is_failing) {
                        info!("Events are stored again");
                    }
                    self.teller.0.stored.fetch_add(len as u64, Relaxed);
                    self.writing.drain(..len);
                    wait = RETRY;
                }
                Err(problem) if problem.is_outage() => {
                    self.tell_failure(&problem);
                    sleep(wait).await;
                    wait = RETRY_MAX.min(2 * wait);
                }
                Err(problem) => {
                    self.tell_failure(&problem);
                    self.give_up(len);
                }
            }
        }
    }

    /// What the store refuses would keep out everything behind it.
    fn give_up(&mut self, len: usize) {
        let mut waiting = self.teller.waiting();
        for (tenant, _) in self.writing.drain(..len) {
            waiting.lose(tenant, 1);
        }
        self.teller.0.lost.fetch_add(len as u64, Relaxed);
    }

    fn tell_failure(&mut self, problem: &StoreError) {
        if !self.is_failing {
            warn!(
                error = problem as &dyn std::error::Error,
                "Events cannot be stored"
            );
        }
        self.is_failing = true;
    }
}

fn event(news: &News) -> (TenantId, NewEvent) {
    (news.tenant(), news.event())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: TenantId = TenantId::DEFAULT;

    #[test]
    fn what_has_no_room_is_counted_and_told() {
        let teller = Teller::default();
        let mut writer = TellingWriter::new(&teller);
        let one = News::Lost {
            tenant: TENANT,
            count: 1,
        };
        teller.tell(std::iter::repeat_n(one, WAITING_MAX + 3));
        assert_eq!(teller.lost(), 3);
        writer.take(Instant::now());
        assert_eq!(writer.writing.len(), WAITING_MAX + 1);
        assert_eq!(writer.writing[0].1.data["count"], 3);
        assert!(teller.waiting().is_empty());
    }

    #[tokio::test]
    async fn the_writer_wakes_for_what_came_before_it_waited() {
        let teller = Teller::default();
        let writer = TellingWriter::new(&teller);
        let lost = News::Lost {
            tenant: TENANT,
            count: 1,
        };
        teller.tell([lost]);
        writer.wait().await;
    }
}
