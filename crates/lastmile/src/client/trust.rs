//! Which certificates of servers are believed.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, Error, RootCertStore};

use crate::certificate::fingerprint::Fingerprint;
use crate::certificate::{pinned, provider};

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
        match self {
            Self::System => believing(system_roots()?),
            Self::Authorities(path) => believing(roots_of(path)?),
            Self::Pinned(fingerprint) => {
                pinned::client(vec![*fingerprint]).map_err(TrustError::Tls)
            }
        }
    }
}

/// For a connection that is not encrypted: nobody is believed.
pub(super) fn nobody() -> Result<ClientConfig, TrustError> {
    believing(RootCertStore::empty())
}

fn believing(roots: RootCertStore) -> Result<ClientConfig, TrustError> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TrustError::Tls)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
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

#[cfg(test)]
mod tests {
    use super::*;

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
