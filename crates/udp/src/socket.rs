//! Opening a socket, and sharing its port with others.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Type};

/// Octets that the kernel is asked to hold between two looks. It grants what net.core.rmem_max
/// and net.core.wmem_max allow.
const KERNEL_BUFFER: usize = 4 * 1024 * 1024;

/// A bound socket that never waits.
#[derive(Debug)]
pub struct Socket {
    inner: UdpSocket,
    address: SocketAddr,
}

impl Socket {
    /// Opens a port for one socket.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = open(address)?;
        socket.bind(&address.into())?;
        Self::of(socket.into())
    }

    /// Opens `count` sockets on one port; the kernel spreads the senders over them. A port of 0 is
    /// chosen by the kernel once and used by all.
    pub fn bind_shared(address: SocketAddr, count: usize) -> io::Result<Vec<Self>> {
        // SO_REUSEPORT would let a second server share the port in silence, and the kernel hand
        // out a port that is shared already. So the first socket is bound without it and shares
        // afterwards.
        let first = Self::bind(address)?;
        setsockopt(&first.inner, sockopt::ReusePort, &true)?;
        let address = first.address;
        let mut sockets = vec![first];
        while sockets.len() < count {
            let socket = open(address)?;
            socket.set_reuse_port(true)?;
            socket.bind(&address.into())?;
            sockets.push(Self::of(socket.into())?);
        }
        Ok(sockets)
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether datagrams come to several addresses of this machine.
    pub const fn is_wildcard(&self) -> bool {
        self.address.ip().is_unspecified()
    }

    pub(crate) fn raw(&self) -> RawFd {
        self.inner.as_raw_fd()
    }

    /// Lets the kernel note when each datagram arrives.
    pub(crate) fn set_stamping(&self, is_stamping: bool) -> io::Result<()> {
        setsockopt(&self.inner, sockopt::ReceiveTimestampns, &is_stamping).map_err(Into::into)
    }

    fn of(inner: UdpSocket) -> io::Result<Self> {
        let address = inner.local_addr()?;
        Ok(Self { inner, address })
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

fn open(address: SocketAddr) -> io::Result<socket2::Socket> {
    let domain = Domain::for_address(address);
    let socket = socket2::Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_recv_buffer_size(KERNEL_BUFFER)?;
    socket.set_send_buffer_size(KERNEL_BUFFER)?;
    setsockopt(&socket, sockopt::RxqOvfl, &1)?;
    let is_wildcard = address.ip().is_unspecified();
    if address.is_ipv6() {
        // [::] serves IPv4 too; a concrete IPv6 address cannot.
        socket.set_only_v6(!is_wildcard)?;
    }
    // Where a datagram came to is news only when there are several addresses.
    if is_wildcard && address.is_ipv4() {
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
    } else if is_wildcard {
        setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    }
    Ok(socket)
}
