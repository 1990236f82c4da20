//! The Tunnel-Password attribute: tagged, salted, encrypted (RFC 2868 §3.5).

use crate::password::salted;
use crate::writer::VALUE_LENGTH_MAX;

/// Octets of the longest password that fits: 15 blocks of 16 less the length octet.
pub const PASSWORD_LENGTH_MAX: usize = 239;

const SALT_FLAG: u8 = 0x80;

/// Encrypts a password into `out` as tag, salt and cipher text; `None` above 239 octets.
///
/// The salt is unique in the packet; its most significant bit is set here. The authenticator is the request's.
pub fn encrypt<'o>(
    tag: u8,
    password: &[u8],
    salt: [u8; 2],
    request_authenticator: &[u8; 16],
    secret: &[u8],
    out: &'o mut [u8; VALUE_LENGTH_MAX],
) -> Option<&'o [u8]> {
    let salt = [salt[0] | SALT_FLAG, salt[1]];
    let [out_tag, salt_high, salt_low, cipher @ ..] = out;
    let used = salted::encrypt(password, salt, request_authenticator, secret, cipher)?;
    (*out_tag, *salt_high, *salt_low) = (tag, salt[0], salt[1]);
    out.get(..3 + used)
}

/// Decrypts a Tunnel-Password value into `out`; gives the tag and the password.
///
/// `None` when the value is malformed, which a wrong secret usually shows as too.
pub fn decrypt<'o>(
    value: &[u8],
    request_authenticator: &[u8; 16],
    secret: &[u8],
    out: &'o mut [u8; VALUE_LENGTH_MAX],
) -> Option<(u8, &'o [u8])> {
    let [tag, salt_high, salt_low, ref cipher @ ..] = *value else {
        return None;
    };
    let password = salted::decrypt(
        cipher,
        [salt_high, salt_low],
        request_authenticator,
        secret,
        out,
    )?;
    Some((tag, password))
}
