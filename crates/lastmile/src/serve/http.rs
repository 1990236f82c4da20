//! The web listener: what is served, where, and behind which certificate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use domain::time::Timestamp;
use storage::clock::Clock;
use tokio::sync::watch;
use tracing::{error, warn};

use self::certificates::Keeper;
use self::listener::Site;
use self::seats::Seats;
use self::shown::Shown;
use self::tls::Tls;
use self::trouble::Trouble;
use super::health::{Health, Status};
use super::metrics;
use crate::app::App;
use crate::config::{HttpConfig, Protection};
use crate::supervisor::Supervisor;

mod acme;
mod certificates;
mod client;
mod descriptors;
mod headers;
mod listener;
mod patience;
mod redirect;
mod seats;
mod shown;
mod tls;
mod trouble;

/// Connections of those who are only led to HTTPS.
const REDIRECTED_MAX: usize = 128;
const REDIRECTED_PER_ADDRESS_MAX: usize = 16;

/// The web side as others see it.
#[derive(Clone)]
pub(super) struct Web {
    config: Arc<HttpConfig>,
    clock: Clock,
    shown: Arc<Shown>,
    seats: Arc<Seats>,
    redirected: Arc<Seats>,
    failed_handshakes: Arc<AtomicU64>,
    listening: Arc<Trouble>,
    redirecting: Arc<Trouble>,
}

impl Web {
    pub(super) fn new(app: &App) -> Self {
        let config = Arc::new(app.config.http.clone());
        let seats = |in_all, of_one| {
            let shared = config.trusted_proxies.clone();
            Arc::new(Seats::new(in_all, of_one, shared))
        };
        let connections = descriptors::connections(config.connections_max);
        Self {
            seats: seats(connections, config.connections_per_address_max),
            redirected: seats(REDIRECTED_MAX, REDIRECTED_PER_ADDRESS_MAX),
            config,
            clock: Arc::clone(&app.clock),
            shown: Arc::default(),
            failed_handshakes: Arc::default(),
            listening: Arc::default(),
            redirecting: Arc::default(),
        }
    }

    /// Connections that were closed at once because there were too many.
    pub(super) fn refused(&self) -> u64 {
        self.seats.refused() + self.redirected.refused()
    }

    /// Connections that are open.
    pub(super) fn connections(&self) -> usize {
        self.seats.taken() + self.redirected.taken()
    }

    /// Handshakes that came to nothing.
    pub(super) fn failed_handshakes(&self) -> u64 {
        self.failed_handshakes.load(Relaxed)
    }

    /// When the certificate that is shown ends; nothing without TLS.
    pub(super) fn certificate_end(&self) -> Option<Timestamp> {
        self.shown.not_after()
    }

    /// What does not work.
    pub(super) fn trouble(&self) -> Option<String> {
        let listening = self.listening.find().or_else(|| self.redirecting.find());
        listening.or_else(|| self.shown.trouble((self.clock)()))
    }

    /// What is spoken at `http.listen`.
    pub(super) fn protocol(&self) -> &'static str {
        match self.config.protection {
            Protection::Plain => "HTTP",
            Protection::SelfSigned | Protection::Files(_) | Protection::Acme(_) => "HTTPS",
        }
    }
}

/// Starts everything of the web side, and gives where it listens as soon as it does. AAA goes on
/// without it.
pub(super) fn start(
    app: &App,
    (health, api): (&Health, Router),
    supervisor: &mut Supervisor,
) -> watch::Receiver<Option<SocketAddr>> {
    let web = &health.process.web;
    tell_if_public(&web.config);
    let keeper = Keeper {
        data_dir: app.config.data_dir.clone(),
        http: app.config.http.clone(),
        clock: Arc::clone(&app.clock),
        shown: Arc::clone(&web.shown),
    };
    supervisor.start_restarting("http certificate", move || keeper.clone().run());
    let (report, listening) = watch::channel(None);
    if let Some(address) = web.config.redirect_listen {
        let (web, target) = (web.clone(), listening.clone());
        supervisor.start_restarting("http redirect", move || {
            run_redirect(address, web.clone(), target.clone())
        });
    }
    let (web, router) = (web.clone(), router(health, api));
    supervisor.start_restarting("http", move || {
        run(web.clone(), router.clone(), report.clone())
    });
    listening
}

/// Says once a start what somebody asked for.
fn tell_if_public(config: &HttpConfig) {
    let is_public = !config.listen.ip().to_canonical().is_loopback();
    if is_public && config.protection == Protection::Plain {
        warn!(
            "Plain HTTP on {} (http.plain): passwords and tokens can be read along unless something else protects them",
            config.listen
        );
    }
}

/// Everything that is served.
fn router(health: &Health, api: Router) -> Router {
    let shown = Arc::clone(&health.process.web.shown);
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_text))
        .with_state(health.clone())
        .merge(api)
        .layer(middleware::from_fn_with_state(shown, headers::add))
}

/// Serves for ever.
async fn run(web: Web, router: Router, report: watch::Sender<Option<SocketAddr>>) {
    let mut site = Site {
        key: "http.listen",
        router,
        tls: None,
        seats: Arc::clone(&web.seats),
        proxies: web.config.trusted_proxies.clone().into(),
        trouble: Arc::clone(&web.listening),
    };
    let address = web.config.listen;
    let listener = site.bind(address).await;
    let bound = listener.local_addr().unwrap_or(address);
    if web.config.protection != Protection::Plain {
        web.shown.wait().await;
        let for_plain = redirect::router(Arc::clone(&web.shown), bound.port());
        let (shown, failed) = (Arc::clone(&web.shown), Arc::clone(&web.failed_handshakes));
        site.tls = match Tls::new(shown, failed, for_plain) {
            Ok(tls) => Some(tls),
            Err(problem) => {
                error!(%problem, "The web listener has no TLS; RADIUS goes on without it");
                return;
            }
        };
    }
    report.send_replace(Some(bound));
    site.accept_all(&listener).await;
}

/// Leads to HTTPS for ever, as soon as it is known where that is.
async fn run_redirect(
    address: SocketAddr,
    web: Web,
    mut target: watch::Receiver<Option<SocketAddr>>,
) {
    let target = match target.wait_for(Option::is_some).await {
        Ok(bound) => *bound,
        // The program ends.
        Err(_) => return,
    };
    let port = target.unwrap_or(web.config.listen).port();
    let site = Site {
        key: "http.redirect_listen",
        router: redirect::router(Arc::clone(&web.shown), port),
        tls: None,
        seats: Arc::clone(&web.redirected),
        proxies: Arc::default(),
        trouble: Arc::clone(&web.redirecting),
    };
    let listener = site.bind(address).await;
    site.accept_all(&listener).await;
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
        events,
        ..
    } = health;
    match metrics::render(process, node, room, removed, (worker, events)) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
