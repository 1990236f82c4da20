//! An echo server, and volleys that measure it: what the sockets of a machine can do without RADIUS.
//!
//! Both ends use the socket technique of the server, so their rate is a ceiling for it.

use std::fmt;
use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg, setsockopt,
    sockopt,
};
use radius::packet::LENGTH_MAX;
use serde::Serialize;

use crate::line::LineError;
use crate::load::report::Latency;

/// Datagrams of one system call; as many as the server takes.
pub const BATCH: usize = 64;
/// Ports of one volley at most.
pub const PORTS_MAX: usize = 256;
/// Datagrams under way at a time at most.
pub const OUTSTANDING_MAX: usize = 65_536;

/// Octets of one datagram of a volley: those of a PAP request with Message-Authenticator.
const DATAGRAM_OCTETS: usize = 160;
/// Octets of kernel buffer that are asked for; the kernel grants what net.core.rmem_max allows.
const SOCKET_BUFFER_OCTETS: usize = 4 << 20;
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
    /// Datagrams that came back.
    pub answers: u64,
    /// Datagrams that did not.
    pub lost: u64,
    /// How long they were under way.
    pub latency: Latency,
}

/// Opens a port to be served, with buffers as large as the kernel permits.
pub fn listen(address: SocketAddr) -> Result<UdpSocket, LineError> {
    let failed = |source| LineError::Open {
        source_address: address.ip(),
        server: address,
        source,
    };
    let socket = UdpSocket::bind(address).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    setsockopt(&socket, sockopt::RcvBuf, &SOCKET_BUFFER_OCTETS)
        .and_then(|()| setsockopt(&socket, sockopt::SndBuf, &SOCKET_BUFFER_OCTETS))
        .map_err(|error| failed(error.into()))?;
    Ok(socket)
}

/// Sends every datagram back to where it came from, until `stop` becomes true.
pub fn serve(socket: &UdpSocket, stop: &AtomicBool) -> Result<(), Errno> {
    answer_until(socket, stop, |datagram, answer| {
        answer.extend_from_slice(datagram);
    })
}

/// Answers every datagram with what `respond` writes, until `stop` becomes true; writing nothing
/// is no answer.
pub(crate) fn answer_until(
    socket: &UdpSocket,
    stop: &AtomicBool,
    mut respond: impl FnMut(&[u8], &mut Vec<u8>),
) -> Result<(), Errno> {
    let mut batch = Batch::new();
    while !stop.load(Ordering::Relaxed) {
        if batch.exchange(socket, &mut respond)? == 0 {
            wait(&[socket]);
        }
    }
    Ok(())
}

/// Throws datagrams at an echo server, and each that comes back again, until the time is over.
pub fn volley(options: &VolleyOptions) -> Result<VolleyReport, LineError> {
    let server = options.server;
    let failed = |error: Errno| LineError::Receive {
        server,
        source: error.into(),
    };
    let unspecified: IpAddr = if server.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let ports = options.ports.clamp(1, PORTS_MAX);
    let sockets = (0..ports)
        .map(|_| listen(SocketAddr::new(unspecified, 0)))
        .collect::<Result<Vec<_>, _>>()?;
    let mut rally = Rally::new(options.duration);
    let outstanding = options.outstanding.clamp(1, OUTSTANDING_MAX);
    for socket in sockets.iter().cycle().take(outstanding) {
        socket
            .send_to(&rally.serve(), server)
            .map_err(|source| LineError::Send { server, source })?;
    }
    let mut batch = Batch::new();
    let watched: Vec<&UdpSocket> = sockets.iter().collect();
    while !rally.is_over() {
        let mut received = 0;
        for socket in &sockets {
            received += batch
                .exchange(socket, &mut |datagram, answer| {
                    rally.handle_echo(datagram, answer);
                })
                .map_err(failed)?;
        }
        if received == 0 {
            wait(&watched);
        }
    }
    Ok(rally.into_report())
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
    inbox: MultiHeaders<SockaddrStorage>,
    outbox: MultiHeaders<SockaddrStorage>,
    buffers: Vec<[u8; LENGTH_MAX]>,
    answers: Vec<Vec<u8>>,
    peers: [Option<SockaddrStorage>; BATCH],
}

impl Batch {
    fn new() -> Self {
        Self {
            inbox: MultiHeaders::preallocate(BATCH, None),
            outbox: MultiHeaders::preallocate(BATCH, None),
            buffers: vec![[0; LENGTH_MAX]; BATCH],
            answers: vec![Vec::new(); BATCH],
            peers: [None; BATCH],
        }
    }

    /// Answers what is there, at most [`BATCH`] datagrams; gives the number that were received.
    fn exchange(
        &mut self,
        socket: &UdpSocket,
        respond: &mut impl FnMut(&[u8], &mut Vec<u8>),
    ) -> Result<usize, Errno> {
        let mut slices: Vec<[IoSliceMut<'_>; 1]> = self
            .buffers
            .iter_mut()
            .map(|buffer| [IoSliceMut::new(buffer)])
            .collect();
        let flags = MsgFlags::MSG_DONTWAIT;
        let fd = socket.as_raw_fd();
        let messages = match recvmmsg(fd, &mut self.inbox, slices.iter_mut(), flags, None) {
            Ok(messages) => messages,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(0),
            Err(error) => return Err(error),
        };
        let (mut received, mut answered) = (0, 0);
        for message in messages {
            received += 1;
            let answer = &mut self.answers[answered];
            answer.clear();
            respond(message.iovs().next().unwrap_or_default(), answer);
            if message.address.is_some() && !answer.is_empty() {
                self.peers[answered] = message.address;
                answered += 1;
            }
        }
        self.send(socket, answered)?;
        Ok(received)
    }

    /// Sends the first answers; what the kernel has no room for is lost, as on any line.
    fn send(&mut self, socket: &UdpSocket, count: usize) -> Result<(), Errno> {
        let slices: Vec<[IoSlice<'_>; 1]> = self
            .answers
            .iter()
            .take(count)
            .map(|answer| [IoSlice::new(answer)])
            .collect();
        let no_control: [ControlMessage<'_>; 0] = [];
        let mut sent = 0;
        while sent < count {
            let taken = sendmmsg(
                socket.as_raw_fd(),
                &mut self.outbox,
                &slices[sent..],
                &self.peers[sent..count],
                no_control,
                MsgFlags::MSG_DONTWAIT,
            );
            match taken.map(Iterator::count) {
                Ok(0) | Err(Errno::EAGAIN | Errno::EINTR | Errno::ENOBUFS) => return Ok(()),
                Ok(taken) => sent += taken,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn wait(sockets: &[&UdpSocket]) {
    let mut watched: Vec<PollFd<'_>> = sockets
        .iter()
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
                server: socket.local_addr().unwrap(),
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
