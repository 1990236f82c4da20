//! Decrypts and checks arbitrary values with all password methods; what decrypts encrypts back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use radius::password::{chap, mppe, mschap, pap};
use radius::tunnel_password;
use radius::writer::{VALUE_LENGTH_MAX, VENDOR_VALUE_LENGTH_MAX};

fuzz_target!(|input: ([u8; 16], [u8; 16], &[u8], &[u8])| {
    let (authenticator, nt_hash, secret, value) = input;
    let mut clear = [0; pap::PASSWORD_LENGTH_MAX];
    if let Some(password) = pap::decrypt(value, secret, &authenticator, &mut clear) {
        let mut cipher = [0; pap::PASSWORD_LENGTH_MAX];
        let cipher = pap::encrypt(password, secret, &authenticator, &mut cipher)
            .expect("it was short enough");
        assert!(value.starts_with(cipher));
    }
    let mut clear = [0; VALUE_LENGTH_MAX];
    if let Some((tag, password)) =
        tunnel_password::decrypt(value, &authenticator, secret, &mut clear)
    {
        let mut cipher = [0; VALUE_LENGTH_MAX];
        let salt = [value[1], value[2]];
        let again =
            tunnel_password::encrypt(tag, password, salt, &authenticator, secret, &mut cipher);
        assert!(again.is_some());
    }
    let _ = mppe::decrypt_key(
        value,
        &authenticator,
        secret,
        &mut [0; VENDOR_VALUE_LENGTH_MAX],
    );
    let _ = chap::verify(value, &authenticator, secret);
    let _ = mschap::v1_verify(&[0; 8], value, &nt_hash);
    if let Some(success) = mschap::v2_verify(&authenticator, value, secret, &nt_hash) {
        let _ = mppe::v2_keys(&nt_hash, &success.nt_response);
    }
    if let Ok(text) = std::str::from_utf8(value) {
        let mut out = Vec::new();
        mschap::v2_error(
            1,
            mschap::FailureCode::AuthenticationFailure,
            &authenticator,
            text,
            &mut out,
        );
        assert!(out.len() <= VENDOR_VALUE_LENGTH_MAX);
        let _ = (mschap::nt_hash(text), mschap::lm_hash(text));
    }
});
