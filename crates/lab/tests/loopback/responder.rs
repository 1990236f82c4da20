//! A small RADIUS server that can also misbehave; it knows the user `ana` with the password `rosa`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use domain::secret::Secret;
use lab::credentials::Credentials;
use radius::attribute::{integer, kind, microsoft, mikrotik, text, vendor};
use radius::authenticator::{
    MessageAuthenticatorCheck, verify_message_authenticator, verify_request_authenticator,
};
use radius::client::Schedule;
use radius::code::Code;
use radius::packet::{LENGTH_MAX, Packet};
use radius::password::{chap, mschap, pap};
use radius::writer::PacketWriter;

pub(crate) const SECRET: &str = "lab-secret";
pub(crate) const CLASS: &[u8] = b"class-of-ana";

const PASSWORD: &str = "rosa";

/// What to do with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Treatment {
    Answer,
    AnswerTwice,
    Ignore,
    /// Answers with a wrong Response Authenticator first, then rightly.
    ForgeAndAnswer,
    Forge,
    OmitMessageAuthenticator,
    MessageAuthenticatorLast,
    SpoilProof,
    WrongCode,
    Garbage,
}

/// One accounting record as the server understood it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) status_type: u32,
    pub(crate) session_id: String,
    pub(crate) input_octets: u64,
    pub(crate) output_octets: u64,
    pub(crate) class: Option<Vec<u8>>,
    pub(crate) framed_address: Option<Vec<u8>>,
}

/// A server that runs until it is dropped.
pub(crate) struct Responder {
    pub(crate) auth: SocketAddr,
    pub(crate) acct: SocketAddr,
    records: Arc<Mutex<Vec<Recorded>>>,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Responder {
    /// Treats the requests of each port, counted from 0, as `treat` says.
    pub(crate) fn start(treat: fn(u64) -> Treatment) -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST.into(), treat)
    }

    /// Does so on an address of one's own.
    pub(crate) fn start_on(address: IpAddr, treat: fn(u64) -> Treatment) -> Self {
        let records = Arc::new(Mutex::new(Vec::new()));
        let is_over = Arc::new(AtomicBool::new(false));
        let (mut addresses, mut threads) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let socket = UdpSocket::bind((address, 0)).expect("a port is free");
            socket
                .set_read_timeout(Some(Duration::from_millis(20)))
                .expect("a value of the test fits");
            addresses.push(socket.local_addr().expect("a value of the test fits"));
            let (records, is_over) = (Arc::clone(&records), Arc::clone(&is_over));
            threads.push(std::thread::spawn(move || {
                serve(&socket, treat, &records, &is_over);
            }));
        }
        Self {
            auth: addresses[0],
            acct: addresses[1],
            records,
            is_over,
            threads,
        }
    }

    pub(crate) fn honest() -> Self {
        Self::start(|_| Treatment::Answer)
    }

    /// The records so far, retransmissions included.
    pub(crate) fn records(&self) -> Vec<Recorded> {
        self.records
            .lock()
            .expect("nobody panics with the lock")
            .clone()
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic of the server has failed the test already: nothing was answered.
            drop(thread.join());
        }
    }
}

pub(crate) fn secret() -> Secret {
    Secret::from(SECRET)
}

pub(crate) fn ana() -> Credentials {
    Credentials::new("ana", PASSWORD).expect("a value of the test fits")
}

/// A schedule that gives up before anybody notices.
pub(crate) const fn hasty() -> Schedule {
    Schedule {
        initial: Duration::from_millis(40),
        interval_max: Some(Duration::from_millis(60)),
        transmissions_max: Some(3),
        duration_max: Some(Duration::from_millis(500)),
    }
}

/// A schedule that asks again soon, but is patient with a busy machine.
pub(crate) const fn persistent() -> Schedule {
    Schedule {
        transmissions_max: Some(200),
        duration_max: Some(Duration::from_secs(10)),
        ..hasty()
    }
}

fn serve(
    socket: &UdpSocket,
    treat: fn(u64) -> Treatment,
    records: &Mutex<Vec<Recorded>>,
    is_over: &AtomicBool,
) {
    let mut datagram = [0; LENGTH_MAX];
    let mut count = 0;
    while !is_over.load(Ordering::Relaxed) {
        let Ok((length, peer)) = socket.recv_from(&mut datagram) else {
            continue;
        };
        let request = Packet::parse(&datagram[..length]).expect("the lab sends whole packets");
        for reply in answers(&request, treat(count), records) {
            // The lab may have gone already.
            drop(socket.send_to(&reply, peer));
        }
        count += 1;
    }
}

fn answers(
    request: &Packet<'_>,
    treatment: Treatment,
    records: &Mutex<Vec<Recorded>>,
) -> Vec<Vec<u8>> {
    let is_signed = match verify_message_authenticator(request, SECRET.as_bytes()) {
        MessageAuthenticatorCheck::Valid => true,
        MessageAuthenticatorCheck::Absent => request.code() != Code::StatusServer,
        MessageAuthenticatorCheck::Invalid => false,
    };
    let is_accounting = request.code() == Code::AccountingRequest;
    let is_ours =
        is_signed && (!is_accounting || verify_request_authenticator(request, SECRET.as_bytes()));
    if !is_ours || treatment == Treatment::Ignore {
        return Vec::new();
    }
    if is_accounting {
        records
            .lock()
            .expect("nobody panics with the lock")
            .push(record(request));
    }
    let right = || reply(request, treatment, SECRET);
    let forged = || reply(request, treatment, "forged");
    match treatment {
        Treatment::Ignore => Vec::new(),
        Treatment::Garbage => vec![vec![1, 2, 3]],
        Treatment::Forge => vec![forged()],
        Treatment::ForgeAndAnswer => vec![forged(), right()],
        Treatment::AnswerTwice => vec![right(), right()],
        Treatment::Answer
        | Treatment::OmitMessageAuthenticator
        | Treatment::MessageAuthenticatorLast
        | Treatment::SpoilProof
        | Treatment::WrongCode => vec![right()],
    }
}

fn reply(request: &Packet<'_>, treatment: Treatment, secret: &str) -> Vec<u8> {
    let (code, proof) = decide(request);
    let code = if treatment == Treatment::WrongCode {
        Code::CoaAck
    } else {
        code
    };
    let mut buffer = Vec::new();
    let mut writer = PacketWriter::new(&mut buffer, code, request.identifier());
    let is_late = treatment == Treatment::MessageAuthenticatorLast;
    if !is_late && treatment != Treatment::OmitMessageAuthenticator {
        writer
            .push_message_authenticator()
            .expect("a value of the test fits");
    }
    if code == Code::AccessAccept && request.code() == Code::AccessRequest {
        push_grants(&mut writer);
    }
    if code == Code::AccessReject {
        writer
            .push_text(kind::REPLY_MESSAGE, "wrong password")
            .expect("a value of the test fits");
    }
    if let Some(mut proof) = proof {
        if treatment == Treatment::SpoilProof {
            proof[10] ^= 1;
        }
        writer
            .push_vendor(vendor::MICROSOFT, microsoft::MS_CHAP2_SUCCESS, &proof)
            .expect("a value of the test fits");
    }
    if is_late {
        writer
            .push_message_authenticator()
            .expect("a value of the test fits");
    }
    writer.finish_reply(request.authenticator(), secret.as_bytes());
    buffer
}

fn push_grants(writer: &mut PacketWriter<'_>) {
    let address = Ipv4Addr::new(10, 20, 30, 40);
    writer
        .push_ipv4(kind::FRAMED_IP_ADDRESS, address)
        .expect("a value of the test fits");
    writer
        .push(kind::CLASS, CLASS)
        .expect("a value of the test fits");
    writer
        .push_integer(kind::SESSION_TIMEOUT, 3_600)
        .expect("a value of the test fits");
    writer
        .push_vendor_text(vendor::MIKROTIK, mikrotik::RATE_LIMIT, "25M/50M")
        .expect("a value of the test fits");
}

fn decide(request: &Packet<'_>) -> (Code, Option<[u8; mschap::SUCCESS_LENGTH]>) {
    if request.code() == Code::AccountingRequest {
        return (Code::AccountingResponse, None);
    }
    if request.code() == Code::StatusServer {
        return (Code::AccessAccept, None);
    }
    match log_in(request) {
        Some(proof) => (Code::AccessAccept, proof),
        None => (Code::AccessReject, None),
    }
}

/// `None` when the login is wrong.
fn log_in(request: &Packet<'_>) -> Option<Option<[u8; mschap::SUCCESS_LENGTH]>> {
    let user_name = request.find(kind::USER_NAME)?;
    if user_name != b"ana" {
        return None;
    }
    let nt_hash = mschap::nt_hash(PASSWORD);
    let challenge = request.find_vendor(vendor::MICROSOFT, microsoft::MS_CHAP_CHALLENGE);
    if let Some(hidden) = request.find(kind::USER_PASSWORD) {
        let mut out = [0; pap::PASSWORD_LENGTH_MAX];
        let clear = pap::decrypt(hidden, SECRET.as_bytes(), request.authenticator(), &mut out);
        return (clear == Some(PASSWORD.as_bytes())).then_some(None);
    }
    if let Some(response) = request.find(kind::CHAP_PASSWORD) {
        let challenge = request.find(kind::CHAP_CHALLENGE)?;
        return chap::verify(response, challenge, PASSWORD.as_bytes()).then_some(None);
    }
    if let Some(response) = request.find_vendor(vendor::MICROSOFT, microsoft::MS_CHAP_RESPONSE) {
        let challenge = challenge?.try_into().ok()?;
        return mschap::v1_verify(challenge, response, &nt_hash).then_some(None);
    }
    let response = request.find_vendor(vendor::MICROSOFT, microsoft::MS_CHAP2_RESPONSE)?;
    let challenge = challenge?.try_into().ok()?;
    let success = mschap::v2_verify(challenge, response, user_name, &nt_hash)?;
    Some(Some(success.attribute()))
}

fn record(request: &Packet<'_>) -> Recorded {
    let number = |kind| u64::from(request.find(kind).and_then(integer).unwrap_or(0));
    let octets = |high, low| (number(high) << 32) | number(low);
    let session_id = request.find(kind::ACCT_SESSION_ID).and_then(text);
    Recorded {
        status_type: request
            .find(kind::ACCT_STATUS_TYPE)
            .and_then(integer)
            .expect("a value of the test fits"),
        session_id: session_id.unwrap_or_default().into(),
        input_octets: octets(kind::ACCT_INPUT_GIGAWORDS, kind::ACCT_INPUT_OCTETS),
        output_octets: octets(kind::ACCT_OUTPUT_GIGAWORDS, kind::ACCT_OUTPUT_OCTETS),
        class: request.find(kind::CLASS).map(<[u8]>::to_vec),
        framed_address: request.find(kind::FRAMED_IP_ADDRESS).map(<[u8]>::to_vec),
    }
}
