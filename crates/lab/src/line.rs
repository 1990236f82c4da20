//! The socket under an exchange: one source port, one server, and the faults in between.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use radius::client::Step;
use radius::packet::LENGTH_MAX;
use rand::rngs::StdRng;
use serde::Serialize;

use crate::exchange::Exchange;
use crate::fault::{BadLine, Faults, Passage};
use crate::random;
use crate::reply::ReplyFault;

/// Shortest time to wait for a datagram: the kernel takes zero for "for ever".
const WAIT_MIN: Duration = Duration::from_micros(100);

/// Why the lab could not use the network.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// No socket could be opened.
    #[error("cannot open a UDP port on {source_address} towards {server}")]
    Open {
        source_address: IpAddr,
        server: SocketAddr,
        #[source]
        source: io::Error,
    },
    /// A datagram could not be sent.
    #[error("cannot send to {server}")]
    Send {
        server: SocketAddr,
        #[source]
        source: io::Error,
    },
    /// The socket failed while it waited.
    #[error("cannot receive from {server}")]
    Receive {
        server: SocketAddr,
        #[source]
        source: io::Error,
    },
    /// The options make a packet that RADIUS cannot carry.
    #[error("the request does not fit a RADIUS packet")]
    Write(#[from] radius::writer::WriteError),
}

/// What happens on the line, as it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineEvent {
    Sent {
        transmission: u32,
        octets: usize,
    },
    Disturbed {
        direction: Direction,
        passage: Passage,
    },
    Discarded(ReplyFault),
    PortClosed,
}

/// Which way a datagram went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the router to the server.
    Request,
    /// From the server to the router.
    Reply,
}

/// A reply that was believed.
pub(crate) struct Answer {
    pub(crate) datagram: Vec<u8>,
    /// Since the first transmission.
    pub(crate) latency: Duration,
}

/// One source port towards one server.
pub(crate) struct Line {
    socket: UdpSocket,
    server: SocketAddr,
    requests: BadLine,
    replies: BadLine,
    buffer: Vec<u8>,
    random: StdRng,
}

impl Line {
    pub(crate) fn open(
        server: SocketAddr,
        source: Option<IpAddr>,
        faults: Faults,
        seed: Option<u64>,
    ) -> Result<Self, LineError> {
        let mut random = random::generator(seed);
        let mut bad_line = || {
            let seed = u64::from_le_bytes(random::octets(&mut random));
            BadLine::new(faults, random::generator(Some(seed)))
        };
        Ok(Self {
            socket: open_socket(server, source)?,
            server,
            requests: bad_line(),
            replies: bad_line(),
            buffer: vec![0; LENGTH_MAX],
            random,
        })
    }

    /// Sends the request until a reply is believed or the schedule is over.
    pub(crate) fn run(
        &mut self,
        exchange: &mut Exchange<'_>,
        observe: &mut dyn FnMut(LineEvent),
    ) -> Result<Option<Answer>, LineError> {
        let begin = Instant::now();
        loop {
            match exchange.poll(begin.elapsed(), random::jitter(&mut self.random)) {
                Step::GiveUp => return Ok(None),
                Step::Send { .. } => self.send(exchange, observe)?,
                Step::Wait { until } => {
                    let wait = until.saturating_sub(begin.elapsed());
                    let Some(datagram) = self.receive(wait, observe)? else {
                        continue;
                    };
                    match exchange.handle_datagram(&datagram) {
                        Ok(_) => {
                            let latency = begin.elapsed();
                            return Ok(Some(Answer { datagram, latency }));
                        }
                        Err(fault) => observe(LineEvent::Discarded(fault)),
                    }
                }
            }
        }
    }

    fn send(
        &mut self,
        exchange: &Exchange<'_>,
        observe: &mut dyn FnMut(LineEvent),
    ) -> Result<(), LineError> {
        let request = exchange.request();
        observe(LineEvent::Sent {
            transmission: exchange.transmissions(),
            octets: request.len(),
        });
        let passage = self.requests.push(request, Instant::now());
        observe_passage(Direction::Request, passage, observe);
        self.send_arrived(observe)
    }

    /// Sends what has come to the end of the bad line.
    fn send_arrived(&mut self, observe: &mut dyn FnMut(LineEvent)) -> Result<(), LineError> {
        while let Some(datagram) = self.requests.pop(Instant::now()) {
            match self.socket.send(&datagram) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    observe(LineEvent::PortClosed);
                }
                Err(source) => {
                    let server = self.server;
                    return Err(LineError::Send { server, source });
                }
            }
        }
        Ok(())
    }

    /// One datagram, or `None` when none came in time.
    fn receive(
        &mut self,
        wait: Duration,
        observe: &mut dyn FnMut(LineEvent),
    ) -> Result<Option<Vec<u8>>, LineError> {
        self.send_arrived(observe)?;
        let now = Instant::now();
        if let Some(datagram) = self.replies.pop(now) {
            return Ok(Some(datagram));
        }
        let arrivals = [self.requests.next_arrival(), self.replies.next_arrival()];
        let wait = arrivals.into_iter().flatten().fold(wait, |wait, arrival| {
            wait.min(arrival.saturating_duration_since(now))
        });
        let server = self.server;
        let failed = |source| LineError::Receive { server, source };
        self.socket
            .set_read_timeout(Some(wait.max(WAIT_MIN)))
            .map_err(failed)?;
        match self.socket.recv(&mut self.buffer) {
            Ok(length) => {
                let now = Instant::now();
                let passage = self.replies.push(&self.buffer[..length], now);
                observe_passage(Direction::Reply, passage, observe);
                Ok(self.replies.pop(now))
            }
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                observe(LineEvent::PortClosed);
                Ok(None)
            }
            Err(error) if is_over(&error) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

/// Opens a port towards the server; from then on the kernel drops datagrams of others.
pub(crate) fn open_socket(
    server: SocketAddr,
    source: Option<IpAddr>,
) -> Result<UdpSocket, LineError> {
    let source_address = source.unwrap_or_else(|| match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    });
    let open = || {
        let socket = UdpSocket::bind((source_address, 0))?;
        socket.connect(server)?;
        Ok(socket)
    };
    open().map_err(|source| LineError::Open {
        source_address,
        server,
        source,
    })
}

fn is_over(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

fn observe_passage(direction: Direction, passage: Passage, observe: &mut dyn FnMut(LineEvent)) {
    if passage != Passage::Passed {
        observe(LineEvent::Disturbed { direction, passage });
    }
}
