//! Group commit: many accounting records in one transaction, each acknowledged after it.
//!
//! Records go to lanes by their session, and each lane commits what it has as soon as its last
//! commit is done. The restart of a router ends sessions of all lanes, so it waits for all of them
//! and goes alone.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use domain::accounting::{AccountingRecord, SessionEvent};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::duplicate::Ticket;
use crate::inbox::Outlet;
use crate::port::{AccountingStore, Spool};
use crate::spooling::Spooling;

mod lane;

use lane::Lane;

/// Records that may wait; what comes on top is dropped, and the NAS sends it again.
pub const QUEUE: usize = 8_192;

/// Places of the queue that are kept free of Interim-Updates: the next one says more than one that
/// is lost, and a Start or a Stop comes only once.
pub const RESERVE: usize = QUEUE / 4;

/// Records in one transaction.
pub const BATCH: usize = 1_024;

/// A record and who waits for it.
#[derive(Debug)]
pub struct Entry {
    pub record: AccountingRecord,
    pub ticket: Ticket,
    /// Index of the worker.
    pub worker: usize,
}

/// The workers' end of the queue.
#[derive(Clone, Debug)]
pub struct Sender(mpsc::Sender<Entry>);

/// Makes the queue.
pub fn channel() -> (Sender, mpsc::Receiver<Entry>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Sender(sender), receiver)
}

impl Sender {
    /// Queues a record, or gives it back when there is no room for its like.
    pub fn offer(&self, entry: Entry) -> Result<(), Box<Entry>> {
        if self.0.capacity() <= RESERVE && is_repeated_by_its_next(&entry.record) {
            return Err(Box::new(entry));
        }
        self.0
            .try_send(entry)
            .map_err(|refused| Box::new(refused.into_inner()))
    }
}

/// Whether the router will say the same and more in a while.
pub const fn is_repeated_by_its_next(record: &AccountingRecord) -> bool {
    match record {
        AccountingRecord::Session(record) => match record.event {
            SessionEvent::Interim => true,
            SessionEvent::Start | SessionEvent::Stop | SessionEvent::Silence => false,
        },
        AccountingRecord::NasRestart(_) => false,
    }
}

/// Commits what the workers queue, until they are gone and the queue is empty.
#[derive(Debug)]
pub struct Journal<A, S> {
    pub store: Arc<Spooling<A, S>>,
    pub queue: mpsc::Receiver<Entry>,
    pub outlets: Vec<Outlet>,
}

/// The lanes, and what is on its way to them.
struct Lanes<A, S> {
    lanes: Vec<Lane<A, S>>,
    /// In the order of arrival; the first may have to wait for its lane.
    arrived: VecDeque<Entry>,
    /// The first lane is taken by restarts, and no other may begin anything.
    is_restarting: bool,
}

impl<A: AccountingStore, S: Spool> Journal<A, S> {
    pub async fn run(self) {
        let Self {
            store,
            mut queue,
            outlets,
        } = self;
        let mut lanes = Lanes::new(&store, &outlets.into());
        let mut received = Vec::with_capacity(BATCH);
        let mut is_open = true;
        loop {
            lanes.distribute();
            let hold_until = lanes.begin_commits(is_open);
            if !is_open && lanes.is_idle() {
                return;
            }
            let room = BATCH - lanes.arrived.len();
            let is_listening = is_open && 0 < room && lanes.has_free();
            tokio::select! {
                biased;
                () = lanes.until_done() => {}
                count = queue.recv_many(&mut received, room), if is_listening => {
                    is_open = count != 0;
                    lanes.arrived.extend(received.drain(..));
                }
                () = sleep_until(hold_until.unwrap_or_else(Instant::now)), if hold_until.is_some() => {}
            }
        }
    }
}

impl<A: AccountingStore, S: Spool> Lanes<A, S> {
    fn new(store: &Arc<Spooling<A, S>>, outlets: &Arc<[Outlet]>) -> Self {
        let lane = |index| Lane::new(index, Arc::clone(store), Arc::clone(outlets));
        Self {
            lanes: (0..store.lanes()).map(lane).collect(),
            arrived: VecDeque::with_capacity(BATCH),
            is_restarting: false,
        }
    }

    /// Gives records to their lanes, as far as there is room and no restart is in the way.
    fn distribute(&mut self) {
        if self.is_restarting {
            if !self.is_quiet() {
                return;
            }
            self.is_restarting = false;
        }
        while let Some(entry) = self.arrived.front() {
            let Some(index) = self.find_lane(&entry.record) else {
                if self.is_quiet() {
                    self.is_restarting = true;
                    self.take_restarts();
                }
                return;
            };
            let lane = &mut self.lanes[index];
            if lane.is_full() {
                return;
            }
            lane.extend(self.arrived.pop_front());
        }
    }

    /// The lane of a record; none of several for a restart.
    fn find_lane(&self, record: &AccountingRecord) -> Option<usize> {
        if self.lanes.len() == 1 {
            return Some(0);
        }
        match record {
            AccountingRecord::Session(record) => Some(record.key.lane(self.lanes.len())),
            AccountingRecord::NasRestart(_) => None,
        }
    }

    /// Gives the restarts that have arrived one after the other to the first lane.
    fn take_restarts(&mut self) {
        let is_restart = |entry: &Entry| self.find_lane(&entry.record).is_none();
        let count = self
            .arrived
            .iter()
            .take_while(|entry| is_restart(entry))
            .count();
        self.lanes[0].extend(self.arrived.drain(..count));
    }

    /// Lets each lane commit that should; says when the first of the others should.
    fn begin_commits(&mut self, is_open: bool) -> Option<Instant> {
        let now = Instant::now();
        let is_urgent = !is_open || self.is_restarting;
        let lanes = self.lanes.iter_mut();
        lanes.filter_map(|lane| lane.begin(now, is_urgent)).min()
    }

    /// Waits until a commit is done.
    async fn until_done(&mut self) {
        poll_fn(|context| {
            let mut is_any_done = false;
            for lane in &mut self.lanes {
                is_any_done |= lane.poll_done(context);
            }
            if is_any_done {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Whether a lane could take a record and begin at once.
    fn has_free(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.is_committing())
    }

    /// Whether the lanes have nothing to do.
    fn is_quiet(&self) -> bool {
        self.lanes.iter().all(Lane::is_idle)
    }

    fn is_idle(&self) -> bool {
        self.arrived.is_empty() && self.is_quiet()
    }
}
