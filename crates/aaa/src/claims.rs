//! Binds new devices in the database, so that no worker waits for it: a worker queues a claim and
//! answers when it is told what became of it.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use domain::access::Claim;
use domain::id::SubscriberId;
use domain::mac::Mac;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::warn;

use crate::duplicate::Ticket;
use crate::inbox::{Completion, Outlet};
use crate::metrics::{Count, Metrics};
use crate::nas_table::NasEntry;
use crate::port::DeviceStore;

/// Claims that may wait; what comes on top is dropped, and the NAS asks again.
const QUEUE: usize = 256;

/// Claims that the database works on at a time.
const AT_ONCE: usize = 4;

/// A claim that takes longer has failed: the router would not wait for it.
const PATIENCE: Duration = Duration::from_secs(2);

/// A new device and who waits for it.
#[derive(Debug)]
pub struct Job {
    pub subscriber: SubscriberId,
    pub mac: Mac,
    pub nas: Arc<NasEntry>,
    pub ticket: Ticket,
    pub outlet: Outlet,
}

/// The workers' end of the queue.
#[derive(Clone, Debug)]
pub struct Sender(mpsc::Sender<Job>);

/// Makes the queue.
pub fn channel() -> (Sender, mpsc::Receiver<Job>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Sender(sender), receiver)
}

impl Sender {
    /// Queues a claim, or gives it back when there is no room.
    pub fn offer(&self, job: Job) -> Result<(), Box<Job>> {
        self.0
            .try_send(job)
            .map_err(|refused| Box::new(refused.into_inner()))
    }
}

/// Stores what the workers claim.
#[derive(Debug)]
pub struct Claimer<D> {
    store: Arc<D>,
    queue: mpsc::Receiver<Job>,
    metrics: Arc<Metrics>,
}

impl<D: DeviceStore> Claimer<D> {
    pub const fn new(store: Arc<D>, queue: mpsc::Receiver<Job>, metrics: Arc<Metrics>) -> Self {
        Self {
            store,
            queue,
            metrics,
        }
    }

    /// Never ends. After a panic it may be called again.
    pub async fn run(&mut self) {
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                _ = running.join_next(), if !running.is_empty() => {}
                job = self.queue.recv(), if running.len() < AT_ONCE => match job {
                    Some(job) => {
                        let store = Arc::clone(&self.store);
                        let metrics = Arc::clone(&self.metrics);
                        running.spawn(claim(store, metrics, job));
                    }
                    // The workers have stopped.
                    None => pending().await,
                },
            }
        }
    }
}

/// What the worker is told when this is dropped, so that it is always told something.
struct Answer {
    ticket: Ticket,
    outlet: Outlet,
    claim: Claim,
}

impl Drop for Answer {
    fn drop(&mut self) {
        let Self {
            ticket,
            ref outlet,
            claim,
        } = *self;
        outlet.send([Completion::Claimed { ticket, claim }]);
    }
}

async fn claim<D: DeviceStore>(store: Arc<D>, metrics: Arc<Metrics>, job: Job) {
    let Job {
        subscriber,
        mac,
        nas,
        ticket,
        outlet,
    } = job;
    let mut answer = Answer {
        ticket,
        outlet,
        claim: Claim::NotStored,
    };
    let actor = format!("login at {}", nas.nas.name);
    match timeout(PATIENCE, store.claim(subscriber, mac, &actor)).await {
        Ok(Ok(claim)) => {
            if claim == Claim::Bound {
                metrics.count(Count::DeviceBound);
            }
            answer.claim = claim;
        }
        Ok(Err(problem)) => {
            metrics.count(Count::DeviceFailure);
            warn!(
                error = &problem as &dyn std::error::Error,
                subscriber.id = %subscriber,
                "A new device could not be bound, and was refused"
            );
        }
        Err(_) => {
            metrics.count(Count::DeviceFailure);
            warn!(subscriber.id = %subscriber, "A new device was refused: binding it took too long");
        }
    }
}
