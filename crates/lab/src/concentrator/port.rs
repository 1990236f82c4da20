//! One source port towards one port of the server, with many requests under way.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use radius::client::{IdentifierPool, Retransmission, Schedule, Step};
use radius::packet::Packet;

use crate::line::{LineError, open_socket};
use crate::reply::{Expectation, ReplyPolicy};
use crate::request::Proof;

/// Requests under way at a time.
const WINDOW: usize = 128;

/// A request that waits for its reply.
struct Pending<T> {
    datagram: Vec<u8>,
    proof: Proof,
    begun: Duration,
    until: Duration,
    retransmission: Retransmission,
    task: T,
}

/// What came of a task.
pub(super) enum Done<T> {
    Answered {
        task: T,
        proof: Proof,
        reply: Vec<u8>,
    },
    GivenUp(T),
}

pub(super) struct Port<T> {
    pub(super) socket: UdpSocket,
    server: SocketAddr,
    identifiers: IdentifierPool,
    under_way: HashMap<u8, Pending<T>>,
    waiting: VecDeque<T>,
    schedule: Schedule,
}

impl<T> Port<T> {
    pub(super) fn open(
        server: SocketAddr,
        source: Option<IpAddr>,
        schedule: Schedule,
    ) -> Result<Self, LineError> {
        let socket = open_socket(server, source)?;
        let source_address = socket
            .local_addr()
            .map_or_else(|_| server.ip(), |own| own.ip());
        socket
            .set_nonblocking(true)
            .map_err(|source| LineError::Open {
                source_address,
                server,
                source,
            })?;
        Ok(Self {
            socket,
            server,
            identifiers: IdentifierPool::new(),
            under_way: HashMap::new(),
            waiting: VecDeque::new(),
            schedule,
        })
    }

    pub(super) fn push(&mut self, task: T) {
        self.waiting.push_back(task);
    }

    /// Sends what waits, as far as there is room, and what is due again.
    pub(super) fn send(
        &mut self,
        now: Duration,
        jitter: f64,
        mut write: impl FnMut(&mut Vec<u8>, u8, &T) -> Result<Proof, radius::writer::WriteError>,
    ) -> Result<Vec<Done<T>>, LineError> {
        while self.under_way.len() < WINDOW
            && let Some(task) = self.waiting.pop_front()
        {
            let identifier = self.identifiers.acquire();
            let identifier = identifier.expect("a window is smaller than 256");
            let mut datagram = Vec::new();
            let proof = write(&mut datagram, identifier, &task)?;
            let pending = Pending {
                datagram,
                proof,
                begun: now,
                until: now,
                retransmission: Retransmission::new(self.schedule),
                task,
            };
            self.under_way.insert(identifier, pending);
        }
        self.send_due(now, jitter)
    }

    /// When something is to be sent again.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.under_way.values().map(|pending| pending.until).min()
    }

    /// The next reply that is believed.
    pub(super) fn receive(
        &mut self,
        secret: &[u8],
        policy: ReplyPolicy,
        buffer: &mut [u8],
    ) -> Result<Option<Done<T>>, LineError> {
        loop {
            let length = match self.socket.recv(buffer) {
                Ok(length) => length,
                Err(error) if is_nothing(&error) => return Ok(None),
                Err(source) => {
                    let server = self.server;
                    return Err(LineError::Receive { server, source });
                }
            };
            let Ok(reply) = Packet::parse(&buffer[..length]) else {
                continue;
            };
            let identifier = reply.identifier();
            let Some(pending) = self.under_way.get(&identifier) else {
                continue;
            };
            let Ok(request) = Packet::parse(&pending.datagram) else {
                continue;
            };
            let expectation = Expectation {
                request_code: request.code(),
                identifier,
                authenticator: request.authenticator(),
                secret,
                policy,
            };
            if expectation.check(&reply).is_err() {
                continue;
            }
            let reply = reply.as_bytes().to_vec();
            self.identifiers.release(identifier);
            let pending = self.under_way.remove(&identifier);
            let Pending { task, proof, .. } = pending.expect("it was there a moment ago");
            return Ok(Some(Done::Answered { task, proof, reply }));
        }
    }

    fn send_due(&mut self, now: Duration, jitter: f64) -> Result<Vec<Done<T>>, LineError> {
        let mut given_up = Vec::new();
        let due = self.under_way.iter_mut();
        let due = due.filter(|(_, pending)| pending.until <= now);
        for (identifier, pending) in due {
            let elapsed = now.saturating_sub(pending.begun);
            match pending.retransmission.poll(elapsed, jitter) {
                Step::Send { until } => {
                    pending.until = pending.begun + until;
                    send(&self.socket, self.server, &pending.datagram)?;
                }
                Step::Wait { until } => pending.until = pending.begun + until,
                Step::GiveUp => given_up.push(*identifier),
            }
        }
        let mut done = Vec::new();
        for identifier in given_up {
            self.identifiers.release(identifier);
            let pending = self.under_way.remove(&identifier);
            done.extend(pending.map(|pending| Done::GivenUp(pending.task)));
        }
        Ok(done)
    }
}

fn send(socket: &UdpSocket, server: SocketAddr, datagram: &[u8]) -> Result<(), LineError> {
    match socket.send(datagram) {
        Ok(_) => Ok(()),
        // Nobody listens, or the kernel has no room: the same as lost.
        Err(error) if is_nothing(&error) => Ok(()),
        Err(source) => Err(LineError::Send { server, source }),
    }
}

fn is_nothing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::ConnectionRefused
    )
}
