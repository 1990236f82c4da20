//! Certificates that fit, that do not, and that end.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;

/// A certificate and its key, in PEM, from 2030-01-01 to 2030-04-01.
pub(crate) fn pair(names: &[&str]) -> (String, String) {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(names).unwrap();
    parameters.not_before = date_time_ymd(2030, 1, 1);
    parameters.not_after = date_time_ymd(2030, 4, 1);
    let certificate = parameters.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

#[track_caller]
fn check_refused(chain: &str, key: &str, expected: &str) {
    let refused = Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap_err();
    let told = refused.to_string();
    assert!(told.contains(expected), "{told}");
}

#[test]
fn a_certificate_tells_what_it_is_for() {
    let (chain, key) = pair(&["aaa.example.net", "*.pop.example.net", "192.0.2.1"]);
    let certificate = Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
    let about = &certificate.about;
    assert_eq!(
        about.names,
        ["aaa.example.net", "*.pop.example.net", "192.0.2.1"]
    );
    assert_eq!(about.not_after.to_string(), "2030-04-01T00:00:00Z");
    assert_eq!(about.fingerprint.len(), 32 * 3 - 1);
    for (name, is_covered) in [
        ("aaa.example.net", true),
        ("a.pop.example.net", true),
        ("a.b.pop.example.net", false),
        ("example.net", false),
        ("192.0.2.1", true),
        ("192.0.2.2", false),
        ("no name", false),
    ] {
        assert_eq!(certificate.covers(name), is_covered, "{name}");
    }
}

#[test]
fn what_does_not_fit_is_refused_in_words() {
    let (chain, key) = pair(&["a.example"]);
    let (other, _) = pair(&["a.example"]);
    check_refused(&other, &key, "not that of the certificate");
    check_refused("", &key, "no certificate in PEM");
    check_refused(&key, &key, "no certificate in PEM");
    check_refused(&chain, "", "no private key in PEM");
    check_refused(&chain, &chain, "no private key in PEM");
    let half = &chain[..chain.len() / 2];
    check_refused(half, &key, "no certificate in PEM");
    let locked = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    check_refused(&chain, &locked, "needs no passphrase");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let (chain, _) = pair(&["a.example"]);
    let certificate = directory.path().join("full.pem");
    std::fs::write(&certificate, chain).unwrap();
    let key = directory.path().to_owned();
    let refused = Certificate::from_files(&CertificateFiles {
        certificate,
        key: key.clone(),
    });
    let told = refused.unwrap_err().to_string();
    assert!(told.contains(&key.display().to_string()), "{told}");
}

#[test]
fn an_end_is_told_in_time() {
    let (chain, key) = pair(&["a.example"]);
    let certificate = Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
    let rows = [
        ("2029-12-31", Term::Early, false),
        ("2030-01-01", Term::Valid, false),
        ("2030-02-28", Term::Valid, false),
        ("2030-03-03", Term::Valid, true),
        // A fifth of its life is 18 days.
        ("2030-03-13", Term::Valid, true),
        ("2030-03-15", Term::Ending, true),
        ("2030-04-01", Term::Ended, true),
    ];
    for (day, term, is_due) in rows {
        let now = day.parse().unwrap();
        let found = (certificate.about.term(now), certificate.about.is_due(now));
        assert_eq!(found, (term, is_due), "{day}");
    }
}
