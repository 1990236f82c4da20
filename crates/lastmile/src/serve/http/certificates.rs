//! Keeps what clients are shown: made, read again when it changes, or asked for at an authority.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use storage::clock::Clock;
use tracing::{error, info, warn};

use super::acme;
use super::shown::{Shown, Standing};
use crate::certificate::self_signed::{self, Origin};
use crate::certificate::{About, Certificate};
use crate::config::{CertificateFiles, HttpConfig, Protection};
use crate::exit::ErrorChain;

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How often it is looked whether the certificate of our own is at its end.
const RENEWAL_EVERY: Duration = Duration::from_secs(6 * 3_600);

/// Everything that is needed to keep a certificate.
#[derive(Clone)]
pub(super) struct Keeper {
    pub(super) data_dir: PathBuf,
    pub(super) http: HttpConfig,
    pub(super) clock: Clock,
    pub(super) shown: Arc<Shown>,
}

impl Keeper {
    /// Keeps it for ever.
    pub(super) async fn run(self) {
        match &self.http.protection {
            Protection::Plain => std::future::pending().await,
            Protection::SelfSigned => self.keep_self_signed().await,
            Protection::Files(files) => self.keep_files(files).await,
            Protection::Acme(wanted) => acme::keep(&self, wanted).await,
        }
    }

    async fn keep_self_signed(&self) {
        loop {
            self.show_self_signed(Standing::AskedFor).await;
            let pause = match self.shown.is_asked_for() {
                true => RENEWAL_EVERY,
                false => LOOK_EVERY,
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Shows the certificate of our own. One that is shown and lasts stays, for a disk that does not
    /// keep it would make it another one each time.
    async fn show_self_signed(&self, standing: Standing) {
        let now = (self.clock)();
        let is_lasting =
            |about: &About| about.is_self_signed && self_signed::is_lasting(about, now);
        if self.shown.shows(is_lasting) {
            return;
        }
        let (data_dir, http) = (self.data_dir.clone(), self.http.clone());
        let found =
            tokio::task::spawn_blocking(move || self_signed::find_or_make(&data_dir, &http, now));
        let (certificate, origin) = match found.await {
            Ok(Ok(found)) => found,
            Ok(Err(problem)) => return self.complain(&ErrorChain(&problem).to_string()),
            Err(problem) => return self.complain(&problem.to_string()),
        };
        let about = certificate.about.clone();
        let verb = match origin {
            Origin::Made => "was made",
            Origin::Found => "is shown",
        };
        if self.shown.show(certificate, standing) {
            info!(
                certificate.fingerprint = about.fingerprint,
                certificate.not_after = %about.not_after,
                certificate.names = about.names.join(","),
                "A self-signed certificate {verb}; compare its SHA-256 fingerprint when a client asks: {}",
                about.fingerprint
            );
        }
        if standing == Standing::AskedFor {
            self.shown.trouble.end();
        }
    }

    /// Shows the certificate of our own until there is a better one.
    pub(super) async fn show_stopgap(&self) {
        self.show_self_signed(Standing::Stopgap).await;
    }

    async fn keep_files(&self, files: &CertificateFiles) {
        let mut seen = None;
        loop {
            let mark = mark_of(files).await;
            if mark != seen || self.shown.trouble.find().is_some() {
                self.take_files(files).await;
                seen = mark;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Shows what is in the files; what cannot be used changes nothing.
    async fn take_files(&self, files: &CertificateFiles) {
        let path = files.certificate.display();
        let read = files.clone();
        let read = tokio::task::spawn_blocking(move || Certificate::from_files(&read)).await;
        let problem = match read {
            Ok(Ok(certificate)) => return self.take(certificate, &format!("in {path}")),
            Ok(Err(problem)) => ErrorChain(&problem).to_string(),
            Err(problem) => problem.to_string(),
        };
        let remains = match self.shown.is_asked_for() {
            true => "the one before is shown",
            false => "a self-signed one is shown",
        };
        self.complain(&format!(
            "the certificate in {path} with the key in {} (http.certificate, http.key) cannot be used, and {remains}: {problem}",
            files.key.display()
        ));
        if !self.shown.is_asked_for() {
            self.show_stopgap().await;
        }
    }

    /// Shows what was asked for.
    pub(super) fn take(&self, certificate: Certificate, whence: &str) {
        let about = certificate.about.clone();
        let uncovered = self.http.names.iter();
        let uncovered = uncovered.filter(|name| !certificate.covers(name));
        for name in uncovered {
            warn!("The certificate {whence} is not for {name} (http.names)");
        }
        if self.shown.show(certificate, Standing::AskedFor) {
            info!(
                certificate.fingerprint = about.fingerprint,
                certificate.not_after = %about.not_after,
                certificate.names = about.names.join(","),
                "The certificate {whence} is shown; it ends at {}",
                about.not_after
            );
        }
        self.shown.trouble.end();
    }

    /// Tells what is wrong, once.
    pub(super) fn complain(&self, why: &str) {
        if self.shown.trouble.begin(why) {
            error!("The web listener: {why}");
        }
    }
}

/// By what a file is known that was replaced or written anew.
type Mark = (u64, u64, i64, i64);

/// The marks of both files; what cannot be looked at has none.
async fn mark_of(files: &CertificateFiles) -> Option<[Option<Mark>; 2]> {
    let paths = [files.certificate.clone(), files.key.clone()];
    let looked = tokio::task::spawn_blocking(move || paths.map(|path| mark(&path)));
    looked.await.ok()
}

fn mark(path: &Path) -> Option<Mark> {
    let found = std::fs::metadata(path).ok()?;
    Some((
        found.ino(),
        found.size(),
        found.mtime().saturating_mul(1_000_000_000) + found.mtime_nsec(),
        found.ctime().saturating_mul(1_000_000_000) + found.ctime_nsec(),
    ))
}
