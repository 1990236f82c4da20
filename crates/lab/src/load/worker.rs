//! One thread of a load: sockets, clock and the loop around the generator.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::line::LineError;
use crate::load::batch::{BATCH, Inbox, Outbox};
use crate::load::generator::{Generator, Share};
use crate::load::options::{Limit, LoadError, LoadOptions, part};
use crate::load::port::{Lane, Port};
use crate::load::report::{Counts, Ended, Measurement};

/// How finely a timeout is kept: a part of it.
const TIMEOUT_PARTS: u32 = 16;
/// How long the loop waits at most before it looks at the clock and at the stop flag.
const WAIT_MAX: Duration = Duration::from_millis(50);

/// Runs one thread's share to its end.
pub(crate) fn run(
    options: &LoadOptions,
    share: &Share,
    stop: &AtomicBool,
) -> Result<Measurement, LoadError> {
    let begin = Instant::now();
    let mut worker = Worker {
        options,
        stop,
        begin,
        ports: open_ports(options, share)?,
        generator: Generator::new(options, share, begin),
        inbox: Inbox::new(),
        outbox: Outbox::new(),
        tick: (options.timeout / TIMEOUT_PARTS).clamp(Duration::from_millis(1), WAIT_MAX),
    };
    worker.generator.measurement.ended = match options.limit {
        Limit::Duration(_) => Ended::Duration,
        Limit::Requests(_) => Ended::Requests,
    };
    worker.run().map_err(LineError::Write)?;
    Ok(worker.generator.into_measurement())
}

struct Worker<'o> {
    options: &'o LoadOptions,
    stop: &'o AtomicBool,
    begin: Instant,
    ports: Vec<Port>,
    generator: Generator<'o>,
    inbox: Inbox,
    outbox: Outbox,
    tick: Duration,
}

impl Worker<'_> {
    fn run(&mut self) -> Result<(), radius::writer::WriteError> {
        let mut next_tick = self.begin + self.tick;
        loop {
            let mut received = 0;
            for port in &mut self.ports {
                received += receive(port, &mut self.generator, &mut self.inbox);
                self.generator.refill(port, Instant::now())?;
                send(
                    port,
                    &mut self.outbox,
                    &mut self.generator.measurement.counts,
                );
            }
            let now = Instant::now();
            if next_tick <= now {
                next_tick = now + self.tick;
                for port in &mut self.ports {
                    self.generator.handle_timeout(port, now);
                }
            }
            if self.is_over(now) {
                return Ok(());
            }
            if received == 0 {
                self.wait(next_tick.saturating_duration_since(now));
            }
        }
    }

    /// Whether nothing is left to do; notes what ended the run before its limit.
    fn is_over(&mut self, now: Instant) -> bool {
        if !self.generator.is_stopped()
            && let Some(ended) = self.find_end(now)
        {
            self.generator.measurement.ended = ended;
            self.generator.stop(now);
        }
        if self.options.silence_max < self.generator.silence(now) {
            self.generator.measurement.ended = Ended::Silence;
            for port in &mut self.ports {
                self.generator.abandon(port);
            }
            return true;
        }
        let is_idle = self.ports.iter().all(|port| port.waiting_count() == 0);
        self.generator.is_stopped() && is_idle
    }

    fn find_end(&self, now: Instant) -> Option<Ended> {
        if self.stop.load(Ordering::Relaxed) {
            return Some(Ended::Stopped);
        }
        match self.options.limit {
            Limit::Duration(duration) => {
                (duration <= now.saturating_duration_since(self.begin)).then_some(Ended::Duration)
            }
            Limit::Requests(_) => None,
        }
    }

    fn wait(&self, wait: Duration) {
        let mut watched: Vec<PollFd<'_>> = self
            .ports
            .iter()
            .flat_map(|port| &port.lanes)
            .map(|lane| {
                let mut events = PollFlags::POLLIN;
                if !lane.outgoing.is_empty() {
                    events |= PollFlags::POLLOUT;
                }
                PollFd::new(lane.socket.as_fd(), events)
            })
            .collect();
        let milliseconds = u16::try_from(wait.as_millis()).unwrap_or(u16::MAX).max(1);
        // An interrupted wait is only shorter; the loop looks at everything again.
        let _: Result<_, Errno> = poll(&mut watched, PollTimeout::from(milliseconds));
    }
}

fn open_ports(options: &LoadOptions, share: &Share) -> Result<Vec<Port>, LoadError> {
    let count = share.ports.min(share.outstanding);
    let mut servers = Vec::new();
    if options.mix.has_logins() {
        servers.push(options.auth);
    }
    if options.mix.has_accounting() {
        servers.push(options.acct);
    }
    (0..count)
        .map(|index| {
            let lanes = servers
                .iter()
                .map(|server| Lane::open(*server, options.source))
                .collect::<Result<Vec<_>, _>>()?;
            let slots = part(share.outstanding, count, index) as u16;
            Ok(Port::new(lanes, slots))
        })
        .collect()
}

/// Takes what came in on the port's sockets, a batch each; gives the number of datagrams.
fn receive(port: &mut Port, generator: &mut Generator<'_>, inbox: &mut Inbox) -> usize {
    let mut received = 0;
    for lane in 0..port.lanes.len() {
        match inbox.fill(&port.lanes[lane].socket) {
            Ok(0) => {}
            Ok(count) => {
                received += count;
                let now = Instant::now();
                for datagram in inbox.datagrams() {
                    generator.handle_datagram(port, lane, datagram, now);
                }
            }
            Err(error) => count_error(&mut generator.measurement.counts, error),
        }
    }
    received
}

/// Sends what is due; what the kernel has no room for stays for later.
fn send(port: &mut Port, outbox: &mut Outbox, counts: &mut Counts) {
    for lane in &mut port.lanes {
        while !lane.outgoing.is_empty() {
            let slots = &port.slots;
            let datagrams = lane
                .outgoing
                .iter()
                .map(|slot| slots[usize::from(*slot)].request.as_slice());
            match outbox.send(&lane.socket, datagrams.take(BATCH)) {
                Ok(0) => break,
                Ok(count) => drop(lane.outgoing.drain(..count)),
                Err(error) => {
                    // The datagram counts as lost on the way: its timeout sends it again.
                    lane.outgoing.pop_front();
                    count_error(counts, error);
                }
            }
        }
    }
}

fn count_error(counts: &mut Counts, error: Errno) {
    if error == Errno::ECONNREFUSED {
        counts.port_closed += 1;
    } else {
        counts.send_errors += 1;
    }
}
