//! `Crypt-Password`: the hashes of libcrypt.

use sha_crypt::ShaCrypt;
use yescrypt::Yescrypt;
use yescrypt::password_hash::PasswordVerifier;

/// Whether the password has this hash. A hash that no scheme can read matches nothing.
pub(super) fn verify(hash: &[u8], password: &[u8]) -> bool {
    // libcrypt takes the password up to the first NUL.
    let end = password.iter().position(|octet| *octet == 0);
    let password = &password[..end.unwrap_or(password.len())];
    let Ok(hash) = std::str::from_utf8(hash) else {
        return false;
    };
    match hash.split('$').nth(1) {
        Some("2a" | "2b" | "2x" | "2y") => bcrypt::verify(password, hash).unwrap_or(false),
        Some("5" | "6") => ShaCrypt::default().verify_password(password, hash).is_ok(),
        Some("y") => Yescrypt::default().verify_password(password, hash).is_ok(),
        // DES, BSDi's DES, MD5 and SHA-1; what else there is, it refuses.
        _ => pwhash::unix::verify(password, hash),
    }
}
