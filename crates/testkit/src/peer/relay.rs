//! A UDP relay that remembers what went through it.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

const DATAGRAMS_MAX: usize = 4_096;
const OCTETS_MAX: usize = 65_536;

/// Which way a datagram went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the server.
    Request,
    /// From the server.
    Reply,
}

/// A datagram that went through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Which way.
    pub direction: Direction,
    /// All of it.
    pub octets: Vec<u8>,
}

/// A relay between one client at a time and one server.
#[derive(Debug)]
pub struct Relay {
    /// Where the client sends to.
    pub address: SocketAddr,
    state: Arc<State>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    front: UdpSocket,
    back: UdpSocket,
    client: Mutex<Option<SocketAddr>>,
    seen: Mutex<Vec<Datagram>>,
    is_stopping: AtomicBool,
}

impl Relay {
    /// Begins to relay to `server`.
    pub fn start(server: SocketAddr) -> Self {
        let open = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
        let state = Arc::new(State {
            front: open(),
            back: open(),
            client: Mutex::default(),
            seen: Mutex::default(),
            is_stopping: AtomicBool::new(false),
        });
        let address = state.front.local_addr().expect("it is bound");
        let requests = Arc::clone(&state);
        let replies = Arc::clone(&state);
        let threads = vec![
            thread::spawn(move || requests.pass_requests(server)),
            thread::spawn(move || replies.pass_replies(server)),
        ];
        Self {
            address,
            state,
            threads,
        }
    }

    /// Stops, and gives what went through, in order.
    pub fn finish(self) -> Vec<Datagram> {
        self.state.is_stopping.store(true, SeqCst);
        for socket in [&self.state.front, &self.state.back] {
            let address = socket.local_addr().expect("it is bound");
            socket.send_to(&[], address).expect("loopback takes it");
        }
        for thread in self.threads {
            thread.join().expect("a relay does not panic");
        }
        self.state.seen.lock().expect("no holder panics").clone()
    }
}

impl State {
    fn pass_requests(&self, server: SocketAddr) {
        let mut buffer = vec![0; OCTETS_MAX];
        while let Ok((length, client)) = self.front.recv_from(&mut buffer) {
            if self.is_stopping.load(SeqCst) {
                return;
            }
            *self.client.lock().expect("no holder panics") = Some(client);
            self.note(Direction::Request, &buffer[..length]);
            // A server that is gone is the client's to notice.
            drop(self.back.send_to(&buffer[..length], server));
        }
    }

    fn pass_replies(&self, server: SocketAddr) {
        let mut buffer = vec![0; OCTETS_MAX];
        while let Ok((length, sender)) = self.back.recv_from(&mut buffer) {
            if self.is_stopping.load(SeqCst) {
                return;
            }
            let client = *self.client.lock().expect("no holder panics");
            if let (true, Some(client)) = (sender == server, client) {
                self.note(Direction::Reply, &buffer[..length]);
                drop(self.front.send_to(&buffer[..length], client));
            }
        }
    }

    fn note(&self, direction: Direction, octets: &[u8]) {
        let mut seen = self.seen.lock().expect("no holder panics");
        assert!(
            seen.len() < DATAGRAMS_MAX,
            "more than {DATAGRAMS_MAX} datagrams"
        );
        seen.push(Datagram {
            direction,
            octets: octets.to_owned(),
        });
    }
}
