//! Many listeners to events at once, over WebSockets (RFC 6455), on one thread: what each was told, and
//! whether its numbers came in order.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::Serialize;

use crate::cpu::cpu_time;
use frame::{Frame, Frames};

mod frame;

/// How long a server may take to answer a handshake.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

/// Octets of the head of an answer.
const HEAD_BYTES_MAX: usize = 8 << 10;

/// Octets that are read at once.
const READ_BYTES: usize = 64 << 10;

/// The key of every handshake: it proves nothing but that the other side knows the protocol.
const KEY: &str = "bGFzdG1pbGUgbGFiIHdzIQ==";

/// Who listens to what, and for how long.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    pub server: SocketAddr,
    /// Shown as `Authorization: Bearer`.
    pub token: String,
    /// As the query says it.
    pub topics: String,
    pub listeners: usize,
    /// Of these, so many never read.
    pub stalled: usize,
    pub duration: Duration,
}

/// What listeners were told.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ListenReport {
    pub listeners: usize,
    /// How many of them were there at the end.
    pub open: usize,
    pub seconds: f64,
    /// Events, at all listeners together.
    pub deliveries: u64,
    pub deliveries_per_second: f64,
    /// The most and the fewest that one listener who reads was told.
    pub most: u64,
    pub fewest: u64,
    /// Numbers that did not grow.
    pub disordered: u64,
    pub octets: u64,
    /// Listeners that were closed, by their close codes.
    pub closed: Vec<(u16, u64)>,
    /// Processor time of the listeners themselves.
    pub cpu_seconds: f64,
}

impl fmt::Display for ListenReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            listeners,
            open,
            seconds,
            deliveries,
            deliveries_per_second,
            most,
            fewest,
            disordered,
            cpu_seconds,
            ..
        } = self;
        writeln!(
            formatter,
            "listeners    {listeners}, open at the end {open}"
        )?;
        write!(formatter, "deliveries   {deliveries} in {seconds:.1} s, ")?;
        writeln!(formatter, "{deliveries_per_second:.0} a second")?;
        write!(formatter, "each         {fewest} to {most}, ")?;
        writeln!(formatter, "out of order {disordered}")?;
        for (code, count) in &self.closed {
            writeln!(formatter, "closed       {count} with {code}")?;
        }
        write!(
            formatter,
            "processor    {cpu_seconds:.1} s of the listeners"
        )
    }
}

/// Why nobody listened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("the server could not be reached")]
    Connect(#[source] io::Error),
    #[error("the server did not open a WebSocket: {0}")]
    Refused(String),
}

/// One of them.
struct Listener {
    stream: TcpStream,
    frames: Frames,
    events: u64,
    last: u64,
    is_open: bool,
    reads: bool,
}

/// Listens until the time is over.
pub fn listen(options: &ListenOptions) -> Result<ListenReport, ListenError> {
    raise_limit();
    let mut listeners = Vec::with_capacity(options.listeners);
    for index in 0..options.listeners {
        let mut listener = Listener::open(options)?;
        listener.reads = options.stalled <= index;
        listeners.push(listener);
    }
    let (begun, cpu) = (Instant::now(), cpu_time());
    let mut report = ListenReport {
        listeners: options.listeners,
        ..ListenReport::default()
    };
    let mut buffer = vec![0; READ_BYTES];
    while let Some(left) = options.duration.checked_sub(begun.elapsed()) {
        let ready = wait(&listeners, left);
        for index in ready {
            if let Some(listener) = listeners.get_mut(index) {
                listener.take(&mut buffer, &mut report);
            }
        }
    }
    report.seconds = begun.elapsed().as_secs_f64();
    report.cpu_seconds = cpu_time().saturating_sub(cpu).as_secs_f64();
    report.deliveries_per_second = report.deliveries as f64 / report.seconds;
    report.open = listeners.iter().filter(|one| one.is_open).count();
    let events = || {
        listeners
            .iter()
            .filter(|one| one.reads)
            .map(|one| one.events)
    };
    report.most = events().max().unwrap_or(0);
    report.fewest = events().min().unwrap_or(0);
    Ok(report)
}

/// Thousands of sockets are more than many systems give without being asked.
fn raise_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Without it there are fewer sockets, which the first one too many says.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Which of those who read have something to read.
fn wait(listeners: &[Listener], left: Duration) -> Vec<usize> {
    let places: Vec<usize> = (0..listeners.len())
        .filter(|index| listeners[*index].is_open && listeners[*index].reads)
        .collect();
    let watched = places.iter();
    let watched =
        watched.map(|index| PollFd::new(listeners[*index].stream.as_fd(), PollFlags::POLLIN));
    let mut watched: Vec<PollFd<'_>> = watched.collect();
    let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
    let _: Result<_, Errno> = poll(&mut watched, timeout);
    let ready = watched.iter().zip(places);
    let ready = ready.filter(|(fd, _)| fd.any().unwrap_or(false));
    ready.map(|(_, index)| index).collect()
}

impl Listener {
    fn open(options: &ListenOptions) -> Result<Self, ListenError> {
        let mut stream = TcpStream::connect(options.server).map_err(ListenError::Connect)?;
        stream
            .set_read_timeout(Some(HANDSHAKE_PATIENCE))
            .map_err(ListenError::Connect)?;
        let request = format!(
            "GET /api/v1/events?topics={} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: {KEY}\r\n\r\n",
            options.topics, options.server, options.token
        );
        stream
            .write_all(request.as_bytes())
            .map_err(ListenError::Connect)?;
        let mut head = Vec::new();
        let mut octet = [0];
        while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
            stream
                .read_exact(&mut octet)
                .map_err(ListenError::Connect)?;
            head.extend(octet);
        }
        let head = String::from_utf8_lossy(&head);
        let status = head.lines().next().unwrap_or_default();
        if !status.contains(" 101 ") {
            return Err(ListenError::Refused(status.to_owned()));
        }
        stream.set_nonblocking(true).map_err(ListenError::Connect)?;
        Ok(Self {
            stream,
            frames: Frames::default(),
            events: 0,
            last: 0,
            is_open: true,
            reads: true,
        })
    }

    /// Reads what is there.
    fn take(&mut self, buffer: &mut [u8], report: &mut ListenReport) {
        match self.stream.read(buffer) {
            Ok(0) => self.is_open = false,
            Ok(len) => {
                report.octets += len as u64;
                self.frames.push(&buffer[..len]);
                while let Some(frame) = self.frames.next() {
                    self.handle(frame, report);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.is_open = false,
        }
    }

    fn handle(&mut self, frame: Frame, report: &mut ListenReport) {
        match frame {
            Frame::Text(text) => {
                let seq = find_seq(&text);
                if seq <= self.last {
                    report.disordered += 1;
                }
                self.last = seq;
                self.events += 1;
                report.deliveries += 1;
            }
            Frame::Ping(payload) => {
                // Whoever does not take it does not read either.
                let _ = self.stream.write_all(&frame::pong(&payload));
            }
            Frame::Close(code) => {
                self.is_open = false;
                match report.closed.iter_mut().find(|(known, _)| *known == code) {
                    Some((_, count)) => *count += 1,
                    None => report.closed.push((code, 1)),
                }
            }
            Frame::Other => {}
        }
    }
}

/// The number of an event: its first member.
fn find_seq(text: &[u8]) -> u64 {
    let digits = text.strip_prefix(br#"{"seq":"#).unwrap_or_default();
    let digits = digits.iter().take_while(|octet| octet.is_ascii_digit());
    digits.fold(0, |seq: u64, digit| {
        seq.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_an_event_is_found() {
        assert_eq!(find_seq(br#"{"seq":1207,"at":"#), 1_207);
        assert_eq!(find_seq(b"{}"), 0);
    }
}
