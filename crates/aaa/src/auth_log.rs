//! Writes the authentication log in batches, away from the packet path.

use std::sync::Arc;
use std::time::Duration;

use domain::auth_log::{AuthLogEntry, Knock};
use tokio::sync::mpsc;
use tracing::error;

use crate::metrics::{Count, Metrics};
use crate::port::AuthLogStore;

/// Entries that may wait; what comes on top is counted as lost.
pub const QUEUE: usize = 65_536;

/// Entries in one transaction.
const BATCH: usize = 2_048;

/// How long the first entry of a batch waits for others.
const WINDOW: Duration = Duration::from_millis(50);

/// What the workers report.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every item is an entry, and the packet path must not box each"
)]
pub enum Item {
    Entry(AuthLogEntry),
    Knocks(Vec<Knock>),
}

/// Stores what the workers queue, until they are gone and the queue is empty.
#[derive(Debug)]
pub struct LogWriter<L> {
    pub store: Arc<L>,
    pub queue: mpsc::Receiver<Item>,
    pub metrics: Arc<Metrics>,
    /// Entries that are being stored.
    pub in_flight: u64,
}

impl<L: AuthLogStore> LogWriter<L> {
    /// After a panic it may be called again; what was being stored is lost and counted.
    pub async fn run(&mut self) {
        let lost = std::mem::take(&mut self.in_flight);
        self.metrics.add(Count::AuthLogLost, lost);
        let mut items = Vec::with_capacity(BATCH);
        let mut is_failing = false;
        while self.queue.recv_many(&mut items, BATCH).await != 0 {
            // More come while this one waits; they share its transaction.
            if items.len() < BATCH && !self.queue.is_closed() {
                tokio::time::sleep(WINDOW).await;
                let room = BATCH - items.len();
                if !self.queue.is_empty() {
                    self.queue.recv_many(&mut items, room).await;
                }
            }
            self.store_items(&mut items, &mut is_failing).await;
        }
    }

    async fn store_items(&mut self, items: &mut Vec<Item>, is_failing: &mut bool) {
        let mut entries = Vec::with_capacity(items.len());
        let mut knocks = Vec::new();
        for item in items.drain(..) {
            match item {
                Item::Entry(entry) => entries.push(entry),
                Item::Knocks(more) => knocks.extend(more),
            }
        }
        let count = entries.len() as u64;
        self.in_flight = count;
        let stored = self.store.append(&entries, &knocks).await;
        self.in_flight = 0;
        match stored {
            Ok(()) => {
                self.metrics.add(Count::AuthLogWritten, count);
                *is_failing = false;
            }
            Err(problem) => {
                self.metrics.add(Count::AuthLogLost, count);
                if !*is_failing {
                    error!(
                        error = &problem as &dyn std::error::Error,
                        "The authentication log cannot be written"
                    );
                }
                *is_failing = true;
            }
        }
    }
}
