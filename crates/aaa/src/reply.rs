//! Writes the replies, most of them to be signed later: Message-Authenticator first where it is defined, Proxy-State last and in order.

use domain::access::{Grants, Method, RejectReason};
use domain::id::AuthId;
use domain::terms::TermsMark;
use radius::attribute::{kind, microsoft, vendor};
use radius::avp::Keys;
use radius::code::Code;
use radius::packet::Packet;
use radius::password::mppe;
use radius::password::mschap::{self, FailureCode};
use radius::signer::Unsigned;
use radius::writer::{PacketWriter, VENDOR_VALUE_LENGTH_MAX, WriteError};

use crate::class;
use crate::encode::rows::RowReply;
use crate::encode::{self, RequestedService};
use crate::nas_table::NasEntry;
use crate::proof::MsChapAnswer;
use crate::request::AccessFacts;

/// MS-MPPE-Encryption-Policy "allowed" and -Types "40 or 128 bit" (RFC 2548 §2.4.4, §2.4.5).
const MPPE_ALLOWED: u32 = 1;
const MPPE_40_AND_128_BIT: u32 = 6;

/// What fits into MS-CHAP-Error (RFC 2759 §6) beside the rest of it.
const ERROR_MESSAGE_OCTETS_MAX: usize = 160;

/// EAP-Failure (RFC 3748 §4.2).
const EAP_FAILURE: u8 = 4;

/// What an Access-Accept is made of.
#[derive(Debug)]
pub struct Accept<'a> {
    pub terms: Terms<'a>,
    /// What the terms are known by afterwards.
    pub mark: TermsMark,
    pub auth: AuthId,
    pub ms_chap: Option<&'a MsChapAnswer>,
    /// Random; different for each key in the packet (RFC 2548 §2.4.2).
    pub salts: [[u8; 2]; 2],
    /// What the subscriber is told.
    pub message: Option<&'a str>,
}

/// Where the attributes of an Access-Accept come from.
#[derive(Clone, Copy, Debug)]
pub enum Terms<'a> {
    /// From a plan, through the encoder of the vendor.
    Grants(&'a Grants<'a>),
    /// From the rows of FreeRADIUS' tables, as they are written there.
    Rows(RowReply<'a>),
}

/// Writes an Access-Accept into `buffer`.
pub fn write_accept(
    buffer: &mut Vec<u8>,
    packet: &Packet<'_>,
    nas: &NasEntry,
    facts: &AccessFacts<'_>,
    accept: &Accept<'_>,
) -> Result<Unsigned, WriteError> {
    let mut writer = PacketWriter::new(buffer, Code::AccessAccept, packet.identifier());
    writer.push_message_authenticator()?;
    if let Some(answer) = accept.ms_chap {
        write_ms_chap(&mut writer, packet, nas, answer, accept.salts)?;
    }
    match accept.terms {
        Terms::Grants(grants) => {
            let requested = RequestedService {
                service_type: facts.service_type,
                framed_protocol: facts.framed_protocol,
            };
            encode::write_grants(&mut writer, nas.nas.settings.vendor, grants, requested)?;
        }
        Terms::Rows(reply) => {
            let secret = nas.nas.secret.expose();
            let keys = Keys {
                secret,
                request_authenticator: packet.authenticator(),
                salt: u16::from_be_bytes(accept.salts[0]),
            };
            reply.write(&mut writer, keys)?;
        }
    }
    if let Some(message) = accept.message {
        writer.push_text(kind::REPLY_MESSAGE, message)?;
    }
    writer.push(kind::CLASS, &class::write(accept.auth, accept.mark))?;
    finish(writer, packet)
}

/// Writes an Access-Reject into `buffer`: only what RFC 2865 §5.44 and RFC 3579 §3.3 allow.
pub fn write_reject(
    buffer: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    packet: &Packet<'_>,
    facts: &AccessFacts<'_>,
    reason: RejectReason,
    message: &str,
    challenge: [u8; 16],
) -> Result<Unsigned, WriteError> {
    let mut writer = PacketWriter::new(buffer, Code::AccessReject, packet.identifier());
    writer.push_message_authenticator()?;
    if let Some(eap) = facts.eap_message {
        // RFC 3579 §2.6.3: the peer must see a failure that answers its own packet; §2.6.5: and
        // no Reply-Message beside it.
        let identifier = eap.get(1).copied().unwrap_or(0);
        writer.push(kind::EAP_MESSAGE, &[EAP_FAILURE, identifier, 0, 4])?;
        return finish(writer, packet);
    }
    writer.push_text(kind::REPLY_MESSAGE, message)?;
    match facts.method() {
        Ok(Method::MsChapV2) => {
            let identifier = first_octet(facts.ms_chap2_response);
            // It shares its attribute with the challenge and the codes.
            let fitting = message.floor_char_boundary(ERROR_MESSAGE_OCTETS_MAX);
            let message = &message[..fitting];
            mschap::v2_error(
                identifier,
                failure_code(reason),
                &challenge,
                message,
                scratch,
            );
            writer.push_vendor(vendor::MICROSOFT, microsoft::MS_CHAP_ERROR, scratch)?;
        }
        Ok(Method::MsChapV1) => {
            let identifier = first_octet(facts.ms_chap_response);
            let challenge = challenge.first_chunk().expect("16 octets begin with 8");
            mschap::v1_error(identifier, failure_code(reason), challenge, scratch);
            writer.push_vendor(vendor::MICROSOFT, microsoft::MS_CHAP_ERROR, scratch)?;
        }
        Ok(Method::Pap | Method::Chap | Method::Eap | Method::None) | Err(_) => {}
    }
    finish(writer, packet)
}

/// Writes the answer to Status-Server (RFC 5997 §3).
pub fn write_status(
    buffer: &mut Vec<u8>,
    packet: &Packet<'_>,
    nas: &NasEntry,
    code: Code,
) -> Result<(), WriteError> {
    let mut writer = PacketWriter::new(buffer, code, packet.identifier());
    writer.push_message_authenticator()?;
    push_proxy_state(&mut writer, packet)?;
    writer.finish_reply(packet.authenticator(), &nas.secret);
    Ok(())
}

/// Writes an Accounting-Response, without Message-Authenticator: no RFC defines it there, and
/// FreeRADIUS' clients and proxies compute it over zeros and drop the packet. The Response
/// Authenticator covers the request's keyed digest, so the forgery of CVE-2024-3596 has no hold.
pub fn write_accounting_response(
    buffer: &mut Vec<u8>,
    packet: &Packet<'_>,
) -> Result<Unsigned, WriteError> {
    let writer = PacketWriter::new(buffer, Code::AccountingResponse, packet.identifier());
    finish(writer, packet)
}

fn finish(mut writer: PacketWriter<'_>, packet: &Packet<'_>) -> Result<Unsigned, WriteError> {
    push_proxy_state(&mut writer, packet)?;
    Ok(writer.finish_unsigned(packet.authenticator()))
}

/// RFC 2865 §5.33: all of them, unchanged and in order.
fn push_proxy_state(writer: &mut PacketWriter<'_>, packet: &Packet<'_>) -> Result<(), WriteError> {
    packet
        .find_all(kind::PROXY_STATE)
        .try_for_each(|state| writer.push(kind::PROXY_STATE, state))
}

fn write_ms_chap(
    writer: &mut PacketWriter<'_>,
    packet: &Packet<'_>,
    nas: &NasEntry,
    answer: &MsChapAnswer,
    salts: [[u8; 2]; 2],
) -> Result<(), WriteError> {
    let secret = nas.nas.secret.expose();
    match answer {
        MsChapAnswer::V1 { keys } => {
            let value = mppe::encrypt_v1_keys(keys, packet.authenticator(), secret);
            writer.push_vendor(vendor::MICROSOFT, microsoft::MS_CHAP_MPPE_KEYS, &value)?;
        }
        MsChapAnswer::V2 { success, keys } => {
            writer.push_vendor(vendor::MICROSOFT, microsoft::MS_CHAP2_SUCCESS, success)?;
            let pairs = [
                (microsoft::MS_MPPE_SEND_KEY, &keys.send, salts[0]),
                (microsoft::MS_MPPE_RECV_KEY, &keys.receive, salts[1]),
            ];
            for (kind, key, salt) in pairs {
                let mut out = [0; VENDOR_VALUE_LENGTH_MAX];
                let value = mppe::encrypt_key(key, salt, packet.authenticator(), secret, &mut out)
                    .expect("a key of 16 octets fits");
                writer.push_vendor(vendor::MICROSOFT, kind, value)?;
            }
        }
    }
    let policy = microsoft::MS_MPPE_ENCRYPTION_POLICY;
    writer.push_vendor_integer(vendor::MICROSOFT, policy, MPPE_ALLOWED)?;
    let types = microsoft::MS_MPPE_ENCRYPTION_TYPES;
    writer.push_vendor_integer(vendor::MICROSOFT, types, MPPE_40_AND_128_BIT)
}

const fn failure_code(reason: RejectReason) -> FailureCode {
    match reason {
        // Not "password expired", which makes Windows ask for a new password.
        RejectReason::Disabled
        | RejectReason::Expired { .. }
        | RejectReason::Pending
        | RejectReason::Suspended
        | RejectReason::NoGarden { .. }
        | RejectReason::NoLongerValid { .. } => FailureCode::AccountDisabled,
        RejectReason::SessionLimit { .. }
        | RejectReason::NasIdentifierDiffers
        | RejectReason::NasNotAllowed
        | RejectReason::DeviceUnnamed
        | RejectReason::DeviceLimit { .. }
        | RejectReason::PrivateDeviceLimit { .. }
        | RejectReason::DeviceNotStored
        | RejectReason::DeviceOfSeveral
        | RejectReason::DeviceDiffers
        | RejectReason::QuotaUsedUp(_)
        | RejectReason::RealmElsewhere => FailureCode::NoDialinPermission,
        RejectReason::OutsideHours { .. } => FailureCode::RestrictedLogonHours,
        RejectReason::UnknownUser
        | RejectReason::MalformedUserName
        | RejectReason::WrongPassword { .. }
        | RejectReason::MethodNeedsCleartext { .. }
        | RejectReason::MalformedCredential { .. }
        | RejectReason::UnsupportedMethod { .. }
        | RejectReason::NoCredential
        | RejectReason::PlanMissing
        | RejectReason::UnknownRealm
        | RejectReason::RowsDoNotMatch
        | RejectReason::RowDiffers(_)
        | RejectReason::RowFailed(_)
        | RejectReason::RowsReject
        | RejectReason::RowsAuthType
        | RejectReason::RowsPassword { .. }
        | RejectReason::TooManyAttempts { .. } => FailureCode::AuthenticationFailure,
    }
}

fn first_octet(value: Option<&[u8]>) -> u8 {
    value.and_then(|value| value.first()).copied().unwrap_or(0)
}
