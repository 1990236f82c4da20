//! MS-CHAP version 1 (RFC 2433) and version 2 (RFC 2759) with their attributes (RFC 2548 §2.1 and §2.3).

use des::Des;
use des::cipher::{BlockCipherEncrypt, KeyInit};
use md4::{Digest, Md4};
use sha1::Sha1;
use subtle::ConstantTimeEq;

/// Octets of MS-CHAP-Response and of MS-CHAP2-Response (RFC 2548 §2.1.3 and §2.3.2).
pub const RESPONSE_LENGTH: usize = 50;
/// Octets of MS-CHAP2-Success: the identifier and the authenticator response (RFC 2548 §2.3.3).
pub const SUCCESS_LENGTH: usize = 43;

const FLAG_USE_NT_RESPONSE: u8 = 1;
const MAGIC_1: &[u8] = b"Magic server to client signing constant";
const MAGIC_2: &[u8] = b"Pad to make it do more than one iteration";

/// What an accepted MS-CHAPv2 response yields.
#[derive(Clone, PartialEq, Eq)]
pub struct V2Success {
    /// The Ident octet of the response, which the answer repeats.
    pub identifier: u8,
    /// The proof that the server knows the password: `S=` and 40 hexadecimal digits (RFC 2759 §8.7).
    pub authenticator_response: [u8; 42],
    /// The peer's NT-Response, from which the MPPE keys follow.
    pub nt_response: [u8; 24],
}

impl V2Success {
    /// The value of MS-CHAP2-Success (RFC 2548 §2.3.3).
    #[must_use]
    pub fn attribute(&self) -> [u8; SUCCESS_LENGTH] {
        let mut value = [self.identifier; SUCCESS_LENGTH];
        value[1..].copy_from_slice(&self.authenticator_response);
        value
    }
}

impl std::fmt::Debug for V2Success {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("V2Success")
            .field("identifier", &self.identifier)
            .finish_non_exhaustive()
    }
}

/// Why the server refuses, as the subscriber's own system shows it (RFC 2759 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureCode {
    /// Outside the permitted hours.
    RestrictedLogonHours,
    /// The account is disabled.
    AccountDisabled,
    /// The password has expired.
    PasswordExpired,
    /// The account may not dial in.
    NoDialinPermission,
    /// Wrong user or password.
    AuthenticationFailure,
    /// The password could not be changed.
    ChangingPassword,
}

impl FailureCode {
    const fn digits(self) -> &'static [u8; 3] {
        match self {
            Self::RestrictedLogonHours => b"646",
            Self::AccountDisabled => b"647",
            Self::PasswordExpired => b"648",
            Self::NoDialinPermission => b"649",
            Self::AuthenticationFailure => b"691",
            Self::ChangingPassword => b"709",
        }
    }
}

/// The NT password hash: MD4 of the password in UTF-16 (RFC 2759 §8.3).
#[must_use]
pub fn nt_hash(password: &str) -> [u8; 16] {
    let mut digest = Md4::new();
    for unit in password.encode_utf16() {
        digest.update(unit.to_le_bytes());
    }
    digest.finalize().into()
}

/// The hash of the NT hash (RFC 2759 §8.4).
#[must_use]
pub fn nt_hash_hash(nt_hash: &[u8; 16]) -> [u8; 16] {
    Md4::digest(nt_hash).into()
}

/// The LM password hash, only good for 40-bit and 56-bit MPPE; `None` for passwords that LM cannot express.
///
/// RFC 2433 §A.2, in upper-case ASCII of at most 14 octets.
#[must_use]
pub fn lm_hash(password: &str) -> Option<[u8; 16]> {
    let mut upper = [0; 14];
    if !password.is_ascii() {
        return None;
    }
    upper
        .get_mut(..password.len())?
        .copy_from_slice(password.as_bytes());
    upper.make_ascii_uppercase();
    let (keys, _) = upper.as_chunks::<7>();
    let mut hash = [0; 16];
    for (key, block) in keys.iter().zip(hash.as_chunks_mut::<8>().0) {
        *block = des_encrypt(key, b"KGS!@#$%");
    }
    Some(hash)
}

/// Whether an MS-CHAP-Response value has the right NT-Response (RFC 2433 §A.4).
///
/// False when the value is malformed or asks for its LM-Response to be used, which this crate does not accept.
#[must_use]
pub fn v1_verify(challenge: &[u8; 8], response: &[u8], nt_hash: &[u8; 16]) -> bool {
    let Some(response) = Response::parse(response) else {
        return false;
    };
    let uses_nt_response = response.flags & FLAG_USE_NT_RESPONSE != 0;
    uses_nt_response
        && challenge_response(challenge, nt_hash)
            .ct_eq(response.nt_response)
            .into()
}

/// The MS-CHAP-Response value that a client sends; the LM-Response is left empty.
#[must_use]
pub fn v1_respond(
    identifier: u8,
    challenge: &[u8; 8],
    nt_hash: &[u8; 16],
) -> [u8; RESPONSE_LENGTH] {
    let mut value = [0; RESPONSE_LENGTH];
    value[..2].copy_from_slice(&[identifier, FLAG_USE_NT_RESPONSE]);
    value[26..].copy_from_slice(&challenge_response(challenge, nt_hash));
    value
}

/// Checks an MS-CHAP2-Response value (RFC 2759 §8.1, §8.7); `None` when it is malformed or wrong.
///
/// A `DOMAIN\` in front of the user name takes no part in the computation (RFC 2759 §4).
#[must_use]
pub fn v2_verify(
    authenticator_challenge: &[u8; 16],
    response: &[u8],
    user_name: &[u8],
    nt_hash: &[u8; 16],
) -> Option<V2Success> {
    let response = Response::parse(response)?;
    let challenge = challenge_hash(response.peer_challenge, authenticator_challenge, user_name);
    let is_right: bool = challenge_response(&challenge, nt_hash)
        .ct_eq(response.nt_response)
        .into();
    is_right.then(|| V2Success {
        identifier: response.identifier,
        authenticator_response: authenticator_response(&challenge, response.nt_response, nt_hash),
        nt_response: *response.nt_response,
    })
}

/// The MS-CHAP2-Response value that a client sends; the peer challenge is 16 unpredictable octets.
#[must_use]
pub fn v2_respond(
    identifier: u8,
    authenticator_challenge: &[u8; 16],
    peer_challenge: &[u8; 16],
    user_name: &[u8],
    nt_hash: &[u8; 16],
) -> [u8; RESPONSE_LENGTH] {
    let challenge = challenge_hash(peer_challenge, authenticator_challenge, user_name);
    let mut value = [0; RESPONSE_LENGTH];
    value[0] = identifier;
    value[2..18].copy_from_slice(peer_challenge);
    value[26..].copy_from_slice(&challenge_response(&challenge, nt_hash));
    value
}

/// Whether an MS-CHAP2-Success value proves that the server knows the password (RFC 2759 §8.8).
///
/// `response` is what [`v2_respond`] gave. Text after the 40 digits is permitted (RFC 2759 §5).
#[must_use]
pub fn v2_verify_success(
    success: &[u8],
    authenticator_challenge: &[u8; 16],
    response: &[u8; RESPONSE_LENGTH],
    user_name: &[u8],
    nt_hash: &[u8; 16],
) -> bool {
    let Some(success) = success.first_chunk::<SUCCESS_LENGTH>() else {
        return false;
    };
    let Some(expected) = v2_verify(authenticator_challenge, response, user_name, nt_hash) else {
        return false;
    };
    expected.attribute().ct_eq(success).into()
}

/// Writes the value of MS-CHAP-Error for MS-CHAPv1 into `out`, replacing it (RFC 2433 §6): no retry.
pub fn v1_error(identifier: u8, code: FailureCode, challenge: &[u8; 8], out: &mut Vec<u8>) {
    write_error(identifier, code, challenge, b" V=2", out);
}

/// Writes the value of MS-CHAP-Error for MS-CHAPv2 into `out`, replacing it (RFC 2759 §6): no retry.
///
/// The message is for people; what does not fit 247 octets is cut off at a character.
pub fn v2_error(
    identifier: u8,
    code: FailureCode,
    challenge: &[u8; 16],
    message: &str,
    out: &mut Vec<u8>,
) {
    write_error(identifier, code, challenge, b" V=3 M=", out);
    let room = crate::writer::VENDOR_VALUE_LENGTH_MAX - out.len();
    out.extend_from_slice(&message.as_bytes()[..message.floor_char_boundary(room)]);
}

fn write_error(
    identifier: u8,
    code: FailureCode,
    challenge: &[u8],
    tail: &[u8],
    out: &mut Vec<u8>,
) {
    out.clear();
    out.push(identifier);
    out.extend_from_slice(b"E=");
    out.extend_from_slice(code.digits());
    out.extend_from_slice(b" R=0 C=");
    for octet in challenge {
        out.extend_from_slice(&hexadecimal(*octet));
    }
    out.extend_from_slice(tail);
}

struct Response<'a> {
    identifier: u8,
    flags: u8,
    peer_challenge: &'a [u8; 16],
    nt_response: &'a [u8; 24],
}

impl<'a> Response<'a> {
    fn parse(value: &'a [u8]) -> Option<Self> {
        let value: &[u8; RESPONSE_LENGTH] = value.try_into().ok()?;
        Some(Self {
            identifier: value[0],
            flags: value[1],
            peer_challenge: value[2..].first_chunk()?,
            nt_response: value.last_chunk()?,
        })
    }
}

/// Eight octets that bind both challenges and the user name (RFC 2759 §8.2).
fn challenge_hash(
    peer_challenge: &[u8; 16],
    authenticator_challenge: &[u8; 16],
    user_name: &[u8],
) -> [u8; 8] {
    let digest: [u8; 20] = Sha1::new()
        .chain_update(peer_challenge)
        .chain_update(authenticator_challenge)
        .chain_update(without_domain(user_name))
        .finalize()
        .into();
    *digest.first_chunk().expect("20 octets begin with 8")
}

fn without_domain(user_name: &[u8]) -> &[u8] {
    match user_name.iter().position(|octet| *octet == b'\\') {
        Some(at) => &user_name[at + 1..],
        None => user_name,
    }
}

/// DES of the challenge under the three keys that the hash yields (RFC 2759 §8.5).
fn challenge_response(challenge: &[u8; 8], nt_hash: &[u8; 16]) -> [u8; 24] {
    let mut keys = [0; 21];
    keys[..16].copy_from_slice(nt_hash);
    let mut response = [0; 24];
    for (key, block) in keys
        .as_chunks::<7>()
        .0
        .iter()
        .zip(response.as_chunks_mut::<8>().0)
    {
        *block = des_encrypt(key, challenge);
    }
    response
}

/// The server's proof (RFC 2759 §8.7).
fn authenticator_response(
    challenge: &[u8; 8],
    nt_response: &[u8; 24],
    nt_hash: &[u8; 16],
) -> [u8; 42] {
    let inner = Sha1::new()
        .chain_update(nt_hash_hash(nt_hash))
        .chain_update(nt_response)
        .chain_update(MAGIC_1)
        .finalize();
    let outer = Sha1::new()
        .chain_update(inner)
        .chain_update(challenge)
        .chain_update(MAGIC_2)
        .finalize();
    let mut text = *b"S=0000000000000000000000000000000000000000";
    for (octet, digits) in outer.iter().zip(text[2..].as_chunks_mut::<2>().0) {
        *digits = hexadecimal(*octet);
    }
    text
}

/// DES with a key of 56 bits, spread over 64 with room for parity (RFC 2759 §8.6).
fn des_encrypt(key: &[u8; 7], block: &[u8; 8]) -> [u8; 8] {
    let [a, b, c, d, e, f, g] = *key;
    let bits = u64::from_be_bytes([0, a, b, c, d, e, f, g]);
    let spread: [u8; 8] = std::array::from_fn(|at| ((bits >> (49 - 7 * at)) as u8) << 1);
    let mut block = (*block).into();
    Des::new(&spread.into()).encrypt_block(&mut block);
    block.into()
}

fn hexadecimal(octet: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    [
        DIGITS[usize::from(octet >> 4)],
        DIGITS[usize::from(octet & 15)],
    ]
}
