//! Whether the program lives, and whether it can do all of its work.

use std::sync::Arc;
use std::time::Duration;

use aaa::directory::Directory;
use aaa::metrics::{Count, Metrics};
use aaa::node::Node;
use aaa::session_table::SessionTable;
use aaa::spooling::SpoolState;
use serde::Serialize;
use services::worker::counts::WorkerCounts;

use super::events::EventView;
use super::housekeeping::Removed;
use super::http::Web;
use crate::app::App;
use crate::disk::Disk;
use crate::late_store::LateStore;
use crate::supervisor::{Restarts, Supervisor};

/// A database that takes longer is as good as absent.
const DATABASE_PATIENCE: Duration = Duration::from_secs(2);

/// What the web side may look at.
#[derive(Clone)]
pub(super) struct Health {
    store: LateStore,
    pub(super) disk: Disk,
    pub(super) process: ProcessView,
    pub(super) node: Option<NodeView>,
    /// What housekeeping removed; absent when another process keeps house.
    pub(super) removed: Option<Arc<Removed>>,
    /// What came of session commands; absent when another process carries them out.
    pub(super) worker: Option<Arc<WorkerCounts>>,
    pub(super) events: EventView,
}

/// The program around the node.
#[derive(Clone)]
pub(super) struct ProcessView {
    pub(super) restarts: Restarts,
    pub(super) web: Web,
}

/// The running node, seen from outside.
#[derive(Clone, Debug)]
pub(super) struct NodeView {
    pub(super) directory: Arc<Directory>,
    pub(super) sessions: Arc<SessionTable>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) spool: Arc<SpoolState>,
}

/// The answer of `/readyz`.
#[derive(Debug, Serialize)]
pub(super) struct Readiness {
    pub(super) status: Status,
    /// `ok`, or why the database cannot be used.
    pub(super) database: String,
    /// `ok`, or why the disk of the data directory cannot be used for long.
    pub(super) disk: String,
    /// What logins are answered from; absent when this process answers no routers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) directory: Option<DirectorySource>,
    /// Where accounting goes; absent when this process answers no routers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) accounting: Option<Accounting>,
    /// Why it goes nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) accounting_problem: Option<String>,
    /// `ok`, or what clients of the web listener complain about. Routers are answered all the same,
    /// so it does not count.
    pub(super) web: String,
    /// Whether this process answers routers.
    pub(super) aaa: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Ready,
    Degraded,
}

/// Where the directory in memory was loaded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DirectorySource {
    Database,
    /// From local disk, because the database was away at the start, and has not been loaded yet.
    Snapshot,
}

/// Where an accounting record is before it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Accounting {
    /// In the database.
    Direct,
    /// On local disk, because the database does not store it, or does not have all of it yet.
    Spooling,
    /// Nowhere: it is not acknowledged, and routers repeat it.
    Refused,
}

impl Health {
    pub(super) fn new(
        store: LateStore,
        disk: Disk,
        process: ProcessView,
        node: Option<&Node>,
        removed: Option<Arc<Removed>>,
        (worker, events): (Option<Arc<WorkerCounts>>, EventView),
    ) -> Self {
        Self {
            store,
            disk,
            process,
            node: node.map(|node| NodeView {
                directory: Arc::clone(&node.directory),
                sessions: Arc::clone(&node.sessions),
                metrics: Arc::clone(&node.metrics),
                spool: Arc::clone(&node.spool),
            }),
            removed,
            worker,
            events,
        }
    }

    pub(super) async fn readiness(&self) -> Readiness {
        let node = self.node.as_ref();
        let (database, disk) = tokio::join!(self.database_trouble(), self.disk.trouble());
        let refusal = node.and_then(|node| node.spool.refusal.find());
        let directory = node.map(NodeView::directory_source);
        let is_ready = database.is_none()
            && disk.is_none()
            && refusal.is_none()
            && directory != Some(DirectorySource::Snapshot);
        let told = |trouble: Option<String>| trouble.unwrap_or_else(|| "ok".to_owned());
        Readiness {
            status: if is_ready {
                Status::Ready
            } else {
                Status::Degraded
            },
            database: told(database),
            disk: told(disk),
            directory,
            accounting: node.map(|node| node.accounting(self.store.find().is_some())),
            accounting_problem: refusal,
            web: told(self.process.web.trouble()),
            aaa: node.is_some(),
        }
    }

    /// Why there is no database, or why it does not answer, or why it stores nothing.
    async fn database_trouble(&self) -> Option<String> {
        let Some(store) = self.store.find() else {
            return Some(self.store.trouble());
        };
        match tokio::time::timeout(DATABASE_PATIENCE, store.ping()).await {
            Ok(Ok(())) => self.node.as_ref()?.spool.database.find(),
            Ok(Err(problem)) => Some(problem.to_string()),
            Err(_) => Some("does not answer".to_owned()),
        }
    }
}

impl ProcessView {
    pub(super) fn new(app: &App, supervisor: &Supervisor) -> Self {
        Self {
            restarts: supervisor.restarts(),
            web: Web::new(app),
        }
    }
}

impl NodeView {
    fn directory_source(&self) -> DirectorySource {
        if self.metrics.value(Count::DirectoryReload) == 0 {
            DirectorySource::Snapshot
        } else {
            DirectorySource::Database
        }
    }

    fn accounting(&self, has_store: bool) -> Accounting {
        if self.spool.refusal.find().is_some() {
            Accounting::Refused
        } else if !has_store || self.spool.is_spooling() {
            Accounting::Spooling
        } else {
            Accounting::Direct
        }
    }
}
