//! Writes the authentication log, away from the packet path and beside it.
//!
//! What was decided waits at the workers until the writer asks for it. While there is little, it
//! asks a moment after the first decision, and each has a row of its own. When there is much, it
//! takes its time, so that answers come first, and the workers count alike decisions together.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use domain::auth_log::{AuthLogEntry, Knock};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{error, info};

use crate::auth_log::fold::SINGLE_MAX;
use crate::auth_log::handover::{Handed, Intake, News};
use crate::inbox::Outlet;
use crate::metrics::{Count, Metrics};
use crate::port::{AuthLogStore, PortError};

pub mod fold;
pub mod handover;

/// Entries in one transaction: few, because accounting waits for the same writer.
const BATCH: usize = 1_024;

/// How long the first decision waits for others.
const WINDOW: Duration = Duration::from_millis(50);

/// How long the writer waits for the workers that it asked; what comes later comes with the next.
const ANSWER_PATIENCE: Duration = Duration::from_millis(100);

/// Under load the writer rests for so many times the time that it wrote: a tenth of one processor
/// is its share, and a fifth when the workers have hardly any room left.
const REST: usize = 9;
const REST_WHEN_FULL: usize = 4;

/// Wait before a store that is away is tried again; doubled each time up to the most.
const RETRY: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// How long the last entries are tried after the workers have ended.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Stores what the workers decide, until they are gone and everything is written.
#[derive(Debug)]
pub struct LogWriter<L> {
    store: Arc<L>,
    intake: Intake,
    outlets: Vec<Outlet>,
    metrics: Arc<Metrics>,
    /// What is being written, which a panic leaves here.
    writing: Option<Arc<Vec<Handed>>>,
    progress: Progress,
    /// Unknown senders that are being written.
    knocks_in_flight: u64,
    /// What came while something was written.
    late: Vec<Handed>,
    /// The workers have ended, and so long the store has.
    ends_at: Option<Instant>,
    is_failing: bool,
}

/// How far the entries that are being written are, in their order.
#[derive(Clone, Copy, Debug)]
struct Progress {
    /// So many are stored or lost.
    done: usize,
    /// So many are tried together.
    size: usize,
    /// So many are being tried at this moment.
    in_flight: usize,
    /// One that was tried alone was refused, and nothing was stored since.
    is_suspect: bool,
}

/// The store had its time after the end of the workers.
#[derive(Debug)]
struct TimeIsUp;

impl Progress {
    const BEGIN: Self = Self {
        done: 0,
        size: BATCH,
        in_flight: 0,
        is_suspect: false,
    };

    /// A batch is stored.
    fn pass(&mut self, len: usize) {
        self.done += len;
        self.size = BATCH.min(2 * self.size);
        self.is_suspect = false;
    }

    /// Whether a refusal of so many may not be about them: one entry that the store refuses must not
    /// keep out the others, but after a second one in a row the store gets time to be mended.
    const fn blames_store(&self, len: usize) -> bool {
        len == 1 && self.is_suspect
    }
}

impl<L: AuthLogStore> LogWriter<L> {
    /// A writer for the workers of `intake`, whose outlets are in the same order.
    pub fn new(store: Arc<L>, intake: Intake, outlets: Vec<Outlet>, metrics: Arc<Metrics>) -> Self {
        Self {
            store,
            intake,
            outlets,
            metrics,
            writing: None,
            progress: Progress::BEGIN,
            knocks_in_flight: 0,
            late: Vec::new(),
            ends_at: None,
            is_failing: false,
        }
    }

    /// Returns when the workers have ended. After a panic it may be called again, and goes on with
    /// what was being written.
    pub async fn run(&mut self) {
        let lost = std::mem::take(&mut self.knocks_in_flight);
        self.metrics.add(Count::KnockLost, lost);
        self.write_on().await;
        loop {
            let mut handed = std::mem::take(&mut self.late);
            if handed.is_empty() {
                match self.intake.next().await {
                    News::Waiting => handed = self.collect().await,
                    News::Fold(first) => handed.push(first),
                    News::Knocks(knocks) => self.write_knocks(&knocks).await,
                    News::End => break,
                }
            }
            self.write_folds(handed).await;
        }
        while let Some(knocks) = self.intake.find_knocks() {
            self.write_knocks(&knocks).await;
        }
    }

    /// Lets the first decision wait for others and takes what there is.
    async fn collect(&mut self) -> Vec<Handed> {
        sleep(WINDOW).await;
        let asked = self.intake.ask(&self.outlets);
        let mut handed = Vec::with_capacity(asked);
        let answers = async {
            while handed.len() < asked {
                match self.intake.next_fold().await {
                    Some(fold) => handed.push(fold),
                    None => return,
                }
            }
        };
        // Who has not answered is busy, or ends and brings it then.
        let _is_complete = timeout(ANSWER_PATIENCE, answers).await.is_ok();
        handed
    }

    async fn write_folds(&mut self, mut handed: Vec<Handed>) {
        for Handed { fold, .. } in &mut handed {
            fold.settle();
            self.metrics.add(Count::AuthLogLost, fold.lost());
        }
        self.progress = Progress::BEGIN;
        self.writing = Some(Arc::new(handed));
        self.write_on().await;
    }

    /// Writes what is left of what is being written.
    async fn write_on(&mut self) {
        let Some(handed) = self.writing.clone() else {
            return;
        };
        let mut entries: Vec<_> = handed.iter().flat_map(|one| one.fold.entries()).collect();
        // Those of one worker are in order already; those of several are merged, the same each time.
        entries.sort_by_key(|entry| entry.at);
        if self.find_culprit(&entries).await.is_ok() {
            self.write_entries(&entries).await;
        }
        let left = &entries[self.progress.done..];
        if !left.is_empty() {
            let lost = count_of(left);
            self.metrics.add(Count::AuthLogLost, lost);
            error!(
                decisions = lost,
                "Stopped before the authentication log was written"
            );
        }
        drop(entries);
        self.writing = None;
        for one in Arc::into_inner(handed).into_iter().flatten() {
            one.give_back();
        }
    }

    /// After a panic with a batch, does what would be done if it had been refused.
    async fn find_culprit(&mut self, entries: &[&AuthLogEntry]) -> Result<(), TimeIsUp> {
        let len = std::mem::take(&mut self.progress.in_flight);
        if len == 0 {
            return Ok(());
        }
        if self.progress.blames_store(len) {
            // It had time until this was started again.
            self.progress.is_suspect = false;
        } else {
            let problem = PortError::new("writing the authentication log", "a panic");
            self.narrow(&entries[self.progress.done..][..len], &problem);
        }
        tokio::select! {
            biased;
            () = self.time_is_up() => Err(TimeIsUp),
            () = std::future::ready(()) => Ok(()),
        }
    }

    /// Writes batch by batch. What is not done in the end found no store.
    async fn write_entries(&mut self, entries: &[&AuthLogEntry]) {
        let mut retry = RETRY;
        while self.progress.done < entries.len() {
            let left = &entries[self.progress.done..];
            let batch = &left[..self.progress.size.min(left.len())];
            let begin = Instant::now();
            self.progress.in_flight = batch.len();
            let appended = self.append(batch, &[]).await;
            self.progress.in_flight = 0;
            let Ok(done) = appended else {
                return;
            };
            let Err(problem) = done else {
                self.count_written(batch);
                self.progress.pass(batch.len());
                retry = RETRY;
                if SINGLE_MAX < entries.len() {
                    self.rest(begin.elapsed()).await;
                }
                continue;
            };
            self.complain(&problem);
            if problem.is_outage() || self.progress.blames_store(batch.len()) {
                if self.wait_for_store(retry).await.is_err() {
                    return;
                }
                retry = RETRY_MAX.min(2 * retry);
                self.progress.is_suspect = false;
            } else {
                self.narrow(batch, &problem);
            }
        }
    }

    /// Looks for the entry that is refused: fewer are tried, and one that was alone is lost.
    fn narrow(&mut self, batch: &[&AuthLogEntry], problem: &PortError) {
        if let [entry] = batch {
            self.lose(entry, problem);
            self.progress.done += 1;
            self.progress.is_suspect = true;
        } else {
            self.progress.size = batch.len().div_ceil(2);
        }
    }

    /// Stores a batch; in vain when the workers have ended and the time for it is over.
    async fn append(
        &mut self,
        entries: &[&AuthLogEntry],
        knocks: &[Knock],
    ) -> Result<Result<(), PortError>, TimeIsUp> {
        let store = Arc::clone(&self.store);
        let append = pin!(store.append(entries, knocks));
        tokio::select! {
            biased;
            done = append => Ok(done),
            () = self.time_is_up() => Err(TimeIsUp),
        }
    }

    /// Unknown senders are written once: who is not noted knocks again.
    async fn write_knocks(&mut self, knocks: &[Knock]) {
        self.knocks_in_flight = knocks.len() as u64;
        let appended = self.append(&[], knocks).await;
        self.knocks_in_flight = 0;
        match appended {
            Ok(Ok(())) => return,
            Ok(Err(problem)) => self.complain(&problem),
            Err(TimeIsUp) => {}
        }
        self.metrics.add(Count::KnockLost, knocks.len() as u64);
    }

    /// Leaves the processor to others after it wrote for `busy`, unless the workers have ended.
    async fn rest(&mut self, busy: Duration) {
        let over_half = self.intake.fill().min(1_000).saturating_sub(500);
        let times = REST - (REST - REST_WHEN_FULL) * over_half / 500;
        let times = u32::try_from(times).unwrap_or_default();
        tokio::select! {
            () = sleep(times * busy) => {}
            () = self.workers_end() => {}
        }
    }

    async fn wait_for_store(&mut self, retry: Duration) -> Result<(), TimeIsUp> {
        tokio::select! {
            () = sleep(retry) => Ok(()),
            () = self.time_is_up() => Err(TimeIsUp),
        }
    }

    async fn time_is_up(&mut self) {
        self.workers_end().await;
        match self.ends_at {
            Some(end) => sleep_until(end).await,
            None => std::future::pending().await,
        }
    }

    /// Returns when there is no worker any more; keeps what is handed over until then.
    async fn workers_end(&mut self) {
        while self.ends_at.is_none() {
            match self.intake.next_fold().await {
                Some(handed) => self.late.push(handed),
                None => self.ends_at = Some(Instant::now() + STOP_PATIENCE),
            }
        }
    }

    fn count_written(&mut self, batch: &[&AuthLogEntry]) {
        let rows = batch.len() as u64;
        self.metrics.add(Count::AuthLogWritten, rows);
        let coalesced = count_of(batch) - rows;
        self.metrics.add(Count::AuthLogCoalesced, coalesced);
        if std::mem::take(&mut self.is_failing) {
            info!("The authentication log is written again");
        }
    }

    fn lose(&self, entry: &AuthLogEntry, problem: &PortError) {
        self.metrics.add(Count::AuthLogLost, entry.count);
        error!(
            entry.id = %entry.id,
            error = problem as &dyn std::error::Error,
            "An entry of the authentication log was refused and is lost"
        );
    }

    fn complain(&mut self, problem: &PortError) {
        if !self.is_failing {
            error!(
                error = problem as &dyn std::error::Error,
                "The authentication log cannot be written; what was decided waits in memory"
            );
        }
        self.is_failing = true;
    }
}

fn count_of(entries: &[&AuthLogEntry]) -> u64 {
    entries.iter().map(|entry| entry.count).sum()
}
