//! Receiving: `recvmmsg` into memory that is used again, and what the kernel says beside the
//! datagrams.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, recvmmsg,
};
use nix::sys::time::TimeSpec;
use nix::{cmsg_space, libc};

use crate::address::{of_v4_info, of_v6_info, to_std};
use crate::socket::Socket;
use crate::{BATCH, DATAGRAM_MAX};

/// How long headers are used. The kernel writes the size of what it delivered beside a datagram
/// over the size of the room for it, so the room shrinks to what came last.
const HEADERS_AGE_MAX: Duration = Duration::from_secs(1);

/// Full batches in a row that mean that more comes than is taken, and batches in a row that are
/// not full until that is over.
const PRESSURE_BATCHES: u8 = 16;

/// Both clocks at the time of a look.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub instant: Instant,
    /// The wall clock: time since 1970 UTC.
    pub since_epoch: Duration,
}

/// One datagram as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    pub peer: SocketAddr,
    /// The address it came to, when the socket has several.
    pub local: Option<IpAddr>,
    /// How long it lay in the kernel: known while more comes than is taken, 0 otherwise.
    pub waited: Duration,
    pub octets: &'a [u8],
}

/// What one look at a socket brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Datagrams, [`BATCH`] at most; when it is that many there may be more.
    pub datagrams: usize,
    /// Of these, those that were not handed out because where they came to got lost: they could
    /// only be answered from a wrong address.
    pub misplaced: u64,
    /// Datagrams that the kernel dropped for want of room since the last look that could tell.
    pub kernel_drops: u64,
}

/// The memory that datagrams are received into; several receivers may take turns with it.
pub struct ReceiveBuffer(Box<[u8]>);

impl ReceiveBuffer {
    pub fn new() -> Self {
        Self(vec![0; BATCH * DATAGRAM_MAX].into())
    }
}

impl Default for ReceiveBuffer {
    fn default() -> Self {
        Self::new()
    }
}

/// What is kept from batch to batch of one socket.
pub struct Receiver {
    headers: MultiHeaders<SockaddrStorage>,
    made_at: Option<Instant>,
    /// The kernel's count of drops, which goes around.
    kernel_drops: u32,
    pressure: Pressure,
}

/// What came beside a datagram.
#[derive(Default)]
struct Beside {
    local: Option<IpAddr>,
    kernel_drops: Option<u32>,
    stamp: Option<TimeSpec>,
}

impl Receiver {
    pub fn new() -> Self {
        Self {
            headers: new_headers(),
            made_at: None,
            kernel_drops: 0,
            pressure: Pressure::default(),
        }
    }

    /// Receives what is there without waiting, at most one batch, and hands it out.
    pub fn receive(
        &mut self,
        socket: &Socket,
        buffer: &mut ReceiveBuffer,
        now: Now,
        mut handle: impl FnMut(&Datagram<'_>),
    ) -> io::Result<Taken> {
        self.renew_headers(now.instant);
        let mut chunks = buffer.0.chunks_exact_mut(DATAGRAM_MAX);
        let mut slices: [_; BATCH] = std::array::from_fn(|_| {
            [IoSliceMut::new(
                chunks.next().expect("the buffer has BATCH chunks"),
            )]
        });
        let flags = MsgFlags::MSG_DONTWAIT;
        let messages = recvmmsg(
            socket.raw(),
            &mut self.headers,
            slices.iter_mut(),
            flags,
            None,
        )?;
        let mut taken = Taken::default();
        for message in messages {
            taken.datagrams += 1;
            let beside = Beside::read(&message);
            if let Some(count) = beside.kernel_drops {
                // A count that is behind belongs to a datagram that came before another was
                // dropped.
                let more = count.wrapping_sub(self.kernel_drops);
                if more <= u32::MAX / 2 {
                    taken.kernel_drops += u64::from(more);
                    self.kernel_drops = count;
                }
            }
            let is_cut = message.flags.contains(MsgFlags::MSG_CTRUNC);
            if is_cut && socket.is_wildcard() && beside.local.is_none() {
                taken.misplaced += 1;
                continue;
            }
            let Some(peer) = message.address.as_ref().and_then(to_std) else {
                continue;
            };
            handle(&Datagram {
                peer,
                local: beside.local,
                waited: beside.waited(now),
                octets: message.iovs().next().unwrap_or_default(),
            });
        }
        if 0 < taken.misplaced {
            self.made_at = None;
        }
        if let Some(is_pressed) = self.pressure.note(taken.datagrams == BATCH) {
            socket.set_stamping(is_pressed)?;
        }
        Ok(taken)
    }

    fn renew_headers(&mut self, now: Instant) {
        let is_fresh = self
            .made_at
            .is_some_and(|made| now.saturating_duration_since(made) < HEADERS_AGE_MAX);
        if !is_fresh {
            self.headers = new_headers();
            self.made_at = Some(now);
        }
    }
}

impl Default for Receiver {
    fn default() -> Self {
        Self::new()
    }
}

impl Beside {
    fn read(message: &RecvMsg<'_, '_, SockaddrStorage>) -> Self {
        let mut beside = Self::default();
        // What did not fit is missing; what came before it can be read.
        let Ok(controls) = message.cmsgs() else {
            return beside;
        };
        for control in controls {
            if let ControlMessageOwned::Ipv4PacketInfo(info) = control {
                beside.local = Some(of_v4_info(&info));
            } else if let ControlMessageOwned::Ipv6PacketInfo(info) = control {
                beside.local = Some(of_v6_info(&info));
            } else if let ControlMessageOwned::RxqOvfl(count) = control {
                beside.kernel_drops = Some(count);
            } else if let ControlMessageOwned::ScmTimestampns(stamp) = control {
                beside.stamp = Some(stamp);
            }
        }
        beside
    }

    /// Nothing when the kernel did not say, or the clock was set back meanwhile.
    fn waited(&self, now: Now) -> Duration {
        let stamp = self.stamp.map(Duration::from);
        stamp.map_or(Duration::ZERO, |stamp| {
            now.since_epoch.saturating_sub(stamp)
        })
    }
}

/// Whether more comes than is taken, told slowly, so that a burst is not taken for it.
#[derive(Debug, Default)]
struct Pressure {
    is_pressed: bool,
    /// Batches in a row that say the opposite.
    against: u8,
}

impl Pressure {
    /// Notes a batch; says when the state changes.
    fn note(&mut self, is_full: bool) -> Option<bool> {
        if is_full == self.is_pressed {
            self.against = 0;
            return None;
        }
        self.against += 1;
        if self.against < PRESSURE_BATCHES {
            return None;
        }
        *self = Self {
            is_pressed: is_full,
            against: 0,
        };
        Some(is_full)
    }
}

fn new_headers() -> MultiHeaders<SockaddrStorage> {
    let room = cmsg_space!(libc::in6_pktinfo, u32, TimeSpec);
    MultiHeaders::preallocate(BATCH, Some(room))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_is_told_after_many_full_batches_and_over_after_many_others() {
        let mut pressure = Pressure::default();
        let mut told = Vec::new();
        for (batch, is_full) in [(true, 40), (false, 15), (true, 3), (false, 20)]
            .into_iter()
            .flat_map(|(is_full, times)| std::iter::repeat_n(is_full, times))
            .enumerate()
        {
            told.extend(pressure.note(is_full).map(|state| (batch, state)));
        }
        assert_eq!(told, [(15, true), (73, false)]);
    }
}
