//! The requests a router sends: logins and accounting records, attribute for attribute as RouterOS has them.

use domain::time::Timestamp;
use radius::attribute::{kind, microsoft, vendor};
use radius::code::Code;
use radius::packet::Packet;
use radius::password::pap::PASSWORD_LENGTH_MAX;
use radius::password::{chap, mschap, pap};
use radius::writer::{PacketWriter, WriteError};
use rand::Rng;

use crate::credentials::Credentials;
use crate::method::Method;
use crate::random;
use crate::reply::ReplyFault;
use crate::router::{Router, Service, Session};

const ACCT_AUTHENTIC_RADIUS: u32 = 1;

/// Octets that one typical packet carries; turns octet counters into packet counters.
const OCTETS_PER_PACKET: u64 = 1_000;

/// Whether requests carry a Message-Authenticator (RFC 3579 §3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signing {
    /// First in the packet, as RouterOS 7.15 and later send it.
    #[default]
    Signed,
    /// None, as older routers do.
    Unsigned,
}

/// One login.
#[derive(Clone, Copy)]
pub(crate) struct Login<'a> {
    pub(crate) router: &'a Router,
    pub(crate) service: Service,
    pub(crate) session: &'a Session,
    pub(crate) user: &'a Credentials,
    pub(crate) method: Method,
    pub(crate) signing: Signing,
    pub(crate) secret: &'a [u8],
}

/// Random octets that one login uses up.
#[derive(Clone, Copy)]
pub(crate) struct Nonces {
    pub(crate) authenticator: [u8; 16],
    /// What a router would have sent to the subscriber.
    pub(crate) challenge: [u8; 16],
    /// What the subscriber would have sent to the router.
    pub(crate) peer_challenge: [u8; 16],
    pub(crate) identifier: u8,
}

/// What an Access-Accept has to prove beyond its authenticators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Nothing: PAP, CHAP, MS-CHAPv1.
    None,
    /// MS-CHAP2-Success (RFC 2759 §8.8).
    MsChapV2 {
        challenge: [u8; 16],
        response: [u8; mschap::RESPONSE_LENGTH],
    },
}

/// One accounting record of a session.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) router: &'a Router,
    pub(crate) service: Service,
    pub(crate) session: &'a Session,
    pub(crate) user_name: &'a str,
    pub(crate) event: Event,
    pub(crate) totals: Totals,
    /// Acct-Terminate-Cause of a Stop.
    pub(crate) cause: u32,
    /// Class values of the Access-Accept, which go into every record (RFC 2865 §5.25).
    pub(crate) classes: &'a [Vec<u8>],
    pub(crate) at: Option<Timestamp>,
    pub(crate) signing: Signing,
    pub(crate) secret: &'a [u8],
}

/// What an accounting record reports (RFC 2866 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// The session begins.
    Start,
    /// It goes on.
    Interim,
    /// It has ended.
    Stop,
}

/// Totals since the start of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) seconds: u32,
    /// Octets from the subscriber.
    pub(crate) input_octets: u64,
    /// Octets to the subscriber.
    pub(crate) output_octets: u64,
}

impl Nonces {
    pub(crate) fn draw(random: &mut impl Rng) -> Self {
        Self {
            authenticator: random::octets(random),
            challenge: random::octets(random),
            peer_challenge: random::octets(random),
            identifier: random::octets::<1>(random)[0],
        }
    }
}

impl Event {
    /// Every one, in the order of a session's life.
    pub const ALL: [Self; 3] = [Self::Start, Self::Interim, Self::Stop];

    /// The place in [`Self::ALL`].
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Start => 0,
            Self::Interim => 1,
            Self::Stop => 2,
        }
    }

    /// The value of Acct-Status-Type.
    const fn status_type(self) -> u32 {
        match self {
            Self::Start => 1,
            Self::Stop => 2,
            Self::Interim => 3,
        }
    }

    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Interim => "interim",
            Self::Stop => "stop",
        }
    }
}

impl Proof {
    /// Checks what an Access-Accept for this user has to prove.
    pub(crate) fn check(&self, accept: &Packet<'_>, user: &Credentials) -> Result<(), ReplyFault> {
        let Self::MsChapV2 {
            challenge,
            response,
        } = self
        else {
            return Ok(());
        };
        let success = accept
            .find_vendor(vendor::MICROSOFT, microsoft::MS_CHAP2_SUCCESS)
            .ok_or(ReplyFault::MsChapSuccessAbsent)?;
        let is_right = mschap::v2_verify_success(
            success,
            challenge,
            response,
            user.user_name().as_bytes(),
            user.nt_hash(),
        );
        if is_right {
            Ok(())
        } else {
            Err(ReplyFault::MsChapSuccessWrong)
        }
    }
}

/// Writes an Access-Request into `buffer`, replacing it.
pub(crate) fn write_login(
    buffer: &mut Vec<u8>,
    identifier: u8,
    login: &Login<'_>,
    nonces: &Nonces,
) -> Result<Proof, WriteError> {
    let mut writer = PacketWriter::new(buffer, Code::AccessRequest, identifier);
    if login.signing == Signing::Signed {
        writer.push_message_authenticator()?;
    }
    login
        .session
        .write(&mut writer, login.router, login.service)?;
    if login.service == Service::Hotspot {
        login.session.write_hotspot_address(&mut writer)?;
    }
    writer.push_text(kind::USER_NAME, login.user.user_name())?;
    let proof = write_password(&mut writer, login, nonces)?;
    login.router.write(&mut writer)?;
    writer.finish_access_request(&nonces.authenticator, login.secret);
    Ok(proof)
}

/// Writes an Accounting-Request with a session's record into `buffer`, replacing it.
pub(crate) fn write_record(
    buffer: &mut Vec<u8>,
    identifier: u8,
    record: &Record<'_>,
) -> Result<(), WriteError> {
    let mut writer = start_accounting(buffer, identifier, record.signing)?;
    writer.push_integer(kind::ACCT_STATUS_TYPE, record.event.status_type())?;
    record
        .session
        .write(&mut writer, record.router, record.service)?;
    writer.push_text(kind::USER_NAME, record.user_name)?;
    writer.push_ipv4(kind::FRAMED_IP_ADDRESS, record.session.address)?;
    writer.push_integer(kind::ACCT_AUTHENTIC, ACCT_AUTHENTIC_RADIUS)?;
    for class in record.classes {
        writer.push(kind::CLASS, class)?;
    }
    if record.event != Event::Start {
        write_totals(&mut writer, record.totals)?;
    }
    if record.event == Event::Stop {
        writer.push_integer(kind::ACCT_TERMINATE_CAUSE, record.cause)?;
    }
    finish_accounting(writer, record.router, record.at, record.secret)
}

/// Writes an Accounting-On (7) or -Off (8) into `buffer`, replacing it (RFC 2866 §5.1).
pub(crate) fn write_announcement(
    buffer: &mut Vec<u8>,
    identifier: u8,
    status_type: u32,
    router: &Router,
    at: Option<Timestamp>,
    signing: Signing,
    secret: &[u8],
) -> Result<(), WriteError> {
    let mut writer = start_accounting(buffer, identifier, signing)?;
    writer.push_integer(kind::ACCT_STATUS_TYPE, status_type)?;
    finish_accounting(writer, router, at, secret)
}

/// Writes a Status-Server into `buffer`, replacing it (RFC 5997 §3).
pub(crate) fn write_status(
    buffer: &mut Vec<u8>,
    identifier: u8,
    authenticator: &[u8; 16],
    secret: &[u8],
) -> Result<(), WriteError> {
    let mut writer = PacketWriter::new(buffer, Code::StatusServer, identifier);
    writer.push_message_authenticator()?;
    writer.push_text(kind::NAS_IDENTIFIER, "lab")?;
    writer.finish_access_request(authenticator, secret);
    Ok(())
}

fn write_password(
    writer: &mut PacketWriter<'_>,
    login: &Login<'_>,
    nonces: &Nonces,
) -> Result<Proof, WriteError> {
    let user = login.user;
    match login.method {
        Method::Pap => {
            let mut hidden = [0; PASSWORD_LENGTH_MAX];
            let hidden = pap::encrypt(
                user.password(),
                login.secret,
                &nonces.authenticator,
                &mut hidden,
            )
            .expect("credentials hold at most 128 octets of password");
            writer.push(kind::USER_PASSWORD, hidden)?;
            Ok(Proof::None)
        }
        Method::Chap => {
            let response = chap::respond(nonces.identifier, &nonces.challenge, user.password());
            writer.push(kind::CHAP_CHALLENGE, &nonces.challenge)?;
            writer.push(kind::CHAP_PASSWORD, &response)?;
            Ok(Proof::None)
        }
        Method::MsChapV1 => {
            let challenge = nonces.challenge.first_chunk().expect("8 of 16 octets");
            let response = mschap::v1_respond(nonces.identifier, challenge, user.nt_hash());
            writer.push_vendor(vendor::MICROSOFT, microsoft::MS_CHAP_CHALLENGE, challenge)?;
            writer.push_vendor(vendor::MICROSOFT, microsoft::MS_CHAP_RESPONSE, &response)?;
            Ok(Proof::None)
        }
        Method::MsChapV2 => {
            let challenge = nonces.challenge;
            let response = mschap::v2_respond(
                nonces.identifier,
                &challenge,
                &nonces.peer_challenge,
                user.user_name().as_bytes(),
                user.nt_hash(),
            );
            writer.push_vendor(vendor::MICROSOFT, microsoft::MS_CHAP_CHALLENGE, &challenge)?;
            writer.push_vendor(vendor::MICROSOFT, microsoft::MS_CHAP2_RESPONSE, &response)?;
            Ok(Proof::MsChapV2 {
                challenge,
                response,
            })
        }
    }
}

fn write_totals(writer: &mut PacketWriter<'_>, totals: Totals) -> Result<(), WriteError> {
    writer.push_integer(kind::ACCT_SESSION_TIME, totals.seconds)?;
    for (octets, low, high, packets) in [
        (
            totals.input_octets,
            kind::ACCT_INPUT_OCTETS,
            kind::ACCT_INPUT_GIGAWORDS,
            kind::ACCT_INPUT_PACKETS,
        ),
        (
            totals.output_octets,
            kind::ACCT_OUTPUT_OCTETS,
            kind::ACCT_OUTPUT_GIGAWORDS,
            kind::ACCT_OUTPUT_PACKETS,
        ),
    ] {
        writer.push_integer(low, octets as u32)?;
        writer.push_integer(high, (octets >> 32) as u32)?;
        writer.push_integer(packets, (octets / OCTETS_PER_PACKET) as u32)?;
    }
    Ok(())
}

fn start_accounting(
    buffer: &mut Vec<u8>,
    identifier: u8,
    signing: Signing,
) -> Result<PacketWriter<'_>, WriteError> {
    let mut writer = PacketWriter::new(buffer, Code::AccountingRequest, identifier);
    if signing == Signing::Signed {
        writer.push_message_authenticator()?;
    }
    Ok(writer)
}

fn finish_accounting(
    mut writer: PacketWriter<'_>,
    router: &Router,
    at: Option<Timestamp>,
    secret: &[u8],
) -> Result<(), WriteError> {
    if let Some(at) = at {
        let seconds = u32::try_from(at.as_seconds()).unwrap_or(0);
        writer.push_integer(kind::EVENT_TIMESTAMP, seconds)?;
    }
    writer.push_integer(kind::ACCT_DELAY_TIME, 0)?;
    router.write(&mut writer)?;
    writer.finish_accounting_request(secret);
    Ok(())
}
