//! SHA-256 of a whole certificate, by which people tell certificates apart.

use std::fmt;
use std::str::FromStr;

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};

/// SHA-256 of a whole certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

/// A text that is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a fingerprint is the SHA-256 of the certificate in 64 hexadecimal digits, with or without colons, as the server logs it"
)]
pub(crate) struct FingerprintError;

impl Fingerprint {
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate.as_ref()).into())
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let digits: Vec<u8> = raw.bytes().filter(|octet| *octet != b':').collect();
        let mut octets = [0; 32];
        if digits.len() != 2 * octets.len() || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(FingerprintError);
        }
        for (octet, pair) in octets.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| FingerprintError)?;
            *octet = u8::from_str_radix(pair, 16).map_err(|_| FingerprintError)?;
        }
        Ok(Self(octets))
    }
}

/// As browsers show it.
impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, octet) in self.0.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(formatter, "{colon}{octet:02X}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_with_colons_and_without() {
        let text = ["0A"; 31].join(":") + ":FF";
        let read: Fingerprint = text.parse().unwrap();
        assert_eq!(read.to_string(), text);
        let bare = text.replace(':', "").to_lowercase();
        assert_eq!(bare.parse(), Ok(read));
        for wrong in [
            "",
            "0A:FF",
            &text[3..],
            &text.replace('F', "G"),
            &"é".repeat(32),
        ] {
            assert_eq!(
                wrong.parse::<Fingerprint>(),
                Err(FingerprintError),
                "{wrong}"
            );
        }
        assert!("+A".repeat(32).parse::<Fingerprint>().is_err());
    }
}
