//! Password methods: RFC 2433, RFC 2759 §9.2, RFC 3079 §2.5 and §3.5, and values that pyrad 2.6 computed.

use radius::password::{chap, mppe, mschap, pap};
use radius::tunnel_password;
use radius::writer::{VALUE_LENGTH_MAX, VENDOR_VALUE_LENGTH_MAX};

use crate::octets::{array, octets};

const SECRET: &[u8] = b"xyzzy5461";
const PASSWORD: &str = "clientPass";
const NT_HASH: &str = "44EBBA8D5312B8D611474411F56989AE";
const AUTHENTICATOR_CHALLENGE: &str = "5B5D7C7D7B3F2F3E3C2C602132262628";
const PEER_CHALLENGE: &str = "21402324255E262A28295F2B3A337C7E";
const NT_RESPONSE: &str = "82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF";

fn request_authenticator() -> [u8; 16] {
    array("0f403f9473978057bd83d5cb98f4227a")
}

#[track_caller]
fn check_pap(password: &[u8], expected: &str) {
    let (authenticator, cipher) = (request_authenticator(), octets(expected));
    let mut out = [0xaa; pap::PASSWORD_LENGTH_MAX];
    assert_eq!(
        pap::encrypt(password, SECRET, &authenticator, &mut out),
        Some(&cipher[..])
    );
    assert_eq!(
        pap::decrypt(&cipher, SECRET, &authenticator, &mut out),
        Some(password)
    );
}

#[test]
fn pap_encrypts_like_pyrad() {
    check_pap(b"", "6ccc13f9f2ba74ab5fe2e43f782a0aee");
    check_pap(b"a", "0dcc13f9f2ba74ab5fe2e43f782a0aee");
    check_pap(b"0123456789abcdef", "5cfd21cac68f429c67db855d1b4e6f88");
    check_pap(
        b"0123456789abcdefg",
        "5cfd21cac68f429c67db855d1b4e6f88a5d4009c1713827bf27e710fcb3f96b4",
    );
    let longest: Vec<u8> = (1..=128).collect();
    check_pap(
        &longest,
        "6dce10fdf7bc73a356e8ef33752405fe942274a4467f315c937e8dc9e3f19b7c
         e3ee1c602ca55d33acdd9ab9341b2b04e9e33ddedd86982d1200645f9a74f430
         f577d4de4e5fbd59656a820621ed2de2cb87132bfe9ce54c0ff663697c2f01f4
         676b997bf8c0371a080f8c259a5e2dcd437b416385d5a45043c715e89941dcbf",
    );
}

#[test]
fn pap_refuses_values_that_are_not_blocks() {
    let mut out = [0; pap::PASSWORD_LENGTH_MAX];
    for length in [0, 1, 15, 17, 127, 129, 144, 253] {
        assert_eq!(
            pap::decrypt(&[0; 253][..length], SECRET, &[0; 16], &mut out),
            None,
            "{length}"
        );
    }
    assert_eq!(pap::encrypt(&[1; 129], SECRET, &[0; 16], &mut out), None);
}

#[test]
fn chap_accepts_only_the_right_password_and_challenge() {
    // MD5 of 16 "arctangent" "challenge", computed with Python's hashlib.
    let value = chap::respond(0x16, b"challenge", b"arctangent");
    assert_eq!(value[..], octets("16 b6fcf9f2aa8f3cf7604bbb4562dc5712")[..]);
    assert!(chap::verify(&value, b"challenge", b"arctangent"));
    assert!(!chap::verify(&value, b"challenge", b"arctangenT"));
    assert!(!chap::verify(&value, b"challengE", b"arctangent"));
    assert!(!chap::verify(&value[..16], b"challenge", b"arctangent"));
    assert!(!chap::verify(&[], b"challenge", b"arctangent"));
    assert!(!chap::verify(
        &[&value[..], &[0]].concat(),
        b"challenge",
        b"arctangent"
    ));
}

#[test]
fn hashes_are_those_of_the_rfcs() {
    let rows = [
        (PASSWORD, NT_HASH, Some("76a152936096d7830e2390227404afd2")),
        (
            "MyPw",
            "FC156AF7EDCD6C0EDDE3337D427F4EAC",
            Some("75BA30198E6D1975AAD3B435B51404EE"),
        ),
        (
            "",
            "31d6cfe0d16ae931b73c59d7e0c089c0",
            Some("aad3b435b51404eeaad3b435b51404ee"),
        ),
        ("fifteenletters!", "NT", None),
        ("contraseña", "NT", None),
    ];
    for (password, nt_hash, lm_hash) in rows {
        assert_eq!(mschap::lm_hash(password), lm_hash.map(array), "{password}");
        if lm_hash.is_some() {
            assert_eq!(mschap::nt_hash(password), array(nt_hash), "{password}");
        }
    }
    assert_eq!(
        mschap::nt_hash_hash(&array(NT_HASH)),
        array("41C00C584BD2D91C4017A2A12FA59F3F")
    );
}

#[test]
fn nt_hash_reads_the_password_as_utf_16() {
    assert_eq!(
        mschap::nt_hash("ñ😀"),
        array("5611554981564554ebc3704cfda8f174")
    );
}

#[test]
fn v1_response_is_that_of_the_rfc() {
    let challenge = array("102DB5DF085D3041");
    let nt_hash = mschap::nt_hash("MyPw");
    let response = mschap::v1_respond(7, &challenge, &nt_hash);
    assert_eq!(response[..2], [7, 1]);
    assert_eq!(
        response[26..],
        octets("4E9D3C8F9CFD385D5BF4D3246791956CA4C351AB409A3D61")
    );
    assert!(mschap::v1_verify(&challenge, &response, &nt_hash));
    assert!(!mschap::v1_verify(
        &challenge,
        &response,
        &mschap::nt_hash("mypw")
    ));
    assert!(!mschap::v1_verify(&[0; 8], &response, &nt_hash));
    assert!(!mschap::v1_verify(&challenge, &response[..49], &nt_hash));
}

#[test]
fn v1_response_with_only_an_lm_response_is_refused() {
    let (challenge, nt_hash) = ([1; 8], mschap::nt_hash("MyPw"));
    let mut response = mschap::v1_respond(7, &challenge, &nt_hash);
    response[1] = 0;
    assert!(!mschap::v1_verify(&challenge, &response, &nt_hash));
}

#[track_caller]
fn check_v2(user_name: &[u8], password: &str, is_accepted: bool) {
    let challenge = array(AUTHENTICATOR_CHALLENGE);
    let response = [
        &[9, 0][..],
        &octets(PEER_CHALLENGE),
        &[0; 8],
        &octets(NT_RESPONSE),
    ]
    .concat();
    let success = mschap::v2_verify(&challenge, &response, user_name, &mschap::nt_hash(password));
    let attribute = success.map(|success| success.attribute());
    let expected = is_accepted.then_some(*b"\x09S=407A5589115FD0D6209F510FE9C04566932CDA56");
    assert_eq!(attribute, expected);
}

#[test]
fn v2_response_of_the_rfc_is_accepted() {
    check_v2(b"User", PASSWORD, true);
    check_v2(b"BIGCO\\User", PASSWORD, true);
}

#[test]
fn v2_response_for_another_user_or_password_is_refused() {
    check_v2(b"user", PASSWORD, false);
    check_v2(b"User\\User@isp", PASSWORD, false);
    check_v2(b"", PASSWORD, false);
    check_v2(b"User", "clientpass", false);
}

#[test]
fn v2_client_response_is_that_of_the_rfc() {
    let (challenge, peer) = (array(AUTHENTICATOR_CHALLENGE), array(PEER_CHALLENGE));
    let response = mschap::v2_respond(9, &challenge, &peer, b"User", &array(NT_HASH));
    assert_eq!(response[26..], octets(NT_RESPONSE));
    let verify = |success: &[u8]| {
        mschap::v2_verify_success(success, &challenge, &response, b"User", &array(NT_HASH))
    };
    assert!(verify(b"\x09S=407A5589115FD0D6209F510FE9C04566932CDA56"));
    assert!(verify(
        b"\x09S=407A5589115FD0D6209F510FE9C04566932CDA56 M=welcome"
    ));
    assert!(!verify(b"\x08S=407A5589115FD0D6209F510FE9C04566932CDA56"));
    assert!(!verify(b"\x09S=407A5589115FD0D6209F510FE9C04566932CDA57"));
    assert!(!verify(b"\x09S="));
}

#[test]
fn v2_response_of_a_wrong_length_is_refused() {
    for length in [0, 2, 49, 51] {
        let verdict = mschap::v2_verify(&[0; 16], &[0; 51][..length], b"User", &[0; 16]);
        assert_eq!(verdict, None, "{length}");
    }
}

#[test]
fn errors_name_the_reason() {
    let mut out = vec![1, 2, 3];
    mschap::v1_error(
        5,
        mschap::FailureCode::AccountDisabled,
        &[0xab; 8],
        &mut out,
    );
    assert_eq!(out, b"\x05E=647 R=0 C=ABABABABABABABAB V=2");
    mschap::v2_error(
        6,
        mschap::FailureCode::AuthenticationFailure,
        &[0x0f; 16],
        "Wrong password",
        &mut out,
    );
    assert_eq!(
        out,
        b"\x06E=691 R=0 C=0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F V=3 M=Wrong password"
    );
}

#[test]
fn error_message_is_cut_at_a_character() {
    let mut out = Vec::new();
    mschap::v2_error(
        6,
        mschap::FailureCode::PasswordExpired,
        &[0; 16],
        &"ñ".repeat(300),
        &mut out,
    );
    assert!((VENDOR_VALUE_LENGTH_MAX - 1..=VENDOR_VALUE_LENGTH_MAX).contains(&out.len()));
    assert!(std::str::from_utf8(&out[1..]).is_ok());
}

#[test]
fn v2_keys_are_those_of_the_rfc() {
    let keys = mppe::v2_keys(&array(NT_HASH), &array(NT_RESPONSE));
    assert_eq!(keys.send, array("8B7CDC149B993A1BA118CB153F56DCCB"));
    assert_eq!(keys.receive, array("d5f0e9521e3ea9589645e86051c82226"));
    assert_eq!(format!("{keys:?}"), "MppeKeys(hidden)");
}

#[test]
fn v1_keys_are_those_that_the_rfc_starts_from() {
    let nt_hash = mschap::nt_hash(PASSWORD);
    let keys = mppe::v1_keys(&nt_hash, mschap::lm_hash(PASSWORD).as_ref());
    assert_eq!(keys[..8], octets("76a152936096d783"));
    assert_eq!(keys[8..24], octets("41C00C584BD2D91C4017A2A12FA59F3F"));
    assert_eq!(keys[24..], [0; 8]);
    assert_eq!(mppe::v1_keys(&nt_hash, None)[..8], [0; 8]);
    let cipher = mppe::encrypt_v1_keys(&keys, &request_authenticator(), SECRET);
    let mut out = [0; pap::PASSWORD_LENGTH_MAX];
    let clear = pap::decrypt(&cipher, SECRET, &request_authenticator(), &mut out);
    assert_eq!(clear, Some(&keys[..24]));
}

/// Cipher texts for the salt 9a 3c.
const SALTED: [(&[u8], &str); 4] = [
    (b"", "118a09d9305d25ff4bb4bffd10ac658d"),
    (&[b'x'; 15], "1ef271a148255d8733ccc78568d41df5"),
    (b"tunnel-secret", "1cfe7cb75e3849d238d1dc8f75d8658d"),
    (
        b"\x8b\x7c\xdc\x14\x9b\x99\x3a\x1b\xa1\x18\xcb\x15\x3f\x56\xdc\xcb",
        "0101750524c6bcc55015a73605933351e00c5b66929330a5b852a7a9d86a49d7",
    ),
];

#[track_caller]
fn check_key(key: &[u8], cipher: &str) {
    let (authenticator, value) = (request_authenticator(), octets(&format!("9a3c {cipher}")));
    let mut out = [0xaa; VENDOR_VALUE_LENGTH_MAX];
    assert_eq!(
        mppe::encrypt_key(key, [0x1a, 0x3c], &authenticator, SECRET, &mut out),
        Some(&value[..])
    );
    assert_eq!(
        mppe::decrypt_key(&value, &authenticator, SECRET, &mut out),
        Some(key)
    );
}

#[test]
fn mppe_keys_encrypt_like_pyrad() {
    SALTED
        .into_iter()
        .for_each(|(key, cipher)| check_key(key, cipher));
    let long: Vec<u8> = (0..32).collect();
    check_key(
        &long,
        "318a08db335920f94cbcb6f71ba068839c7022838f5bb5691cdb4acde7a1b1e94ca4b5fe4ee297c9067a04e39218fe5b",
    );
}

#[track_caller]
fn check_tunnel_password(password: &[u8], cipher: &str) {
    let (authenticator, value) = (
        request_authenticator(),
        octets(&format!("01 9a3c {cipher}")),
    );
    let mut out = [0xaa; VALUE_LENGTH_MAX];
    let encrypted =
        tunnel_password::encrypt(1, password, [0x1a, 0x3c], &authenticator, SECRET, &mut out);
    assert_eq!(encrypted, Some(&value[..]));
    let decrypted = tunnel_password::decrypt(&value, &authenticator, SECRET, &mut out);
    assert_eq!(decrypted, Some((1, password)));
}

#[test]
fn tunnel_passwords_encrypt_like_pyrad() {
    SALTED
        .into_iter()
        .for_each(|(password, cipher)| check_tunnel_password(password, cipher));
}

#[test]
fn salted_values_have_a_longest_length() {
    let (mut key, mut password) = ([0; VENDOR_VALUE_LENGTH_MAX], [0; VALUE_LENGTH_MAX]);
    let encrypted = |length: usize, key: &mut _| {
        mppe::encrypt_key(&[1; 256][..length], [0; 2], &[0; 16], SECRET, key).map(<[u8]>::len)
    };
    assert_eq!(encrypted(mppe::KEY_LENGTH_MAX, &mut key), Some(242));
    assert_eq!(encrypted(mppe::KEY_LENGTH_MAX + 1, &mut key), None);
    assert_eq!(encrypted(256, &mut key), None);
    let mut encrypted = |length: usize| {
        let clear = &[1; 256][..length];
        tunnel_password::encrypt(0, clear, [0; 2], &[0; 16], SECRET, &mut password).map(<[u8]>::len)
    };
    assert_eq!(encrypted(tunnel_password::PASSWORD_LENGTH_MAX), Some(243));
    assert_eq!(encrypted(tunnel_password::PASSWORD_LENGTH_MAX + 1), None);
}

#[test]
fn malformed_salted_values_are_refused() {
    let (mut key, mut password) = ([0; VENDOR_VALUE_LENGTH_MAX], [0; VALUE_LENGTH_MAX]);
    for length in [0, 1, 2, 3, 17, 19, 33] {
        let value = &[0x80; 40][..length];
        assert_eq!(
            mppe::decrypt_key(value, &[0; 16], SECRET, &mut key),
            None,
            "{length}"
        );
    }
    for length in [0, 1, 2, 3, 18, 20, 34] {
        let value = &[0x80; 40][..length];
        assert_eq!(
            tunnel_password::decrypt(value, &[0; 16], SECRET, &mut password),
            None,
            "{length}"
        );
    }
}

#[test]
fn length_octet_beyond_the_value_is_refused() {
    // Flipping a bit of the cipher text flips the same bit of the clear text: length 0 becomes 128.
    let mut value = octets("9a3c 118a09d9305d25ff4bb4bffd10ac658d");
    value[2] ^= 0x80;
    let mut out = [0; VENDOR_VALUE_LENGTH_MAX];
    assert_eq!(
        mppe::decrypt_key(&value, &request_authenticator(), SECRET, &mut out),
        None
    );
}
