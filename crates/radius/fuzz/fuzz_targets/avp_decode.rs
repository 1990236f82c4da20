//! Decodes arbitrary attributes with the built-in dictionary: what is encoded again decodes the same.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use radius::avp::{self, Keys};
use radius::code::Code;
use radius::dictionary::Dictionary;
use radius::packet::Packet;

static DICTIONARY: LazyLock<Dictionary> = LazyLock::new(Dictionary::builtin);

fn packet(attributes: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(attributes.len() + 20).ok()?.to_be_bytes();
    Some(
        [
            &[Code::AccessRequest.as_u8(), 1, length[0], length[1]][..],
            &[0; 16],
            attributes,
        ]
        .concat(),
    )
}

fuzz_target!(|attributes: &[u8]| {
    let Some(bytes) = packet(attributes) else {
        return;
    };
    let _ = std::str::from_utf8(attributes).map(|text| avp::parse_list(&DICTIONARY, text).is_ok());
    let Ok(request) = Packet::parse(&bytes) else {
        return;
    };
    let keys = Keys {
        secret: b"secret",
        request_authenticator: &[0; 16],
        salt: 0x8000,
    };
    let shown = avp::decode(&DICTIONARY, request.attributes(), Some(&keys));
    for avp in &shown {
        let _ = avp.show(&DICTIONARY).to_string();
    }
    let decoded = avp::decode(&DICTIONARY, request.attributes(), None);
    let mut encoded = Vec::new();
    if avp::encode(&DICTIONARY, &decoded, None, &mut encoded).is_ok() {
        let bytes = packet(&encoded).expect("decoding drops nothing and adds nothing");
        let again = Packet::parse(&bytes).expect("what is encoded parses");
        assert_eq!(avp::decode(&DICTIONARY, again.attributes(), None), decoded);
    }
});
