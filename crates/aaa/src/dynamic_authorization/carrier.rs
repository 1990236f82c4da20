//! The sockets under the courier: what it sends leaves here, and what routers answer comes in.

use std::future::pending;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use radius::packet::LENGTH_MAX;
use rand::RngExt as _;
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tracing::warn;

use super::courier::{Courier, Ignored, Parcel, SCHEDULE, Transmit};
use super::{Job, Outcome, Receiver};
use crate::metrics::{Count, Metrics};
use crate::port::Clock;

/// Datagrams and requests that are taken in before something is sent.
const BATCH: usize = 64;

/// The task that speaks with routers.
pub struct Carrier {
    queue: Receiver,
    sockets: Sockets,
    courier: Courier<oneshot::Sender<Outcome>>,
    buffer: Box<[u8]>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

/// One socket for each family; a system may have one of them only.
#[derive(Debug)]
struct Sockets {
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
}

/// What has happened.
enum Event {
    Asked(Job),
    Heard(io::Result<(usize, SocketAddr)>),
    Due,
    /// Nobody asks any more.
    Over,
}

impl Carrier {
    pub(super) fn open(
        listeners: &[SocketAddr],
        queue: Receiver,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        Ok(Self {
            queue,
            sockets: Sockets::open(listeners)?,
            courier: Courier::new(SCHEDULE),
            buffer: vec![0; LENGTH_MAX].into(),
            clock,
            metrics,
        })
    }

    /// Never ends. After a panic it may be called again.
    pub async fn run(&mut self) {
        loop {
            let event = self.next().await;
            self.handle(event).await;
            // Take in what has come meanwhile before sending, as long as that is no end in itself.
            for _ in 0..BATCH {
                match self.queue.try_recv() {
                    Ok(job) => self.take(job),
                    Err(_) => break,
                }
            }
            self.flush().await;
        }
    }

    async fn next(&mut self) -> Event {
        let deadline = self.courier.next_deadline();
        let wait = deadline.map(|at| at.saturating_duration_since(self.clock.instant()));
        let due = async {
            match wait {
                Some(wait) => sleep(wait).await,
                None => pending().await,
            }
        };
        tokio::select! {
            heard = self.sockets.receive(&mut self.buffer) => Event::Heard(heard),
            job = self.queue.recv() => job.map_or(Event::Over, Event::Asked),
            () = due => Event::Due,
        }
    }

    async fn handle(&mut self, event: Event) {
        match event {
            Event::Asked(job) => self.take(job),
            Event::Heard(Ok((length, from))) => self.hear(length, from),
            Event::Heard(Err(_)) => self.metrics.count(Count::ReceiveFailed),
            Event::Due => {
                let (now, timestamp) = self.now();
                self.courier.handle_timeout(now, timestamp, jitter());
            }
            Event::Over => pending().await,
        }
    }

    fn take(&mut self, job: Job) {
        let (now, timestamp) = self.now();
        let taken = self.courier.handle_request(job, now, timestamp, jitter());
        // Who asked is told by the end of the ticket that there is no room.
        drop::<Result<(), Parcel<_>>>(taken);
    }

    fn hear(&mut self, length: usize, from: SocketAddr) {
        let (now, timestamp) = self.now();
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let datagram = &self.buffer[..length];
        let heard = self
            .courier
            .handle_datagram(from, datagram, now, timestamp, jitter());
        match heard {
            Ok(()) => {}
            Err(Ignored::Unexpected | Ignored::Invalid) => {
                self.metrics.count(Count::CoaReplyIgnored);
            }
        }
    }

    async fn flush(&mut self) {
        while let Some(transmit) = self.courier.poll_transmit() {
            self.metrics.count(match transmit.is_first {
                true => Count::CoaSent,
                false => Count::CoaRepeated,
            });
            if let Err(problem) = self.sockets.send(&transmit).await {
                self.metrics.count(Count::SendFailed);
                let to = transmit.to;
                warn!(
                    error = &problem as &dyn std::error::Error,
                    "A request could not be sent to the router at {to}"
                );
            }
        }
        while let Some((ticket, outcome)) = self.courier.poll_done() {
            // Whoever asked may have gone.
            let _ = ticket.send(outcome);
        }
    }

    fn now(&self) -> (Instant, domain::time::Timestamp) {
        (self.clock.instant(), self.clock.timestamp())
    }
}

impl Sockets {
    fn open(listeners: &[SocketAddr]) -> io::Result<Self> {
        let addresses = listeners.iter().map(SocketAddr::ip);
        let own = |is_family: fn(&IpAddr) -> bool| {
            let mut addresses = addresses.clone().filter(is_family);
            let first = addresses.next()?;
            let is_only = addresses.next().is_none() && !first.is_unspecified();
            is_only.then_some(first)
        };
        let v4 = own(IpAddr::is_ipv4).unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let v6 = own(IpAddr::is_ipv6).unwrap_or(Ipv6Addr::UNSPECIFIED.into());
        let v4 = bind(v4);
        let v6 = bind(v6);
        match (v4, v6) {
            (Err(problem), Err(_)) => Err(problem),
            (v4, v6) => Ok(Self {
                v4: v4.ok(),
                v6: v6.ok(),
            }),
        }
    }

    async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let readable = async |socket: &Option<UdpSocket>| match socket {
            Some(socket) => socket.readable().await,
            None => pending().await,
        };
        loop {
            let socket = tokio::select! {
                ready = readable(&self.v4) => ready.map(|()| &self.v4),
                ready = readable(&self.v6) => ready.map(|()| &self.v6),
            }?;
            let Some(socket) = socket else { continue };
            match socket.try_recv_from(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return received,
            }
        }
    }

    async fn send(&self, transmit: &Transmit) -> io::Result<()> {
        let socket = match transmit.to {
            SocketAddr::V4(_) => &self.v4,
            SocketAddr::V6(_) => &self.v6,
        };
        let socket = socket
            .as_ref()
            .ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        socket.send_to(&transmit.datagram, transmit.to).await?;
        Ok(())
    }
}

fn bind(address: IpAddr) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind((address, 0))?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// RAND of RFC 5080 §2.2.1.
fn jitter() -> f64 {
    rand::rng().random_range(-0.1..=0.1)
}
