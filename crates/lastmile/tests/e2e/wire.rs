//! A router made of a socket: packets as they should be, and as they should not.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use radius::attribute::kind;
use radius::authenticator::{verify_reply, verify_reply_requiring_message_authenticator};
use radius::code::Code;
use radius::packet::Packet;
use radius::password::pap;
use radius::writer::PacketWriter;

use crate::site::SECRET;

/// Long enough for any answer on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
const DATAGRAM_OCTETS_MAX: usize = 8_192;

/// A request and what is needed to believe its reply.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) octets: Vec<u8>,
    pub(crate) identifier: u8,
    pub(crate) authenticator: [u8; 16],
}

/// A socket of a router.
pub(crate) struct Router {
    socket: UdpSocket,
}

/// A reply that was believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) code: Code,
    /// Kinds and values, in order.
    pub(crate) attributes: Vec<(u8, Vec<u8>)>,
    pub(crate) octets: Vec<u8>,
}

impl Request {
    /// A signed Access-Request with these attributes after the signature.
    pub(crate) fn access(identifier: u8, attributes: &[(u8, &[u8])]) -> Self {
        Self::access_with(SECRET, identifier, attributes)
    }

    pub(crate) fn access_with(secret: &str, identifier: u8, attributes: &[(u8, &[u8])]) -> Self {
        Self::signed(Code::AccessRequest, secret, identifier, |_| {
            owned(attributes)
        })
    }

    /// A signed Access-Request with User-Password.
    pub(crate) fn pap(identifier: u8, user: &str, password: &str) -> Self {
        Self::pap_and(identifier, user, password, &[])
    }

    /// The same, with more attributes.
    pub(crate) fn pap_and(
        identifier: u8,
        user: &str,
        password: &str,
        more: &[(u8, &[u8])],
    ) -> Self {
        Self::pap_with(SECRET, identifier, user, password, more)
    }

    pub(crate) fn pap_with(
        secret: &str,
        identifier: u8,
        user: &str,
        password: &str,
        more: &[(u8, &[u8])],
    ) -> Self {
        Self::signed(Code::AccessRequest, secret, identifier, |authenticator| {
            pap_attributes(secret, authenticator, user, password, more)
        })
    }

    /// An Access-Request with User-Password that is not signed.
    pub(crate) fn unsigned_pap(
        identifier: u8,
        user: &str,
        password: &str,
        more: &[(u8, &[u8])],
    ) -> Self {
        let authenticator: [u8; 16] = rand::random();
        let mut octets = Vec::new();
        let mut writer = PacketWriter::new(&mut octets, Code::AccessRequest, identifier);
        for (kind, value) in pap_attributes(SECRET, &authenticator, user, password, more) {
            writer.push(kind, &value).expect("it fits");
        }
        writer.finish_access_request(&authenticator, SECRET.as_bytes());
        Self::from_octets(octets)
    }

    /// Status-Server (RFC 5997).
    pub(crate) fn status(identifier: u8) -> Self {
        Self::signed(Code::StatusServer, SECRET, identifier, |_| Vec::new())
    }

    /// An Accounting-Request.
    pub(crate) fn accounting(identifier: u8, attributes: &[(u8, &[u8])]) -> Self {
        Self::accounting_with(SECRET, identifier, attributes)
    }

    pub(crate) fn accounting_with(
        secret: &str,
        identifier: u8,
        attributes: &[(u8, &[u8])],
    ) -> Self {
        let mut octets = Vec::new();
        let mut writer = PacketWriter::new(&mut octets, Code::AccountingRequest, identifier);
        for (kind, value) in attributes {
            writer.push(*kind, value).expect("it fits");
        }
        writer.finish_accounting_request(secret.as_bytes());
        Self::from_octets(octets)
    }

    /// Octets that may be anything.
    pub(crate) fn raw(octets: Vec<u8>) -> Self {
        Self::from_octets(octets)
    }

    /// A packet of any code with a random authenticator and no signature.
    pub(crate) fn unsigned(code: u8, identifier: u8, attributes: &[u8]) -> Self {
        let authenticator: [u8; 16] = rand::random();
        let length = u16::try_from(20 + attributes.len()).expect("a packet is short");
        let mut octets = vec![code, identifier];
        octets.extend(length.to_be_bytes());
        octets.extend(authenticator);
        octets.extend(attributes);
        Self::from_octets(octets)
    }

    fn signed(
        code: Code,
        secret: &str,
        identifier: u8,
        attributes: impl FnOnce(&[u8; 16]) -> Vec<(u8, Vec<u8>)>,
    ) -> Self {
        let authenticator: [u8; 16] = rand::random();
        let mut octets = Vec::new();
        let mut writer = PacketWriter::new(&mut octets, code, identifier);
        writer
            .push_message_authenticator()
            .expect("it is the first");
        for (kind, value) in attributes(&authenticator) {
            writer.push(kind, &value).expect("it fits");
        }
        writer.finish_access_request(&authenticator, secret.as_bytes());
        Self::from_octets(octets)
    }

    fn from_octets(octets: Vec<u8>) -> Self {
        let authenticator = octets.get(4..20).and_then(|octets| octets.try_into().ok());
        Self {
            identifier: octets.get(1).copied().unwrap_or(0),
            authenticator: authenticator.unwrap_or([0; 16]),
            octets,
        }
    }
}

impl Router {
    /// A router at 127.0.0.1.
    pub(crate) fn new() -> Self {
        Self::at(Ipv4Addr::LOCALHOST.into())
    }

    pub(crate) fn at(address: IpAddr) -> Self {
        let socket = UdpSocket::bind((address, 0)).expect("loopback has free ports");
        Self { socket }
    }

    /// A router that hears one server address only.
    pub(crate) fn connected_to(server: SocketAddr) -> Self {
        let router = Self::at(match server.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
        router
            .socket
            .connect(server)
            .expect("loopback is reachable");
        router
    }

    pub(crate) fn send(&self, server: SocketAddr, request: &Request) {
        self.socket
            .send_to(&request.octets, server)
            .expect("loopback takes it");
    }

    /// The next datagram, or `None` when there is none within `patience`.
    pub(crate) fn receive(&self, patience: Duration) -> Option<Vec<u8>> {
        let mut buffer = vec![0; DATAGRAM_OCTETS_MAX];
        let patience = patience.max(Duration::from_millis(1));
        self.socket
            .set_read_timeout(Some(patience))
            .expect("a time above zero");
        match self.socket.recv(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                Some(buffer)
            }
            Err(error) if is_timeout(error.kind()) => None,
            Err(error) => panic!("receiving: {error}"),
        }
    }

    /// Sends once and waits for the reply, which must be believable.
    pub(crate) fn ask(
        &self,
        server: SocketAddr,
        request: &Request,
        patience: Duration,
    ) -> Option<Reply> {
        self.ask_with(SECRET, server, request, patience)
    }

    pub(crate) fn ask_with(
        &self,
        secret: &str,
        server: SocketAddr,
        request: &Request,
        patience: Duration,
    ) -> Option<Reply> {
        self.send(server, request);
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let octets = self.receive(left)?;
            // A late answer to an earlier request is not for us.
            if octets.get(1) == Some(&request.identifier)
                && let Some(reply) = believe(secret, request, &octets)
            {
                return Some(reply);
            }
        }
    }

    /// The reply to a request that is answered.
    #[track_caller]
    pub(crate) fn reply(&self, server: SocketAddr, request: &Request) -> Reply {
        let reply = self.ask(server, request, PATIENCE);
        reply.expect("the server answers")
    }

    /// The reply to a request that was sent before.
    #[track_caller]
    pub(crate) fn late_reply(&self, request: &Request) -> Reply {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let octets = self.receive(left).expect("the server answers late");
            if let Some(reply) = believe(SECRET, request, &octets) {
                return reply;
            }
        }
    }

    /// Sends a request, then a Status-Server, and gives every reply that came before that one's.
    ///
    /// With one worker the server has dealt with the request when the status is answered.
    #[track_caller]
    pub(crate) fn replies_before_status(
        &self,
        server: SocketAddr,
        request: &Request,
    ) -> Vec<Reply> {
        let probe = Request::status(request.identifier.wrapping_add(101));
        self.send(server, request);
        self.send(server, &probe);
        let deadline = Instant::now() + PATIENCE;
        let mut replies = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let octets = self
                .receive(left)
                .expect("the server answers Status-Server");
            if octets.get(1) == Some(&probe.identifier) {
                assert!(
                    believe(SECRET, &probe, &octets).is_some(),
                    "an unsigned status"
                );
                return replies;
            }
            let reply = believe(SECRET, request, &octets);
            replies.push(reply.unwrap_or_else(|| panic!("a reply nobody believes: {octets:?}")));
        }
    }
}

impl Reply {
    /// The first value of an attribute.
    pub(crate) fn find(&self, kind: u8) -> Option<&[u8]> {
        let mut found = self
            .attributes
            .iter()
            .filter(|(present, _)| *present == kind);
        found.next().map(|(_, value)| value.as_slice())
    }

    /// The text in Mikrotik-Rate-Limit.
    pub(crate) fn rate(&self) -> Option<String> {
        let packet = Packet::parse(&self.octets).expect("it was parsed before");
        let rate = packet.find_vendor(14_988, 8)?;
        Some(String::from_utf8_lossy(rate).into_owned())
    }
}

fn believe(secret: &str, request: &Request, octets: &[u8]) -> Option<Reply> {
    let packet = Packet::parse(octets).expect("the server writes RADIUS");
    let Request {
        identifier,
        authenticator,
        ..
    } = request;
    let secret = secret.as_bytes();
    let verify = if packet.code() == Code::AccountingResponse {
        verify_reply
    } else {
        verify_reply_requiring_message_authenticator
    };
    verify(&packet, *identifier, authenticator, secret).ok()?;
    let attributes = packet.attributes();
    Some(Reply {
        code: packet.code(),
        attributes: attributes
            .map(|found| (found.kind, found.value.to_owned()))
            .collect(),
        octets: octets.to_owned(),
    })
}

fn pap_attributes(
    secret: &str,
    authenticator: &[u8; 16],
    user: &str,
    password: &str,
    more: &[(u8, &[u8])],
) -> Vec<(u8, Vec<u8>)> {
    let mut out = [0; 128];
    let hidden = pap::encrypt(
        password.as_bytes(),
        secret.as_bytes(),
        authenticator,
        &mut out,
    );
    let hidden = hidden.expect("the password is short").to_owned();
    let mut attributes = vec![
        (kind::USER_NAME, user.as_bytes().to_owned()),
        (kind::USER_PASSWORD, hidden),
    ];
    attributes.extend(owned(more));
    attributes
}

fn owned(attributes: &[(u8, &[u8])]) -> Vec<(u8, Vec<u8>)> {
    attributes
        .iter()
        .map(|(kind, value)| (*kind, value.to_vec()))
        .collect()
}

fn is_timeout(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
