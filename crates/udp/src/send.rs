//! Sending: `sendmmsg`, from the address that was asked, and in one piece for the kernel what goes
//! to one peer.
//!
//! Datagrams of one length to one peer are handed over together and the kernel cuts them apart
//! (UDP_SEGMENT, Linux 4.18), which spares it the way through its layers for each.

use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};

use arrayvec::ArrayVec;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};
use nix::{cmsg_space, libc};

use crate::BATCH;
use crate::address::{v4_info, v6_info};
use crate::socket::Socket;

/// Longer datagrams are not handed over together: the kernel does not fragment what it cuts, and
/// this fits the smallest way that IPv6 allows (RFC 8200 §5), with its headers.
const SEGMENT_MAX: usize = 1_232;

/// Octets that are handed over in one piece: a little less than what a datagram may have.
const PIECE_MAX: usize = 65_000;

/// Fewer datagrams are sent as they come: there is little to spare.
const JOINED_MIN: usize = 8;

/// What can be sent.
pub trait Outgoing {
    fn peer(&self) -> SocketAddr;
    fn octets(&self) -> &[u8];
}

/// Headers kept from batch to batch, for each combination of what the kernel is told beside the
/// datagrams.
pub struct Sender {
    headers: [MultiHeaders<SockaddrStorage>; 6],
    /// The kernel has not refused to cut yet.
    is_cutting: bool,
}

/// What is sent together: one length, so one message to the kernel for each peer.
struct Class<'a> {
    pieces: ArrayVec<&'a [IoSlice<'a>], BATCH>,
    peers: ArrayVec<Option<SockaddrStorage>, BATCH>,
    /// How long each datagram is, when there are several in a piece.
    cut: Option<u16>,
}

impl Sender {
    pub fn new() -> Self {
        let rooms = [
            None,
            Some(cmsg_space!(libc::in_pktinfo)),
            Some(cmsg_space!(libc::in6_pktinfo)),
            Some(cmsg_space!(u16)),
            Some(cmsg_space!(libc::in_pktinfo, u16)),
            Some(cmsg_space!(libc::in6_pktinfo, u16)),
        ];
        Self {
            headers: rooms.map(|room| MultiHeaders::preallocate(BATCH, room)),
            is_cutting: true,
        }
    }

    /// Sends datagrams without waiting, all from the same local address. In a large batch the order
    /// is kept only among those of one length to one peer. Returns how many the kernel refused; one peer that cannot
    /// be reached does not stop the others' datagrams.
    pub fn send<T: Outgoing>(
        &mut self,
        socket: &Socket,
        local: Option<IpAddr>,
        datagrams: &[T],
    ) -> usize {
        let batches = datagrams.chunks(BATCH);
        batches
            .map(|batch| self.send_batch(socket, local, batch))
            .sum()
    }

    fn send_batch<T: Outgoing>(
        &mut self,
        socket: &Socket,
        local: Option<IpAddr>,
        batch: &[T],
    ) -> usize {
        let is_joining = self.is_cutting && JOINED_MIN <= batch.len();
        let batch = if is_joining {
            in_order(batch)
        } else {
            batch.iter().collect()
        };
        let slices: ArrayVec<IoSlice<'_>, BATCH> = batch
            .iter()
            .map(|datagram| IoSlice::new(datagram.octets()))
            .collect();
        if !is_joining {
            return self.send_class(socket, local, &Class::of_single(&batch, &slices));
        }
        let (mut at, mut refused) = (0, 0);
        for same in batch.chunk_by(|left, right| left.octets().len() == right.octets().len()) {
            let slices = &slices[at..at + same.len()];
            at += same.len();
            let class = Class::of_one_length(same, slices);
            refused += self.send_class(socket, local, &class);
        }
        refused
    }

    fn send_class(&mut self, socket: &Socket, local: Option<IpAddr>, class: &Class<'_>) -> usize {
        let (mut at, mut refused) = (0, 0);
        while at < class.pieces.len() {
            match self.hand_over(socket, local, class, at) {
                Ok(taken) if 0 < taken => at += taken,
                Err(problem) if class.cut.is_some() && is_unable_to_cut(problem) => {
                    self.is_cutting = false;
                    let rest = class.pieces[at..].iter().zip(&class.peers[at..]);
                    let single = Class::apart(rest.map(|(piece, peer)| (*piece, *peer)));
                    return refused + self.send_class(socket, local, &single);
                }
                Ok(_) | Err(_) => {
                    refused += class.pieces[at].len();
                    at += 1;
                }
            }
        }
        refused
    }

    /// One system call for the pieces from `at` on; returns how many the kernel took. An error
    /// means that it refused the first.
    fn hand_over(
        &mut self,
        socket: &Socket,
        local: Option<IpAddr>,
        class: &Class<'_>,
        at: usize,
    ) -> Result<usize, Errno> {
        let (v4, v6);
        let mut controls = ArrayVec::<ControlMessage<'_>, 2>::new();
        let mut headers = match local {
            None => 0,
            Some(IpAddr::V4(local)) if socket.address().is_ipv4() => {
                v4 = v4_info(local);
                controls.push(ControlMessage::Ipv4PacketInfo(&v4));
                1
            }
            Some(local) => {
                v6 = v6_info(match local {
                    IpAddr::V4(local) => local.to_ipv6_mapped(),
                    IpAddr::V6(local) => local,
                });
                controls.push(ControlMessage::Ipv6PacketInfo(&v6));
                2
            }
        };
        if let Some(length) = &class.cut {
            controls.push(ControlMessage::UdpGsoSegments(length));
            headers += 3;
        }
        let sent = sendmmsg(
            socket.raw(),
            &mut self.headers[headers],
            &class.pieces[at..],
            &class.peers[at..],
            controls,
            MsgFlags::MSG_DONTWAIT,
        )?;
        Ok(sent.count())
    }
}

impl Default for Sender {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Class<'a> {
    /// Every datagram by itself.
    fn of_single<T: Outgoing>(batch: &[&T], slices: &'a [IoSlice<'a>]) -> Self {
        let peers = batch.iter().map(|datagram| Some(datagram.peer().into()));
        Self {
            pieces: slices.chunks(1).collect(),
            peers: peers.collect(),
            cut: None,
        }
    }

    /// Datagrams of one length, sorted by their peers: one piece for each peer, or a few.
    fn of_one_length<T: Outgoing>(batch: &[&T], slices: &'a [IoSlice<'a>]) -> Self {
        let length = slices.first().map_or(0, |slice| slice.len());
        if length == 0 || SEGMENT_MAX < length {
            return Self::of_single(batch, slices);
        }
        let (mut pieces, mut peers) = (ArrayVec::new(), ArrayVec::new());
        let mut at = 0;
        for same in batch.chunk_by(|left, right| left.peer() == right.peer()) {
            for piece in slices[at..at + same.len()].chunks(PIECE_MAX / length) {
                pieces.push(piece);
                peers.push(Some(same[0].peer().into()));
            }
            at += same.len();
        }
        let is_any_joined = pieces.len() < batch.len();
        Self {
            pieces,
            peers,
            cut: u16::try_from(length).ok().filter(|_| is_any_joined),
        }
    }

    /// The same datagrams, every one by itself.
    fn apart(pieces: impl Iterator<Item = (&'a [IoSlice<'a>], Option<SockaddrStorage>)>) -> Self {
        let mut apart = Self {
            pieces: ArrayVec::new(),
            peers: ArrayVec::new(),
            cut: None,
        };
        for (piece, peer) in pieces {
            for single in piece.chunks(1) {
                apart.pieces.push(single);
                apart.peers.push(peer);
            }
        }
        apart
    }
}

/// The datagrams sorted so that those of one length stand together, and among them those to one
/// peer, in the order in which they were given.
fn in_order<T: Outgoing>(batch: &[T]) -> ArrayVec<&T, BATCH> {
    let mut keys: ArrayVec<(u64, usize), BATCH> = batch
        .iter()
        .map(|datagram| key(datagram.octets().len(), datagram.peer()))
        .zip(0..)
        .collect();
    // Most often all are for one peer, or there is only one.
    if !keys.is_sorted() {
        keys.sort_unstable();
    }
    keys.iter().map(|(_, index)| &batch[*index]).collect()
}

/// Sorts by the length and then by the peer. Peers that share a key stand side by side at worst,
/// and are told apart afterwards.
fn key(length: usize, peer: SocketAddr) -> u64 {
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let address = match peer.ip() {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => v6
            .to_bits()
            .to_be_bytes()
            .as_chunks::<8>()
            .0
            .iter()
            .fold(0, |folded, half| {
                (folded ^ u64::from_be_bytes(*half)).wrapping_mul(MIX)
            }),
    };
    let peer = ((address << 16) ^ u64::from(peer.port())).wrapping_mul(MIX);
    ((length as u64) << 48) | (peer >> 16)
}

/// Errors of a kernel or an interface that cannot cut; others are about the peer.
fn is_unable_to_cut(problem: Errno) -> bool {
    matches!(
        problem,
        Errno::EIO | Errno::EINVAL | Errno::EMSGSIZE | Errno::ENOPROTOOPT | Errno::EOPNOTSUPP
    )
}
