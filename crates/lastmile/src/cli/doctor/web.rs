//! The web listener: its certificate, and whether a server answers.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::time::Timestamp;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::super::loopback;
use super::Check;
use super::ports::refused;
use crate::app::App;
use crate::certificate::fingerprint::Fingerprint;
use crate::certificate::{Certificate, CertificateError, Term, issued, pinned, self_signed};
use crate::config::{AcmeConfig, CertificateFiles, HttpConfig, Protection};
use crate::exit::ErrorChain;

const PORT: &str = "http port";
const CERTIFICATE: &str = "http certificate";

const ANSWER_WAIT: Duration = Duration::from_secs(2);
const ANSWER_OCTETS_MAX: usize = 1_024;

pub(super) async fn check(app: &App, checks: &mut Vec<Check>) {
    let http = &app.config.http;
    let (certificate, found) = certificate(app);
    checks.push(certificate);
    // A server shows its own certificate while the one that was asked for cannot be used.
    let stopgap = Certificate::from_files(&self_signed::files(&app.config.data_dir)).ok();
    let known: Vec<_> = [found, stopgap]
        .iter()
        .flatten()
        .filter_map(|certificate| certificate.leaf().cloned())
        .collect();
    checks.push(port(http, known).await);
}

/// How the certificate stands, and itself, if there is one.
fn certificate(app: &App) -> (Check, Option<Certificate>) {
    let (http, data_dir) = (&app.config.http, &app.config.data_dir);
    match &http.protection {
        Protection::Plain => (plain(http.listen), None),
        Protection::SelfSigned => {
            let files = self_signed::files(data_dir);
            judge(Certificate::from_files(&files), http, app.now(), |_| {
                Check::ok(CERTIFICATE, "none yet: the server makes one when it starts")
            })
        }
        Protection::Files(files) => {
            let (check, found) = judge(
                Certificate::from_files(files),
                http,
                app.now(),
                |problem| {
                    Check::fail(
                        CERTIFICATE,
                        ErrorChain(&problem).to_string(),
                        "correct http.certificate and http.key; a running server takes what is there within 5 s",
                    )
                },
            );
            match (is_open(&files.key), found) {
                (true, Some(found)) => (open_key(files), Some(found)),
                (_, found) => (check, found),
            }
        }
        Protection::Acme(wanted) => acme(app, wanted),
    }
}

fn plain(listen: SocketAddr) -> Check {
    if listen.ip().to_canonical().is_loopback() {
        return Check::ok(
            CERTIFICATE,
            "none: only this machine reaches the web listener",
        );
    }
    Check::warn(
        CERTIFICATE,
        format!("plain HTTP on {listen} (http.plain): passwords and tokens can be read along"),
        "remove http.plain, unless something in front of the server protects it",
    )
}

fn acme(app: &App, wanted: &AcmeConfig) -> (Check, Option<Certificate>) {
    let path = issued::certificate_path(&app.config.data_dir, wanted);
    let files = CertificateFiles {
        certificate: path.clone(),
        key: path,
    };
    judge(
        Certificate::from_files(&files),
        &app.config.http,
        app.now(),
        |problem| {
            Check::warn(
                CERTIFICATE,
                format!(
                    "none from {} yet: {}",
                    wanted.directory,
                    ErrorChain(&problem)
                ),
                "a running server asks for it: its log, and `web` in /readyz, say what the authority answers",
            )
        },
    )
}

/// Judges one by its term and its names; `missing` says what it means that there is none.
fn judge(
    read: Result<Certificate, CertificateError>,
    http: &HttpConfig,
    now: Timestamp,
    missing: impl Fn(CertificateError) -> Check,
) -> (Check, Option<Certificate>) {
    let certificate = match read {
        Ok(certificate) => certificate,
        Err(problem) => return (missing(problem), None),
    };
    let about = &certificate.about;
    let end = about.not_after;
    let remedy = match http.protection {
        Protection::Plain | Protection::Files(_) => {
            "renew it: a running server takes it within 5 s"
        }
        Protection::SelfSigned => "start the server: it makes another one",
        Protection::Acme(_) => {
            "a running server renews it: its log, and `web` in /readyz, say why it does not"
        }
    };
    let uncovered = http.names.iter().find(|name| !certificate.covers(name));
    let check = match (about.term(now), uncovered) {
        (Term::Ended, _) => Check::fail(CERTIFICATE, format!("it ended at {end}"), remedy),
        (Term::Early, _) => Check::fail(
            CERTIFICATE,
            format!("it holds from {} only", about.not_before),
            "set the clock right, or wait",
        ),
        (Term::Ending, _) => Check::warn(CERTIFICATE, format!("it ends at {end}"), remedy),
        (Term::Valid, Some(name)) => Check::warn(
            CERTIFICATE,
            format!("it is not for {name}, but for {}", about.names.join(", ")),
            "correct http.names, or have a certificate made for it",
        ),
        (Term::Valid, None) => Check::ok(
            CERTIFICATE,
            format!(
                "for {}, until {end}, SHA-256 {}",
                about.names.join(", "),
                about.fingerprint
            ),
        ),
    };
    (check, Some(certificate))
}

/// Whether others can read a key.
fn is_open(key: &Path) -> bool {
    std::fs::metadata(key).is_ok_and(|found| found.mode() & 0o004 != 0)
}

fn open_key(files: &CertificateFiles) -> Check {
    let key = files.key.display();
    Check::warn(
        CERTIFICATE,
        format!("everybody on this machine can read its key {key}"),
        format!("chmod o-rwx {key}"),
    )
}

async fn port(http: &HttpConfig, known: Vec<CertificateDer<'static>>) -> Check {
    let listener = http.listen;
    let Some(server) = loopback::reachable(listener) else {
        return Check::ok(PORT, "chosen by the system when the server starts");
    };
    match TcpListener::bind(listener) {
        Ok(_) => Check::ok(PORT, format!("{listener} is free: no server runs there")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let asked = ask(http, server, known);
            match tokio::time::timeout(ANSWER_WAIT, asked).await {
                Ok(Ok(status)) if status.contains(" 200 ") => {
                    Check::ok(PORT, format!("a healthy server answers on {server}"))
                }
                Ok(Ok(status)) => Check::warn(
                    PORT,
                    format!("{server} answers: {status}"),
                    "the server's log says what is wrong; or another program has the port: ss -ltnp shows it",
                ),
                Ok(Err(problem)) => unanswered(server, &format!(": {problem}")),
                Err(_) => unanswered(server, ""),
            }
        }
        Err(error) => refused(PORT, listener, &error),
    }
}

fn unanswered(server: SocketAddr, why: &str) -> Check {
    Check::fail(
        PORT,
        format!("{server} is in use and does not answer as this configuration says{why}"),
        "restart the server if the configuration was changed; or another program has the port: ss -ltnp shows it; or choose another http.listen",
    )
}

/// The first line of the answer to a request for `/healthz`.
async fn ask(
    http: &HttpConfig,
    server: SocketAddr,
    known: Vec<CertificateDer<'static>>,
) -> io::Result<String> {
    let stream = TcpStream::connect(server).await?;
    if http.protection == Protection::Plain {
        return ask_health(stream, server).await;
    }
    let config =
        pinned::client(known.iter().map(Fingerprint::of).collect()).map_err(io::Error::other)?;
    let name = ServerName::from(server.ip());
    let connector = TlsConnector::from(Arc::new(config));
    ask_health(connector.connect(name, stream).await?, server).await
}

async fn ask_health(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    server: SocketAddr,
) -> io::Result<String> {
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = vec![0; ANSWER_OCTETS_MAX];
    let mut filled = 0;
    while filled < answer.len() && !answer[..filled].contains(&b'\n') {
        let count = stream.read(&mut answer[filled..]).await?;
        if count == 0 {
            break;
        }
        filled += count;
    }
    let text = String::from_utf8_lossy(&answer[..filled]);
    let line = text.lines().next().unwrap_or_default();
    Ok(format!(
        "{} ",
        line.chars()
            .filter(|char| !char.is_control())
            .collect::<String>()
    ))
}

#[cfg(test)]
mod tests {
    use super::super::Health;
    use super::*;
    use crate::certificate::tests::pair;

    #[track_caller]
    fn check(names: &[&str], now: &str, expected: (Health, &str)) {
        let http = HttpConfig {
            listen: "0.0.0.0:8443".parse().unwrap(),
            protection: Protection::SelfSigned,
            names: names.iter().map(|&name| name.to_owned()).collect(),
            redirect_listen: None,
            connections_max: 1,
            connections_per_address_max: 1,
            trusted_proxies: Vec::new(),
        };
        let (chain, key) = pair(&["aaa.example.net"]);
        let read = Certificate::from_pem(chain.as_bytes(), key.as_bytes());
        let (check, found) = judge(read, &http, now.parse().unwrap(), |problem| {
            Check::ok(CERTIFICATE, problem.to_string())
        });
        assert!(found.is_some());
        assert_eq!(check.status, expected.0, "{check:?}");
        assert!(check.found.contains(expected.1), "{check:?}");
    }

    #[test]
    fn a_certificate_is_judged_by_its_end_and_its_names() {
        check(&[], "2030-02-01", (Health::Ok, "SHA-256"));
        check(&["aaa.example.net"], "2030-02-01", (Health::Ok, "until"));
        check(
            &["b.example"],
            "2030-02-01",
            (Health::Warn, "not for b.example"),
        );
        check(&[], "2030-03-20", (Health::Warn, "it ends at 2030-04-01"));
        check(&[], "2030-04-02", (Health::Fail, "it ended"));
        check(&[], "2029-04-02", (Health::Fail, "it holds from"));
    }

    #[test]
    fn plain_http_is_told_where_others_can_read_along() {
        let status = |listen: &str| plain(listen.parse().unwrap()).status;
        assert_eq!(status("127.0.0.1:8080"), Health::Ok);
        assert_eq!(status("[::1]:8080"), Health::Ok);
        assert_eq!(status("0.0.0.0:8080"), Health::Warn);
    }
}
