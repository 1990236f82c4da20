//! `Password-With-Header`: `{md5}…`, `{crypt}…` and the like.

use super::{KnownGood, PasswordKind};

/// The headers that FreeRADIUS knows, in any letter case.
const HEADERS: [(&str, PasswordKind); 26] = [
    ("clear", PasswordKind::Cleartext),
    ("cleartext", PasswordKind::Cleartext),
    ("md5", PasswordKind::Md5),
    ("base64_md5", PasswordKind::Md5),
    ("smd5", PasswordKind::Smd5),
    ("crypt", PasswordKind::Crypt),
    ("sha2", PasswordKind::Sha2),
    ("sha224", PasswordKind::Sha2),
    ("sha256", PasswordKind::Sha2),
    ("sha384", PasswordKind::Sha2),
    ("sha512", PasswordKind::Sha2),
    ("ssha224", PasswordKind::Ssha224),
    ("ssha256", PasswordKind::Ssha256),
    ("ssha384", PasswordKind::Ssha384),
    ("ssha512", PasswordKind::Ssha512),
    ("sha", PasswordKind::Sha),
    ("ssha", PasswordKind::Ssha),
    ("md4", PasswordKind::Nt),
    ("nt", PasswordKind::Nt),
    ("nthash", PasswordKind::Nt),
    ("x-nthash", PasswordKind::Nt),
    ("x- orcllmv", PasswordKind::Lm),
    ("x- orclntv", PasswordKind::Nt),
    ("ns-mta-md5", PasswordKind::Unsupported),
    ("x-pbkdf2", PasswordKind::Unsupported),
    ("pbkdf2_sha256", PasswordKind::Unsupported),
];

/// What a password with a header is: without a header that is known, all of it is the password itself.
///
/// A text without any header may be base64 of one with a header.
pub(crate) fn with_header(text: &[u8]) -> KnownGood {
    if let Some(known_good) = headed(text) {
        return known_good;
    }
    if !text.contains(&b'}')
        && let Some(decoded) = base64(text)
        && decoded.first() == Some(&b'{')
        && decoded.contains(&b'}')
    {
        return headed(&decoded)
            .unwrap_or_else(|| KnownGood::new(PasswordKind::Cleartext, &decoded));
    }
    KnownGood::new(PasswordKind::Cleartext, text)
}

fn headed(text: &[u8]) -> Option<KnownGood> {
    let end = text.iter().position(|octet| *octet == b'}')?;
    let name = std::str::from_utf8(text[..end].strip_prefix(b"{")?).ok()?;
    let (_, kind) = HEADERS
        .iter()
        .find(|(header, _)| header.eq_ignore_ascii_case(name))?;
    Some(KnownGood::new(*kind, &text[end + 1..]))
}

/// Decodes base64 with or without padding; `None` when anything else is in it.
pub(super) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let digits = match text {
        [digits @ .., b'=', b'='] | [digits @ .., b'='] => digits,
        digits => digits,
    };
    let mut out = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for chunk in digits.chunks(4) {
        let mut bits = 0_u32;
        for digit in chunk {
            bits = bits << 6 | sextet(*digit)?;
        }
        match *chunk {
            [_, _, _, _] => out.extend_from_slice(&bits.to_be_bytes()[1..]),
            [_, _, _] => out.extend_from_slice(&(bits << 6).to_be_bytes()[1..3]),
            [_, _] => out.extend_from_slice(&(bits << 12).to_be_bytes()[1..2]),
            _ => return None,
        }
    }
    Some(out)
}

fn sextet(digit: u8) -> Option<u32> {
    Some(u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}
