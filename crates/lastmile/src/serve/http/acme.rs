//! A certificate from an authority that speaks ACME (RFC 8555), got and renewed by `rustls-acme`.

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_acme::acme::{Auth, Identifier};
use rustls_acme::{AcmeConfig as Order, EventError, EventOk, OrderError, UseChallenge};
use tokio::time::timeout;

use super::certificates::Keeper;
use crate::certificate::provider;
use crate::config::{AcmeConfig, Challenge};

mod drawer;

use drawer::{Drawer, WHENCE};

/// After an authority was not reached: first this, then twice as long each time.
const ABSENT_PAUSE: Duration = Duration::from_secs(5);
const ABSENT_PAUSE_MAX: Duration = Duration::from_secs(600);

/// After it refused, for it counts failures (Let's Encrypt: five an hour for a name).
const REFUSED_PAUSE: Duration = Duration::from_secs(900);
const REFUSED_PAUSE_MAX: Duration = Duration::from_secs(6 * 3_600);

/// Why an order came to nothing.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// The authority was not reached, or did not answer as it should.
    Absent(String),
    /// It said no.
    Refused(String),
}

/// Gets the certificate and renews it, for ever. Until there is one our own is shown.
pub(super) async fn keep(keeper: &Keeper, wanted: &AcmeConfig) {
    let drawer = Drawer::new(keeper, wanted);
    match drawer.open().await {
        Some(certificate) => keeper.take(certificate, WHENCE),
        None => keeper.show_stopgap().await,
    }
    let mut pauses = Pauses::default();
    loop {
        let failure = match trusted(wanted.ca_file.as_deref()) {
            Ok(client) => follow(&drawer, wanted, client, &mut pauses).await,
            Err(problem) => Failure::Absent(problem),
        };
        let pause = pauses.after(&failure);
        let (Failure::Absent(why) | Failure::Refused(why)) = failure;
        keeper.complain(&format!(
            "no new certificate for {} from {} (http.acme): {why}",
            wanted.domains.join(", "),
            wanted.directory
        ));
        tokio::time::sleep(pause).await;
    }
}

/// Follows one order after another until one fails.
async fn follow(
    drawer: &Drawer,
    wanted: &AcmeConfig,
    client: ClientConfig,
    pauses: &mut Pauses,
) -> Failure {
    let client = Arc::new(client);
    loop {
        let mut state = Order::new_with_client_config(&wanted.domains, Arc::clone(&client))
            .contact(&wanted.contact)
            .directory(&wanted.directory)
            .challenge_type(match wanted.challenge {
                Challenge::Http => UseChallenge::Http01,
                Challenge::TlsAlpn => UseChallenge::TlsAlpn01,
            })
            .cache(drawer.clone())
            .state();
        drawer.answer_challenges(state.resolver());
        // What waits for too long is begun again: a silent authority, or a clock that was set.
        while let Ok(Some(event)) = timeout(drawer.patience(), state.next()).await {
            match event {
                Ok(EventOk::DeployedNewCert) => *pauses = Pauses::default(),
                Ok(
                    EventOk::DeployedCachedCert
                    | EventOk::CertCacheStore
                    | EventOk::AccountCacheStore,
                ) => {}
                Err(problem) => match read(problem) {
                    Ok(failure) => return failure,
                    Err(of_disk) => drawer.complain(&of_disk),
                },
            }
        }
    }
}

/// Why an order failed; the error is what is wrong with our own disk, in spite of which it goes on.
fn read(problem: EventError<io::Error, io::Error>) -> Result<Failure, io::Error> {
    Ok(match problem {
        EventError::CertCacheLoad(problem)
        | EventError::AccountCacheLoad(problem)
        | EventError::CertCacheStore(problem)
        | EventError::AccountCacheStore(problem) => return Err(problem),
        EventError::CachedCertParse(problem) => return Err(io::Error::other(problem)),
        EventError::NewCertParse(problem) => Failure::Refused(problem.to_string()),
        EventError::Order(OrderError::Acme(problem)) => Failure::Absent(problem.to_string()),
        EventError::Order(OrderError::Rcgen(problem)) => Failure::Refused(problem.to_string()),
        EventError::Order(OrderError::BadAuth(auth)) => Failure::Refused(found_out(&auth)),
        EventError::Order(OrderError::BadOrder(order) | OrderError::ProcessingTimeout(order)) => {
            let detail = order.error.and_then(|error| error.detail);
            Failure::Refused(detail.unwrap_or_else(|| "the order was not carried out".to_owned()))
        }
        EventError::Order(OrderError::TooManyAttemptsAuth(domain)) => Failure::Refused(format!(
            "the authority took too long to look whether {domain} is this server"
        )),
    })
}

/// What the authority found out about a name.
fn found_out(auth: &Auth) -> String {
    let Identifier::Dns(domain) = &auth.identifier;
    let details = auth
        .challenges
        .iter()
        .filter_map(|challenge| challenge.error.as_ref()?.detail.as_deref());
    let details: Vec<_> = details.collect();
    format!(
        "the authority did not find that {domain} is this server: {}",
        details.join("; ")
    )
}

/// How often an authority failed since it gave a certificate.
#[derive(Debug, Default)]
struct Pauses {
    absent: u32,
    refused: u32,
}

impl Pauses {
    /// How long to wait before it is asked again.
    fn after(&mut self, failure: &Failure) -> Duration {
        let (count, first, last) = match failure {
            Failure::Absent(_) => (&mut self.absent, ABSENT_PAUSE, ABSENT_PAUSE_MAX),
            Failure::Refused(_) => (&mut self.refused, REFUSED_PAUSE, REFUSED_PAUSE_MAX),
        };
        let times = 1_u32.checked_shl(*count).unwrap_or(u32::MAX);
        *count = count.saturating_add(1);
        first.saturating_mul(times).min(last)
    }
}

/// Whom to believe that the directory is the authority's.
fn trusted(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let roots = match ca_file {
        Some(path) => roots_of(path)
            .map_err(|problem| format!("{} (http.acme.ca_file): {problem}", path.display()))?,
        None => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        }
    };
    if roots.is_empty() {
        return Err(
            "this system trusts no authority: install ca-certificates, or set http.acme.ca_file"
                .to_owned(),
        );
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|problem| problem.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn roots_of(path: &Path) -> Result<RootCertStore, String> {
    let told = |problem: &dyn Display| problem.to_string();
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|problem| told(&problem))? {
        let certificate = certificate.map_err(|problem| told(&problem))?;
        roots.add(certificate).map_err(|problem| told(&problem))?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_asked_ever_more_rarely() {
        let absent = Failure::Absent("it does not answer".to_owned());
        let refused = Failure::Refused("it said no".to_owned());
        let mut pauses = Pauses::default();
        let seconds = |pauses: &mut Pauses, failure| pauses.after(failure).as_secs();
        assert_eq!(seconds(&mut pauses, &absent), 5);
        assert_eq!(seconds(&mut pauses, &absent), 10);
        assert_eq!(seconds(&mut pauses, &refused), 900);
        assert_eq!(seconds(&mut pauses, &refused), 1_800);
        for _ in 0..100 {
            pauses.after(&absent);
            pauses.after(&refused);
        }
        assert_eq!(seconds(&mut pauses, &absent), 600);
        assert_eq!(seconds(&mut pauses, &refused), 21_600);
    }

    #[test]
    fn what_an_authority_says_is_told() {
        let auth = serde_json::json!({
            "status": "invalid",
            "identifier": {"type": "dns", "value": "aaa.example.net"},
            "challenges": [
                {"type": "http-01", "url": "https://a/1", "error": {"detail": "Connection refused"}},
                {"type": "dns-01", "url": "https://a/2"},
            ],
        });
        let auth: Auth = serde_json::from_value(auth).unwrap();
        let failure = read(EventError::Order(OrderError::BadAuth(auth))).unwrap();
        let expected =
            "the authority did not find that aaa.example.net is this server: Connection refused";
        assert_eq!(failure, Failure::Refused(expected.to_owned()));
    }

    #[test]
    fn roots_that_cannot_be_read_name_their_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let refused = trusted(Some(&path)).unwrap_err();
        assert!(refused.contains("http.acme.ca_file"), "{refused}");
        std::fs::write(&path, "no certificate").unwrap();
        let refused = trusted(Some(&path)).unwrap_err();
        assert!(refused.contains("trusts no authority"), "{refused}");
    }
}
