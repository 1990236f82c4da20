//! What is not worth an answer any more when more comes than can be answered (RFC 5080 §2.2.3).
//!
//! A late answer is worse than none: its router has given up or asked again, and the time it takes
//! makes the next ones late too. So what waited for too long is passed over, and conversations
//! that have begun go before new ones. A router that asks whether the server lives is always
//! answered, and the end of a session is always heard.

use std::time::Duration;

use radius::attribute::kind;
use radius::code::Code;
use radius::packet::Packet;

/// RouterOS gives a login up after 1.1 s with three tries in its default setting.
const NEW_LOGIN: Duration = Duration::from_secs(1);

/// Most of a conversation is lost when one of its later requests is, so it may wait for longer.
const CONTINUED_LOGIN: Duration = Duration::from_secs(3);

/// The next report of a session says more than this one.
const INTERIM: Duration = Duration::from_secs(5);

/// Acct-Status-Type of an interim report (RFC 2866 §5.1).
const INTERIM_UPDATE: [u8; 4] = [0, 0, 0, 3];

/// Whether a request lay in the kernel for so long that answering it only does harm.
pub(crate) fn is_too_late(packet: &Packet<'_>, waited: Duration) -> bool {
    if waited < NEW_LOGIN {
        return false;
    }
    match packet.code() {
        Code::AccessRequest => {
            let is_new = packet.find(kind::STATE).is_none();
            is_new || CONTINUED_LOGIN <= waited
        }
        Code::AccountingRequest => {
            let is_interim = packet.find(kind::ACCT_STATUS_TYPE) == Some(&INTERIM_UPDATE[..]);
            is_interim && INTERIM <= waited
        }
        Code::StatusServer
        | Code::AccessAccept
        | Code::AccessReject
        | Code::AccessChallenge
        | Code::AccountingResponse
        | Code::StatusClient
        | Code::DisconnectRequest
        | Code::DisconnectAck
        | Code::DisconnectNak
        | Code::CoaRequest
        | Code::CoaAck
        | Code::CoaNak => false,
    }
}

#[cfg(test)]
mod tests {
    use radius::writer::PacketWriter;

    use super::*;

    fn is_late(code: Code, attribute: Option<(u8, &[u8])>, milliseconds: u64) -> bool {
        let mut octets = Vec::new();
        let mut writer = PacketWriter::new(&mut octets, code, 1);
        if let Some((kind, value)) = attribute {
            writer.push(kind, value).expect("it fits");
        }
        writer.finish_access_request(&[7; 16], b"secret");
        let packet = Packet::parse(&octets).expect("a packet");
        is_too_late(&packet, Duration::from_millis(milliseconds))
    }

    #[test]
    fn what_waited_is_passed_over_by_what_it_is() {
        let state: Option<(u8, &[u8])> = Some((kind::STATE, b"x"));
        let status = |value: &'static [u8; 4]| Some((kind::ACCT_STATUS_TYPE, &value[..]));
        let (start, stop) = (status(&[0, 0, 0, 1]), status(&[0, 0, 0, 2]));
        let interim = status(&[0, 0, 0, 3]);
        for (code, attribute, waited_ms, expected) in [
            (Code::AccessRequest, None, 0, false),
            (Code::AccessRequest, None, 999, false),
            (Code::AccessRequest, None, 1_000, true),
            (Code::AccessRequest, state, 2_999, false),
            (Code::AccessRequest, state, 3_000, true),
            (Code::AccountingRequest, interim, 4_999, false),
            (Code::AccountingRequest, interim, 5_000, true),
            (Code::AccountingRequest, start, 60_000, false),
            (Code::AccountingRequest, stop, 60_000, false),
            (Code::StatusServer, None, 60_000, false),
        ] {
            assert_eq!(
                is_late(code, attribute, waited_ms),
                expected,
                "{code:?} {attribute:?} after {waited_ms} ms"
            );
        }
    }
}
