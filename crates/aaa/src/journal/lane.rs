//! One lane: what it has to commit, and the commit that is under way.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use domain::accounting::AccountingRecord;
use tokio::time::Instant;
use tracing::{error, info};

use super::{BATCH, Entry};
use crate::duplicate::Ticket;
use crate::inbox::{Completion, Outlet};
use crate::port::{AccountingStore, PortError, Spool};
use crate::spooling::Spooling;

/// How long after a commit the next one waits for as much to do: half of what the last one took,
/// within limits. Whoever was just answered asks again, and a commit for the first of them would
/// make all others wait for the one after it.
const HOLD_MIN: Duration = Duration::from_millis(1);
const HOLD_MAX: Duration = Duration::from_millis(5);

pub(super) struct Lane<A, S> {
    index: usize,
    store: Arc<Spooling<A, S>>,
    outlets: Arc<[Outlet]>,
    pending: Work,
    commit: Option<Pin<Box<dyn Future<Output = Done> + Send>>>,
    /// Of the last commit, used again.
    spare: Work,
    /// How many records the last two commits had; a small one may have come too early.
    last_len: [usize; 2],
    begun: Instant,
    /// Until when the next commit waits.
    hold_until: Instant,
    is_failing: bool,
}

/// Records, and who waits for each.
#[derive(Debug, Default)]
struct Work {
    records: Vec<AccountingRecord>,
    tickets: Vec<(usize, Ticket)>,
}

/// A commit that has come to its end.
struct Done {
    work: Work,
    result: Result<(), PortError>,
}

impl<A, S> fmt::Debug for Lane<A, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Lane")
            .field("index", &self.index)
            .field("pending", &self.pending.records.len())
            .finish_non_exhaustive()
    }
}

impl<A: AccountingStore, S: Spool> Lane<A, S> {
    pub(super) fn new(index: usize, store: Arc<Spooling<A, S>>, outlets: Arc<[Outlet]>) -> Self {
        Self {
            index,
            store,
            outlets,
            pending: Work::default(),
            commit: None,
            spare: Work::default(),
            last_len: [0; 2],
            begun: Instant::now(),
            hold_until: Instant::now(),
            is_failing: false,
        }
    }

    pub(super) fn extend(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            self.pending.records.push(entry.record);
            self.pending.tickets.push((entry.worker, entry.ticket));
        }
    }

    /// Begins to commit what is pending, if anything is and nothing is under way. When it would
    /// rather wait for more, it says until when.
    pub(super) fn begin(&mut self, now: Instant, is_urgent: bool) -> Option<Instant> {
        let count = self.pending.records.len();
        if count == 0 || self.is_committing() {
            return None;
        }
        let [before, last] = self.last_len;
        let is_enough = before.max(last) * 3 / 4 <= count;
        if now < self.hold_until && !is_enough && !is_urgent {
            return Some(self.hold_until);
        }
        let work = std::mem::replace(&mut self.pending, std::mem::take(&mut self.spare));
        self.last_len = [last, count];
        self.begun = now;
        let store = Arc::clone(&self.store);
        let outlets = Arc::clone(&self.outlets);
        self.commit = Some(Box::pin(commit(store, self.index, outlets, work)));
        None
    }

    /// Goes on with the commit that is under way; says whether it has just come to its end.
    pub(super) fn poll_done(&mut self, context: &mut Context<'_>) -> bool {
        let Some(commit) = &mut self.commit else {
            return false;
        };
        let Poll::Ready(Done { mut work, result }) = commit.as_mut().poll(context) else {
            return false;
        };
        self.commit = None;
        let done = Instant::now();
        self.hold_until = done + ((done - self.begun) / 2).clamp(HOLD_MIN, HOLD_MAX);
        self.report(result);
        work.records.clear();
        work.tickets.clear();
        self.spare = work;
        true
    }

    /// Whether it has as much as one commit takes.
    pub(super) const fn is_full(&self) -> bool {
        BATCH <= self.pending.records.len()
    }

    pub(super) const fn is_committing(&self) -> bool {
        self.commit.is_some()
    }

    /// Whether it has nothing to do.
    pub(super) const fn is_idle(&self) -> bool {
        self.pending.records.is_empty() && self.commit.is_none()
    }

    fn report(&mut self, result: Result<(), PortError>) {
        match result {
            Ok(()) => {
                if self.is_failing {
                    info!("Accounting is stored again");
                }
                self.is_failing = false;
            }
            Err(problem) => {
                if !self.is_failing {
                    error!(
                        error = &problem as &dyn std::error::Error,
                        "Accounting cannot be stored and is not acknowledged; routers will repeat it"
                    );
                }
                self.is_failing = true;
            }
        }
    }
}

/// Stores records and says so to who waits. When they cannot be stored whole, they are tried in
/// parts, in order: a record that the store does not take must not keep out those that happen to
/// come with it. When two records in a row are refused, the store is at fault.
async fn commit<A: AccountingStore, S: Spool>(
    store: Arc<Spooling<A, S>>,
    lane: usize,
    outlets: Arc<[Outlet]>,
    work: Work,
) -> Done {
    let Work { records, tickets } = &work;
    let complete = |part: &[(usize, Ticket)], completion: fn(Ticket) -> Completion| {
        complete(&outlets, part, completion);
    };
    let Err(problem) = store.commit(lane, records).await else {
        complete(tickets, Completion::Stored);
        return Done {
            work,
            result: Ok(()),
        };
    };
    if records.len() == 1 {
        complete(tickets, Completion::NotStored);
        return Done {
            work,
            result: Err(problem),
        };
    }
    let mut result = Ok(());
    let mut is_last_refused = false;
    let (mut from, mut size) = (0, 1);
    while from < records.len() {
        let part = from..records.len().min(from + size);
        let problem = match store.commit(lane, &records[part.clone()]).await {
            Ok(()) => {
                complete(&tickets[part.clone()], Completion::Stored);
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
        complete(&tickets[part], Completion::NotStored);
        is_last_refused = true;
        from += 1;
    }
    complete(&tickets[from..], Completion::NotStored);
    Done { work, result }
}

fn complete(outlets: &[Outlet], tickets: &[(usize, Ticket)], completion: fn(Ticket) -> Completion) {
    for (index, outlet) in outlets.iter().enumerate() {
        let theirs = tickets.iter().filter(|(worker, _)| *worker == index);
        let mut completions = theirs.map(|(_, ticket)| completion(*ticket)).peekable();
        if completions.peek().is_some() {
            outlet.send(completions);
        }
    }
}
