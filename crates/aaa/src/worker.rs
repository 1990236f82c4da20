//! One worker: a thread with its own sockets and its own engine.

use std::io;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::mpsc;
use tracing::{error, warn};

use crate::auth_log;
use crate::engine::{Context, Effect, Engine, Moment, Outgoing};
use crate::inbox::{Inbox, Outlet};
use crate::journal;
use crate::metrics::Count;
use crate::node::LISTENERS_MAX;
use crate::port::Clock;
use crate::socket::{BATCH, Listener, ReceiveBuffer, Receiver, Sender};
use crate::verifier::{Job, Verifier};

/// Batches taken from one socket before the others get their turn.
const BATCHES_IN_A_ROW: usize = 4;

/// Wait before the next look after the system refused to wait, so that it cannot flood the log.
const WAIT_RETRY: Duration = Duration::from_secs(1);

/// How long a stopping worker waits for records to become durable.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// Everything one worker works with.
pub struct Worker {
    pub index: usize,
    pub context: Context,
    pub listeners: Vec<Listener>,
    pub inbox: Inbox,
    /// Its own outlet, for those who work for it.
    pub outlet: Outlet,
    pub journal: journal::Sender,
    pub log: mpsc::Sender<auth_log::Item>,
    pub verifier: Verifier,
    pub clock: Arc<dyn Clock>,
    pub stop: Arc<AtomicBool>,
    pub seed: [u8; 32],
}

/// What a worker receives with.
struct Intake {
    buffer: ReceiveBuffer,
    receivers: Vec<Receiver>,
}

impl Worker {
    /// Serves until it is told to stop. A panic costs the requests under way, not the worker.
    pub fn run(self) {
        let mut epoch = 0;
        loop {
            let seed = self.epoch_seed(epoch);
            let mut engine = Engine::new(self.context.clone(), seed, epoch);
            match catch_unwind(AssertUnwindSafe(|| self.serve(&mut engine))) {
                Ok(()) => return,
                Err(_) => {
                    self.context.metrics.count(Count::WorkerRestart);
                    error!(
                        worker = self.index,
                        "A packet worker panicked and starts again"
                    );
                    epoch += 1;
                }
            }
        }
    }

    fn serve(&self, engine: &mut Engine) {
        let mut intake = Intake {
            buffer: ReceiveBuffer::new(),
            receivers: self.listeners.iter().map(|_| Receiver::new()).collect(),
        };
        let mut sender = Sender::new();
        while !self.stop.load(Relaxed) {
            let Some(ready) = self.wait(engine, None) else {
                continue;
            };
            let now = self.now();
            for (index, is_ready) in ready.iter().enumerate() {
                if *is_ready {
                    self.receive(index, engine, &mut intake, &mut sender, now);
                }
            }
            self.advance(engine, &mut sender, now);
        }
        self.finish(engine, &mut sender);
    }

    /// Answers what was accepted before the stop: rejects at once, accounting when it is durable.
    fn finish(&self, engine: &mut Engine, sender: &mut Sender) {
        let deadline = self.clock.instant() + STOP_PATIENCE;
        engine.flush_delayed();
        loop {
            let now = self.now();
            self.advance(engine, sender, now);
            if engine.storing() == 0 {
                return;
            }
            if deadline <= now.instant {
                warn!(
                    records = engine.storing(),
                    "Stopped before all accounting was durable"
                );
                return;
            }
            self.wait(engine, Some(deadline));
        }
    }

    /// Sleeps until a socket, the inbox or a deadline wants attention. When stopping, sockets are
    /// left alone. `None` when the system interrupted.
    fn wait(
        &self,
        engine: &Engine,
        stop_at: Option<Instant>,
    ) -> Option<ArrayVec<bool, LISTENERS_MAX>> {
        let deadline = [engine.poll_timeout(), stop_at].into_iter().flatten().min();
        let timeout = match deadline {
            Some(deadline) => timeout_until(deadline, self.clock.instant()),
            None => PollTimeout::NONE,
        };
        let mut fds = ArrayVec::<PollFd<'_>, { LISTENERS_MAX + 1 }>::new();
        fds.push(PollFd::new(self.inbox.as_fd(), PollFlags::POLLIN));
        if stop_at.is_none() {
            let sockets = self.listeners.iter();
            fds.extend(sockets.map(|listener| PollFd::new(listener.as_fd(), PollFlags::POLLIN)));
        }
        match poll(&mut fds, timeout) {
            Ok(_) => Some(fds[1..].iter().map(|fd| fd.any().unwrap_or(true)).collect()),
            Err(Errno::EINTR) => None,
            Err(problem) => {
                self.context.metrics.count(Count::ReceiveFailed);
                error!(%problem, "Waiting for packets failed");
                thread::sleep(WAIT_RETRY);
                None
            }
        }
    }

    fn receive(
        &self,
        index: usize,
        engine: &mut Engine,
        intake: &mut Intake,
        sender: &mut Sender,
        now: Moment,
    ) {
        let number = u8::try_from(index).expect("the node opens at most 255 listeners");
        for _ in 0..BATCHES_IN_A_ROW {
            let Intake { buffer, receivers } = &mut *intake;
            let listener = &self.listeners[index];
            let received = receivers[index].receive(listener, number, buffer, |datagram| {
                engine.handle_datagram(datagram, now);
            });
            self.flush(engine, sender);
            match received {
                Ok(BATCH) => {}
                Ok(_) => return,
                Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => return self.context.metrics.count(Count::ReceiveFailed),
            }
        }
    }

    fn advance(&self, engine: &mut Engine, sender: &mut Sender, now: Moment) {
        for completion in self.inbox.drain() {
            engine.handle_completion(completion, now);
        }
        engine.handle_timeout(now.instant);
        if let Some(knocks) = engine.poll_knocks(now.instant) {
            let count = knocks.len() as u64;
            if self.log.try_send(auth_log::Item::Knocks(knocks)).is_err() {
                self.context.metrics.add(Count::KnockLost, count);
            }
        }
        self.flush(engine, sender);
    }

    /// Hands effects out and sends what is ready.
    fn flush(&self, engine: &mut Engine, sender: &mut Sender) {
        while let Some(effect) = engine.poll_effect() {
            if let Err(refused) = self.perform(effect) {
                engine.refuse(*refused);
            }
        }
        let outbox = engine.take_outbox();
        // Replies of one batch that leave by the same socket and address go out together.
        for batch in outbox
            .chunk_by(|left, right| (left.listener, left.local) == (right.listener, right.local))
        {
            self.send(sender, batch);
        }
        engine.recycle(outbox);
    }

    fn send(&self, sender: &mut Sender, mut batch: &[Outgoing]) {
        while let Some(first) = batch.first() {
            let listener = &self.listeners[usize::from(first.listener)];
            let taken = match sender.send(listener, batch) {
                Ok(sent) if 0 < sent => sent,
                Ok(_) | Err(_) => {
                    // One peer that cannot be reached must not stop the others' replies.
                    self.context.metrics.count(Count::SendFailed);
                    1
                }
            };
            batch = batch.get(taken..).unwrap_or_default();
        }
    }

    fn perform(&self, effect: Effect) -> Result<(), Box<Effect>> {
        match effect {
            Effect::Store { record, ticket } => {
                let entry = journal::Entry {
                    record,
                    ticket,
                    worker: self.index,
                };
                self.journal.offer(entry).map_err(|refused| {
                    let journal::Entry { record, ticket, .. } = *refused;
                    Box::new(Effect::Store { record, ticket })
                })
            }
            Effect::Verify {
                entry,
                password,
                ticket,
            } => {
                let job = Job {
                    entry,
                    password,
                    ticket,
                    outlet: self.outlet.clone(),
                };
                self.verifier.submit(job).map_err(|job| {
                    let Job {
                        entry,
                        password,
                        ticket,
                        ..
                    } = *job;
                    Box::new(Effect::Verify {
                        entry,
                        password,
                        ticket,
                    })
                })
            }
            Effect::Log(entry) => {
                let item = auth_log::Item::Entry(entry);
                self.log
                    .try_send(item)
                    .map_err(|refused| match refused.into_inner() {
                        auth_log::Item::Entry(entry) => Box::new(Effect::Log(entry)),
                        auth_log::Item::Knocks(_) => unreachable!("an entry was sent"),
                    })
            }
        }
    }

    fn now(&self) -> Moment {
        Moment {
            instant: self.clock.instant(),
            timestamp: self.clock.timestamp(),
        }
    }

    fn epoch_seed(&self, epoch: u32) -> [u8; 32] {
        let mut seed = self.seed;
        for (octet, epoch) in seed.iter_mut().zip(epoch.to_be_bytes()) {
            *octet ^= epoch;
        }
        seed
    }
}

/// The time to a deadline in whole milliseconds, rounded up so that nothing is early.
fn timeout_until(deadline: Instant, now: Instant) -> PollTimeout {
    let left = deadline.saturating_duration_since(now);
    let millis = left.as_micros().div_ceil(1_000);
    PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
}
