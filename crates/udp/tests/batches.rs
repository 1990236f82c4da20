//! Batches over loopback: every datagram once, from the right address, and drops told.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use udp::receive::{Now, ReceiveBuffer, Receiver, Taken};
use udp::send::{Outgoing, Sender};
use udp::socket::Socket;

const PATIENCE: Duration = Duration::from_secs(10);

struct Letter {
    peer: SocketAddr,
    octets: Vec<u8>,
}

impl Outgoing for Letter {
    fn peer(&self) -> SocketAddr {
        self.peer
    }

    fn octets(&self) -> &[u8] {
        &self.octets
    }
}

fn any(ip: &str) -> SocketAddr {
    SocketAddr::new(ip.parse().expect("an address"), 0)
}

fn bind(ip: &str) -> Socket {
    Socket::bind(any(ip)).expect("loopback has ports")
}

/// A look with a wall clock far in the future, so that everything has waited for long.
fn now(instant: Instant) -> Now {
    Now {
        instant,
        since_epoch: Duration::from_secs(10_000_000_000),
    }
}

/// A client that waits for its answers.
fn client(ip: &str) -> UdpSocket {
    let client = UdpSocket::bind(any(ip)).expect("loopback has ports");
    client
        .set_read_timeout(Some(PATIENCE))
        .expect("a timeout can be set");
    client
}

fn local(client: &UdpSocket) -> SocketAddr {
    client.local_addr().expect("it is bound")
}

fn send(client: &UdpSocket, octets: &[u8], to: SocketAddr) {
    client.send_to(octets, to).expect("loopback takes it");
}

/// What each of the clients gets next, and from where.
fn read(client: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut octets = [0; 8_192];
    let (length, from) = client.recv_from(&mut octets).expect("an answer in time");
    (octets[..length].to_vec(), from)
}

/// Looks until something is there.
fn take(
    receiver: &mut Receiver,
    socket: &Socket,
    instant: Instant,
    mut handle: impl FnMut(&udp::receive::Datagram<'_>),
) -> Taken {
    let mut buffer = ReceiveBuffer::new();
    let deadline = Instant::now() + PATIENCE;
    loop {
        match receiver.receive(socket, &mut buffer, now(instant), &mut handle) {
            Ok(taken) => return taken,
            Err(_) => assert!(Instant::now() < deadline, "nothing came"),
        }
    }
}

#[test]
fn every_datagram_reaches_its_peer_once_and_in_order_of_its_length() {
    for ip in ["127.0.0.1", "::1"] {
        let server = bind(ip);
        let clients: Vec<_> = (0..5).map(|_| client(ip)).collect();
        // Of several lengths, too long to be cut, empty, and more than one batch.
        let lengths = [20, 20, 44, 1_232, 1_233, 4_000, 20, 0, 44];
        let letters: Vec<Letter> = (0..150)
            .map(|index| {
                let mut octets = vec![0; lengths[index % lengths.len()]];
                if let Some(first) = octets.first_mut() {
                    *first = u8::try_from(index).expect("a small number");
                }
                let peer = local(&clients[index % clients.len()]);
                Letter { peer, octets }
            })
            .collect();
        assert_eq!(Sender::new().send(&server, None, &letters), 0);
        for client in &clients {
            let mut expected: BTreeMap<usize, Vec<&[u8]>> = BTreeMap::new();
            let mut found: BTreeMap<usize, Vec<Vec<u8>>> = BTreeMap::new();
            let theirs = letters.iter().filter(|letter| letter.peer == local(client));
            for letter in theirs {
                let same = expected.entry(letter.octets.len()).or_default();
                same.push(&letter.octets);
                let (octets, from) = read(client);
                assert_eq!(from, server.address());
                found.entry(octets.len()).or_default().push(octets);
            }
            assert_eq!(format!("{found:?}"), format!("{expected:?}"));
        }
    }
}

#[test]
fn a_socket_with_several_addresses_answers_from_the_one_that_was_asked() {
    for (wildcard, ip, asked) in [
        ("0.0.0.0", "127.0.0.1", "127.0.0.9"),
        ("::", "::1", "::1"),
        ("::", "127.0.0.1", "127.0.0.9"),
    ] {
        let server = bind(wildcard);
        let client = client(ip);
        let asked = SocketAddr::new(asked.parse().expect("an address"), server.address().port());
        for octets in [[1], [2], [3]] {
            send(&client, &octets, asked);
        }
        let mut letters = Vec::new();
        let mut came_to: Option<IpAddr> = None;
        let mut receiver = Receiver::new();
        while letters.len() < 3 {
            take(&mut receiver, &server, Instant::now(), |datagram| {
                came_to = datagram.local;
                letters.push(Letter {
                    peer: datagram.peer,
                    octets: datagram.octets.to_vec(),
                });
            });
        }
        assert_eq!(came_to.map(|ip| ip.to_canonical()), Some(asked.ip()));
        assert_eq!(Sender::new().send(&server, came_to, &letters), 0);
        for octets in [[1], [2], [3]] {
            assert_eq!(read(&client), (octets.to_vec(), asked));
        }
    }
}

#[test]
fn what_cannot_be_sent_does_not_stop_the_others() {
    let server = bind("127.0.0.1");
    let client = client("127.0.0.1");
    let to = |peer: SocketAddr| Letter {
        peer,
        octets: vec![7; 20],
    };
    // An IPv4 socket has no way to an IPv6 peer.
    let unreachable = any("::1");
    let letters = [
        to(unreachable),
        to(local(&client)),
        to(unreachable),
        to(local(&client)),
    ];
    assert_eq!(Sender::new().send(&server, None, &letters), 2);
    for _ in 0..2 {
        assert_eq!(read(&client).0, [7; 20]);
    }
}

#[test]
fn what_the_kernel_drops_is_counted_and_no_wrong_address_is_used() {
    let server = bind("0.0.0.0");
    let target = SocketAddr::from(([127, 0, 0, 1], server.address().port()));
    let client = client("127.0.0.1");
    let mut receiver = Receiver::new();
    let begin = Instant::now();
    // After this look, the room beside a datagram is no more than where it came to needs.
    send(&client, b"first", target);
    assert_eq!(take(&mut receiver, &server, begin, |_| {}).datagrams, 1);
    const FLOOD: usize = 40_000;
    for _ in 0..FLOOD {
        send(&client, &[0; 1_000], target);
    }
    send(&client, b"last", target);
    let mut buffer = ReceiveBuffer::new();
    let mut sum = Taken::default();
    let mut look = |sum: &mut Taken| {
        let taken = receiver.receive(&server, &mut buffer, now(begin), |datagram| {
            assert_eq!(datagram.local, Some(target.ip()));
        })?;
        sum.datagrams += taken.datagrams;
        sum.misplaced += taken.misplaced;
        sum.kernel_drops += taken.kernel_drops;
        io::Result::Ok(())
    };
    while look(&mut sum).is_ok() {}
    assert!(sum.datagrams < FLOOD, "the buffer of the kernel is bounded");
    // What was dropped is told beside what comes after it.
    for _ in 0..2 {
        send(&client, b"x", target);
        look(&mut sum).expect("it is there");
    }
    let sent = FLOOD + 3;
    assert_eq!(sum.datagrams as u64 + sum.kernel_drops, sent as u64);
    // Once the room has shrunk, and once more when a batch without drops comes in between.
    let most = 2 * udp::BATCH as u64;
    assert!((1..=most).contains(&sum.misplaced), "{sum:?}");
}

#[test]
fn under_pressure_it_is_told_how_long_a_datagram_waited() {
    let server = bind("127.0.0.1");
    let client = client("127.0.0.1");
    let mut receiver = Receiver::new();
    let mut waited = Vec::new();
    let round = |receiver: &mut Receiver, waited: &mut Vec<Duration>| {
        for _ in 0..udp::BATCH {
            send(&client, b"x", server.address());
        }
        // New headers each time: those that are there have no room for a stamp any more.
        let instant =
            Instant::now() + Duration::from_secs(2) * u32::try_from(waited.len()).expect("small");
        let taken = take(receiver, &server, instant, |datagram| {
            waited.push(datagram.waited)
        });
        assert_eq!(taken.datagrams, udp::BATCH);
    };
    for _ in 0..17 {
        round(&mut receiver, &mut waited);
    }
    let (calm, pressed) = waited.split_at(16 * udp::BATCH);
    assert!(calm.iter().all(Duration::is_zero));
    assert!(
        pressed
            .iter()
            .all(|waited| Duration::from_secs(1) < *waited)
    );
}

#[test]
fn senders_are_spread_over_all_sockets_of_a_port() {
    const SENDERS: usize = 64;
    let sockets = Socket::bind_shared(any("127.0.0.1"), 4).expect("loopback has ports");
    for _ in 0..SENDERS {
        send(&client("127.0.0.1"), b"x", sockets[0].address());
    }
    let mut buffer = ReceiveBuffer::new();
    let mut counts = [0; 4];
    let deadline = Instant::now() + PATIENCE;
    while counts.iter().sum::<usize>() < SENDERS {
        assert!(Instant::now() < deadline, "{counts:?}");
        for (socket, count) in sockets.iter().zip(&mut counts) {
            let taken = Receiver::new().receive(socket, &mut buffer, now(deadline), |_| {});
            *count += taken.map_or(0, |taken| taken.datagrams);
        }
    }
    assert!(counts.iter().all(|count| 0 < *count), "{counts:?}");
}
