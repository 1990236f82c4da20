//! Starts the tasks of the program and watches them.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tracing::error;

/// Wait before a task that failed is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// The tasks of a running program. Dropping it ends those that never end by themselves.
#[derive(Debug, Default)]
pub struct Supervisor {
    /// Without these the program cannot do its work; they end when the work is done.
    essential: JoinSet<&'static str>,
    /// These never end; they are started again when they fail.
    others: JoinSet<()>,
    restarts: Restarts,
}

/// How often each task that may be started again was started again; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Restarts(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Restarts {
    /// The tasks by their names.
    pub fn list(&self) -> Vec<(&'static str, u64)> {
        self.counts()
            .iter()
            .map(|(name, count)| (*name, *count))
            .collect()
    }

    fn add(&self, name: &'static str, count: u64) {
        *self.counts().entry(name).or_insert(0) += count;
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<&'static str, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An essential task ended although nobody asked it to.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// It returned.
    #[error("the task '{0}' ended before the program")]
    Ended(&'static str),
    /// It panicked; the text of the panic is in the log.
    #[error("a task panicked")]
    Panicked(#[source] JoinError),
}

impl Supervisor {
    /// A supervisor without tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a task without which the program must not go on.
    pub fn start_essential(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        self.essential.spawn(async move {
            task.await;
            name
        });
    }

    /// Starts a task without which the program must not go on. After a panic it is made anew and
    /// goes on; when it returns, it has ended.
    pub fn start_essential_restarting<F, T>(&mut self, name: &'static str, make: F)
    where
        F: Fn() -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let restarts = self.restarts_of(name);
        self.essential.spawn(async move {
            while run_once(name, make()).await.is_err() {
                tokio::time::sleep(RESTART_PAUSE).await;
                restarts.add(name, 1);
            }
            name
        });
    }

    /// Starts a task that is made anew when it panics or returns.
    pub fn start_restarting<F, T>(&mut self, name: &'static str, make: F)
    where
        F: Fn() -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let restarts = self.restarts_of(name);
        self.others.spawn(async move {
            loop {
                // A return is a failure too, which the task has told.
                let _ = run_once(name, make()).await;
                tokio::time::sleep(RESTART_PAUSE).await;
                restarts.add(name, 1);
            }
        });
    }

    /// How often tasks were started again.
    pub fn restarts(&self) -> Restarts {
        self.restarts.clone()
    }

    fn restarts_of(&self, name: &'static str) -> Restarts {
        // A task that never failed is counted with 0.
        self.restarts.add(name, 0);
        self.restarts.clone()
    }

    /// Waits for a task to end when it should not; never returns otherwise.
    pub async fn watch(&mut self) -> TaskError {
        let ended = tokio::select! {
            Some(ended) = self.essential.join_next() => ended,
            else => std::future::pending().await,
        };
        match ended {
            Ok(name) => TaskError::Ended(name),
            Err(problem) => TaskError::Panicked(problem),
        }
    }

    /// Ends every task that still runs and waits until it is gone.
    pub async fn shutdown(&mut self) {
        self.others.shutdown().await;
        self.essential.shutdown().await;
    }

    /// Waits until the essential tasks have ended by themselves.
    pub async fn finish(&mut self) -> Result<(), TaskError> {
        while let Some(ended) = self.essential.join_next().await {
            ended.map_err(TaskError::Panicked)?;
        }
        Ok(())
    }
}

/// Runs a task to its end, and tells when that is a panic.
async fn run_once(
    name: &'static str,
    task: impl Future<Output = ()> + Send + 'static,
) -> Result<(), JoinError> {
    let mut one = JoinSet::new();
    one.spawn(task);
    match one.join_next().await {
        Some(Err(problem)) => {
            error!(task = name, %problem, "The task '{name}' panicked and starts again");
            Err(problem)
        }
        Some(Ok(())) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn an_essential_task_that_ends_is_named() {
        let mut supervisor = Supervisor::new();
        supervisor.start_essential("journal", async {});
        assert!(matches!(
            supervisor.watch().await,
            TaskError::Ended("journal")
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn another_task_is_started_again_after_a_panic() {
        let mut supervisor = Supervisor::new();
        let starts = Arc::new(AtomicU32::new(0));
        let done = Arc::new(Notify::new());
        let make = {
            let (starts, done) = (Arc::clone(&starts), Arc::clone(&done));
            move || {
                let (starts, done) = (Arc::clone(&starts), Arc::clone(&done));
                async move {
                    if starts.fetch_add(1, Relaxed) < 2 {
                        std::panic::resume_unwind(Box::new("on purpose"));
                    }
                    done.notify_one();
                    std::future::pending::<()>().await;
                }
            }
        };
        supervisor.start_restarting("web", make);
        supervisor.start_restarting("other", std::future::pending::<()>);
        done.notified().await;
        assert_eq!(starts.load(Relaxed), 3);
        assert_eq!(supervisor.restarts().list(), [("other", 0), ("web", 2)]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_essential_task_goes_on_after_a_panic_and_ends_when_it_is_done() {
        let mut supervisor = Supervisor::new();
        let starts = Arc::new(AtomicU32::new(0));
        let make = {
            let starts = Arc::clone(&starts);
            move || {
                let starts = Arc::clone(&starts);
                async move {
                    if starts.fetch_add(1, Relaxed) < 2 {
                        std::panic::resume_unwind(Box::new("on purpose"));
                    }
                }
            }
        };
        supervisor.start_essential_restarting("spool", make);
        supervisor.finish().await.expect("it ends by itself");
        assert_eq!(starts.load(Relaxed), 3);
        assert_eq!(supervisor.restarts().list(), [("spool", 2)]);
    }
}
