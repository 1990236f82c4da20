//! What is signed and checked side by side comes out as it does one by one.

use proptest::collection::vec;
use proptest::prelude::*;
use radius::attribute::kind;
use radius::authenticator::{verify_message_authenticator, verify_request_authenticator};
use radius::code::Code;
use radius::packet::Packet;
use radius::secret::PreparedSecret;
use radius::signer::{Signable, Signer};
use radius::verifier::{Authenticity, SIDE_BY_SIDE, Verifiable, Verifier};
use radius::writer::PacketWriter;

/// What makes one reply differ from the next.
#[derive(Clone, Debug)]
struct Reply {
    identifier: u8,
    has_message_authenticator: bool,
    /// Each becomes an attribute.
    values: Vec<Vec<u8>>,
    request_authenticator: [u8; 16],
    secret: Vec<u8>,
}

impl Reply {
    fn write<'b>(&self, buffer: &'b mut Vec<u8>) -> PacketWriter<'b> {
        let mut writer = PacketWriter::new(buffer, Code::AccessAccept, self.identifier);
        if self.has_message_authenticator {
            writer.push_message_authenticator().expect("it fits");
        }
        for value in &self.values {
            writer.push(kind::CLASS, value).expect("it fits");
        }
        writer
    }
}

fn reply() -> impl Strategy<Value = Reply> {
    let values = vec(vec(any::<u8>(), 0..=253), 0..4);
    let secret = vec(any::<u8>(), 0..130);
    let parts = (
        any::<u8>(),
        any::<bool>(),
        values,
        any::<[u8; 16]>(),
        secret,
    );
    parts.prop_map(
        |(identifier, has_message_authenticator, values, request_authenticator, secret)| Reply {
            identifier,
            has_message_authenticator,
            values,
            request_authenticator,
            secret,
        },
    )
}

proptest! {
    #[test]
    fn every_signature_is_that_of_the_reply_alone(replies in vec(reply(), 0..10)) {
        let secrets: Vec<_> = replies.iter().map(|reply| PreparedSecret::new(&reply.secret)).collect();
        let mut together = vec![Vec::new(); replies.len()];
        let mut signables = Vec::new();
        for ((reply, buffer), secret) in replies.iter().zip(&mut together).zip(&secrets) {
            let unsigned = reply.write(buffer).finish_unsigned(&reply.request_authenticator);
            signables.push(Signable { octets: buffer, unsigned, secret });
        }
        Signer::default().sign(&mut signables);
        for (reply, together) in replies.iter().zip(together) {
            let mut alone = Vec::new();
            reply.write(&mut alone).finish_reply(&reply.request_authenticator, &reply.secret);
            prop_assert_eq!(together, alone);
        }
    }
}

/// Any request, with nothing, one or two Message-Authenticators, and sometimes another secret.
#[derive(Clone, Debug)]
struct Request {
    code: Code,
    count: usize,
    values: Vec<Vec<u8>>,
    authenticator: [u8; 16],
    secret: Vec<u8>,
    is_secret_known: bool,
}

impl Request {
    fn octets(&self) -> Vec<u8> {
        let mut buffer = Vec::new();
        let mut writer = PacketWriter::new(&mut buffer, self.code, 7);
        for value in &self.values {
            writer.push(kind::CLASS, value).expect("it fits");
        }
        match self.count {
            0 => {}
            1 => writer.push_message_authenticator().expect("it fits"),
            _ => {
                writer.push_message_authenticator().expect("it fits");
                writer
                    .push(kind::MESSAGE_AUTHENTICATOR, &[0; 16])
                    .expect("it fits");
            }
        }
        if matches!(self.code, Code::AccountingRequest | Code::AccessAccept) {
            writer.finish_accounting_request(&self.secret);
        } else {
            writer.finish_access_request(&self.authenticator, &self.secret);
        }
        buffer
    }
}

fn request() -> impl Strategy<Value = Request> {
    let codes = [
        Code::AccessRequest,
        Code::StatusServer,
        Code::AccountingRequest,
        Code::AccessAccept,
    ];
    let parts = (
        prop::sample::select(codes.to_vec()),
        0..3_usize,
        vec(vec(any::<u8>(), 0..=253), 0..4),
        any::<[u8; 16]>(),
        vec(any::<u8>(), 0..130),
        any::<bool>(),
    );
    parts.prop_map(
        |(code, count, values, authenticator, secret, is_secret_known)| Request {
            code,
            count,
            values,
            authenticator,
            secret,
            is_secret_known,
        },
    )
}

proptest! {
    #[test]
    fn every_check_is_that_of_the_request_alone(requests in vec(request(), 0..=SIDE_BY_SIDE)) {
        let octets: Vec<_> = requests.iter().map(Request::octets).collect();
        let secrets: Vec<_> = requests
            .iter()
            .map(|request| match request.is_secret_known {
                true => PreparedSecret::new(&request.secret),
                false => PreparedSecret::new(b"another"),
            })
            .collect();
        let packets = octets.iter().map(|octets| Packet::parse(octets).expect("we wrote it"));
        let verifiables: Vec<_> = packets
            .zip(&secrets)
            .map(|(request, secret)| Verifiable { request, secret })
            .collect();
        let together = Verifier::default().verify(&verifiables);
        for (one, together) in verifiables.iter().zip(together) {
            let alone = Authenticity {
                message_authenticator: verify_message_authenticator(&one.request, one.secret),
                is_authenticator_right: verify_request_authenticator(&one.request, one.secret),
            };
            prop_assert_eq!(together, alone);
        }
    }
}
