//! Many datagrams a system call: `recvmmsg` and `sendmmsg` on a connected socket.

use std::io::{IoSlice, IoSliceMut};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg, setsockopt,
    sockopt,
};
use radius::packet::LENGTH_MAX;

/// Datagrams of one system call.
pub(crate) const BATCH: usize = 64;

/// Octets of kernel buffer that are asked for, so that a burst of answers is not dropped here.
const SOCKET_BUFFER_OCTETS: usize = 4 << 20;

/// Buffers for the datagrams of one call, used again and again.
pub(crate) struct Inbox {
    headers: MultiHeaders<SockaddrStorage>,
    buffers: Vec<[u8; LENGTH_MAX]>,
    lengths: [usize; BATCH],
    count: usize,
}

/// Headers for the datagrams of one call, used again and again.
pub(crate) struct Outbox {
    headers: MultiHeaders<()>,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            headers: MultiHeaders::preallocate(BATCH, None),
            buffers: vec![[0; LENGTH_MAX]; BATCH],
            lengths: [0; BATCH],
            count: 0,
        }
    }

    /// Receives what is there, without waiting; gives the number of datagrams.
    pub(crate) fn fill(&mut self, socket: &UdpSocket) -> Result<usize, Errno> {
        self.count = 0;
        let mut slices: Vec<[IoSliceMut<'_>; 1]> = self
            .buffers
            .iter_mut()
            .map(|buffer| [IoSliceMut::new(buffer)])
            .collect();
        let received = recvmmsg(
            socket.as_raw_fd(),
            &mut self.headers,
            slices.iter_mut(),
            MsgFlags::MSG_DONTWAIT,
            None,
        );
        match received {
            Ok(messages) => {
                for (message, length) in messages.zip(&mut self.lengths) {
                    *length = message.bytes;
                    self.count += 1;
                }
                Ok(self.count)
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(0),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        let lengths = self.lengths.iter().take(self.count);
        self.buffers
            .iter()
            .zip(lengths)
            .map(|(buffer, length)| &buffer[..*length])
    }
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self {
            headers: MultiHeaders::preallocate(BATCH, None),
        }
    }

    /// Sends at most [`BATCH`] datagrams without waiting; gives the number that the kernel took.
    pub(crate) fn send<'d>(
        &mut self,
        socket: &UdpSocket,
        datagrams: impl Iterator<Item = &'d [u8]>,
    ) -> Result<usize, Errno> {
        let slices: Vec<[IoSlice<'_>; 1]> = datagrams
            .take(BATCH)
            .map(|datagram| [IoSlice::new(datagram)])
            .collect();
        let no_control: [ControlMessage<'_>; 0] = [];
        let sent = sendmmsg(
            socket.as_raw_fd(),
            &mut self.headers,
            &slices,
            [None; BATCH],
            no_control,
            MsgFlags::MSG_DONTWAIT,
        );
        match sent {
            Ok(messages) => Ok(messages.count()),
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ENOBUFS) => Ok(0),
            Err(error) => Err(error),
        }
    }
}

/// Makes the kernel's buffers as large as it permits.
pub(crate) fn enlarge_buffers(socket: &UdpSocket) -> Result<(), Errno> {
    setsockopt(socket, sockopt::RcvBuf, &SOCKET_BUFFER_OCTETS)?;
    setsockopt(socket, sockopt::SndBuf, &SOCKET_BUFFER_OCTETS)
}
