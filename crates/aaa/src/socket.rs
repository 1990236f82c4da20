//! UDP sockets in batches: `recvmmsg`, `sendmmsg`, and answers from the address that was asked.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use arrayvec::ArrayVec;
use nix::cmsg_space;
use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage,
    recvmmsg, sendmmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};

use crate::engine::{Outgoing, Received, Role};

/// Datagrams in one system call.
pub const BATCH: usize = 64;

/// The longest RADIUS packet; what is beyond in a datagram is padding (RFC 2865 §3).
const DATAGRAM: usize = 4_096;

/// What the kernel may hold for us between two looks.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

/// An address to listen on could not be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({setting}): {remedy}")]
pub struct BindError {
    pub address: SocketAddr,
    /// The configuration key that names the address.
    pub setting: &'static str,
    remedy: &'static str,
    #[source]
    source: io::Error,
}

/// One socket of one worker.
#[derive(Debug)]
pub struct Listener {
    pub role: Role,
    pub address: SocketAddr,
    socket: UdpSocket,
}

/// Opens `workers` sockets on each address; the kernel spreads the senders over them. A port of 0
/// is chosen by the kernel once and used by all workers.
pub fn bind(address: SocketAddr, role: Role, workers: usize) -> Result<Vec<Listener>, BindError> {
    let fail = |source: io::Error| bind_error(address, role, source);
    // SO_REUSEPORT would let a second server share the port in silence, and the kernel hand out a
    // port that is shared already. So the first socket is bound without it and shares afterwards.
    let first = open(address).map_err(fail)?;
    first.bind(&address.into()).map_err(fail)?;
    let address = first.local_addr().map_err(fail)?;
    let address = address.as_socket().expect("it is an IP socket");
    first.set_reuse_port(true).map_err(fail)?;
    let mut sockets = vec![UdpSocket::from(first)];
    while sockets.len() < workers {
        let socket = open(address).map_err(fail)?;
        socket.set_reuse_port(true).map_err(fail)?;
        socket.bind(&address.into()).map_err(fail)?;
        sockets.push(socket.into());
    }
    Ok(sockets
        .into_iter()
        .map(|socket| Listener {
            role,
            address,
            socket,
        })
        .collect())
}

fn open(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    socket.set_nonblocking(true)?;
    // The kernel grants what net.core.rmem_max allows; less is not an error.
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    if address.is_ipv4() {
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
    } else {
        // [::] serves IPv4 too; a concrete IPv6 address cannot.
        socket.set_only_v6(!address.ip().is_unspecified())?;
        setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    }
    Ok(socket)
}

fn bind_error(address: SocketAddr, role: Role, source: io::Error) -> BindError {
    BindError {
        address,
        setting: match role {
            Role::Authentication => "radius.auth",
            Role::Accounting => "radius.acct",
        },
        remedy: remedy(source.kind()),
        source,
    }
}

fn remedy(kind: io::ErrorKind) -> &'static str {
    if kind == io::ErrorKind::AddrInUse {
        "another program has this port; stop it or choose another port"
    } else if kind == io::ErrorKind::AddrNotAvailable {
        "this machine does not have this address"
    } else if kind == io::ErrorKind::PermissionDenied {
        "ports below 1024 need root or CAP_NET_BIND_SERVICE"
    } else {
        "the system refused"
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The memory that datagrams are received into, shared by the listeners of a worker.
pub struct ReceiveBuffer(Box<[u8]>);

impl ReceiveBuffer {
    pub fn new() -> Self {
        Self(vec![0; BATCH * DATAGRAM].into())
    }
}

impl Default for ReceiveBuffer {
    fn default() -> Self {
        Self::new()
    }
}

/// Headers for receiving from one listener, kept from batch to batch.
pub struct Receiver(MultiHeaders<SockaddrStorage>);

impl Receiver {
    pub fn new() -> Self {
        Self(receive_headers())
    }

    /// Receives what is there, at most one batch, and hands it out. Returns how many there were.
    pub fn receive(
        &mut self,
        listener: &Listener,
        index: u8,
        buffer: &mut ReceiveBuffer,
        mut handle: impl FnMut(&Received<'_>),
    ) -> io::Result<usize> {
        let mut chunks = buffer.0.chunks_exact_mut(DATAGRAM);
        let mut slices: [_; BATCH] = std::array::from_fn(|_| {
            [IoSliceMut::new(
                chunks.next().expect("the buffer has BATCH chunks"),
            )]
        });
        let is_wildcard = listener.address.ip().is_unspecified();
        let mut is_local_missing = false;
        let received = recvmmsg(
            listener.socket.as_raw_fd(),
            &mut self.0,
            slices.iter_mut(),
            MsgFlags::MSG_DONTWAIT,
            None,
        )?;
        let mut count = 0;
        for message in received {
            count += 1;
            let Some(peer) = message.address.as_ref().and_then(to_std) else {
                continue;
            };
            let local = if is_wildcard {
                local_of(&message)
            } else {
                None
            };
            is_local_missing |= is_wildcard && local.is_none();
            handle(&Received {
                listener: index,
                role: listener.role,
                peer,
                local,
                octets: message.iovs().next().unwrap_or_default(),
            });
        }
        if is_local_missing {
            // The kernel writes the length of the control data it delivered into the header; a
            // message without any would leave no room for the next one's.
            self.0 = receive_headers();
        }
        Ok(count)
    }
}

impl Default for Receiver {
    fn default() -> Self {
        Self::new()
    }
}

/// Headers for sending, kept from batch to batch.
pub struct Sender {
    plain: MultiHeaders<SockaddrStorage>,
    v4: MultiHeaders<SockaddrStorage>,
    v6: MultiHeaders<SockaddrStorage>,
}

impl Sender {
    pub fn new() -> Self {
        Self {
            plain: MultiHeaders::preallocate(BATCH, None),
            v4: MultiHeaders::preallocate(BATCH, Some(cmsg_space!(libc::in_pktinfo))),
            v6: MultiHeaders::preallocate(BATCH, Some(cmsg_space!(libc::in6_pktinfo))),
        }
    }

    /// Sends datagrams of one listener, all from the same local address; at most [`BATCH`].
    /// Returns how many the kernel took; an error means that it refused the first.
    pub fn send(&mut self, listener: &Listener, batch: &[Outgoing]) -> io::Result<usize> {
        let slices: ArrayVec<[IoSlice<'_>; 1], BATCH> = batch
            .iter()
            .take(BATCH)
            .map(|outgoing| [IoSlice::new(&outgoing.octets)])
            .collect();
        let peers: ArrayVec<Option<SockaddrStorage>, BATCH> = batch
            .iter()
            .take(BATCH)
            .map(|outgoing| Some(SockaddrStorage::from(outgoing.peer)))
            .collect();
        let fd = listener.socket.as_raw_fd();
        let flags = MsgFlags::MSG_DONTWAIT;
        let sent = match batch.first().and_then(|outgoing| outgoing.local) {
            None => sendmmsg(fd, &mut self.plain, &slices, &peers, [], flags)?.count(),
            Some(IpAddr::V4(local)) if listener.address.is_ipv4() => {
                let info = v4_info(local);
                let control = [ControlMessage::Ipv4PacketInfo(&info)];
                sendmmsg(fd, &mut self.v4, &slices, &peers, control, flags)?.count()
            }
            Some(local) => {
                let info = v6_info(match local {
                    IpAddr::V4(local) => local.to_ipv6_mapped(),
                    IpAddr::V6(local) => local,
                });
                let control = [ControlMessage::Ipv6PacketInfo(&info)];
                sendmmsg(fd, &mut self.v6, &slices, &peers, control, flags)?.count()
            }
        };
        Ok(sent)
    }
}

impl Default for Sender {
    fn default() -> Self {
        Self::new()
    }
}

fn receive_headers() -> MultiHeaders<SockaddrStorage> {
    MultiHeaders::preallocate(BATCH, Some(cmsg_space!(libc::in6_pktinfo)))
}

fn local_of(message: &RecvMsg<'_, '_, SockaddrStorage>) -> Option<IpAddr> {
    message.cmsgs().ok()?.find_map(|control| {
        if let ControlMessageOwned::Ipv4PacketInfo(info) = control {
            return Some(IpAddr::from(info.ipi_addr.s_addr.to_ne_bytes()));
        }
        if let ControlMessageOwned::Ipv6PacketInfo(info) = control {
            return Some(IpAddr::from(Ipv6Addr::from(info.ipi6_addr.s6_addr)));
        }
        None
    })
}

fn v4_info(local: std::net::Ipv4Addr) -> libc::in_pktinfo {
    libc::in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: libc::in_addr {
            s_addr: u32::from_ne_bytes(local.octets()),
        },
        ipi_addr: libc::in_addr { s_addr: 0 },
    }
}

fn v6_info(local: Ipv6Addr) -> libc::in6_pktinfo {
    libc::in6_pktinfo {
        ipi6_addr: libc::in6_addr {
            s6_addr: local.octets(),
        },
        ipi6_ifindex: 0,
    }
}

fn to_std(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::from((v4.ip(), v4.port())));
    }
    let v6 = address.as_sockaddr_in6()?;
    Some(SocketAddr::V6((*v6).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_are_spread_over_all_workers() {
        const SENDERS: usize = 64;
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let listeners = bind(address, Role::Authentication, 4).expect("loopback is there");
        for _ in 0..SENDERS {
            let sender = UdpSocket::bind(address).expect("loopback is there");
            let sent = sender.send_to(b"x", listeners[0].address);
            sent.expect("loopback takes it");
        }
        let mut buffer = ReceiveBuffer::new();
        let mut counts = [0; 4];
        while counts.iter().sum::<usize>() < SENDERS {
            for (listener, count) in listeners.iter().zip(&mut counts) {
                let received = Receiver::new().receive(listener, 0, &mut buffer, |_| {});
                *count += received.unwrap_or(0);
            }
        }
        assert!(counts.iter().all(|count| 0 < *count), "{counts:?}");
    }
}
