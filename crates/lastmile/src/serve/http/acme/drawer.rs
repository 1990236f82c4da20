//! Where the account at an authority and its certificate are kept, and what is done with a new one.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rustls_acme::{AccountCache, CertCache, ResolvesServerCertAcme};
use zeroize::Zeroizing;

use crate::certificate::{Certificate, issued};
use crate::config::AcmeConfig;
use crate::private_file;
use crate::serve::http::certificates::Keeper;

/// What the log calls it.
pub(super) const WHENCE: &str = "from the authority (http.acme)";

/// How long an order may take, and how long one that waits for its renewal is believed.
const ORDER_PATIENCE: Duration = Duration::from_secs(600);
const RENEWAL_PATIENCE: Duration = Duration::from_secs(12 * 3_600);

/// The files of one account and one certificate.
#[derive(Clone)]
pub(super) struct Drawer {
    keeper: Keeper,
    account: PathBuf,
    certificate: PathBuf,
    /// What the disk did not take is not ordered again.
    in_hand: Arc<Mutex<Option<Zeroizing<Vec<u8>>>>>,
}

impl Drawer {
    pub(super) fn new(keeper: &Keeper, wanted: &AcmeConfig) -> Self {
        Self {
            keeper: keeper.clone(),
            account: issued::account_path(&keeper.data_dir, wanted),
            certificate: issued::certificate_path(&keeper.data_dir, wanted),
            in_hand: Arc::default(),
        }
    }

    /// The certificate that is in it, if it can be used.
    pub(super) async fn open(&self) -> Option<Certificate> {
        let pem = read(self.certificate.clone()).await.ok().flatten()?;
        Certificate::from_pem(&pem, &pem).ok()
    }

    /// From now on `by` answers what the authority asks.
    pub(super) fn answer_challenges(&self, by: Arc<ResolvesServerCertAcme>) {
        self.keeper.shown.answer_challenges(by);
    }

    /// How long to wait for the next thing to happen.
    pub(super) fn patience(&self) -> Duration {
        let now = (self.keeper.clock)();
        let shown = &self.keeper.shown;
        match shown.is_asked_for() && shown.shows(|about| !about.is_due(now)) {
            true => RENEWAL_PATIENCE,
            false => ORDER_PATIENCE,
        }
    }

    /// Tells that something cannot be kept.
    pub(super) fn complain(&self, problem: &io::Error) {
        self.keeper.complain(&format!(
            "what came {WHENCE} cannot be kept in {}: {problem}",
            self.certificate.display()
        ));
    }

    fn hold(&self) -> MutexGuard<'_, Option<Zeroizing<Vec<u8>>>> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl CertCache for Drawer {
    type EC = io::Error;

    async fn load_cert(&self, _names: &[String], _url: &str) -> io::Result<Option<Vec<u8>>> {
        let held = self.hold().as_ref().map(|pem| pem.to_vec());
        match held {
            Some(pem) => Ok(Some(pem)),
            None => read(self.certificate.clone()).await,
        }
    }

    async fn store_cert(&self, _names: &[String], _url: &str, pem: &[u8]) -> io::Result<()> {
        let certificate = Certificate::from_pem(pem, pem).map_err(io::Error::other)?;
        self.keeper.take(certificate, WHENCE);
        *self.hold() = Some(Zeroizing::new(pem.to_vec()));
        write(self.certificate.clone(), pem).await
    }
}

#[async_trait]
impl AccountCache for Drawer {
    type EA = io::Error;

    async fn load_account(&self, _contact: &[String], _url: &str) -> io::Result<Option<Vec<u8>>> {
        read(self.account.clone()).await
    }

    async fn store_account(&self, _contact: &[String], _url: &str, key: &[u8]) -> io::Result<()> {
        write(self.account.clone(), key).await
    }
}

async fn read(path: PathBuf) -> io::Result<Option<Vec<u8>>> {
    let read = tokio::task::spawn_blocking(move || std::fs::read(path));
    match read.await? {
        Ok(octets) => Ok(Some(octets)),
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(problem) => Err(problem),
    }
}

async fn write(path: PathBuf, octets: &[u8]) -> io::Result<()> {
    let octets = Zeroizing::new(octets.to_vec());
    tokio::task::spawn_blocking(move || private_file::write(&path, &octets)).await?
}
