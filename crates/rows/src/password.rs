//! Known-good passwords of rows: what they are, which methods they can answer, and whether one that was sent is right.

mod crypt;
mod header;

use domain::secret::Secret;
use md5::Md5;
use radius::password::mschap;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;

use crate::value;

pub(crate) use header::with_header;

/// How a known-good password is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PasswordKind {
    /// `Cleartext-Password`.
    Cleartext,
    /// `Crypt-Password`: what libcrypt knows.
    Crypt,
    /// `MD5-Password`.
    Md5,
    /// `SMD5-Password`: MD5 of password and salt, and the salt.
    Smd5,
    /// `SHA-Password` and `SHA1-Password`.
    Sha,
    /// `SSHA-Password`: SHA-1 of password and salt, and the salt.
    Ssha,
    /// `SHA2-Password`: SHA-224, 256, 384 or 512, told apart by length.
    Sha2,
    /// `SSHA2-224-Password`.
    Ssha224,
    /// `SSHA2-256-Password`.
    Ssha256,
    /// `SSHA2-384-Password`.
    Ssha384,
    /// `SSHA2-512-Password`.
    Ssha512,
    /// `NT-Password`: MD4 of the password in UTF-16 (RFC 2759 §8.3).
    Nt,
    /// `LM-Password` (RFC 2433 §A.2).
    Lm,
    /// A kind that FreeRADIUS knows and this server does not; it is never right.
    Unsupported,
}

impl PasswordKind {
    /// The kind that an attribute holds, by its name in the dictionary.
    pub(crate) fn of_attribute(name: &str) -> Option<Self> {
        Some(match name {
            "Cleartext-Password" => Self::Cleartext,
            "Crypt-Password" => Self::Crypt,
            "MD5-Password" => Self::Md5,
            "SMD5-Password" => Self::Smd5,
            "SHA-Password" | "SHA1-Password" => Self::Sha,
            "SSHA-Password" | "SSHA1-Password" => Self::Ssha,
            "SHA2-Password" => Self::Sha2,
            "SSHA2-224-Password" => Self::Ssha224,
            "SSHA2-256-Password" => Self::Ssha256,
            "SSHA2-384-Password" => Self::Ssha384,
            "SSHA2-512-Password" => Self::Ssha512,
            "NT-Password" => Self::Nt,
            "LM-Password" => Self::Lm,
            "PBKDF2-Password" | "NS-MTA-MD5-Password" => Self::Unsupported,
            _ => return None,
        })
    }

    /// A short name for people and scripts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cleartext => "cleartext",
            Self::Crypt => "crypt",
            Self::Md5 => "md5",
            Self::Smd5 => "smd5",
            Self::Sha => "sha",
            Self::Ssha => "ssha",
            Self::Sha2 => "sha2",
            Self::Ssha224 => "ssha2-224",
            Self::Ssha256 => "ssha2-256",
            Self::Ssha384 => "ssha2-384",
            Self::Ssha512 => "ssha2-512",
            Self::Nt => "nt",
            Self::Lm => "lm",
            Self::Unsupported => "unsupported",
        }
    }

    /// Octets of the digest, less any salt; `None` when what is stored is text.
    const fn digest_octets(self) -> Option<usize> {
        Some(match self {
            Self::Cleartext | Self::Crypt | Self::Unsupported => return None,
            Self::Md5 | Self::Smd5 | Self::Nt | Self::Lm => 16,
            Self::Sha | Self::Ssha => 20,
            Self::Sha2 | Self::Ssha224 => 28,
            Self::Ssha256 => 32,
            Self::Ssha384 => 48,
            Self::Ssha512 => 64,
        })
    }
}

/// A known-good password. A clone of it may go to a verifying thread.
#[derive(Clone, PartialEq, Eq)]
pub struct KnownGood {
    kind: PasswordKind,
    octets: Secret,
}

impl KnownGood {
    /// Takes what a row holds; digests in hexadecimal or base64 are decoded, as rlm_pap does.
    pub(crate) fn new(kind: PasswordKind, octets: &[u8]) -> Self {
        let octets = match kind.digest_octets() {
            Some(octets_min) => normalised(octets, octets_min),
            None => None,
        }
        .map_or_else(|| Secret::new(octets), Secret::new);
        Self { kind, octets }
    }

    /// How it is stored.
    #[must_use]
    pub const fn kind(&self) -> PasswordKind {
        self.kind
    }

    /// Whether comparing takes long enough to belong on a thread of its own.
    #[must_use]
    pub const fn is_slow(&self) -> bool {
        matches!(self.kind, PasswordKind::Crypt)
    }

    /// Whether any password could be right: a digest has its length, and a kind is known.
    #[must_use]
    pub fn can_be_right(&self) -> bool {
        let length = self.octets.len();
        match self.kind {
            PasswordKind::Unsupported => false,
            PasswordKind::Cleartext | PasswordKind::Crypt => length != 0,
            PasswordKind::Sha2 => matches!(length, 28 | 32 | 48 | 64),
            PasswordKind::Md5 | PasswordKind::Sha | PasswordKind::Nt | PasswordKind::Lm => {
                Some(length) == self.kind.digest_octets()
            }
            PasswordKind::Smd5
            | PasswordKind::Ssha
            | PasswordKind::Ssha224
            | PasswordKind::Ssha256
            | PasswordKind::Ssha384
            | PasswordKind::Ssha512 => self.kind.digest_octets() < Some(length),
        }
    }

    /// What is stored, decoded; it identifies the password, and may be it.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.octets.expose()
    }

    /// The password itself, for CHAP (RFC 1994 §4.1); `None` when only a hash is stored.
    #[must_use]
    pub fn cleartext(&self) -> Option<&[u8]> {
        (self.kind == PasswordKind::Cleartext).then(|| self.octets.expose())
    }

    /// The NT hash, for MS-CHAP; `None` when it cannot be had from what is stored.
    #[must_use]
    pub fn nt_hash(&self) -> Option<[u8; 16]> {
        match self.kind {
            PasswordKind::Cleartext => std::str::from_utf8(self.octets.expose())
                .map(mschap::nt_hash)
                .ok(),
            PasswordKind::Nt => self.octets.expose().try_into().ok(),
            PasswordKind::Crypt
            | PasswordKind::Md5
            | PasswordKind::Smd5
            | PasswordKind::Sha
            | PasswordKind::Ssha
            | PasswordKind::Sha2
            | PasswordKind::Ssha224
            | PasswordKind::Ssha256
            | PasswordKind::Ssha384
            | PasswordKind::Ssha512
            | PasswordKind::Lm
            | PasswordKind::Unsupported => None,
        }
    }

    /// Whether a password sent in clear is right, in a time that does not depend on where it differs.
    ///
    /// An empty password never is, as in FreeRADIUS, and neither is any when what is stored has the wrong length.
    #[must_use]
    pub fn verify(&self, password: &[u8]) -> bool {
        let stored = self.octets.expose();
        if password.is_empty() {
            return false;
        }
        match self.kind {
            PasswordKind::Cleartext => stored.ct_eq(password).into(),
            PasswordKind::Crypt => crypt::verify(stored, password),
            PasswordKind::Md5 => is_digest::<Md5>(stored, password),
            PasswordKind::Smd5 => is_salted::<Md5>(stored, password),
            PasswordKind::Sha => is_digest::<Sha1>(stored, password),
            PasswordKind::Ssha => is_salted::<Sha1>(stored, password),
            PasswordKind::Sha2 => match stored.len() {
                28 => is_digest::<Sha224>(stored, password),
                32 => is_digest::<Sha256>(stored, password),
                48 => is_digest::<Sha384>(stored, password),
                64 => is_digest::<Sha512>(stored, password),
                _ => false,
            },
            PasswordKind::Ssha224 => is_salted::<Sha224>(stored, password),
            PasswordKind::Ssha256 => is_salted::<Sha256>(stored, password),
            PasswordKind::Ssha384 => is_salted::<Sha384>(stored, password),
            PasswordKind::Ssha512 => is_salted::<Sha512>(stored, password),
            PasswordKind::Nt => std::str::from_utf8(password)
                .map(mschap::nt_hash)
                .is_ok_and(|hash| hash[..].ct_eq(stored).into()),
            PasswordKind::Lm => std::str::from_utf8(password)
                .ok()
                .and_then(mschap::lm_hash)
                .is_some_and(|hash| hash[..].ct_eq(stored).into()),
            PasswordKind::Unsupported => false,
        }
    }
}

impl std::fmt::Debug for KnownGood {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "KnownGood({}, hidden)", self.kind.name())
    }
}

fn is_digest<D: Digest>(stored: &[u8], password: &[u8]) -> bool {
    D::digest(password)[..].ct_eq(stored).into()
}

/// A digest of password and salt with the salt behind it; without a salt nothing is right.
fn is_salted<D: Digest>(stored: &[u8], password: &[u8]) -> bool {
    let Some((digest, salt)) = stored.split_at_checked(<D as Digest>::output_size()) else {
        return false;
    };
    let computed = D::new()
        .chain_update(password)
        .chain_update(salt)
        .finalize();
    !salt.is_empty() && bool::from(computed[..].ct_eq(digest))
}

/// Decodes hexadecimal of at least twice, or base64 of at least four thirds the octets that are needed.
fn normalised(octets: &[u8], octets_min: usize) -> Option<Vec<u8>> {
    /// What FreeRADIUS' buffer holds.
    const DECODED_OCTETS_MAX: usize = 256;
    if 2 * octets_min <= octets.len()
        && let Some(decoded) = value::hexadecimal(octets)
        && decoded.len() <= DECODED_OCTETS_MAX
    {
        return Some(decoded);
    }
    if 4 * octets_min <= 3 * octets.len() {
        return header::base64(octets)
            .filter(|decoded| (octets_min..=DECODED_OCTETS_MAX).contains(&decoded.len()));
    }
    None
}

/// Which method `Auth-Type` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AuthType {
    Local,
    Reject,
    Accept,
    Pap,
    Chap,
    MsChap,
    Eap,
}

impl AuthType {
    const NAMES: [(&str, Self); 7] = [
        ("Local", Self::Local),
        ("Reject", Self::Reject),
        ("Accept", Self::Accept),
        ("PAP", Self::Pap),
        ("CHAP", Self::Chap),
        ("MS-CHAP", Self::MsChap),
        ("EAP", Self::Eap),
    ];

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
            .map(|(_, auth_type)| *auth_type)
    }

    pub(crate) fn of_number(number: u32) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(_, auth_type)| auth_type.number() == number)
            .map(|(_, auth_type)| *auth_type)
    }

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(_, auth_type)| *auth_type == self)
            .map(|(name, _)| *name)
            .expect("every authentication type has a name")
    }

    /// The number of FreeRADIUS' dictionary; it draws those of the methods by chance, so ours are out of reach of rows.
    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::Local => 1,
            Self::Reject => 4,
            Self::Accept => 254,
            Self::Pap => 0x7f00_0001,
            Self::Chap => 0x7f00_0002,
            Self::MsChap => 0x7f00_0003,
            Self::Eap => 0x7f00_0004,
        }
    }
}
