//! Starts the tasks of the program and watches them: the only place that spawns.

use std::future::Future;
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
    /// Neither can it without these, and they never end.
    lasting: JoinSet<&'static str>,
    /// These are started again when they fail.
    others: JoinSet<()>,
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

    /// Starts a task without which the program must not go on and which never ends.
    pub fn start_lasting(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        self.lasting.spawn(async move {
            task.await;
            name
        });
    }

    /// Starts a task that is made anew when it panics or returns.
    pub fn start_restarting<F, T>(&mut self, name: &'static str, make: F)
    where
        F: Fn() -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        self.others.spawn(async move {
            loop {
                let mut one = JoinSet::new();
                one.spawn(make());
                if let Some(Err(problem)) = one.join_next().await {
                    error!(task = name, %problem, "The task '{name}' panicked and starts again");
                }
                tokio::time::sleep(RESTART_PAUSE).await;
            }
        });
    }

    /// Waits for a task to end when it should not; never returns otherwise.
    pub async fn watch(&mut self) -> TaskError {
        let ended = tokio::select! {
            Some(ended) = self.essential.join_next() => ended,
            Some(ended) = self.lasting.join_next() => ended,
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
        self.lasting.shutdown().await;
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
        done.notified().await;
        assert_eq!(starts.load(Relaxed), 3);
    }
}
