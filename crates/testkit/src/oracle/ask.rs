//! Thousands of Access-Requests, many at a time, over a few sockets; and their replies in words.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use radius::attribute::{kind, microsoft, vendor};
use radius::authenticator::verify_reply;
use radius::avp::{self, Avp, Keys};
use radius::client::IdentifierPool;
use radius::code::Code;
use radius::dictionary::Dictionary;
use radius::packet::{LENGTH_MAX, Packet};
use radius::password::pap::PASSWORD_LENGTH_MAX;
use radius::password::{chap, mschap, pap};
use radius::value::Value;
use radius::writer::PacketWriter;

use crate::oracle::case::{Case, Method, Question};

const SOCKETS: usize = 4;
/// Requests of one socket that wait for their replies.
const WINDOW: usize = 24;
/// A request without a reply is sent again after this, and given up after so many times.
const RESEND_AFTER: Duration = Duration::from_secs(3);
const TRANSMISSIONS_MAX: u32 = 6;
/// When nothing at all comes for so long, the server is gone, and nothing more is asked.
const SILENCE_MAX: Duration = Duration::from_secs(10);
const RECEIVE_WAIT: Duration = Duration::from_millis(50);

/// What differs from reply to reply, or is no concern of rows.
const ASIDE: [&str; 8] = [
    "Message-Authenticator",
    "Proxy-State",
    "MS-CHAP2-Success",
    "MS-CHAP-MPPE-Keys",
    "MS-MPPE-Send-Key",
    "MS-MPPE-Recv-Key",
    "MS-MPPE-Encryption-Policy",
    "MS-MPPE-Encryption-Types",
];
/// The Class that our server adds begins with these octets, `lm2:`.
const OUR_CLASS: &str = "0x6c6d323a";

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// With names and values, sorted by name; values of one name in the order they came.
    Accept(Vec<String>),
    Reject,
    /// A code that answers no login of ours.
    Other(u8),
    /// Nothing came that could be believed.
    Silence,
}

/// A server to ask.
pub struct Asked<'a> {
    pub server: SocketAddr,
    pub secret: &'a str,
    pub dictionary: &'a Dictionary,
}

struct Waiting {
    index: usize,
    datagram: Vec<u8>,
    sent_at: Instant,
    transmissions: u32,
}

impl fmt::Display for Reply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept(attributes) => write!(formatter, "accept [{}]", attributes.join("; ")),
            Self::Reject => formatter.write_str("reject"),
            Self::Other(code) => write!(formatter, "code {code}"),
            Self::Silence => formatter.write_str("no reply"),
        }
    }
}

impl Asked<'_> {
    /// Asks every question of every case; the replies are in the same places.
    pub fn ask(&self, cases: &[Case]) -> Vec<Vec<Reply>> {
        let questions: Vec<(&Case, &Question)> = cases
            .iter()
            .flat_map(|case| case.questions.iter().map(move |question| (case, question)))
            .collect();
        let share = questions.len().div_ceil(SOCKETS).max(1);
        let mut replies = thread::scope(|scope| {
            let workers: Vec<_> = questions
                .chunks(share)
                .map(|share| scope.spawn(move || self.ask_share(share)))
                .collect();
            let shares = workers
                .into_iter()
                .map(|worker| worker.join().expect("no asker panics"));
            shares.flatten().collect::<Vec<_>>()
        })
        .into_iter();
        cases
            .iter()
            .map(|case| replies.by_ref().take(case.questions.len()).collect())
            .collect()
    }

    fn ask_share(&self, questions: &[(&Case, &Question)]) -> Vec<Reply> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has ports");
        socket.connect(self.server).expect("loopback has routes");
        socket
            .set_read_timeout(Some(RECEIVE_WAIT))
            .expect("a time above zero");
        let mut replies = vec![Reply::Silence; questions.len()];
        let mut identifiers = IdentifierPool::new();
        let mut waiting: BTreeMap<u8, Waiting> = BTreeMap::new();
        let mut next = 0;
        let mut datagram = [0; LENGTH_MAX];
        let mut heard_at = Instant::now();
        while (next < questions.len() || !waiting.is_empty()) && heard_at.elapsed() < SILENCE_MAX {
            while next < questions.len() && waiting.len() < WINDOW {
                let identifier = identifiers.acquire().expect("fewer wait than there are");
                let (case, question) = questions[next];
                let request = self.request(identifier, case, question);
                send(&socket, &request);
                waiting.insert(identifier, Waiting::new(next, request));
                next += 1;
            }
            if let Some(length) = receive(&socket, &mut datagram)
                && let Some((identifier, reply)) = self.read(&datagram[..length], &waiting)
                && let Some(done) = waiting.remove(&identifier)
            {
                identifiers.release(identifier);
                replies[done.index] = reply;
                heard_at = Instant::now();
            }
            for identifier in send_again(&socket, &mut waiting) {
                waiting.remove(&identifier);
                identifiers.release(identifier);
            }
        }
        replies
    }

    fn read(&self, datagram: &[u8], waiting: &BTreeMap<u8, Waiting>) -> Option<(u8, Reply)> {
        let reply = Packet::parse(datagram).ok()?;
        let identifier = reply.identifier();
        let request = Packet::parse(&waiting.get(&identifier)?.datagram).expect("it is ours");
        let secret = self.secret.as_bytes();
        verify_reply(&reply, identifier, request.authenticator(), secret).ok()?;
        let code = reply.code();
        if code == Code::AccessReject {
            return Some((identifier, Reply::Reject));
        }
        if code != Code::AccessAccept {
            return Some((identifier, Reply::Other(code.as_u8())));
        }
        Some((identifier, self.accepted(&reply, request.authenticator())))
    }

    /// An Access-Accept in words.
    pub fn accepted(&self, reply: &Packet<'_>, request_authenticator: &[u8; 16]) -> Reply {
        let keys = Keys {
            secret: self.secret.as_bytes(),
            request_authenticator,
            salt: 0,
        };
        let mut attributes: Vec<String> =
            avp::decode(self.dictionary, reply.attributes(), Some(&keys))
                .iter()
                .map(|avp| (self.dictionary.name(&avp.oid), self.shown(avp)))
                .filter(|(name, _)| !ASIDE.contains(&name.as_str()))
                .map(|(_, shown)| shown)
                .filter(|shown| !shown.starts_with(&format!("Class = {OUR_CLASS}")))
                .collect();
        attributes.sort_by(|left, right| name_of(left).cmp(name_of(right)));
        Reply::Accept(attributes)
    }

    /// An attribute in words, also a hidden one: the secrets of tests are none.
    fn shown(&self, avp: &Avp) -> String {
        let text = avp.show(self.dictionary).to_string();
        if let Value::Secret(secret) = &avp.value {
            return format!("{text} {:02x?}", secret.expose());
        }
        text
    }

    /// The Access-Request that asks the question.
    pub fn request(&self, identifier: u8, case: &Case, question: &Question) -> Vec<u8> {
        let mut buffer = Vec::new();
        let authenticator: [u8; 16] = rand::random();
        let mut writer = PacketWriter::new(&mut buffer, Code::AccessRequest, identifier);
        writer.push_message_authenticator().expect(FITS);
        let user = case.text(&question.user);
        writer.push_text(kind::USER_NAME, &user).expect(FITS);
        self.write_password(&mut writer, question, &user, &authenticator);
        for text in &question.attributes {
            let parsed = avp::parse(self.dictionary, text).expect("the vocabulary is right");
            let mut octets = Vec::new();
            avp::encode(self.dictionary, &[parsed], None, &mut octets).expect(FITS);
            writer.push(octets[0], &octets[2..]).expect(FITS);
        }
        writer.finish_access_request(&authenticator, self.secret.as_bytes());
        buffer
    }

    fn write_password(
        &self,
        writer: &mut PacketWriter<'_>,
        question: &Question,
        user: &str,
        authenticator: &[u8; 16],
    ) {
        let password = question.password.as_bytes();
        let challenge: [u8; 16] = rand::random();
        match question.method {
            Method::None => {}
            Method::Pap => {
                let mut hidden = [0; PASSWORD_LENGTH_MAX];
                let secret = self.secret.as_bytes();
                let hidden =
                    pap::encrypt(password, secret, authenticator, &mut hidden).expect(FITS);
                writer.push(kind::USER_PASSWORD, hidden).expect(FITS);
            }
            Method::Chap => {
                let response = chap::respond(7, &challenge, password);
                writer.push(kind::CHAP_CHALLENGE, &challenge).expect(FITS);
                writer.push(kind::CHAP_PASSWORD, &response).expect(FITS);
            }
            Method::MsChapV1 => {
                let challenge = challenge.first_chunk().expect("8 of 16 octets");
                let hash = mschap::nt_hash(&question.password);
                let response = mschap::v1_respond(7, challenge, &hash);
                push_microsoft(writer, microsoft::MS_CHAP_CHALLENGE, challenge);
                push_microsoft(writer, microsoft::MS_CHAP_RESPONSE, &response);
            }
            Method::MsChapV2 => {
                let hash = mschap::nt_hash(&question.password);
                let peer: [u8; 16] = rand::random();
                let response = mschap::v2_respond(7, &challenge, &peer, user.as_bytes(), &hash);
                push_microsoft(writer, microsoft::MS_CHAP_CHALLENGE, &challenge);
                push_microsoft(writer, microsoft::MS_CHAP2_RESPONSE, &response);
            }
        }
    }
}

const FITS: &str = "a question fits a packet";

impl Waiting {
    fn new(index: usize, datagram: Vec<u8>) -> Self {
        Self {
            index,
            datagram,
            sent_at: Instant::now(),
            transmissions: 1,
        }
    }
}

fn push_microsoft(writer: &mut PacketWriter<'_>, number: u8, octets: &[u8]) {
    writer
        .push_vendor(vendor::MICROSOFT, number, octets)
        .expect(FITS);
}

fn send(socket: &UdpSocket, datagram: &[u8]) {
    match socket.send(datagram) {
        // Nobody listens: the request stays without a reply.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
        sent => drop(sent.expect("loopback takes datagrams")),
    }
}

fn receive(socket: &UdpSocket, datagram: &mut [u8]) -> Option<usize> {
    match socket.recv(datagram) {
        Ok(length) => Some(length),
        Err(error) => {
            let kind = error.kind();
            let is_usual = matches!(
                kind,
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::ConnectionRefused
            );
            assert!(is_usual, "loopback gives datagrams: {error}");
            None
        }
    }
}

/// Sends again what waits for too long; gives the identifiers of what is given up.
fn send_again(socket: &UdpSocket, waiting: &mut BTreeMap<u8, Waiting>) -> Vec<u8> {
    let mut given_up = Vec::new();
    for (identifier, request) in waiting.iter_mut() {
        if request.sent_at.elapsed() < RESEND_AFTER {
            continue;
        }
        if request.transmissions == TRANSMISSIONS_MAX {
            given_up.push(*identifier);
            continue;
        }
        send(socket, &request.datagram);
        request.sent_at = Instant::now();
        request.transmissions += 1;
    }
    given_up
}

fn name_of(shown: &str) -> &str {
    shown.split(" = ").next().unwrap_or(shown)
}
