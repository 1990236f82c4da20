//! Looks again and again at what converges, and says how each of it stands.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use storage::error::StoreError;
use storage::reconciler::Observation;
use storage::store::Store;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tracing::warn;

/// How often everything is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// How often it is asked whether somebody wants a look.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Wait before the database is tried again.
const STORE_PAUSE: Duration = Duration::from_secs(5);

/// For how long a node counts that said nothing, in seconds.
pub const SILENCE_SECONDS: i64 = 60;

/// Why somebody looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// It was time.
    Time,
    /// Somebody wants it made right now.
    Asked,
}

/// What a look found: how many things are not yet as they should be, or why that is not known.
pub type Found = Result<u64, String>;

/// One look.
pub type Looking = Pin<Box<dyn Future<Output = Found> + Send>>;

/// Something that converges: it may be looked at as often as one likes, and takes no input.
#[derive(Clone)]
pub struct Reconciler {
    pub name: &'static str,
    pub look: Arc<dyn Fn(Occasion) -> Looking + Send + Sync>,
}

impl Reconciler {
    /// A reconciler whose looks are made by a function.
    pub fn new<F, T>(name: &'static str, look: F) -> Self
    where
        F: Fn(Occasion) -> T + Send + Sync + 'static,
        T: Future<Output = Found> + Send + 'static,
    {
        Self {
            name,
            look: Arc::new(move |occasion| Box::pin(look(occasion))),
        }
    }
}

/// Works until it is dropped.
pub async fn run(store: Store, reconcilers: Vec<Reconciler>) {
    let mut ticks = interval(ASK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last: Option<Instant> = None;
    loop {
        ticks.tick().await;
        let is_time = last.is_none_or(|last| LOOK_EVERY <= last.elapsed());
        match turn(&store, &reconcilers, is_time).await {
            Ok(()) if is_time => last = Some(Instant::now()),
            Ok(()) => {}
            Err(problem) => {
                warn!(
                    error = &problem as &dyn std::error::Error,
                    "It cannot be noted how reconcilers stand"
                );
                sleep(STORE_PAUSE).await;
            }
        }
    }
}

/// Looks at what it is time for, and at what somebody wants.
async fn turn(store: &Store, reconcilers: &[Reconciler], is_time: bool) -> Result<(), StoreError> {
    let asked = store.reconciler_asked().await?;
    let mut found = Vec::new();
    for reconciler in reconcilers {
        let occasion = match asked.iter().any(|name| name == reconciler.name) {
            true => Occasion::Asked,
            false if is_time => Occasion::Time,
            false => continue,
        };
        found.push((reconciler.name, (reconciler.look)(occasion).await));
    }
    if found.is_empty() {
        return Ok(());
    }
    let observations: Vec<Observation<'_>> = found
        .iter()
        .map(|(name, drift)| Observation {
            name,
            drift: drift.as_ref().map_err(String::as_str).copied(),
        })
        .collect();
    store.reconciler_note(&observations).await
}
