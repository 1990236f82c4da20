//! Keeps the table of limits current: loads it, answers what the packet path asks, stores first
//! uses, and looks what other nodes have counted.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use domain::id::SubscriberId;
use domain::limit::LimitNews;
use domain::time::Timestamp;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{error, info};

use super::LimitTable;
use crate::directory::Directory;
use crate::metrics::{Count, Metrics};
use crate::port::{LimitRow, LimitStore, PortError};

/// How often it looks what other nodes have stored.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How much of what was seen is looked at again: a transaction may become visible late, and the
/// clocks of nodes may differ by less than this.
const OVERLAP: Duration = Duration::from_secs(10);

/// Facts read at a time.
const PAGE: u32 = 20_000;

/// Entries of subscribers who are gone that may lie about.
const GONE_MAX: usize = 1_024;

/// Wait before the database is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Follows what is stored, and never ends. After a panic it may be run again.
pub(crate) struct LimitKeeper<Q> {
    store: Arc<Q>,
    table: Arc<LimitTable>,
    directory: Arc<Directory>,
    metrics: Arc<Metrics>,
    /// When the latest fact was stored that was seen; absent until everything was loaded.
    seen: Option<Timestamp>,
    /// When there was news last.
    seen_new_at: Instant,
    /// First uses that are not stored yet.
    first_uses: Vec<(SubscriberId, Timestamp)>,
    look_at: Instant,
    is_failing: bool,
}

impl<Q: LimitStore> LimitKeeper<Q> {
    pub(crate) fn new(
        store: Arc<Q>,
        table: Arc<LimitTable>,
        directory: Arc<Directory>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            store,
            table,
            directory,
            metrics,
            seen: None,
            seen_new_at: Instant::now(),
            first_uses: Vec::new(),
            look_at: Instant::now(),
            is_failing: false,
        }
    }

    /// Loads everything that is stored.
    pub(crate) async fn load(&mut self) -> Result<(), PortError> {
        let mut seen = Timestamp::default();
        let mut after: Option<LimitNews> = None;
        loop {
            let page = self.store.limit_page(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.news);
            seen = self.learn(&page).unwrap_or(seen).max(seen);
        }
        self.seen = Some(seen);
        self.look_at = Instant::now() + LOOK_EVERY;
        Ok(())
    }

    pub(crate) async fn run(&mut self) {
        loop {
            match self.keep_once().await {
                Ok(()) => {
                    if self.is_failing {
                        info!("The usage that counts for limits is followed again");
                    }
                    self.is_failing = false;
                }
                Err(problem) => {
                    self.metrics.count(Count::LimitFailure);
                    if !self.is_failing {
                        error!(
                            error = &problem as &dyn std::error::Error,
                            "The usage that counts for limits cannot be followed; limits go by what is known"
                        );
                    }
                    self.is_failing = true;
                    sleep(RETRY).await;
                }
            }
        }
    }

    async fn keep_once(&mut self) -> Result<(), PortError> {
        if self.seen.is_none() {
            self.load().await?;
        }
        if self.first_uses.is_empty() {
            tokio::select! {
                () = self.table.wishes.filled.notified() => {}
                () = sleep_until(self.look_at) => {}
            }
        }
        self.grant_wishes().await?;
        if self.look_at <= Instant::now() {
            self.look_at = Instant::now() + LOOK_EVERY;
            self.look().await?;
            self.forget_gone();
        }
        Ok(())
    }

    async fn grant_wishes(&mut self) -> Result<(), PortError> {
        // While first uses cannot be stored, no more of them are taken.
        if self.first_uses.is_empty() {
            let waiting = self.table.wishes.take();
            self.first_uses.extend(waiting.first_uses);
            if !waiting.questions.is_empty() {
                let news = self.store.limit_sums(&waiting.questions).await?;
                self.table.learn(&news);
            }
        }
        if !self.first_uses.is_empty() {
            self.store.limit_note_first_use(&self.first_uses).await?;
            self.first_uses.clear();
        }
        Ok(())
    }

    /// Looks at what was stored since the last look.
    async fn look(&mut self) -> Result<(), PortError> {
        let seen = self.seen.unwrap_or_default();
        let mut from = if self.seen_new_at.elapsed() < OVERLAP {
            seen.plus_seconds(-OVERLAP.as_secs().cast_signed())
        } else {
            // After a silence there is nothing to look at again.
            Timestamp::from_micros(seen.as_micros().saturating_add(1))
        };
        loop {
            let rows = self.store.limit_since(from, PAGE).await?;
            let Some(latest) = self.learn(&rows) else {
                return Ok(());
            };
            if self.seen < Some(latest) {
                self.seen = Some(latest);
                self.seen_new_at = Instant::now();
            }
            if rows.len() < PAGE as usize || latest <= from {
                return Ok(());
            }
            from = latest;
        }
    }

    /// Takes rows over; says when the latest was stored.
    fn learn(&self, rows: &[LimitRow]) -> Option<Timestamp> {
        let news: Vec<_> = rows.iter().map(|row| row.news).collect();
        self.table.learn(&news);
        rows.iter().map(|row| row.updated_at).max()
    }

    /// Forgets subscribers who are gone, when there are many of them.
    fn forget_gone(&self) {
        let rows = self.directory.rows();
        let known_count = self.directory.subscriber_count() + rows.user_count();
        if self.table.len() <= known_count + GONE_MAX {
            return;
        }
        let mut known = HashSet::new();
        let Ok(()) = self.directory.try_for_each_subscriber(|subscriber| {
            known.insert(subscriber.id);
            Ok::<_, Infallible>(())
        });
        rows.for_each_id(|id| {
            known.insert(id);
        });
        self.table.keep(|subscriber| known.contains(&subscriber));
    }
}
