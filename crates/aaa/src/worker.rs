//! One worker: a thread with its own sockets and its own engine.

use std::io;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use domain::time::Timestamp;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracing::{error, warn};
use udp::BATCH;
use udp::receive::{Now, ReceiveBuffer, Receiver};
use udp::send::Sender;

use crate::auth_log::handover::Handover;
use crate::claims;
use crate::engine::{Context, Effect, Engine, Moment, Received};
use crate::inbox::{Inbox, Outlet};
use crate::journal;
use crate::metrics::Count;
use crate::node::LISTENERS_MAX;
use crate::port::Clock;
use crate::socket::Listener;
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
    pub log: Handover,
    pub verifier: Verifier,
    pub claims: claims::Sender,
    pub clock: Arc<dyn Clock>,
    pub stop: Arc<AtomicBool>,
    pub seed: [u8; 32],
}

/// What a worker receives and sends with.
struct Line {
    buffer: ReceiveBuffer,
    receivers: Vec<Receiver>,
    sender: Sender,
}

/// What wants attention.
struct Ready {
    is_inbox: bool,
    /// One for each listener.
    listeners: ArrayVec<bool, LISTENERS_MAX>,
}

impl Worker {
    /// Serves until it is told to stop. A panic costs the requests under way, not the worker.
    pub fn run(self) {
        let mut epoch = 0;
        let mut log = self.log.fold();
        loop {
            let seed = self.epoch_seed(epoch);
            let mut engine = Engine::new(self.context.clone(), seed, epoch);
            *engine.log_mut() = log;
            let outcome = catch_unwind(AssertUnwindSafe(|| self.serve(&mut engine)));
            log = engine.log_mut().take(self.log.fold());
            match outcome {
                Ok(()) => return self.log.finish(&mut log),
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
        let mut line = Line {
            buffer: ReceiveBuffer::new(),
            receivers: self.listeners.iter().map(|_| Receiver::new()).collect(),
            sender: Sender::new(),
        };
        while !self.stop.load(Relaxed) {
            let Some(ready) = self.wait(engine, None) else {
                continue;
            };
            let now = self.now();
            for (index, is_ready) in ready.listeners.iter().enumerate() {
                if *is_ready {
                    self.receive(index, engine, &mut line, now);
                }
            }
            if ready.is_inbox {
                self.complete(engine, now);
            }
            self.advance(engine, &mut line.sender, now);
        }
        self.finish(engine, &mut line.sender);
    }

    /// Answers what was accepted before the stop: rejects at once, accounting when it is durable.
    fn finish(&self, engine: &mut Engine, sender: &mut Sender) {
        let deadline = self.clock.instant() + STOP_PATIENCE;
        engine.flush_delayed();
        loop {
            let now = self.now();
            self.complete(engine, now);
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
    fn wait(&self, engine: &Engine, stop_at: Option<Instant>) -> Option<Ready> {
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
            Ok(_) => {
                let mut ready = fds.iter().map(|fd| fd.any().unwrap_or(true));
                Some(Ready {
                    is_inbox: ready.next().unwrap_or(true),
                    listeners: ready.collect(),
                })
            }
            Err(Errno::EINTR) => None,
            Err(problem) => {
                self.context.metrics.count(Count::ReceiveFailed);
                error!(%problem, "Waiting for packets failed");
                thread::sleep(WAIT_RETRY);
                None
            }
        }
    }

    fn receive(&self, index: usize, engine: &mut Engine, line: &mut Line, now: Moment) {
        let number = u8::try_from(index).expect("the node opens at most 255 listeners");
        let Listener { role, socket } = &self.listeners[index];
        let metrics = &self.context.metrics;
        let look = Now {
            instant: now.instant,
            since_epoch: since_epoch(now.timestamp),
        };
        for _ in 0..BATCHES_IN_A_ROW {
            let receiver = &mut line.receivers[index];
            let taken = receiver.receive(socket, &mut line.buffer, look, |datagram| {
                let received = Received {
                    listener: number,
                    role: *role,
                    peer: datagram.peer,
                    local: datagram.local,
                    waited: datagram.waited,
                    octets: datagram.octets,
                };
                engine.handle_datagram(&received, now);
            });
            self.flush(engine, &mut line.sender);
            let taken = match taken {
                Ok(taken) => taken,
                Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => return metrics.count(Count::ReceiveFailed),
            };
            if 0 < taken.kernel_drops {
                metrics.add(Count::KernelDrop, taken.kernel_drops);
            }
            if 0 < taken.misplaced {
                metrics.add(Count::ReceiveMisplaced, taken.misplaced);
            }
            if taken.datagrams < BATCH {
                return;
            }
        }
    }

    fn complete(&self, engine: &mut Engine, now: Moment) {
        for completion in self.inbox.drain() {
            engine.handle_completion(completion, now);
        }
    }

    fn advance(&self, engine: &mut Engine, sender: &mut Sender, now: Moment) {
        engine.handle_timeout(now.instant);
        if let Some(knocks) = engine.poll_knocks(now.instant) {
            self.log.report(knocks);
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
        self.log.offer(engine.log_mut());
        let outbox = engine.take_outbox();
        // Replies of one batch that leave by the same socket and address go out together.
        for batch in outbox
            .chunk_by(|left, right| (left.listener, left.local) == (right.listener, right.local))
        {
            let first = &batch[0];
            let socket = &self.listeners[usize::from(first.listener)].socket;
            let refused = sender.send(socket, first.local, batch);
            if 0 < refused {
                self.context.metrics.add(Count::SendFailed, refused as u64);
            }
        }
        engine.recycle(outbox);
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
            Effect::Verify { question, ticket } => {
                let job = Job {
                    question,
                    ticket,
                    outlet: self.outlet.clone(),
                };
                self.verifier.submit(job).map_err(|job| {
                    let Job {
                        question, ticket, ..
                    } = *job;
                    Box::new(Effect::Verify { question, ticket })
                })
            }
            Effect::Claim {
                subscriber,
                mac,
                nas,
                ticket,
            } => {
                let job = claims::Job {
                    subscriber,
                    mac,
                    nas,
                    ticket,
                    outlet: self.outlet.clone(),
                };
                self.claims.offer(job).map_err(|job| {
                    let claims::Job {
                        subscriber,
                        mac,
                        nas,
                        ticket,
                        ..
                    } = *job;
                    Box::new(Effect::Claim {
                        subscriber,
                        mac,
                        nas,
                        ticket,
                    })
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

/// Time since 1970; nothing before.
fn since_epoch(timestamp: Timestamp) -> Duration {
    Duration::from_micros(timestamp.as_micros().try_into().unwrap_or(0))
}

/// The time to a deadline in whole milliseconds, rounded up so that nothing is early.
fn timeout_until(deadline: Instant, now: Instant) -> PollTimeout {
    let left = deadline.saturating_duration_since(now);
    let millis = left.as_micros().div_ceil(1_000);
    PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
}
