//! What converges in this process, and how each of it is seen to stand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use aaa::metrics::{Count, Metrics};
use aaa::node::Node;
use services::reconcile::{Found, Occasion, Reconciler};
use storage::session_command::Look;
use storage::store::Store;

use crate::exit::ErrorChain;
use crate::late_store::LateStore;
use crate::supervisor::Supervisor;

/// A count of failures, and how far it had come when it was last looked at.
struct Failures {
    metrics: Arc<Metrics>,
    count: Count,
    seen: AtomicU64,
}

/// A count that tells what was put right since the last look.
struct Mended {
    metrics: Arc<Metrics>,
    count: Count,
    seen: AtomicU64,
}

/// Starts to look how what converges stands, as soon as there is a store.
pub(super) fn start(
    (node, is_worker): (Option<&Node>, bool),
    store: &LateStore,
    supervisor: &mut Supervisor,
) {
    let node = node.map(|node| Arc::clone(&node.metrics));
    let late = store.clone();
    supervisor.start_restarting("reconcilers", move || {
        let (store, node) = (late.clone(), node.clone());
        async move {
            let store = store.wait().await.clone();
            let mut all = match &node {
                Some(metrics) => of_node(metrics, &store),
                None => Vec::new(),
            };
            if is_worker {
                all.extend(of_worker(&store));
            }
            services::reconcile::run(store, all).await;
        }
    });
}

/// What converges where routers are answered: each as its own task does it, all the time.
fn of_node(metrics: &Arc<Metrics>, store: &Store) -> Vec<Reconciler> {
    vec![
        directory(metrics, store),
        kept(
            "session_rights",
            (metrics, Count::RightsFailure),
            Count::RightsAsked,
        ),
        kept(
            "stale_sessions",
            (metrics, Count::StaleFailure),
            Count::SessionSilenced,
        ),
    ]
}

/// What converges where jobs are carried out.
fn of_worker(store: &Store) -> Vec<Reconciler> {
    let store = store.clone();
    vec![Reconciler::new("session_commands", move |_| {
        let store = store.clone();
        async move {
            let looked = store.session_command_look(Look::All).await;
            looked.map_err(|problem| ErrorChain(&problem).to_string())?;
            let open = store.session_command_open_count().await;
            open.map_err(|problem| ErrorChain(&problem).to_string())
        }
    })]
}

/// What a node answers from. Somebody who wants it right now has it loaded anew.
fn directory(metrics: &Arc<Metrics>, store: &Store) -> Reconciler {
    let failures = Arc::new(Failures::new(metrics, Count::ChangeFailure));
    let (metrics, store) = (Arc::clone(metrics), store.clone());
    Reconciler::new("directory", move |occasion| {
        let (failures, store) = (Arc::clone(&failures), store.clone());
        let is_loaded = metrics.value(Count::DirectoryReload) != 0;
        async move {
            match occasion {
                Occasion::Asked => store
                    .directory_reload()
                    .await
                    .map_err(|problem| ErrorChain(&problem).to_string())?,
                Occasion::Time => {}
            }
            failures.check("changes could not be read")?;
            match is_loaded {
                true => Ok(0),
                false => Err("logins are answered from the snapshot on local disk".to_owned()),
            }
        }
    })
}

/// What a task of the node keeps right by itself; a look says how much it put right since the last.
fn kept(
    name: &'static str,
    (metrics, failure): (&Arc<Metrics>, Count),
    mended: Count,
) -> Reconciler {
    let failures = Arc::new(Failures::new(metrics, failure));
    let mended = Arc::new(Mended {
        metrics: Arc::clone(metrics),
        count: mended,
        seen: AtomicU64::new(0),
    });
    Reconciler::new(name, move |_| {
        let (failures, mended) = (Arc::clone(&failures), Arc::clone(&mended));
        async move { mended.found(failures.check("attempts failed")) }
    })
}

impl Failures {
    fn new(metrics: &Arc<Metrics>, count: Count) -> Self {
        Self {
            metrics: Arc::clone(metrics),
            count,
            seen: AtomicU64::new(0),
        }
    }

    /// An error when there are more than at the last look.
    fn check(&self, what: &str) -> Result<(), String> {
        let now = self.metrics.value(self.count);
        match now - self.seen.swap(now, Relaxed) {
            0 => Ok(()),
            more => Err(format!(
                "{what}: {more} since the last look; the log says why"
            )),
        }
    }
}

impl Mended {
    fn found(&self, checked: Result<(), String>) -> Found {
        checked?;
        let now = self.metrics.value(self.count);
        Ok(now - self.seen.swap(now, Relaxed))
    }
}
