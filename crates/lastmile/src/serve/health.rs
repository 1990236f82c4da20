//! Whether the program lives, and whether it can do all of its work.

use std::sync::Arc;
use std::time::Duration;

use aaa::directory::Directory;
use aaa::metrics::{Count, Metrics};
use aaa::node::Node;
use aaa::session_table::SessionTable;
use aaa::spooling::SpoolState;
use serde::Serialize;

use super::http::Traffic;
use crate::late_store::LateStore;
use crate::supervisor::Restarts;

/// A database that takes longer is as good as absent.
const DATABASE_PATIENCE: Duration = Duration::from_secs(2);

/// What the web side may look at.
#[derive(Clone)]
pub(super) struct Health {
    store: LateStore,
    pub(super) process: ProcessView,
    pub(super) node: Option<NodeView>,
}

/// The program around the node.
#[derive(Clone, Debug)]
pub(super) struct ProcessView {
    pub(super) restarts: Restarts,
    pub(super) traffic: Arc<Traffic>,
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
    /// What logins are answered from; absent when this process answers no routers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) directory: Option<DirectorySource>,
    /// Where accounting goes; absent when this process answers no routers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) accounting: Option<Accounting>,
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
}

impl Health {
    pub(super) fn new(store: LateStore, restarts: Restarts, node: Option<&Node>) -> Self {
        Self {
            store,
            process: ProcessView {
                restarts,
                traffic: Arc::default(),
            },
            node: node.map(|node| NodeView {
                directory: Arc::clone(&node.directory),
                sessions: Arc::clone(&node.sessions),
                metrics: Arc::clone(&node.metrics),
                spool: Arc::clone(&node.spool),
            }),
        }
    }

    pub(super) async fn readiness(&self) -> Readiness {
        let trouble = self.database_trouble().await;
        let directory = self.node.as_ref().map(NodeView::directory_source);
        let is_ready = trouble.is_none() && directory != Some(DirectorySource::Snapshot);
        Readiness {
            status: match is_ready {
                true => Status::Ready,
                false => Status::Degraded,
            },
            database: trouble.unwrap_or_else(|| "ok".to_owned()),
            directory,
            accounting: self.node.as_ref().map(|node| match self.store.find() {
                Some(_) => node.accounting(),
                None => Accounting::Spooling,
            }),
            aaa: self.node.is_some(),
        }
    }

    /// Why the database cannot be used.
    async fn database_trouble(&self) -> Option<String> {
        let Some(store) = self.store.find() else {
            return Some(self.store.trouble());
        };
        match tokio::time::timeout(DATABASE_PATIENCE, store.ping()).await {
            Ok(Ok(())) => None,
            Ok(Err(problem)) => Some(problem.to_string()),
            Err(_) => Some("does not answer".to_owned()),
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

    fn accounting(&self) -> Accounting {
        if self.spool.is_spooling() {
            Accounting::Spooling
        } else {
            Accounting::Direct
        }
    }
}
