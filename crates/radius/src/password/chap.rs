//! CHAP with MD5: the CHAP-Password attribute (RFC 2865 §5.3, RFC 1994 §4.1).

use subtle::ConstantTimeEq;

use crate::digest::md5;

/// Octets of a CHAP-Password value: the CHAP identifier and the response.
pub const VALUE_LENGTH: usize = 17;

/// Whether a CHAP-Password value was made from this password; false when it is not 17 octets long.
///
/// The challenge is the CHAP-Challenge attribute or, when that is absent, the Request Authenticator.
#[must_use]
pub fn verify(chap_password: &[u8], challenge: &[u8], password: &[u8]) -> bool {
    match chap_password.first() {
        Some(identifier) => respond(*identifier, challenge, password)
            .ct_eq(chap_password)
            .into(),
        None => false,
    }
}

/// The CHAP-Password value that a client sends.
#[must_use]
pub fn respond(identifier: u8, challenge: &[u8], password: &[u8]) -> [u8; VALUE_LENGTH] {
    let digest = md5([&[identifier], password, challenge]);
    let mut value = [identifier; VALUE_LENGTH];
    value[1..].copy_from_slice(&digest);
    value
}
