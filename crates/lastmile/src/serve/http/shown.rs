//! The certificate that clients are shown, and what is wrong with it.

use std::sync::{Arc, Mutex, PoisonError};

use domain::time::Timestamp;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_acme::ResolvesServerCertAcme;
use tokio::sync::watch;

use super::trouble::Trouble;
use crate::certificate::{About, Certificate, Term};

/// What is shown now; nothing on a listener without TLS, and before the start.
#[derive(Debug)]
pub(super) struct Shown {
    current: watch::Sender<Option<Arc<Held>>>,
    /// Why it is not the one that was asked for, or why there is no newer one.
    pub(super) trouble: Trouble,
    /// Answers the challenges of an authority.
    challenges: Mutex<Option<Arc<ResolvesServerCertAcme>>>,
}

#[derive(Debug)]
struct Held {
    certificate: Certificate,
    standing: Standing,
}

/// Whether a certificate is the one that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    AskedFor,
    /// Until there is the one that was asked for.
    Stopgap,
}

impl Default for Shown {
    fn default() -> Self {
        Self {
            current: watch::Sender::new(None),
            trouble: Trouble::default(),
            challenges: Mutex::default(),
        }
    }
}

impl Shown {
    /// Shows a certificate from now on; gives whether it is another one.
    pub(super) fn show(&self, certificate: Certificate, standing: Standing) -> bool {
        let fingerprint = certificate.about.fingerprint.clone();
        let held = Held {
            certificate,
            standing,
        };
        let before = self.current.send_replace(Some(Arc::new(held)));
        before.is_none_or(|before| before.certificate.about.fingerprint != fingerprint)
    }

    /// From now on this answers challenges.
    pub(super) fn answer_challenges(&self, by: Arc<ResolvesServerCertAcme>) {
        *self
            .challenges
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(by);
    }

    pub(super) fn challenges(&self) -> Option<Arc<ResolvesServerCertAcme>> {
        let held = self.challenges.lock();
        held.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until there is something to show.
    pub(super) async fn wait(&self) {
        let mut changes = self.current.subscribe();
        // The other end is in this value.
        let _ = changes.wait_for(Option::is_some).await;
    }

    /// Whether it is what was asked for.
    pub(super) fn is_asked_for(&self) -> bool {
        self.held()
            .is_some_and(|held| held.standing == Standing::AskedFor)
    }

    /// Whether somebody vouches for it, so that browsers may insist on it.
    pub(super) fn is_vouched_for(&self) -> bool {
        self.held().is_some_and(|held| {
            held.standing == Standing::AskedFor && !held.certificate.about.is_self_signed
        })
    }

    /// When it ends.
    pub(super) fn not_after(&self) -> Option<Timestamp> {
        Some(self.held()?.certificate.about.not_after)
    }

    /// Whether there is one of which something holds.
    pub(super) fn shows(&self, judge: impl FnOnce(&About) -> bool) -> bool {
        self.held()
            .is_some_and(|held| judge(&held.certificate.about))
    }

    /// What clients complain about.
    pub(super) fn trouble(&self, now: Timestamp) -> Option<String> {
        if let Some(trouble) = self.trouble.find() {
            return Some(trouble);
        }
        let held = self.held()?;
        let about = &held.certificate.about;
        match about.term(now) {
            Term::Valid | Term::Ending => None,
            Term::Early => Some(format!("the certificate holds from {}", about.not_before)),
            Term::Ended => Some(format!("the certificate ended at {}", about.not_after)),
        }
    }

    fn held(&self) -> Option<Arc<Held>> {
        self.current.borrow().clone()
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.held()?.certificate.key))
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, Issuer, KeyPair};

    use super::*;
    use crate::certificate::tests::pair;

    /// A certificate from 1975 to 4096 that somebody else vouches for.
    fn vouched_for() -> Certificate {
        let (root, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut issuer = CertificateParams::default();
        issuer.distinguished_name.push(DnType::CommonName, "root");
        let issuer = Issuer::new(issuer, root);
        let parameters = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        let leaf = parameters.signed_by(&key, &issuer).unwrap();
        let (chain, key) = (leaf.pem(), key.serialize_pem());
        Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap()
    }

    fn self_signed() -> Certificate {
        let (chain, key) = pair(&["a.example"]);
        Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap()
    }

    #[test]
    fn browsers_may_insist_on_what_was_asked_for_and_is_vouched_for() {
        let check = |certificate, standing, expected| {
            let shown = Shown::default();
            assert!(!shown.is_vouched_for());
            shown.show(certificate, standing);
            assert_eq!(shown.is_vouched_for(), expected, "{standing:?}");
        };
        check(vouched_for(), Standing::AskedFor, true);
        check(vouched_for(), Standing::Stopgap, false);
        check(self_signed(), Standing::AskedFor, false);
    }

    #[test]
    fn a_certificate_that_does_not_hold_is_told() {
        let shown = Shown::default();
        let told = |day: &str| shown.trouble(day.parse().unwrap());
        assert_eq!(told("2030-02-01"), None);
        shown.show(self_signed(), Standing::AskedFor);
        assert_eq!(told("2030-02-01"), None);
        let early = told("2029-02-01").unwrap_or_default();
        assert!(early.contains("holds from 2030-01-01"), "{early}");
        let late = told("2031-02-01").unwrap_or_default();
        assert!(late.contains("ended at 2030-04-01"), "{late}");
        shown.trouble.begin("the authority is away");
        assert_eq!(told("2031-02-01").as_deref(), Some("the authority is away"));
    }

    #[test]
    fn the_same_certificate_is_no_news() {
        let shown = Shown::default();
        let certificate = self_signed();
        assert!(shown.show(certificate.clone(), Standing::Stopgap));
        assert!(!shown.show(certificate, Standing::AskedFor));
        assert!(shown.show(self_signed(), Standing::AskedFor));
    }
}
