//! The handshake: what a client is shown, and what becomes of one that speaks plain HTTP instead.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use axum::Router;
use rustls::ServerConfig;
use rustls::server::{Acceptor, ResolvesServerCert};
use rustls_acme::is_tls_alpn_challenge;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};
use tracing::debug;

use super::patience::Patient;
use super::seats::Seat;
use super::shown::Shown;
use crate::certificate::provider;

/// How long a handshake may take.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

/// What is spoken inside; a client that speaks nothing of it is turned away.
const HTTP: &[u8] = b"http/1.1";

/// What an authority asks for when it looks whether a name is ours (RFC 8737 §3).
const CHALLENGE: &[u8] = b"acme-tls/1";

/// What a listener with TLS needs.
#[derive(Clone)]
pub(super) struct Tls {
    config: Arc<ServerConfig>,
    shown: Arc<Shown>,
    failed: Arc<AtomicU64>,
    /// Answers those who speak plain HTTP to it.
    pub(super) for_plain: Router,
}

/// What came of a connection.
pub(super) enum Arrival {
    Protected(Box<TlsStream<Patient<TcpStream>>>),
    Plain(Patient<TcpStream>),
    Gone,
}

impl Tls {
    pub(super) fn new(
        shown: Arc<Shown>,
        failed: Arc<AtomicU64>,
        for_plain: Router,
    ) -> Result<Self, rustls::Error> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Shown>::clone(&shown);
        Ok(Self {
            config: config(resolver, HTTP)?,
            shown,
            failed,
            for_plain,
        })
    }

    /// Shakes hands, within a time.
    pub(super) async fn receive(&self, stream: TcpStream, seat: Seat) -> Arrival {
        let deadline = Instant::now() + HANDSHAKE_PATIENCE;
        let arrival = async {
            let first = first_octet(&stream).await?;
            let stream = Patient::new(stream, seat);
            match first {
                // Who only looks whether the port is open has not failed.
                None => Ok(Arrival::Gone),
                Some(letter) if letter.is_ascii_uppercase() => Ok(Arrival::Plain(stream)),
                Some(_) => self.shake_hands(stream).await,
            }
        };
        let problem = match timeout_at(deadline, arrival).await {
            Ok(Ok(arrival)) => return arrival,
            Ok(Err(problem)) => problem,
            Err(late) => late.into(),
        };
        self.failed.fetch_add(1, Relaxed);
        debug!(%problem, "A TLS handshake failed");
        Arrival::Gone
    }

    async fn shake_hands(&self, stream: Patient<TcpStream>) -> io::Result<Arrival> {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        if is_tls_alpn_challenge(&start.client_hello()) {
            return self.answer_challenge(start).await;
        }
        let stream = start.into_stream(Arc::clone(&self.config)).await?;
        Ok(Arrival::Protected(Box::new(stream)))
    }

    /// Shows the authority what it wants to see; nothing else is said on such a connection.
    async fn answer_challenge(
        &self,
        start: StartHandshake<Patient<TcpStream>>,
    ) -> io::Result<Arrival> {
        let challenges = self.shown.challenges();
        let challenges = challenges.ok_or_else(|| io::Error::other("no challenge is expected"))?;
        let config = config(challenges, CHALLENGE).map_err(io::Error::other)?;
        start.into_stream(config).await?;
        Ok(Arrival::Gone)
    }
}

fn config(
    certificates: Arc<dyn ResolvesServerCert>,
    protocol: &[u8],
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(Arc::new(config))
}

/// What a client begins with, which stays to be read: a handshake, or the letter of a method.
async fn first_octet(stream: &TcpStream) -> io::Result<Option<u8>> {
    let mut first = [0];
    let count = stream.peek(&mut first).await?;
    Ok((count == first.len()).then_some(first[0]))
}
