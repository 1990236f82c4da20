//! Certificates of the web listener: read, checked, and described for people.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::time::Timestamp;
use rustls::InconsistentKeys;
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

use crate::config::CertificateFiles;
use fingerprint::Fingerprint;

pub(crate) mod fingerprint;
pub(crate) mod issued;
pub(crate) mod pinned;
pub(crate) mod self_signed;

/// Where the program keeps certificates and keys of its own, in the data directory.
pub(crate) const DIRECTORY: &str = "tls";

/// Somebody is told when less than this, and less than a fifth of its life, is left: whoever renews
/// it has had time to do so.
const NOTICE_SECONDS: i64 = 21 * 24 * 3_600;
const NOTICE_PARTS: i64 = 5;

/// The part of its life that is left when an authority is asked for another one.
const RENEWAL_PARTS: i64 = 3;

/// The most that is read of a file.
const FILE_OCTETS_MAX: u64 = 1 << 20;

/// A certificate with its private key, both of which fit, and those that lead to its authority.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) key: Arc<CertifiedKey>,
    pub(crate) about: About,
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct About {
    /// Names and addresses, as it has them.
    pub(crate) names: Vec<String>,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    /// SHA-256 of the whole certificate, as browsers show it.
    pub(crate) fingerprint: String,
    /// Nobody else vouches for it.
    pub(crate) is_self_signed: bool,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    /// A file could not be read.
    #[error("{} cannot be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Not PEM, or nothing of the kind in it.
    #[error("there is no certificate in PEM in it: it begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// Not PEM, or a key with a passphrase.
    #[error("there is no private key in PEM in it that needs no passphrase")]
    NoKey,
    /// Not a certificate.
    #[error("the certificate cannot be read: {0}")]
    Malformed(String),
    /// The key is of another certificate.
    #[error("the private key is not that of the certificate")]
    OtherKey,
    /// A kind of key that is not supported.
    #[error("the private key cannot be used")]
    Key(#[source] rustls::Error),
    /// A certificate could not be made.
    #[error("a certificate could not be made")]
    Make(#[from] rcgen::Error),
}

/// How a certificate stands with the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Term {
    /// It does not hold yet.
    Early,
    /// It holds.
    Valid,
    /// It holds, but not for long.
    Ending,
    /// It has ended.
    Ended,
}

/// What does the arithmetic of TLS.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

impl Certificate {
    /// Reads both from files.
    pub(crate) fn from_files(files: &CertificateFiles) -> Result<Self, CertificateError> {
        let chain = read(&files.certificate)?;
        let key = read(&files.key)?;
        Self::from_pem(&chain, &key)
    }

    /// Reads a certificate with what leads to its authority, and its key.
    pub(crate) fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| CertificateError::NoCertificate)?;
        let first = chain.first().ok_or(CertificateError::NoCertificate)?;
        let about = About::of(first)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateError::NoKey)?;
        let mismatch = rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch);
        let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|problem| {
            if problem == mismatch {
                CertificateError::OtherKey
            } else {
                CertificateError::Key(problem)
            }
        })?;
        Ok(Self {
            key: Arc::new(key),
            about,
        })
    }

    /// The certificate itself, as it goes over the wire.
    pub(crate) fn leaf(&self) -> Option<&CertificateDer<'static>> {
        self.key.cert.first()
    }

    /// Whether it is for a name or an address.
    pub(crate) fn covers(&self, name: &str) -> bool {
        let Some(leaf) = self.leaf() else {
            return false;
        };
        let Ok(name) = ServerName::try_from(name) else {
            return false;
        };
        ParsedCertificate::try_from(leaf)
            .is_ok_and(|parsed| verify_server_name(&parsed, &name).is_ok())
    }
}

impl About {
    fn of(leaf: &CertificateDer<'_>) -> Result<Self, CertificateError> {
        let (_, parsed) = X509Certificate::from_der(leaf)
            .map_err(|problem| CertificateError::Malformed(problem.to_string()))?;
        let validity = parsed.validity();
        let alternatives = parsed
            .subject_alternative_name()
            .map_err(|problem| CertificateError::Malformed(problem.to_string()))?;
        let names = alternatives
            .iter()
            .flat_map(|extension| &extension.value.general_names)
            .filter_map(name_of)
            .collect();
        Ok(Self {
            names,
            not_before: Timestamp::from_seconds(validity.not_before.timestamp()),
            not_after: Timestamp::from_seconds(validity.not_after.timestamp()),
            fingerprint: Fingerprint::of(leaf).to_string(),
            is_self_signed: parsed.subject() == parsed.issuer(),
        })
    }

    /// How it stands with the time.
    pub(crate) fn term(&self, now: Timestamp) -> Term {
        let notice = NOTICE_SECONDS.min(self.life_seconds() / NOTICE_PARTS);
        if now < self.not_before {
            Term::Early
        } else if self.not_after <= now {
            Term::Ended
        } else if self.not_after.seconds_since(now) < notice {
            Term::Ending
        } else {
            Term::Valid
        }
    }

    /// Whether it is time to ask for another one.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.not_after.seconds_since(now) < self.life_seconds() / RENEWAL_PARTS
    }

    const fn life_seconds(&self) -> i64 {
        self.not_after.seconds_since(self.not_before)
    }
}

/// A name as people write it; other kinds are of no use to a browser.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "other kinds of names say nothing about a server"
)]
fn name_of(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => {
            let four = <[u8; 4]>::try_from(*octets).map(IpAddr::from);
            let sixteen = <[u8; 16]>::try_from(*octets).map(IpAddr::from);
            four.or(sixteen).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, CertificateError> {
    let wrap = |source| CertificateError::Io {
        path: path.into(),
        source,
    };
    let file = File::open(path).map_err(wrap)?;
    // A pipe or a device would never end.
    if !file.metadata().map_err(wrap)?.is_file() {
        return Err(wrap(io::Error::other("it is not a file")));
    }
    let mut octets = Zeroizing::new(Vec::new());
    file.take(FILE_OCTETS_MAX + 1)
        .read_to_end(&mut octets)
        .map_err(wrap)?;
    if FILE_OCTETS_MAX < octets.len() as u64 {
        return Err(wrap(io::Error::other("it is larger than 1 MiB")));
    }
    Ok(octets)
}

#[cfg(test)]
pub(crate) mod tests;
