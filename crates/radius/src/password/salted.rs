//! The salted encryption that Tunnel-Password and the MPPE keys share (RFC 2868 §3.5, RFC 2548 §2.4.2).

use super::pap::xor;
use crate::digest::md5;

const BLOCK: usize = 16;

/// Encrypts `clear` in `out`: its length in an octet, itself, NULs to blocks of 16; gives the octets used.
pub(crate) fn encrypt(
    clear: &[u8],
    salt: [u8; 2],
    request_authenticator: &[u8; 16],
    secret: &[u8],
    out: &mut [u8],
) -> Option<usize> {
    let length = u8::try_from(clear.len()).ok()?;
    let used = (1 + clear.len()).next_multiple_of(BLOCK);
    let padded = out.get_mut(..used)?;
    padded.fill(0);
    padded[0] = length;
    padded[1..=clear.len()].copy_from_slice(clear);
    let mut previous = None;
    for block in padded.as_chunks_mut::<BLOCK>().0 {
        let stream = match previous {
            None => first_stream(secret, request_authenticator, salt),
            Some(cipher) => next_stream(secret, cipher),
        };
        *block = xor(block, &stream);
        previous = Some(&*block);
    }
    Some(used)
}

/// Decrypts into `out` and gives what the length octet covers; `None` when the value or that octet is malformed.
pub(crate) fn decrypt<'o>(
    cipher: &[u8],
    salt: [u8; 2],
    request_authenticator: &[u8; 16],
    secret: &[u8],
    out: &'o mut [u8],
) -> Option<&'o [u8]> {
    let (blocks, []) = cipher.as_chunks::<BLOCK>() else {
        return None;
    };
    let padded = out.get_mut(..cipher.len())?;
    let mut previous = None;
    for (block, clear) in blocks.iter().zip(padded.as_chunks_mut::<BLOCK>().0) {
        let stream = match previous {
            None => first_stream(secret, request_authenticator, salt),
            Some(cipher) => next_stream(secret, cipher),
        };
        *clear = xor(block, &stream);
        previous = Some(block);
    }
    let (length, clear) = padded.split_first()?;
    clear.get(..usize::from(*length))
}

fn first_stream(secret: &[u8], request_authenticator: &[u8; 16], salt: [u8; 2]) -> [u8; BLOCK] {
    md5([secret, request_authenticator, &salt])
}

fn next_stream(secret: &[u8], cipher: &[u8; BLOCK]) -> [u8; BLOCK] {
    md5([secret, cipher])
}
