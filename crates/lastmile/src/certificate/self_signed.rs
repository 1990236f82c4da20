//! The certificate that the program makes for itself, so that nobody signs in over plain HTTP.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use domain::time::Timestamp;
use nix::unistd::gethostname;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tracing::warn;
use zeroize::Zeroizing;

use super::{About, Certificate, CertificateError, DIRECTORY};
use crate::config::{CertificateFiles, HttpConfig};
use crate::exit::ErrorChain;
use crate::private_file;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// How long it holds: browsers refuse what holds for more than 825 days.
const LIFE_DAYS: u32 = 730;

/// How long before its end it is made anew.
const RENEWAL_SECONDS: i64 = 30 * 24 * 3_600;

/// How far the clock of a client may be behind.
const CLOCK_DRIFT: Duration = DAY;

const COMMON_NAME: &str = "lastmile";

/// Whether the certificate was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Found,
    Made,
}

/// Where it is kept.
pub(crate) fn files(data_dir: &Path) -> CertificateFiles {
    let directory = data_dir.join(DIRECTORY);
    CertificateFiles {
        certificate: directory.join("self-signed.crt"),
        key: directory.join("self-signed.key"),
    }
}

/// Reads it, or makes one when there is none that can be used for long under these names.
pub(crate) fn find_or_make(
    data_dir: &Path,
    http: &HttpConfig,
    now: Timestamp,
) -> Result<(Certificate, Origin), CertificateError> {
    let files = files(data_dir);
    match Certificate::from_files(&files) {
        Ok(found) if is_good(&found, http, now) => return Ok((found, Origin::Found)),
        Ok(_) => {}
        Err(CertificateError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        Err(problem) => warn!(
            error = %ErrorChain(&problem),
            "The self-signed certificate in {} cannot be used, and another one is made",
            files.certificate.display()
        ),
    }
    let (chain, key) = make(&names(http), now)?;
    let made = Certificate::from_pem(chain.as_bytes(), key.as_bytes())?;
    // The key goes first: one without its certificate is replaced at the next start.
    let kept = private_file::write(&files.key, key.as_bytes())
        .and_then(|()| private_file::write(&files.certificate, chain.as_bytes()));
    if let Err(problem) = kept {
        warn!(
            error = %problem,
            "The self-signed certificate cannot be kept in {}, and will be another one after the next start",
            files.certificate.display()
        );
    }
    Ok((made, Origin::Made))
}

/// Whether it holds for a while, for every name that was asked for.
fn is_good(found: &Certificate, http: &HttpConfig, now: Timestamp) -> bool {
    is_lasting(&found.about, now) && wanted(http).iter().all(|name| found.covers(name))
}

/// Whether it holds and need not be made anew for a while.
pub(crate) fn is_lasting(about: &About, now: Timestamp) -> bool {
    about.not_before <= now && RENEWAL_SECONDS <= about.not_after.seconds_since(now)
}

/// What somebody asked for.
fn wanted(http: &HttpConfig) -> Vec<String> {
    let mut names = http.names.clone();
    let address = http.listen.ip();
    if !address.is_unspecified() {
        names.push(address.to_string());
    }
    names
}

/// What somebody asked for, and the names that every machine has.
fn names(http: &HttpConfig) -> Vec<String> {
    let mut names = wanted(http);
    let host = gethostname().ok().and_then(|name| name.into_string().ok());
    // A name that no certificate can have would spoil the others.
    names.extend(host.filter(|name| rustls::pki_types::DnsName::try_from(name.as_str()).is_ok()));
    names.push("localhost".to_owned());
    names.push(IpAddr::from(Ipv4Addr::LOCALHOST).to_string());
    names.push(IpAddr::from(Ipv6Addr::LOCALHOST).to_string());
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// Makes a certificate and its key, in PEM.
fn make(names: &[String], now: Timestamp) -> Result<(String, Zeroizing<String>), CertificateError> {
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::new(names.to_vec())?;
    parameters.distinguished_name = DistinguishedName::new();
    parameters
        .distinguished_name
        .push(DnType::CommonName, COMMON_NAME);
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let since_1970 = Duration::from_secs(u64::try_from(now.as_seconds()).unwrap_or(0));
    let now = date_time_ymd(1970, 1, 1) + since_1970;
    parameters.not_before = now - CLOCK_DRIFT;
    parameters.not_after = now + DAY * LIFE_DAYS;
    let certificate = parameters.self_signed(&key)?;
    Ok((certificate.pem(), Zeroizing::new(key.serialize_pem())))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::super::Term;
    use super::*;
    use crate::config::Protection;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn http(listen: &str, names: &[&str]) -> HttpConfig {
        HttpConfig {
            listen: listen.parse::<SocketAddr>().unwrap(),
            protection: Protection::SelfSigned,
            names: names.iter().map(|&name| name.to_owned()).collect(),
            redirect_listen: None,
            connections_max: 1,
            connections_per_address_max: 1,
            trusted_proxies: Vec::new(),
        }
    }

    #[test]
    fn it_is_made_once_for_every_name_of_the_machine() {
        let directory = tempfile::tempdir().unwrap();
        let http = http("192.0.2.7:8443", &["aaa.example.net", "2001:db8::7"]);
        let (made, origin) = find_or_make(directory.path(), &http, NOW).unwrap();
        assert_eq!(origin, Origin::Made);
        for name in [
            "aaa.example.net",
            "2001:db8::7",
            "192.0.2.7",
            "localhost",
            "127.0.0.1",
            "::1",
        ] {
            assert!(made.covers(name), "{name} in {:?}", made.about.names);
        }
        assert!(!made.covers("other.example.net"));
        assert!(made.about.is_self_signed);
        assert_eq!(made.about.term(NOW), Term::Valid);
        let (found, origin) = find_or_make(directory.path(), &http, NOW).unwrap();
        assert_eq!(origin, Origin::Found);
        assert_eq!(found.about, made.about);
    }

    #[test]
    fn it_is_made_anew_at_its_end_and_for_other_names() {
        let directory = tempfile::tempdir().unwrap();
        let check = |http: &HttpConfig, now, expected| {
            let (made, origin) = find_or_make(directory.path(), http, now).unwrap();
            assert_eq!(origin, expected, "{:?} at {now}", made.about);
        };
        let first = http("0.0.0.0:8443", &[]);
        check(&first, NOW, Origin::Made);
        let days = |days: i64| NOW.plus_seconds(days * 24 * 3_600);
        check(&first, days(699), Origin::Found);
        check(&first, days(701), Origin::Made);
        check(&first, days(702), Origin::Found);
        // A clock that was wrong when it was made.
        check(&first, NOW, Origin::Made);
        check(&http("0.0.0.0:8443", &["b.example"]), NOW, Origin::Made);
        check(&first, NOW, Origin::Found);
    }

    #[test]
    fn a_damaged_one_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let http = http("0.0.0.0:8443", &[]);
        find_or_make(directory.path(), &http, NOW).unwrap();
        let files = files(directory.path());
        std::fs::write(&files.certificate, "half a certifi").unwrap();
        let (_, origin) = find_or_make(directory.path(), &http, NOW).unwrap();
        assert_eq!(origin, Origin::Made);
        Certificate::from_files(&files).expect("what was made is kept");
    }

    #[test]
    fn one_that_cannot_be_kept_is_used_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(DIRECTORY), "in the way").unwrap();
        let http = http("0.0.0.0:8443", &[]);
        let (made, _) = find_or_make(directory.path(), &http, NOW).unwrap();
        assert!(made.covers("localhost"));
    }
}
