//! How the decisions of a worker reach the log writer: the writer asks, and the worker hands over
//! everything at once. No worker ever waits.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};

use domain::auth_log::Knock;
use tokio::sync::{Notify, mpsc};

use crate::auth_log::fold::{Fold, entries_max};
use crate::inbox::Outlet;
use crate::metrics::{Count, Metrics};

/// Lists of unknown senders that may wait; one comes in a second from each worker.
const KNOCK_LISTS_MAX: usize = 256;

/// What a worker hands over when it is asked, and once more when it ends.
const FOLDS_PER_WORKER: usize = 2;

/// What one worker and the writer share.
#[derive(Debug, Default)]
struct Desk {
    /// The worker has told that something waits.
    is_waiting: AtomicBool,
    /// The writer wants it.
    is_asked: AtomicBool,
    /// Entries that wait, as far as the worker has told.
    len: AtomicUsize,
    /// An empty fold to go on with.
    spare: Mutex<Option<Fold>>,
}

/// The worker's side.
#[derive(Debug)]
pub struct Handover {
    desk: Arc<Desk>,
    entries_max: usize,
    folds: mpsc::Sender<Handed>,
    knocks: mpsc::Sender<Vec<Knock>>,
    news: Arc<Notify>,
    metrics: Arc<Metrics>,
}

/// The writer's side.
#[derive(Debug)]
pub struct Intake {
    desks: Vec<Arc<Desk>>,
    entries_max: usize,
    folds: mpsc::Receiver<Handed>,
    knocks: mpsc::Receiver<Vec<Knock>>,
    news: Arc<Notify>,
}

/// What a worker handed over.
#[derive(Debug)]
pub(super) struct Handed {
    pub(super) fold: Fold,
    desk: Arc<Desk>,
}

/// Makes the sides of so many workers, and the writer's.
pub fn channel(workers: usize, metrics: &Arc<Metrics>) -> (Vec<Handover>, Intake) {
    let (fold_sender, folds) = mpsc::channel(FOLDS_PER_WORKER * workers.max(1));
    let (knock_sender, knocks) = mpsc::channel(KNOCK_LISTS_MAX);
    let intake = Intake {
        desks: (0..workers).map(|_| Arc::default()).collect(),
        entries_max: entries_max(workers),
        folds,
        knocks,
        news: Arc::new(Notify::new()),
    };
    let sides = intake.desks.iter().map(|desk| Handover {
        desk: Arc::clone(desk),
        entries_max: intake.entries_max,
        folds: fold_sender.clone(),
        knocks: knock_sender.clone(),
        news: Arc::clone(&intake.news),
        metrics: Arc::clone(metrics),
    });
    (sides.collect(), intake)
}

impl Handover {
    /// An empty fold of the size that this worker may fill.
    pub fn fold(&self) -> Fold {
        Fold::new(self.entries_max)
    }

    /// Hands the decisions over if the writer asked for them, and else tells it, once, that there
    /// are some.
    pub fn offer(&self, log: &mut Fold) {
        if log.is_empty() {
            return;
        }
        self.desk.len.store(log.len(), Relaxed);
        if self.desk.is_asked.load(Acquire) {
            self.hand_over(log);
        } else if !self.desk.is_waiting.load(Relaxed) {
            self.desk.is_waiting.store(true, Release);
            self.news.notify_one();
        }
    }

    /// Hands the rest over: the worker ends.
    pub fn finish(&self, log: &mut Fold) {
        if !log.is_empty() {
            self.hand_over(log);
        }
    }

    /// Reports unknown senders.
    pub fn report(&self, knocks: Vec<Knock>) {
        let count = knocks.len() as u64;
        if self.knocks.try_send(knocks).is_err() {
            self.metrics.add(Count::KnockLost, count);
        }
    }

    fn hand_over(&self, log: &mut Fold) {
        // The writer holds the lock while it puts one in; a new one costs less than to wait.
        let spare = self.desk.spare.try_lock().ok();
        let spare = spare.and_then(|mut spare| spare.take());
        let handed = Handed {
            fold: log.take(spare.unwrap_or_else(|| self.fold())),
            desk: Arc::clone(&self.desk),
        };
        self.desk.len.store(0, Relaxed);
        // In this order: nobody is asked again before there is something again.
        self.desk.is_waiting.store(false, Release);
        self.desk.is_asked.store(false, Release);
        if let Err(refused) = self.folds.try_send(handed) {
            // The writer has given up, and the program is about to end.
            let mut fold = refused.into_inner().fold;
            fold.settle();
            self.metrics.add(Count::AuthLogLost, fold.decisions());
        }
    }
}

impl Intake {
    /// The next fold that is handed over; none when all workers have ended. Dropping the future
    /// loses nothing.
    pub(super) async fn next_fold(&mut self) -> Option<Handed> {
        self.folds.recv().await
    }

    /// What comes first: decisions that wait at a worker, a fold or a report.
    pub(super) async fn next(&mut self) -> News {
        let Self {
            folds,
            knocks,
            news,
            ..
        } = self;
        tokio::select! {
            biased;
            handed = folds.recv() => handed.map_or(News::End, News::Fold),
            Some(knocks) = knocks.recv() => News::Knocks(knocks),
            () = news.notified() => News::Waiting,
        }
    }

    /// The next report that is there already.
    pub(super) fn find_knocks(&mut self) -> Option<Vec<Knock>> {
        self.knocks.try_recv().ok()
    }

    /// Asks each worker at which decisions wait; says how many were asked.
    pub(super) fn ask(&self, outlets: &[Outlet]) -> usize {
        let mut asked = 0;
        for (desk, outlet) in self.desks.iter().zip(outlets) {
            if desk.is_waiting.load(Acquire) && !desk.is_asked.swap(true, Release) {
                asked += 1;
                outlet.wake();
            }
        }
        asked
    }

    /// How full the fullest worker is, in thousandths.
    pub(super) fn fill(&self) -> usize {
        let lens = self.desks.iter().map(|desk| desk.len.load(Relaxed));
        1_000 * lens.max().unwrap_or(0) / self.entries_max
    }
}

/// What the writer is told.
#[derive(Debug)]
pub(super) enum News {
    /// Decisions wait at a worker.
    Waiting,
    Fold(Handed),
    Knocks(Vec<Knock>),
    /// All workers have ended.
    End,
}

impl Handed {
    /// Gives the fold back to its worker, to be used again.
    pub(super) fn give_back(self) {
        let Self { mut fold, desk } = self;
        fold.clear();
        if let Ok(mut spare) = desk.spare.lock() {
            *spare = Some(fold);
        }
    }
}
