//! Requests on their way to routers, as a value: which is sent when, how often, and what came back.
//!
//! A router works on few of them at a time. What comes for it beyond that waits here, in order, and
//! when it has not answered at all, those that wait are not sent one after the other for nothing.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::time::Timestamp;
use radius::client::{IdentifierPool, Retransmission, Schedule, Step};
use radius::dynamic_authorization::{Action, Answer, read_reply, write_request};
use radius::packet::Packet;
use radius::writer::WriteError;

use crate::nas_table::NasEntry;

/// Requests that one router works on at a time.
pub const WINDOW: usize = 16;

/// Requests that wait for one router.
pub const WAITING_MAX: usize = 4_096;

/// Requests that wait or are under way in all.
pub const REQUESTS_MAX: usize = 65_536;

/// Routers whose last identifier is remembered, so that it rests before it is used again.
const ROUTERS_MAX: usize = 16_384;

/// Four times within ten seconds: after 0, 1, 3 and 7.
pub const SCHEDULE: Schedule = Schedule {
    initial: Duration::from_secs(1),
    interval_max: Some(Duration::from_secs(4)),
    transmissions_max: Some(4),
    duration_max: Some(Duration::from_secs(10)),
};

/// A request before it has an identifier, and who waits for its answer.
#[derive(Debug)]
pub struct Parcel<T> {
    pub to: SocketAddr,
    /// Whose secret signs it.
    pub nas: Arc<NasEntry>,
    pub action: Action,
    /// Encoded.
    pub attributes: Box<[u8]>,
    pub ticket: T,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Answered(Answer),
    /// Nothing that could be believed came, however often it was sent.
    Silent,
    /// It does not fit a packet.
    TooLarge,
}

/// Why a datagram was taken for no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// Nothing was asked of whoever sent it, or it has been answered.
    Unexpected,
    /// It is no answer to what was asked, or not signed with the secret.
    Invalid,
}

/// What goes over the wire.
#[derive(Clone, Debug)]
pub struct Transmit {
    pub to: SocketAddr,
    pub datagram: Arc<[u8]>,
    pub is_first: bool,
}

/// All requests of a node.
#[derive(Debug)]
pub struct Courier<T> {
    schedule: Schedule,
    routers: HashMap<SocketAddr, Router<T>>,
    deadlines: BinaryHeap<Reverse<(Instant, u64, SocketAddr)>>,
    transmits: VecDeque<Transmit>,
    done: VecDeque<(T, Outcome)>,
    /// Numbers the requests that were sent.
    number: u64,
    count: usize,
}

#[derive(Debug)]
struct Router<T> {
    identifiers: IdentifierPool,
    under_way: Vec<Flight<T>>,
    waiting: VecDeque<Parcel<T>>,
    /// When it last answered.
    heard_at: Option<Instant>,
}

#[derive(Debug)]
struct Flight<T> {
    number: u64,
    identifier: u8,
    datagram: Arc<[u8]>,
    nas: Arc<NasEntry>,
    action: Action,
    begun: Instant,
    retransmission: Retransmission,
    ticket: T,
}

impl<T> Default for Router<T> {
    fn default() -> Self {
        Self {
            identifiers: IdentifierPool::new(),
            under_way: Vec::new(),
            waiting: VecDeque::new(),
            heard_at: None,
        }
    }
}

impl<T> Router<T> {
    fn is_idle(&self) -> bool {
        self.under_way.is_empty() && self.waiting.is_empty()
    }
}

impl<T> Courier<T> {
    pub fn new(schedule: Schedule) -> Self {
        Self {
            schedule,
            routers: HashMap::new(),
            deadlines: BinaryHeap::new(),
            transmits: VecDeque::new(),
            done: VecDeque::new(),
            number: 0,
            count: 0,
        }
    }

    /// Takes a request, or gives it back when there is no room.
    pub fn handle_request(
        &mut self,
        parcel: Parcel<T>,
        now: Instant,
        timestamp: Timestamp,
        jitter: f64,
    ) -> Result<(), Parcel<T>> {
        if REQUESTS_MAX <= self.count {
            return Err(parcel);
        }
        self.make_room();
        let to = parcel.to;
        let router = self.routers.entry(to).or_default();
        if WAITING_MAX <= router.waiting.len() {
            return Err(parcel);
        }
        router.waiting.push_back(parcel);
        self.count += 1;
        self.send_waiting(to, now, timestamp, jitter);
        Ok(())
    }

    /// Takes a datagram that came from a router.
    pub fn handle_datagram(
        &mut self,
        from: SocketAddr,
        datagram: &[u8],
        now: Instant,
        timestamp: Timestamp,
        jitter: f64,
    ) -> Result<(), Ignored> {
        let router = self.routers.get_mut(&from).ok_or(Ignored::Unexpected)?;
        let packet = Packet::parse(datagram).map_err(|_| Ignored::Invalid)?;
        let identifier = packet.identifier();
        let mut under_way = router.under_way.iter();
        let index = under_way
            .position(|flight| flight.identifier == identifier)
            .ok_or(Ignored::Unexpected)?;
        let answer = router.under_way[index].read(datagram)?;
        router.heard_at = Some(now);
        let flight = router.under_way.swap_remove(index);
        router.identifiers.release(identifier);
        self.finish(flight.ticket, Outcome::Answered(answer));
        self.send_waiting(from, now, timestamp, jitter);
        Ok(())
    }

    /// Sends again, or gives up, what is due.
    pub fn handle_timeout(&mut self, now: Instant, timestamp: Timestamp, jitter: f64) {
        while let Some(Reverse((at, number, to))) = self.deadlines.peek().copied() {
            if now < at {
                return;
            }
            self.deadlines.pop();
            self.repeat(to, number, now, timestamp, jitter);
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        let next = self.deadlines.peek();
        next.map(|Reverse((at, _, _))| *at)
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next request that is over.
    pub fn poll_done(&mut self) -> Option<(T, Outcome)> {
        self.done.pop_front()
    }

    fn repeat(
        &mut self,
        to: SocketAddr,
        number: u64,
        now: Instant,
        timestamp: Timestamp,
        jitter: f64,
    ) {
        let Some(router) = self.routers.get_mut(&to) else {
            return;
        };
        let mut under_way = router.under_way.iter();
        let Some(index) = under_way.position(|flight| flight.number == number) else {
            return;
        };
        let flight = &mut router.under_way[index];
        let elapsed = now.saturating_duration_since(flight.begun);
        match flight.retransmission.poll(elapsed, jitter) {
            Step::Send { until } => {
                let deadline = flight.begun + until;
                self.transmits.push_back(Transmit {
                    to,
                    datagram: Arc::clone(&flight.datagram),
                    is_first: false,
                });
                self.deadlines.push(Reverse((deadline, number, to)));
            }
            Step::Wait { until } => {
                let deadline = flight.begun + until;
                self.deadlines.push(Reverse((deadline, number, to)));
            }
            Step::GiveUp => {
                let flight = router.under_way.swap_remove(index);
                router.identifiers.release(flight.identifier);
                let is_away = router.heard_at.is_none_or(|at| at < flight.begun);
                let unsent = match is_away {
                    true => std::mem::take(&mut router.waiting),
                    false => VecDeque::new(),
                };
                self.finish(flight.ticket, Outcome::Silent);
                for parcel in unsent {
                    self.finish(parcel.ticket, Outcome::Silent);
                }
                self.send_waiting(to, now, timestamp, jitter);
            }
        }
    }

    /// Sends what waits for a router, as far as it has a place.
    fn send_waiting(&mut self, to: SocketAddr, now: Instant, timestamp: Timestamp, jitter: f64) {
        let Entry::Occupied(mut router) = self.routers.entry(to) else {
            return;
        };
        let router = router.get_mut();
        while router.under_way.len() < WINDOW
            && let Some(parcel) = router.waiting.pop_front()
        {
            let identifier = router.identifiers.acquire();
            let identifier = identifier.expect("a window is smaller than 256");
            let Ok(datagram) = parcel.write(identifier, timestamp) else {
                router.identifiers.release(identifier);
                self.count = self.count.saturating_sub(1);
                self.done.push_back((parcel.ticket, Outcome::TooLarge));
                continue;
            };
            self.number = self.number.wrapping_add(1);
            let mut flight = Flight {
                number: self.number,
                identifier,
                datagram,
                nas: parcel.nas,
                action: parcel.action,
                begun: now,
                retransmission: Retransmission::new(self.schedule),
                ticket: parcel.ticket,
            };
            if let Step::Send { until } | Step::Wait { until } =
                flight.retransmission.poll(Duration::ZERO, jitter)
            {
                self.deadlines
                    .push(Reverse((now + until, flight.number, to)));
            }
            self.transmits.push_back(Transmit {
                to,
                datagram: Arc::clone(&flight.datagram),
                is_first: true,
            });
            router.under_way.push(flight);
        }
    }

    fn finish(&mut self, ticket: T, outcome: Outcome) {
        self.count = self.count.saturating_sub(1);
        self.done.push_back((ticket, outcome));
    }

    /// Forgets routers that nothing is asked of when there are very many.
    fn make_room(&mut self) {
        if ROUTERS_MAX <= self.routers.len() {
            self.routers.retain(|_, router| !router.is_idle());
        }
    }
}

impl<T> Parcel<T> {
    fn write(&self, identifier: u8, timestamp: Timestamp) -> Result<Arc<[u8]>, WriteError> {
        let mut buffer = Vec::new();
        let seconds = u32::try_from(timestamp.as_seconds()).unwrap_or(0);
        let (attributes, secret) = (&self.attributes, &self.nas.secret);
        write_request(
            &mut buffer,
            self.action,
            identifier,
            seconds,
            attributes,
            secret,
        )?;
        Ok(buffer.into())
    }
}

impl<T> Flight<T> {
    fn read(&self, datagram: &[u8]) -> Result<Answer, Ignored> {
        let (_, authenticator) = self
            .datagram
            .split_first_chunk::<4>()
            .expect("a packet has a header");
        let authenticator = authenticator.first_chunk().expect("of 20 octets");
        let secret = &self.nas.secret;
        read_reply(
            datagram,
            self.action,
            self.identifier,
            authenticator,
            secret,
        )
        .map_err(|_| Ignored::Invalid)
    }
}

#[cfg(test)]
mod tests;
