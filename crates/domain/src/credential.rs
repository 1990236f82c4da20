//! What a subscriber proves who they are with: a password we can read, or a hash of one.

use std::fmt;
use std::str::FromStr;

use crate::secret::Secret;

/// A stored credential. CHAP and MS-CHAP need more than a one-way hash, so the kind decides which
/// methods can work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The password itself, sealed at rest. Works with every method.
    Cleartext(Secret),
    /// A one-way hash. Works with PAP; an NT hash also with MS-CHAP.
    Hashed(PasswordHash),
}

/// How a password was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashScheme {
    /// `$2a$`, `$2b$`, `$2y$`.
    Bcrypt,
    /// PHC string, `$argon2id$`, `$argon2i$`, `$argon2d$`.
    Argon2,
    /// `$5$`.
    Sha256Crypt,
    /// `$6$`.
    Sha512Crypt,
    /// MD4 of the UTF-16LE password (RFC 2759 §8.3), written `{NT}` and 32 hexadecimal digits.
    Nt,
}

/// What User-Password can carry (RFC 2865 §5.2).
const PASSWORD_OCTETS_MAX: usize = 128;

/// Why a password cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("the password is empty: write 1 to {PASSWORD_OCTETS_MAX} octets")]
    Empty,
    #[error(
        "a password of {octets} octets is too long: RADIUS carries {PASSWORD_OCTETS_MAX} at most"
    )]
    TooLong { octets: usize },
    #[error("the password has a NUL, which PAP cannot carry: remove it")]
    Nul,
}

/// Checks a cleartext password.
pub fn password(text: &str) -> Result<Credential, PasswordError> {
    if text.is_empty() {
        return Err(PasswordError::Empty);
    }
    if PASSWORD_OCTETS_MAX < text.len() {
        return Err(PasswordError::TooLong { octets: text.len() });
    }
    if text.contains('\0') {
        return Err(PasswordError::Nul);
    }
    Ok(Credential::Cleartext(Secret::from(text)))
}

impl HashScheme {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bcrypt => "bcrypt",
            Self::Argon2 => "argon2",
            Self::Sha256Crypt => "sha256-crypt",
            Self::Sha512Crypt => "sha512-crypt",
            Self::Nt => "nt",
        }
    }
}

impl fmt::Display for HashScheme {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A password hash in its usual text form. An NT hash is as good as the password, so the text is
/// kept as a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordHash {
    scheme: HashScheme,
    text: Secret,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordHashError {
    #[error(
        "the password hash has no known form: expected bcrypt ($2b$…), argon2 ($argon2id$…), SHA-crypt ($5$… or $6$…) or {{NT}} with 32 hexadecimal digits"
    )]
    UnknownScheme,
    #[error("the {scheme} hash is malformed: copy it whole, without quotes or spaces")]
    Malformed { scheme: HashScheme },
}

impl PasswordHash {
    const TEXT_LEN_MAX: usize = 512;

    pub fn scheme(&self) -> HashScheme {
        self.scheme
    }

    /// The hash as text, for the verifier and for sealing.
    pub fn text(&self) -> &str {
        std::str::from_utf8(self.text.expose()).expect("a hash is parsed from text")
    }

    /// The 16 octets of an NT hash; `None` for every other scheme.
    pub fn nt_octets(&self) -> Option<[u8; 16]> {
        match self.scheme {
            HashScheme::Nt => parse_nt(self.text()),
            HashScheme::Bcrypt
            | HashScheme::Argon2
            | HashScheme::Sha256Crypt
            | HashScheme::Sha512Crypt => None,
        }
    }
}

impl FromStr for PasswordHash {
    type Err = PasswordHashError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let scheme = scheme_of(raw).ok_or(PasswordHashError::UnknownScheme)?;
        let is_plausible = match scheme {
            HashScheme::Bcrypt => raw.len() == 60,
            HashScheme::Argon2 => raw.matches('$').count() >= 4,
            HashScheme::Sha256Crypt | HashScheme::Sha512Crypt => raw.matches('$').count() >= 3,
            HashScheme::Nt => parse_nt(raw).is_some(),
        };
        if !is_plausible
            || Self::TEXT_LEN_MAX < raw.len()
            || !raw.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(PasswordHashError::Malformed { scheme });
        }
        Ok(Self {
            scheme,
            text: Secret::from(raw),
        })
    }
}

fn scheme_of(raw: &str) -> Option<HashScheme> {
    let starts = |prefix: &str| {
        raw.get(..prefix.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(prefix))
    };
    if starts("$2a$") || starts("$2b$") || starts("$2y$") {
        return Some(HashScheme::Bcrypt);
    }
    if starts("$argon2") {
        return Some(HashScheme::Argon2);
    }
    if starts("$5$") {
        return Some(HashScheme::Sha256Crypt);
    }
    if starts("$6$") {
        return Some(HashScheme::Sha512Crypt);
    }
    starts("{nt}").then_some(HashScheme::Nt)
}

fn parse_nt(raw: &str) -> Option<[u8; 16]> {
    let digits = raw.as_bytes().get(4..)?;
    if digits.len() != 32 {
        return None;
    }
    let mut octets = [0_u8; 16];
    for (octet, pair) in octets.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *octet = u8::try_from(high * 16 + low).ok()?;
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, expected: Result<HashScheme, PasswordHashError>) {
        let actual = raw.parse::<PasswordHash>().map(|hash| hash.scheme());
        assert_eq!(actual, expected, "{raw}");
    }

    #[test]
    fn hash_names_its_scheme() {
        let bcrypt = "$2b$12$EXRkfkdmXn2gzds2SSituuJ2QrsjFUGlZ9mGvQyv8Q3E1hh0sWk4e";
        check(bcrypt, Ok(HashScheme::Bcrypt));
        check(
            "$5$salt$Gcm6FsVtF/Qa77ZKD.iwsJlCVPY0XSMgLJL0Hnww/c1",
            Ok(HashScheme::Sha256Crypt),
        );
        check("$6$salt$abc", Ok(HashScheme::Sha512Crypt));
        check(
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA",
            Ok(HashScheme::Argon2),
        );
        check("{NT}8846f7eaee8fb117ad06bdd830b7586c", Ok(HashScheme::Nt));
    }

    #[test]
    fn hash_rejects_what_it_could_never_verify() {
        check("secret", Err(PasswordHashError::UnknownScheme));
        check("", Err(PasswordHashError::UnknownScheme));
        check(
            "$2b$12$short",
            Err(PasswordHashError::Malformed {
                scheme: HashScheme::Bcrypt,
            }),
        );
        check(
            "{NT}8846",
            Err(PasswordHashError::Malformed {
                scheme: HashScheme::Nt,
            }),
        );
    }

    #[test]
    fn nt_hash_gives_its_octets() {
        let hash = "{nt}8846F7EAEE8FB117AD06BDD830B7586C".parse::<PasswordHash>();
        let octets = hash.ok().and_then(|hash| hash.nt_octets());
        assert_eq!(octets.map(|octets| octets[0]), Some(0x88));
    }

    #[test]
    fn passwords_fit_into_user_password() {
        assert_eq!(password(""), Err(PasswordError::Empty));
        assert_eq!(
            password(&"x".repeat(129)),
            Err(PasswordError::TooLong { octets: 129 })
        );
        assert_eq!(password("a\0"), Err(PasswordError::Nul));
        assert!(password("pass word é").is_ok());
    }
}
