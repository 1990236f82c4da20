//! Starts the node of a server on what there is, the database or a snapshot, and stops it.

use std::sync::{Arc, Mutex};

use aaa::node::{Node, NodeOptions, Ports, Tasks};
use aaa::relay::RelayOptions;
use aaa::snapshot::SnapshotKeeper;
use domain::time::Timestamp;
use services::event::telling::Teller;
use storage::spool::{Spool, SpoolLimits};
use tracing::{error, warn};

use super::ServeError;
use super::offline::{self, Snapshot};
use crate::app::{App, Beginning, StartError};
use crate::config::Role;
use crate::exit::ErrorChain;
use crate::late_store::LateStore;
use crate::relay_secret;
use crate::supervisor::Supervisor;
use crate::wiring::snapshot::{NodeSnapshot, SnapshotRegistry};
use crate::wiring::{self, NodeClock, NodeFeed, NodeSpool, NodeStore};

/// What the server stands on at its start.
pub(super) struct Footing {
    pub(super) store: LateStore,
    pub(super) beginning: Beginning,
    /// What is answered from while the database is away.
    snapshot: Option<Snapshot>,
}

impl Footing {
    /// The database, or while it is away a directory snapshot.
    pub(super) async fn find(app: &App) -> Result<Self, ServeError> {
        let problem = match app.store_prepare().await {
            Ok((store, beginning)) => {
                return Ok(Self {
                    store: LateStore::present(store),
                    beginning,
                    snapshot: None,
                });
            }
            Err(problem) => problem,
        };
        if !problem.is_outage() || !app.config.roles.contains(&Role::Aaa) {
            return Err(problem.into());
        }
        let Some(snapshot) = offline::find_snapshot(app).await else {
            return Err(problem.into());
        };
        offline::tell(app, &snapshot, &problem);
        Ok(Self {
            store: LateStore::absent(ErrorChain(&problem).to_string()),
            beginning: Beginning::Again,
            snapshot: Some(snapshot),
        })
    }
}

type NodePorts = Ports<NodeStore, NodeStore, NodeSpool, NodeStore, NodeFeed>;
pub(super) type Keeper = Arc<SnapshotKeeper<NodeSnapshot>>;

/// Starts the node from the database or from the snapshot, with its tasks.
pub(super) async fn start(
    app: &App,
    footing: Footing,
    teller: &Teller,
    supervisor: &mut Supervisor,
) -> Result<(Node, Keeper), ServeError> {
    let radius = &app.config.radius;
    let options = NodeOptions {
        auth: radius.auth.clone(),
        acct: radius.acct.clone(),
        workers: radius.workers,
        reject_delay: radius.reject_delay,
        rows: app.config.rows,
        guard: app.config.guard,
        relay: relay_options(app),
    };
    let store = footing.store;
    let spool = open_spool(app).await?;
    let lanes = app.accounting_lanes().map_err(StartError::from)?;
    let ports = |feed| wiring::ports(&store, &spool, feed, &app.clock, (lanes, teller));
    let (node, tasks, loaded_as_of) = match footing.snapshot {
        Some(snapshot) => {
            let (late, app) = (store.clone(), app.clone());
            supervisor.start_restarting("database", move || {
                let (late, app) = (late.clone(), app.clone());
                async move {
                    offline::open_late(app, late).await;
                    std::future::pending().await
                }
            });
            start_offline(&options, ports(NodeFeed::late(&store)), snapshot).await?
        }
        None => match start_online(&options, &store, &ports).await {
            Err(problem) if problem.is_outage() => {
                let Some(snapshot) = offline::find_snapshot(app).await else {
                    return Err(problem);
                };
                offline::tell(app, &snapshot, &problem);
                start_offline(&options, ports(NodeFeed::late(&store)), snapshot).await?
            }
            result => result.map(|(node, tasks)| (node, tasks, app.now()))?,
        },
    };
    let Tasks {
        journal,
        log,
        drain,
        follower,
        beside,
        limits,
        claims,
    } = tasks;
    supervisor.start_essential("journal", journal);
    supervisor.start_essential_restarting("spool", drain);
    supervisor.start_essential_restarting("authentication log", log);
    supervisor.start_restarting("directory", follower);
    for (name, task) in beside {
        supervisor.start_restarting(name, task);
    }
    supervisor.start_restarting("limits", limits);
    supervisor.start_restarting("devices", claims);
    let board = Arc::new(NodeStore::beside(&store, lanes));
    let clock = Arc::new(NodeClock(Arc::clone(&app.clock)));
    let rights = node.rights_task(Arc::clone(&board), board, clock);
    supervisor.start_restarting("rights of sessions", rights);
    let keeper = start_keeper(app, &node, loaded_as_of, supervisor)?;
    Ok((node, keeper))
}

/// How local tools are heard. AAA goes on without them when there is no secret to share.
fn relay_options(app: &App) -> Option<RelayOptions> {
    let radius = &app.config.radius;
    let address = radius.relay?;
    match relay_secret::find_or_create(&radius.relay_secret_file) {
        Ok(secret) => Some(RelayOptions {
            address,
            clients: radius.relay_clients.clone(),
            secret,
        }),
        Err(problem) => {
            error!(
                error = &problem as &dyn std::error::Error,
                "Local tools are not heard until the server is started again"
            );
            None
        }
    }
}

async fn start_online(
    options: &NodeOptions,
    store: &LateStore,
    ports: &impl Fn(NodeFeed) -> NodePorts,
) -> Result<(Node, Tasks), ServeError> {
    // Opened before the directory is loaded, so that no change falls between the two.
    let feed = store.wait().await.change_feed().await;
    let feed = NodeFeed::opened(store, feed.map_err(ServeError::Feed)?);
    Ok(Node::start(options, ports(feed)).await?)
}

async fn start_offline(
    options: &NodeOptions,
    ports: NodePorts,
    snapshot: Snapshot,
) -> Result<(Node, Tasks, Timestamp), ServeError> {
    let as_of = snapshot.summary.about.as_of;
    let registry = SnapshotRegistry::new(snapshot.file);
    let (node, tasks) = Node::start_from_snapshot(options, ports, &registry).await?;
    Ok((node, tasks, as_of))
}

/// Keeps a snapshot of what the node answers from.
fn start_keeper(
    app: &App,
    node: &Node,
    loaded_as_of: Timestamp,
    supervisor: &mut Supervisor,
) -> Result<Keeper, ServeError> {
    let store = NodeSnapshot {
        file: app.snapshot_file().map_err(StartError::from)?,
        clock: Arc::clone(&app.clock),
    };
    let keeper = Arc::new(SnapshotKeeper {
        store: Arc::new(store),
        directory: Arc::clone(&node.directory),
        sessions: Arc::clone(&node.sessions),
        metrics: Arc::clone(&node.metrics),
        clock: Arc::new(NodeClock(Arc::clone(&app.clock))),
        loaded_as_of,
        progress: Mutex::default(),
    });
    let task = Arc::clone(&keeper);
    supervisor.start_restarting("snapshot", move || Arc::clone(&task).run());
    Ok(keeper)
}

async fn open_spool(app: &App) -> Result<Arc<Spool>, ServeError> {
    let spool = Spool::open(&app.config.data_dir, SpoolLimits::DEFAULT, app.now()).await?;
    let set_aside = spool.set_aside_count().await?;
    if set_aside != 0 {
        warn!(
            records = set_aside,
            "The spool holds {set_aside} accounting records or parcels that could not be stored and were set aside"
        );
    }
    Ok(Arc::new(spool))
}

/// Lets the workers finish; their queues close, and the journal and the log come to their end.
pub(super) async fn stop(mut node: Node) -> Result<(), ServeError> {
    node.stop();
    tokio::task::spawn_blocking(move || node.join())
        .await
        .map_err(ServeError::Join)
}
