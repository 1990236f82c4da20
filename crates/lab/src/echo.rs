//! An echo server, and volleys that measure it: what the sockets of a machine can do without RADIUS.
//!
//! Both ends use the socket technique of the server, so their rate is a ceiling for it.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;
use udp::BATCH;
use udp::receive::{Now, ReceiveBuffer, Receiver};
use udp::send::{Outgoing, Sender};

pub use udp::socket::Socket;

use crate::cpu::cpu_time;
use crate::line::LineError;
use crate::load::report::Latency;

/// Ports of one volley at most.
pub const PORTS_MAX: usize = 256;
/// Datagrams under way at a time at most.
pub const OUTSTANDING_MAX: usize = 65_536;

/// Octets of one datagram of a volley: those of a PAP request with Message-Authenticator.
const DATAGRAM_OCTETS: usize = 160;
/// How long a loop without work waits before it looks at the stop flag and the clock.
const WAIT_MILLISECONDS_MAX: u16 = 50;
/// How long the last datagrams of a volley may be under way.
const DRAIN_MAX: Duration = Duration::from_secs(1);
/// The longest round trip that the histogram can tell.
const LATENCY_US_MAX: u64 = 60_000_000;

/// How a volley is played.
#[derive(Clone, Debug)]
pub struct VolleyOptions {
    /// The echo server.
    pub server: SocketAddr,
    /// When datagrams are no longer sent back.
    pub duration: Duration,
    /// Datagrams under way at a time, over all ports; 1 to [`OUTSTANDING_MAX`].
    pub outstanding: usize,
    /// Source ports; 1 to [`PORTS_MAX`].
    pub ports: usize,
}

/// What a volley measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VolleyReport {
    /// How long it took.
    pub elapsed_seconds: f64,
    /// Echoes in a second.
    pub throughput_per_second: f64,
    /// Seconds of processor time that this end used.
    pub cpu_seconds: f64,
    /// Datagrams that came back.
    pub answers: u64,
    /// Datagrams that did not.
    pub lost: u64,
    /// How long they were under way.
    pub latency: Latency,
}

/// Opens a port to be served.
pub fn listen(address: SocketAddr) -> Result<Socket, LineError> {
    Socket::bind(address).map_err(|source| LineError::Open {
        source_address: address.ip(),
        server: address,
        source,
    })
}

/// Sends every datagram back to where it came from, until `stop` becomes true.
pub fn serve(socket: &Socket, stop: &AtomicBool) -> io::Result<()> {
    answer_until(socket, stop, |datagram, answer| {
        answer.extend_from_slice(datagram);
    })
}

/// Answers every datagram with what `respond` writes, until `stop` becomes true; writing nothing
/// is no answer.
pub(crate) fn answer_until(
    socket: &Socket,
    stop: &AtomicBool,
    mut respond: impl FnMut(&[u8], &mut Vec<u8>),
) -> io::Result<()> {
    let mut receiver = Receiver::new();
    let mut batch = Batch::new();
    while !stop.load(Ordering::Relaxed) {
        if batch.exchange(socket, &mut receiver, &mut respond)? == 0 {
            wait([socket]);
        }
    }
    Ok(())
}

/// Throws datagrams at an echo server, and each that comes back again, until the time is over.
pub fn volley(options: &VolleyOptions) -> Result<VolleyReport, LineError> {
    let server = options.server;
    let failed = |source| LineError::Receive { server, source };
    let unspecified: IpAddr = if server.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let ports = options.ports.clamp(1, PORTS_MAX);
    let open = || listen(SocketAddr::new(unspecified, 0)).map(|port| (port, Receiver::new()));
    let mut sockets = (0..ports).map(|_| open()).collect::<Result<Vec<_>, _>>()?;
    let cpu_before = cpu_time();
    let mut rally = Rally::new(options.duration);
    let outstanding = options.outstanding.clamp(1, OUTSTANDING_MAX);
    let mut batch = Batch::new();
    let mut left = outstanding;
    for (index, (socket, _)) in sockets.iter().enumerate() {
        let count = left.div_ceil(ports - index);
        left -= count;
        let opening: Vec<Answer> = (0..count)
            .map(|_| Answer {
                peer: server,
                octets: rally.serve().into(),
            })
            .collect();
        batch.sender.send(socket, None, &opening);
    }
    while !rally.is_over() {
        let mut received = 0;
        for (socket, receiver) in &mut sockets {
            received += batch
                .exchange(socket, receiver, &mut |datagram, answer| {
                    rally.handle_echo(datagram, answer);
                })
                .map_err(failed)?;
        }
        if received == 0 {
            wait(sockets.iter().map(|(socket, _)| socket));
        }
    }
    let mut report = rally.into_report();
    report.cpu_seconds = cpu_time().saturating_sub(cpu_before).as_secs_f64();
    Ok(report)
}

/// A volley without its sockets: each datagram carries the time at which it was thrown.
struct Rally {
    begin: Instant,
    duration: Duration,
    last_echo: Instant,
    under_way: u64,
    latencies: Histogram<u64>,
}

impl Rally {
    fn new(duration: Duration) -> Self {
        let begin = Instant::now();
        Self {
            begin,
            duration,
            last_echo: begin,
            under_way: 0,
            latencies: Histogram::new_with_max(LATENCY_US_MAX, 3)
                .expect("a bounded histogram of three digits is always possible"),
        }
    }

    /// The next datagram of the opening.
    fn serve(&mut self) -> [u8; DATAGRAM_OCTETS] {
        self.under_way += 1;
        let mut datagram = [0; DATAGRAM_OCTETS];
        datagram[..8].copy_from_slice(&self.stamp(Instant::now()));
        datagram
    }

    /// Takes an echo and writes what is thrown back: nothing once the time is over.
    fn handle_echo(&mut self, datagram: &[u8], answer: &mut Vec<u8>) {
        let Some((stamp, filling)) = datagram.split_first_chunk::<8>() else {
            return;
        };
        let now = Instant::now();
        let nanoseconds = u64::from_be_bytes(self.stamp(now));
        let latency = nanoseconds.saturating_sub(u64::from_be_bytes(*stamp));
        self.latencies.saturating_record(latency / 1_000);
        self.last_echo = now;
        if self.duration <= now.saturating_duration_since(self.begin) {
            self.under_way = self.under_way.saturating_sub(1);
            return;
        }
        answer.extend_from_slice(&self.stamp(now));
        answer.extend_from_slice(filling);
    }

    fn is_over(&self) -> bool {
        let elapsed = self.begin.elapsed();
        self.duration + DRAIN_MAX <= elapsed || (self.under_way == 0 && self.duration <= elapsed)
    }

    fn stamp(&self, now: Instant) -> [u8; 8] {
        let nanoseconds = now.saturating_duration_since(self.begin).as_nanos();
        u64::try_from(nanoseconds).unwrap_or(u64::MAX).to_be_bytes()
    }

    fn into_report(self) -> VolleyReport {
        let elapsed = self.last_echo.saturating_duration_since(self.begin);
        let elapsed_seconds = elapsed.as_secs_f64();
        let answers = self.latencies.len();
        VolleyReport {
            elapsed_seconds,
            throughput_per_second: if elapsed_seconds > 0.0 {
                answers as f64 / elapsed_seconds
            } else {
                0.0
            },
            cpu_seconds: 0.0,
            answers,
            lost: self.under_way,
            latency: Latency {
                count: answers,
                p50_us: self.latencies.value_at_quantile(0.5),
                p90_us: self.latencies.value_at_quantile(0.9),
                p99_us: self.latencies.value_at_quantile(0.99),
                p999_us: self.latencies.value_at_quantile(0.999),
                max_us: self.latencies.max(),
            },
        }
    }
}

/// Memory for the datagrams of one call and their answers, used again and again.
struct Batch {
    buffer: ReceiveBuffer,
    sender: Sender,
    answers: Vec<Answer>,
}

/// What goes back to a peer.
struct Answer {
    peer: SocketAddr,
    octets: Vec<u8>,
}

impl Outgoing for Answer {
    fn peer(&self) -> SocketAddr {
        self.peer
    }

    fn octets(&self) -> &[u8] {
        &self.octets
    }
}

impl Batch {
    fn new() -> Self {
        let nobody = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
        let empty = || Answer {
            peer: nobody,
            octets: Vec::new(),
        };
        Self {
            buffer: ReceiveBuffer::new(),
            sender: Sender::new(),
            answers: (0..BATCH).map(|_| empty()).collect(),
        }
    }

    /// Answers what is there, at most [`BATCH`] datagrams; gives the number that were received.
    /// What the kernel has no room for is lost, as on any line.
    fn exchange(
        &mut self,
        socket: &Socket,
        receiver: &mut Receiver,
        respond: &mut impl FnMut(&[u8], &mut Vec<u8>),
    ) -> io::Result<usize> {
        let now = Now {
            instant: Instant::now(),
            // Nobody asks how long a datagram waited.
            since_epoch: Duration::ZERO,
        };
        let (answers, mut answered) = (&mut self.answers, 0);
        let taken = receiver.receive(socket, &mut self.buffer, now, |datagram| {
            let answer = &mut answers[answered];
            answer.octets.clear();
            respond(datagram.octets, &mut answer.octets);
            if !answer.octets.is_empty() {
                answer.peer = datagram.peer;
                answered += 1;
            }
        });
        let taken = match taken {
            Ok(taken) => taken.datagrams,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        self.sender.send(socket, None, &self.answers[..answered]);
        Ok(taken)
    }
}

fn wait<'s>(sockets: impl IntoIterator<Item = &'s Socket>) {
    let mut watched: Vec<PollFd<'_>> = sockets
        .into_iter()
        .map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN))
        .collect();
    // An interrupted wait is only shorter; the loop looks at everything again.
    let _: Result<_, Errno> = poll(&mut watched, PollTimeout::from(WAIT_MILLISECONDS_MAX));
}

impl fmt::Display for VolleyReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            elapsed_seconds,
            throughput_per_second,
            cpu_seconds: _,
            answers,
            lost,
            latency,
        } = self;
        write!(
            formatter,
            "{throughput_per_second:.0} echoes/s in {elapsed_seconds:.3} s: {answers} came back, {lost} lost\n\
             p50 {} us, p90 {} us, p99 {} us, p99.9 {} us, max {} us",
            latency.p50_us, latency.p90_us, latency.p99_us, latency.p999_us, latency.max_us
        )
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn volley_counts_what_comes_back() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let socket = listen(address.parse().unwrap()).unwrap();
            let options = VolleyOptions {
                server: socket.address(),
                duration: Duration::from_millis(50),
                outstanding: 100,
                ports: 3,
            };
            let stop = AtomicBool::new(false);
            let report = thread::scope(|scope| {
                scope.spawn(|| serve(&socket, &stop));
                let report = volley(&options);
                stop.store(true, Ordering::Relaxed);
                report.unwrap()
            });
            assert!(100 <= report.answers && report.lost == 0, "{report}");
            assert_eq!(report.latency.count, report.answers);
        }
    }

    #[test]
    fn datagram_without_stamp_is_no_echo() {
        let mut rally = Rally::new(Duration::ZERO);
        rally.serve();
        let (mut answer, short) = (Vec::new(), [0; 7]);
        rally.handle_echo(&short, &mut answer);
        assert!(!rally.is_over() && answer.is_empty());
        let report = rally.into_report();
        assert_eq!((report.answers, report.lost), (0, 1));
    }
}
