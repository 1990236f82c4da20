//! The paths that every packet takes allocate nothing.

use radius::attribute::{kind, microsoft, mikrotik, vendor};
use radius::authenticator::{MessageAuthenticatorCheck, verify_message_authenticator};
use radius::code::Code;
use radius::packet::Packet;
use radius::password::{chap, mppe, mschap, pap};
use radius::writer::{PacketWriter, VENDOR_VALUE_LENGTH_MAX, WriteError};

const SECRET: &[u8] = b"xyzzy5461";
const REQUEST_AUTHENTICATOR: [u8; 16] = [7; 16];

#[track_caller]
fn check(run: impl FnOnce()) {
    let counted = allocation_counter::measure(run);
    assert_eq!(counted.count_total, 0);
}

fn request(buffer: &mut Vec<u8>) -> Result<(), WriteError> {
    let mut password = [0; pap::PASSWORD_LENGTH_MAX];
    let password = pap::encrypt(b"arctangent", SECRET, &REQUEST_AUTHENTICATOR, &mut password);
    let mut writer = PacketWriter::new(buffer, Code::AccessRequest, 1);
    writer.push_message_authenticator()?;
    writer.push_text(kind::USER_NAME, "nemo")?;
    writer.push(kind::USER_PASSWORD, password.expect("10 octets fit"))?;
    writer.push_vendor_text(vendor::MICROSOFT, microsoft::MS_CHAP_DOMAIN, "isp")?;
    writer.finish_access_request(&REQUEST_AUTHENTICATOR, SECRET);
    Ok(())
}

fn accept(buffer: &mut Vec<u8>) -> Result<(), WriteError> {
    let keys = mppe::v2_keys(&[1; 16], &[2; 24]);
    let mut out = [0; VENDOR_VALUE_LENGTH_MAX];
    let key = mppe::encrypt_key(&keys.send, [0, 1], &REQUEST_AUTHENTICATOR, SECRET, &mut out);
    let mut writer = PacketWriter::new(buffer, Code::AccessAccept, 1);
    writer.push_message_authenticator()?;
    writer.push_vendor_text(vendor::MIKROTIK, mikrotik::RATE_LIMIT, "10M/50M")?;
    writer.push_vendor(
        vendor::MICROSOFT,
        microsoft::MS_MPPE_SEND_KEY,
        key.expect("16 octets fit"),
    )?;
    writer.push_long(kind::EAP_MESSAGE, &[3; 600])?;
    writer.finish_reply(&REQUEST_AUTHENTICATOR, SECRET);
    Ok(())
}

#[test]
fn reading_and_verifying_a_request_allocates_nothing() {
    let mut buffer = Vec::new();
    request(&mut buffer).unwrap();
    check(|| {
        let packet = Packet::parse(&buffer).expect("packet parses");
        assert_eq!(
            verify_message_authenticator(&packet, SECRET),
            MessageAuthenticatorCheck::Valid
        );
        assert!(
            packet
                .find_vendor(vendor::MICROSOFT, microsoft::MS_CHAP_DOMAIN)
                .is_some()
        );
        let value = packet.find(kind::USER_PASSWORD).expect("password is there");
        let mut out = [0; pap::PASSWORD_LENGTH_MAX];
        let password = pap::decrypt(value, SECRET, packet.authenticator(), &mut out);
        assert_eq!(password, Some(&b"arctangent"[..]));
    });
}

#[test]
fn writing_into_a_used_buffer_allocates_nothing() {
    let mut buffer = Vec::new();
    accept(&mut buffer).unwrap();
    check(|| accept(&mut buffer).expect("attributes fit"));
}

#[test]
fn checking_chap_and_mschap_allocates_nothing() {
    check(|| {
        let value = chap::respond(1, &REQUEST_AUTHENTICATOR, b"arctangent");
        assert!(chap::verify(&value, &REQUEST_AUTHENTICATOR, b"arctangent"));
        let nt_hash = mschap::nt_hash("arctangent");
        let response = mschap::v2_respond(1, &[1; 16], &[2; 16], b"nemo", &nt_hash);
        let success = mschap::v2_verify(&[1; 16], &response, b"nemo", &nt_hash);
        assert!(success.is_some());
        let response = mschap::v1_respond(1, &[1; 8], &nt_hash);
        assert!(mschap::v1_verify(&[1; 8], &response, &nt_hash));
    });
}
