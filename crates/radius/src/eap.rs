//! EAP inside RADIUS (RFC 3748, RFC 3579): its packets, put together from attributes, and what a server asks and reads.
//!
//! Each method has a module of its own, which makes requests and reads the responses to them.

use crate::attribute::kind;
use crate::packet::Packet;

pub mod md5;

/// Octets of the header: Code, Identifier, Length (RFC 3748 §4).
const HEADER_LENGTH: usize = 4;

const CODE_REQUEST: u8 = 1;
const CODE_RESPONSE: u8 = 2;
const CODE_SUCCESS: u8 = 3;
const CODE_FAILURE: u8 = 4;

const TYPE_IDENTITY: u8 = 1;
const TYPE_NAK: u8 = 3;

/// What a peer says, or what its router says for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// EAP-Start: the router leaves the first question to the server (RFC 3579 §2.1).
    Start,
    /// Who the peer claims to be; the octets are not checked (RFC 3748 §5.1).
    Identity {
        /// The Identifier field.
        identifier: u8,
        /// The Type-Data field.
        identity: &'a [u8],
    },
    /// An answer to a method.
    Response(Response<'a>),
}

/// An answer to a request of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// The Identifier field, which is that of the request.
    pub identifier: u8,
    /// The Type field.
    pub kind: u8,
    /// The Type-Data field.
    pub data: &'a [u8],
}

/// Why octets are no message of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Other attributes are between those of one EAP packet (RFC 3579 §3.1).
    #[error("the EAP-Message attributes do not follow each other")]
    Scattered,
    /// Fewer octets than the Length field says, or than there must be (RFC 3748 §4).
    #[error("{received} octets are not the EAP packet that they begin")]
    Truncated {
        /// How many octets there are.
        received: usize,
    },
    /// A peer sends nothing but responses (RFC 3579 §2.6.2).
    #[error("EAP code {code} is none that a peer sends")]
    NoResponse {
        /// The Code field.
        code: u8,
    },
}

/// Why a response is no answer to what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongTurn {
    /// A Nak: the peer does not do the method (RFC 3748 §5.3.1).
    #[error("the peer wants EAP method {wanted}")]
    Refused {
        /// The method that it would rather do; 0 for none.
        wanted: u8,
    },
    /// It answers an earlier request (RFC 3748 §4.1).
    #[error("the response has another identifier than the request")]
    IdentifierDiffers,
    /// It answers another method (RFC 3748 §4.1).
    #[error("the response is of another EAP method than the request")]
    MethodDiffers,
    /// The method's own octets are not as they should be.
    #[error("the response is malformed")]
    Malformed,
}

impl<'a> Message<'a> {
    /// Reads what [`collect`] put together; octets after the Length field's end are padding (RFC 3748 §4).
    pub fn read(octets: &'a [u8]) -> Result<Self, MessageError> {
        let truncated = MessageError::Truncated {
            received: octets.len(),
        };
        if octets.is_empty() {
            return Ok(Self::Start);
        }
        let Some((&[code, identifier, high, low], _)) = octets.split_first_chunk::<HEADER_LENGTH>()
        else {
            return Err(truncated);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if code != CODE_RESPONSE {
            return Err(MessageError::NoResponse { code });
        }
        let Some([kind, data @ ..]) = octets.get(HEADER_LENGTH..length) else {
            return Err(truncated);
        };
        Ok(match *kind {
            TYPE_IDENTITY => Self::Identity {
                identifier,
                identity: data,
            },
            kind => Self::Response(Response {
                identifier,
                kind,
                data,
            }),
        })
    }
}

impl<'a> Response<'a> {
    /// What a method reads: the data of an answer to a request of this identifier and type.
    fn answer_to(&self, identifier: u8, kind: u8) -> Result<&'a [u8], WrongTurn> {
        if self.identifier != identifier {
            return Err(WrongTurn::IdentifierDiffers);
        }
        if self.kind == TYPE_NAK {
            let wanted = self.data.first().copied().unwrap_or(0);
            return Err(WrongTurn::Refused { wanted });
        }
        if self.kind != kind {
            return Err(WrongTurn::MethodDiffers);
        }
        Ok(self.data)
    }
}

/// Puts the EAP packet of a request together in `out`, replacing what is there (RFC 3579 §3.1).
pub fn collect(packet: &Packet<'_>, out: &mut Vec<u8>) -> Result<(), MessageError> {
    let kinds = packet.attributes().map(|attribute| attribute.kind);
    let mut from_first = kinds.skip_while(|kind| *kind != kind::EAP_MESSAGE);
    if from_first
        .by_ref()
        .skip_while(|kind| *kind == kind::EAP_MESSAGE)
        .any(|kind| kind == kind::EAP_MESSAGE)
    {
        return Err(MessageError::Scattered);
    }
    packet.concatenate(kind::EAP_MESSAGE, out);
    Ok(())
}

/// The Identifier field of the EAP packet of a request, 0 when it is cut off before.
#[must_use]
pub fn identifier(packet: &Packet<'_>) -> u8 {
    let octets = packet.find_all(kind::EAP_MESSAGE).flatten();
    octets.copied().nth(1).unwrap_or(0)
}

/// Asks who the peer is (RFC 3748 §5.1), into `out`, replacing what is there.
pub fn write_identity_request(identifier: u8, out: &mut Vec<u8>) {
    write_request(identifier, TYPE_IDENTITY, &[], out);
}

/// EAP-Success for the response of this identifier (RFC 3748 §4.2).
#[must_use]
pub const fn success(identifier: u8) -> [u8; HEADER_LENGTH] {
    [CODE_SUCCESS, identifier, 0, 4]
}

/// EAP-Failure for the response of this identifier (RFC 3748 §4.2).
#[must_use]
pub const fn failure(identifier: u8) -> [u8; HEADER_LENGTH] {
    [CODE_FAILURE, identifier, 0, 4]
}

/// An identifier that is not that of the last message (RFC 3748 §4.1).
const fn next(identifier: u8) -> u8 {
    identifier.wrapping_add(1)
}

fn write_request(identifier: u8, kind: u8, data: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let length = u16::try_from(HEADER_LENGTH + 1 + data.len()).expect("requests are short");
    let [high, low] = length.to_be_bytes();
    out.extend_from_slice(&[CODE_REQUEST, identifier, high, low, kind]);
    out.extend_from_slice(data);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;
    use crate::writer::PacketWriter;

    fn request(attributes: &[(u8, &[u8])]) -> Vec<u8> {
        let mut octets = Vec::new();
        let mut writer = PacketWriter::new(&mut octets, Code::AccessRequest, 1);
        for (kind, value) in attributes {
            writer.push(*kind, value).expect("it fits");
        }
        writer.finish_access_request(&[7; 16], b"secret");
        octets
    }

    #[track_caller]
    fn check_collected(attributes: &[(u8, &[u8])], expected: Result<&[u8], MessageError>) {
        let octets = request(attributes);
        let packet = Packet::parse(&octets).expect("we wrote it");
        let mut out = vec![0xaa; 3];
        let collected = collect(&packet, &mut out).map(|()| out.as_slice());
        assert_eq!(collected, expected);
    }

    #[test]
    fn fragments_are_put_together_in_their_order() {
        let (eap, user) = (kind::EAP_MESSAGE, kind::USER_NAME);
        check_collected(&[(user, b"ana")], Ok(b""));
        check_collected(&[(eap, b"")], Ok(b""));
        check_collected(&[(eap, b"ab"), (eap, b"c"), (user, b"ana")], Ok(b"abc"));
        let scattered = [(eap, &b"ab"[..]), (user, b"ana"), (eap, b"c")];
        check_collected(&scattered, Err(MessageError::Scattered));
        let (long, rest) = ([1; 253], [2; 9]);
        let whole = [&long[..], &rest].concat();
        check_collected(&[(eap, &long), (eap, &rest)], Ok(&whole));
    }

    #[test]
    fn the_identifier_is_found_in_whatever_fragment() {
        for (fragments, expected) in [
            (&[&b"\x02\x07\x00\x05"[..]][..], 7),
            (&[b"\x02", b"", b"\x08\x00"], 8),
            (&[b"\x02"], 0),
            (&[b""], 0),
            (&[], 0),
        ] {
            let attributes: Vec<_> = fragments
                .iter()
                .map(|part| (kind::EAP_MESSAGE, *part))
                .collect();
            let octets = request(&attributes);
            let packet = Packet::parse(&octets).expect("we wrote it");
            assert_eq!(identifier(&packet), expected);
        }
    }

    #[track_caller]
    fn check_read(octets: &[u8], expected: Result<Message<'_>, MessageError>) {
        assert_eq!(Message::read(octets), expected);
    }

    #[test]
    fn messages_are_read() {
        let identity = |identity| Message::Identity {
            identifier: 9,
            identity,
        };
        check_read(b"", Ok(Message::Start));
        check_read(b"\x02\x09\x00\x08\x01ana", Ok(identity(b"ana")));
        check_read(b"\x02\x09\x00\x05\x01", Ok(identity(b"")));
        let padded = b"\x02\x09\x00\x08\x01ana\x00\x00";
        check_read(padded, Ok(identity(b"ana")));
        let response = Response {
            identifier: 9,
            kind: 3,
            data: &[25],
        };
        let nak = b"\x02\x09\x00\x06\x03\x19";
        check_read(nak, Ok(Message::Response(response)));
    }

    #[test]
    fn what_no_peer_sends_is_refused() {
        let truncated = |received| Err(MessageError::Truncated { received });
        check_read(b"\x02", truncated(1));
        check_read(b"\x02\x09\x00", truncated(3));
        // A length below the header, without a type, and beyond what is there.
        check_read(b"\x02\x09\x00\x00\x01", truncated(5));
        check_read(b"\x02\x09\x00\x04", truncated(4));
        check_read(b"\x02\x09\x00\x04\x01", truncated(5));
        check_read(b"\x02\x09\x00\x06\x01", truncated(5));
        check_read(b"\x02\x09\xff\xff\x01", truncated(5));
        for code in [0, 1, 3, 4, 5, 255] {
            let no_response = Err(MessageError::NoResponse { code });
            check_read(&[code, 9, 0, 5, 1], no_response);
        }
    }

    #[test]
    fn short_packets_are_written_as_the_rfc_draws_them() {
        assert_eq!(success(0x2a), [3, 0x2a, 0, 4]);
        assert_eq!(failure(0x2a), [4, 0x2a, 0, 4]);
        let mut out = vec![0xaa];
        write_identity_request(7, &mut out);
        assert_eq!(out, [1, 7, 0, 5, 1]);
    }
}
