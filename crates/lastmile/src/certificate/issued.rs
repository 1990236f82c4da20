//! Where what an authority gave over ACME is kept, a file for each order and for each account.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::DIRECTORY;
use crate::config::AcmeConfig;

/// Octets of the hash that tells one order from another.
const HASH_OCTETS: usize = 8;

/// The certificate for these names, with its key.
pub(crate) fn certificate_path(data_dir: &Path, wanted: &AcmeConfig) -> PathBuf {
    let name = hash(&wanted.domains, &wanted.directory);
    directory(data_dir).join(format!("certificate-{name}.pem"))
}

/// The key of the account at the authority.
pub(crate) fn account_path(data_dir: &Path, wanted: &AcmeConfig) -> PathBuf {
    let name = hash(&wanted.contact, &wanted.directory);
    directory(data_dir).join(format!("account-{name}.key"))
}

fn directory(data_dir: &Path) -> PathBuf {
    data_dir.join(DIRECTORY).join("acme")
}

fn hash(words: &[String], directory: &str) -> String {
    let mut hash = Sha256::new();
    for word in words {
        hash.update(word);
        hash.update([0]);
    }
    hash.update(directory);
    hash.finalize()
        .iter()
        .take(HASH_OCTETS)
        .map(|octet| format!("{octet:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Challenge;

    #[test]
    fn another_name_or_another_authority_is_another_file() {
        let order = |domains: &[&str], directory: &str| {
            let wanted = AcmeConfig {
                domains: domains.iter().map(|&name| name.to_owned()).collect(),
                contact: Vec::new(),
                directory: directory.to_owned(),
                ca_file: None,
                challenge: Challenge::TlsAlpn,
            };
            certificate_path(Path::new("/data"), &wanted)
        };
        let first = order(&["a.example", "b.example"], "https://one/");
        assert!(first.starts_with("/data/tls/acme"), "{first:?}");
        assert_eq!(first, order(&["a.example", "b.example"], "https://one/"));
        assert_ne!(first, order(&["a.example", "b.example"], "https://two/"));
        assert_ne!(first, order(&["a.exampleb.example"], "https://one/"));
    }
}
