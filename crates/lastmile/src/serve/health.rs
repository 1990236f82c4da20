//! Whether the program lives, and whether it can do all of its work.

use std::sync::Arc;
use std::time::Duration;

use aaa::directory::Directory;
use aaa::metrics::Metrics;
use aaa::node::Node;
use aaa::session_table::SessionTable;
use serde::Serialize;
use storage::store::Store;

/// A database that takes longer is as good as absent.
const DATABASE_PATIENCE: Duration = Duration::from_secs(2);

/// What the web side may look at.
#[derive(Clone)]
pub(super) struct Health {
    store: Store,
    pub(super) node: Option<NodeView>,
}

/// The running node, seen from outside.
#[derive(Clone, Debug)]
pub(super) struct NodeView {
    pub(super) directory: Arc<Directory>,
    pub(super) sessions: Arc<SessionTable>,
    pub(super) metrics: Arc<Metrics>,
}

/// The answer of `/readyz`.
#[derive(Debug, Serialize)]
pub(super) struct Readiness {
    pub(super) status: Status,
    /// `ok`, or why the database cannot be used.
    pub(super) database: String,
    /// Whether this process answers routers.
    pub(super) aaa: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Ready,
    Degraded,
}

impl Health {
    pub(super) fn new(store: Store, node: Option<&Node>) -> Self {
        Self {
            store,
            node: node.map(|node| NodeView {
                directory: Arc::clone(&node.directory),
                sessions: Arc::clone(&node.sessions),
                metrics: Arc::clone(&node.metrics),
            }),
        }
    }

    pub(super) async fn readiness(&self) -> Readiness {
        let ping = tokio::time::timeout(DATABASE_PATIENCE, self.store.ping()).await;
        let (status, database) = match ping {
            Ok(Ok(())) => (Status::Ready, "ok".to_owned()),
            Ok(Err(problem)) => (Status::Degraded, problem.to_string()),
            Err(_) => (Status::Degraded, "does not answer".to_owned()),
        };
        Readiness {
            status,
            database,
            aaa: self.node.is_some(),
        }
    }
}
