//! Replies that are signed side by side are the same as those signed one by one.

use proptest::collection::vec;
use proptest::prelude::*;
use radius::attribute::kind;
use radius::code::Code;
use radius::secret::PreparedSecret;
use radius::signer::{Signable, Signer};
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
    let parts = (any::<u8>(), any::<bool>(), values, any::<[u8; 16]>(), secret);
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
