//! Which certificates of servers are believed.

use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use sha2::{Digest as _, Sha256};

/// The most that is read of a file of authorities.
const FILE_OCTETS_MAX: u64 = 4 << 20;

/// Whose certificate a server may show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// One that the authorities of this system vouch for.
    System,
    /// One that the authorities in this file vouch for, and no other.
    Authorities(PathBuf),
    /// This one and no other.
    Pinned(Fingerprint),
}

/// SHA-256 of a whole certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

/// A text that is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a fingerprint is the SHA-256 of the certificate in 64 hexadecimal digits, with or without colons, as the server logs it"
)]
pub(crate) struct FingerprintError;

/// Why it cannot be decided whom to believe.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    #[error("--ca-file: {} cannot be read", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("--ca-file: {} has no certificate in PEM: it begins with -----BEGIN CERTIFICATE-----", path.display())]
    Empty { path: PathBuf },
    #[error(
        "this system has no certificates of authorities: install ca-certificates, or give --ca-file or --fingerprint"
    )]
    NoAuthorities,
    #[error("TLS cannot be used")]
    Tls(#[source] Error),
}

impl Trust {
    /// How to reach a server under these rules.
    pub(super) fn config(&self) -> Result<ClientConfig, TrustError> {
        let provider = provider();
        let verifier: Arc<dyn ServerCertVerifier> = match self {
            Self::System => web_of(system_roots()?, &provider)?,
            Self::Authorities(path) => web_of(roots_of(path)?, &provider)?,
            Self::Pinned(fingerprint) => Arc::new(Pinned {
                fingerprint: *fingerprint,
                provider: Arc::clone(&provider),
            }),
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TrustError::Tls)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(config)
    }
}

/// For a connection that is not encrypted: nobody is believed.
pub(super) fn nobody() -> Result<ClientConfig, TrustError> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TrustError::Tls)?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn web_of(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, TrustError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| TrustError::Tls(Error::General(error.to_string())))
}

fn system_roots() -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(TrustError::NoAuthorities);
    }
    Ok(roots)
}

fn roots_of(path: &Path) -> Result<RootCertStore, TrustError> {
    let unreadable = |source| TrustError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut pem = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(FILE_OCTETS_MAX).read_to_end(&mut pem))
        .map_err(unreadable)?;
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
    roots.add_parsable_certificates(found);
    if roots.is_empty() {
        return Err(TrustError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(roots)
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let digits: Vec<u8> = raw.bytes().filter(|octet| *octet != b':').collect();
        let mut octets = [0; 32];
        if digits.len() != 2 * octets.len() {
            return Err(FingerprintError);
        }
        for (octet, pair) in octets.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| FingerprintError)?;
            *octet = u8::from_str_radix(pair, 16).map_err(|_| FingerprintError)?;
        }
        Ok(Self(octets))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, octet) in self.0.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(formatter, "{colon}{octet:02X}")?;
        }
        Ok(())
    }
}

/// Believes one certificate, whoever vouches for it and whatever names it bears.
#[derive(Debug)]
struct Pinned {
    fingerprint: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Fingerprint(Sha256::digest(end_entity.as_ref()).into());
        if shown == self.fingerprint {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(
            CertificateError::ApplicationVerificationFailure,
        ))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_with_colons_and_without() {
        let text = "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";
        let read: Fingerprint = text.parse().unwrap();
        assert_eq!(read.to_string(), text);
        let bare = text.replace(':', "").to_lowercase();
        assert_eq!(bare.parse(), Ok(read));
        for wrong in [
            "",
            "00:11",
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
    }

    #[test]
    fn a_file_of_authorities_has_to_have_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let trust = Trust::Authorities(path.clone());
        assert!(matches!(trust.config(), Err(TrustError::Unreadable { .. })));
        std::fs::write(&path, "nothing").unwrap();
        assert!(matches!(trust.config(), Err(TrustError::Empty { .. })));
        let made = rcgen::generate_simple_self_signed(vec!["isp.example".to_owned()]).unwrap();
        std::fs::write(&path, made.cert.pem()).unwrap();
        assert!(trust.config().is_ok());
    }
}
