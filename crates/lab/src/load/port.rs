//! Source ports of a load: which request waits under which identifier.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Instant;

use radius::client::IdentifierPool;
use radius::code::Code;
use radius::packet::LENGTH_MIN;
use rand::Rng;

use crate::fault::{BadLine, Faults};
use crate::line::{LineError, open_socket};
use crate::load::batch::enlarge_buffers;
use crate::load::mix::Kind;
use crate::load::script::Step;
use crate::random;
use crate::request::{Event, Proof};

/// No request waits under this identifier.
const NOBODY: u16 = u16::MAX;

/// One place of a port: a request, or room for one.
pub(crate) struct Slot {
    /// The packet, kept for retransmission.
    pub(crate) request: Vec<u8>,
    /// What it is; `None` while there is room for one.
    pub(crate) waiting: Option<Waiting>,
}

/// A request on its way.
#[derive(Clone, Copy)]
pub(crate) struct Waiting {
    pub(crate) step: Step,
    pub(crate) identifier: u8,
    pub(crate) proof: Proof,
    /// What it reports, if it is a record.
    pub(crate) event: Option<Event>,
    pub(crate) sent: Instant,
    pub(crate) transmissions: u32,
}

/// A socket towards one port of the server, with its identifiers.
pub(crate) struct Lane {
    pub(crate) socket: UdpSocket,
    identifiers: IdentifierPool,
    slot_by_identifier: [u16; IdentifierPool::SIZE],
    last_reply: Vec<[u8; 16]>,
    /// Slots whose requests are to be sent.
    pub(crate) outgoing: VecDeque<u16>,
    /// What lies between the socket and the server, when something goes wrong there.
    pub(crate) faulty: Option<FaultyWay>,
}

/// Both directions of a bad line.
pub(crate) struct FaultyWay {
    pub(crate) requests: BadLine,
    pub(crate) replies: BadLine,
}

/// A source port of a load; it has a lane to each port of the server that the mix needs.
pub(crate) struct Port {
    pub(crate) lanes: Vec<Lane>,
    pub(crate) slots: Vec<Slot>,
    free: Vec<u16>,
}

impl Slot {
    /// The Request Authenticator of the packet.
    pub(crate) fn authenticator(&self) -> &[u8; 16] {
        self.request
            .get(4..LENGTH_MIN)
            .and_then(|octets| octets.try_into().ok())
            .expect("a waiting slot holds a whole packet")
    }
}

impl FaultyWay {
    /// A way with these faults, or none without any.
    pub(crate) fn new(faults: Faults, random: &mut impl Rng) -> Option<Self> {
        if faults.is_none() {
            return None;
        }
        let mut bad_line = || {
            let seed = u64::from_le_bytes(random::octets(random));
            BadLine::new(faults, random::generator(Some(seed)))
        };
        Some(Self {
            requests: bad_line(),
            replies: bad_line(),
        })
    }

    /// When the next datagram arrives at either end.
    pub(crate) fn next_arrival(&self) -> Option<Instant> {
        let arrivals = [self.requests.next_arrival(), self.replies.next_arrival()];
        arrivals.into_iter().flatten().min()
    }
}

impl Lane {
    pub(crate) fn open(
        server: SocketAddr,
        source: Option<IpAddr>,
        faulty: Option<FaultyWay>,
    ) -> Result<Self, LineError> {
        let socket = open_socket(server, source)?;
        let failed = |source| LineError::Receive { server, source };
        socket.set_nonblocking(true).map_err(failed)?;
        enlarge_buffers(&socket).map_err(|error| failed(error.into()))?;
        Ok(Self {
            socket,
            identifiers: IdentifierPool::new(),
            slot_by_identifier: [NOBODY; IdentifierPool::SIZE],
            last_reply: vec![[0; 16]; IdentifierPool::SIZE],
            outgoing: VecDeque::new(),
            faulty,
        })
    }

    /// Takes an identifier for the request in this slot.
    pub(crate) fn acquire(&mut self, slot: u16) -> u8 {
        let identifier = self
            .identifiers
            .acquire()
            .expect("a port has at most as many slots as identifiers");
        self.slot_by_identifier[usize::from(identifier)] = slot;
        identifier
    }

    /// Gives the identifier back and remembers the reply, to know its copies.
    pub(crate) fn release(&mut self, identifier: u8, reply_authenticator: Option<&[u8; 16]>) {
        self.identifiers.release(identifier);
        let place = &mut self.slot_by_identifier[usize::from(identifier)];
        let slot = std::mem::replace(place, NOBODY);
        if !self.outgoing.is_empty() {
            self.outgoing.retain(|outgoing| *outgoing != slot);
        }
        if let Some(authenticator) = reply_authenticator {
            self.last_reply[usize::from(identifier)] = *authenticator;
        }
    }

    /// The slot whose request waits under this identifier.
    pub(crate) fn find_slot(&self, identifier: u8) -> Option<u16> {
        let slot = self.slot_by_identifier[usize::from(identifier)];
        (slot != NOBODY).then_some(slot)
    }

    /// Whether this is the reply that was believed last under this identifier.
    pub(crate) fn is_copy(&self, identifier: u8, reply_authenticator: &[u8; 16]) -> bool {
        self.last_reply[usize::from(identifier)] == *reply_authenticator
    }
}

impl Port {
    /// A source port with room for `slots` requests, at most 256.
    pub(crate) fn new(lanes: Vec<Lane>, slots: u16) -> Self {
        let empty = || Slot {
            request: Vec::new(),
            waiting: None,
        };
        Self {
            lanes,
            slots: (0..slots).map(|_| empty()).collect(),
            free: (0..slots).rev().collect(),
        }
    }

    /// Whether another request fits.
    pub(crate) const fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    /// A slot with room.
    pub(crate) fn take_slot(&mut self) -> Option<u16> {
        self.free.pop()
    }

    /// Makes room again and gives what was there.
    pub(crate) fn clear_slot(&mut self, slot: u16) -> Option<Waiting> {
        let waiting = self.slots.get_mut(usize::from(slot))?.waiting.take()?;
        self.free.push(slot);
        Some(waiting)
    }

    /// When the next datagram comes to the end of a bad line, if one is under way.
    pub(crate) fn next_arrival(&self) -> Option<Instant> {
        let faulty = self.lanes.iter().filter_map(|lane| lane.faulty.as_ref());
        faulty.filter_map(FaultyWay::next_arrival).min()
    }

    /// Requests on their way.
    pub(crate) fn waiting_count(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

/// The lane of a kind of request: logins have the first, accounting the last.
pub(crate) const fn lane_of(kind: Kind, lanes: usize) -> usize {
    match kind {
        Kind::Login(_) => 0,
        Kind::Accounting => lanes - 1,
    }
}

/// The code of a kind of request.
pub(crate) const fn code_of(kind: Kind) -> Code {
    match kind {
        Kind::Login(_) => Code::AccessRequest,
        Kind::Accounting => Code::AccountingRequest,
    }
}
