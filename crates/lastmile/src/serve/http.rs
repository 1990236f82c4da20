//! The web listener: health, readiness and metrics.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use api::state::Peer;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{error, info};

use super::health::{Health, Status};
use super::metrics;

/// How often an address in use is tried again.
const BIND_RETRY: Duration = Duration::from_secs(5);

/// Connections at a time; one more is closed at once.
const CONNECTIONS_MAX: usize = 64;

/// How long a client may take for the head of a request, and be silent between two.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection lives, and how long its last answer may take after that.
const CONNECTION_LIFE: Duration = Duration::from_secs(300);
const LAST_ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// The most that the head of a request may take.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Wait before the next connection is taken after the system refused one.
const ACCEPT_RETRY: Duration = Duration::from_secs(1);

/// What became of connections.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    refused: AtomicU64,
}

impl Traffic {
    /// Connections that were closed at once because there were too many.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

/// Serves HTTP for ever. An address that cannot be had is tried again: routers are answered in the
/// meantime.
pub(super) async fn run(
    address: SocketAddr,
    health: Health,
    api: Router,
    report: watch::Sender<Option<SocketAddr>>,
) {
    let listener = bind(address).await;
    match listener.local_addr() {
        Ok(bound) => report.send_replace(Some(bound)),
        Err(_) => report.send_replace(Some(address)),
    };
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_text))
        .with_state(health.clone())
        .merge(api);
    accept_all(&listener, &router, &health.process.traffic).await;
}

/// Serves each connection beside the others, within their limits.
async fn accept_all(listener: &TcpListener, router: &Router, traffic: &Traffic) {
    let mut connections = JoinSet::new();
    let mut is_failing = false;
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
            Ok(_) if CONNECTIONS_MAX <= connections.len() => {
                traffic.refused.fetch_add(1, Relaxed);
            }
            Ok((stream, peer)) => {
                let peer = Peer {
                    address: peer.ip(),
                    is_encrypted: false,
                };
                let router = router.clone().layer(Extension(peer));
                connections.spawn(serve_connection(stream, router));
                is_failing = false;
            }
            Err(problem) if is_of_the_client(&problem) => {}
            Err(problem) => {
                if !is_failing {
                    error!(%problem, "The web listener cannot take connections; RADIUS goes on without it");
                }
                is_failing = true;
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
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

/// Answers a client until it leaves or has had its time. What went wrong is the client's to see.
async fn serve_connection(stream: TcpStream, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    if timeout(CONNECTION_LIFE, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(LAST_ANSWER_PATIENCE, connection).await;
    }
}

async fn bind(address: SocketAddr) -> TcpListener {
    let mut is_failing = false;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => {
                if is_failing {
                    info!("Listening on {address} (http.listen) now");
                }
                return listener;
            }
            Err(problem) => {
                if !is_failing {
                    error!(
                        "cannot listen on {address} (http.listen): {problem}; RADIUS goes on without it"
                    );
                }
                is_failing = true;
                tokio::time::sleep(BIND_RETRY).await;
            }
        }
    }
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(health): State<Health>) -> Response {
    let readiness = health.readiness().await;
    let code = match readiness.status {
        Status::Ready => StatusCode::OK,
        Status::Degraded => StatusCode::SERVICE_UNAVAILABLE,
    };
    (code, Json(readiness)).into_response()
}

async fn metrics_text(State(health): State<Health>) -> Response {
    let room = health.disk.room().await.ok();
    let Health {
        process,
        node,
        removed,
        worker,
        ..
    } = health;
    match metrics::render(process, node, room, removed, worker) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
