//! A data directory with a subscriber, certificates to try, and curl.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use testkit::process;
use testkit::server::{Program, Server};

const CURL_TIME: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(60);

/// A place where a server can be started.
pub(crate) struct Place {
    program: Program,
    files: TempDir,
}

/// What curl saw.
pub(crate) struct Answer {
    /// Its exit code; 60 is a certificate that it does not believe.
    pub(crate) code: Option<i32>,
    /// The head and the body.
    pub(crate) text: String,
}

/// Whoever signs certificates for a test.
pub(crate) struct Signer {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let files = tempfile::tempdir().expect("a temporary directory");
        let program = Program::new(env!("CARGO_BIN_EXE_lastmile"), files.path().join("data"));
        let place = Self { program, files };
        for line in [
            "nas add pop --address 127.0.0.1 --secret web-shared-secret-01",
            "plan add home --rate 25M/50M",
            "subscriber add ana --password first-pass-word --plan home",
        ] {
            place.program.done(&line.split(' ').collect::<Vec<_>>());
        }
        place
    }

    /// Sets `http.` keys.
    #[must_use]
    pub(crate) fn with(mut self, settings: &[(&str, &str)]) -> Self {
        for (key, value) in settings {
            let name = key.to_ascii_uppercase().replace('.', "__");
            self.program = self.program.with(&format!("LASTMILE_HTTP__{name}"), value);
        }
        self
    }

    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Writes a file and gives its path as text.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).expect("the directory is ours");
        path.display().to_string()
    }

    /// A router's whole life with the server: it is answered, and its accounting stored.
    #[track_caller]
    pub(crate) fn check_radius(&self, server: &Server) {
        let (auth, acct) = (server.auth.to_string(), server.acct.to_string());
        let words = "lab nas --user ana --password first-pass-word --auth";
        let mut words: Vec<_> = words.split(' ').collect();
        words.extend([auth.as_str(), "--acct", acct.as_str()]);
        let life = self.program.json(&words);
        assert_eq!(life["outcome"], "completed", "{life}");
    }

    /// One check of the doctor beside a server: its status and what it found.
    #[track_caller]
    pub(crate) fn doctor(&self, server: &Server, name: &str) -> (String, String) {
        let http = server.http.expect("it serves HTTP").to_string();
        let program = self.program.clone().with("LASTMILE_HTTP__LISTEN", &http);
        // It fails where a check fails, and says which all the same.
        let told = program.cli(&["doctor", "--output", "json"]).stdout;
        let checks: serde_json::Value = serde_json::from_str(&told).expect("it is JSON");
        let mut checks = checks.as_array().expect("a list").iter();
        let check = checks.find(|check| check["check"] == name);
        let check = check.unwrap_or_else(|| panic!("no {name} in {told}"));
        let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
        (text("status"), text("found"))
    }
}

impl Answer {
    /// Asks with curl, which shows the head of the answer too.
    pub(crate) fn of(arguments: &[&str]) -> Self {
        let mut command = Command::new("curl");
        command
            .args(["--silent", "--show-error", "--include", "--max-time", "20"])
            .args(["--noproxy", "*"])
            .args(arguments);
        let outcome = process::run(&mut command, b"", CURL_TIME);
        Self {
            code: outcome.code,
            text: outcome.stdout + &outcome.stderr,
        }
    }

    /// Asks a server by a name that leads to this machine, and believes what `root` vouches for.
    pub(crate) fn over_tls(server: &Server, name: &str, path: &str, root: &Path) -> Self {
        let port = server.http.expect("it serves HTTP").port();
        let url = format!("https://{name}:{port}{path}");
        let resolve = format!("{name}:{port}:127.0.0.1");
        let root = root.display().to_string();
        Self::of(&["--resolve", &resolve, "--cacert", &root, &url])
    }

    /// Whether it has a header, by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.text.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    #[track_caller]
    pub(crate) fn check_status(&self, status: u16) {
        let expected = format!("HTTP/1.1 {status} ");
        assert!(
            self.text.starts_with(&expected),
            "{:?}: {}",
            self.code,
            self.text
        );
    }
}

impl Signer {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("the system has random numbers");
        let mut parameters = CertificateParams::new(Vec::new()).expect("no name is bad");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // A certificate under the name of its signer is taken for a self-signed one.
        parameters
            .distinguished_name
            .push(DnType::CommonName, "root of a test");
        let root = parameters.self_signed(&key).expect("the key signs");
        Self {
            pem: root.pem(),
            issuer: Issuer::new(parameters, key),
        }
    }

    /// A certificate for a name or an address, and its key.
    pub(crate) fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("the system has random numbers");
        let parameters = CertificateParams::new(vec![name.to_owned()]).expect("a good name");
        let leaf = parameters
            .signed_by(&key, &self.issuer)
            .expect("the key signs");
        (leaf.pem(), key.serialize_pem())
    }
}

/// Tries until something holds.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(
            begun.elapsed() < PATIENCE,
            "not within {PATIENCE:?}: {what}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Lines of a log that say something.
pub(crate) fn count(server: &Server, text: &str) -> usize {
    let log = server.log();
    log.iter().filter(|line| line.contains(text)).count()
}
