//! Takes connections, and serves each beside the others within its limits.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;
use tracing::{debug, error, info};

use super::client::Connection;
use super::patience::{Patient, PatientBody};
use super::seats::{Seat, Seats};
use super::tls::{Arrival, Tls};
use super::trouble::Trouble;

/// How often an address in use is tried again.
const BIND_RETRY: Duration = Duration::from_secs(5);

/// Connections that wait to be taken: as many as come at once when everybody comes again.
const WAITING_MAX: u32 = 4_096;

/// How long a client may take for the head of a request, and be silent between two.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection takes new requests; an answer that has begun goes on.
const CONNECTION_LIFE: Duration = Duration::from_secs(300);

/// The most that the head of a request may take.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Wait before the next connection is taken after the system refused one.
const ACCEPT_RETRY: Duration = Duration::from_secs(1);

/// A client that is silent is asked by the kernel whether it is there, and given up when it is not.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 4;

/// What is served at an address, and within which limits.
#[derive(Clone)]
pub(super) struct Site {
    /// The setting that has the address.
    pub(super) key: &'static str,
    pub(super) router: Router,
    /// What protects it; nothing on a plain listener.
    pub(super) tls: Option<Tls>,
    pub(super) seats: Arc<Seats>,
    pub(super) proxies: Arc<[IpNet]>,
    /// Why nobody is served.
    pub(super) trouble: Arc<Trouble>,
}

impl Site {
    /// Listens at an address. One that cannot be had is tried again: routers are answered in the
    /// meantime.
    pub(super) async fn bind(&self, address: SocketAddr) -> TcpListener {
        let key = self.key;
        loop {
            match listen(address) {
                Ok(listener) => {
                    if self.trouble.end() {
                        info!("Listening on {address} ({key}) now");
                    }
                    return listener;
                }
                Err(problem) => {
                    self.complain(&format!("cannot listen on {address} ({key}): {problem}"));
                    sleep(BIND_RETRY).await;
                }
            }
        }
    }

    /// Serves for ever.
    pub(super) async fn accept_all(&self, listener: &TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(ended) = connections.join_next() => {
                    if let Err(problem) = ended {
                        error!(%problem, "A web connection panicked");
                    }
                    continue;
                }
            };
            match accepted {
                Ok((stream, address)) => {
                    self.trouble.end();
                    // Without a seat it is closed at once.
                    if let Some(seat) = self.seats.take(address.ip()) {
                        connections.spawn(self.clone().serve(stream, address, seat));
                    }
                }
                Err(problem) if is_of_the_client(&problem) => {}
                Err(problem) => {
                    let key = self.key;
                    self.complain(&format!("cannot take connections ({key}): {problem}"));
                    sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }

    /// Answers a client until it leaves or has had its time. What went wrong is the client's to see.
    async fn serve(self, stream: TcpStream, address: SocketAddr, seat: Seat) {
        if let Err(problem) = prepare(&stream) {
            debug!(%problem, "A web connection was gone before it was served");
            return;
        }
        let from = |is_encrypted| Connection {
            address: address.ip(),
            is_encrypted,
        };
        let Some(tls) = self.tls else {
            let stream = Patient::new(stream, seat);
            return talk(stream, self.router, from(false), self.proxies).await;
        };
        match tls.receive(stream, seat).await {
            Arrival::Protected(stream) => {
                talk(*stream, self.router, from(true), self.proxies).await;
            }
            Arrival::Plain(stream) => {
                talk(stream, tls.for_plain, from(false), self.proxies).await;
            }
            Arrival::Gone => {}
        }
    }

    fn complain(&self, why: &str) {
        if self.trouble.begin(why) {
            error!("{why}; RADIUS goes on without it");
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Connections of a server that was stopped do not keep the address from the next one.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING_MAX)
}

/// Whether a connection was gone before it was taken.
fn is_of_the_client(problem: &io::Error) -> bool {
    matches!(
        problem.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// Small answers are sent at once, and a client that has vanished is noticed.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_PROBES)?;
    Ok(())
}

/// Answers requests on a connection, which may become something else than HTTP.
async fn talk<S>(stream: S, router: Router, from: Connection, proxies: Arc<[IpNet]>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (mut head, body) = request.into_parts();
        let client = from.client(&head.headers, &proxies);
        head.extensions.insert(client);
        let body = Body::new(PatientBody::new(body));
        router.clone().oneshot(Request::from_parts(head, body))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    if timeout(CONNECTION_LIFE, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        // What has begun goes on for as long as the client takes it.
        let _ = connection.await;
    }
}

#[cfg(test)]
mod tests;
