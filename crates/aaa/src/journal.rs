//! Group commit: many accounting records in one transaction, each acknowledged after it.

use std::sync::Arc;
use std::time::Duration;

use domain::accounting::AccountingRecord;
use tokio::sync::mpsc;
use tracing::{error, info};

use crate::duplicate::Ticket;
use crate::inbox::{Completion, Outlet};
use crate::port::{AccountingStore, PortError, Spool};
use crate::spooling::Spooling;

/// Records that may wait; what comes on top is dropped, and the NAS sends it again.
pub const QUEUE: usize = 8_192;

/// Records in one transaction.
pub const BATCH: usize = 1_024;

/// How long the first record of a batch waits for others.
pub const WINDOW: Duration = Duration::from_millis(2);

/// A record and who waits for it.
#[derive(Debug)]
pub struct Entry {
    pub record: AccountingRecord,
    pub ticket: Ticket,
    /// Index of the worker.
    pub worker: usize,
}

/// Commits what the workers queue, until they are gone and the queue is empty.
#[derive(Debug)]
pub struct Journal<A, S> {
    pub store: Arc<Spooling<A, S>>,
    pub queue: mpsc::Receiver<Entry>,
    pub outlets: Vec<Outlet>,
}

impl<A: AccountingStore, S: Spool> Journal<A, S> {
    pub async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut records = Vec::with_capacity(BATCH);
        let mut tickets = Vec::with_capacity(BATCH);
        let mut is_failing = false;
        while self.gather(&mut batch).await {
            for entry in batch.drain(..) {
                records.push(entry.record);
                tickets.push((entry.worker, entry.ticket));
            }
            let result = self.commit(&records, &tickets).await;
            self.report(result, &mut is_failing);
            records.clear();
            tickets.clear();
        }
    }

    /// Stores a batch and says so to who waits. When it cannot be stored whole, it is tried in
    /// parts, in order: a record that the store does not take must not keep out those that happen
    /// to come with it. When two records in a row are refused, the store is at fault.
    async fn commit(
        &self,
        records: &[AccountingRecord],
        tickets: &[(usize, Ticket)],
    ) -> Result<(), PortError> {
        let Err(problem) = self.commit_part(records, tickets).await else {
            return Ok(());
        };
        if records.len() == 1 {
            self.complete(tickets, Completion::NotStored);
            return Err(problem);
        }
        let mut result = Ok(());
        let mut is_last_refused = false;
        let (mut from, mut size) = (0, 1);
        while from < records.len() {
            let part = from..records.len().min(from + size);
            let problem = match self
                .commit_part(&records[part.clone()], &tickets[part.clone()])
                .await
            {
                Ok(()) => {
                    (from, size) = (part.end, 2 * size);
                    is_last_refused = false;
                    continue;
                }
                Err(problem) => problem,
            };
            if 1 < part.len() {
                size = part.len() / 2;
                continue;
            }
            result = Err(problem);
            if is_last_refused {
                break;
            }
            self.complete(&tickets[part], Completion::NotStored);
            is_last_refused = true;
            from += 1;
        }
        self.complete(&tickets[from..], Completion::NotStored);
        result
    }

    async fn commit_part(
        &self,
        records: &[AccountingRecord],
        tickets: &[(usize, Ticket)],
    ) -> Result<(), PortError> {
        self.store.commit(records).await?;
        self.complete(tickets, Completion::Stored);
        Ok(())
    }

    /// Waits for records and takes a batch of them; `false` when there will be no more.
    async fn gather(&mut self, batch: &mut Vec<Entry>) -> bool {
        if self.queue.recv_many(batch, BATCH).await == 0 {
            return false;
        }
        let window = tokio::time::sleep(WINDOW);
        tokio::pin!(window);
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            tokio::select! {
                biased;
                received = self.queue.recv_many(batch, room) => if received == 0 { break },
                () = &mut window => break,
            }
        }
        true
    }

    fn report(&self, result: Result<(), PortError>, is_failing: &mut bool) {
        match result {
            Ok(()) => {
                if *is_failing {
                    info!("Accounting is stored again");
                }
                *is_failing = false;
            }
            Err(problem) => {
                if !*is_failing {
                    error!(
                        error = &problem as &dyn std::error::Error,
                        "Accounting cannot be stored and is not acknowledged; routers will repeat it"
                    );
                }
                *is_failing = true;
            }
        }
    }

    fn complete(&self, tickets: &[(usize, Ticket)], completion: fn(Ticket) -> Completion) {
        for (index, outlet) in self.outlets.iter().enumerate() {
            let theirs = tickets.iter().filter(|(worker, _)| *worker == index);
            let mut completions = theirs.map(|(_, ticket)| completion(*ticket)).peekable();
            if completions.peek().is_some() {
                outlet.send(completions);
            }
        }
    }
}
