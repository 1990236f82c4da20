//! Many datagrams a system call: `recvmmsg`, `sendmmsg` and UDP_SEGMENT on a connected socket.

use std::io::{IoSlice, IoSliceMut};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg, sendmsg,
    setsockopt, sockopt,
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

/// Fewer datagrams are sent as they are: there is little to spare.
const JOINED_MIN: usize = 8;
/// Octets that are handed over in one piece: a little less than what a datagram may have.
const PIECE_MAX: usize = 65_000;

/// Headers for the datagrams of one call, used again and again.
pub(crate) struct Outbox {
    headers: MultiHeaders<()>,
    /// The kernel has not refused yet to cut a piece into datagrams (UDP_SEGMENT, Linux 4.18).
    is_cutting: bool,
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
            is_cutting: true,
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
        let joined = joined_count(&slices);
        let sent = if self.is_cutting && JOINED_MIN <= joined {
            self.send_joined(socket, &slices[..joined])
        } else {
            self.send_apart(socket, &slices)
        };
        match sent {
            Ok(count) => Ok(count),
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ENOBUFS) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Hands datagrams of one length over in one piece, which the kernel cuts: it spares the way
    /// through its layers for each.
    fn send_joined(
        &mut self,
        socket: &UdpSocket,
        slices: &[[IoSlice<'_>; 1]],
    ) -> Result<usize, Errno> {
        let length = slices[0][0].len() as u16;
        let cut = ControlMessage::UdpGsoSegments(&length);
        let piece = slices.as_flattened();
        let flags = MsgFlags::MSG_DONTWAIT;
        match sendmsg::<()>(socket.as_raw_fd(), piece, &[cut], flags, None) {
            Ok(_) => Ok(slices.len()),
            Err(Errno::EINVAL | Errno::EIO | Errno::ENOPROTOOPT | Errno::EMSGSIZE) => {
                self.is_cutting = false;
                self.send_apart(socket, slices)
            }
            Err(error) => Err(error),
        }
    }

    fn send_apart(
        &mut self,
        socket: &UdpSocket,
        slices: &[[IoSlice<'_>; 1]],
    ) -> Result<usize, Errno> {
        let no_control: [ControlMessage<'_>; 0] = [];
        let fd = socket.as_raw_fd();
        let (headers, flags) = (&mut self.headers, MsgFlags::MSG_DONTWAIT);
        let sent = sendmmsg(fd, headers, slices, [None; BATCH], no_control, flags)?;
        Ok(sent.count())
    }
}

/// How many of these, from the first on, have one length and fit one piece.
fn joined_count(slices: &[[IoSlice<'_>; 1]]) -> usize {
    let Some([first]) = slices.first() else {
        return 0;
    };
    let same = slices
        .iter()
        .take_while(|[slice]| slice.len() == first.len());
    same.count().min(PIECE_MAX / first.len().max(1))
}

/// Makes the kernel's buffers as large as it permits.
pub(crate) fn enlarge_buffers(socket: &UdpSocket) -> Result<(), Errno> {
    setsockopt(socket, sockopt::RcvBuf, &SOCKET_BUFFER_OCTETS)?;
    setsockopt(socket, sockopt::SndBuf, &SOCKET_BUFFER_OCTETS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_arrive_one_by_one_and_in_order() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(server.local_addr().unwrap()).unwrap();
        server.connect(client.local_addr().unwrap()).unwrap();
        let lengths = [vec![100; 20], vec![50; 3], vec![60; 2], vec![100; 9]].concat();
        let datagrams: Vec<Vec<u8>> = (0..)
            .zip(&lengths)
            .map(|(number, length)| vec![number; *length])
            .collect();
        for is_cutting in [true, false] {
            let mut outbox = Outbox::new();
            outbox.is_cutting = is_cutting;
            let mut sent = 0;
            while sent < datagrams.len() {
                let rest = datagrams[sent..].iter().map(Vec::as_slice);
                sent += outbox.send(&client, rest).unwrap();
            }
            let (mut inbox, mut arrived) = (Inbox::new(), Vec::new());
            while arrived.len() < datagrams.len() {
                inbox.fill(&server).unwrap();
                arrived.extend(inbox.datagrams().map(<[u8]>::to_vec));
            }
            assert_eq!(arrived, datagrams);
        }
    }
}
