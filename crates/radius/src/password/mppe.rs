//! MPPE session keys for MS-CHAP and their attributes (RFC 3079, RFC 2548 §2.4).

use sha1::{Digest, Sha1};

use super::mschap::nt_hash_hash;
use super::{pap, salted};
use crate::writer::VENDOR_VALUE_LENGTH_MAX;

/// Octets of the longest key that fits an attribute: 15 blocks of 16 less the length octet.
pub const KEY_LENGTH_MAX: usize = 239;

const SALT_FLAG: u8 = 0x80;
const PAD_1: [u8; 40] = [0x00; 40];
const PAD_2: [u8; 40] = [0xf2; 40];
const MAGIC_1: &[u8] = b"This is the MPPE Master Key";
const MAGIC_2: &[u8] =
    b"On the client side, this is the send key; on the server side, it is the receive key.";
const MAGIC_3: &[u8] =
    b"On the client side, this is the receive key; on the server side, it is the send key.";

/// The 128-bit keys of an MS-CHAPv2 session from the server's point of view (RFC 3079 §3.3).
#[derive(Clone, PartialEq, Eq)]
pub struct MppeKeys {
    /// MS-MPPE-Send-Key: protects what the NAS sends to the subscriber.
    pub send: [u8; 16],
    /// MS-MPPE-Recv-Key: protects what the NAS receives from the subscriber.
    pub receive: [u8; 16],
}

impl std::fmt::Debug for MppeKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("MppeKeys(hidden)")
    }
}

/// Derives the keys of an MS-CHAPv2 session from the NT hash and the peer's NT-Response (RFC 3079 §3.3).
#[must_use]
pub fn v2_keys(nt_hash: &[u8; 16], nt_response: &[u8; 24]) -> MppeKeys {
    let digest = Sha1::new()
        .chain_update(nt_hash_hash(nt_hash))
        .chain_update(nt_response)
        .chain_update(MAGIC_1)
        .finalize();
    let master = first_16(&digest.into());
    MppeKeys {
        send: start_key(&master, MAGIC_3),
        receive: start_key(&master, MAGIC_2),
    }
}

/// The clear value of MS-CHAP-MPPE-Keys for MS-CHAPv1: LM key, NT key, padding (RFC 2548 §2.4.1).
///
/// The NT key is the hash of the NT hash, which is what RFC 3079 §2.3 starts from and what NASes expect.
/// Without an LM hash the 40-bit and 56-bit keys are zeros.
#[must_use]
pub fn v1_keys(nt_hash: &[u8; 16], lm_hash: Option<&[u8; 16]>) -> [u8; 32] {
    let mut keys = [0; 32];
    if let Some(lm_hash) = lm_hash {
        keys[..8].copy_from_slice(&lm_hash[..8]);
    }
    keys[8..24].copy_from_slice(&nt_hash_hash(nt_hash));
    keys
}

/// Encrypts the value of MS-CHAP-MPPE-Keys, which goes like User-Password (RFC 2548 §2.4.1).
#[must_use]
pub fn encrypt_v1_keys(
    keys: &[u8; 32],
    request_authenticator: &[u8; 16],
    secret: &[u8],
) -> [u8; 32] {
    let mut out = [0; pap::PASSWORD_LENGTH_MAX];
    let value = pap::encrypt(keys, secret, request_authenticator, &mut out)
        .expect("32 octets fit User-Password");
    value.try_into().expect("32 octets need no padding")
}

/// Encrypts a key for MS-MPPE-Send-Key or MS-MPPE-Recv-Key into `out` (RFC 2548 §2.4.2); `None` above 239 octets.
///
/// The salt is unique in the packet; its most significant bit is set here.
pub fn encrypt_key<'o>(
    key: &[u8],
    salt: [u8; 2],
    request_authenticator: &[u8; 16],
    secret: &[u8],
    out: &'o mut [u8; VENDOR_VALUE_LENGTH_MAX],
) -> Option<&'o [u8]> {
    let salt = [salt[0] | SALT_FLAG, salt[1]];
    let [salt_high, salt_low, cipher @ ..] = out;
    let used = salted::encrypt(key, salt, request_authenticator, secret, cipher)?;
    (*salt_high, *salt_low) = (salt[0], salt[1]);
    out.get(..2 + used)
}

/// Decrypts MS-MPPE-Send-Key or MS-MPPE-Recv-Key into `out` (RFC 2548 §2.4.2); `None` when it is malformed.
pub fn decrypt_key<'o>(
    value: &[u8],
    request_authenticator: &[u8; 16],
    secret: &[u8],
    out: &'o mut [u8; VENDOR_VALUE_LENGTH_MAX],
) -> Option<&'o [u8]> {
    let (salt, cipher) = value.split_first_chunk::<2>()?;
    salted::decrypt(cipher, *salt, request_authenticator, secret, out)
}

fn start_key(master: &[u8; 16], magic: &[u8]) -> [u8; 16] {
    let digest = Sha1::new()
        .chain_update(master)
        .chain_update(PAD_1)
        .chain_update(magic)
        .chain_update(PAD_2);
    first_16(&digest.finalize().into())
}

fn first_16(digest: &[u8; 20]) -> [u8; 16] {
    *digest.first_chunk().expect("20 octets begin with 16")
}
