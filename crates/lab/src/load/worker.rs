//! One thread of a load: sockets, clock and the loop around the generator.

use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use crate::cpu::cpu_time;
use crate::line::LineError;
use crate::load::batch::{BATCH, Inbox, Outbox};
use crate::load::generator::Generator;
use crate::load::options::{Limit, LoadError, LoadOptions, part};
use crate::load::port::{FaultyWay, Lane, Port};
use crate::load::report::{Counts, Ended, Measurement};
use crate::load::script::Script;
use crate::load::share::Share;
use crate::random;

/// How finely a timeout is kept: a part of it.
const TIMEOUT_PARTS: u32 = 16;
/// How long the loop waits at most before it looks at the clock and at the stop flag.
const WAIT_MAX: Duration = Duration::from_millis(50);

/// Runs one thread's share to its end.
pub(crate) fn run<S: Script>(
    options: &LoadOptions,
    share: &Share,
    script: S,
    begin: Instant,
    stop: &AtomicBool,
) -> Result<Measurement, LoadError> {
    let mut worker = Worker {
        options,
        stop,
        begin,
        ports: open_ports(options, share)?,
        first_port: 0,
        generator: Generator::new(options, script, begin),
        inbox: Inbox::new(),
        outbox: Outbox::new(),
        tick: (options.timeout / TIMEOUT_PARTS).clamp(Duration::from_millis(1), WAIT_MAX),
    };
    worker.generator.measurement.ended = match options.limit {
        Limit::Duration(_) => Ended::Duration,
        Limit::Requests(_) => Ended::Requests,
    };
    let cpu_before = cpu_time();
    worker.run().map_err(LineError::Write)?;
    worker.generator.measurement.cpu = cpu_time().saturating_sub(cpu_before);
    Ok(worker.generator.into_measurement())
}

struct Worker<'o, S> {
    options: &'o LoadOptions,
    stop: &'o AtomicBool,
    begin: Instant,
    ports: Vec<Port>,
    /// The port that is served first: each has its turn, or the first would carry what comes slowly.
    first_port: usize,
    generator: Generator<'o, S>,
    inbox: Inbox,
    outbox: Outbox,
    tick: Duration,
}

impl<S: Script> Worker<'_, S> {
    fn run(&mut self) -> Result<(), radius::writer::WriteError> {
        let mut next_tick = self.begin + self.tick;
        loop {
            let mut received = 0;
            self.first_port = (self.first_port + 1) % self.ports.len();
            let (before, after) = self.ports.split_at_mut(self.first_port);
            for port in after.iter_mut().chain(before) {
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
                let until = self.next_event(now, next_tick);
                self.wait(until.saturating_duration_since(now));
            }
        }
    }

    /// When there is something to do, whatever comes in.
    fn next_event(&self, now: Instant, next_tick: Instant) -> Instant {
        let arrivals = self.ports.iter().filter_map(Port::next_arrival);
        let has_room = self.ports.iter().any(Port::has_room);
        let due = has_room.then(|| self.generator.script.next_due(now));
        arrivals.chain(due.flatten()).fold(next_tick, Instant::min)
    }

    /// Whether nothing is left to do; notes what ended the run before its limit.
    fn is_over(&mut self, now: Instant) -> bool {
        if !self.generator.script.is_over()
            && let Some(ended) = self.find_end(now)
        {
            self.generator.measurement.ended = ended;
            self.generator.stop(now);
        }
        if self.ports.iter().all(|port| port.waiting_count() == 0) {
            let script = &self.generator.script;
            if script.is_over() {
                return true;
            }
            if script.next_due(now).is_some_and(|due| now < due) {
                self.generator.rest(now);
            }
        }
        if self.generator.silence(now) <= self.options.silence_max {
            return false;
        }
        self.generator.measurement.ended = Ended::Silence;
        self.generator.stop(now);
        for port in &mut self.ports {
            self.generator.abandon(port, now);
        }
        true
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
        // An interrupted wait is only shorter; the loop looks at everything again.
        let _: Result<_, Errno> = ppoll(&mut watched, Some(TimeSpec::from_duration(wait)), None);
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
    let seed = options.seed.wrapping_add(share.thread as u64);
    let mut random = random::generator(Some(seed));
    (0..count)
        .map(|index| {
            let lanes = servers
                .iter()
                .map(|server| {
                    let faulty = FaultyWay::new(options.faults, &mut random);
                    Lane::open(*server, share.source, faulty)
                })
                .collect::<Result<Vec<_>, _>>()?;
            let slots = part(share.outstanding, count, index) as u16;
            Ok(Port::new(lanes, slots))
        })
        .collect()
}

/// Takes what came in on the port's sockets, a batch each; gives the number of datagrams.
fn receive<S: Script>(
    port: &mut Port,
    generator: &mut Generator<'_, S>,
    inbox: &mut Inbox,
) -> usize {
    let mut received = 0;
    for lane in 0..port.lanes.len() {
        let now = match inbox.fill(&port.lanes[lane].socket) {
            Ok(0) if port.lanes[lane].faulty.is_none() => continue,
            Ok(count) => {
                received += count;
                Instant::now()
            }
            Err(error) => {
                count_error(&mut generator.measurement.counts, error);
                continue;
            }
        };
        if let Some(faulty) = &mut port.lanes[lane].faulty {
            for datagram in inbox.datagrams() {
                let passage = faulty.replies.push(datagram, now);
                generator.measurement.counts.note(passage);
            }
            while let Some(datagram) = pop_reply(&mut port.lanes[lane], now) {
                generator.handle_datagram(port, lane, &datagram, now);
            }
        } else {
            for datagram in inbox.datagrams() {
                generator.handle_datagram(port, lane, datagram, now);
            }
        }
    }
    received
}

fn pop_reply(lane: &mut Lane, now: Instant) -> Option<Vec<u8>> {
    lane.faulty.as_mut()?.replies.pop(now)
}

/// Sends what is due; what the kernel has no room for stays for later.
fn send(port: &mut Port, outbox: &mut Outbox, counts: &mut Counts) {
    for lane in &mut port.lanes {
        if let Some(faulty) = &mut lane.faulty {
            let now = Instant::now();
            for slot in lane.outgoing.drain(..) {
                let request = &port.slots[usize::from(slot)].request;
                counts.note(faulty.requests.push(request, now));
            }
            while let Some(datagram) = faulty.requests.pop(now) {
                send_one(&lane.socket, &datagram, counts);
            }
            continue;
        }
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

/// Sends a datagram that has come through a bad line; what the kernel does not take is lost, too.
fn send_one(socket: &UdpSocket, datagram: &[u8], counts: &mut Counts) {
    if let Err(error) = socket.send(datagram) {
        let error = error
            .raw_os_error()
            .map_or(Errno::UnknownErrno, Errno::from_raw);
        count_error(counts, error);
    }
}

fn count_error(counts: &mut Counts, error: Errno) {
    if error == Errno::ECONNREFUSED {
        counts.port_closed += 1;
    } else {
        counts.send_errors += 1;
    }
}
