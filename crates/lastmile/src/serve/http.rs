//! The web listener: health, readiness and metrics.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{error, info};

use super::health::{Health, Status};
use super::metrics;

/// How often an address in use is tried again.
const BIND_RETRY: Duration = Duration::from_secs(5);

/// Serves HTTP for ever. An address that cannot be had is tried again: routers are answered in the
/// meantime.
pub(super) async fn run(
    address: SocketAddr,
    health: Health,
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
        .with_state(health);
    if let Err(problem) = axum::serve(listener, router).await {
        error!(%problem, "The web listener failed");
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
    match metrics::render(health.node, room, health.removed) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
