//! Shows who is locked, where operators can see it, and unlocks whom they let go.

use std::sync::Arc;
use std::time::Duration;

use domain::guard::{GuardKey, GuardLock};
use tracing::{error, info, warn};

use super::Guard;
use crate::engine::Moment;
use crate::metrics::{Count, Metrics};
use crate::port::{Clock, GuardBoard, PortError};

/// How often locks are shown and let go.
const EVERY: Duration = Duration::from_secs(1);

/// Locks that are shown.
const SHOWN_MAX: usize = 1_000;

/// Exchanges locks with operators.
pub struct GuardKeeper<B> {
    pub(crate) board: Arc<B>,
    pub(crate) guard: Arc<Guard>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Arc<dyn Clock>,
    /// What is shown.
    pub(crate) shown: Vec<GuardLock>,
    pub(crate) is_failing: bool,
}

impl<B: GuardBoard> GuardKeeper<B> {
    /// Never ends. After a panic it may be called again.
    pub async fn run(&mut self) {
        let mut interval = tokio::time::interval(EVERY);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let outcome = self.exchange().await;
            self.report(outcome);
        }
    }

    async fn exchange(&mut self) -> Result<(), PortError> {
        if !self.guard.has_locked() {
            return Ok(());
        }
        let mut locks = self.guard.locks(self.now());
        locks.truncate(SHOWN_MAX);
        if locks.is_empty() && self.shown.is_empty() {
            return Ok(());
        }
        let shown: Vec<GuardKey> = self.shown.iter().map(|lock| lock.key.clone()).collect();
        for key in self.board.guard_exchange(&shown, &locks).await? {
            let GuardKey { subject, name } = &key;
            info!(%subject, name, "Unlocked {subject} {name}, as an operator asked");
            self.guard.clear(&key);
            locks.retain(|lock| lock.key != key);
        }
        for lock in &locks {
            if !shown.contains(&lock.key) {
                let GuardKey { subject, name } = &lock.key;
                warn!(%subject, name, until = %lock.until, "Too many failed attempts: {subject} {name} is refused until {}", lock.until);
            }
        }
        self.shown = locks;
        Ok(())
    }

    fn report(&mut self, outcome: Result<(), PortError>) {
        let was_failing = std::mem::replace(&mut self.is_failing, outcome.is_err());
        match outcome {
            Ok(()) if was_failing => info!("Locks of guessers are shown again"),
            Ok(()) => {}
            Err(problem) => {
                self.metrics.count(Count::GuardFailure);
                if !was_failing {
                    error!(
                        error = &problem as &dyn std::error::Error,
                        "Locks of guessers cannot be shown or let go; they end by themselves"
                    );
                }
            }
        }
    }

    fn now(&self) -> Moment {
        Moment {
            instant: self.clock.instant(),
            timestamp: self.clock.timestamp(),
        }
    }
}
