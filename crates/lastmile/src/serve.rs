//! `lastmile serve`: starts everything, says when it is ready, and stops in order.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aaa::node::Node;
use api::state::ApiOptions;
use axum::Router;
use services::plan_schedule;
use services::statistics::Statistics;
use services::worker::Worker;
use services::worker::counts::WorkerCounts;
use storage::error::StoreError;
use storage::spool::SpoolError;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{debug, error, info, warn};

use crate::app::{self, App, Beginning};
use crate::config::{LogFormat, Role, Setting};
use crate::disk::Disk;
use crate::first_owner;
use crate::late_store::LateStore;
use crate::serve::events::Events;
use crate::serve::health::{Health, ProcessView};
use crate::serve::node::Footing;
use crate::serve::program::RunningProgram;
use crate::supervisor::{Supervisor, TaskError};
use crate::wiring::lint::RowLinter;
use crate::wiring::routers::NodeRouters;

mod events;
mod health;
mod housekeeping;
mod http;
mod metrics;
mod node;
mod notify;
mod offline;
pub(crate) mod program;
mod reconcilers;

/// How long the web listener is waited for before the program says that it is ready.
const HTTP_PATIENCE: Duration = Duration::from_secs(2);

/// Requests that one caller of the interface may send in a second.
const REQUESTS_PER_SECOND: u32 = 1_000;

/// How long connections are waited for at the end.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// Why the server did not start or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] app::StartError),
    /// The change feed could not be opened.
    #[error("the change feed could not be opened")]
    Feed(#[source] StoreError),
    /// The accounting spool could not be opened.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The node could not be started.
    #[error(transparent)]
    Node(#[from] aaa::node::StartError),
    /// The system refused signal handlers.
    #[error("signals could not be handled")]
    Signal(#[source] io::Error),
    /// Something essential ended.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The system refused to wait for the workers.
    #[error("the packet workers could not be waited for")]
    Join(#[source] tokio::task::JoinError),
}

impl ServeError {
    /// Whether the database went away while the server started.
    fn is_outage(&self) -> bool {
        match self {
            Self::Store(problem) => problem.is_outage(),
            Self::Feed(problem) => problem.is_outage(),
            Self::Node(aaa::node::StartError::Load(problem)) => problem.is_outage(),
            Self::Spool(_) | Self::Node(_) | Self::Signal(_) | Self::Task(_) | Self::Join(_) => {
                false
            }
        }
    }
}

/// Serves until SIGTERM or SIGINT.
#[expect(clippy::too_many_lines, reason = "what starts and stops, in its order")]
pub async fn run(app: &App, settings: Vec<Setting>) -> Result<(), ServeError> {
    let mut signals = Signals::new().map_err(ServeError::Signal)?;
    let notifier = notify::Notifier::new(&app.config.service);
    let place = app.database_place().map_err(app::StartError::from)?;
    let footing = Footing::find(app).await?;
    let store = footing.store.clone();
    let beginning = footing.beginning;
    let mut supervisor = Supervisor::new();
    let events = Events::new(app, &store);
    let mut node = match app.config.roles.contains(&Role::Aaa) {
        true => Some(node::start(app, footing, events.teller(), &mut supervisor).await?),
        false => None,
    };
    let view = node.as_ref().map(|(node, _)| node);
    events.start(app, view, &mut supervisor);
    let is_worker = app.config.roles.contains(&Role::Worker);
    // Who speaks with routers is the node.
    let worker = view
        .filter(|_| is_worker)
        .map(|node| start_worker(app, &store, node, &mut supervisor));
    if is_worker {
        start_plan_schedule(&store, &mut supervisor);
    }
    let removed = match is_worker {
        true => Some(housekeeping::start(app, &store, &mut supervisor)),
        false => None,
    };
    start_first_owner(app, &store, &mut supervisor);
    reconcilers::start((view, is_worker), &store, &mut supervisor);
    if is_worker {
        start_statistics(app, &store, &mut supervisor);
    }
    let health = Health::new(
        store.clone(),
        Disk::new(&app.config.data_dir),
        ProcessView::new(app, &supervisor),
        view,
        removed,
        (worker, events.view()),
    );
    let program = Arc::new(RunningProgram::new(app, &store, &health, settings));
    let api = router(app, &store, (program, &events));
    let http = start_http(app, (&health, api), &mut supervisor).await;
    say_ready(app, &place, view, (health.process.web.protocol(), http));
    if beginning == Beginning::First {
        say_next_steps(app.config.log.format, &app.config.data_dir);
    }
    notifier.ready();
    if let Some(every) = notifier.watchdog() {
        let notifier = notifier.clone();
        supervisor.start_restarting("watchdog", move || notifier.clone().keep_alive(every));
    }
    let outcome = until_told(&mut signals, &mut supervisor).await;
    notifier.stopping();
    if let Some((node, keeper)) = node.take() {
        node::stop(node).await?;
        if outcome.is_ok() {
            supervisor.finish().await?;
        }
        keeper.finish().await;
    }
    // SQLite folds its journal into the file when the last connection goes.
    let close = async {
        supervisor.shutdown().await;
        events.finish().await;
        release_jobs(&store).await;
        store.close().await;
    };
    if tokio::time::timeout(CLOSE_PATIENCE, close).await.is_err() {
        info!("Left database connections open");
    }
    info!("Stopped");
    outcome
}

/// Starts to look after the password of the first owner, as soon as there is a store.
fn start_first_owner(app: &App, store: &LateStore, supervisor: &mut Supervisor) {
    let (store, data_dir) = (store.clone(), app.config.data_dir.clone());
    supervisor.start_restarting("first owner", move || {
        let (store, data_dir) = (store.clone(), data_dir.clone());
        async move { first_owner::keep(&data_dir, store.wait().await).await }
    });
}

/// Serves until a signal, or until something essential ends.
async fn until_told(signals: &mut Signals, supervisor: &mut Supervisor) -> Result<(), ServeError> {
    tokio::select! {
        name = signals.next() => {
            info!("Stopping on {name}");
            Ok(())
        }
        problem = supervisor.watch() => {
            error!(error = &problem as &dyn std::error::Error, "Stopping because a task ended");
            Err(ServeError::Task(problem))
        }
    }
}

/// Starts to keep what dashboards show, as soon as there is a store.
fn start_statistics(app: &App, store: &LateStore, supervisor: &mut Supervisor) {
    let (store, clock) = (store.clone(), Arc::clone(&app.clock));
    supervisor.start_restarting("statistics", move || {
        let (store, clock) = (store.clone(), Arc::clone(&clock));
        async move {
            let statistics = Statistics {
                store: store.wait().await.clone(),
                clock,
            };
            statistics.run().await
        }
    });
}

/// Starts to carry out session commands, as soon as there is a store, and gives what it counts.
fn start_worker(
    app: &App,
    store: &LateStore,
    node: &Node,
    supervisor: &mut Supervisor,
) -> Arc<WorkerCounts> {
    let counts = Arc::new(WorkerCounts::default());
    let routers = Arc::new(NodeRouters::new(node.sender.clone(), node.rights.clone()));
    let (store, clock, counted) = (store.clone(), Arc::clone(&app.clock), Arc::clone(&counts));
    supervisor.start_restarting("session commands", move || {
        let (store, clock) = (store.clone(), Arc::clone(&clock));
        let (routers, counts) = (Arc::clone(&routers), Arc::clone(&counted));
        async move {
            let worker = Worker {
                store: store.wait().await.clone(),
                routers,
                clock,
                counts,
            };
            worker.run().await
        }
    });
    counts
}

/// Starts to make the changes of plans whose time comes, as soon as there is a store.
fn start_plan_schedule(store: &LateStore, supervisor: &mut Supervisor) {
    let store = store.clone();
    supervisor.start_restarting("scheduled plan changes", move || {
        let store = store.clone();
        async move { plan_schedule::run(store.wait().await.clone()).await }
    });
}

/// Lets go what was under way, so that whoever comes next need not wait for it.
async fn release_jobs(store: &LateStore) {
    let Some(store) = store.find() else {
        return;
    };
    match store.job_release().await {
        Ok(count) => debug!(count, "Let go of what was under way at routers"),
        Err(problem) => warn!(
            error = &problem as &dyn std::error::Error,
            "What was under way at routers is taken up again in a minute"
        ),
    }
    if let Err(problem) = store.schedule_release().await {
        warn!(
            error = &problem as &dyn std::error::Error,
            "Schedules that were running are taken up again in a minute"
        );
    }
}

/// The interface over the store, which may come later. Without its role it has no routes.
fn router(
    app: &App,
    store: &LateStore,
    (program, events): (Arc<RunningProgram>, &Events),
) -> Router {
    if !app.config.roles.contains(&Role::Api) {
        return Router::new();
    }
    let store = store.clone();
    api::router::router(ApiOptions {
        store: Arc::new(move || store.find().cloned()),
        clock: Arc::clone(&app.clock),
        program,
        requests_per_second: REQUESTS_PER_SECOND,
        rows: Arc::new(RowLinter::default()),
        events: events.hub().clone(),
        webhooks: events.client(),
        reach: app.config.webhook_reach,
    })
}

/// Starts the web listener and waits a moment for its address. AAA goes on without it.
async fn start_http(
    app: &App,
    (health, api): (&Health, Router),
    supervisor: &mut Supervisor,
) -> Option<SocketAddr> {
    let mut listening = http::start(app, (health, api), supervisor);
    let bound = listening.wait_for(Option::is_some);
    match tokio::time::timeout(HTTP_PATIENCE, bound).await {
        Ok(Ok(address)) => *address,
        Ok(Err(_)) | Err(_) => None,
    }
}

fn say_ready(
    app: &App,
    place: &str,
    node: Option<&Node>,
    (protocol, http): (&str, Option<SocketAddr>),
) {
    let auth = node.map(|node| list(&node.auth)).unwrap_or_default();
    let acct = node.map(|node| list(&node.acct)).unwrap_or_default();
    let http = http.map(|address| address.to_string()).unwrap_or_default();
    let relay = node.and_then(|node| node.relay);
    let relay = relay.map(|address| address.to_string()).unwrap_or_default();
    info!(
        radius.auth = %auth,
        radius.acct = %acct,
        radius.relay = %relay,
        http.listen = %http,
        radius.workers = app.config.radius.workers,
        database = place,
        version = env!("CARGO_PKG_VERSION"),
        "Ready: RADIUS authentication on {auth}, accounting on {acct}, {protocol} on {http}"
    );
}

fn list(addresses: &[SocketAddr]) -> String {
    let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    texts.join(",")
}

/// What a new operator does next.
fn say_next_steps(format: LogFormat, data_dir: &Path) {
    let command = format!(
        "{} --data-dir {}",
        shell_word(&program_name()),
        shell_word(&data_dir.to_string_lossy())
    );
    let steps = [
        format!("{command} nas add router-1 --address 192.0.2.1"),
        format!("{command} plan add Home --rate 25M/50M"),
        format!("{command} subscriber add ana --password - --plan Home"),
    ];
    match format {
        LogFormat::Json => {
            info!(steps = %steps.join("; "), "This is a new installation; do this next");
        }
        LogFormat::Text => print_steps(&steps),
    }
}

/// The program as it was called: it need not be on the search path.
fn program_name() -> String {
    std::env::args_os().next().map_or_else(
        || "lastmile".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// A word that a shell takes as it is.
fn shell_word(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[expect(
    clippy::print_stderr,
    reason = "guidance for the person at the terminal, not an event"
)]
fn print_steps(steps: &[String; 3]) {
    eprintln!();
    eprintln!("This is a new installation. Next, in another terminal:");
    for (number, step) in steps.iter().enumerate() {
        eprintln!("  {}. {step}", number + 1);
    }
    eprintln!();
}

/// The signals that end the program.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_steps_can_be_pasted() {
        for (word, expected) in [
            ("./data", "./data"),
            ("my data", "'my data'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(word), expected);
        }
    }
}
