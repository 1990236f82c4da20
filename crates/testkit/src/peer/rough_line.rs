//! A UDP relay on which datagrams are lost, doubled and overtaken, repeatably from a seed.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::{self, JoinHandle};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const OCTETS_MAX: usize = 4_096;
/// Clients, each a socket of its own towards the server.
const CLIENTS_MAX: usize = 64;
/// How often the line looks whether it is still wanted.
const LOOK_MS: u16 = 50;

/// How many datagrams of a hundred suffer what, in each direction.
#[derive(Clone, Copy, Debug)]
pub struct Roughness {
    /// They never arrive.
    pub lost: u32,
    /// They arrive twice.
    pub doubled: u32,
    /// They wait until another one of their client has passed.
    pub overtaken: u32,
}

/// A line between any clients and one server. It ends with the value.
#[derive(Debug)]
pub struct RoughLine {
    /// Where clients send to.
    pub address: SocketAddr,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    is_stopping: AtomicBool,
    lost: AtomicU64,
    doubled: AtomicU64,
    overtaken: AtomicU64,
}

/// The work of the thread.
struct Line {
    front: UdpSocket,
    server: SocketAddr,
    clients: Vec<Client>,
    known: HashMap<SocketAddr, usize>,
    roughness: Roughness,
    random: StdRng,
    state: Arc<State>,
}

struct Client {
    address: SocketAddr,
    back: UdpSocket,
    /// One datagram for each direction that waits to be overtaken.
    held: [Option<Vec<u8>>; 2],
}

#[derive(Clone, Copy)]
enum Direction {
    Request,
    Reply,
}

impl RoughLine {
    /// Begins to relay to `server`.
    pub fn start(server: SocketAddr, roughness: Roughness, seed: u64) -> Self {
        let front = socket();
        let address = front.local_addr().expect("it is bound");
        let state = Arc::new(State::default());
        let line = Line {
            front,
            server,
            clients: Vec::new(),
            known: HashMap::new(),
            roughness,
            random: StdRng::seed_from_u64(seed),
            state: Arc::clone(&state),
        };
        Self {
            address,
            state,
            thread: Some(thread::spawn(move || line.run())),
        }
    }

    /// How many datagrams were lost, doubled and held back so far.
    pub fn suffered(&self) -> [u64; 3] {
        let State {
            lost,
            doubled,
            overtaken,
            ..
        } = &*self.state;
        [lost, doubled, overtaken].map(|count| count.load(SeqCst))
    }
}

impl Drop for RoughLine {
    fn drop(&mut self) {
        self.state.is_stopping.store(true, SeqCst);
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed, and the test misses its datagrams.
            drop(thread.join());
        }
    }
}

impl Line {
    fn run(mut self) {
        let mut buffer = vec![0; OCTETS_MAX];
        while !self.state.is_stopping.load(SeqCst) {
            let sockets = self.clients.iter().map(|client| &client.back);
            let mut fds: Vec<PollFd<'_>> = std::iter::once(&self.front)
                .chain(sockets)
                .map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN))
                .collect();
            poll(&mut fds, PollTimeout::from(LOOK_MS)).expect("sockets can be waited for");
            while let Some((length, address)) = receive(&self.front, &mut buffer) {
                let client = self.client(address);
                self.pass(client, Direction::Request, &buffer[..length]);
            }
            for client in 0..self.clients.len() {
                while let Some((length, sender)) = receive(&self.clients[client].back, &mut buffer)
                {
                    if sender == self.server {
                        self.pass(client, Direction::Reply, &buffer[..length]);
                    }
                }
            }
        }
    }

    fn client(&mut self, address: SocketAddr) -> usize {
        if let Some(number) = self.known.get(&address) {
            return *number;
        }
        assert!(
            self.clients.len() < CLIENTS_MAX,
            "more than {CLIENTS_MAX} clients"
        );
        self.clients.push(Client {
            address,
            back: socket(),
            held: [None, None],
        });
        self.known.insert(address, self.clients.len() - 1);
        self.clients.len() - 1
    }

    fn pass(&mut self, client: usize, direction: Direction, datagram: &[u8]) {
        let Roughness {
            lost,
            doubled,
            overtaken,
        } = self.roughness;
        if self.happens(lost) {
            self.state.lost.fetch_add(1, SeqCst);
            return;
        }
        let is_first_held = self.clients[client].held[direction as usize].is_none();
        if is_first_held && self.happens(overtaken) {
            self.state.overtaken.fetch_add(1, SeqCst);
            self.clients[client].held[direction as usize] = Some(datagram.to_vec());
            return;
        }
        self.deliver(client, direction, datagram);
        if self.happens(doubled) {
            self.state.doubled.fetch_add(1, SeqCst);
            self.deliver(client, direction, datagram);
        }
        if let Some(held) = self.clients[client].held[direction as usize].take() {
            self.deliver(client, direction, &held);
        }
    }

    fn deliver(&self, client: usize, direction: Direction, datagram: &[u8]) {
        let Client { address, back, .. } = &self.clients[client];
        // Whoever is gone is for the other side to notice.
        drop(match direction {
            Direction::Request => back.send_to(datagram, self.server),
            Direction::Reply => self.front.send_to(datagram, address),
        });
    }

    fn happens(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
    socket.set_nonblocking(true).expect("a socket can be asked");
    socket
}

/// The next datagram that is there. That a peer is gone says nothing about the others.
fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
    loop {
        match socket.recv_from(buffer) {
            Ok(received) => return Some(received),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(_) => {}
        }
    }
}
