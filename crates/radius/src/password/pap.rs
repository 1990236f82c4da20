//! PAP: the User-Password attribute (RFC 2865 §5.2).

use crate::digest::md5;

/// Octets of the longest password (RFC 2865 §5.2).
pub const PASSWORD_LENGTH_MAX: usize = 128;

const BLOCK: usize = 16;

/// Decrypts User-Password into `out`, without the padding.
///
/// `None` when the value is not 16 to 128 octets in blocks of 16. With a wrong secret the result is noise, not `None`.
pub fn decrypt<'o>(
    value: &[u8],
    secret: &[u8],
    request_authenticator: &[u8; 16],
    out: &'o mut [u8; PASSWORD_LENGTH_MAX],
) -> Option<&'o [u8]> {
    let (blocks, []) = value.as_chunks::<BLOCK>() else {
        return None;
    };
    if blocks.is_empty() || PASSWORD_LENGTH_MAX < value.len() {
        return None;
    }
    let mut previous = request_authenticator;
    for (cipher, clear) in blocks.iter().zip(out.as_chunks_mut::<BLOCK>().0) {
        *clear = xor(cipher, &key_stream(secret, previous));
        previous = cipher;
    }
    let padded = &out[..value.len()];
    let length = padded
        .iter()
        .rposition(|octet| *octet != 0)
        .map_or(0, |last| last + 1);
    padded.get(..length)
}

/// Encrypts a password into `out`, padded with NULs to blocks of 16; `None` above 128 octets.
pub fn encrypt<'o>(
    password: &[u8],
    secret: &[u8],
    request_authenticator: &[u8; 16],
    out: &'o mut [u8; PASSWORD_LENGTH_MAX],
) -> Option<&'o [u8]> {
    out.fill(0);
    out.get_mut(..password.len())?.copy_from_slice(password);
    let length = password.len().next_multiple_of(BLOCK).max(BLOCK);
    let padded = &mut out[..length];
    let mut previous = *request_authenticator;
    for block in padded.as_chunks_mut::<BLOCK>().0 {
        *block = xor(block, &key_stream(secret, &previous));
        previous = *block;
    }
    Some(padded)
}

fn key_stream(secret: &[u8], previous: &[u8; BLOCK]) -> [u8; BLOCK] {
    md5([secret, previous])
}

pub(crate) fn xor(left: &[u8; BLOCK], right: &[u8; BLOCK]) -> [u8; BLOCK] {
    std::array::from_fn(|at| left[at] ^ right[at])
}
